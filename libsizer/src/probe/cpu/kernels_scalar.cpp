/// @file
/// The kernels for every processor. Plain C++.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel_table.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

namespace scalar {
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
constexpr cpu_kernels kernels = table_of("scalar");
}  // namespace
}  // namespace scalar

const cpu_kernels* cpu_kernels_scalar() { return &scalar::kernels; }

}  // namespace detail
}  // namespace v0
}  // namespace sizer
