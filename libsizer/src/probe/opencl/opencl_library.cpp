#include "opencl_library.hpp"

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

#include "probe/text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

#if defined(_WIN32)

std::shared_ptr<const library> open_library(const std::string&) {
  auto none = std::make_shared<library>();
  none->problem = "OpenCL: not looked for on this system";
  return none;
}

#else

namespace {

#if defined(__APPLE__)
constexpr const char* system_library = "/System/Library/Frameworks/OpenCL.framework/OpenCL";
#else
constexpr const char* system_library = "libOpenCL.so.1";
#endif

/// Looks the functions up, and remembers the first that is missing.
class symbols {
 public:
  explicit symbols(void* from) : from_{from} {}

  template <class Function>
  void find(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(dlsym(from_, name));
    if (function == nullptr && missing_.empty()) missing_ = name;
  }
  [[nodiscard]] const std::string& missing() const noexcept { return missing_; }

 private:
  void* from_;
  std::string missing_;
};

}  // namespace

std::shared_ptr<const library> open_library(const std::string& path) {
  auto result = std::make_shared<library>();
  const std::string name = path.empty() ? system_library : path;
  void* const opened = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) {
    const char* const why = dlerror();
    const std::string text = why == nullptr ? "it cannot be loaded" : shown(why);
    // The loader mostly writes the name itself.
    result->problem = "OpenCL: " + (text.find(name) == std::string::npos ? name + ": " : "") + text;
    return result;
  }
  symbols from{opened};
  functions& call = result->call;
  from.find(call.get_platforms, "clGetPlatformIDs");
  from.find(call.get_platform_info, "clGetPlatformInfo");
  from.find(call.get_devices, "clGetDeviceIDs");
  from.find(call.get_device_info, "clGetDeviceInfo");
  from.find(call.create_context, "clCreateContext");
  from.find(call.release_context, "clReleaseContext");
  from.find(call.create_queue, "clCreateCommandQueue");
  from.find(call.release_queue, "clReleaseCommandQueue");
  from.find(call.create_program, "clCreateProgramWithSource");
  from.find(call.build_program, "clBuildProgram");
  from.find(call.get_build_info, "clGetProgramBuildInfo");
  from.find(call.release_program, "clReleaseProgram");
  from.find(call.create_kernel, "clCreateKernel");
  from.find(call.release_kernel, "clReleaseKernel");
  from.find(call.set_argument, "clSetKernelArg");
  from.find(call.create_buffer, "clCreateBuffer");
  from.find(call.release_buffer, "clReleaseMemObject");
  from.find(call.enqueue_kernel, "clEnqueueNDRangeKernel");
  from.find(call.enqueue_read, "clEnqueueReadBuffer");
  from.find(call.enqueue_write, "clEnqueueWriteBuffer");
  from.find(call.enqueue_map, "clEnqueueMapBuffer");
  from.find(call.enqueue_unmap, "clEnqueueUnmapMemObject");
  from.find(call.finish, "clFinish");
  from.find(call.get_profiling_info, "clGetEventProfilingInfo");
  from.find(call.release_event, "clReleaseEvent");
  if (!from.missing().empty()) result->problem = "OpenCL: " + name + " has no " + from.missing();
  return result;
}

#endif

std::string error_name(status code) {
  switch (code) {
    case -1: return "CL_DEVICE_NOT_FOUND";
    case -2: return "CL_DEVICE_NOT_AVAILABLE";
    case -3: return "CL_COMPILER_NOT_AVAILABLE";
    case -4: return "CL_MEM_OBJECT_ALLOCATION_FAILURE";
    case -5: return "CL_OUT_OF_RESOURCES";
    case -6: return "CL_OUT_OF_HOST_MEMORY";
    case -7: return "CL_PROFILING_INFO_NOT_AVAILABLE";
    case -8: return "CL_MEM_COPY_OVERLAP";
    case -11: return "CL_BUILD_PROGRAM_FAILURE";
    case -12: return "CL_MAP_FAILURE";
    case -13: return "CL_MISALIGNED_SUB_BUFFER_OFFSET";
    case -14: return "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST";
    case -15: return "CL_COMPILE_PROGRAM_FAILURE";
    case -16: return "CL_LINKER_NOT_AVAILABLE";
    case -17: return "CL_LINK_PROGRAM_FAILURE";
    case -19: return "CL_KERNEL_ARG_INFO_NOT_AVAILABLE";
    case -30: return "CL_INVALID_VALUE";
    case -31: return "CL_INVALID_DEVICE_TYPE";
    case -32: return "CL_INVALID_PLATFORM";
    case -33: return "CL_INVALID_DEVICE";
    case -34: return "CL_INVALID_CONTEXT";
    case -35: return "CL_INVALID_QUEUE_PROPERTIES";
    case -36: return "CL_INVALID_COMMAND_QUEUE";
    case -37: return "CL_INVALID_HOST_PTR";
    case -38: return "CL_INVALID_MEM_OBJECT";
    case -42: return "CL_INVALID_BINARY";
    case -43: return "CL_INVALID_BUILD_OPTIONS";
    case -44: return "CL_INVALID_PROGRAM";
    case -45: return "CL_INVALID_PROGRAM_EXECUTABLE";
    case -46: return "CL_INVALID_KERNEL_NAME";
    case -47: return "CL_INVALID_KERNEL_DEFINITION";
    case -48: return "CL_INVALID_KERNEL";
    case -49: return "CL_INVALID_ARG_INDEX";
    case -50: return "CL_INVALID_ARG_VALUE";
    case -51: return "CL_INVALID_ARG_SIZE";
    case -52: return "CL_INVALID_KERNEL_ARGS";
    case -53: return "CL_INVALID_WORK_DIMENSION";
    case -54: return "CL_INVALID_WORK_GROUP_SIZE";
    case -55: return "CL_INVALID_WORK_ITEM_SIZE";
    case -56: return "CL_INVALID_GLOBAL_OFFSET";
    case -57: return "CL_INVALID_EVENT_WAIT_LIST";
    case -58: return "CL_INVALID_EVENT";
    case -59: return "CL_INVALID_OPERATION";
    case -61: return "CL_INVALID_BUFFER_SIZE";
    case -63: return "CL_INVALID_GLOBAL_WORK_SIZE";
    case platform_not_found: return "CL_PLATFORM_NOT_FOUND_KHR";
    default: return "OpenCL error " + std::to_string(code);
  }
}

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
