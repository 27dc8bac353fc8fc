#pragma once
/// @file
/// Number formats of weights, as far as kernels tell them apart.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sizer/model/ggml_type.hpp>

namespace sizer {
inline namespace v0 {

/// Number formats whose kernels have one speed. Routed BF16 experts are apart: Vulkan has no fast kernel for them.
enum class weight_format : std::uint8_t {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4,
  iq_small,
  mxfp4,
  nvfp4,
  packed,
  bf16_experts
};
inline constexpr std::size_t n_weight_formats = 16;

[[nodiscard]] constexpr std::string_view to_string(weight_format format) noexcept {
  constexpr std::array<std::string_view, n_weight_formats> names{
      "f32",  "f16",  "bf16", "q8_0",     "q4_0",  "q2_k",  "q3_k",   "q4_k",
      "q5_k", "q6_k", "iq4",  "iq_small", "mxfp4", "nvfp4", "packed", "bf16_experts"};
  return names[static_cast<std::size_t>(format)];
}

/// The format group of a ggml type: blocks of 32 with one or two scales together, code books of 1 to 3 bits together.
[[nodiscard]] constexpr weight_format format_of(ggml_type type) noexcept {
  using t = ggml_type;
  switch (type) {
    case t::f32:
    case t::f64:
    case t::i8:
    case t::i16:
    case t::i32:
    case t::i64: return weight_format::f32;
    case t::f16: return weight_format::f16;
    case t::bf16: return weight_format::bf16;
    case t::q8_0:
    case t::q8_1:
    case t::q8_k: return weight_format::q8_0;
    case t::q4_0:
    case t::q4_1:
    case t::q5_0:
    case t::q5_1:
    case t::q1_0:
    case t::q2_0: return weight_format::q4_0;
    case t::q2_k: return weight_format::q2_k;
    case t::q3_k: return weight_format::q3_k;
    case t::q4_k: return weight_format::q4_k;
    case t::q5_k: return weight_format::q5_k;
    case t::q6_k: return weight_format::q6_k;
    case t::iq4_nl:
    case t::iq4_xs: return weight_format::iq4;
    case t::iq1_s:
    case t::iq1_m:
    case t::iq2_xxs:
    case t::iq2_xs:
    case t::iq2_s:
    case t::iq3_xxs:
    case t::iq3_s:
    case t::tq1_0:
    case t::tq2_0: return weight_format::iq_small;
    case t::mxfp4: return weight_format::mxfp4;
    case t::nvfp4: return weight_format::nvfp4;
  }
  return weight_format::f32;
}

template <class Value>
using per_format = std::array<Value, n_weight_formats>;

namespace detail {

constexpr std::size_t index(weight_format f) noexcept { return static_cast<std::size_t>(f); }

/// Weights in `amount` bytes of a type. Packed formats outside ggml are taken as 1 byte a weight.
constexpr double weights_in(ggml_type type, double amount) noexcept {
  return amount * info(type).block / info(type).block_bytes;
}

}  // namespace detail

}  // namespace v0
}  // namespace sizer
