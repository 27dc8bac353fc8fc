#pragma once
/// @file
/// A model as Hugging Face publishes it: what `config.json` says.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {

/// A context length that a file states, and where ("max_position_embeddings").
struct stated_context {
  std::string where;
  std::int64_t tokens = 0;
  friend bool operator==(const stated_context&, const stated_context&) = default;
};

/// What a `config.json` says.
struct hugging_face_config {
  std::string model_type;         ///< of the language model ("qwen3_moe")
  std::string architecture_name;  ///< first of its "architectures" ("Qwen3MoeForCausalLM"); may be empty
  /// shape.context_length is what the file says the model takes. Features are stated where the file contradicts the
  /// family.
  model_shape shape;
  /// False: a model type that is in no list. The shape then rests on the usual keys and a plain transformer, and
  /// shape.family is the model type.
  bool family_known = true;
  /// Number format of the weights. By libsizer's own name where it has a recipe (memory/quantization.hpp): "FP8"
  /// (scales per block), "FP8_TENSOR" (per tensor, channel or row), "AWQ" and "GPTQ" (4 bits, groups of 128), "MXFP4",
  /// "NVFP4", "MLX-4BIT", "MLX-6BIT", "MLX-8BIT". "BF16", "F16" or "F32" when the file states no quantisation but a
  /// type. Else a description: "bitsandbytes 4-bit", "compressed-tensors 4-bit", "GPTQ 4-bit group 32", "MLX 3-bit",
  /// "FP8 with FP4 experts". Empty: not stated.
  std::string quantization;
  /// `original_max_position_embeddings`: tokens the positions were made for before a scaling that is laid over finished
  /// weights (linear, dynamic, YaRN, LongRoPE). Empty: not stretched, or not stated. A llama3 scaling is none: the
  /// weights were trained with it. Publishers also ship stretched models as native (DeepSeek-V3, gpt-oss); the caller
  /// decides.
  std::optional<std::int64_t> original_context;
  /// Multi-token-prediction blocks that the file states. shape.n_mtp_layers counts them only in families whose GGUF
  /// files have always kept them (GLM-4.5, GLM-5, Ling 2, EXAONE-MoE).
  std::int32_t n_mtp_layers = 0;
  std::vector<std::string> notes;  ///< what was taken for granted, one sentence each
  friend bool operator==(const hugging_face_config&, const hugging_face_config&) = default;
};

/// Reads a `config.json`, the language model of it (`text_config`, `llm_config`, `language_config`). Infinity and NaN,
/// which Python writes as bare words, are tolerated where nobody reads them.
/// @param file_name  for error messages
/// @throws data_error naming the JSON pointer, the value got and what is expected; also when the file is of another
///   kind of model (an encoder, a vision or diffusion model)
[[nodiscard]] hugging_face_config read_hugging_face_config(std::string_view text, const std::string& file_name);

}  // namespace v0
}  // namespace sizer
