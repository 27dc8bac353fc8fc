#pragma once
/// @file
/// Bytes that can be read at any place: a file, memory, or whatever a callback reaches (an archive, a server).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace sizer {
inline namespace v0 {

/// Random access to bytes. Readers of model files take one and touch only what they need.
class byte_source {
 public:
  byte_source() = default;
  byte_source(const byte_source&) = delete;
  byte_source& operator=(const byte_source&) = delete;
  virtual ~byte_source() = default;

  /// Name for error messages: a path, a URL.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Bytes in all; empty when nobody knows (a server that does not say).
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const = 0;
  /// Copies bytes from `offset` on into `out` and returns how many: all of them, or fewer at the end.
  /// @throws data_error when they cannot be read
  [[nodiscard]] virtual std::size_t read(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

/// A file on disk, read with positioned reads (never mapped: a file that shrinks is an error, not a crash).
/// @throws data_error when it cannot be opened or is no regular file
[[nodiscard]] std::unique_ptr<byte_source> open_file(const std::string& path);

/// Bytes in memory, which must outlive the source.
[[nodiscard]] std::unique_ptr<byte_source> open_memory(std::span<const std::byte> content, std::string name);

/// Reads `out.size()` bytes from `offset`, or fewer at the end; returns how many.
using read_callback = std::function<std::size_t(std::uint64_t offset, std::span<std::byte> out)>;
/// Bytes behind a callback.
[[nodiscard]] std::unique_ptr<byte_source> open_callback(std::string name, std::optional<std::uint64_t> size,
                                                         read_callback read);

/// Files that lie beside each other: a folder, a repository on a server. Returns null for a name that is not there.
using file_opener = std::function<std::unique_ptr<byte_source>(const std::string& name)>;

/// The files of a folder on disk. A name must stay inside it.
[[nodiscard]] file_opener open_folder(const std::string& path);

}  // namespace v0
}  // namespace sizer
