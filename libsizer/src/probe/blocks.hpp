#pragma once
/// @file
/// ggml's block formats, as plain code: what the kernels of every backend are compared with. Also compiled by nvcc.
///
/// Source of the layouts: ggml-common.h of llama.cpp (2026-08); the facts, not the code:
///   Q8_0  34 bytes, 32 weights: half d, int8 q[32]; weight = d q
///   Q4_0  18 bytes, 32 weights: half d, 16 bytes; weight i = d (low nibble of byte i - 8), weight 16 + i the high one
///   Q4_K  144 bytes, 256 weights in 8 sub-blocks of 32: half d, half dmin, 12 bytes with a 6-bit scale and a 6-bit
///         minimum of each sub-block, 128 bytes; weight = d scale q - dmin minimum. Sub-blocks 2 j and 2 j + 1 are the
///         low and the high nibbles of bytes 32 j to 32 j + 31

#include <cstdint>
#include <cstring>

// Static: sources compiled for newer processors include this too, and the linker must not take their copy for others.
#if defined(__CUDACC__)
#define SIZER_ANYWHERE static __host__ __device__
#else
#define SIZER_ANYWHERE static
#endif

namespace sizer {
inline namespace v0 {
namespace detail {

struct q8_0_block {
  std::uint16_t d;
  std::int8_t q[32];
};
struct q4_0_block {
  std::uint16_t d;
  std::uint8_t q[16];
};
struct q4_k_block {
  std::uint16_t d;
  std::uint16_t dmin;
  std::uint8_t scales[12];
  std::uint8_t q[128];
};
static_assert(sizeof(q8_0_block) == 34 && sizeof(q4_0_block) == 18 && sizeof(q4_k_block) == 144);

/// IEEE half to float, every value exact; NaN stays NaN.
SIZER_ANYWHERE inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t fraction = half & 0x3ffu;
  if (exponent == 0) {  // zero and subnormal numbers: fraction x 2^-24
    const float value = static_cast<float>(fraction) * 5.9604644775390625e-8f;
    return sign != 0 ? -value : value;
  }
  const std::uint32_t bits = sign | ((exponent == 0x1fu ? 0xffu : exponent + 112u) << 23) | (fraction << 13);
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Float to IEEE half, to nearest even; what is too large becomes infinity.
SIZER_ANYWHERE inline std::uint16_t float_to_half(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (size >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  std::uint32_t significand = (size & 0x7fffffu) | 0x800000u;
  const std::int32_t exponent = static_cast<std::int32_t>(size >> 23) - 112;
  const std::int32_t shift = exponent > 0 ? 13 : 14 - exponent;
  if (shift > 24) return sign;
  const std::uint32_t dropped = significand & ((1u << shift) - 1u);
  const std::uint32_t middle = 1u << (shift - 1);
  significand >>= shift;
  // A carry out of the fraction goes into the exponent, as it has to.
  std::uint32_t half = exponent > 0 ? (static_cast<std::uint32_t>(exponent - 1) << 10) + significand : significand;
  if (dropped > middle || (dropped == middle && (half & 1u) != 0)) ++half;
  return static_cast<std::uint16_t>(sign | (half > 0x7c00u ? 0x7c00u : half));
}

/// The 6-bit scale and minimum of sub-block j (0 to 7) of a Q4_K block.
struct scale_and_minimum {
  std::uint8_t scale;
  std::uint8_t minimum;
};
SIZER_ANYWHERE inline scale_and_minimum q4_k_scale(const std::uint8_t* scales, int j) {
  const auto byte = [scales](int i) { return static_cast<std::uint32_t>(scales[i]); };
  const std::uint32_t scale = j < 4 ? byte(j) & 63u : (byte(j + 4) & 15u) | ((byte(j - 4) >> 6) << 4);
  const std::uint32_t minimum = j < 4 ? byte(j + 4) & 63u : (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4);
  return {static_cast<std::uint8_t>(scale), static_cast<std::uint8_t>(minimum)};
}

/// Weight i of a block.
SIZER_ANYWHERE inline float weight_of(const q8_0_block& block, int i) {
  return half_to_float(block.d) * static_cast<float>(block.q[i]);
}
SIZER_ANYWHERE inline float weight_of(const q4_0_block& block, int i) {
  const int q = i < 16 ? block.q[i] & 15 : block.q[i - 16] >> 4;
  return half_to_float(block.d) * static_cast<float>(q - 8);
}
SIZER_ANYWHERE inline float weight_of(const q4_k_block& block, int i) {
  const int j = i / 32;
  const std::uint8_t byte = block.q[32 * (j / 2) + i % 32];
  const int q = j % 2 == 0 ? byte & 15 : byte >> 4;
  const scale_and_minimum at = q4_k_scale(block.scales, j);
  return half_to_float(block.d) * static_cast<float>(at.scale) * static_cast<float>(q) -
         half_to_float(block.dmin) * static_cast<float>(at.minimum);
}

/// A number from an index: the same on every device, so that a result can be checked without copying its input.
SIZER_ANYWHERE inline std::uint32_t scrambled(std::uint64_t index) {
  std::uint64_t x = index + 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return static_cast<std::uint32_t>((x ^ (x >> 31)) >> 32);
}
/// In [-1, 1), a multiple of 2^-10: exact as a half.
SIZER_ANYWHERE inline float scrambled_unit(std::uint64_t index) {
  return static_cast<float>(static_cast<std::int32_t>(scrambled(index) % 2048u) - 1024) / 1024.0f;
}

/// Block `index` of a test matrix, the same on every device. Scales lie between 1/64 and 1/32, so that sums stay small.
SIZER_ANYWHERE inline std::uint16_t scrambled_scale(std::uint64_t index) {
  return static_cast<std::uint16_t>(0x2400u + (scrambled(index) & 0x3ffu));
}
SIZER_ANYWHERE inline void fill_block(q8_0_block& block, std::uint64_t index) {
  block.d = scrambled_scale(index * 64);
  for (std::uint64_t i = 0; i < 32; ++i) {
    // ggml's quantiser gives -127 to 127.
    block.q[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(scrambled(index * 64 + i + 1) % 255u) - 127);
  }
}
SIZER_ANYWHERE inline void fill_block(q4_0_block& block, std::uint64_t index) {
  block.d = scrambled_scale(index * 64);
  for (std::uint64_t i = 0; i < 16; ++i) block.q[i] = static_cast<std::uint8_t>(scrambled(index * 64 + i + 1));
}
SIZER_ANYWHERE inline void fill_block(q4_k_block& block, std::uint64_t index) {
  block.d = scrambled_scale(index * 256);
  block.dmin = scrambled_scale(index * 256 + 1);
  for (std::uint64_t i = 0; i < 12; ++i) {
    block.scales[i] = static_cast<std::uint8_t>(scrambled(index * 256 + 2 + i));
  }
  for (std::uint64_t i = 0; i < 128; ++i) {
    block.q[i] = static_cast<std::uint8_t>(scrambled(index * 256 + 16 + i));
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
