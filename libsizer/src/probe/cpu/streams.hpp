/// @file
/// Plain traffic: read, copy, write, triad and flush. Included inside namespace SIZER_ISA, as simd.hpp is.
///
/// A prefetcher follows one page and starts again at the next, so that a core with a single stream waits at every page.
/// Each loop therefore works on several neighbouring pages side by side, a line of each in turn, and asks for the same
/// lines of the next pages meanwhile. Measured on Sapphire Rapids against one stream: reads 1.5, copies 1.4 times.

static constexpr size_t page_bytes = 4096;
static constexpr size_t line_bytes = 64;

static inline void prefetch(const void* p) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(p, 0, 3);
#else
  (void)p;
#endif
}

/// Calls work(pages, offset) for the lines of `size` bytes, `Pages` pages side by side, and one by one at the end.
/// `work` is a template over the number of pages.
template <size_t Pages, class Work>
static inline void each_line_of_pages(size_t size, Work&& work) {
  size_t at = 0;
  for (; at + Pages * page_bytes <= size; at += Pages * page_bytes) {
    for (size_t offset = 0; offset < page_bytes; offset += line_bytes) {
#if defined(__clang__)
#pragma clang loop unroll(full)
#elif defined(__GNUC__)
#pragma GCC unroll 16
#endif
      for (size_t page = 0; page < Pages; ++page) work(page, at + page * page_bytes + offset, Pages * page_bytes);
    }
  }
  for (; at < size; at += line_bytes) work(0, at, page_bytes);
}

#if defined(__AVX512F__)
using word_vector = __m512i;
static inline word_vector words_zero() { return _mm512_setzero_si512(); }
static inline word_vector words_add(word_vector sum, const char* line) {
  return _mm512_add_epi64(sum, _mm512_load_si512(line));
}
static inline uint64_t words_sum(word_vector sum) { return static_cast<uint64_t>(_mm512_reduce_add_epi64(sum)); }
#elif defined(__AVX2__)
using word_vector = __m256i;
static inline word_vector words_zero() { return _mm256_setzero_si256(); }
static inline word_vector words_add(word_vector sum, const char* line) {
  const __m256i* const v = reinterpret_cast<const __m256i*>(line);
  return _mm256_add_epi64(sum, _mm256_add_epi64(_mm256_load_si256(v), _mm256_load_si256(v + 1)));
}
static inline uint64_t words_sum(word_vector sum) {
  uint64_t each[4];
  memcpy(each, &sum, sizeof each);
  return (each[0] + each[1]) + (each[2] + each[3]);
}
#elif defined(__aarch64__) && defined(__ARM_NEON)
using word_vector = uint64x2_t;
static inline word_vector words_zero() { return vdupq_n_u64(0); }
static inline word_vector words_add(word_vector sum, const char* line) {
  const uint64_t* const v = reinterpret_cast<const uint64_t*>(line);
  return vaddq_u64(sum,
                   vaddq_u64(vaddq_u64(vld1q_u64(v), vld1q_u64(v + 2)), vaddq_u64(vld1q_u64(v + 4), vld1q_u64(v + 6))));
}
static inline uint64_t words_sum(word_vector sum) { return vaddvq_u64(sum); }
#else
using word_vector = uint64_t;
static inline word_vector words_zero() { return 0; }
static inline word_vector words_add(word_vector sum, const char* line) {
  uint64_t v[8];
  memcpy(v, line, sizeof v);
  return sum + (((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7])));
}
static inline uint64_t words_sum(word_vector sum) { return sum; }
#endif

static uint64_t read_words(const void* from, size_t size) {
  constexpr size_t pages = 8;
  const char* const p = static_cast<const char*>(from);
  word_vector sum[pages];
  for (size_t i = 0; i < pages; ++i) sum[i] = words_zero();
  each_line_of_pages<pages>(size, [&](size_t page, size_t at, size_t ahead) {
    prefetch(p + at + ahead);
    sum[page] = words_add(sum[page], p + at);
  });
  uint64_t all = 0;
  for (size_t i = 0; i < pages; ++i) all += words_sum(sum[i]);
  return all;
}

static constexpr size_t line_floats = line_bytes / sizeof(float);

static void copy_bytes(void* to, const void* from, size_t size) {
  const char* const s = static_cast<const char*>(from);
  char* const d = static_cast<char*>(to);
  each_line_of_pages<4>(size, [&](size_t, size_t at, size_t ahead) {
    prefetch(s + at + ahead);
    const float* const source = reinterpret_cast<const float*>(s + at);
    float* const target = reinterpret_cast<float*>(d + at);
    for (size_t i = 0; i < line_floats; i += lanes) vf_stream(target + i, vf_load(source + i));
  });
  stream_fence();
}

static void write_bytes(void* to, float value, size_t size) {
  char* const d = static_cast<char*>(to);
  const vf x = vf_set(value);
  each_line_of_pages<4>(size, [&](size_t, size_t at, size_t) {
    float* const target = reinterpret_cast<float*>(d + at);
    for (size_t i = 0; i < line_floats; i += lanes) vf_stream(target + i, x);
  });
  stream_fence();
}

static void triad_floats(float* a, const float* b, const float* c, float s, size_t count) {
  const vf factor = vf_set(s);
  each_line_of_pages<4>(count * sizeof(float), [&](size_t, size_t at, size_t ahead) {
    const size_t first = at / sizeof(float);
    prefetch(b + first + ahead / sizeof(float));
    prefetch(c + first + ahead / sizeof(float));
    for (size_t i = first; i < first + line_floats; i += lanes) {
      vf_stream(a + i, vf_fma(factor, vf_load(c + i), vf_load(b + i)));
    }
  });
  stream_fence();
}

#if defined(__x86_64__)
#define SIZER_CAN_FLUSH 1
static void flush_lines(const void* from, size_t size) {
  const char* const p = static_cast<const char*>(from);
  for (size_t at = 0; at < size; at += 64) {
    __asm__ volatile("clflush %0" : : "m"(*(p + at)) : "memory");  // in every x86-64 processor
  }
  __asm__ volatile("mfence" : : : "memory");
}
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(__APPLE__)
#define SIZER_CAN_FLUSH 1
static void flush_lines(const void* from, size_t size) {
  uint64_t type = 0;
  __asm__ volatile("mrs %0, ctr_el0" : "=r"(type));
  const size_t line = static_cast<size_t>(4) << (type >> 16 & 15);
  const char* const p = static_cast<const char*>(from);
  for (size_t at = 0; at < size; at += line) __asm__ volatile("dc civac, %0" : : "r"(p + at) : "memory");
  __asm__ volatile("dsb ish" : : : "memory");
}
#else
#define SIZER_CAN_FLUSH 0
#endif
