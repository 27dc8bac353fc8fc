#pragma once
/// @file
/// GGUF files: metadata and the tensor table, without the tensors' data and without the vocabulary.
/// Format: ggml-org/ggml docs/gguf.md, versions 2 and 3, both byte orders.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/byte_source.hpp>
#include <sizer/catalog/gguf_metadata.hpp>
#include <sizer/memory/stored_tensors.hpp>
#include <sizer/model/ggml_type.hpp>

namespace sizer {
inline namespace v0 {

/// A row of the tensor table.
struct gguf_tensor {
  std::string name;
  std::int32_t type_id = 0;       ///< number format as the file states it
  std::optional<ggml_type> type;  ///< empty: a format that this library does not know
  std::int32_t n_dims = 1;
  std::array<std::int64_t, 4> ne{1, 1, 1, 1};  ///< elements, ne[0] the fastest
  std::int64_t offset = 0;                     ///< bytes from the start of the tensor data
  /// Bytes. Of an unknown format: the room up to the next tensor, padding included.
  std::int64_t size = 0;
  friend bool operator==(const gguf_tensor&, const gguf_tensor&) = default;
};

/// What one GGUF file holds.
struct gguf_file {
  std::string name;
  std::int32_t version = 3;
  bool big_endian = false;
  std::int64_t alignment = 32;
  std::int64_t data_offset = 0;           ///< where the tensor data begin: size of the header, padded
  std::optional<std::int64_t> file_size;  ///< bytes; empty when the source does not know
  /// Every key. Arrays longer than 8192 values, arrays of strings or of floating point numbers, and strings longer
  /// than 64 KiB are kept as their length.
  gguf_metadata metadata;
  std::vector<gguf_tensor> tensors;  ///< in the file's order

  /// Bytes of all tensors.
  [[nodiscard]] std::int64_t tensor_bytes() const;
};

/// What kind of file it is, by its metadata.
enum class gguf_content : std::uint8_t {
  model,
  projector,   ///< mmproj: encoder and projector for images or sound
  draft,       ///< multi-token-prediction head in a file of its own
  adapter,     ///< LoRA, control vector
  vocabulary,  ///< no tensors
  calibration  ///< importance matrix
};
[[nodiscard]] std::string_view to_string(gguf_content content) noexcept;

/// Reads the header: bounded memory, checked arithmetic, nothing taken on trust.
/// @throws data_error naming the byte or the key, the value got and what is expected
[[nodiscard]] gguf_file read_gguf(const byte_source& source);
/// The same of a file on disk.
[[nodiscard]] gguf_file read_gguf(const std::string& path);

/// Reads a file and, when it is one of a split (`-00001-of-0000N`), all others of it, each checked to belong to it.
/// @param name  of any part
/// @throws data_error, also when a part is missing
[[nodiscard]] std::vector<gguf_file> read_gguf_parts(const std::string& name, const file_opener& open);

/// Puts the parts of one model in order and checks that they are all of it.
/// @throws data_error when one is missing, strange or there twice
[[nodiscard]] std::vector<gguf_file> join_gguf_parts(std::vector<gguf_file> parts);

[[nodiscard]] gguf_content content_of(const gguf_file& file);

/// The role of a tensor by its GGUF name ("blk.3.ffn_down_exps.weight"). The token embedding is `tied`;
/// weights() sees whether the model has a head of its own.
[[nodiscard]] tensor_role role_of_gguf_tensor(std::string_view name);

/// The tensors of all parts, with what each is for.
[[nodiscard]] std::vector<stored_tensor> stored_tensors(const std::vector<gguf_file>& parts);

}  // namespace v0
}  // namespace sizer
