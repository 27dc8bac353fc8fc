#pragma once
/// @file
/// What one thread of the CUDA kernels computes, as functions that the host compiles too: kernels.cu adds the indices
/// of the grid and the shuffles, the unit tests loop over blocks, warps and lanes instead. Which element a thread
/// touches is decided here as well, so that the tests see it.
///
/// This header: loads and stores, the streams (read, copy, write, triad), the random chain, the operands of matrix
/// products. lane_matvec.hpp and lane_attention.hpp: the rest.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "probe/blocks.hpp"

// Arrays of a thread must have constant indices, or they leave the registers.
#if defined(__CUDA_ARCH__)
#define SIZER_UNROLL _Pragma("unroll")
#define SIZER_UNROLL_BY_2 _Pragma("unroll 2")
#else
#define SIZER_UNROLL
#define SIZER_UNROLL_BY_2
#endif

namespace sizer {
inline namespace v0 {
namespace detail {

inline constexpr unsigned warp_lanes = 32;

// --- words -----------------------------------------------------------------------------------------------------------

/// What one load instruction fetches for one thread at best.
struct alignas(16) vector16 {
  std::uint32_t word[4];
};

SIZER_ANYWHERE inline float float_of(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
SIZER_ANYWHERE inline std::uint32_t bits_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// 16 aligned bytes that are needed once: first to leave the caches.
SIZER_ANYWHERE inline vector16 load_once(const void* from) {
#if defined(__CUDA_ARCH__)
  const uint4 v = __ldcs(static_cast<const uint4*>(from));
  return {{v.x, v.y, v.z, v.w}};
#else
  vector16 v;
  std::memcpy(&v, from, sizeof v);
  return v;
#endif
}

/// 16 aligned bytes that this kernel never writes and whose neighbours other lanes need again.
SIZER_ANYWHERE inline vector16 load_kept(const void* from) {
#if defined(__CUDA_ARCH__)
  const uint4 v = __ldg(static_cast<const uint4*>(from));
  return {{v.x, v.y, v.z, v.w}};
#else
  vector16 v;
  std::memcpy(&v, from, sizeof v);
  return v;
#endif
}

/// 2 aligned bytes, likewise.
SIZER_ANYWHERE inline std::uint16_t load_half(const void* from) {
#if defined(__CUDA_ARCH__)
  return __ldg(static_cast<const unsigned short*>(from));
#else
  std::uint16_t v = 0;
  std::memcpy(&v, from, sizeof v);
  return v;
#endif
}

/// 4 aligned bytes, likewise.
SIZER_ANYWHERE inline float load_float(const float* from) {
#if defined(__CUDA_ARCH__)
  return __ldg(from);
#else
  return *from;
#endif
}

SIZER_ANYWHERE inline void store_once(void* to, const vector16& v) {
#if defined(__CUDA_ARCH__)
  __stcs(static_cast<uint4*>(to), make_uint4(v.word[0], v.word[1], v.word[2], v.word[3]));
#else
  std::memcpy(to, &v, sizeof v);
#endif
}

/// half_to_float of blocks.hpp in one instruction.
SIZER_ANYWHERE inline float widened(std::uint16_t half) {
#if defined(__CUDA_ARCH__)
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
#else
  return half_to_float(half);
#endif
}
SIZER_ANYWHERE inline float widened_low(std::uint32_t word) { return widened(static_cast<std::uint16_t>(word)); }
SIZER_ANYWHERE inline float widened_high(std::uint32_t word) { return widened(static_cast<std::uint16_t>(word >> 16)); }

/// sum + the products of the four int8 of a and b.
SIZER_ANYWHERE inline std::int32_t dot_of_4(std::uint32_t a, std::uint32_t b, std::int32_t sum) {
#if defined(__CUDA_ARCH__)
  return __dp4a(static_cast<int>(a), static_cast<int>(b), sum);
#else
  for (unsigned i = 0; i < 4; ++i) {
    sum += static_cast<std::int8_t>(a >> (8 * i)) * static_cast<std::int8_t>(b >> (8 * i));
  }
  return sum;
#endif
}

// --- streams ---------------------------------------------------------------------------------------------------------

/// Where a thread stands in a one-dimensional grid.
struct place {
  std::uint64_t block;
  std::uint64_t blocks;
  std::uint32_t thread;
};

inline constexpr std::uint32_t stream_threads = 256;
/// Vectors that a thread asks for before it uses the first: 256 threads x 4 x 16 bytes = 16 KiB under way for a block,
/// at 4 to 8 blocks 64 to 128 KiB for a multiprocessor; bandwidth times latency is below 48 KiB on every device so far
/// (8 TB/s x 0.8 us / 148 multiprocessors).
inline constexpr std::uint32_t vectors_in_flight = 4;
inline constexpr std::uint64_t tile_vectors = std::uint64_t{stream_threads} * vectors_in_flight;

SIZER_ANYWHERE constexpr std::uint64_t tiles_of(std::uint64_t vectors) {
  return (vectors + tile_vectors - 1) / tile_vectors;
}
/// Vector u of a thread in a tile: neighbours in a warp are neighbours in memory.
SIZER_ANYWHERE constexpr std::uint64_t vector_at(std::uint64_t tile, std::uint32_t u, std::uint32_t thread) {
  return tile * tile_vectors + u * stream_threads + thread;
}

/// Calls `each(index)` for every vector of this thread, and `batch(index[vectors_in_flight])` where the tile is whole.
template <class Batch, class Each>
SIZER_ANYWHERE void over_vectors(std::uint64_t vectors, const place& at, Batch batch, Each each) {
  const std::uint64_t tiles = tiles_of(vectors);
  for (std::uint64_t tile = at.block; tile < tiles; tile += at.blocks) {
    if ((tile + 1) * tile_vectors <= vectors) {
      batch(vector_at(tile, 0, at.thread));
    } else {
      for (std::uint32_t u = 0; u < vectors_in_flight; ++u) {
        const std::uint64_t i = vector_at(tile, u, at.thread);
        if (i < vectors) each(i);
      }
    }
  }
}

SIZER_ANYWHERE inline std::uint64_t sum_of_words(const vector16& v) {
  return (v.word[0] | std::uint64_t{v.word[1]} << 32) + (v.word[2] | std::uint64_t{v.word[3]} << 32);
}

/// A thread's share of the sum of the 64-bit words, modulo 2^64: the same in whatever order.
SIZER_ANYWHERE inline std::uint64_t read_part(const vector16* from, std::uint64_t vectors, const place& at) {
  std::uint64_t sum = 0;
  over_vectors(
      vectors, at,
      [&](std::uint64_t first) {
        vector16 v[vectors_in_flight];
        SIZER_UNROLL for (std::uint32_t u = 0; u < vectors_in_flight; ++u) {
          v[u] = load_once(from + first + u * stream_threads);
        }
        SIZER_UNROLL for (std::uint32_t u = 0; u < vectors_in_flight; ++u) sum += sum_of_words(v[u]);
      },
      [&](std::uint64_t i) { sum += sum_of_words(load_once(from + i)); });
  return sum;
}

SIZER_ANYWHERE inline void copy_part(vector16* to, const vector16* from, std::uint64_t vectors, const place& at) {
  over_vectors(
      vectors, at,
      [&](std::uint64_t first) {
        vector16 v[vectors_in_flight];
        SIZER_UNROLL for (std::uint32_t u = 0; u < vectors_in_flight; ++u) {
          v[u] = load_once(from + first + u * stream_threads);
        }
        SIZER_UNROLL for (std::uint32_t u = 0; u < vectors_in_flight; ++u) {
          store_once(to + first + u * stream_threads, v[u]);
        }
      },
      [&](std::uint64_t i) { store_once(to + i, load_once(from + i)); });
}

SIZER_ANYWHERE inline void write_part(vector16* to, const vector16& value, std::uint64_t vectors, const place& at) {
  over_vectors(
      vectors, at,
      [&](std::uint64_t first) {
        SIZER_UNROLL for (std::uint32_t u = 0; u < vectors_in_flight; ++u) {
          store_once(to + first + u * stream_threads, value);
        }
      },
      [&](std::uint64_t i) { store_once(to + i, value); });
}

/// b + s c of four floats.
SIZER_ANYWHERE inline vector16 triad_of(const vector16& b, const vector16& c, float s) {
  vector16 a;
  SIZER_UNROLL for (unsigned i = 0; i < 4; ++i) a.word[i] = bits_of(fmaf(s, float_of(c.word[i]), float_of(b.word[i])));
  return a;
}
SIZER_ANYWHERE inline void triad_part(vector16* a, const vector16* b, const vector16* c, float s, std::uint64_t vectors,
                                      const place& at) {
  over_vectors(
      vectors, at,
      [&](std::uint64_t first) {
        vector16 of_b[vectors_in_flight];
        vector16 of_c[vectors_in_flight];
        SIZER_UNROLL for (std::uint32_t u = 0; u < vectors_in_flight; ++u) {
          of_b[u] = load_once(b + first + u * stream_threads);
          of_c[u] = load_once(c + first + u * stream_threads);
        }
        SIZER_UNROLL for (std::uint32_t u = 0; u < vectors_in_flight; ++u) {
          store_once(a + first + u * stream_threads, triad_of(of_b[u], of_c[u], s));
        }
      },
      [&](std::uint64_t i) { store_once(a + i, triad_of(load_once(b + i), load_once(c + i), s)); });
}

// --- what the streams carry, and the check of every element ----------------------------------------------------------

/// Word i of a test pattern. Any two words differ, and the sum of them all is known without adding them up.
SIZER_ANYWHERE constexpr std::uint64_t pattern_word(std::uint64_t i, std::uint64_t seed) {
  return i * 0x9e3779b97f4a7c15ull + seed;
}
/// Sum of the first n words, modulo 2^64.
SIZER_ANYWHERE constexpr std::uint64_t pattern_sum(std::uint64_t n, std::uint64_t seed) {
  const std::uint64_t pairs = n % 2 == 0 ? n / 2 * (n - 1) : (n - 1) / 2 * n;
  return pairs * 0x9e3779b97f4a7c15ull + n * seed;
}
SIZER_ANYWHERE inline vector16 pattern_vector(std::uint64_t i, std::uint64_t seed) {
  const std::uint64_t a = pattern_word(2 * i, seed);
  const std::uint64_t b = pattern_word(2 * i + 1, seed);
  return {{static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(a >> 32), static_cast<std::uint32_t>(b),
           static_cast<std::uint32_t>(b >> 32)}};
}

/// What a buffer is filled with, or should be found to hold.
struct stream_content {
  enum kind_type : std::uint32_t { pattern, constant, units, triad };
  kind_type kind;
  std::uint64_t seed;  ///< of the pattern and of the units; of triad: of b, c has seed + 1
  vector16 value;      ///< of constant
  float s;             ///< of triad
};
SIZER_ANYWHERE inline vector16 units_at(std::uint64_t i, std::uint64_t seed) {
  vector16 v;
  SIZER_UNROLL for (std::uint64_t e = 0; e < 4; ++e) { v.word[e] = bits_of(scrambled_unit((seed << 40) + 4 * i + e)); }
  return v;
}
SIZER_ANYWHERE inline vector16 content_at(const stream_content& content, std::uint64_t i) {
  switch (content.kind) {
    case stream_content::pattern: return pattern_vector(i, content.seed);
    case stream_content::units: return units_at(i, content.seed);
    // Multiples of 2^-10 below 4 with s = 3: no rounding, so every device has the same bits.
    case stream_content::triad: return triad_of(units_at(i, content.seed), units_at(i, content.seed + 1), content.s);
    default: return content.value;
  }
}
SIZER_ANYWHERE inline void fill_part(vector16* to, const stream_content& content, std::uint64_t vectors,
                                     const place& at) {
  for (std::uint64_t i = at.block * stream_threads + at.thread; i < vectors; i += at.blocks * stream_threads) {
    store_once(to + i, content_at(content, i));
  }
}
/// A thread's count of vectors that are not what they should be.
SIZER_ANYWHERE inline std::uint64_t mismatches_part(const vector16* from, const stream_content& content,
                                                    std::uint64_t vectors, const place& at) {
  std::uint64_t wrong = 0;
  for (std::uint64_t i = at.block * stream_threads + at.thread; i < vectors; i += at.blocks * stream_threads) {
    const vector16 expected = content_at(content, i);
    const vector16 got = load_once(from + i);
    wrong += got.word[0] != expected.word[0] || got.word[1] != expected.word[1] || got.word[2] != expected.word[2] ||
                     got.word[3] != expected.word[3]
                 ? 1u
                 : 0u;
  }
  return wrong;
}

// --- the random chain ------------------------------------------------------------------------------------------------

/// One slot a cache line.
inline constexpr std::uint64_t chain_stride = 128;

/// State after state x of a generator that visits all of 0 to 2^bits - 1 before it repeats one (Hull and Dobell, 1962:
/// the increment is odd and the multiplier one more than a multiple of 4).
SIZER_ANYWHERE constexpr std::uint64_t chain_next(std::uint64_t x, std::uint32_t bits) {
  return (x * 6364136223846793005ull + 1442695040888963407ull) & ((std::uint64_t{1} << bits) - 1);
}
/// The slot of a state: one to one. The low bits of the generator's states repeat early, those of the slots do not.
SIZER_ANYWHERE constexpr std::uint64_t chain_slot(std::uint64_t x, std::uint32_t bits) {
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  const std::uint32_t half = (bits + 1) / 2;
  x ^= x >> half;
  x = (x * 0xbf58476d1ce4e5b9ull) & mask;
  x ^= x >> half;
  return x;
}

// --- operands of matrix products -------------------------------------------------------------------------------------

enum class gemm_type : std::uint32_t { f32, f16, bf16, fp8, int8 };

/// Element `index` of operand 0 (A) or 1 (B) as a whole number, to be divided by gemm_unit: few enough binary digits to
/// be exact in its type.
SIZER_ANYWHERE inline std::int32_t gemm_whole(gemm_type type, std::uint32_t operand, std::uint64_t index) {
  const std::uint32_t bits = scrambled((std::uint64_t{operand + 1} << 44) + index);
  switch (type) {
    case gemm_type::int8: return static_cast<std::int32_t>(bits % 255u) - 127;
    case gemm_type::fp8: return static_cast<std::int32_t>(bits % 33u) - 16;
    default: return static_cast<std::int32_t>(bits % 257u) - 128;
  }
}
SIZER_ANYWHERE constexpr float gemm_unit(gemm_type type) {
  return type == gemm_type::int8 ? 1.0f : type == gemm_type::fp8 ? 16.0f : 128.0f;
}
SIZER_ANYWHERE constexpr std::uint32_t gemm_bytes(gemm_type type) {
  return type == gemm_type::f32 ? 4 : type == gemm_type::f16 || type == gemm_type::bf16 ? 2 : 1;
}
/// n / 16 for n of -16 to 16 as E4M3: sign, 4 bits of exponent with bias 7, 3 of fraction.
SIZER_ANYWHERE inline std::uint8_t e4m3_of_sixteenths(std::int32_t n) {
  const std::uint32_t sign = n < 0 ? 0x80u : 0u;
  const std::uint32_t size = static_cast<std::uint32_t>(n < 0 ? -n : n);
  if (size == 0) return 0;
  std::uint32_t exponent = 0;
  while (size >> (exponent + 1) != 0) ++exponent;
  return static_cast<std::uint8_t>(sign | (exponent + 3) << 3 | ((size << 3 >> exponent) & 7u));
}
/// The bits of an element in its type, right-aligned.
SIZER_ANYWHERE inline std::uint32_t gemm_bits(gemm_type type, std::int32_t whole) {
  const float value = static_cast<float>(whole) / gemm_unit(type);
  switch (type) {
    case gemm_type::int8: return static_cast<std::uint32_t>(whole) & 0xffu;
    case gemm_type::fp8: return e4m3_of_sixteenths(whole);
    case gemm_type::bf16: return bits_of(value) >> 16;
    case gemm_type::f16: return float_to_half(value);
    default: return bits_of(value);
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
