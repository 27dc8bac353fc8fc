#pragma once
/// @file
/// A block of memory from the system, on huge pages where they are given.

#include <cstddef>
#include <string>

namespace sizer {
inline namespace v0 {
namespace detail {

class memory_block {
 public:
  memory_block() = default;
  /// @throws error when the system has no such block
  memory_block(std::size_t size, bool huge_pages);
  memory_block(const memory_block&) = delete;
  memory_block& operator=(const memory_block&) = delete;
  memory_block(memory_block&& other) noexcept;
  memory_block& operator=(memory_block&& other) noexcept;
  ~memory_block();

  [[nodiscard]] unsigned char* data() const noexcept { return data_; }  ///< on a boundary of 2 MiB
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// How much of the block lies on huge pages, once it was touched: "huge pages: 1024 of 1024 MiB", or why none.
  [[nodiscard]] std::string page_remark() const;

 private:
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
  void* mapped_ = nullptr;
  std::size_t mapped_size_ = 0;
  std::string refused_;
};

/// The largest working set that leaves the rest of the system three quarters of what is free now: free memory, or the
/// control group's limit without what it holds already.
struct memory_limit {
  std::size_t bytes = 0;
  std::string because;  ///< "free memory", "the control group's limit"
};
[[nodiscard]] memory_limit largest_block();

}  // namespace detail
}  // namespace v0
}  // namespace sizer
