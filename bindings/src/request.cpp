/// @file
/// From what a caller typed to a workload and an engine.

#include "request.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <sizer/error.hpp>

namespace sizer_python {
namespace {

// What a request means when it does not say: a prompt of a few pages and an answer of a few paragraphs.
constexpr std::int64_t usual_prompt = 2048;
constexpr std::int64_t usual_output = 256;

/// `--cache-type-k` of llama.cpp's command-line tools (2026-08).
constexpr std::array<sizer::ggml_type, 9> cache_types{
    sizer::ggml_type::f32,    sizer::ggml_type::f16,  sizer::ggml_type::bf16,
    sizer::ggml_type::q8_0,   sizer::ggml_type::q4_0, sizer::ggml_type::q4_1,
    sizer::ggml_type::iq4_nl, sizer::ggml_type::q5_0, sizer::ggml_type::q5_1};

}  // namespace

std::string kv_type_name(sizer::ggml_type type) {
  std::string name{to_string(type)};
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name;
}

std::vector<std::string> kv_type_names() {
  std::vector<std::string> names;
  for (const sizer::ggml_type type : cache_types) names.push_back(kv_type_name(type));
  return names;
}

sizer::ggml_type find_kv_type(const char* field, std::string_view name) {
  const auto found = sizer::find_ggml_type(name);
  if (found && std::find(cache_types.begin(), cache_types.end(), *found) != cache_types.end()) return *found;
  throw sizer::unknown_name_error{field, std::string{name}, kv_type_names()};
}

namespace {

/// The context that a runtime gives a model when nobody asks for one: of a Modelfile, of the file, or the trained one.
std::int64_t usual_context(const sizer::model_entry& model, sizer::engine_kind engine) {
  const std::int64_t native = model.architecture.shape.context_length;
  if (!model.file) return native;
  const auto modelfile = model.file->parameters.num_ctx;
  if (engine == sizer::engine_kind::ollama && modelfile) return std::min(*modelfile, native);  // Ollama clamps it too
  return model.file->stated_context;
}

/// What a Modelfile sets and the request does not.
void apply_modelfile(const request& asked, const sizer::ollama_parameters& parameters,
                     sizer::llama_cpp_options& llama) {
  if (parameters.num_gpu) llama.n_gpu_layers = *parameters.num_gpu;
  if (parameters.num_batch && !asked.ubatch) {
    llama.n_batch = *parameters.num_batch;
    llama.n_ubatch = *parameters.num_batch;
  }
}

}  // namespace

question resolve(const request& asked, const sizer::model_entry& model) {
  const std::int64_t native = model.architecture.shape.context_length;
  const sizer::engine_kind kind =
      asked.engine.value_or(model.file ? sizer::usual_engine(*model.file) : sizer::engine_kind::llama_cpp);
  sizer::workload work;
  work.context = asked.context.value_or(usual_context(model, kind));
  if (work.context < 1) {  // zero means the native context in C++; here only an absent value does
    throw sizer::value_error{"context", std::to_string(work.context),
                             "1 to " + std::to_string(native) + " (the model's trained context)"};
  }
  work.batch = asked.batch;
  work.parallel = asked.parallel.value_or(asked.batch);
  work.depth = asked.depth;
  const std::int64_t left = std::clamp<std::int64_t>(work.context - std::max<std::int64_t>(work.depth, 0), 0, native);
  work.prompt_tokens = asked.prompt_tokens.value_or(std::min(usual_prompt, left));
  work.output_tokens = asked.output_tokens.value_or(std::min(usual_output, left));
  // The slots follow the batch when nobody states them, so a bad batch must not be reported as bad slots.
  if (!asked.parallel && work.batch < 1) work.parallel = 1;
  work = sizer::checked(work, native);

  question result{work, sizer::make_engine(kind, work), sizer::weights_for(model, asked.quant, kind)};
  sizer::llama_cpp_options& llama = result.engine.llama_cpp;
  llama.type_k = asked.kv_type;
  llama.type_v = asked.kv_type;
  llama.flash_attention = asked.flash_attention;
  if (asked.ubatch) llama.n_ubatch = *asked.ubatch;
  if (model.file && kind == sizer::engine_kind::ollama) apply_modelfile(asked, model.file->parameters, llama);
  for (const auto& [name, value] : asked.options) set_option(result.engine, name, value);
  return result;
}

}  // namespace sizer_python
