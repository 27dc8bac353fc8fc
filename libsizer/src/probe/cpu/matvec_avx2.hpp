/// @file
/// Matrix-vector products with AVX2, FMA and F16C. Part of matvec.hpp; the same rules.
///
/// vpmaddubsw multiplies unsigned with signed bytes and saturates at 16 bits. Q8_0 gives it the weights' sizes and x
/// with their signs (2 x 128 x 127 fits), the formats of 4 bits their nibbles (2 x 15 x 127 fits).

static inline uint64_t word_at(const char* p) {
  uint16_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

/// Scales of eight blocks that lie `stride` bytes apart.
static inline __m256 scales_of_blocks(const char* p, size_t stride) {
  uint64_t four[2];
  for (int i = 0; i < 2; ++i, p += 4 * stride) {
    four[i] = word_at(p) | word_at(p + stride) << 16 | word_at(p + 2 * stride) << 32 | word_at(p + 3 * stride) << 48;
  }
  return _mm256_cvtph_ps(_mm_set_epi64x(static_cast<int64_t>(four[1]), static_cast<int64_t>(four[0])));
}

/// Pairs of 16-bit numbers added, as floats.
static inline __m256 pair_sums(__m256i words) {
  return _mm256_cvtepi32_ps(_mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

template <size_t Rows>
static inline void rows_f16(const char* w, size_t row_bytes, const prepared_vector& x, float* y, size_t columns) {
  __m256 sum[Rows][2];
  for (size_t r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  for (size_t c = 0; c < columns; c += 64) {
    ask_ahead<Rows, 128>(w + 2 * c, 2 * c, row_bytes);
    for (size_t i = 0; i < 8; ++i) {
      const __m256 xs = _mm256_loadu_ps(x.values + c + 8 * i);
      for (size_t r = 0; r < Rows; ++r) {
        const __m256 ws = _mm256_cvtph_ps(load_128(w + r * row_bytes + 2 * c + 16 * i));
        sum[r][i % 2] = _mm256_fmadd_ps(ws, xs, sum[r][i % 2]);
      }
    }
  }
  for (size_t r = 0; r < Rows; ++r) y[r] = vf_sum(_mm256_add_ps(sum[r][0], sum[r][1]));
}

template <size_t Rows>
static inline void rows_q8_0(const char* w, size_t row_bytes, const prepared_vector& x, float* y, size_t columns) {
  __m256 sum[Rows][2];
  for (size_t r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  for (size_t c = 0; c < columns; c += 256) {
    const size_t done = c / 32 * 34;
    ask_ahead<Rows, 272>(w + done, done, row_bytes);
    for (size_t r = 0; r < Rows; ++r) {
      const char* p = w + r * row_bytes + done;
      alignas(32) float scale[8];
      _mm256_store_ps(scale, _mm256_mul_ps(scales_of_blocks(p, 34), _mm256_loadu_ps(x.scale + c / 32)));
      for (size_t i = 0; i < 8; ++i) {
        const __m256i wq = load_256(p + 34 * i + 2);
        const __m256i xq = load_256(x.q + c + 32 * i);
        const __m256i dots = _mm256_maddubs_epi16(_mm256_abs_epi8(wq), _mm256_sign_epi8(xq, wq));
        sum[r][i % 2] = _mm256_fmadd_ps(pair_sums(dots), _mm256_set1_ps(scale[i]), sum[r][i % 2]);
      }
    }
  }
  for (size_t r = 0; r < Rows; ++r) y[r] = vf_sum(_mm256_add_ps(sum[r][0], sum[r][1]));
}

template <size_t Rows>
static inline void rows_q4_0(const char* w, size_t row_bytes, const prepared_vector& x, float* y, size_t columns) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i shift = _mm256_set_epi64x(4, 4, 0, 0);
  __m256 sum[Rows];
  __m256 offsets[Rows];
  for (size_t r = 0; r < Rows; ++r) sum[r] = offsets[r] = _mm256_setzero_ps();
  for (size_t c = 0; c < columns; c += 256) {
    const size_t done = c / 32 * 18;
    ask_ahead<Rows, 144>(w + done, done, row_bytes);
    for (size_t r = 0; r < Rows; ++r) {
      const char* p = w + r * row_bytes + done;
      alignas(32) float scale[8];
      const __m256 d = scales_of_blocks(p, 18);
      _mm256_store_ps(scale, _mm256_mul_ps(d, _mm256_loadu_ps(x.scale + c / 32)));
      offsets[r] = _mm256_fmadd_ps(d, _mm256_loadu_ps(x.scaled_sum + c / 32), offsets[r]);
      for (size_t i = 0; i < 8; ++i) {
        const __m256i twice = _mm256_broadcastsi128_si256(load_128(p + 18 * i + 2));
        const __m256i wq = _mm256_and_si256(_mm256_srlv_epi64(twice, shift), nibble);
        const __m256i dots = _mm256_maddubs_epi16(wq, load_256(x.q + c + 32 * i));
        sum[r] = _mm256_fmadd_ps(pair_sums(dots), _mm256_set1_ps(scale[i]), sum[r]);
      }
    }
  }
  for (size_t r = 0; r < Rows; ++r) y[r] = vf_sum(_mm256_fmadd_ps(offsets[r], _mm256_set1_ps(-8), sum[r]));
}

/// Eight numbers of 6 bits from a Q4_K header: four whole ones, and four of 4 bits and the upper two bits of others.
static inline __m256 six_bits(uint32_t whole, uint32_t lower, uint32_t upper) {
  const uint64_t first = whole & 0x3f3f3f3fu;
  const uint64_t second = (lower & 0x0f0f0f0fu) | (upper >> 2 & 0x30303030u);
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(first | second << 32))));
}

template <size_t Rows>
static inline void rows_q4_k(const char* w, size_t row_bytes, const prepared_vector& x, float* y, size_t columns) {
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256 sum[Rows];
  __m256 minimums[Rows];
  for (size_t r = 0; r < Rows; ++r) sum[r] = minimums[r] = _mm256_setzero_ps();
  for (size_t c = 0; c < columns; c += 256) {
    const size_t done = c / 256 * 144;
    ask_ahead<Rows, 144>(w + done, done, row_bytes);
    for (size_t r = 0; r < Rows; ++r) {
      const char* p = w + r * row_bytes + done;
      uint32_t header[4];  // d and dmin, then the three words of the scales
      memcpy(header, p, sizeof header);
      const __m128 d = _mm_cvtph_ps(_mm_cvtsi32_si128(static_cast<int32_t>(header[0])));
      const __m256 d_x = _mm256_mul_ps(_mm256_broadcastss_ps(d), _mm256_loadu_ps(x.scale + c / 32));
      const __m256 dmin = _mm256_broadcastss_ps(_mm_movehdup_ps(d));
      const __m256 dmin_x = _mm256_mul_ps(dmin, _mm256_loadu_ps(x.scaled_sum + c / 32));
      alignas(32) float scale[8];
      _mm256_store_ps(scale, _mm256_mul_ps(six_bits(header[1], header[3], header[1]), d_x));
      minimums[r] = _mm256_fmadd_ps(six_bits(header[2], header[3] >> 4, header[2]), dmin_x, minimums[r]);
      for (size_t i = 0; i < 4; ++i) {
        const __m256i q = load_256(p + 16 + 32 * i);
        const __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(q, nibble), load_256(x.q + c + 64 * i));
        const __m256i high =
            _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(q, 4), nibble), load_256(x.q + c + 64 * i + 32));
        sum[r] = _mm256_fmadd_ps(pair_sums(low), _mm256_set1_ps(scale[2 * i]), sum[r]);
        sum[r] = _mm256_fmadd_ps(pair_sums(high), _mm256_set1_ps(scale[2 * i + 1]), sum[r]);
      }
    }
  }
  for (size_t r = 0; r < Rows; ++r) y[r] = vf_sum(_mm256_sub_ps(sum[r], minimums[r]));
}
