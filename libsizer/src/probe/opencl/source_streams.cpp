#include "kernels_source.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

// MSVC ends a literal at 16 KiB; each family stays below.

const char* const common_source = R"CL(
// One work-item's share of n things: a contiguous part on a CPU, every so manieth on a GPU.
#if SIZER_CPU
#define SIZER_FIRST(n) ((ulong)(n) * get_global_id(0) / get_global_size(0))
#define SIZER_LAST(n) ((ulong)(n) * (get_global_id(0) + 1) / get_global_size(0))
#define SIZER_STEP ((ulong)1)
#define SIZER_GROUP_OF(lanes)
typedef float16 wide;
typedef uint16 wide_words;
#define SIZER_WIDTH 16
#else
#define SIZER_FIRST(n) ((ulong)get_global_id(0))
#define SIZER_LAST(n) ((ulong)(n))
#define SIZER_STEP ((ulong)get_global_size(0))
#define SIZER_GROUP_OF(lanes) __attribute__((reqd_work_group_size(lanes, 1, 1)))
typedef float8 wide;
typedef uint4 wide_words;
#define SIZER_WIDTH 8
#endif

float sum4(float4 v) { return (v.x + v.y) + (v.z + v.w); }
float sum8(float8 v) { return sum4(v.lo + v.hi); }
float sum16(float16 v) { return sum8(v.lo + v.hi); }
#if SIZER_CPU
#define SIZER_SUM(v) sum16(v)
#else
#define SIZER_SUM(v) sum8(v)
#endif

// The numbers and blocks of libsizer/src/probe/blocks.hpp, bit for bit.
uint scrambled(ulong index) {
  ulong x = index + 0x9e3779b97f4a7c15UL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9UL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebUL;
  return (uint)((x ^ (x >> 31)) >> 32);
}
float scrambled_unit(ulong index) { return (float)((int)(scrambled(index) % 2048u) - 1024) / 1024.0f; }
ushort scrambled_scale(ulong index) { return (ushort)(0x2400u + (scrambled(index) & 0x3ffu)); }

kernel void sizer_fill_f32(global float* to, ulong first, ulong count, ulong from, float scale) {
  to += first;
  for (ulong i = SIZER_FIRST(count); i < SIZER_LAST(count); i += SIZER_STEP) to[i] = scale * scrambled_unit(from + i);
}
kernel void sizer_fill_f16(global half* to, ulong count) {
  for (ulong i = SIZER_FIRST(count); i < SIZER_LAST(count); i += SIZER_STEP) vstore_half(scrambled_unit(i), i, to);
}
kernel void sizer_fill_q8_0(global uchar* to, ulong blocks) {
  for (ulong b = SIZER_FIRST(blocks); b < SIZER_LAST(blocks); b += SIZER_STEP) {
    *(global ushort*)(to + b * 34) = scrambled_scale(b * 64);
    for (ulong i = 0; i < 32; ++i) to[b * 34 + 2 + i] = (uchar)(char)((int)(scrambled(b * 64 + i + 1) % 255u) - 127);
  }
}
kernel void sizer_fill_q4_0(global uchar* to, ulong blocks) {
  for (ulong b = SIZER_FIRST(blocks); b < SIZER_LAST(blocks); b += SIZER_STEP) {
    *(global ushort*)(to + b * 18) = scrambled_scale(b * 64);
    for (ulong i = 0; i < 16; ++i) to[b * 18 + 2 + i] = (uchar)scrambled(b * 64 + i + 1);
  }
}
kernel void sizer_fill_q4_k(global uchar* to, ulong blocks) {
  for (ulong b = SIZER_FIRST(blocks); b < SIZER_LAST(blocks); b += SIZER_STEP) {
    global ushort* scales = (global ushort*)(to + b * 144);
    scales[0] = scrambled_scale(b * 256);
    scales[1] = scrambled_scale(b * 256 + 1);
    for (ulong i = 0; i < 12; ++i) to[b * 144 + 4 + i] = (uchar)scrambled(b * 256 + 2 + i);
    for (ulong i = 0; i < 128; ++i) to[b * 144 + 16 + i] = (uchar)scrambled(b * 256 + 16 + i);
  }
}

// The next SIZER_WIDTH weights of a row of halves or of Q8_0 blocks. A Q8_0 block begins at an even address: two bytes
// are the widest load that every device takes there.
#if SIZER_CPU
// PoCL 3.1 takes a single half apart bit by bit and eight with one instruction, which it lets fault off 16 bytes.
float first_half(global const uchar* block) {
  const ushort8 bits = *(global const ushort*)block;
  return vload_half8(0, (const half*)&bits).s0;
}
#define SIZER_SCALE(block) first_half(block)
wide load_f16(global const uchar* row, uint piece) { return vloada_half16(piece, (global const half*)row); }
wide load_q8_0(global const uchar* row, uint piece) {
  global const uchar* block = row + (piece / 2) * 34;
  const char16 q = as_char16(vload8(piece % 2, (global const ushort*)(block + 2)));
  return SIZER_SCALE(block) * convert_float16(q);
}
#else
wide load_f16(global const uchar* row, uint piece) { return vloada_half8(piece, (global const half*)row); }
wide load_q8_0(global const uchar* row, uint piece) {
  global const uchar* block = row + (piece / 4) * 34;
  const char8 q = as_char8(vload4(piece % 4, (global const ushort*)(block + 2)));
  return vload_half(0, (global const half*)block) * convert_float8(q);
}
#endif
)CL";

const char* const streams_source = R"CL(
// A store that goes past the caches, where the compiler has one.
#if SIZER_CPU && defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define SIZER_STORE(value, to) __builtin_nontemporal_store(value, to)
#define SIZER_STREAMS 1
#endif
#endif
#ifndef SIZER_STORE
#define SIZER_STORE(value, to) (*(to) = (value))
#define SIZER_STREAMS 0
#endif

kernel void sizer_empty(global uint* count) {
  if (get_global_id(0) == 0) count[0] += 1;
}
kernel void sizer_streams(global uint* answer) { answer[0] = SIZER_STREAMS; }

// Multiples of an odd number: every word counts in a sum that is known beforehand.
kernel void sizer_fill_words(global uint* to, ulong count) {
  for (ulong i = SIZER_FIRST(count); i < SIZER_LAST(count); i += SIZER_STEP) to[i] = (uint)i * 0x9e3779b9u;
}

#define SIZER_PAGE 64ul  // elements of 64 bytes in 4 KiB

kernel void sizer_read(global const wide_words* from, ulong first, ulong count, global uint* sums) {
  from += first;
  wide_words a = 0, b = 0, c = 0, d = 0;
  ulong i = SIZER_FIRST(count);
  const ulong end = SIZER_LAST(count), stride = SIZER_STEP;
#if SIZER_CPU
  // Eight pages of 4 KiB side by side: a core with one stream waits at the end of every page.
  wide_words e = 0, f = 0, g = 0, h = 0;
  for (; i + 8 * SIZER_PAGE <= end; i += 8 * SIZER_PAGE) {
    for (ulong k = i; k < i + SIZER_PAGE; ++k) {
      a += from[k];
      b += from[k + SIZER_PAGE];
      c += from[k + 2 * SIZER_PAGE];
      d += from[k + 3 * SIZER_PAGE];
      e += from[k + 4 * SIZER_PAGE];
      f += from[k + 5 * SIZER_PAGE];
      g += from[k + 6 * SIZER_PAGE];
      h += from[k + 7 * SIZER_PAGE];
    }
  }
  a += (e + f) + (g + h);
#endif
  for (; i + 3 * stride < end; i += 4 * stride) {
    a += from[i];
    b += from[i + stride];
    c += from[i + 2 * stride];
    d += from[i + 3 * stride];
  }
  for (; i < end; i += stride) a += from[i];
  a += b + c + d;
#if SIZER_CPU
  const uint8 half_of = a.lo + a.hi;
  const uint4 rest = half_of.lo + half_of.hi;
#else
  const uint4 rest = a;
#endif
  sums[get_global_id(0)] = (rest.x + rest.y) + (rest.z + rest.w);
}

// The first `count` to the `count` after them: both pointers are of the same memory.
kernel void sizer_copy(global wide_words* restrict to, global const wide_words* restrict from, ulong count) {
  to += count;
  ulong i = SIZER_FIRST(count);
  const ulong end = SIZER_LAST(count), stride = SIZER_STEP;
#if SIZER_CPU
  for (; i + 4 * SIZER_PAGE <= end; i += 4 * SIZER_PAGE) {
    for (ulong k = i; k < i + SIZER_PAGE; ++k) {
      const wide_words a = from[k], b = from[k + SIZER_PAGE];
      const wide_words c = from[k + 2 * SIZER_PAGE], d = from[k + 3 * SIZER_PAGE];
      SIZER_STORE(a, to + k);
      SIZER_STORE(b, to + k + SIZER_PAGE);
      SIZER_STORE(c, to + k + 2 * SIZER_PAGE);
      SIZER_STORE(d, to + k + 3 * SIZER_PAGE);
    }
  }
#endif
  for (; i + 3 * stride < end; i += 4 * stride) {
    const wide_words a = from[i], b = from[i + stride], c = from[i + 2 * stride], d = from[i + 3 * stride];
    SIZER_STORE(a, to + i);
    SIZER_STORE(b, to + i + stride);
    SIZER_STORE(c, to + i + 2 * stride);
    SIZER_STORE(d, to + i + 3 * stride);
  }
  for (; i < end; i += stride) SIZER_STORE(from[i], to + i);
}

kernel void sizer_write(global wide_words* to, ulong first, ulong count, uint word) {
  to += first;
  const wide_words value = word;
  for (ulong i = SIZER_FIRST(count); i < SIZER_LAST(count); i += SIZER_STEP) SIZER_STORE(value, to + i);
}

#if SIZER_CPU
typedef float16 wide_floats;
#else
typedef float4 wide_floats;
#endif
// Three arrays, one after the other: the pointers are of the same memory.
kernel void sizer_triad(global wide_floats* restrict to, global const wide_floats* restrict one,
                  global const wide_floats* restrict two, ulong count, float s) {
  one += count;
  two += 2 * count;
  for (ulong i = SIZER_FIRST(count); i < SIZER_LAST(count); i += SIZER_STEP) {
    const wide_floats value = one[i] + s * two[i];
    SIZER_STORE(value, to + i);
  }
}
)CL";

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
