#pragma once
/// @file
/// The inner loops, once for each instruction set, as tables of functions. Each works on one thread's share; who starts
/// threads, takes time and checks results is cpu_device.cpp.
///
/// Only C headers: the sources behind these tables are compiled for processors that this one may not be.

#include <stddef.h>
#include <stdint.h>

namespace sizer {
inline namespace v0 {
namespace detail {

/// A vector as the quantised dot products take it: blocks of 32 as int8 with one scale each.
struct prepared_vector {
  const float* values;      ///< columns
  const int8_t* q;          ///< columns, -127 to 127
  const float* scale;       ///< columns / 32
  const float* scaled_sum;  ///< columns / 32: scale x sum of the block's q
};

/// Part of a decode step's attention of one layer. Rows of keys and values are one token each, all heads in turn.
struct attention_part {
  const void* keys;  ///< first token's row
  const void* values;
  size_t row_bytes;  ///< from one token to the next, keys and values alike
  size_t tokens;     ///< of this part
  size_t kv_heads;
  size_t group;          ///< query heads for each of them
  size_t head_dim;       ///< multiple of 32, at most 256
  const float* queries;  ///< kv_heads x group x head_dim, already divided by sqrt(head_dim)
  float* largest;        ///< out, kv_heads x group: largest score
  float* sum;            ///< out, kv_heads x group: sum of exp(score - largest)
  float* weighted;       ///< out, kv_heads x group x head_dim: sum of exp(score - largest) x value
  float* scratch;        ///< at least attention_scratch floats of this thread
};
inline constexpr size_t attention_scratch = 16384;

/// A dense product on packed operands: C (m x n) += A B. How the operands lie is the kernel's own affair.
struct gemm_kernel {
  const char* variant;            ///< "avx512", "avx512_bf16", "amx_int8"; null: not with this instruction set
  size_t m_step, n_step, k_step;  ///< m, n and k are multiples of these
  size_t a_bytes_per_element, b_bytes_per_element;
  /// Rows of A and columns of B from plain floats (or whole numbers of -127 to 127 for int8) into the packed form.
  void (*pack_a)(const float* a, size_t m, size_t k, void* packed);
  void (*pack_b)(const float* b_transposed, size_t n, size_t k, void* packed);
  /// C is m x n, row after row; float, or int32 for int8. Operands are packed whole.
  void (*multiply)(const void* a, const void* b, void* c, size_t m, size_t n, size_t k);
};

struct cpu_kernels {
  const char* name;       ///< "avx512", "avx2", "neon", "scalar"
  bool streaming_stores;  ///< writes go past the caches

  // Sizes are multiples of 4096 bytes, addresses of 64.
  uint64_t (*read)(const void* from, size_t size);  ///< sum of the 64-bit words, modulo 2^64
  void (*copy)(void* to, const void* from, size_t size);
  void (*write)(void* to, float value, size_t size);
  void (*triad)(float* a, const float* b, const float* c, float s, size_t count);
  void (*flush)(const void* from, size_t size);  ///< every cache line out of every cache; null: not possible

  /// y[r] = sum over c of W[r][c] x[c] for the rows given; columns is a multiple of 256.
  void (*matvec_f16)(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns);
  void (*matvec_q8_0)(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns);
  void (*matvec_q4_0)(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns);
  void (*matvec_q4_k)(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns);

  void (*attention_f16)(const attention_part& part);
  void (*attention_q8_0)(const attention_part& part);

  void (*attention_by_row_f16)(const attention_part& part);
  void (*attention_by_row_q8_0)(const attention_part& part);

  const gemm_kernel* gemm_f32;
  const gemm_kernel* gemm_bf16;  ///< null: not with this instruction set
  const gemm_kernel* gemm_int8;
};

// Null when the compiler of this build does not know the instruction set.
[[nodiscard]] const cpu_kernels* cpu_kernels_scalar();
[[nodiscard]] const cpu_kernels* cpu_kernels_avx2();
[[nodiscard]] const cpu_kernels* cpu_kernels_avx512();  ///< F, BW, DQ, VL, VNNI
[[nodiscard]] const cpu_kernels* cpu_kernels_neon();    ///< with the dot product of Armv8.2

// Further matrix products of x86, null likewise; the processor is asked by cpu_support.hpp.
[[nodiscard]] const gemm_kernel* gemm_avx512_bf16();
[[nodiscard]] const gemm_kernel* gemm_amx_bf16();
[[nodiscard]] const gemm_kernel* gemm_amx_int8();
/// Asks Linux, which saves the tiles only for a process that asked; the answer holds for all of its threads.
[[nodiscard]] bool amx_permitted();

}  // namespace detail
}  // namespace v0
}  // namespace sizer
