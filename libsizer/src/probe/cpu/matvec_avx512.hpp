/// @file
/// Matrix-vector products with AVX-512 and VNNI. Part of matvec.hpp; the same rules.
///
/// The unsigned operand of vpdpbusd is the weight plus an offset that makes it so (128 for Q8_0, 8 for Q4_0, whose
/// nibbles already are); the accumulator starts at minus the offset times the sum of x, so the integers stay exact.
/// Several rows share that start, the loads of x and the conversion of the scales.

static_assert(rows_at_once == 4, "rows_q4_0 and rows_q4_k give each row a quarter, or a lane of each quarter");

static inline __m512i load_512(const void* p) { return _mm512_loadu_si512(p); }

/// The numbers of low in the lower half, those of high in the upper one.
static inline __m512i halves_512(int low, int high) {
  return _mm512_inserti64x4(_mm512_set1_epi32(low), _mm256_set1_epi32(high), 1);
}

template <size_t Rows>
static inline void rows_f16(const char* w, size_t row_bytes, const prepared_vector& x, float* y, size_t columns) {
  __m512 sum[Rows][2];
  for (size_t r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
  for (size_t c = 0; c < columns; c += 64) {
    ask_ahead<Rows, 128>(w + 2 * c, 2 * c, row_bytes);
    for (int i = 0; i < 4; ++i) {
      const __m512 xs = _mm512_loadu_ps(x.values + c + 16 * i);
      for (size_t r = 0; r < Rows; ++r) {
        const __m512 ws = _mm512_cvtph_ps(load_256(w + r * row_bytes + 2 * c + 32 * i));
        sum[r][i % 2] = _mm512_fmadd_ps(ws, xs, sum[r][i % 2]);
      }
    }
  }
  for (size_t r = 0; r < Rows; ++r) y[r] = _mm512_reduce_add_ps(_mm512_add_ps(sum[r][0], sum[r][1]));
}

/// Eight scales of row r and of row r + 1 (where there is one), as halves, times those of x.
static inline __m512 scale_products(__m128i first, __m128i second, __m512 xs) {
  return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1)), xs);
}

/// The scales of eight Q8_0 blocks: two at a time, from the 64 bytes that start with the first.
static inline __m128i scales_q8_0(const char* p) {
  const __m512i from = _mm512_set1_epi32(17 << 16);
  __m512i d = _mm512_maskz_permutexvar_epi16(0x03, from, load_512(p));
  d = _mm512_mask_permutexvar_epi16(d, 0x0c, from, load_512(p + 68));
  d = _mm512_mask_permutexvar_epi16(d, 0x30, from, load_512(p + 136));
  d = _mm512_mask_permutexvar_epi16(d, 0xc0, from, load_512(p + 204));
  return _mm512_castsi512_si128(d);
}

template <size_t Rows>
static inline void rows_q8_0(const char* w, size_t row_bytes, const prepared_vector& x, float* y, size_t columns) {
  const __m512i offset = _mm512_set1_epi8(-128);
  __m512 sum[Rows];
  for (size_t r = 0; r < Rows; ++r) sum[r] = _mm512_setzero_ps();
  for (size_t c = 0; c < columns; c += 256) {
    const size_t done = c / 32 * 34;
    const char* p = w + done;
    const __m512 xs = _mm512_broadcast_f32x8(_mm256_loadu_ps(x.scale + c / 32));
    __m512 scale[(Rows + 1) / 2];
    for (size_t r = 0; r < Rows; r += 2) {
      const char* next = p + (r + 1 < Rows ? r + 1 : r) * row_bytes;
      scale[r / 2] = scale_products(scales_q8_0(p + r * row_bytes), scales_q8_0(next), xs);
    }
    for (int pair = 0; pair < 4; ++pair) {
      ask_ahead<Rows, 68>(p + 68 * pair, done, row_bytes);  // not all at once: a core waits for some 16 lines at most
      const __m512i xq = load_512(x.q + c + 64 * pair);
      const __m512i start =
          _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_dpbusd_epi32(_mm512_setzero_si512(), offset, xq));
      for (size_t r = 0; r < Rows; ++r) {
        const char* blocks = p + r * row_bytes + 68 * pair + 2;
        const __m512i wq = _mm512_inserti64x4(_mm512_castsi256_si512(load_256(blocks)), load_256(blocks + 34), 1);
        const __m512i dots = _mm512_dpbusd_epi32(start, _mm512_xor_si512(wq, offset), xq);
        const int first = 2 * pair + (r % 2 == 0 ? 0 : 8);
        const __m512i which = halves_512(first, first + 1);
        sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_permutexvar_ps(which, scale[r / 2]), sum[r]);
      }
    }
  }
  for (size_t r = 0; r < Rows; ++r) y[r] = _mm512_reduce_add_ps(sum[r]);
}

template <size_t Rows>
static inline void rows_q4_0(const char* w, size_t row_bytes, const prepared_vector& x, float* y, size_t columns) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i offset = _mm512_set1_epi8(8);
  const __m512i one = _mm512_set1_epi16(1);
  // Words of the 64 bytes that end with the fourth block; the first block's begin before them.
  const __m512i from = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 22, 21, 20, 19, 18, 17, 16, 15,  //
                                        13, 12, 11, 10, 9, 8, 7, 6, 0, 0, 0, 0, 0, 0, 0, 0);
  // Scales of four blocks, each four times: a place for each row.
  const __m512i d_from =
      _mm512_castsi256_si512(_mm256_set_epi16(27, 27, 27, 27, 18, 18, 18, 18, 9, 9, 9, 9, 0, 0, 0, 0));
  const __m512i each_four_times = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
  __m512 sum = _mm512_setzero_ps();  // a row in each lane of a quarter
  for (size_t c = 0; c < columns; c += 128) {
    const size_t done = c / 32 * 18;
    ask_ahead<Rows, 72>(w + done, done, row_bytes);
    const __m512i x01 = load_512(x.q + c);
    const __m512i x23 = load_512(x.q + c + 64);
    const __m512i low_x = _mm512_shuffle_i64x2(x01, x23, 0x88);
    const __m512i high_x = _mm512_shuffle_i64x2(x01, x23, 0xdd);
    __m512i start = _mm512_dpbusd_epi32(_mm512_setzero_si512(), offset, low_x);
    start = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_dpbusd_epi32(start, offset, high_x));
    const __m512 xs = _mm512_permutexvar_ps(each_four_times, _mm512_castps128_ps512(_mm_loadu_ps(x.scale + c / 32)));
    __m512i dots[4];
    __m512i d = _mm512_setzero_si512();
    for (size_t r = 0; r < 4; ++r) {
      if (r >= Rows) {
        dots[r] = _mm512_setzero_si512();
        continue;
      }
      const char* blocks = w + done + r * row_bytes;
      d = _mm512_mask_permutexvar_epi16(d, 0x1111u << r, d_from, load_512(blocks));
      __m512i q = _mm512_permutexvar_epi16(from, load_512(blocks + 8));
      q = _mm512_mask_broadcast_i32x4(q, 0x000f, load_128(blocks + 2));
      dots[r] = _mm512_dpbusd_epi32(start, _mm512_and_si512(q, nibble), low_x);
      dots[r] = _mm512_dpbusd_epi32(dots[r], _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble), high_x);
    }
    // Eight products are at most 8 x 8 x 127, sixteen twice that: 16 bits hold them.
    const __m512i dots01 = _mm512_madd_epi16(_mm512_packs_epi32(dots[0], dots[1]), one);
    const __m512i dots23 = _mm512_madd_epi16(_mm512_packs_epi32(dots[2], dots[3]), one);
    const __m512i all = _mm512_madd_epi16(_mm512_packs_epi32(dots01, dots23), one);
    const __m512 scale = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(d)), xs);
    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(all), scale, sum);
  }
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
  const __m128 rows = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  _mm_mask_storeu_ps(y, (1u << Rows) - 1, rows);
}

/// Of each quarter's Q4_K header (16 bytes): the eight 6-bit scales, then the eight 6-bit minimums, as bytes.
static inline __m512i scales_q4_k(__m512i headers) {
  const __m512i low_from =
      _mm512_broadcast_i32x4(_mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 15, 14, 13, 12, 7, 6, 5, 4));
  const __m512i high_from =
      _mm512_broadcast_i32x4(_mm_set_epi8(11, 10, 9, 8, -1, -1, -1, -1, 7, 6, 5, 4, -1, -1, -1, -1));
  const __m512i low_bits = _mm512_broadcast_i32x4(_mm_set_epi32(0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f));
  const __m512i shift = _mm512_broadcast_i32x4(_mm_set_epi32(4, 0, 0, 0));
  const __m512i low = _mm512_srlv_epi32(_mm512_shuffle_epi8(headers, low_from), shift);
  const __m512i high = _mm512_srli_epi16(_mm512_shuffle_epi8(headers, high_from), 2);
  return _mm512_or_si512(_mm512_and_si512(low, low_bits), _mm512_and_si512(high, _mm512_set1_epi8(0x30)));
}

template <size_t Rows>
static inline void rows_q4_k(const char* w, size_t row_bytes, const prepared_vector& x, float* y, size_t columns) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i one = _mm512_set1_epi16(1);
  // Where the sums of sub-blocks stand after packing.
  const __m512i which = _mm512_set_epi32(7, 6, 3, 2, 7, 6, 3, 2, 5, 4, 1, 0, 5, 4, 1, 0);
  __m512 sum[Rows];
  for (size_t r = 0; r < Rows; ++r) sum[r] = _mm512_setzero_ps();
  for (size_t c = 0; c < columns; c += 256) {
    const size_t done = c / 256 * 144;
    const char* p = w + done;
    ask_ahead<Rows, 144>(p, done, row_bytes);
    __m512i headers = _mm512_castsi128_si512(load_128(p));
    if constexpr (Rows == 4) {
      headers = _mm512_inserti32x4(headers, load_128(p + row_bytes), 1);
      headers = _mm512_inserti32x4(headers, load_128(p + 2 * row_bytes), 2);
      headers = _mm512_inserti32x4(headers, load_128(p + 3 * row_bytes), 3);
    }
    alignas(64) char bytes[64];
    _mm512_store_si512(bytes, scales_q4_k(headers));
    const __m512i d_from = _mm512_castsi128_si512(_mm_set_epi16(25, 24, 17, 16, 9, 8, 1, 0));
    const __m512 d =
        _mm512_castps256_ps512(_mm256_cvtph_ps(_mm512_castsi512_si128(_mm512_permutexvar_epi16(d_from, headers))));
    // The scales of x, then minus its scaled sums: what the scales and the minimums are multiplied with.
    const __m512 minus_sums =
        _mm512_sub_ps(_mm512_setzero_ps(), _mm512_castps256_ps512(_mm256_loadu_ps(x.scaled_sum + c / 32)));
    const __m512 xs = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(x.scale + c / 32)),
                                         _mm512_castps512_ps256(minus_sums), 1);
    const __m512i x0 = load_512(x.q + c);
    const __m512i x1 = load_512(x.q + c + 64);
    const __m512i x2 = load_512(x.q + c + 128);
    const __m512i x3 = load_512(x.q + c + 192);
    const __m512i low_x0 = _mm512_shuffle_i64x2(x0, x1, 0x44);
    const __m512i high_x0 = _mm512_shuffle_i64x2(x0, x1, 0xee);
    const __m512i low_x1 = _mm512_shuffle_i64x2(x2, x3, 0x44);
    const __m512i high_x1 = _mm512_shuffle_i64x2(x2, x3, 0xee);
    const __m512i zero = _mm512_setzero_si512();
    for (size_t r = 0; r < Rows; ++r) {
      const char* q = p + r * row_bytes + 16;
      const __m512i q0 = load_512(q);
      const __m512i q1 = load_512(q + 64);
      const __m512i low0 = _mm512_dpbusd_epi32(zero, _mm512_and_si512(q0, nibble), low_x0);
      const __m512i low1 = _mm512_dpbusd_epi32(zero, _mm512_and_si512(q1, nibble), low_x1);
      const __m512i high0 = _mm512_dpbusd_epi32(zero, _mm512_and_si512(_mm512_srli_epi16(q0, 4), nibble), high_x0);
      const __m512i high1 = _mm512_dpbusd_epi32(zero, _mm512_and_si512(_mm512_srli_epi16(q1, 4), nibble), high_x1);
      // Four products are at most 4 x 15 x 127, eight twice that: 16 bits hold them.
      const __m512i dots0 = _mm512_madd_epi16(_mm512_packs_epi32(low0, high0), one);
      const __m512i dots1 = _mm512_madd_epi16(_mm512_packs_epi32(low1, high1), one);
      const __m512i dots = _mm512_madd_epi16(_mm512_packs_epi32(dots0, dots1), one);
      const __m512i of_row = _mm512_cvtepu8_epi32(load_128(bytes + 16 * r));
      const __m512 d_of_row =
          _mm512_permutexvar_ps(halves_512(2 * static_cast<int>(r), 2 * static_cast<int>(r) + 1), d);
      const __m512 factor = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(of_row), d_of_row), xs);
      sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_permutexvar_ps(which, factor), sum[r]);
      sum[r] = _mm512_mask_add_ps(sum[r], 0xff00, sum[r], factor);
    }
  }
  for (size_t r = 0; r < Rows; ++r) y[r] = _mm512_reduce_add_ps(sum[r]);
}
