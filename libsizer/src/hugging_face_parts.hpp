#pragma once
/// @file
/// The parts of read_hugging_face_config, private to the library.
/// Facts from llama.cpp's converter (`conversion/*.py` at unslothai/llama.cpp@d32676d77426, an upstream tree of
/// 2026-08) and the configuration classes of huggingface/transformers (`src/transformers/models/*/configuration_*.py`,
/// versions 4.57 to 5.12).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/model/architecture.hpp>

#include "config_fields.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// GGUF family of a model type; an architecture's name decides where a type stands for several families or is not
/// known.
[[nodiscard]] std::optional<std::string_view> hugging_face_family(std::string_view model_type,
                                                                  std::string_view architecture) noexcept;
/// True for types and classes of models that are no causal language models (encoders, vision, speech, translation).
[[nodiscard]] bool is_no_causal_model(std::string_view model_type, std::string_view architecture) noexcept;
/// What the configuration class takes when `tie_word_embeddings` is not stated.
[[nodiscard]] bool ties_by_default(std::string_view model_type) noexcept;
/// A value that the configuration class takes when the key is not stated; files of the publisher leave these out.
[[nodiscard]] std::optional<std::int32_t> class_default(std::string_view model_type, std::string_view key) noexcept;
/// Families whose GGUF files always carry the multi-token-prediction blocks.
[[nodiscard]] bool keeps_mtp_layers(std::string_view family) noexcept;

/// One config.json on its way to a shape.
struct config_draft {
  config_fields fields;
  std::string model_type;    ///< of the language model
  std::string architecture;  ///< first of "architectures"; may be empty
  bool family_known = true;
  model_shape shape;
  std::int32_t n_mtp_layers = 0;  ///< as the file states them
  std::vector<std::string> notes;

  [[nodiscard]] bool is(std::string_view family) const noexcept { return shape.family == family; }
  [[nodiscard]] bool is_nemotron_h() const noexcept { return is("nemotron_h") || is("nemotron_h_moe"); }
  /// A model of state-space layers alone: no heads, no feed-forward parts.
  [[nodiscard]] bool is_state_space() const noexcept { return is("mamba") || is("mamba2"); }
  [[nodiscard]] std::size_t layer_count() const noexcept { return static_cast<std::size_t>(shape.n_layers); }
  /// The first stated key; else the default of the configuration class for the first key; else nothing.
  [[nodiscard]] std::optional<std::int32_t> integer(std::string_view keys) {
    if (const auto stated = fields.integer(keys)) return stated;
    const std::string_view key = keys.substr(0, keys.find(' '));
    // A plain file states its sizes; only the width of a head is commonly left to the class.
    if (!fields.nested() && key != "head_dim" && key != "global_head_dim") return std::nullopt;
    const auto standard = class_default(model_type, key);
    if (standard) {
      notes.push_back(std::string{key} + " is not stated: " + std::to_string(*standard) + ", the default of the class");
    }
    return standard;
  }
};

inline constexpr std::string_view width_keys = "hidden_size n_embd d_model dim";

/// A product of stated values, one of which is that of `keys`.
/// @throws json_fault when it does not fit into 31 bits
[[nodiscard]] inline std::int32_t narrow(const config_draft& draft, std::string_view keys, std::int64_t value) {
  if (value < 0 || value > std::numeric_limits<std::int32_t>::max()) {
    draft.fields.at(keys).fail(std::to_string(value) + " with the values beside it",
                               "a product up to " + std::to_string(std::numeric_limits<std::int32_t>::max()));
  }
  return static_cast<std::int32_t>(value);
}

/// Fills in widths of dense feed-forward parts, and DeciLM's block_configs.
void read_dense_width(config_draft& draft);
/// Fills in the experts.
void read_experts(config_draft& draft);
/// Empty: the family has no recurrent layers.
[[nodiscard]] std::optional<recurrent_shape> recurrent_part(const config_draft& draft);
/// Fills in which layer has which mixer and which feed-forward part. Needs the counts of layers, heads and experts.
void read_layer_kinds(config_draft& draft);
/// Fills in everything else of the shape: widths, heads, experts, recurrent parts, features.
void read_hugging_face_shape(config_draft& draft);
/// Number format of the weights, as hugging_face_config::quantization names it.
[[nodiscard]] std::string hugging_face_quantization(const config_fields& fields);

/// The shortest pattern that repeats to these kinds: {sliding, sliding, full, sliding, sliding, full} is 2 sliding, 1
/// full.
template <class Kind>
[[nodiscard]] std::vector<run<Kind>> pattern_of(const std::vector<Kind>& kinds) {
  std::size_t period = 1;
  while (period < kinds.size() &&
         !std::equal(kinds.begin() + static_cast<std::ptrdiff_t>(period), kinds.end(), kinds.begin())) {
    ++period;
  }
  std::vector<run<Kind>> runs;
  for (std::size_t i = 0; i < std::min(period, kinds.size()); ++i) {
    if (!runs.empty() && runs.back().kind == kinds[i]) {
      ++runs.back().count;
    } else {
      runs.push_back({kinds[i], 1});
    }
  }
  return runs;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
