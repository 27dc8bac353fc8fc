#include "kernels_source.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

const char* const gemm_source = R"CL(
// C (m x n, row after row) = A B. A lies as panels of SIZER_M rows, each k after k; B, right after it in the
// same memory, as panels of SIZER_N columns likewise. Halves are summed as halves over SIZER_SPAN products, then as floats.
#if SIZER_HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
typedef half number;
typedef half4 number4;
typedef half16 number16;
#define SIZER_NUMBER16(x) ((half16)(x))
#else
typedef float number;
typedef float4 number4;
typedef float16 number16;
#define SIZER_NUMBER16(x) ((float16)(x))
#endif
#define SIZER_SPAN 16

// Element i of column c of panel p is number (p width + i) k + c of the test's numbers, from `from` on.
kernel void sizer_fill_panels(global number* to, uint width, uint k, ulong count, ulong first,
                              ulong from) {
  to += first;
  for (ulong at = SIZER_FIRST(count); at < SIZER_LAST(count); at += SIZER_STEP) {
    const ulong panel = at / ((ulong)width * k), c = at / width % k, i = at % width;
    to[at] = (number)scrambled_unit(from + (panel * width + i) * k + c);
  }
}

#if SIZER_CPU
#define SIZER_M 8
#define SIZER_N 32
kernel void sizer_gemm(global const number* a, global const number* b, global float* c, uint m, uint n, uint k) {
  b += (ulong)m * k;
  const ulong down = m / SIZER_M, tiles = down * (n / SIZER_N);
  for (ulong tile = SIZER_FIRST(tiles); tile < SIZER_LAST(tiles); ++tile) {
    const ulong row = tile % down, column = tile / down;  // a panel of B stays in the cache for all of A
    global const number* left = a + row * SIZER_M * k;
    global const number16* right = (global const number16*)(b + column * SIZER_N * k);
#if SIZER_HALF
    float16 whole[SIZER_M][2];
#pragma unroll
    for (uint i = 0; i < SIZER_M; ++i) whole[i][0] = whole[i][1] = 0;
#endif
    number16 sum[SIZER_M][2];
#pragma unroll
    for (uint i = 0; i < SIZER_M; ++i) sum[i][0] = sum[i][1] = 0;
    for (uint p = 0; p < k; ++p) {
      const number16 one = right[2 * p], two = right[2 * p + 1];
#pragma unroll
      for (uint i = 0; i < SIZER_M; ++i) {
        const number16 factor = SIZER_NUMBER16(left[p * SIZER_M + i]);
        sum[i][0] = fma(factor, one, sum[i][0]);
        sum[i][1] = fma(factor, two, sum[i][1]);
      }
#if SIZER_HALF
      if (p % SIZER_SPAN == SIZER_SPAN - 1) {
#pragma unroll
        for (uint i = 0; i < SIZER_M; ++i) {
          whole[i][0] += convert_float16(sum[i][0]);
          whole[i][1] += convert_float16(sum[i][1]);
          sum[i][0] = sum[i][1] = 0;
        }
      }
#endif
    }
#pragma unroll
    for (uint i = 0; i < SIZER_M; ++i) {
      global float16* to = (global float16*)(c + (row * SIZER_M + i) * n + column * SIZER_N);
#if SIZER_HALF
      to[0] = whole[i][0];
      to[1] = whole[i][1];
#else
      to[0] = sum[i][0];
      to[1] = sum[i][1];
#endif
    }
  }
}
#else
// 256 lanes make 128 x 128 of C, each 8 x 8 of it: rows 4 y to 4 y + 3 and the same 64 further, columns likewise.
#define SIZER_M 128
#define SIZER_N 128
kernel SIZER_GROUP_OF(256) void sizer_gemm(global const number* a, global const number* b, global float* c,
                                             uint m, uint n, uint k) {
  b += (ulong)m * k;
  local number4 left[SIZER_SPAN * SIZER_M / 4], right[SIZER_SPAN * SIZER_N / 4];
  const uint lane = get_local_id(0), x = lane % 16, y = lane / 16;
  const uint row = get_group_id(0) % (m / SIZER_M), column = get_group_id(0) / (m / SIZER_M);
  global const number4* from_a = (global const number4*)(a + (ulong)row * SIZER_M * k);
  global const number4* from_b = (global const number4*)(b + (ulong)column * SIZER_N * k);
  float4 sum[8][2];
#pragma unroll
  for (uint i = 0; i < 8; ++i) sum[i][0] = sum[i][1] = 0;
  for (uint p = 0; p < k; p += SIZER_SPAN) {
#pragma unroll
    for (uint i = lane; i < SIZER_SPAN * SIZER_M / 4; i += 256) {
      left[i] = from_a[p * (SIZER_M / 4) + i];
      right[i] = from_b[p * (SIZER_N / 4) + i];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#if SIZER_HALF
    number4 part[8][2];
#pragma unroll
    for (uint i = 0; i < 8; ++i) part[i][0] = part[i][1] = (number4)(0);
#define SIZER_PART part
#else
#define SIZER_PART sum
#endif
    for (uint s = 0; s < SIZER_SPAN; ++s) {
      const number4 b0 = right[s * (SIZER_N / 4) + x], b1 = right[s * (SIZER_N / 4) + 16 + x];
      number4 rows[2];
      rows[0] = left[s * (SIZER_M / 4) + y];
      rows[1] = left[s * (SIZER_M / 4) + 16 + y];
#pragma unroll
      for (uint i = 0; i < 2; ++i) {
        SIZER_PART[4 * i + 0][0] = fma((number4)(rows[i].x), b0, SIZER_PART[4 * i + 0][0]);
        SIZER_PART[4 * i + 0][1] = fma((number4)(rows[i].x), b1, SIZER_PART[4 * i + 0][1]);
        SIZER_PART[4 * i + 1][0] = fma((number4)(rows[i].y), b0, SIZER_PART[4 * i + 1][0]);
        SIZER_PART[4 * i + 1][1] = fma((number4)(rows[i].y), b1, SIZER_PART[4 * i + 1][1]);
        SIZER_PART[4 * i + 2][0] = fma((number4)(rows[i].z), b0, SIZER_PART[4 * i + 2][0]);
        SIZER_PART[4 * i + 2][1] = fma((number4)(rows[i].z), b1, SIZER_PART[4 * i + 2][1]);
        SIZER_PART[4 * i + 3][0] = fma((number4)(rows[i].w), b0, SIZER_PART[4 * i + 3][0]);
        SIZER_PART[4 * i + 3][1] = fma((number4)(rows[i].w), b1, SIZER_PART[4 * i + 3][1]);
      }
    }
#if SIZER_HALF
#pragma unroll
    for (uint i = 0; i < 8; ++i) {
      sum[i][0] += convert_float4(part[i][0]);
      sum[i][1] += convert_float4(part[i][1]);
    }
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (uint i = 0; i < 8; ++i) {
    global float4* to =
        (global float4*)(c + ((ulong)row * SIZER_M + (i / 4) * 64 + 4 * y + i % 4) * n + column * SIZER_N);
    to[x] = sum[i][0];
    to[16 + x] = sum[i][1];
  }
}
#endif
)CL";

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
