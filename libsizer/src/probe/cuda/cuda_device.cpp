/// @file
/// Opening of CUDA devices, what they say of themselves, memory and timing.

#include "probe/cuda/cuda_device.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

#include <sizer/error.hpp>

#include "probe/cuda/cuda.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::int64_t mib = std::int64_t{1} << 20;
/// What the kernels are compiled for at least.
constexpr int least_major = 7;
constexpr int least_minor = 5;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string error_text(cudaError_t code) {
  return std::string{cudaGetErrorName(code)} + " (" + std::to_string(static_cast<int>(code)) +
         "): " + cudaGetErrorString(code);
}

/// After these the process gets nothing more from the device.
bool ends_the_context(cudaError_t code) {
  switch (code) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorExternalDevice:
    case cudaErrorCudartUnloading: return true;
    default: return false;
  }
}

/// Why the runtime finds no device, in words that say what to do.
std::string no_device_reason(cudaError_t code) {
  int driver = 0;
  int runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  (void)cudaGetLastError();
  if (code == cudaErrorInsufficientDriver && driver == 0) {
    return "no NVIDIA driver: libcuda.so.1 is not there or does not start";
  }
  if (code == cudaErrorInsufficientDriver) {
    return "the NVIDIA driver is too old: it knows CUDA up to " + version_text(driver) +
           ", these kernels were built with " + version_text(runtime);
  }
  if (code == cudaErrorNoDevice) return "the NVIDIA driver runs and shows no device";
  return "cudaGetDeviceCount: " + error_text(code);
}

std::string device_name(int ordinal) {
  cudaDeviceProp properties{};
  const cudaError_t code = cudaGetDeviceProperties(&properties, ordinal);
  if (code != cudaSuccess) {
    (void)cudaGetLastError();
    return "CUDA device " + std::to_string(ordinal) + " (" + error_text(code) + ")";
  }
  return properties.name;
}

/// The driver's release, which the runtime does not know.
std::string driver_release() {
  std::string release;
#if !defined(_WIN32)
  void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return release;
  const auto init = reinterpret_cast<int (*)()>(dlsym(library, "nvmlInit_v2"));
  const auto stop = reinterpret_cast<int (*)()>(dlsym(library, "nvmlShutdown"));
  const auto version = reinterpret_cast<int (*)(char*, unsigned)>(dlsym(library, "nvmlSystemGetDriverVersion"));
  if (init != nullptr && stop != nullptr && version != nullptr && init() == 0) {
    std::array<char, 81> text{};
    if (version(text.data(), static_cast<unsigned>(text.size() - 1)) == 0) release = text.data();
    (void)stop();
  }
  dlclose(library);
#endif
  return release;
}

std::string binary_size(std::int64_t size) {
  return size >= 10 * mib ? std::to_string(size / mib) + " MiB" : std::to_string(size / 1024) + " KiB";
}

double middle(std::vector<double> values) {
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), half, values.end());
  return *half;
}

double spread_of(const std::vector<seconds>& samples) {
  std::vector<double> values;
  for (const seconds& one : samples) values.push_back(number(one));
  const double median_time = middle(values);
  for (double& one : values) one = std::fabs(one - median_time);
  return median_time > 0 ? middle(values) / median_time : 0;
}

}  // namespace

// --- errors ----------------------------------------------------------------------------------------------------------

void cuda_device::check(cudaError_t code, const char* call) const {
  if (code == cudaSuccess) return;
  (void)cudaGetLastError();  // an error that passes is forgotten with this; one that stays shows in the next call
  if (ends_the_context(code) || cudaFree(nullptr) != cudaSuccess) lost_ = true;
  (void)cudaGetLastError();
  throw device_error{name_, std::string{call} + ": " + error_text(code), lost_};
}

void cuda_device::check_blas(int status, const char* call) const {
  if (status == 0) return;
  check(cudaGetLastError(), call);
  throw device_error{name_, std::string{call} + ": " + cublas_lt::status_text(status), false};
}

/// Calls may come from another thread each time, and the current device is each thread's own.
void cuda_device::use() const {
  if (lost_) throw device_error{name_, "it failed before and needs a new process", true};
  (void)cudaGetLastError();  // what others have left
  check(cudaSetDevice(ordinal_), "cudaSetDevice");
}

// --- opening ---------------------------------------------------------------------------------------------------------

cuda_device::cuda_device(int ordinal) : ordinal_{ordinal}, name_{device_name(ordinal)} {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal_), "cudaGetDeviceProperties");
  major_ = properties.major;
  minor_ = properties.minor;
  if (major_ < least_major || (major_ == least_major && minor_ < least_minor)) {
    throw value_error{"device",
                      name_ + " with compute capability " + std::to_string(major_) + "." + std::to_string(minor_),
                      "7.5 or more, which the kernels are compiled for"};
  }
  multiprocessors_ = properties.multiProcessorCount;
  l2_ = properties.l2CacheSize;
  integrated_ = properties.integrated != 0;
  use();
  if (const cudaError_t code = binary_architecture(binary_);
      code == cudaErrorNoKernelImageForDevice || code == cudaErrorInvalidDeviceFunction) {
    (void)cudaGetLastError();
    throw value_error{"device",
                      name_ + " with compute capability " + std::to_string(major_) + "." + std::to_string(minor_),
                      "one that this build's kernels run on: " + compiled_architectures()};
  } else {
    check(code, "cudaFuncGetAttributes");
  }
  counter_ = allocate(sizeof(unsigned long long), "working_set");
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cudaEventCreate(&begin_), "cudaEventCreate");
  check(cudaEventCreate(&end_), "cudaEventCreate");
}

cuda_device::~cuda_device() {
  // After a lost device, or while the process ends, these calls only fail.
  if (cudaSetDevice(ordinal_) != cudaSuccess) {
    (void)cudaGetLastError();
  }
  blas_.reset();
  if (begin_ != nullptr) (void)cudaEventDestroy(begin_);
  if (end_ != nullptr) (void)cudaEventDestroy(end_);
  if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
}

int cuda_device::attribute(cudaDeviceAttr which) const {
  int value = 0;
  if (cudaDeviceGetAttribute(&value, which, ordinal_) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;  // not known to this driver
  }
  return value;
}

cublas_lt* cuda_device::blas() const {
  if (!blas_tried_) {
    blas_tried_ = true;
    blas_ = cublas_lt::load(blas_reason_);
    (void)cudaGetLastError();
  }
  return blas_.get();
}

int cuda_device::find_peer(std::string& reason) const {
  int count = 0;
  check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  reason = count < 2 ? "there is no second device" : "no other device can be reached but through the host";
  for (int other = 0; other < count; ++other) {
    int can = 0;
    if (other == ordinal_) continue;
    check(cudaDeviceCanAccessPeer(&can, ordinal_, other), "cudaDeviceCanAccessPeer");
    if (can != 0) {
      reason.clear();
      return other;
    }
  }
  return -1;
}

std::vector<device_fact> cuda_device::facts() const {
  use();
  std::vector<device_fact> all;
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) all.push_back({what, value});
  };
  const auto positive = [](int value) { return value > 0 ? std::to_string(value) : std::string{}; };
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal_), "cudaGetDeviceProperties");
  add("name", name_);
  add("compute_capability", std::to_string(major_) + "." + std::to_string(minor_));
  add("multiprocessors", std::to_string(multiprocessors_));
  const int clock = attribute(cudaDevAttrClockRate);  // kHz
  const int memory_clock = attribute(cudaDevAttrMemoryClockRate);
  const int bus = attribute(cudaDevAttrGlobalMemoryBusWidth);
  add("clock_max_mhz", positive(clock / 1000));
  add("l2_bytes", std::to_string(l2_));
  add("memory_bytes", std::to_string(properties.totalGlobalMem));
  add("memory_bus_bits", positive(bus));
  add("memory_clock_max_mhz", positive(memory_clock / 1000));
  // The clock is that of the command bus, data moves at both edges. A MIG instance has its share of it.
  if (memory_clock > 0 && bus > 0 && name_.find("MIG") == std::string::npos) {
    const double rate = 2.0 * memory_clock * 1e3 * bus / 8;
    add("memory_bandwidth_theoretical_bytes_per_s", std::to_string(static_cast<std::int64_t>(rate)));
  }
  add("memory", integrated_ ? "shared with the host" : "the device's own");
  add("ecc", attribute(cudaDevAttrEccEnabled) != 0 ? "on" : "off");
  std::array<char, 32> address{};
  if (cudaDeviceGetPCIBusId(address.data(), static_cast<int>(address.size()), ordinal_) == cudaSuccess) {
    add("pci_address", address.data());
  } else {
    (void)cudaGetLastError();
  }
  int driver = 0;
  int runtime = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  add("driver", driver_release());
  add("cuda_driver", version_text(driver));
  add("cuda_runtime", version_text(runtime));
  add("nvcc", nvcc_version());
  add("architectures", compiled_architectures());
  add("binary", "sm_" + std::to_string(binary_));
  add("cublas_lt", blas() != nullptr ? blas_->version() : blas_reason_);
  return all;
}

std::vector<kernel_info> cuda_device::kernels() const {
  use();
  std::vector<kernel_info> all;
  const std::string variant = "cuda sm_" + std::to_string(binary_);
  for (const char* const kernel : {"read", "copy", "write", "triad", "latency", "matvec_f16", "matvec_q8_0",
                                   "matvec_q4_0", "matvec_q4_k", "attention_f16", "attention_q8_0"}) {
    all.push_back({kernel, variant, {}});
  }
  const std::string no_library = blas() == nullptr ? blas_reason_ : std::string{};
  const auto needs = [&](int major, int minor) {
    if (major_ > major || (major_ == major && minor_ >= minor)) return no_library;
    return "needs compute capability " + std::to_string(major) + "." + std::to_string(minor) + ", this device has " +
           std::to_string(major_) + "." + std::to_string(minor_);
  };
  all.push_back({"gemm_f32", "cublasLt", no_library});
  all.push_back({"gemm_f16", "cublasLt", no_library});
  all.push_back({"gemm_bf16", "cublasLt", needs(8, 0)});
  all.push_back({"gemm_fp8", "cublasLt", needs(8, 9)});
  all.push_back({"gemm_int8", "cublasLt", no_library});
  all.push_back({"launch", variant, {}});
  all.push_back({"graph_launch", variant, {}});
  all.push_back({"host_to_device", "pinned", {}});
  all.push_back({"device_to_host", "pinned", {}});
  std::string no_peer;
  (void)find_peer(no_peer);
  all.push_back({"peer", "cudaMemcpyPeer", no_peer});
  all.push_back({"read_after_flush", variant, "of processors only"});
  all.push_back({"barrier", variant, "of processors only"});
  return all;
}

// --- memory ----------------------------------------------------------------------------------------------------------

std::int64_t cuda_device::largest() const {
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  const auto usable = static_cast<std::int64_t>(free + main_.size());
  // Beside the main block there are results and workspaces. Where the memory is the host's too, the host needs some.
  return (integrated_ ? usable / 2 : usable / 10 * 9) / (2 * mib) * (2 * mib);
}

bytes cuda_device::largest_working_set() const {
  use();
  return make_bytes(largest());
}

std::int64_t cuda_device::default_size() const { return std::min(std::max(4 * l2_, 1024 * mib), largest() / 2); }

std::int64_t cuda_device::wanted_size(const kernel_request& request, std::int64_t least, std::int64_t step,
                                      std::int64_t usual) const {
  const std::int64_t asked = number(request.working_set);
  const std::int64_t most = largest();
  const std::int64_t size = (asked == 0 ? usual : asked) / step * step;
  if (size < least || size > most) {
    throw value_error{"working_set", std::to_string(asked == 0 ? size : asked) + " bytes",
                      std::to_string(least) + " to " + std::to_string(most) + " bytes on " + name_};
  }
  return size;
}

cuda_memory cuda_device::allocate(std::size_t size, const char* field) const {
  void* at = nullptr;
  const cudaError_t code = cudaMalloc(&at, size);
  if (code == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    std::size_t free = 0;
    std::size_t total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    throw value_error{field, std::to_string(size) + " bytes of memory of " + name_,
                      "less than the " + std::to_string(free) + " bytes that are free there"};
  }
  check(code, "cudaMalloc");
  return {at, size, [](void* block) { return cudaFree(block); }};
}

cuda_memory cuda_device::allocate_pinned(std::size_t size) const {
  void* at = nullptr;
  const cudaError_t code = cudaHostAlloc(&at, size, cudaHostAllocDefault);
  if (code == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw value_error{"working_set", std::to_string(size) + " bytes", "what the host can pin: " + error_text(code)};
  }
  check(code, "cudaHostAlloc");
  return {at, size, [](void* block) { return cudaFreeHost(block); }};
}

std::uint8_t* cuda_device::main_memory(std::size_t size) {
  if (main_.size() < size) {
    main_.reset();  // before the larger one, for which both may not fit
    main_ = allocate(size, "working_set");
  }
  return main_.as();
}

void cuda_device::download(void* to, const void* from, std::size_t size) const {
  check(cudaMemcpyAsync(to, from, size, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
  synchronise();
}

void cuda_device::fill_bytes(void* at, int value, std::size_t size) const {
  check(cudaMemsetAsync(at, value, size, stream_), "cudaMemsetAsync");
}

void cuda_device::synchronise() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

// --- time ------------------------------------------------------------------------------------------------------------

double cuda_device::timed(const pass& what, int repeats) const {
  if (what.queued_ahead) {
    // A launch takes the host 2 to 10 us. The device waits that long at the start, then finds everything queued.
    const std::int64_t wait = 20'000 + std::int64_t{6'000} * what.launches * repeats;
    check(launch_delay(site(), static_cast<std::uint64_t>(std::min<std::int64_t>(wait, 5'000'000))), "launch of delay");
  }
  check(cudaEventRecord(begin_, stream_), "cudaEventRecord");
  for (int i = 0; i < repeats; ++i) what.enqueue();
  check(cudaEventRecord(end_, stream_), "cudaEventRecord");
  check(cudaEventSynchronize(end_), "cudaEventSynchronize");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
  return static_cast<double>(milliseconds) * 1e-3;
}

std::int64_t cuda_device::measure(const kernel_request& request, const pass& what, kernel_measurement& result) const {
  using clock = std::chrono::steady_clock;
  const auto since = [](clock::time_point start) {
    return std::chrono::duration<double>(clock::now() - start).count();
  };
  constexpr double least_sample = 1.2e-3;  // events are stamped to half a microsecond
  constexpr double warm_up = 0.1;          // clocks rise from idle within some 10 ms
  constexpr int queue_depth = 1000;        // launches that the driver takes before it makes the host wait
  const int most_repeats = what.once ? 1 : std::max(1, queue_depth / what.launches);
  const auto repeats_for = [&](double one) {
    if (what.once) return 1;
    const double wanted = one > 0 ? std::ceil(least_sample / one) : most_repeats;
    return static_cast<int>(std::clamp(wanted, 1.0, static_cast<double>(most_repeats)));
  };

  const auto start = clock::now();
  int repeats = repeats_for(timed(what, 1));
  result.discarded = 1;
  do {
    repeats = repeats_for(timed(what, repeats) / repeats);
    ++result.discarded;
  } while (since(start) < warm_up);

  const auto begin = clock::now();
  const double budget = number(request.budget);
  while (static_cast<std::int32_t>(result.samples.size()) < request.most_samples) {
    result.samples.push_back(make_seconds(timed(what, repeats)));
    if (static_cast<std::int32_t>(result.samples.size()) < request.least_samples) continue;
    if (since(begin) >= budget || spread_of(result.samples) < request.wanted_spread) break;
  }
  return repeats;
}

void cuda_device::say_cache(std::int64_t size, kernel_measurement& result) const {
  if (l2_ <= 0) {
    result.remarks.emplace_back("the device does not state its L2 cache");
  } else if (size >= 4 * l2_) {
    result.remarks.push_back("L2 cache (" + binary_size(l2_) + ") defeated by a working set " +
                             std::to_string(size / l2_) + " times as large");
  } else {
    result.remarks.push_back("L2 cache (" + binary_size(l2_) + ") not defeated: the working set is " +
                             binary_size(size) + ", less than 4 times as large");
  }
}

}  // namespace detail

// --- the backend -----------------------------------------------------------------------------------------------------

device_list list_cuda() {
  device_list found;
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess || count == 0) {
    found.reason = detail::no_device_reason(code == cudaSuccess ? cudaErrorNoDevice : code);
    return found;
  }
  for (int i = 0; i < count; ++i) found.names.push_back(detail::device_name(i));
  return found;
}

std::unique_ptr<kernel_device> open_cuda(std::int32_t index) {
  const device_list found = list_cuda();
  const auto count = static_cast<std::int32_t>(found.names.size());
  if (index < 0 || index >= count) {
    throw value_error{
        "device", std::to_string(index),
        count == 0 ? "a CUDA device, and there is none: " + found.reason : "0 to " + std::to_string(count - 1)};
  }
  return std::make_unique<detail::cuda_device>(index);
}

}  // namespace v0
}  // namespace sizer
