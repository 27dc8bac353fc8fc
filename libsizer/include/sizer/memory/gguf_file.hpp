#pragma once
/// @file
/// Size of a GGUF file: its tensors and the header, which is mostly the tokenizer's tables.
/// Measured: file bytes minus exact tensor bytes of 30 published files, divided by the vocabulary. SentencePiece
/// vocabularies (Llama 2, Mistral, Phi-3, Gemma) take 23.0 to 24.7 bytes an entry, byte-pair ones with as many merges
/// as entries (Qwen 2, Falcon, DeepSeek) 39.1 to 40.4, Llama 3's, with 2.2 merges an entry, 61.1. Data:
/// tests/golden/data/gguf_file_sizes.csv.

#include <cstdint>
#include <string_view>

#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Estimated bytes of a GGUF header: tokens, scores, token types and merges.
[[nodiscard]] constexpr bytes gguf_header_bytes(const model_shape& shape) {
  constexpr std::int32_t llama3_vocabulary = 128'256;
  constexpr std::int32_t largest_small_vocabulary = 32'064;  // Llama 2 and its extensions
  const bool sentence_piece =
      shape.vocab_size <= largest_small_vocabulary || std::string_view{shape.family}.starts_with("gemma");
  const std::int32_t per_entry = shape.vocab_size == llama3_vocabulary ? 61 : sentence_piece ? 24 : 39;
  return make_bytes(count{shape.vocab_size} * per_entry);
}

/// Estimated bytes of the file: exact tensors plus the header.
[[nodiscard]] inline bytes gguf_file_bytes(const architecture& model, const quantization& quant) {
  return weights(model, quant).total + gguf_header_bytes(model.shape);
}

}  // namespace v0
}  // namespace sizer
