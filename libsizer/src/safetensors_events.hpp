#pragma once
/// @file
/// What the readers of a safetensors header and of its index share. Both are JSON of tens of megabytes in hostile
/// hands, so they are never built as a document: the parser's events go straight into the tensors, and what is kept is
/// a small multiple of the bytes read.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <sizer/error.hpp>

#include "byte_cursor.hpp"
#include "json_reader.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// Tensors of a file or a checkpoint. The largest real ones have some 210,000.
inline constexpr std::size_t most_safetensors = 1'000'000;

[[nodiscard]] inline bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
}

/// Errors that name their place, and the events that neither reader has a use for.
class event_handler : public nlohmann::json_sax<json> {
 public:
  explicit event_handler(std::string file) : file_{std::move(file)} {}

  bool null() override { return scalar("null"); }
  bool boolean(bool value) override { return scalar(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return scalar(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& token) override { return scalar(token); }
  bool string(string_t& value) override { return scalar("'" + value.substr(0, most_shown) + "'"); }
  bool binary(binary_t&) override { return false; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& problem) override {
    std::string_view text = problem.what();
    if (const auto end = text.find("] "); end != std::string_view::npos) text.remove_prefix(end + 2);
    // The text repeats what was read last, which may be no UTF-8 and as long as the header.
    std::string shown;
    for (std::size_t at = 0; at < std::min(text.size(), 3 * most_shown); at += most_shown)
      shown += printable(text.substr(at, most_shown));
    throw data_error{file_, "byte " + std::to_string(position), "not JSON: " + shown};
  }

 protected:
  static constexpr std::size_t most_shown = 64;

  /// A value that is no container.
  virtual bool scalar(const std::string& shown) = 0;

  [[noreturn]] void fail(const std::string& pointer, const std::string& got, const std::string& expected) const {
    throw json_fault{file_, pointer, printable(got), expected};
  }
  /// True within a value that is passed over; the container that just opened or closed is counted.
  [[nodiscard]] bool skipping() const noexcept { return skipped_ > 0; }
  void skip_into() {
    if (++skipped_ > detail::deepest_json) {
      fail("", "more than " + std::to_string(detail::deepest_json) + " levels of nesting", "fewer");
    }
  }
  void skip_out() noexcept { --skipped_; }

  std::string file_;

 private:
  std::size_t skipped_ = 0;
};

/// Passes the events of a text to the handler, whose findings come out as exceptions.
/// @throws data_error when it is no JSON, and what the handler throws
inline void read_events(std::string_view text, const std::string& file, event_handler& handler) {
  // nlohmann takes a NUL for the end and would let anything behind it pass.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    throw data_error{file, "byte " + std::to_string(nul), "not JSON: got a NUL byte"};
  }
  json::sax_parse(text.begin(), text.end(), &handler);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
