/// @file
/// The kernels for NEON with dot products. CMake gives this file the flags; without them the table is null.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

#include "kernel_table.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
namespace neon {
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
constexpr cpu_kernels kernels = table_of("neon");
}  // namespace
}  // namespace neon

const cpu_kernels* cpu_kernels_neon() { return &neon::kernels; }
#else
const cpu_kernels* cpu_kernels_neon() { return nullptr; }
#endif

}  // namespace detail
}  // namespace v0
}  // namespace sizer
