#pragma once
/// @file
/// The inputs that are made on the host, and what the results should be: in double, element by element, from the same
/// hash that filled the device. Nothing here is shared with the lanes but the block formats.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "probe/cuda/lane_attention.hpp"
#include "probe/cuda/lane_matvec.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// A vector to multiply by, in all the forms that lanes take.
struct host_vector {
  std::vector<float> values;
  std::vector<std::uint8_t> low, high;
  std::vector<std::int8_t> q;
  std::vector<float> scale, sum16;
};

/// The test vector. Quantised as ggml does for Q8_0 (scale = largest / 127), with the scale left a float.
inline host_vector make_host_vector(weight_format format, std::uint64_t columns) {
  host_vector x;
  constexpr std::uint64_t seed = std::uint64_t{1} << 50;  // away from the weights' indices
  for (std::uint64_t i = 0; i < columns; ++i) x.values.push_back(scrambled_unit(seed + i));
  x.q.resize(columns);
  x.scale.resize(columns / 32);
  x.sum16.resize(columns / 16);
  for (std::size_t block = 0; block < x.scale.size(); ++block) {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x.values[32 * block + i]));
    x.scale[block] = largest / 127.0f;
    for (std::size_t i = 0; i < 32; ++i) {
      const float q = largest == 0 ? 0 : std::round(x.values[32 * block + i] / x.scale[block]);
      x.q[32 * block + i] = static_cast<std::int8_t>(q);
    }
    for (std::size_t half = 0; half < 2; ++half) {
      int sum = 0;
      for (std::size_t i = 0; i < 16; ++i) sum += x.q[32 * block + 16 * half + i];
      x.sum16[2 * block + half] = x.scale[block] * static_cast<float>(sum);
    }
  }
  if (format == weight_format::q8_0 || format == weight_format::q4_0) {
    const bool whole = format == weight_format::q8_0;
    const std::size_t size = whole ? 34 : 18;
    x.low.assign(columns / 32 * size, 0);
    x.high.assign(columns / 32 * size, 0);
    for (std::size_t block = 0; block < x.scale.size(); ++block) {
      for (std::size_t i = 0; i < size - 2; ++i) {
        x.low[block * size + 2 + i] = static_cast<std::uint8_t>(x.q[32 * block + i]);
        if (!whole) x.high[block * size + 2 + i] = static_cast<std::uint8_t>(x.q[32 * block + 16 + i]);
      }
    }
  }
  return x;
}

template <class Block>
double reference_blocks(const host_vector& x, std::uint64_t columns, std::uint64_t row, std::uint64_t in_block) {
  double sum = 0;
  for (std::uint64_t b = 0; b < columns / in_block; ++b) {
    Block block;
    fill_block(block, row * (columns / in_block) + b);
    for (std::uint64_t i = 0; i < in_block; ++i) {
      const std::uint64_t column = b * in_block + i;
      sum += static_cast<double>(weight_of(block, static_cast<int>(i))) * static_cast<double>(x.scale[column / 32]) *
             x.q[column];
    }
  }
  return sum;
}

/// Row of the test matrix times the test vector: for F16 its floats, otherwise its int8 with their scales.
inline double reference_row(weight_format format, const host_vector& x, std::uint64_t columns, std::uint64_t row) {
  switch (format) {
    case weight_format::q8_0: return reference_blocks<q8_0_block>(x, columns, row, 32);
    case weight_format::q4_0: return reference_blocks<q4_0_block>(x, columns, row, 32);
    case weight_format::q4_k: return reference_blocks<q4_k_block>(x, columns, row, 256);
    default: break;
  }
  double sum = 0;
  for (std::uint64_t c = 0; c < columns; ++c) {
    sum += static_cast<double>(scrambled_unit(row * columns + c)) * static_cast<double>(x.values[c]);
  }
  return sum;
}

/// Element of the test queries. The factor makes some tokens weigh far more than others: an even mean of thousands
/// would hide wrong scores.
inline float query_at(cache_format format, std::uint64_t index) {
  constexpr std::uint64_t seed = std::uint64_t{1} << 51;
  return scrambled_unit(seed + index) * (format == cache_format::f16 ? 8.0f : 2.0f);
}
/// The queries as the lanes take them.
inline std::vector<float> make_queries(cache_format format, const attention_layout& a) {
  constexpr double log2_e = 1.4426950408889634;
  const double factor = log2_e / std::sqrt(static_cast<double>(a.head_dim));
  std::vector<float> queries;
  for (std::uint64_t i = 0; i < std::uint64_t{a.kv_heads} * a.group * a.head_dim; ++i) {
    queries.push_back(static_cast<float>(static_cast<double>(query_at(format, i)) * factor));
  }
  return queries;
}

/// Element i of the test cache.
inline double cache_element(cache_format format, std::uint64_t i) {
  if (format == cache_format::f16) return static_cast<double>(scrambled_unit(i));
  // One weight of fill_block's block, without the other 31.
  q8_0_block block{};
  block.d = scrambled_scale(i / 32 * 64);
  block.q[0] = static_cast<std::int8_t>(static_cast<std::int32_t>(scrambled(i / 32 * 64 + i % 32 + 1) % 255u) - 127);
  return static_cast<double>(weight_of(block, 0));
}

/// softmax(K q / sqrt(head_dim)) V of all the queries of one head of one layer, one query after the other.
inline std::vector<double> reference_attention(cache_format format, const attention_layout& a, std::uint32_t layer,
                                               std::uint32_t head) {
  const std::uint64_t dim = a.head_dim;
  const auto element = [&](std::uint64_t values, std::uint64_t token) {
    return (((std::uint64_t{layer} * 2 + values) * a.depth + token) * a.kv_heads + head) * dim;
  };
  std::vector<double> keys(dim);
  std::vector<std::vector<double>> scores(a.group, std::vector<double>(a.depth));
  for (std::uint32_t t = 0; t < a.depth; ++t) {
    for (std::uint64_t d = 0; d < dim; ++d) keys[d] = cache_element(format, element(0, t) + d);
    for (std::uint32_t j = 0; j < a.group; ++j) {
      double sum = 0;
      for (std::uint64_t d = 0; d < dim; ++d) {
        sum += keys[d] * static_cast<double>(query_at(format, (std::uint64_t{head} * a.group + j) * dim + d));
      }
      scores[j][t] = sum / std::sqrt(static_cast<double>(dim));
    }
  }
  std::vector<double> result(a.group * dim, 0.0);
  std::vector<double> sums(a.group, 0.0);
  for (auto& of_query : scores) {
    const double largest = *std::max_element(of_query.begin(), of_query.end());
    for (double& score : of_query) score = std::exp(score - largest);
  }
  for (std::uint32_t t = 0; t < a.depth; ++t) {
    for (std::uint64_t d = 0; d < dim; ++d) keys[d] = cache_element(format, element(1, t) + d);
    for (std::uint32_t j = 0; j < a.group; ++j) {
      sums[j] += scores[j][t];
      for (std::uint64_t d = 0; d < dim; ++d) result[j * dim + d] += scores[j][t] * keys[d];
    }
  }
  for (std::uint32_t j = 0; j < a.group; ++j) {
    for (std::uint64_t d = 0; d < dim; ++d) result[j * dim + d] /= sums[j];
  }
  return result;
}

/// Parts of the tokens: enough items for several rounds of the device's warps, but not so small that their own results
/// count beside what they read, and whole steps.
inline void set_chunks(attention_layout& a, std::uint64_t resident_warps) {
  a.slots = (a.group + queries_at_once(a.group) - 1) / queries_at_once(a.group);
  const std::uint64_t without = std::uint64_t{a.layers} * a.kv_heads * a.slots;
  const std::uint64_t wanted = (8 * resident_warps + without - 1) / without;
  const std::uint64_t chunk = std::clamp<std::uint64_t>((a.depth + wanted - 1) / wanted, 256, 1024);
  a.chunk = static_cast<std::uint32_t>((chunk + 31) / 32 * 32);
  a.splits = (a.depth + a.chunk - 1) / a.chunk;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
