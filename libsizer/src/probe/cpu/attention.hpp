/// @file
/// Decode attention over one layer's keys and values. Included inside namespace SIZER_ISA after simd.hpp, as it is.
///
/// Tokens are taken in tiles. A tile's scores against all heads come first, then the softmax of the tile, which
/// rescales what is there when a larger score appears, then the values; so keys and values are read once, and while one
/// of them is worked on the other is asked for in the order of its addresses. A head's part of a row is widened once
/// for all of the query heads that share it.

inline constexpr size_t tile_tokens = 32;
inline constexpr size_t block_values = 32;
inline constexpr size_t block_vectors = block_values / static_cast<size_t>(lanes);

// How many query heads and how many blocks of a row are in registers at once.
#if defined(__AVX512F__)
inline constexpr size_t most_scored = 4;
inline constexpr size_t most_weighed = 4;
inline constexpr size_t weighed_blocks(size_t heads) { return heads <= 2 ? 4 : 2; }
#elif defined(__AVX2__)
inline constexpr size_t most_scored = 2;
inline constexpr size_t most_weighed = 2;
inline constexpr size_t weighed_blocks(size_t heads) { return heads == 1 ? 2 : 1; }
#elif defined(__aarch64__)
inline constexpr size_t most_scored = 4;
inline constexpr size_t most_weighed = 3;
inline constexpr size_t weighed_blocks(size_t) { return 1; }
#else
inline constexpr size_t most_scored = 2;
inline constexpr size_t most_weighed = 1;
inline constexpr size_t weighed_blocks(size_t) { return 1; }
#endif

// Loops over registers: the compiler must unroll them before it decides what is a register.
#if defined(__clang__)
#define SIZER_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define SIZER_UNROLL _Pragma("GCC unroll 16")
#else
#define SIZER_UNROLL
#endif

// How a head's part of a row lies in memory. Scales are those of its blocks, as floats.
struct half_format {
  static constexpr size_t block_bytes = 64;
  static constexpr bool has_scales = false;
  static vf load(const char* block, const float*, size_t value) {
    return vf_from_half(reinterpret_cast<const unsigned short*>(block) + value);
  }
};
struct q8_0_format {
  static constexpr size_t block_bytes = 34;
  static constexpr bool has_scales = true;
  static vf load(const char* block, const float* scale, size_t value) {
    return vf_mul(vf_from_int8(reinterpret_cast<const signed char*>(block) + 2 + value), vf_set(*scale));
  }
};
struct float_format {
  static constexpr size_t block_bytes = 128;
  static constexpr bool has_scales = false;
  static vf load(const char* block, const float*, size_t value) {
    return vf_load(reinterpret_cast<const float*>(block) + value);
  }
};

/// Some tokens' part of one head.
struct head_rows {
  const char* first;
  size_t row_bytes;
  size_t tokens;
  size_t blocks;        // of the head
  const float* scales;  // tokens x blocks; null without
};

/// Asks for memory in the order of addresses, a bit at a time. Inner loops work on a copy, which stays in registers.
struct look_ahead {
  const char* at;
  const char* end;
  void step(size_t bytes) {
    if (at >= end) return;
    const char* const until = at + bytes;
#if defined(__GNUC__)
    for (const char* p = at; p < until; p += 64) __builtin_prefetch(p, 0, 2);
#endif
    at = until;
  }
};
static inline look_ahead ahead_of(const void* from, size_t bytes) {
  const char* const p = static_cast<const char*>(from);
  return {p, p + bytes};
}

/// e^x for x <= 0, relative error below 3e-7; 0 from about -87.7 down, also for -infinity.
static inline vf vf_exp(vf x) {
  x = vf_max(x, vf_set(-88.0f));
  const vf n = vf_round(vf_mul(x, vf_set(1.44269504f)));
  // ln 2 in two parts; the first has few bits, so that its product with n is exact.
  vf r = vf_fma(n, vf_set(-0.693359375f), x);
  r = vf_fma(n, vf_set(2.12194440e-4f), r);
  // Taylor's series: |r| <= ln 2 / 2, so the first term left out is below 1.2e-7.
  vf y = vf_set(1.0f / 720);
  y = vf_fma(y, r, vf_set(1.0f / 120));
  y = vf_fma(y, r, vf_set(1.0f / 24));
  y = vf_fma(y, r, vf_set(1.0f / 6));
  y = vf_fma(y, r, vf_set(0.5f));
  y = vf_fma(y, r, vf_set(1.0f));
  y = vf_fma(y, r, vf_set(1.0f));
  return vf_mul(y, vf_power_of_2(n));
}

template <class Format>
static void gather_scales(const head_rows& rows, float* scales) {
  unsigned short halves[tile_tokens * 8 + static_cast<size_t>(lanes)];
  size_t count = 0;
  for (size_t t = 0; t < rows.tokens; ++t) {
    const char* at = rows.first + t * rows.row_bytes;
    for (size_t b = 0; b < rows.blocks; ++b, at += Format::block_bytes) memcpy(&halves[count++], at, 2);
  }
  for (int i = 0; i < lanes; ++i) halves[count + static_cast<size_t>(i)] = 0;
  for (size_t i = 0; i < count; i += static_cast<size_t>(lanes)) vf_store(scales + i, vf_from_half(halves + i));
}

/// Writes the tokens' values from block `from` on as floats, token after token.
template <class Format>
static inline void widen(const head_rows& rows, size_t first_token, size_t tokens, size_t from, size_t blocks,
                         float* to, look_ahead& shared_next) {
  look_ahead next = shared_next;
  for (size_t t = first_token; t < first_token + tokens; ++t) {
    next.step(blocks * Format::block_bytes);
    const char* at = rows.first + t * rows.row_bytes + from * Format::block_bytes;
    const float* scale = Format::has_scales ? rows.scales + t * rows.blocks + from : nullptr;
    for (size_t b = 0; b < blocks; ++b, at += Format::block_bytes, to += block_values) {
      SIZER_UNROLL
      for (size_t j = 0; j < block_vectors; ++j) {
        const size_t value = j * static_cast<size_t>(lanes);
        vf_store(to + value, Format::load(at, scale, value));
      }
      if constexpr (Format::has_scales) ++scale;
    }
  }
  shared_next = next;
}

/// Scores of four rows against Heads queries.
template <class Format, size_t Heads>
static inline void score_four(const char* const (&row)[4], const float* const (&row_scale)[4], size_t blocks,
                              const float* queries, float* scores) {
  vf sum[Heads][4];
  SIZER_UNROLL
  for (size_t h = 0; h < Heads; ++h) {
    SIZER_UNROLL
    for (size_t t = 0; t < 4; ++t) sum[h][t] = vf_zero();
  }
  const char* at[4] = {row[0], row[1], row[2], row[3]};
  const float* scale[4] = {row_scale[0], row_scale[1], row_scale[2], row_scale[3]};
  const size_t head_dim = blocks * block_values;
  for (size_t b = 0; b < blocks; ++b) {
    SIZER_UNROLL
    for (size_t j = 0; j < block_vectors; ++j) {
      const size_t value = j * static_cast<size_t>(lanes);
      vf key[4];
      SIZER_UNROLL
      for (size_t t = 0; t < 4; ++t) key[t] = Format::load(at[t], scale[t], value);
      SIZER_UNROLL
      for (size_t h = 0; h < Heads; ++h) {
        const vf query = vf_load(queries + h * head_dim + b * block_values + value);
        SIZER_UNROLL
        for (size_t t = 0; t < 4; ++t) sum[h][t] = vf_fma(query, key[t], sum[h][t]);
      }
    }
    SIZER_UNROLL
    for (size_t t = 0; t < 4; ++t) {
      at[t] += Format::block_bytes;
      if constexpr (Format::has_scales) ++scale[t];
    }
  }
  SIZER_UNROLL
  for (size_t h = 0; h < Heads; ++h) {
    vf_store_sums(scores + h * tile_tokens, sum[h][0], sum[h][1], sum[h][2], sum[h][3]);
  }
}

template <class Format, size_t Heads>
static inline void score_heads(size_t heads, const char* const (&row)[4], const float* const (&scale)[4], size_t blocks,
                               const float* queries, float* scores) {
  if constexpr (Heads > 1) {
    if (heads < Heads) return score_heads<Format, Heads - 1>(heads, row, scale, blocks, queries, scores);
  }
  score_four<Format, Heads>(row, scale, blocks, queries, scores);
}

/// scores: group x tile_tokens.
template <class Format>
static void score_head(const head_rows& rows, size_t group, const float* queries, float* scores, float* wide,
                       look_ahead& next) {
  const size_t head_dim = rows.blocks * block_values;
  const size_t head_bytes = rows.blocks * Format::block_bytes;
  for (size_t t = 0; t < rows.tokens; t += 4) {
    // The last rows stand in for those that are missing; the softmax does not look at their scores.
    const char* row[4];
    const float* scale[4];
    for (size_t i = 0; i < 4; ++i) {
      const size_t token = t + i < rows.tokens ? t + i : rows.tokens - 1;
      row[i] = rows.first + token * rows.row_bytes;
      scale[i] = Format::has_scales ? rows.scales + token * rows.blocks : nullptr;
    }
    if (group <= most_scored) {
      next.step(4 * head_bytes);
      score_heads<Format, most_scored>(group, row, scale, rows.blocks, queries, scores + t);
      continue;
    }
    const size_t tokens = rows.tokens - t < 4 ? rows.tokens - t : 4;
    widen<Format>(rows, t, tokens, 0, rows.blocks, wide, next);
    for (size_t i = 0; i < 4; ++i) {
      row[i] = reinterpret_cast<const char*>(wide + (i < tokens ? i : tokens - 1) * head_dim);
    }
    for (size_t h = 0; h < group; h += most_scored) {
      const size_t heads = group - h < most_scored ? group - h : most_scored;
      score_heads<float_format, most_scored>(heads, row, scale, rows.blocks, queries + h * head_dim,
                                             scores + h * tile_tokens + t);
    }
  }
}

/// Scores of one query head become weights; returns what the earlier tiles' sums are multiplied by.
static inline float soften(float* scores, size_t tokens, float& largest, float& sum) {
  constexpr size_t step = static_cast<size_t>(lanes);
  for (size_t t = tokens; t < (tokens + step - 1) / step * step; ++t) scores[t] = -HUGE_VALF;
  vf most = vf_load(scores);
  for (size_t t = step; t < tokens; t += step) most = vf_max(most, vf_load(scores + t));
  const float before = largest;
  const float here = vf_largest(most);
  if (here > largest) largest = here;
  // Finite, so that -infinity less it is no NaN.
  const float reference = largest > -3.4e38f ? largest : -3.4e38f;
  const vf shift = vf_set(reference);
  vf total = vf_zero();
  for (size_t t = 0; t < tokens; t += step) {
    const vf weight = vf_exp(vf_sub(vf_load(scores + t), shift));
    vf_store(scores + t, weight);
    total = vf_add(total, weight);
  }
  float factor = 1;
  if (before != largest) {
    float all[lanes];
    vf_store(all, vf_exp(vf_set(before - reference)));
    factor = all[0];
  }
  sum = sum * factor + vf_sum(total);
  return factor;
}

/// weighted (Heads x head_dim, from the block where the rows begin) = factor x weighted + weights x rows.
template <class Format, size_t Heads, size_t Blocks, bool Ahead>
static inline void weigh_blocks(const head_rows& rows, size_t head_dim, const float* weights, const float* factors,
                                float* weighted, look_ahead& shared_next) {
  constexpr size_t vectors = Blocks * block_vectors;
  constexpr size_t step = static_cast<size_t>(lanes);
  look_ahead next = shared_next;
  vf sum[Heads][vectors];
  SIZER_UNROLL
  for (size_t h = 0; h < Heads; ++h) {
    const vf factor = vf_set(factors[h]);
    SIZER_UNROLL
    for (size_t v = 0; v < vectors; ++v) sum[h][v] = vf_mul(factor, vf_load(weighted + h * head_dim + v * step));
  }
  const char* at = rows.first;
  const float* scale = rows.scales;
  for (size_t t = 0; t < rows.tokens; ++t) {
    if constexpr (Ahead) next.step(Blocks * Format::block_bytes);
    vf weight[Heads];
    SIZER_UNROLL
    for (size_t h = 0; h < Heads; ++h) weight[h] = vf_set(weights[h * tile_tokens + t]);
    SIZER_UNROLL
    for (size_t v = 0; v < vectors; ++v) {
      const size_t block = v / block_vectors;
      const vf value = Format::load(at + block * Format::block_bytes, Format::has_scales ? scale + block : nullptr,
                                    v % block_vectors * step);
      SIZER_UNROLL
      for (size_t h = 0; h < Heads; ++h) sum[h][v] = vf_fma(weight[h], value, sum[h][v]);
    }
    at += rows.row_bytes;
    if constexpr (Format::has_scales) scale += rows.blocks;
  }
  SIZER_UNROLL
  for (size_t h = 0; h < Heads; ++h) {
    SIZER_UNROLL
    for (size_t v = 0; v < vectors; ++v) vf_store(weighted + h * head_dim + v * step, sum[h][v]);
  }
  shared_next = next;
}

/// All of a row's blocks, or with `only` as many.
template <class Format, size_t Heads, size_t Blocks, bool Ahead>
static inline void weigh_rows(head_rows rows, size_t only, size_t head_dim, const float* weights, const float* factors,
                              float* weighted, look_ahead& next) {
  while (only >= Blocks) {
    weigh_blocks<Format, Heads, Blocks, Ahead>(rows, head_dim, weights, factors, weighted, next);
    rows.first += Blocks * Format::block_bytes;
    if constexpr (Format::has_scales) rows.scales += Blocks;
    weighted += Blocks * block_values;
    only -= Blocks;
  }
  if constexpr (Blocks > 1) {
    if (only > 0) {
      weigh_rows<Format, Heads, Blocks / 2, Ahead>(rows, only, head_dim, weights, factors, weighted, next);
    }
  }
}

template <class Format, size_t Heads, bool Ahead>
static inline void weigh_heads(size_t heads, const head_rows& rows, size_t only, size_t head_dim, const float* weights,
                               const float* factors, float* weighted, look_ahead& next) {
  if constexpr (Heads > 1) {
    if (heads < Heads) {
      return weigh_heads<Format, Heads - 1, Ahead>(heads, rows, only, head_dim, weights, factors, weighted, next);
    }
  }
  weigh_rows<Format, Heads, weighed_blocks(Heads), Ahead>(rows, only, head_dim, weights, factors, weighted, next);
}

template <class Format>
static void weigh_head(const head_rows& rows, size_t group, const float* weights, const float* factors, float* weighted,
                       float* wide, look_ahead& next) {
  const size_t head_dim = rows.blocks * block_values;
  if (group <= most_weighed) {
    weigh_heads<Format, most_weighed, true>(group, rows, rows.blocks, head_dim, weights, factors, weighted, next);
    return;
  }
  constexpr size_t most_blocks = weighed_blocks(most_weighed);
  for (size_t b = 0; b < rows.blocks; b += most_blocks) {
    const size_t blocks = rows.blocks - b < most_blocks ? rows.blocks - b : most_blocks;
    widen<Format>(rows, 0, rows.tokens, b, blocks, wide, next);
    const head_rows floats{reinterpret_cast<const char*>(wide), blocks * float_format::block_bytes, rows.tokens, blocks,
                           nullptr};
    for (size_t h = 0; h < group; h += most_weighed) {
      const size_t heads = group - h < most_weighed ? group - h : most_weighed;
      weigh_heads<float_format, most_weighed, false>(heads, floats, blocks, head_dim, weights + h * tile_tokens,
                                                     factors + h, weighted + h * head_dim + b * block_values, next);
    }
  }
}

template <class Format>
static void attend(const attention_part& part) {
  const size_t heads = part.kv_heads * part.group;
  const size_t blocks = part.head_dim / block_values;
  const size_t head_bytes = blocks * Format::block_bytes;
  for (size_t h = 0; h < heads; ++h) {
    part.largest[h] = -HUGE_VALF;
    part.sum[h] = 0;
  }
  memset(part.weighted, 0, heads * part.head_dim * sizeof(float));

  // Rows widened, at most 2,048 floats of values and 1,024 of keys; scales; then what depends on the number of heads.
  float* const wide = part.scratch;
  float* const scales = wide + 2048;
  float* const factors = scales + 512;
  const size_t left = attention_scratch - 2048 - 512;
  // All heads' scores of a tile stay until its values are there; with very many heads some heads at a time.
  const size_t fit = left / ((tile_tokens + 1) * part.group);
  const size_t together = fit < 1 ? 1 : fit;
  for (size_t first_head = 0; first_head < part.kv_heads; first_head += together) {
    const size_t last_head = first_head + together < part.kv_heads ? first_head + together : part.kv_heads;
    float* const scores = factors + (last_head - first_head) * part.group;
    const char* keys = static_cast<const char*>(part.keys);
    const char* values = static_cast<const char*>(part.values);
    size_t tokens = part.tokens < tile_tokens ? part.tokens : tile_tokens;
    look_ahead next_keys = ahead_of(keys, tokens * part.row_bytes);
    next_keys.step(tokens * part.row_bytes);
    for (size_t done = 0; done < part.tokens; done += tokens) {
      tokens = part.tokens - done < tile_tokens ? part.tokens - done : tile_tokens;
      look_ahead next_values = ahead_of(values, tokens * part.row_bytes);
      for (size_t h = first_head; h < last_head; ++h) {
        const head_rows rows{keys + h * head_bytes, part.row_bytes, tokens, blocks, scales};
        if constexpr (Format::has_scales) gather_scales<Format>(rows, scales);
        const size_t local = (h - first_head) * part.group;
        score_head<Format>(rows, part.group, part.queries + h * part.group * part.head_dim,
                           scores + local * tile_tokens, wide, next_values);
        for (size_t g = 0; g < part.group; ++g) {
          const size_t head = h * part.group + g;
          factors[local + g] = soften(scores + (local + g) * tile_tokens, tokens, part.largest[head], part.sum[head]);
        }
      }
      keys += tokens * part.row_bytes;
      const size_t after = part.tokens - done - tokens;
      next_keys = ahead_of(keys, (after < tile_tokens ? after : tile_tokens) * part.row_bytes);
      for (size_t h = first_head; h < last_head; ++h) {
        const head_rows rows{values + h * head_bytes, part.row_bytes, tokens, blocks, scales};
        if constexpr (Format::has_scales) gather_scales<Format>(rows, scales);
        const size_t local = (h - first_head) * part.group;
        weigh_head<Format>(rows, part.group, scores + local * tile_tokens, factors + local,
                           part.weighted + h * part.group * part.head_dim, wide, next_keys);
      }
      values += tokens * part.row_bytes;
    }
  }
}

static void attention_f16(const attention_part& part) { attend<half_format>(part); }
static void attention_q8_0(const attention_part& part) { attend<q8_0_format>(part); }
