#pragma once
/// @file
/// The metadata of a GGUF file as values, and the model it describes.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {

/// An array that is kept as its length only (tokens, merges, scores).
struct gguf_array_length {
  std::int64_t length = 0;
  friend bool operator==(const gguf_array_length&, const gguf_array_length&) = default;
};

/// A metadata value. Every GGUF integer width is an int64; arrays of integers or booleans are vectors (true is 1).
using gguf_value = std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>, gguf_array_length>;

/// Key to value, with full keys ("llama.block_count").
using gguf_metadata = std::map<std::string, gguf_value, std::less<>>;

/// What only the tensor list of the file tells. Empty: not looked at; the family decides.
struct gguf_tensor_facts {
  std::optional<bool> tied_embeddings;     ///< there is no `output.weight`
  std::optional<std::int32_t> vocab_size;  ///< rows of `token_embd.weight`
  std::vector<bool> expert_layers;         ///< per block: there is a `ffn_gate_inp.weight`
  tensor_features features;
};

/// The model a GGUF file describes. Windows, periods and expert layers that the family fixes in llama.cpp and the file
/// does not state are filled in.
/// @throws data_error naming the key, when a key that the shape needs is missing or out of range
[[nodiscard]] model_shape shape_from_gguf_metadata(const gguf_metadata& metadata, const gguf_tensor_facts& facts = {});

}  // namespace v0
}  // namespace sizer
