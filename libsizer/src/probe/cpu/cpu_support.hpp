#pragma once
/// @file
/// Which of the compiled kernels this processor runs.

#include <string>
#include <vector>

#include "kernel_table.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// The fastest first; plain C++ is always there.
[[nodiscard]] std::vector<const cpu_kernels*> supported_cpu_kernels();

/// Matrix products of instruction sets that the tables above do not have.
[[nodiscard]] std::vector<const gemm_kernel*> supported_gemm_kernels();

/// Why a kind of matrix product cannot run here ("bf16", "int8").
[[nodiscard]] std::string missing_gemm_reason(const std::string& type);

/// One logical CPU of each physical core that this process may run on, in the system's order; empty where the system
/// does not say.
[[nodiscard]] std::vector<int> cores_to_pin();

}  // namespace detail
}  // namespace v0
}  // namespace sizer
