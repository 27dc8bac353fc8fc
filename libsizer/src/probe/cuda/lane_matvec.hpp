#pragma once
/// @file
/// A lane's share of matrix rows times a vector. A warp takes a few rows at once, so that what it knows of the vector
/// serves all of them and several loads of weights are under way.
///
/// Loads of weights are 16 bytes wide and neighbouring lanes load neighbouring vectors, in every format. That is plain
/// for F16, and for Q4_K, whose blocks are 9 vectors: a header and 8 of nibbles. Blocks of Q8_0 (34 bytes) and Q4_0
/// (18) begin anywhere even, but 8 of them are 17 or 9 vectors, so rows of a multiple of 256 columns begin on 16 bytes.
/// A lane takes a vector wherever its bytes fall in the blocks. For that the int8 activations are laid out like a row
/// of the matrix, 0 under the scales: every aligned word then belongs to one block, the one that its first byte is in,
/// and a vector to at most two. The scales come through the first-level cache, where the neighbours' loads have put
/// them.

#include "probe/cuda/lane_math.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

enum class weight_format : std::uint32_t { f16, q8_0, q4_0, q4_k };

SIZER_ANYWHERE constexpr std::uint64_t row_bytes(weight_format format, std::uint64_t columns) {
  switch (format) {
    case weight_format::f16: return columns * 2;
    case weight_format::q8_0: return columns / 32 * 34;
    case weight_format::q4_0: return columns / 32 * 18;
    default: return columns / 256 * 144;
  }
}

/// The vector as the lanes take it; every array on 16 bytes.
struct lane_vector {
  const float* values;       ///< F16: columns
  const std::uint8_t* low;   ///< Q8_0 and Q4_0: like a row, int8 under the weights (Q4_0: low nibbles), 0 elsewhere
  const std::uint8_t* high;  ///< Q4_0: likewise for the high nibbles
  const std::int8_t* q;      ///< Q4_K: columns
  const float* scale;        ///< columns / 32
  const float* sum16;        ///< Q4_K: columns / 16, scale x sum of q
};

/// Rows that a warp takes at once.
SIZER_ANYWHERE constexpr unsigned rows_at_once(weight_format format) { return format == weight_format::f16 ? 2 : 4; }
SIZER_ANYWHERE constexpr std::uint64_t row_groups(weight_format format, std::uint64_t rows) {
  return (rows + rows_at_once(format) - 1) / rows_at_once(format);
}

/// A matrix and what is behind its last row: nothing, so a group's rows past the end are the last row once more.
struct lane_matrix {
  const std::uint8_t* weights;
  std::uint64_t rows;
  std::uint64_t columns;
};
SIZER_ANYWHERE constexpr std::uint64_t row_at(weight_format format, std::uint64_t group, unsigned r) {
  return group * rows_at_once(format) + r;
}
SIZER_ANYWHERE inline const std::uint8_t* row_start(weight_format format, const lane_matrix& w, std::uint64_t group,
                                                    unsigned r) {
  const std::uint64_t row = row_at(format, group, r);
  return w.weights + (row < w.rows ? row : w.rows - 1) * row_bytes(format, w.columns);
}

SIZER_ANYWHERE inline float dot_of_f16(const vector16& w, const float (&x)[8], float sum) {
  SIZER_UNROLL for (unsigned i = 0; i < 4; ++i) {
    sum = fmaf(widened_low(w.word[i]), x[2 * i], sum);
    sum = fmaf(widened_high(w.word[i]), x[2 * i + 1], sum);
  }
  return sum;
}

SIZER_ANYWHERE inline void lane_f16(const lane_matrix& w, const lane_vector& x, std::uint64_t group, unsigned lane,
                                    float (&sum)[rows_at_once(weight_format::f16)]) {
  constexpr unsigned rows = rows_at_once(weight_format::f16);
  const std::uint8_t* from[rows];
  SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) {
    from[r] = row_start(weight_format::f16, w, group, r);
    sum[r] = 0;
  }
  const auto vectors = static_cast<std::uint32_t>(w.columns / 8);
  SIZER_UNROLL_BY_2 for (std::uint32_t v = lane; v < vectors; v += warp_lanes) {
    vector16 weights[rows];
    SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) weights[r] = load_once(from[r] + 16ull * v);
    const vector16 x0 = load_kept(x.values + 8ull * v);
    const vector16 x1 = load_kept(x.values + 8ull * v + 4);
    const float values[8] = {float_of(x0.word[0]), float_of(x0.word[1]), float_of(x0.word[2]), float_of(x0.word[3]),
                             float_of(x1.word[0]), float_of(x1.word[1]), float_of(x1.word[2]), float_of(x1.word[3])};
    SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) sum[r] = dot_of_f16(weights[r], values, sum[r]);
  }
}

/// How the words of vector v of a row fall into blocks of `size` bytes (18 or 34).
struct owners {
  std::uint32_t first;   ///< block of word 0
  std::uint32_t second;  ///< block of word 3: the same or the next
  std::uint32_t count;   ///< words that belong to the first, 1 to 4
};
SIZER_ANYWHERE constexpr owners owners_of(std::uint32_t v, std::uint32_t size) {
  const std::uint32_t first = 16 * v / size;
  const std::uint32_t left = size * (first + 1) - 16 * v;
  return {first, (16 * v + 12) / size, left >= 13 ? 4 : (left + 3) / 4};
}

/// Sums of the products after one to four words; the part of the first block is the sum after `count` of them.
struct running_sums {
  std::int32_t after[4];
};
SIZER_ANYWHERE inline std::int32_t of_first(const running_sums& s, std::uint32_t count) {
  const std::int32_t low = count == 1 ? s.after[0] : s.after[1];
  const std::int32_t high = count == 3 ? s.after[2] : s.after[3];
  return count < 3 ? low : high;
}
SIZER_ANYWHERE inline running_sums running_q8_0(const vector16& w, const vector16& x) {
  running_sums s;
  std::int32_t sum = 0;
  SIZER_UNROLL for (unsigned i = 0; i < 4; ++i) s.after[i] = sum = dot_of_4(w.word[i], x.word[i], sum);
  return s;
}
/// Sixteen times the products: a nibble n in the upper half of a byte with its top bit turned is the int8 16 (n - 8).
SIZER_ANYWHERE inline running_sums running_q4_0(const vector16& w, const vector16& low, const vector16& high) {
  running_sums s;
  std::int32_t sum = 0;
  SIZER_UNROLL for (unsigned i = 0; i < 4; ++i) {
    sum = dot_of_4(((w.word[i] << 4) & 0xf0f0f0f0u) ^ 0x80808080u, low.word[i], sum);
    s.after[i] = sum = dot_of_4((w.word[i] & 0xf0f0f0f0u) ^ 0x80808080u, high.word[i], sum);
  }
  return s;
}

/// Q8_0 and Q4_0.
template <weight_format Format>
SIZER_ANYWHERE void lane_small_blocks(const lane_matrix& w, const lane_vector& x, std::uint64_t group, unsigned lane,
                                      float (&sum)[rows_at_once(Format)]) {
  constexpr unsigned rows = rows_at_once(Format);
  constexpr std::uint32_t size = Format == weight_format::q8_0 ? 34 : 18;
  constexpr float unit = Format == weight_format::q8_0 ? 1.0f : 1.0f / 16.0f;
  const std::uint8_t* from[rows];
  SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) {
    from[r] = row_start(Format, w, group, r);
    sum[r] = 0;
  }
  const auto vectors = static_cast<std::uint32_t>(row_bytes(Format, w.columns) / 16);
  SIZER_UNROLL_BY_2 for (std::uint32_t v = lane; v < vectors; v += warp_lanes) {
    const owners of = owners_of(v, size);
    vector16 weights[rows];
    std::uint16_t first_scale[rows];
    std::uint16_t second_scale[rows];
    SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) {
      weights[r] = load_kept(from[r] + 16ull * v);
      first_scale[r] = load_half(from[r] + size * of.first);
      second_scale[r] = load_half(from[r] + size * of.second);
    }
    const float first = load_float(x.scale + of.first) * unit;
    const float second = load_float(x.scale + of.second) * unit;
    const vector16 low = load_kept(x.low + 16ull * v);
    vector16 high = low;
    if constexpr (Format == weight_format::q4_0) high = load_kept(x.high + 16ull * v);
    SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) {
      running_sums s;
      if constexpr (Format == weight_format::q8_0) {
        s = running_q8_0(weights[r], low);
      } else {
        s = running_q4_0(weights[r], low, high);
      }
      const std::int32_t mine = of_first(s, of.count);
      sum[r] = fmaf(widened(first_scale[r]) * first, static_cast<float>(mine), sum[r]);
      sum[r] = fmaf(widened(second_scale[r]) * second, static_cast<float>(s.after[3] - mine), sum[r]);
    }
  }
}

/// Scales and minima of sub-blocks 2 j and 2 j + 1 from the header of a Q4_K block: q4_k_scale of blocks.hpp on words,
/// because a lane cannot index its registers.
struct pair_of_scales {
  std::uint32_t scale[2];
  std::uint32_t minimum[2];
};
SIZER_ANYWHERE inline pair_of_scales scales_of_pair(const vector16& header, std::uint32_t j) {
  pair_of_scales result;
  SIZER_UNROLL for (std::uint32_t i = 0; i < 2; ++i) {
    const std::uint32_t shift = 8 * ((2 * j + i) & 3u);
    const std::uint32_t a = header.word[1] >> shift;  // bytes 0 to 3 of the scales
    const std::uint32_t b = header.word[2] >> shift;
    const std::uint32_t c = header.word[3] >> shift;
    result.scale[i] = j < 2 ? a & 63u : (c & 15u) | ((a >> 2) & 48u);
    result.minimum[i] = j < 2 ? b & 63u : ((c >> 4) & 15u) | ((b >> 2) & 48u);
  }
  return result;
}

SIZER_ANYWHERE inline void lane_q4_k(const lane_matrix& w, const lane_vector& x, std::uint64_t group, unsigned lane,
                                     float (&sum)[rows_at_once(weight_format::q4_k)]) {
  constexpr unsigned rows = rows_at_once(weight_format::q4_k);
  const std::uint8_t* from[rows];
  SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) {
    from[r] = row_start(weight_format::q4_k, w, group, r);
    sum[r] = 0;
  }
  // Eight lanes a block, each with 16 bytes of its nibbles and all with its header.
  const auto pieces = static_cast<std::uint32_t>(w.columns / 32);
  for (std::uint32_t piece = lane; piece < pieces; piece += warp_lanes) {
    const std::uint32_t block = piece / 8;
    const std::uint32_t k = piece % 8;
    const std::uint32_t j = k / 2;
    vector16 header[rows];
    vector16 nibbles[rows];
    SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) {
      nibbles[r] = load_once(from[r] + 144ull * block + 16 + 16ull * k);
      header[r] = load_kept(from[r] + 144ull * block);
    }
    const std::uint32_t column = 256 * block + 64 * j + 16 * (k % 2);
    const vector16 low = load_kept(x.q + column);
    const vector16 high = load_kept(x.q + column + 32);
    const float low_scale = load_float(x.scale + column / 32);
    const float high_scale = load_float(x.scale + column / 32 + 1);
    const float low_sum = load_float(x.sum16 + column / 16);
    const float high_sum = load_float(x.sum16 + column / 16 + 2);
    SIZER_UNROLL for (unsigned r = 0; r < rows; ++r) {
      std::int32_t low_dot = 0;
      std::int32_t high_dot = 0;
      SIZER_UNROLL for (unsigned i = 0; i < 4; ++i) {
        low_dot = dot_of_4(nibbles[r].word[i] & 0x0f0f0f0fu, low.word[i], low_dot);
        high_dot = dot_of_4((nibbles[r].word[i] >> 4) & 0x0f0f0f0fu, high.word[i], high_dot);
      }
      const pair_of_scales at = scales_of_pair(header[r], j);
      // scale x dot is at most 63 x 16 x 15 x 127, whole in an int32.
      const float products = fmaf(low_scale, static_cast<float>(static_cast<std::int32_t>(at.scale[0]) * low_dot),
                                  high_scale * static_cast<float>(static_cast<std::int32_t>(at.scale[1]) * high_dot));
      const float minima =
          fmaf(low_sum, static_cast<float>(at.minimum[0]), high_sum * static_cast<float>(at.minimum[1]));
      sum[r] = fmaf(widened_low(header[r].word[0]), products, sum[r]);
      sum[r] = fmaf(-widened_high(header[r].word[0]), minima, sum[r]);
    }
  }
}

/// A lane's share of the dot products of a group of rows; the sum over the lanes is the result.
template <weight_format Format>
SIZER_ANYWHERE void lane_rows(const lane_matrix& w, const lane_vector& x, std::uint64_t group, unsigned lane,
                              float (&sum)[rows_at_once(Format)]) {
  if constexpr (Format == weight_format::f16) {
    lane_f16(w, x, group, lane, sum);
  } else if constexpr (Format == weight_format::q4_k) {
    lane_q4_k(w, x, group, lane, sum);
  } else {
    lane_small_blocks<Format>(w, x, group, lane, sum);
  }
}

/// Block (of F16: 8 weights) `index` of the test matrix.
template <weight_format Format>
SIZER_ANYWHERE void fill_weights(std::uint8_t* weights, std::uint64_t index) {
  if constexpr (Format == weight_format::f16) {
    vector16 v;
    SIZER_UNROLL for (std::uint64_t i = 0; i < 4; ++i) {
      v.word[i] = static_cast<std::uint32_t>(float_to_half(scrambled_unit(8 * index + 2 * i))) |
                  static_cast<std::uint32_t>(float_to_half(scrambled_unit(8 * index + 2 * i + 1))) << 16;
    }
    store_once(weights + 16 * index, v);
  } else if constexpr (Format == weight_format::q8_0) {
    fill_block(*reinterpret_cast<q8_0_block*>(weights + sizeof(q8_0_block) * index), index);
  } else if constexpr (Format == weight_format::q4_0) {
    fill_block(*reinterpret_cast<q4_0_block*>(weights + sizeof(q4_0_block) * index), index);
  } else {
    fill_block(*reinterpret_cast<q4_k_block*>(weights + sizeof(q4_k_block) * index), index);
  }
}
SIZER_ANYWHERE constexpr std::uint64_t weights_in_block(weight_format format) {
  return format == weight_format::f16 ? 8 : format == weight_format::q4_k ? 256 : 32;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
