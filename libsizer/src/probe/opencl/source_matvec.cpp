#include "kernels_source.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

const char* const matvec_source = R"CL(
// The vector x is followed by the sums of its parts of 32.

#if SIZER_FORMAT == 1
#define SIZER_BLOCK_BYTES 34
#define SIZER_BLOCK_WEIGHTS 32
#elif SIZER_FORMAT == 2
#define SIZER_BLOCK_BYTES 18
#define SIZER_BLOCK_WEIGHTS 32
#elif SIZER_FORMAT == 3
#define SIZER_BLOCK_BYTES 144
#define SIZER_BLOCK_WEIGHTS 256
#else
#define SIZER_BLOCK_BYTES (2 * SIZER_WIDTH)
#define SIZER_BLOCK_WEIGHTS SIZER_WIDTH
#endif

#if SIZER_CPU
// A whole block, or 32 halves. What every weight of a sub-block has in common, its minimum, multiplies the sum of the
// vector there, as in the engines.
#if SIZER_FORMAT == 0
#define SIZER_STRIDE 64
#define SIZER_TAKEN 32
wide add_block(wide sum, float* rest, global const uchar* block, global const float* x, global const float* xs) {
  sum = fma(load_f16(block, 0), ((global const wide*)x)[0], sum);
  return fma(load_f16(block, 1), ((global const wide*)x)[1], sum);
}
#else
#define SIZER_STRIDE SIZER_BLOCK_BYTES
#define SIZER_TAKEN SIZER_BLOCK_WEIGHTS
#if SIZER_FORMAT == 1
wide add_block(wide sum, float* rest, global const uchar* block, global const float* x, global const float* xs) {
  const wide a = convert_float16(vload16(0, (global const char*)(block + 2)));
  const wide b = convert_float16(vload16(1, (global const char*)(block + 2)));
  const wide dot = fma(b, ((global const wide*)x)[1], a * ((global const wide*)x)[0]);
  return fma((wide)(SIZER_SCALE(block)), dot, sum);
}
#elif SIZER_FORMAT == 2
wide add_block(wide sum, float* rest, global const uchar* block, global const float* x, global const float* xs) {
  const float d = SIZER_SCALE(block);
  const int16 q = convert_int16(vload16(0, block + 2));
  const wide low = convert_float16(q & 15), high = convert_float16(q >> 4);
  const wide dot = fma(high, ((global const wide*)x)[1], low * ((global const wide*)x)[0]);
  *rest = fma(-8.0f * d, xs[0], *rest);
  return fma((wide)(d), dot, sum);
}
#else
wide add_block(wide sum, float* rest, global const uchar* block, global const float* x, global const float* xs) {
  const uint4 head = *(global const uint4*)block;  // d, dmin and the 12 bytes of scales
  const float8 d = vload_half8(0, (global const half*)block);
  const uint2 scale_bits = (uint2)(head.y & 0x3f3f3f3fu, (head.w & 0x0f0f0f0fu) | ((head.y >> 2) & 0x30303030u));
  const uint2 minimum_bits =
      (uint2)(head.z & 0x3f3f3f3fu, ((head.w >> 4) & 0x0f0f0f0fu) | ((head.z >> 2) & 0x30303030u));
  const float8 scale = d.s0 * convert_float8(as_uchar8(scale_bits));
  *rest -= d.s1 * sum8(convert_float8(as_uchar8(minimum_bits)) * vload8(0, xs));
  global const wide* at = (global const wide*)x;
#define SIZER_PAIR(j, low_scale, high_scale)                                                        \
  {                                                                                                 \
    const int16 a = convert_int16(vload16(2 * (j), block + 16));                                    \
    const int16 b = convert_int16(vload16(2 * (j) + 1, block + 16));                                \
    const wide low = fma(convert_float16(b & 15), at[4 * (j) + 1], convert_float16(a & 15) * at[4 * (j)]);         \
    const wide high = fma(convert_float16(b >> 4), at[4 * (j) + 3], convert_float16(a >> 4) * at[4 * (j) + 2]);    \
    sum = fma((wide)(low_scale), low, sum);                                                         \
    sum = fma((wide)(high_scale), high, sum);                                                       \
  }
  SIZER_PAIR(0, scale.s0, scale.s1)
  SIZER_PAIR(1, scale.s2, scale.s3)
  SIZER_PAIR(2, scale.s4, scale.s5)
  SIZER_PAIR(3, scale.s6, scale.s7)
  return sum;
}
#endif
#endif

kernel void sizer_matvec(global const uchar* w, global const float* x, global float* y, ulong rows, uint columns) {
  const uint blocks = columns / SIZER_TAKEN;
  global const float* xs = x + columns;  // sums of 32 each
  for (ulong row = SIZER_FIRST(rows), end = SIZER_LAST(rows); row < end; ++row) {
    global const uchar* block = w + row * blocks * SIZER_STRIDE;
    wide sum = 0, other = 0;
    float rest = 0, other_rest = 0;
    uint b = 0;
    for (; b + 1 < blocks; b += 2) {
      sum = add_block(sum, &rest, block, x + b * SIZER_TAKEN, xs + b * (SIZER_TAKEN / 32));
      block += SIZER_STRIDE;
      other = add_block(other, &other_rest, block, x + (b + 1) * SIZER_TAKEN, xs + (b + 1) * (SIZER_TAKEN / 32));
      block += SIZER_STRIDE;
    }
    if (b < blocks) sum = add_block(sum, &rest, block, x + b * SIZER_TAKEN, xs + b * (SIZER_TAKEN / 32));
    y[row] = SIZER_SUM(sum + other) + (rest + other_rest);
  }
}
#else

// A block has SIZER_STEPS steps: what a lane takes at once.
#if SIZER_FORMAT == 0
#define SIZER_STEPS 1
wide add_step(wide sum, global const uchar* block, global const float* x, uint part) {
  return fma(load_f16(block, part), *(global const wide*)x, sum);
}
#elif SIZER_FORMAT == 1
#define SIZER_STEPS (32 / SIZER_WIDTH)
wide add_step(wide sum, global const uchar* block, global const float* x, uint part) {
  return fma(load_q8_0(block, part), ((global const wide*)x)[part], sum);
}
#elif SIZER_FORMAT == 2
#define SIZER_STEPS 1
#else
#define SIZER_STEPS 8
#endif

#if SIZER_FORMAT >= 2
// 16 weights: scale x - minimum, of the nibbles q, times x.
wide dot16(wide sum, float scale, float minimum, uchar16 q, global const float* x) {
  const float8 low = fma((float8)(scale), convert_float8(q.lo), (float8)(-minimum));
  const float8 high = fma((float8)(scale), convert_float8(q.hi), (float8)(-minimum));
  return fma(high, ((global const float8*)x)[1], fma(low, *(global const float8*)x, sum));
}
#endif
#if SIZER_FORMAT == 2
wide add_step(wide sum, global const uchar* block, global const float* x, uint part) {
  const float d = vload_half(0, (global const half*)block);
  const uchar16 q = as_uchar16(vload8(0, (global const ushort*)(block + 2)));
  sum = dot16(sum, d, 8.0f * d, q & (uchar)15, x);
  return dot16(sum, d, 8.0f * d, q >> (uchar)4, x + 16);
}
#elif SIZER_FORMAT == 3
// Part 2 j + h: bytes 32 j + 16 h and the 15 after, low nibbles of sub-block 2 j and high ones of 2 j + 1.
wide add_step(wide sum, global const uchar* block, global const float* x, uint part) {
  const uint j = part / 2 * 2, h = part % 2;
  const uint4 head = *(global const uint4*)block;  // d, dmin and the 12 bytes of scales
  const float d = vload_half(0, (global const half*)block), dmin = vload_half(1, (global const half*)block);
  // Bytes j and j + 1 of each third of the scales, as the low two bytes of a word.
  const uint shift = 8 * (j % 4);
  const uint a = head.y >> shift, b = head.z >> shift, c = head.w >> shift;
  const uint scales = j < 4 ? a & 0x3f3fu : (c & 0x0f0fu) | ((a >> 2) & 0x3030u);
  const uint minima = j < 4 ? b & 0x3f3fu : ((c >> 4) & 0x0f0fu) | ((b >> 2) & 0x3030u);
  const uchar16 q = as_uchar16(((global const uint4*)block)[1 + part]);
  x += 32 * j + 16 * h;
  sum = dot16(sum, d * (float)(scales & 255u), dmin * (float)(minima & 255u), q & (uchar)15, x);
  return dot16(sum, d * (float)(scales >> 8 & 255u), dmin * (float)(minima >> 8 & 255u), q >> (uchar)4, x + 32);
}
#endif

kernel SIZER_GROUP_OF(SIZER_LANES) void sizer_matvec(global const uchar* w, global const float* x, global float* y,
                                               ulong rows, uint columns) {
  const uint blocks = columns / SIZER_BLOCK_WEIGHTS;
  local float sums[SIZER_LANES];
  const uint lane = get_local_id(0);
  for (ulong row = get_group_id(0); row < rows; row += get_num_groups(0)) {
    global const uchar* line = w + row * blocks * SIZER_BLOCK_BYTES;
    wide sum = 0;
    for (uint p = lane; p < blocks * SIZER_STEPS; p += SIZER_LANES) {
      const uint b = p / SIZER_STEPS;
      sum = add_step(sum, line + b * SIZER_BLOCK_BYTES, x + b * SIZER_BLOCK_WEIGHTS, p % SIZER_STEPS);
    }
    sums[lane] = SIZER_SUM(sum);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane < 8) {
      float part = 0;
      for (uint i = lane; i < SIZER_LANES; i += 8) part += sums[i];
      sums[lane] = part;  // a lane reads what only it writes, but for the first eight: each of those reads its own
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane == 0) {
      float all = 0;
      for (uint i = 0; i < 8; ++i) all += sums[i];
      y[row] = all;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}
#endif
)CL";

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
