/// @file
/// Matrix-vector products y = W x with W in ggml's F16, Q8_0, Q4_0 and Q4_K blocks, for the instruction set that this
/// source is compiled for: matvec_f16, matvec_q8_0, matvec_q4_0, matvec_q4_k as kernel_table.hpp declares them.
///
/// As simd.hpp: included inside namespace SIZER_ISA, after it; no include guard, nothing shared between sources. The
/// functions of blocks.hpp are shared (inline), so only the plain branch calls them.

#if defined(__AVX2__)

static inline __m256i load_256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
static inline __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }

/// How far ahead of the weights in use memory is asked for: a page, where the processor's own prefetchers stop.
inline constexpr size_t prefetch_bytes = 4096;

/// Asks for the lines that later weights of each row lie on, or, at the end of the rows, for those of the next ones.
template <size_t Rows, size_t Bytes>
static inline void ask_ahead(const char* p, size_t done, size_t row_bytes) {
  p += prefetch_bytes + (done + prefetch_bytes < row_bytes ? 0 : (Rows - 1) * row_bytes);
  for (size_t r = 0; r < Rows; ++r, p += row_bytes) {
    for (size_t line = 0; line < Bytes; line += 64) _mm_prefetch(p + line, _MM_HINT_T0);
  }
}

/// Rows at once. They share work on x, and a core waits for memory at several places at the same time: one stream alone
/// does not reach what a core can read.
inline constexpr size_t rows_at_once = 4;

template <auto Several, auto One>
static inline void all_rows(const void* w, size_t row_bytes, const prepared_vector& x, float* y, size_t rows,
                            size_t columns) {
  const char* p = static_cast<const char*>(w);
  for (; rows >= rows_at_once; rows -= rows_at_once, p += rows_at_once * row_bytes, y += rows_at_once) {
    Several(p, row_bytes, x, y, columns);
  }
  for (; rows > 0; --rows, p += row_bytes, ++y) One(p, row_bytes, x, y, columns);
}

#endif

#if defined(__AVX512VNNI__)
#include "matvec_avx512.hpp"
#elif defined(__AVX2__)
#include "matvec_avx2.hpp"
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include "matvec_neon.hpp"
#else
#include "matvec_scalar.hpp"
#endif

#if defined(__AVX2__)

static void matvec_f16(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  all_rows<rows_f16<rows_at_once>, rows_f16<1>>(w, columns * 2, x, y, rows, columns);
}
static void matvec_q8_0(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  all_rows<rows_q8_0<rows_at_once>, rows_q8_0<1>>(w, columns / 32 * sizeof(q8_0_block), x, y, rows, columns);
}
static void matvec_q4_0(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  all_rows<rows_q4_0<rows_at_once>, rows_q4_0<1>>(w, columns / 32 * sizeof(q4_0_block), x, y, rows, columns);
}
static void matvec_q4_k(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  all_rows<rows_q4_k<rows_at_once>, rows_q4_k<1>>(w, columns / 256 * sizeof(q4_k_block), x, y, rows, columns);
}

#endif
