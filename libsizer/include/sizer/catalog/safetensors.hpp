#pragma once
/// @file
/// safetensors files: the header alone, without the tensors' data.
/// Format: huggingface/safetensors README ("Format").

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/byte_source.hpp>
#include <sizer/memory/stored_tensors.hpp>

namespace sizer {
inline namespace v0 {

/// A row of a safetensors header.
struct safetensors_tensor {
  std::string name;
  std::string dtype;                ///< as the file writes it ("BF16", "F8_E4M3", "U8")
  std::vector<std::int64_t> shape;  ///< slowest dimension first; empty: a scalar
  std::int64_t offset = 0;          ///< bytes from the start of the data
  std::int64_t size = 0;            ///< bytes
  friend bool operator==(const safetensors_tensor&, const safetensors_tensor&) = default;
};

/// What one safetensors file holds.
struct safetensors_file {
  std::string name;
  std::int64_t data_offset = 0;           ///< 8 + length of the header
  std::optional<std::int64_t> file_size;  ///< bytes; empty when the source does not know
  std::vector<safetensors_tensor> tensors;

  /// Bytes of all tensors.
  [[nodiscard]] std::int64_t tensor_bytes() const;
};

/// What a `model.safetensors.index.json` says.
struct safetensors_index {
  std::optional<std::int64_t> total_size;  ///< bytes of all tensors, as stated there
  std::vector<std::string> files;          ///< each once, sorted
  std::int64_t n_tensors = 0;
  friend bool operator==(const safetensors_index&, const safetensors_index&) = default;
};

/// Reads the header of one file: bounded memory, checked arithmetic, tensors that fill the file without holes, as the
/// reference implementation requires. A number format it does not know is taken at its offsets.
/// @throws data_error naming the tensor or the byte, the value got and what is expected
[[nodiscard]] safetensors_file read_safetensors(const byte_source& source);

/// Reads an index. File names must be plain names beside it.
/// @throws data_error
[[nodiscard]] safetensors_index read_safetensors_index(std::string_view text, const std::string& file_name);

/// Reads all files of a checkpoint: those of `model.safetensors.index.json`, or else `model.safetensors`, or else
/// Mistral's `consolidated.safetensors` with or without an index. Index and files must hold the same tensors, each
/// once.
/// @throws data_error, also when a file is missing
[[nodiscard]] std::vector<safetensors_file> read_safetensors_checkpoint(const file_opener& open);

/// The role of a tensor by its Hugging Face name ("model.layers.3.mlp.experts.7.down_proj.weight"), or by the
/// publisher's own ("layers.3.attention.wq.weight"). Blocks of prediction heads and of towers for images or sound that
/// are counted apart from the language model's have no layer.
[[nodiscard]] tensor_role role_of_hugging_face_tensor(std::string_view name);

/// The tensors of all files, with what each is for and the weights that packed formats hold.
/// Prediction heads take all of their block along. Scales and other bookkeeping hold no weights.
/// @param quantization  as hugging_face_config names it: decides how many weights an integer of a packed tensor holds
///                      where the tensors beside it do not tell
/// @throws value_error when a size overflows 64 bits
[[nodiscard]] std::vector<stored_tensor> stored_tensors(const std::vector<safetensors_file>& files,
                                                        std::string_view quantization);

}  // namespace v0
}  // namespace sizer
