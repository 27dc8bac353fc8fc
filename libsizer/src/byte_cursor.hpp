#pragma once
/// @file
/// Reads a byte source from front to back through one small buffer. Every step is checked against what the source has,
/// so that no length in a file can make the reader allocate or loop beyond it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sizer/catalog/byte_source.hpp>
#include <sizer/error.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Text from a file as an error message shows it: no control characters, at most 64 of them.
[[nodiscard]] inline std::string printable(std::string_view text) {
  constexpr std::size_t longest = 64;
  std::string shown;
  for (const char c : text.substr(0, longest)) shown += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > longest ? shown + "..." : shown;
}

class byte_cursor {
 public:
  /// Bytes fetched at once. A header of 10 MB takes some forty reads; the buffer stays out of the way of the caches.
  static constexpr std::size_t window = std::size_t{256} << 10U;

  explicit byte_cursor(const byte_source& source) : source_{source}, size_{source.size()} {
    buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(size_.value_or(window), window)));
  }

  [[nodiscard]] std::uint64_t position() const noexcept { return start_ + at_; }
  /// Bytes that are left, as far as anybody knows.
  [[nodiscard]] std::uint64_t left() const noexcept {
    const std::uint64_t end = size_.value_or(std::numeric_limits<std::int64_t>::max());
    return end > position() ? end - position() : 0;
  }
  void swap_bytes(bool swap) noexcept { swap_ = swap; }

  [[noreturn]] void fail(const std::string& problem) const { fail_at(position(), problem); }
  [[noreturn]] void fail_at(std::uint64_t place, const std::string& problem) const {
    throw data_error{source_.name(), "byte " + std::to_string(place), problem};
  }

  /// A number of the file's byte order.
  template <class Number>
  [[nodiscard]] Number take() {
    std::array<std::byte, sizeof(Number)> raw{};
    if (have_ - at_ < raw.size()) fill(raw.size());
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(at_), raw.size(), raw.begin());
    at_ += raw.size();
    if (swap_ != (std::endian::native == std::endian::big)) std::reverse(raw.begin(), raw.end());
    return std::bit_cast<Number>(raw);
  }

  /// @param n  checked against `left()` and the caller's own limit before; read piece by piece all the same
  [[nodiscard]] std::string take_text(std::uint64_t n) {
    std::string text;
    while (n > 0) {
      if (at_ == have_) fill(1);
      const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(n, have_ - at_));
      text.append(reinterpret_cast<const char*>(buffer_.data()) + at_, piece);
      at_ += piece;
      n -= piece;
    }
    return text;
  }

  /// Passes over bytes, fetching of those beyond the buffer the last one only.
  void skip(std::uint64_t n) {
    if (n <= have_ - at_) {
      at_ += static_cast<std::size_t>(n);
      return;
    }
    if (n > left()) fail("got " + std::to_string(n) + " more bytes, expected at most " + std::to_string(left()));
    // The last of them is fetched: only so does a source that does not know its size show that it has them.
    start_ = position() + n - 1;
    at_ = have_ = 0;
    fill(1);
    at_ = 1;
  }

 private:
  /// Makes the next `n` bytes (at most 8) available.
  void fill(std::size_t n) {
    const std::size_t kept = have_ - at_;
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(at_), kept, buffer_.begin());
    start_ += at_;
    at_ = 0;
    have_ = kept;
    while (have_ < n) {
      if (have_ == buffer_.size()) break;  // the source is smaller than one number
      const std::size_t got = source_.read(start_ + have_, std::span{buffer_}.subspan(have_));
      if (got == 0) break;
      have_ += got;
    }
    if (have_ < n) fail_at(start_ + have_, "the file ends here, in the middle of its header");
  }

  const byte_source& source_;
  std::optional<std::uint64_t> size_;
  std::vector<std::byte> buffer_;
  std::uint64_t start_ = 0;  // of the buffer in the source
  std::size_t at_ = 0;       // next byte in the buffer
  std::size_t have_ = 0;     // bytes in the buffer
  bool swap_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
