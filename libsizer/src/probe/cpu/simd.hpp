/// @file
/// One vector register of floats, for the instruction set that this source is compiled for. Included inside
/// namespace SIZER_ISA of each kernels_<isa>.cpp, several times in one program and never twice with one name: nothing
/// in here, and no template of the standard library, may be shared with code for a lesser processor.
///
/// Not a header for others: it has no include guard and includes nothing.

#if defined(__AVX512F__)

using vf = __m512;
inline constexpr int lanes = 16;
static inline vf vf_zero() { return _mm512_setzero_ps(); }
static inline vf vf_set(float x) { return _mm512_set1_ps(x); }
static inline vf vf_load(const float* p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float* p, vf x) { _mm512_storeu_ps(p, x); }
static inline void vf_stream(float* p, vf x) { _mm512_stream_ps(p, x); }  // p on 64 bytes
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }  // a b + c
static inline float vf_sum(vf x) { return _mm512_reduce_add_ps(x); }
static inline float vf_largest(vf x) { return _mm512_reduce_max_ps(x); }
static inline vf vf_from_half(const unsigned short* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
static inline vf vf_from_int8(const signed char* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
static inline vf vf_round(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_power_of_2(vf n) {  // whole, -126 to 127; 0 for -127
  const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
}
static inline void vf_store_sums(float* p, vf a, vf b, vf c, vf d) {  // of each of the four
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512 all = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}
static inline void stream_fence() { _mm_sfence(); }
#define SIZER_STREAMING_STORES 1

#elif defined(__AVX2__)

using vf = __m256;
inline constexpr int lanes = 8;
static inline vf vf_zero() { return _mm256_setzero_ps(); }
static inline vf vf_set(float x) { return _mm256_set1_ps(x); }
static inline vf vf_load(const float* p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float* p, vf x) { _mm256_storeu_ps(p, x); }
static inline void vf_stream(float* p, vf x) { _mm256_stream_ps(p, x); }  // p on 32 bytes
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline float vf_sum(vf x) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float vf_largest(vf x) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
static inline vf vf_from_half(const unsigned short* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
static inline vf vf_from_int8(const signed char* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
static inline vf vf_round(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_power_of_2(vf n) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
static inline void vf_store_sums(float* p, vf a, vf b, vf c, vf d) {
  const __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}
static inline void stream_fence() { _mm_sfence(); }
#define SIZER_STREAMING_STORES 1

#elif defined(__aarch64__) && defined(__ARM_NEON)

using vf = float32x4_t;
inline constexpr int lanes = 4;
static inline vf vf_zero() { return vdupq_n_f32(0); }
static inline vf vf_set(float x) { return vdupq_n_f32(x); }
static inline vf vf_load(const float* p) { return vld1q_f32(p); }
static inline void vf_store(float* p, vf x) { vst1q_f32(p, x); }
static inline void vf_stream(float* p, vf x) { vst1q_f32(p, x); }  // processors see long runs of stores by themselves
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_max(vf a, vf b) { return vmaxq_f32(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline float vf_sum(vf x) { return vaddvq_f32(x); }
static inline float vf_largest(vf x) { return vmaxvq_f32(x); }
static inline vf vf_from_half(const unsigned short* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline vf vf_from_int8(const signed char* p) {
  int32_t four = 0;
  __builtin_memcpy(&four, p, sizeof four);
  const int8x8_t bytes = vreinterpret_s8_s32(vdup_n_s32(four));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
}
static inline vf vf_round(vf x) { return vrndnq_f32(x); }
static inline vf vf_power_of_2(vf n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}
static inline void vf_store_sums(float* p, vf a, vf b, vf c, vf d) {
  vst1q_f32(p, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}
static inline void stream_fence() {}
#define SIZER_STREAMING_STORES 0

#else  // plain C++, as the compiler makes of it for the oldest processor

struct vf {
  float at[4];
};
inline constexpr int lanes = 4;
#define SIZER_EACH(expression)                            \
  vf r;                                                   \
  for (int i = 0; i < lanes; ++i) r.at[i] = (expression); \
  return r
static inline vf vf_set(float x) { SIZER_EACH(x); }
static inline vf vf_zero() { return vf_set(0); }
static inline vf vf_load(const float* p) { SIZER_EACH(p[i]); }
static inline void vf_store(float* p, vf x) {
  for (int i = 0; i < lanes; ++i) p[i] = x.at[i];
}
static inline void vf_stream(float* p, vf x) { vf_store(p, x); }
static inline vf vf_add(vf a, vf b) { SIZER_EACH(a.at[i] + b.at[i]); }
static inline vf vf_sub(vf a, vf b) { SIZER_EACH(a.at[i] - b.at[i]); }
static inline vf vf_mul(vf a, vf b) { SIZER_EACH(a.at[i] * b.at[i]); }
static inline vf vf_max(vf a, vf b) { SIZER_EACH(a.at[i] > b.at[i] ? a.at[i] : b.at[i]); }
static inline vf vf_fma(vf a, vf b, vf c) { SIZER_EACH(a.at[i] * b.at[i] + c.at[i]); }
static inline float vf_sum(vf x) { return (x.at[0] + x.at[1]) + (x.at[2] + x.at[3]); }
static inline float vf_largest(vf x) {
  float m = x.at[0];
  for (int i = 1; i < lanes; ++i) m = x.at[i] > m ? x.at[i] : m;
  return m;
}
static inline vf vf_from_half(const unsigned short* p) { SIZER_EACH(half_to_float(p[i])); }
static inline vf vf_from_int8(const signed char* p) { SIZER_EACH(static_cast<float>(p[i])); }
static inline vf vf_round(vf x) {
  const float whole = 12582912.0f;  // 1.5 x 2^23: a sum with it has no bits left for fractions
  SIZER_EACH((x.at[i] + whole) - whole);
}
static inline vf vf_power_of_2(vf n) {
  vf r;
  for (int i = 0; i < lanes; ++i) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n.at[i]) + 127) << 23;
    memcpy(&r.at[i], &bits, sizeof bits);
  }
  return r;
}
static inline void vf_store_sums(float* p, vf a, vf b, vf c, vf d) {
  p[0] = vf_sum(a);
  p[1] = vf_sum(b);
  p[2] = vf_sum(c);
  p[3] = vf_sum(d);
}
#undef SIZER_EACH
static inline void stream_fence() {}
#define SIZER_STREAMING_STORES 0

#endif
