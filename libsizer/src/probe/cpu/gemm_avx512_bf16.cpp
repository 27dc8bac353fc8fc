/// @file
/// The bf16 product of AVX-512. CMake gives this file the flags; without them there is none.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "kernel_table.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

#if defined(__AVX512F__) && defined(__AVX512BF16__)
namespace avx512_bf16 {
namespace {
#include "gemm_loop.hpp"

struct bf16_step {
  using element = uint16_t;
  using operand = __m512;
  using sum = __m512;
  static constexpr size_t lane_count = 16, group = 2;
  static constexpr size_t rows = 8, columns = 3, depth = 512, width = 15;  // as for float, gemm.hpp
  static uint16_t element_of(float x) {                                    // to nearest even
    uint32_t bits = 0;
    memcpy(&bits, &x, sizeof bits);
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  }
  static void correct(const char*, size_t, int32_t*) {}
  static __m512 start(const int32_t*) { return _mm512_setzero_ps(); }
  static __m512 load(const char* p) { return _mm512_loadu_ps(p); }
  static __m512 repeat(const char* p) { return _mm512_set1_ps(*reinterpret_cast<const float*>(p)); }
  static __m512 multiply_add(__m512 a, __m512 b, __m512 c) {
    __m512bh left;
    __m512bh right;
    memcpy(&left, &a, sizeof left);
    memcpy(&right, &b, sizeof right);
    return _mm512_dpbf16_ps(c, left, right);
  }
  static void add_to(char* p, __m512 x) { _mm512_storeu_ps(p, _mm512_add_ps(_mm512_loadu_ps(p), x)); }
};

constexpr gemm_kernel kernel{"avx512_bf16",        bf16_step::rows,         bf16_step::lane_count,      2, 2, 2,
                             pack_rows<bf16_step>, pack_columns<bf16_step>, multiply_blocked<bf16_step>};
}  // namespace
}  // namespace avx512_bf16

const gemm_kernel* gemm_avx512_bf16() { return &avx512_bf16::kernel; }
#else
const gemm_kernel* gemm_avx512_bf16() { return nullptr; }
#endif

}  // namespace detail
}  // namespace v0
}  // namespace sizer
