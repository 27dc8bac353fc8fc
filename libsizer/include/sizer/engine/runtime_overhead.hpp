#pragma once
/// @file
/// Memory that a device's software takes before any model: contexts, kernels, work space. Outside every buffer that the
/// runtimes report.

#include <sizer/hardware/machine.hpp>
#include <sizer/sourced.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Bytes per device and process.
/// CUDA: 470 MiB seen by nvidia-smi for an empty context (threestudio VGen issue 104); llama.cpp's own accounting has
/// shown as little as 153 MiB, so this errs on the safe side. The other backends have no published figure that was
/// found: ROCm and SYCL are taken like CUDA, Vulkan and Metal at a third of it, a process without a device at nothing.
[[nodiscard]] inline sourced<bytes> runtime_overhead(backend b) {
  using namespace literals;
  switch (b) {
    case backend::cuda: return {470_MiB, figure_kind::measured, "vgen-issue-104", "empty CUDA context"};
    case backend::rocm:
    case backend::sycl:
    case backend::hpu:
    case backend::other: return {470_MiB, figure_kind::assumed, "vgen-issue-104", "no figure found; taken like CUDA"};
    case backend::vulkan:
    case backend::metal: return {153_MiB, figure_kind::assumed, "llama-cpp-accounting", "no figure found"};
    case backend::cpu: return {0_MiB, figure_kind::derived, "llama-cpp-accounting", "no device context"};
  }
  return {470_MiB, figure_kind::assumed, "vgen-issue-104", "no figure found; taken like CUDA"};
}

}  // namespace v0
}  // namespace sizer
