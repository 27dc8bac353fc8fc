#pragma once
/// @file
/// Small texts of the kernel and of programs: lines, numbers, lists of CPUs. All of it may be garbled.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sizer/names.hpp>
#include <sizer/probe/detect.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

template <class T>
[[nodiscard]] detected<T> found(T value, std::string source) {
  return {std::move(value), std::move(source), {}};
}
template <class T>
[[nodiscard]] detected<T> absent(std::string reason, std::string source = {}) {
  return {std::nullopt, std::move(source), std::move(reason)};
}

[[nodiscard]] inline bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0' || c == '\v' || c == '\f';
}

[[nodiscard]] inline std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

[[nodiscard]] inline std::string lowered(std::string_view text) {
  std::string result{text};
  for (char& c : result) c = lower(c);
  return result;
}

/// What is shown to a user: printable ASCII, blanks joined, at most 128 characters.
[[nodiscard]] inline std::string shown(std::string_view text) {
  std::string result;
  for (const char c : trimmed(text).substr(0, 512)) {
    const bool printable = c > ' ' && c < '\x7f';
    if (printable) {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += is_space(c) ? ' ' : '?';
    }
    if (result.size() == 128) break;
  }
  return std::string{trimmed(result)};
}

/// A whole number that is the entire text but for blanks.
[[nodiscard]] inline std::optional<std::int64_t> whole(std::string_view text, int base = 10) {
  text = trimmed(text);
  if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) text.remove_prefix(2);
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The same within bounds.
[[nodiscard]] inline std::optional<std::int64_t> whole_in(std::string_view text, std::int64_t low, std::int64_t high) {
  const auto value = whole(text);
  return value && *value >= low && *value <= high ? value : std::nullopt;
}

/// Largest size that is believed, 1 EiB: the products and sums made of sizes stay within 64 bits.
inline constexpr std::int64_t largest_size = std::int64_t{1} << 60;

/// The number that a text begins with: "4.7 GHz".
[[nodiscard]] inline std::optional<double> leading_real(std::string_view text) {
  text = trimmed(text);
  std::int64_t integer = 0;
  const char* const last = text.data() + text.size();
  auto [end, problem] = std::from_chars(text.data(), last, integer);
  if (problem != std::errc{} || integer < 0 || integer > 1'000'000'000) return std::nullopt;
  auto value = static_cast<double>(integer);
  if (end != last && *end == '.') {
    double scale = 0.1;
    for (++end; end != last && is_digit(*end) && scale > 1e-9; ++end, scale /= 10) value += scale * (*end - '0');
  }
  return value;
}

/// Calls f with each line, without its end. f returns false to stop.
template <class F>
void each_line(std::string_view text, F f) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!f(line)) return;
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

/// The value of the first line "key: value" or "key = value" whose key is this one; empty without.
[[nodiscard]] inline std::string_view value_of(std::string_view text, std::string_view key, char separator = ':') {
  std::string_view value;
  each_line(text, [&](std::string_view line) {
    const std::size_t at = line.find(separator);
    if (at == std::string_view::npos || trimmed(line.substr(0, at)) != key) return true;
    value = trimmed(line.substr(at + 1));
    return false;
  });
  return value;
}

/// Parts between blanks or commas.
[[nodiscard]] inline std::vector<std::string_view> words(std::string_view text, std::string_view separators = " \t\n") {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(separators);
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const std::size_t end = text.find_first_of(separators);
    result.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end);
  }
  return result;
}

/// More CPUs than this are a garbled file; Linux is built for at most 8192.
inline constexpr std::int64_t most_cpus = 65536;

/// A list of the kernel, "0-3,8,10-11", as numbers. Source: Linux, Documentation/admin-guide/cputopology.rst.
[[nodiscard]] inline std::optional<std::vector<std::int32_t>> cpu_list(std::string_view text) {
  std::vector<std::int32_t> result;
  for (const std::string_view part : words(trimmed(text), ",")) {
    const std::size_t dash = part.find('-');
    const auto first = whole_in(part.substr(0, dash), 0, most_cpus);
    const auto last = dash == std::string_view::npos ? first : whole_in(part.substr(dash + 1), 0, most_cpus);
    if (!first || !last || *last < *first) return std::nullopt;
    if (static_cast<std::int64_t>(result.size()) + (*last - *first) >= most_cpus) return std::nullopt;
    for (std::int64_t i = *first; i <= *last; ++i) result.push_back(static_cast<std::int32_t>(i));
  }
  if (result.empty()) return std::nullopt;
  return result;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
