#pragma once
/// @file
/// The OpenCL loader, opened while running: a machine without a driver must not need the library.
///
/// The declarations are the ones that are called, with the signatures and numbers of Khronos' CL/cl.h (OpenCL 1.2):
/// https://registry.khronos.org/OpenCL/specs/opencl-1.2.pdf. They are fixed: a new function gets a new name.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

/// A platform, device, context, queue, program, kernel, buffer or event.
using handle = void*;
using status = std::int32_t;

inline constexpr status success = 0;
inline constexpr status device_not_found = -1;
inline constexpr status device_not_available = -2;
inline constexpr status out_of_resources = -5;
inline constexpr status profiling_not_available = -7;
inline constexpr status platform_not_found = -1001;  // of cl_khr_icd: the loader knows no driver

namespace platform_info {
inline constexpr std::uint32_t version = 0x0901, name = 0x0902;
}
namespace device_info {
inline constexpr std::uint32_t type = 0x1000, compute_units = 0x1002, work_group_size = 0x1004, clock_mhz = 0x100C,
                               largest_allocation = 0x1010, cache_size = 0x101E, memory_size = 0x101F,
                               local_memory_size = 0x1023, available = 0x1027, compiler_available = 0x1028,
                               queue_properties = 0x102A, name = 0x102B, vendor = 0x102C, driver_version = 0x102D,
                               version = 0x102F, extensions = 0x1030, shares_host_memory = 0x1035;
}
namespace build_info {
inline constexpr std::uint32_t log = 0x1183;
}
namespace profiling_info {
inline constexpr std::uint32_t start = 0x1282, end = 0x1283;
}
namespace device_type {
inline constexpr std::uint64_t cpu = 1U << 1U, gpu = 1U << 2U, accelerator = 1U << 3U, all = 0xFFFFFFFF;
}
namespace memory_flag {
inline constexpr std::uint64_t read_write = 1U << 0U, use_host_pointer = 1U << 3U, allocate_host_memory = 1U << 4U;
}
namespace map_flag {
inline constexpr std::uint64_t read = 1U << 0U, write = 1U << 1U;
}
inline constexpr std::uint64_t queue_profiling = 1U << 1U;

struct functions {
  using u32 = std::uint32_t;
  using u64 = std::uint64_t;
  using size = std::size_t;
  using notify = void (*)(handle, void*);
  using report = void (*)(const char*, const void*, size, void*);

  status (*get_platforms)(u32, handle*, u32*);
  status (*get_platform_info)(handle, u32, size, void*, size*);
  status (*get_devices)(handle, u64, u32, handle*, u32*);
  status (*get_device_info)(handle, u32, size, void*, size*);
  handle (*create_context)(const std::intptr_t*, u32, const handle*, report, void*, status*);
  status (*release_context)(handle);
  handle (*create_queue)(handle, handle, u64, status*);
  status (*release_queue)(handle);
  handle (*create_program)(handle, u32, const char**, const size*, status*);
  status (*build_program)(handle, u32, const handle*, const char*, notify, void*);
  status (*get_build_info)(handle, handle, u32, size, void*, size*);
  status (*release_program)(handle);
  handle (*create_kernel)(handle, const char*, status*);
  status (*release_kernel)(handle);
  status (*set_argument)(handle, u32, size, const void*);
  handle (*create_buffer)(handle, u64, size, void*, status*);
  status (*release_buffer)(handle);
  status (*enqueue_kernel)(handle, handle, u32, const size*, const size*, const size*, u32, const handle*, handle*);
  status (*enqueue_read)(handle, handle, u32, size, size, void*, u32, const handle*, handle*);
  status (*enqueue_write)(handle, handle, u32, size, size, const void*, u32, const handle*, handle*);
  void* (*enqueue_map)(handle, handle, u32, u64, size, size, u32, const handle*, handle*, status*);
  status (*enqueue_unmap)(handle, handle, void*, u32, const handle*, handle*);
  status (*finish)(handle);
  status (*get_profiling_info)(handle, u32, size, void*, size*);
  status (*release_event)(handle);
};

/// The opened loader, or why there is none. Never closed: drivers run threads of their own, which do not outlive it.
struct library {
  functions call{};
  std::string problem;  ///< empty when every function is there
};

/// @param path  of the loader; empty: the system's
[[nodiscard]] std::shared_ptr<const library> open_library(const std::string& path);

/// CL_OUT_OF_RESOURCES for -5; "OpenCL error -9999" for what cl.h does not name.
[[nodiscard]] std::string error_name(status code);

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
