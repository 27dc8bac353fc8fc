#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/probe/kernels.hpp>

#include "probe/opencl/opencl_library.hpp"

using namespace sizer;

namespace {

/// The first device of the system's drivers; null, and said so, where there is none. Where SIZER_REQUIRE_OPENCL is 1,
/// that is a failure: a run of the tests that is meant to have a device must not pass without.
kernel_device* first_device() {
  static const std::unique_ptr<kernel_device> device = [] {
    const device_list list = list_opencl();
    return list.names.empty() ? nullptr : open_opencl(0);
  }();
  if (device != nullptr) return device.get();
  const char* const required = std::getenv("SIZER_REQUIRE_OPENCL");
  const std::string reason = list_opencl().reason;
  if (required != nullptr && std::string{required} == "1") FAIL_CHECK("an OpenCL device is required: ", reason);
  MESSAGE("skipped: ", reason);
  return nullptr;
}

/// Small enough for a test under a sanitizer.
kernel_request small(const std::string& kernel) {
  kernel_request request;
  request.kernel = kernel;
  request.working_set = 4_MiB;
  request.shape.columns = 512;
  request.shape.depth = 200;  // no multiple of a tile
  request.shape.kv_heads = 3;
  request.shape.gemm_m = 128;
  request.shape.gemm_n = 256;
  request.shape.gemm_k = 384;
  request.budget = make_seconds(0.01);
  request.least_samples = 2;
  request.most_samples = 4;
  return request;
}

template <class Error, class Work>
std::string message_of(const Work& work) {
  try {
    work();
  } catch (const Error& problem) {
    return problem.what();
  }
  return "nothing was thrown";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("opencl: every kernel that a device lists runs there and is verified") {
  kernel_device* const device = first_device();
  if (device == nullptr) return;
  CHECK(device->backend() == "opencl");
  CHECK(device->name() == list_opencl().names.front());
  std::int32_t ran = 0;
  for (const kernel_info& info : device->kernels()) {
    CAPTURE(info.name);
    if (!info.reason.empty()) {
      MESSAGE(info.name, ": ", info.reason);
      const std::string problem = message_of<value_error>([&] { (void)device->run(small(info.name)); });
      CHECK_MESSAGE(contains(problem, info.reason), problem);
      continue;
    }
    ++ran;
    const kernel_measurement result = device->run(small(info.name));
    CHECK(result.kernel == info.name);
    CHECK(result.variant == info.variant);
    CHECK(result.verified);
    CHECK(result.largest_error >= 0);
    CHECK(result.largest_error <= (info.name == "gemm_f16" ? 1e-2 : 1e-4));
    CHECK(result.samples.size() >= 2);
    CHECK(result.samples.size() <= 4);
    for (const seconds& sample : result.samples) CHECK(number(sample) > 0);
    CHECK(result.discarded > 0);
    const bool dense = info.name.starts_with("gemm");
    CHECK((number(result.moved) > 0) == (!dense && info.name != "launch"));
    CHECK((result.events > 0) == (info.name == "launch"));
    if (dense) {
      const double once = 2.0 * 128 * 256 * 384;
      CHECK(number(result.operations) >= once);
    }
    if (!dense && info.name != "launch") {
      CHECK(number(result.working_set) > 0);
      CHECK(result.working_set <= 4_MiB);
      CHECK(number(result.moved) % number(result.working_set) == 0);
    }
  }
  CHECK(ran >= 10);
}

TEST_CASE("opencl: attention is right for other heads, groups and lengths") {
  kernel_device* const device = first_device();
  if (device == nullptr) return;
  struct shape {
    std::int64_t depth, head_dim, kv_heads, group;
  };
  for (const shape& one : {shape{1, 64, 1, 1}, shape{33, 96, 2, 3}, shape{513, 256, 1, 8}}) {
    CAPTURE(one.head_dim);
    for (const char* const kernel : {"attention_f16", "attention_q8_0"}) {
      kernel_request request = small(kernel);
      request.working_set = 1_MiB;
      request.shape.depth = one.depth;
      request.shape.head_dim = one.head_dim;
      request.shape.kv_heads = one.kv_heads;
      request.shape.group = one.group;
      const kernel_measurement result = device->run(request);
      CHECK(result.verified);
      CHECK(result.shape.group == one.group);
      CHECK(result.shape.columns == 0);
    }
  }
}

TEST_CASE("opencl: matrix-vector products are right for a row of one block and for many") {
  kernel_device* const device = first_device();
  if (device == nullptr) return;
  for (const std::int64_t columns : {256, 768, 8192}) {
    for (const char* const kernel : {"matvec_f16", "matvec_q8_0", "matvec_q4_0", "matvec_q4_k"}) {
      kernel_request request = small(kernel);
      request.working_set = 1_MiB;
      request.shape.columns = columns;
      CHECK(device->run(request).verified);
    }
  }
}

TEST_CASE("opencl: wrong names and sizes are refused by name") {
  kernel_device* const device = first_device();
  if (device == nullptr) return;
  const auto refusal = [&](const kernel_request& request) {
    return message_of<value_error>([&] { (void)device->run(request); });
  };
  CHECK(contains(message_of<unknown_name_error>([&] { (void)device->run(small("raed")); }), "read"));
  kernel_request request = small("read");
  request.variant = "cuda sm_90";
  CHECK(contains(message_of<unknown_name_error>([&] { (void)device->run(request); }), "variant"));
  request = small("read");
  request.threads = 2;
  CHECK(contains(refusal(request), "threads: got 2"));
  request = small("read");
  request.working_set = device->largest_working_set() + 4096_B;
  CHECK(contains(refusal(request), "working_set"));
  request.working_set = make_bytes(-1);
  CHECK(contains(refusal(request), "working_set: got -1"));
  request.working_set = 100_B;
  CHECK(contains(refusal(request), "at least 4096 bytes"));
  request = small("matvec_q4_k");
  request.shape.columns = 300;
  CHECK(contains(refusal(request), "columns: got 300, expected a multiple of 256"));
  request = small("attention_f16");
  request.shape.head_dim = 80;
  CHECK(contains(refusal(request), "head_dim: got 80"));
  request = small("attention_f16");
  request.working_set = 4096_B;
  CHECK(contains(refusal(request), "a layer"));
  request = small("gemm_f32");
  request.shape.gemm_k = 100;
  CHECK(contains(refusal(request), "gemm_k: got 100"));
  request = small("read");
  request.most_samples = 1;
  CHECK(contains(refusal(request), "most_samples: got 1"));
}

TEST_CASE("opencl: a missing library is a reason, and opening a device there names it") {
  const device_list list = list_opencl("/nowhere/libOpenCL.so.1");
  CHECK(list.names.empty());
  CHECK(contains(list.reason, "/nowhere/libOpenCL.so.1"));
  const std::string problem = message_of<value_error>([] { (void)open_opencl(0, "/nowhere/libOpenCL.so.1"); });
  CHECK(contains(problem, "/nowhere/libOpenCL.so.1"));
  CHECK(contains(message_of<value_error>([] { (void)open_opencl(-1); }), "index: got -1"));
}

TEST_CASE("opencl: errors have the names of the standard") {
  CHECK(detail::opencl::error_name(-5) == "CL_OUT_OF_RESOURCES");
  CHECK(detail::opencl::error_name(-36) == "CL_INVALID_COMMAND_QUEUE");
  CHECK(detail::opencl::error_name(-9999) == "OpenCL error -9999");
}

#if defined(SIZER_FAKE_OPENCL)

namespace {

std::string fake(const char* kind) { return std::string{SIZER_FAKE_OPENCL} + kind + ".so"; }

}  // namespace

TEST_CASE("opencl: a loader without a driver, a platform without a device and an old library say so") {
  CHECK(contains(list_opencl(fake("no_platform")).reason, "no driver"));
  CHECK(list_opencl(fake("no_device")).reason == "OpenCL: Fake: no device");
  const device_list bare = list_opencl(fake("bare"));
  CHECK(bare.names.empty());
  CHECK(contains(bare.reason, "has no clGetEventProfilingInfo"));
  CHECK(contains(message_of<value_error>([] { (void)open_opencl(0, fake("no_device")); }), "Fake: no device"));
}

TEST_CASE("opencl: a device that disappears in the middle of a run is lost, with the driver's words") {
  const auto device = open_opencl(0, fake("disappearing"));
  CHECK(device->name() == "Fake: Fake GPU");
  bool thrown = false;
  try {
    (void)device->run(small("read"));
  } catch (const device_error& problem) {
    thrown = true;
    CHECK(problem.lost());
    CHECK(std::string{problem.what()} ==
          "Fake: Fake GPU: clEnqueueNDRangeKernel (sizer_read): CL_DEVICE_NOT_AVAILABLE; the device is lost");
  }
  CHECK(thrown);
  // Nothing is asked of it again.
  const std::string again = message_of<device_error>([&] { (void)device->run(small("copy")); });
  CHECK(contains(again, "lost since clEnqueueNDRangeKernel (sizer_read): CL_DEVICE_NOT_AVAILABLE"));
}

TEST_CASE("opencl: a kernel that the driver's compiler refuses has its first line as reason, others go on") {
  const auto device = open_opencl(0, fake("picky"));
  for (const kernel_info& info : device->kernels()) {
    CAPTURE(info.name);
    if (info.name == "gemm_f32") {
      CHECK(info.reason ==
            "clBuildProgram: CL_BUILD_PROGRAM_FAILURE: <kernel>:7:1: error: the fake compiler takes no tiles");
    } else if (info.name == "gemm_f16") {
      CHECK(contains(info.reason, "cl_khr_fp16"));
    } else {
      CHECK(info.reason.empty());
    }
  }
  CHECK(contains(message_of<value_error>([&] { (void)device->run(small("gemm_f32")); }), "takes no tiles"));
}

TEST_CASE("opencl: wrong results give no measurement") {
  const auto device = open_opencl(0, fake("idle"));
  for (const kernel_info& info : device->kernels()) {
    if (!info.reason.empty()) continue;
    CAPTURE(info.name);
    CHECK(contains(message_of<error>([&] { (void)device->run(small(info.name)); }), "gives wrong results"));
  }
}

#endif
