#pragma once
/// @file
/// Number formats of tensors, with exact block layouts.
/// Source: ggml `ggml-common.h` block structures and `gguf-py` constants, read at unslothai/llama.cpp@d32676d77426
/// (an upstream tree of 2026-08); ids confirmed in ggml-org/ggml@d99724f2b141.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <sizer/error.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

enum class ggml_type : std::uint8_t {
  f32,
  f16,
  bf16,
  f64,
  i8,
  i16,
  i32,
  i64,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q8_1,
  q1_0,
  q2_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  q8_k,
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s,
  iq4_nl,
  iq4_xs,
  tq1_0,
  tq2_0,
  mxfp4,
  nvfp4
};

/// Layout of one block of a number format.
struct ggml_type_info {
  ggml_type type;
  std::string_view name;     ///< as llama.cpp prints it, upper case
  std::int32_t id;           ///< number in a GGUF tensor table
  std::int32_t block;        ///< weights in a block
  std::int32_t block_bytes;  ///< bytes of a block, scales included
};

inline constexpr std::array<ggml_type_info, 35> ggml_types{{
    {ggml_type::f32, "F32", 0, 1, 4},
    {ggml_type::f16, "F16", 1, 1, 2},
    {ggml_type::bf16, "BF16", 30, 1, 2},
    {ggml_type::f64, "F64", 28, 1, 8},
    {ggml_type::i8, "I8", 24, 1, 1},
    {ggml_type::i16, "I16", 25, 1, 2},
    {ggml_type::i32, "I32", 26, 1, 4},
    {ggml_type::i64, "I64", 27, 1, 8},
    {ggml_type::q4_0, "Q4_0", 2, 32, 18},
    {ggml_type::q4_1, "Q4_1", 3, 32, 20},
    {ggml_type::q5_0, "Q5_0", 6, 32, 22},
    {ggml_type::q5_1, "Q5_1", 7, 32, 24},
    {ggml_type::q8_0, "Q8_0", 8, 32, 34},
    {ggml_type::q8_1, "Q8_1", 9, 32, 36},
    {ggml_type::q1_0, "Q1_0", 41, 128, 18},
    {ggml_type::q2_0, "Q2_0", 42, 64, 18},
    {ggml_type::q2_k, "Q2_K", 10, 256, 84},
    {ggml_type::q3_k, "Q3_K", 11, 256, 110},
    {ggml_type::q4_k, "Q4_K", 12, 256, 144},
    {ggml_type::q5_k, "Q5_K", 13, 256, 176},
    {ggml_type::q6_k, "Q6_K", 14, 256, 210},
    {ggml_type::q8_k, "Q8_K", 15, 256, 292},
    {ggml_type::iq1_s, "IQ1_S", 19, 256, 50},
    {ggml_type::iq1_m, "IQ1_M", 29, 256, 56},
    {ggml_type::iq2_xxs, "IQ2_XXS", 16, 256, 66},
    {ggml_type::iq2_xs, "IQ2_XS", 17, 256, 74},
    {ggml_type::iq2_s, "IQ2_S", 22, 256, 82},
    {ggml_type::iq3_xxs, "IQ3_XXS", 18, 256, 98},
    {ggml_type::iq3_s, "IQ3_S", 21, 256, 110},
    {ggml_type::iq4_nl, "IQ4_NL", 20, 32, 18},
    {ggml_type::iq4_xs, "IQ4_XS", 23, 256, 136},
    {ggml_type::tq1_0, "TQ1_0", 34, 256, 54},
    {ggml_type::tq2_0, "TQ2_0", 35, 256, 66},
    {ggml_type::mxfp4, "MXFP4", 39, 32, 17},
    {ggml_type::nvfp4, "NVFP4", 40, 64, 36},
}};

/// Layout of a type.
[[nodiscard]] constexpr const ggml_type_info& info(ggml_type type) noexcept {
  return ggml_types[static_cast<std::size_t>(type)];
}
[[nodiscard]] constexpr std::string_view to_string(ggml_type type) noexcept { return info(type).name; }

/// Bits per weight, scales included (bit).
[[nodiscard]] constexpr double bits_per_weight(ggml_type type) noexcept {
  return 8.0 * info(type).block_bytes / info(type).block;
}

/// Bytes of `elements` weights that fill whole blocks: elements / block x bytes of a block.
/// @throws value_error when elements is not a multiple of the block
[[nodiscard]] constexpr count type_bytes(ggml_type type, count elements) {
  const ggml_type_info& layout = info(type);
  if (elements % layout.block != count{0}) {
    throw value_error{"elements", std::to_string(elements.value()),
                      "a multiple of " + std::to_string(layout.block) + " for " + std::string{layout.name}};
  }
  return elements / layout.block * layout.block_bytes;
}

/// The type of that name, any case; empty when there is none.
[[nodiscard]] constexpr std::optional<ggml_type> find_ggml_type(std::string_view name) noexcept {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
  for (const ggml_type_info& candidate : ggml_types) {
    if (candidate.name.size() != name.size()) continue;
    bool equal = true;
    for (std::size_t i = 0; i < name.size(); ++i) equal = equal && candidate.name[i] == upper(name[i]);
    if (equal) return candidate.type;
  }
  return std::nullopt;
}

/// The type with that number in a GGUF tensor table; empty when retired or unknown.
[[nodiscard]] constexpr std::optional<ggml_type> find_ggml_type(std::int64_t id) noexcept {
  for (const ggml_type_info& candidate : ggml_types) {
    if (candidate.id == id) return candidate.type;
  }
  return std::nullopt;
}

namespace detail {
constexpr bool ggml_table_is_in_enum_order() {
  for (std::size_t i = 0; i < ggml_types.size(); ++i) {
    if (static_cast<std::size_t>(ggml_types[i].type) != i) return false;
  }
  return true;
}
static_assert(ggml_table_is_in_enum_order(), "info() indexes the table by the enumerator");
}  // namespace detail

}  // namespace v0
}  // namespace sizer
