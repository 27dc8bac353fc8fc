/// @file
/// Dense products of float and of int8. Included inside namespace SIZER_ISA after simd.hpp and gemm_loop.hpp.

// Registers of C at once, as many as there are without spilling, and the block of B: what fits a second cache of 1 MiB
// (AVX-512, Arm servers) or of 256 KiB (older x86).
#if defined(__AVX512F__)
#define SIZER_GEMM_NAME "avx512"
inline constexpr size_t gemm_rows = 8, gemm_columns = 3, gemm_depth = 512, gemm_width = 15;
#elif defined(__AVX2__)
#define SIZER_GEMM_NAME "avx2"
inline constexpr size_t gemm_rows = 4, gemm_columns = 3, gemm_depth = 256, gemm_width = 24;
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define SIZER_GEMM_NAME "neon"
inline constexpr size_t gemm_rows = 8, gemm_columns = 3, gemm_depth = 512, gemm_width = 48;
#else
#define SIZER_GEMM_NAME "scalar"
inline constexpr size_t gemm_rows = 4, gemm_columns = 2, gemm_depth = 256, gemm_width = 32;
#endif

/// What all steps of this instruction set share.
struct gemm_step {
  static constexpr size_t lane_count = static_cast<size_t>(lanes);
  static constexpr size_t rows = gemm_rows, columns = gemm_columns, depth = gemm_depth, width = gemm_width;
  static void correct(const char*, size_t, int32_t*) {}
};

struct float_step : gemm_step {
  using element = float;
  using operand = vf;
  using sum = vf;
  static constexpr size_t group = 1;
  static float element_of(float x) { return x; }
  static vf start(const int32_t*) { return vf_zero(); }
  static vf load(const char* p) { return vf_load(reinterpret_cast<const float*>(p)); }
  static vf repeat(const char* p) { return vf_set(*reinterpret_cast<const float*>(p)); }
  static vf multiply_add(vf a, vf b, vf c) { return vf_fma(a, b, c); }
  static void add_to(char* p, vf x) {
    float* const c = reinterpret_cast<float*>(p);
    vf_store(c, vf_add(vf_load(c), x));
  }
};

inline constexpr gemm_kernel gemm_f32_kernel{SIZER_GEMM_NAME,
                                             gemm_rows,
                                             static_cast<size_t>(lanes),
                                             1,
                                             4,
                                             4,
                                             pack_rows<float_step>,
                                             pack_columns<float_step>,
                                             multiply_blocked<float_step>};

#if defined(__AVX512VNNI__)
#define SIZER_GEMM_INT8 1
/// vpdpbusd takes an unsigned left operand: a + 128 here, made up for by starting at -128 x the column's sum of b.
struct int8_step : gemm_step {
  using element = int8_t;
  using operand = __m512i;
  using sum = __m512i;
  static constexpr size_t group = 4;
  static int8_t element_of(float x) { return static_cast<int8_t>(x); }
  static __m512i start(const int32_t* correction) { return _mm512_load_si512(correction); }
  static __m512i load(const char* p) { return _mm512_loadu_si512(p); }
  static __m512i repeat(const char* p) { return _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(p)); }
  static __m512i multiply_add(__m512i a, __m512i b, __m512i c) { return _mm512_dpbusd_epi32(c, a, b); }
  static void add_to(char* p, __m512i x) { _mm512_storeu_si512(p, _mm512_add_epi32(_mm512_loadu_si512(p), x)); }
  static void correct(const char* panel, size_t k_words, int32_t* correction) {
    __m512i total = _mm512_setzero_si512();
    for (size_t w = 0; w < k_words; ++w) {
      total = _mm512_dpbusd_epi32(total, _mm512_set1_epi8(-128), _mm512_loadu_si512(panel + 64 * w));
    }
    _mm512_store_si512(correction, _mm512_sub_epi32(_mm512_setzero_si512(), total));
  }
};
/// Packs a + 128.
struct int8_left : int8_step {
  using element = uint8_t;
  static uint8_t element_of(float x) { return static_cast<uint8_t>(static_cast<int>(x) + 128); }
};
#define SIZER_GEMM_LEFT int8_left
#define SIZER_GEMM_GROUP 4
#define SIZER_GEMM_BYTES 1

#elif defined(__AVX2__)
#define SIZER_GEMM_INT8 1
/// Widened to 16 bits when packed: the 8-bit product of AVX2 saturates.
struct int8_step : gemm_step {
  using element = int16_t;
  using operand = __m256i;
  using sum = __m256i;
  static constexpr size_t group = 2;
  // cppcheck-suppress duplInheritedMember
  static constexpr size_t columns = 2;  // the products need registers of their own
  static int16_t element_of(float x) { return static_cast<int16_t>(x); }
  static __m256i start(const int32_t*) { return _mm256_setzero_si256(); }
  static __m256i load(const char* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static __m256i repeat(const char* p) { return _mm256_set1_epi32(*reinterpret_cast<const int32_t*>(p)); }
  static __m256i multiply_add(__m256i a, __m256i b, __m256i c) { return _mm256_add_epi32(c, _mm256_madd_epi16(a, b)); }
  static void add_to(char* p, __m256i x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_add_epi32(load(p), x));
  }
};
#define SIZER_GEMM_LEFT int8_step
#define SIZER_GEMM_GROUP 2
#define SIZER_GEMM_BYTES 2

#elif defined(__ARM_FEATURE_DOTPROD)
#define SIZER_GEMM_INT8 1
struct int8_step : gemm_step {
  using element = int8_t;
  using operand = int8x16_t;
  using sum = int32x4_t;
  static constexpr size_t group = 4;
  static int8_t element_of(float x) { return static_cast<int8_t>(x); }
  static int32x4_t start(const int32_t*) { return vdupq_n_s32(0); }
  static int8x16_t load(const char* p) { return vld1q_s8(reinterpret_cast<const int8_t*>(p)); }
  static int8x16_t repeat(const char* p) {
    return vreinterpretq_s8_s32(vld1q_dup_s32(reinterpret_cast<const int32_t*>(p)));
  }
  static int32x4_t multiply_add(int8x16_t a, int8x16_t b, int32x4_t c) { return vdotq_s32(c, a, b); }
  static void add_to(char* p, int32x4_t x) {
    int32_t* const c = reinterpret_cast<int32_t*>(p);
    vst1q_s32(c, vaddq_s32(vld1q_s32(c), x));
  }
};
#define SIZER_GEMM_LEFT int8_step
#define SIZER_GEMM_GROUP 4
#define SIZER_GEMM_BYTES 1
#endif

#if defined(SIZER_GEMM_INT8)
inline constexpr gemm_kernel gemm_int8_kernel{SIZER_GEMM_NAME,
                                              gemm_rows,
                                              static_cast<size_t>(lanes),
                                              SIZER_GEMM_GROUP,
                                              SIZER_GEMM_BYTES,
                                              SIZER_GEMM_BYTES,
                                              pack_rows<SIZER_GEMM_LEFT>,
                                              pack_columns<int8_step>,
                                              multiply_blocked<int8_step>};
#endif
