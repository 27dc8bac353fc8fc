#pragma once
/// @file
/// Microbenchmark kernels of one device, all backends alike: what there is to run, how to ask for it, what comes back.
///
/// | kernel | one pass does | counted |
/// |---|---|---|
/// | read | sums the working set | bytes read |
/// | copy | half of the working set to the other half | bytes read + written |
/// | write | fills the working set | bytes written |
/// | triad | a = b + s c, three arrays of float | bytes of the three (STREAM) |
/// | latency | follows a random chain through the working set | accesses |
/// | read_after_flush | read, every cache line flushed before (x86, Arm) | bytes read |
/// | matvec_f16, _q8_0, _q4_0, _q4_k | matrix (rows x columns, blocks of ggml) times one vector | bytes of the matrix |
/// | attention_f16, _q8_0 | one decode step over the KV cache of many layers | bytes of keys and values |
/// | attention_by_row_f16, _q8_0 | the same, one query head and one token after the other | the same |
/// | gemm_f32, _f16, _bf16, _fp8, _int8 | dense matrix product | operations |
/// | barrier | all threads meet | barriers |
/// | launch, graph_launch | empty kernels in a row, alone or as one graph | kernels |
/// | host_to_device, device_to_host, peer | copies over the link | bytes |
///
/// Caches are defeated by the size of the working set alone; stores bypass the caches where the device can, so a byte
/// written costs one byte of traffic.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/error.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// A device that stops answering, or that refuses what it was asked for; the message has the driver's own words.
class device_error : public error {
 public:
  /// @param device   the device's name
  /// @param problem  what was tried and what the driver said
  /// @param lost     whether further calls are pointless
  device_error(const std::string& device, const std::string& problem, bool lost)
      : error{device + ": " + problem}, lost_{lost} {}

  [[nodiscard]] bool lost() const noexcept { return lost_; }

 private:
  bool lost_;
};

/// A kernel that a device has, or the reason why it cannot run there.
struct kernel_info {
  std::string name;     ///< of the table above
  std::string variant;  ///< instruction set or library that runs it: "avx512", "cuda sm_90", "cublasLt"
  std::string reason;   ///< why it cannot run; empty when it can
  friend bool operator==(const kernel_info&, const kernel_info&) = default;
};

/// Sizes of one run. Zero: the kernel's default.
struct kernel_shape {
  std::int64_t columns = 0;                         ///< matvec: length of a row (4096)
  std::int64_t depth = 0;                           ///< attention: cached tokens (4096)
  std::int64_t head_dim = 0;                        ///< attention: elements of a head (128)
  std::int64_t kv_heads = 0;                        ///< attention: key and value heads of a layer (8)
  std::int64_t group = 0;                           ///< attention: query heads that share one (4)
  std::int64_t gemm_m = 0, gemm_n = 0, gemm_k = 0;  ///< gemm: C (m x n) = A (m x k) times B (k x n)
  friend bool operator==(const kernel_shape&, const kernel_shape&) = default;
};

struct kernel_request {
  std::string kernel;
  bytes working_set{};       ///< data that one pass touches, rounded down to whole rows; 0: the device's default
  std::int32_t threads = 0;  ///< CPU only; 0: all that the device was opened with
  kernel_shape shape;
  seconds budget{make_seconds(0.5)};  ///< stop sampling after this, if `least_samples` are there
  std::int32_t least_samples = 5;
  std::int32_t most_samples = 200;
  double wanted_spread = 0.01;  ///< stop early when the median absolute deviation is below this share of the median
  std::string variant;          ///< one of those that `kernels()` lists; empty: the fastest
};

struct kernel_measurement {
  std::string kernel;
  std::string variant;
  std::int32_t threads = 0;  ///< 0 on a device without threads to count
  bytes working_set{};
  kernel_shape shape;                ///< as run, nothing left at 0 that the kernel uses
  bytes moved{};                     ///< in one sample, counted as in the table
  flop operations{};                 ///< in one sample
  std::int64_t events = 0;           ///< barriers, launches or accesses in one sample
  std::vector<seconds> samples;      ///< every one after the discarded, in order
  std::int32_t discarded = 0;        ///< first samples, which warm up
  bool verified = false;             ///< the results of the run were compared with a plain reference
  double largest_error = 0;          ///< of them, relative to the largest result
  std::vector<std::string> remarks;  ///< "transparent huge pages: refused (...)", what defeats the caches
  friend bool operator==(const kernel_measurement&, const kernel_measurement&) = default;
};

/// Median of the samples; of an even number the mean of the two in the middle. 0 without samples.
[[nodiscard]] seconds median(const std::vector<seconds>& samples);

/// Median absolute deviation of the samples over their median. 0 with fewer than two.
[[nodiscard]] double relative_spread(const std::vector<seconds>& samples);

/// The spread above which a measurement is called unstable.
inline constexpr double unstable_spread = 0.05;

/// A fact about the device that a profile keeps: {"driver", "580.65.06"}.
struct device_fact {
  std::string name;
  std::string value;
  friend bool operator==(const device_fact&, const device_fact&) = default;
};

/// An opened device. Not for several threads at once. Memory is taken when a kernel needs it and kept until the end.
class kernel_device {
 public:
  kernel_device() = default;
  kernel_device(const kernel_device&) = delete;
  kernel_device& operator=(const kernel_device&) = delete;
  virtual ~kernel_device() = default;

  /// As its driver writes it.
  [[nodiscard]] virtual std::string name() const = 0;
  /// "cpu", "cuda" or "opencl".
  [[nodiscard]] virtual std::string_view backend() const = 0;
  /// Driver, clocks, caches, instruction sets, compiler and flags of the kernels.
  [[nodiscard]] virtual std::vector<device_fact> facts() const = 0;
  /// Every kernel of the table that this backend knows, the fastest variant of each first.
  [[nodiscard]] virtual std::vector<kernel_info> kernels() const = 0;
  /// The largest working set that a kernel may ask for.
  [[nodiscard]] virtual bytes largest_working_set() const = 0;
  /// Size of the last cache before the memory, as the device reports it; 0 when it does not.
  [[nodiscard]] virtual bytes last_level_cache() const = 0;

  /// Runs one kernel: warms up, samples, compares the results with a plain reference.
  /// @throws value_error         a field that is out of range, or a kernel that cannot run (with the reason)
  /// @throws unknown_name_error  a kernel or variant that the device does not have
  /// @throws device_error        the device failed
  /// @throws error               the results are wrong; such a run gives no measurement
  [[nodiscard]] virtual kernel_measurement run(const kernel_request& request) = 0;
};

/// Devices of a backend, or the reason why there is none.
struct device_list {
  std::vector<std::string> names;
  std::string reason;  ///< empty with devices
  friend bool operator==(const device_list&, const device_list&) = default;
};

/// How the CPU is opened.
struct cpu_options {
  std::int32_t threads = 0;  ///< 0: one a physical core that this process may run on
  bool huge_pages = true;    ///< ask the kernel for them
  bool pin = true;           ///< each thread on its own core
  friend bool operator==(const cpu_options&, const cpu_options&) = default;
};

/// This machine's processor. What is refused (pinning, huge pages) becomes a remark of the measurements.
[[nodiscard]] std::unique_ptr<kernel_device> open_cpu(const cpu_options& options = {});

/// OpenCL devices of every platform. The library is loaded at run time.
/// @param library  path of the OpenCL loader; empty: the system's
[[nodiscard]] device_list list_opencl(const std::string& library = {});

/// @param index  of list_opencl
/// @throws value_error when there is no such device, with the reason
[[nodiscard]] std::unique_ptr<kernel_device> open_opencl(std::int32_t index, const std::string& library = {});

}  // namespace v0
}  // namespace sizer
