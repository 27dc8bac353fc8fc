/// @file
/// Stands in for the OpenCL loader. Nothing is computed: memory stays zero. FAKE_OPENCL says what it does:
///   1  a loader without a driver
///   2  a platform without a device
///   3  a device that disappears at its 4th kernel
///   4  a library that lacks a function
///   5  a device whose compiler refuses the dense products
///   6  a device that does nothing, so that every result is wrong

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int success = 0;
int thing = 0;  // every handle
int kernels_started = 0;
std::uint64_t now = 0;

int give(const void* value, std::size_t size, std::size_t room, void* to, std::size_t* needed) {
  if (needed != nullptr) *needed = size;
  if (to == nullptr) return success;
  if (room < size) return -30;
  std::memcpy(to, value, size);
  return success;
}
int give_text(const char* text, std::size_t room, void* to, std::size_t* needed) {
  return give(text, std::strlen(text) + 1, room, to, needed);
}
template <class Number>
int give_number(Number number, std::size_t room, void* to, std::size_t* needed) {
  return give(&number, sizeof number, room, to, needed);
}
void finished(void** event) {
  if (event != nullptr) *event = &thing;
}

bool refused = false;

}  // namespace

#define SIZER_CL(result) extern "C" __attribute__((visibility("default"))) result
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using size = std::size_t;

SIZER_CL(int) clGetPlatformIDs(u32, void** platforms, u32* n) {
  if (FAKE_OPENCL == 1) return -1001;
  if (n != nullptr) *n = 1;
  if (platforms != nullptr) *platforms = &thing;
  return success;
}
SIZER_CL(int) clGetPlatformInfo(void*, u32 what, size room, void* to, size* needed) {
  return give_text(what == 0x0902 ? "Fake" : "OpenCL 1.2 fake", room, to, needed);
}
SIZER_CL(int) clGetDeviceIDs(void*, u64, u32, void** devices, u32* n) {
  if (FAKE_OPENCL == 2) return -1;
  if (n != nullptr) *n = 1;
  if (devices != nullptr) *devices = &thing;
  return success;
}
SIZER_CL(int) clGetDeviceInfo(void*, u32 what, size room, void* to, size* needed) {
  switch (what) {
    case 0x1000: return give_number<u64>(4, room, to, needed);  // a GPU
    case 0x1002: return give_number<u32>(8, room, to, needed);
    case 0x1004: return give_number<size>(256, room, to, needed);
    case 0x100C: return give_number<u32>(1500, room, to, needed);
    case 0x1010: return give_number<u64>(u64{1} << 30, room, to, needed);
    case 0x101E: return give_number<u64>(u64{1} << 20, room, to, needed);
    case 0x101F: return give_number<u64>(u64{4} << 30, room, to, needed);
    case 0x1023: return give_number<u64>(u64{1} << 15, room, to, needed);
    case 0x102A: return give_number<u64>(2, room, to, needed);
    case 0x102B: return give_text("Fake GPU", room, to, needed);
    case 0x1030: return give_text("cl_khr_fp64", room, to, needed);
    case 0x1035: return give_number<u32>(0, room, to, needed);
    default: return give_text("1", room, to, needed);
  }
}
SIZER_CL(void*) clCreateContext(const std::intptr_t*, u32, void* const*, void*, void*, int* code) {
  *code = success;
  return &thing;
}
SIZER_CL(int) clReleaseContext(void*) { return success; }
SIZER_CL(void*) clCreateCommandQueue(void*, void*, u64, int* code) {
  *code = success;
  return &thing;
}
SIZER_CL(int) clReleaseCommandQueue(void*) { return success; }
SIZER_CL(void*) clCreateProgramWithSource(void*, u32 n, const char** texts, const size*, int* code) {
  *code = success;
  refused = false;
  for (u32 i = 0; i < n; ++i) refused = refused || std::string{texts[i]}.find("sizer_gemm") != std::string::npos;
  return &thing;
}
SIZER_CL(int) clBuildProgram(void*, u32, void* const*, const char*, void*, void*) {
  return FAKE_OPENCL == 5 && refused ? -11 : success;
}
SIZER_CL(int) clGetProgramBuildInfo(void*, void*, u32, size room, void* to, size* needed) {
  return give_text("\n<kernel>:7:1: error: the fake compiler takes no tiles\nmore\n", room, to, needed);
}
SIZER_CL(int) clReleaseProgram(void*) { return success; }
SIZER_CL(void*) clCreateKernel(void*, const char*, int* code) {
  *code = success;
  return &thing;
}
SIZER_CL(int) clReleaseKernel(void*) { return success; }
SIZER_CL(int) clSetKernelArg(void*, u32, size, const void*) { return success; }
SIZER_CL(void*) clCreateBuffer(void*, u64, size, void*, int* code) {
  *code = success;
  return &thing;
}
SIZER_CL(int) clReleaseMemObject(void*) { return success; }
SIZER_CL(int)
clEnqueueNDRangeKernel(void*, void*, u32, const size*, const size*, const size*, u32, void* const*, void** event) {
  if (FAKE_OPENCL == 3 && ++kernels_started >= 4) return -2;
  finished(event);
  return success;
}
SIZER_CL(int) clEnqueueReadBuffer(void*, void*, u32, size, size n, void* to, u32, void* const*, void** event) {
  std::memset(to, 0, n);
  finished(event);
  return success;
}
SIZER_CL(int) clEnqueueWriteBuffer(void*, void*, u32, size, size, const void*, u32, void* const*, void** event) {
  finished(event);
  return success;
}
SIZER_CL(void*) clEnqueueMapBuffer(void*, void*, u32, u64, size, size n, u32, void* const*, void**, int* code) {
  *code = success;
  return std::calloc(n, 1);
}
SIZER_CL(int) clEnqueueUnmapMemObject(void*, void*, void* mapped, u32, void* const*, void**) {
  std::free(mapped);
  return success;
}
SIZER_CL(int) clFinish(void*) { return success; }
#if FAKE_OPENCL != 4
SIZER_CL(int) clGetEventProfilingInfo(void*, u32, size room, void* to, size* needed) {
  now += 1'000'000;
  return give_number<u64>(now, room, to, needed);
}
#endif
SIZER_CL(int) clReleaseEvent(void*) { return success; }
