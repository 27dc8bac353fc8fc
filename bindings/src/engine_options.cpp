/// @file
/// Engine options by name. Each has one row in the table of its engine; an unknown name gets the known ones.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <sizer/error.hpp>

#include "nearest.hpp"
#include "request.hpp"

namespace sizer_python {
namespace {

using sizer::latent_cache;
using sizer::llama_cpp_fork;
using sizer::llama_cpp_options;
using sizer::mlx_options;
using sizer::serving_engine;
using sizer::split_mode;
using sizer::vllm_options;

/// Where a value of each type is kept; the library checks its range.
template <class Options>
using member =
    std::variant<std::int64_t Options::*, double Options::*, bool Options::*, sizer::ggml_type Options::*,
                 latent_cache Options::*, llama_cpp_fork Options::*, split_mode Options::*, serving_engine Options::*>;

template <class Options>
struct option {
  std::string_view name;
  member<Options> place;
};

constexpr auto llama_cpp_table = std::to_array<option<llama_cpp_options>>({
    {"type_k", &llama_cpp_options::type_k},
    {"type_v", &llama_cpp_options::type_v},
    {"kv_unified", &llama_cpp_options::kv_unified},
    {"swa_full", &llama_cpp_options::swa_full},
    {"n_batch", &llama_cpp_options::n_batch},
    {"n_outputs_max", &llama_cpp_options::n_outputs_max},
    {"n_rs_seq", &llama_cpp_options::n_rs_seq},
    {"n_threads", &llama_cpp_options::n_threads},
    {"n_gpu_layers", &llama_cpp_options::n_gpu_layers},
    {"n_cpu_moe", &llama_cpp_options::n_cpu_moe},
    {"offload_kqv", &llama_cpp_options::offload_kqv},
    {"latent_cache", &llama_cpp_options::latent_cache},
    {"build", &llama_cpp_options::build},
    {"fork", &llama_cpp_options::fork},
    {"split_mode", &llama_cpp_options::split_mode},
});
constexpr auto vllm_table = std::to_array<option<vllm_options>>({
    {"block_size", &vllm_options::block_size},
    {"gpu_memory_utilization", &vllm_options::gpu_memory_utilization},
    {"max_num_batched_tokens", &vllm_options::max_num_batched_tokens},
    {"max_num_seqs", &vllm_options::max_num_seqs},
    {"release_year", &vllm_options::release_year},
    {"program", &vllm_options::program},
});
constexpr auto mlx_table = std::to_array<option<mlx_options>>({
    {"prefill_step_size", &mlx_options::prefill_step_size},
});

constexpr auto latent_caches = std::to_array<std::pair<std::string_view, latent_cache>>({
    {"keys_only", latent_cache::keys_only},
    {"keys_and_values", latent_cache::keys_and_values},
    {"expanded", latent_cache::expanded},
});

constexpr auto forks = std::to_array<std::pair<std::string_view, llama_cpp_fork>>({
    {"none", llama_cpp_fork::none},
    {"ik_llama.cpp", llama_cpp_fork::ik_llama_cpp},
});
constexpr auto split_modes = std::to_array<std::pair<std::string_view, split_mode>>({
    {"layer", split_mode::layer},
    {"row", split_mode::row},
});
constexpr auto serving_engines = std::to_array<std::pair<std::string_view, serving_engine>>({
    {"vllm", serving_engine::vllm},
    {"tensorrt-llm", serving_engine::tensorrt_llm},
    {"deepspeed", serving_engine::deepspeed},
    {"sglang", serving_engine::sglang},
});

/// Names of the types, in the order of `member`.
constexpr std::array<std::string_view, 8> type_names{"integer", "number", "boolean", "type",
                                                     "choice",  "choice", "choice",  "choice"};

std::string shown(const option_value& value) {
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<std::int64_t>(&value)) return std::to_string(*i);
  if (const auto* d = std::get_if<double>(&value)) return std::to_string(*d);
  return "'" + std::get<std::string>(value) + "'";
}

/// Puts a value of exactly that type in; the only conversion is from an integer to a real number.
struct put {
  const std::string& name;
  const option_value& value;

  [[noreturn]] void refuse(const std::string& expected) const {
    throw sizer::value_error{name, shown(value), expected};
  }

  void operator()(std::int64_t& place) const {
    const auto* given = std::get_if<std::int64_t>(&value);
    if (given == nullptr) refuse("an integer");
    place = *given;
  }
  void operator()(double& place) const {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      place = static_cast<double>(*whole);
      return;
    }
    const auto* given = std::get_if<double>(&value);
    if (given == nullptr) refuse("a number");
    place = *given;
  }
  void operator()(bool& place) const {
    const auto* given = std::get_if<bool>(&value);
    if (given == nullptr) refuse("true or false");
    place = *given;
  }
  void operator()(sizer::ggml_type& place) const {
    const auto* given = std::get_if<std::string>(&value);
    if (given == nullptr) refuse("the name of a type, such as 'q8_0'");
    place = find_kv_type(name.c_str(), *given);
  }
  void operator()(latent_cache& place) const { choose(latent_caches, place); }
  void operator()(llama_cpp_fork& place) const { choose(forks, place); }
  void operator()(split_mode& place) const { choose(split_modes, place); }
  void operator()(serving_engine& place) const { choose(serving_engines, place); }

  template <class Choice, std::size_t Size>
  void choose(const std::array<std::pair<std::string_view, Choice>, Size>& choices, Choice& place) const {
    const auto* given = std::get_if<std::string>(&value);
    std::string expected = "one of ";
    for (const auto& [text, choice] : choices) {
      if (given != nullptr && text == *given) {
        place = choice;
        return;
      }
      if (expected.size() > 7) expected += ", ";
      expected += "'" + std::string{text} + "'";
    }
    refuse(expected);
  }
};

template <class Options, std::size_t Size>
bool set_in(const std::array<option<Options>, Size>& table, Options& options, const std::string& name,
            const option_value& value) {
  for (const option<Options>& candidate : table) {
    if (candidate.name != name) continue;
    std::visit([&](auto place) { put{name, value}(options.*place); }, candidate.place);
    return true;
  }
  return false;
}

template <class Options, std::size_t Size>
std::vector<option_info> listed(const std::array<option<Options>, Size>& table) {
  std::vector<option_info> options;
  for (const option<Options>& one : table) options.push_back({one.name, type_names[one.place.index()]});
  return options;
}

}  // namespace

std::vector<option_info> engine_options(sizer::engine_kind kind) {
  switch (kind) {
    case sizer::engine_kind::vllm: return listed(vllm_table);
    case sizer::engine_kind::mlx: return listed(mlx_table);
    case sizer::engine_kind::llama_cpp:
    case sizer::engine_kind::ollama:
    case sizer::engine_kind::lm_studio: break;
  }
  return listed(llama_cpp_table);
}

void set_option(sizer::engine& engine, const std::string& name, const option_value& value) {
  bool found = false;
  if (engine.kind == sizer::engine_kind::vllm) {
    found = set_in(vllm_table, engine.vllm, name, value);
  } else if (engine.kind == sizer::engine_kind::mlx) {
    found = set_in(mlx_table, engine.mlx, name, value);
  } else {
    found = set_in(llama_cpp_table, engine.llama_cpp, name, value);
  }
  if (found) return;

  std::vector<std::string> known;
  for (const option_info& one : engine_options(engine.kind)) known.emplace_back(one.name);
  // All of them, the nearest first: there are few, and a list saves a look into the manual.
  std::vector<std::string> names = nearest(name, known, known.size());
  for (const std::string& one : known) {
    if (std::find(names.begin(), names.end(), one) == names.end()) names.push_back(one);
  }
  throw sizer::unknown_name_error{"engine_options", name, std::move(names)};
}

}  // namespace sizer_python
