#pragma once
/// @file
/// What a caller of estimate(), compare() or sweep() asks for, before it meets a model: absent values are filled in per
/// model. Plain C++, so that loops over requests run without the interpreter's lock.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <sizer/catalog/catalog.hpp>
#include <sizer/catalog/load_model.hpp>
#include <sizer/engine/engine.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/workload.hpp>

namespace sizer_python {

using option_value = std::variant<bool, std::int64_t, double, std::string>;

struct request {
  std::optional<sizer::quantization> quant;  ///< absent: what the model's files are, or Q4_K_M
  std::optional<std::int64_t> context;       ///< absent: what the model's files state, or its trained context
  std::optional<std::int64_t> parallel;      ///< absent: the batch
  std::int64_t batch = 1;
  std::optional<std::int64_t> prompt_tokens;  ///< absent: 2048, or what the context leaves
  std::optional<std::int64_t> output_tokens;  ///< absent: 256, or what the context leaves
  std::int64_t depth = 0;
  std::optional<sizer::engine_kind> engine;  ///< absent: the one that the model's files were made for, or llama.cpp
  sizer::ggml_type kv_type = sizer::ggml_type::f16;
  std::optional<std::int64_t> ubatch;  ///< absent: the engine's default
  bool flash_attention = true;
  std::vector<std::pair<std::string, option_value>> options;  ///< of the engine, under its own names
};

/// A request that has met its model.
struct question {
  sizer::workload work;
  sizer::engine engine;
  sizer::loaded_weights loaded;
};

/// Fills in what the request leaves open and checks every count.
/// @throws sizer::value_error, sizer::unknown_name_error
[[nodiscard]] question resolve(const request& asked, const sizer::model_entry& model);

/// @throws sizer::unknown_name_error
[[nodiscard]] sizer::ggml_type find_kv_type(const char* field, std::string_view name);
/// Types that llama.cpp keeps a KV cache in, in its own spelling ("q8_0").
[[nodiscard]] std::vector<std::string> kv_type_names();
[[nodiscard]] std::string kv_type_name(sizer::ggml_type type);

/// An option of an engine: its name and the type of its value ("integer", "number", "boolean", "type", "choice").
struct option_info {
  std::string_view name;
  std::string_view type;
};
[[nodiscard]] std::vector<option_info> engine_options(sizer::engine_kind kind);

/// Sets one option.
/// @throws sizer::unknown_name_error for a name that this engine does not have, sizer::value_error for its value
void set_option(sizer::engine& engine, const std::string& name, const option_value& value);

}  // namespace sizer_python
