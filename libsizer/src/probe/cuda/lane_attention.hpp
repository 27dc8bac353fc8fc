#pragma once
/// @file
/// A lane's share of one decode step's attention: scores, softmax, weighted sum, over a part of the tokens, for the
/// query heads that share one key and value head.
///
/// A warp takes a few tokens at a time. Each lane holds E = head_dim / 32 neighbouring elements of the queries, the
/// key, the value and the result, so that a warp loads a token's row of a head in one piece. Scores are summed over the
/// lanes for all tokens and queries of the step together, which leaves lane l with the score of value l: token l / G,
/// query l % G. The softmax runs per lane from there with the largest score so far (Milakov and Gimelshein, 2018);
/// parts of the tokens are merged in a second kernel.
///
/// Exponentials are of 2: the queries come multiplied by log2(e) / sqrt(head_dim).

#include "probe/cuda/lane_math.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

enum class cache_format : std::uint32_t { f16, q8_0 };

/// The cache is [layer][keys, values][token][head][element]; the queries are [head][query][element], the same for every
/// layer; the result is [layer][head][query][element].
struct attention_layout {
  std::uint32_t layers;
  std::uint32_t depth;
  std::uint32_t kv_heads;
  std::uint32_t group;     ///< query heads for each of them
  std::uint32_t head_dim;  ///< 64, 128 or 256
  std::uint32_t slots;     ///< warps that share the queries of a head: group / G rounded up
  std::uint32_t chunk;     ///< tokens of a part
  std::uint32_t splits;    ///< parts: depth / chunk rounded up
};

SIZER_ANYWHERE constexpr std::uint64_t head_bytes(cache_format format, std::uint32_t head_dim) {
  return format == cache_format::f16 ? head_dim * 2u : head_dim / 32u * 34u;
}
SIZER_ANYWHERE constexpr std::uint64_t token_bytes(cache_format format, const attention_layout& a) {
  return a.kv_heads * head_bytes(format, a.head_dim);
}
SIZER_ANYWHERE constexpr std::uint64_t layer_bytes(cache_format format, const attention_layout& a) {
  return 2ull * a.depth * token_bytes(format, a);
}

/// What one warp does. Heads count faster than parts of the tokens: warps side by side read a token's row together.
struct attention_item {
  std::uint32_t layer, split, head, slot;
};
SIZER_ANYWHERE constexpr std::uint64_t attention_items(const attention_layout& a) {
  return std::uint64_t{a.layers} * a.splits * a.kv_heads * a.slots;
}
SIZER_ANYWHERE constexpr attention_item item_at(const attention_layout& a, std::uint64_t index) {
  attention_item item{};
  item.slot = static_cast<std::uint32_t>(index % a.slots);
  index /= a.slots;
  item.head = static_cast<std::uint32_t>(index % a.kv_heads);
  index /= a.kv_heads;
  item.split = static_cast<std::uint32_t>(index % a.splits);
  item.layer = static_cast<std::uint32_t>(index / a.splits);
  return item;
}
SIZER_ANYWHERE constexpr std::uint64_t index_of(const attention_layout& a, const attention_item& item) {
  return ((std::uint64_t{item.layer} * a.splits + item.split) * a.kv_heads + item.head) * a.slots + item.slot;
}
SIZER_ANYWHERE constexpr std::uint32_t first_token(const attention_layout& a, std::uint32_t split) {
  return split * a.chunk;
}
SIZER_ANYWHERE constexpr std::uint32_t end_token(const attention_layout& a, std::uint32_t split) {
  return a.depth - split * a.chunk < a.chunk ? a.depth : (split + 1) * a.chunk;
}
/// The row of a token, head and layer; the values lie depth x token_bytes behind the keys.
SIZER_ANYWHERE constexpr std::uint64_t row_offset(cache_format format, const attention_layout& a, std::uint32_t layer,
                                                  std::uint32_t token, std::uint32_t head) {
  return layer * layer_bytes(format, a) + token * token_bytes(format, a) + head * head_bytes(format, a.head_dim);
}

/// Queries that a warp holds at once, for a group: 1, 4 or 8.
SIZER_ANYWHERE constexpr std::uint32_t queries_at_once(std::uint32_t group) {
  return group == 1 ? 1 : group <= 4 ? 4 : 8;
}
/// Tokens of a step: the scores of a step are at most as many as lanes.
SIZER_ANYWHERE constexpr unsigned tokens_at_once(unsigned queries) { return queries == 8 ? 4 : 8; }

// --- elements --------------------------------------------------------------------------------------------------------

/// A lane's E elements as they lie in the cache. Loaded for a whole step before any is used.
template <cache_format Format, unsigned E>
struct raw_elements {
  std::uint32_t word[Format == cache_format::f16 ? E / 2 : (E + 3) / 4];
  std::uint16_t scale;
};

template <cache_format Format, unsigned E>
SIZER_ANYWHERE raw_elements<Format, E> load_elements(const std::uint8_t* row, unsigned lane) {
  static_assert(E == 2 || E == 4 || E == 8);
  raw_elements<Format, E> raw;
  if constexpr (Format == cache_format::f16) {
    const std::uint8_t* const from = row + 2 * E * lane;
    raw.scale = 0;
#if defined(__CUDA_ARCH__)
    if constexpr (E == 2) {
      raw.word[0] = __ldcs(reinterpret_cast<const unsigned*>(from));
    } else if constexpr (E == 4) {
      const uint2 v = __ldcs(reinterpret_cast<const uint2*>(from));
      raw.word[0] = v.x;
      raw.word[1] = v.y;
    } else {
      const uint4 v = __ldcs(reinterpret_cast<const uint4*>(from));
      raw.word[0] = v.x;
      raw.word[1] = v.y;
      raw.word[2] = v.z;
      raw.word[3] = v.w;
    }
#else
    std::memcpy(raw.word, from, 2 * E);
#endif
  } else {
    const unsigned element = E * lane;
    const std::uint8_t* const block = row + 34 * (element / 32);
    raw.scale = load_half(block);
    // Blocks begin on any even byte, so an int8 pair is what can be loaded at once.
    const std::uint8_t* const from = block + 2 + element % 32;
    if constexpr (E == 2) {
      raw.word[0] = load_half(from);
    } else {
      SIZER_UNROLL for (unsigned i = 0; i < E / 4; ++i) {
        raw.word[i] = load_half(from + 4 * i) | static_cast<std::uint32_t>(load_half(from + 4 * i + 2)) << 16;
      }
    }
  }
  return raw;
}

/// Byte i of the word, an int8 with its top bit turned, as a float: 2^23 + byte has the byte in its last bits. No
/// conversion instruction, which runs at a quarter of the rate or less.
SIZER_ANYWHERE inline float byte_as_float(std::uint32_t turned, unsigned i) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(__byte_perm(turned, 0x4b000000u, 0x7440u + i)) - 8388736.0f;
#else
  return float_of(0x4b000000u | ((turned >> (8 * i)) & 0xffu)) - 8388736.0f;
#endif
}

template <cache_format Format, unsigned E>
SIZER_ANYWHERE void widen(const raw_elements<Format, E>& raw, float (&to)[E]) {
  if constexpr (Format == cache_format::f16) {
    SIZER_UNROLL for (unsigned i = 0; i < E / 2; ++i) {
      to[2 * i] = widened_low(raw.word[i]);
      to[2 * i + 1] = widened_high(raw.word[i]);
    }
  } else {
    const float scale = widened(raw.scale);
    SIZER_UNROLL for (unsigned i = 0; i < E; ++i) to[i] = scale * byte_as_float(raw.word[i / 4] ^ 0x80808080u, i % 4);
  }
}

// --- scores ----------------------------------------------------------------------------------------------------------

/// A lane's part of the scores of one token, for G queries.
template <unsigned E, unsigned G>
SIZER_ANYWHERE void part_of_scores(const float (&query)[G][E], const float (&key)[E], float* scores) {
  SIZER_UNROLL for (unsigned j = 0; j < G; ++j) {
    float sum = 0;
    SIZER_UNROLL for (unsigned e = 0; e < E; ++e) sum = fmaf(query[j][e], key[e], sum);
    scores[j] = sum;
  }
}

/// One step of the sum over lanes that spreads the values over them: with its partner at `lane ^ half`, a lane keeps
/// one half of the values and gives the other away. After steps of V / 2 to 1, lane l has the sum of value l % V over
/// the V lanes around it.
SIZER_ANYWHERE constexpr bool keeps_upper(unsigned lane, unsigned half) { return (lane & half) != 0; }
SIZER_ANYWHERE inline float kept(unsigned lane, unsigned half, float lower, float upper) {
  return keeps_upper(lane, half) ? upper : lower;
}
SIZER_ANYWHERE inline float given(unsigned lane, unsigned half, float lower, float upper) {
  return keeps_upper(lane, half) ? lower : upper;
}

// --- softmax ---------------------------------------------------------------------------------------------------------

/// Sum of 2^(score - largest), with the largest score so far. Nothing yet: minus infinity and 0.
struct softmax_state {
  float largest;
  float sum;
};
/// No <limits> on the device.
SIZER_ANYWHERE inline float minus_infinity() { return float_of(0xff800000u); }

/// 2^(score - largest); 0 for what is not there, even when nothing is.
SIZER_ANYWHERE inline float softmax_weight(float score, float largest) {
  return score == minus_infinity() ? 0.0f : exp2f(score - largest);
}
/// The score that a lane goes on with: what lies behind the last token does not count.
template <unsigned G>
SIZER_ANYWHERE float masked_score(float score, unsigned lane, std::uint32_t first, std::uint32_t end) {
  constexpr unsigned values = tokens_at_once(G) * G;
  const std::uint32_t token = first + lane % values / G;
  return token < end ? score : minus_infinity();
}
/// The factor for what was summed before and the weight of this score; the state moves on.
struct softmax_step {
  float factor;
  float weight;
};
SIZER_ANYWHERE inline softmax_step advance(softmax_state& state, float score, float largest_of_step) {
  const float largest = fmaxf(state.largest, largest_of_step);
  const softmax_step step{softmax_weight(state.largest, largest), softmax_weight(score, largest)};
  state.sum = fmaf(state.sum, step.factor, step.weight);
  state.largest = largest;
  return step;
}

template <unsigned E>
SIZER_ANYWHERE void scale_by(float (&weighted)[E], float factor) {
  SIZER_UNROLL for (unsigned e = 0; e < E; ++e) weighted[e] *= factor;
}
template <unsigned E>
SIZER_ANYWHERE void add_weighted(float (&weighted)[E], float weight, const float (&value)[E]) {
  SIZER_UNROLL for (unsigned e = 0; e < E; ++e) weighted[e] = fmaf(weight, value[e], weighted[e]);
}

/// Where an item leaves the state of its query j of G, and the elements of its weighted sum.
SIZER_ANYWHERE constexpr std::uint64_t state_index(std::uint64_t item, unsigned queries, unsigned j) {
  return item * queries + j;
}
SIZER_ANYWHERE constexpr std::uint64_t element_index(std::uint64_t state, std::uint32_t head_dim, unsigned lane,
                                                     unsigned elements) {
  return state * head_dim + lane * elements;
}

/// Result of one (layer, head, query), merged from the parts of the tokens: a lane's E elements of it.
template <unsigned E>
SIZER_ANYWHERE void merge_parts(const attention_layout& a, std::uint64_t result, unsigned lane,
                                const softmax_state* states, const float* weighted, float* to) {
  const std::uint32_t queries = queries_at_once(a.group);
  const auto query = static_cast<std::uint32_t>(result % a.group);
  const auto head = static_cast<std::uint32_t>(result / a.group % a.kv_heads);
  const auto layer = static_cast<std::uint32_t>(result / a.group / a.kv_heads);
  const auto at = [&](std::uint32_t split) {
    return state_index(index_of(a, {layer, split, head, query / queries}), queries, query % queries);
  };
  float largest = minus_infinity();
  for (std::uint32_t split = 0; split < a.splits; ++split) largest = fmaxf(largest, states[at(split)].largest);
  float sum = 0;
  float merged[E] = {};
  for (std::uint32_t split = 0; split < a.splits; ++split) {
    const std::uint64_t state = at(split);
    const float weight = softmax_weight(states[state].largest, largest);
    sum = fmaf(states[state].sum, weight, sum);
    const float* const part = weighted + element_index(state, a.head_dim, lane, E);
    SIZER_UNROLL for (unsigned e = 0; e < E; ++e) merged[e] = fmaf(part[e], weight, merged[e]);
  }
  float* const out = to + element_index(result, a.head_dim, lane, E);
  SIZER_UNROLL for (unsigned e = 0; e < E; ++e) out[e] = merged[e] / sum;
}

/// Element (F16) or block (Q8_0) `index` of the test cache.
template <cache_format Format>
SIZER_ANYWHERE void fill_cache(std::uint8_t* cache, std::uint64_t index) {
  if constexpr (Format == cache_format::f16) {
    vector16 v;  // eight elements, every head's row is a multiple of them
    SIZER_UNROLL for (std::uint64_t i = 0; i < 4; ++i) {
      v.word[i] = static_cast<std::uint32_t>(float_to_half(scrambled_unit(8 * index + 2 * i))) |
                  static_cast<std::uint32_t>(float_to_half(scrambled_unit(8 * index + 2 * i + 1))) << 16;
    }
    store_once(cache + 16 * index, v);
  } else {
    fill_block(*reinterpret_cast<q8_0_block*>(cache + sizeof(q8_0_block) * index), index);
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
