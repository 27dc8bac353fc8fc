/// @file
/// Attention as engines do it that have no tiles for one token (llama.cpp's plain loop): one query head after the
/// other, and for each of them one cached token after the other. Every head walks the whole cache with the stride of a
/// row, so that heads sharing keys read them again, and what a stride costs is in the time. Included inside namespace
/// SIZER_ISA, after attention.hpp.
///
/// Deliberately without tiles, prefetches and vectors of exponentials: the figure is for the loop as it is.

static inline float one_half(const char* p) {
  unsigned short half;
  memcpy(&half, p, sizeof half);
#if defined(__F16C__)
  return _cvtsh_ss(half);
#else
  return half_to_float(half);
#endif
}

template <class Format>
static void attend_by_row(const attention_part& part) {
  const size_t blocks = part.head_dim / block_values;
  const size_t head_bytes = blocks * Format::block_bytes;
  for (size_t head = 0; head < part.kv_heads * part.group; ++head) {
    const char* key = static_cast<const char*>(part.keys) + head / part.group * head_bytes;
    const char* value = static_cast<const char*>(part.values) + head / part.group * head_bytes;
    const float* const query = part.queries + head * part.head_dim;
    float* const weighted = part.weighted + head * part.head_dim;
    for (size_t d = 0; d < part.head_dim; ++d) weighted[d] = 0;
    float largest = -HUGE_VALF;
    float sum = 0;
    for (size_t token = 0; token < part.tokens; ++token, key += part.row_bytes, value += part.row_bytes) {
      vf products = vf_zero();
      for (size_t b = 0; b < blocks; ++b) {
        float scale = 1;
        if constexpr (Format::has_scales) scale = one_half(key + b * Format::block_bytes);
        for (size_t j = 0; j < block_values; j += static_cast<size_t>(lanes)) {
          const vf k = Format::load(key + b * Format::block_bytes, &scale, j);
          products = vf_fma(vf_load(query + b * block_values + j), k, products);
        }
      }
      const float score = vf_sum(products);
      float weight = 1;
      if (score > largest) {
        const float factor = expf(largest - score);  // 0 for the first token
        for (size_t d = 0; d < part.head_dim; d += static_cast<size_t>(lanes)) {
          vf_store(weighted + d, vf_mul(vf_load(weighted + d), vf_set(factor)));
        }
        sum *= factor;
        largest = score;
      } else {
        weight = expf(score - largest);
      }
      sum += weight;
      for (size_t b = 0; b < blocks; ++b) {
        float scale = 1;
        if constexpr (Format::has_scales) scale = one_half(value + b * Format::block_bytes);
        for (size_t j = 0; j < block_values; j += static_cast<size_t>(lanes)) {
          float* const at = weighted + b * block_values + j;
          vf_store(at, vf_fma(vf_set(weight), Format::load(value + b * Format::block_bytes, &scale, j), vf_load(at)));
        }
      }
    }
    part.largest[head] = largest;
    part.sum[head] = sum;
  }
}

static void attention_by_row_f16(const attention_part& part) { attend_by_row<half_format>(part); }
static void attention_by_row_q8_0(const attention_part& part) { attend_by_row<q8_0_format>(part); }
