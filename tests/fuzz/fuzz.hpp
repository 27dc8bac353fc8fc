#pragma once
/// @file
/// What the fuzz targets share. An input may be refused with a sizer::error; any other exception, a broken promise of
/// the readers or an error text that no terminal can take ends the program.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/error.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

inline void expect(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// True for well-formed UTF-8 without control characters: what Python takes as text and a terminal shows.
inline bool is_plain_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x20U || lead == 0x7FU) return false;
    if (lead < 0x80U) continue;
    const std::size_t more = lead >= 0xF0U ? 3 : lead >= 0xE0U ? 2 : 1;
    if (lead < 0xC2U || lead > 0xF4U || i + more >= text.size()) return false;
    const auto second = static_cast<unsigned char>(text[i + 1]);
    // Overlong forms, surrogates and what lies beyond Unicode show in the second byte.
    const unsigned low = lead == 0xE0U ? 0xA0U : lead == 0xF0U ? 0x90U : 0x80U;
    const unsigned high = lead == 0xEDU ? 0x9FU : lead == 0xF4U ? 0x8FU : 0xBFU;
    if (second < low || second > high) return false;
    for (std::size_t k = 2; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) return false;
    }
    i += more;
  }
  return true;
}

/// What `action` returns; empty when it refuses its input.
template <class Action>
auto attempt(Action&& action) -> std::optional<decltype(action())> {
  try {
    return std::forward<Action>(action)();
  } catch (const sizer::error& refused) {
    constexpr std::size_t longest = 8'192;  // a pointer of 64 levels and two values
    const std::string_view text = refused.what();
    static const bool show = std::getenv("SIZER_FUZZ_SHOW") != nullptr;  // for who writes seeds
    if (show) std::printf("  refused: %s\n", refused.what());
    if (!is_plain_text(text)) std::fprintf(stderr, "message: %s\n", refused.what());
    expect(is_plain_text(text), "an error's text is UTF-8 without control characters");
    if (text.size() > longest) std::fprintf(stderr, "message of %zu bytes: %.200s\n", text.size(), refused.what());
    expect(text.size() <= longest, "an error's text is short");
    return std::nullopt;
  }
}

/// The input in pieces, for readers that take several files.
inline std::vector<std::string_view> cut(std::string_view input, std::string_view mark) {
  std::vector<std::string_view> pieces;
  while (true) {
    const std::size_t at = input.find(mark);
    pieces.push_back(input.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    input.remove_prefix(at + mark.size());
  }
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}

}  // namespace fuzz
