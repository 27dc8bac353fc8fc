#pragma once
/// @file
/// Sizes of grids, from the device's own occupancy.

#include <cuda_runtime.h>

#include <algorithm>

#include "probe/cuda/kernels.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

inline constexpr unsigned whole_warp = 0xffffffffu;

/// As many blocks as the device runs at one time, but no more than there is work for.
template <class Kernel>
cudaError_t resident_grid(const launch_site& on, Kernel kernel, unsigned threads, std::uint64_t work,
                          unsigned& blocks) {
  int each = 0;
  const cudaError_t code = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, static_cast<int>(threads), 0);
  if (code != cudaSuccess) return code;
  const std::uint64_t resident =
      static_cast<std::uint64_t>(std::max(each, 1)) * static_cast<std::uint64_t>(std::max(on.multiprocessors, 1));
  blocks = static_cast<unsigned>(std::max<std::uint64_t>(1, std::min(resident, work)));
  return code;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
