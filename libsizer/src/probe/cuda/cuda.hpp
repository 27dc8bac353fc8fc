#pragma once
/// @file
/// The CUDA backend of kernels.hpp. Only in the Python extension `_cuda`, which a build without nvcc leaves out.

#include <cstdint>
#include <memory>

#include <sizer/probe/kernels.hpp>

namespace sizer {
inline namespace v0 {

/// The devices by the runtime's ordinals. A machine without a driver is a reason.
[[nodiscard]] device_list list_cuda();

/// @param index  of list_cuda
/// @throws value_error   there is no such device, or it is too old for the kernels
/// @throws device_error  the device refuses
[[nodiscard]] std::unique_ptr<kernel_device> open_cuda(std::int32_t index);

}  // namespace v0
}  // namespace sizer
