#pragma once
/// @file
/// What the runs of the kernels share: ranges, places to sample, bytes that spoil an output.

#include <cstdint>
#include <string>
#include <vector>

#include <sizer/error.hpp>

#include "probe/cuda/cuda_device.hpp"
#include "probe/cuda/reference.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

inline constexpr std::int64_t page = 4096;
inline constexpr int spoiled = 0xa5;  // a float of these bytes is -2.9e-16, a half -0.02
inline constexpr int spoiled_nan = 0xff;

/// Samples of count: the first, the last, others anywhere.
inline std::uint64_t sample_at(std::uint64_t i, std::uint64_t count) {
  if (i == 0) return 0;
  if (i == 1) return count - 1;
  return (std::uint64_t{scrambled(2 * i)} << 32 | scrambled(2 * i + 1)) % count;
}

inline std::uint64_t vectors_of(std::int64_t size) { return static_cast<std::uint64_t>(size) / sizeof(vector16); }

inline void check_range(const char* field, std::int64_t value, std::int64_t least, std::int64_t most,
                        std::int64_t step) {
  if (value < least || value > most || value % step != 0) {
    throw value_error{field, std::to_string(value),
                      std::to_string(least) + " to " + std::to_string(most) +
                          (step > 1 ? ", a multiple of " + std::to_string(step) : std::string{})};
  }
}

inline std::vector<std::string> near_names(const std::vector<kernel_info>& all, const std::string& name) {
  std::vector<std::string> near;
  const std::string begin = name.substr(0, 4);
  for (const kernel_info& one : all) {
    if (!begin.empty() && one.name.starts_with(begin)) near.push_back(one.name);
  }
  return near;
}

struct graph_holder {
  ~graph_holder() {
    if (exec != nullptr) (void)cudaGraphExecDestroy(exec);
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
  }
  graph_holder() = default;
  graph_holder(const graph_holder&) = delete;
  graph_holder& operator=(const graph_holder&) = delete;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
