/// @file
/// The kernels for AVX2, FMA and F16C. CMake gives this file the flags; without them the table is null.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>
#endif

#include "kernel_table.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
namespace avx2 {
namespace {
// In the order that they need each other.
// clang-format off
#include "simd.hpp"
#include "streams.hpp"
#include "matvec.hpp"
#include "attention.hpp"
#include "attention_by_row.hpp"
#include "gemm_loop.hpp"
#include "gemm.hpp"
#include "table.hpp"
// clang-format on
constexpr cpu_kernels kernels = table_of("avx2");
}  // namespace
}  // namespace avx2

const cpu_kernels* cpu_kernels_avx2() { return &avx2::kernels; }
#else
const cpu_kernels* cpu_kernels_avx2() { return nullptr; }
#endif

}  // namespace detail
}  // namespace v0
}  // namespace sizer
