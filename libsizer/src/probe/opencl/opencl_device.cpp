/// @file
/// OpenCL's devices as kernel devices: what there is, what it can run, how a run is sampled.

#include <algorithm>
#include <cmath>

#include <sizer/names.hpp>

#include "opencl_runs.hpp"
#include "probe/text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

const std::vector<known_kernel>& known_kernels() {
  static const std::vector<known_kernel> known = [] {
    const program_key streams{streams_source, {}};
    const std::uint64_t lanes = session::lanes();
    const auto attention = [](format of) { return attention_program(of, attention_shape({})); };
    return std::vector<known_kernel>{
        {"read", streams, plan_read},
        {"copy", streams, plan_copy},
        {"write", streams, plan_write},
        {"triad", streams, plan_triad},
        {"matvec_f16", matvec_program(format::f16), plan_matvec, lanes},
        {"matvec_q8_0", matvec_program(format::q8_0), plan_matvec, lanes},
        {"matvec_q4_0", matvec_program(format::q4_0), plan_matvec, lanes},
        {"matvec_q4_k", matvec_program(format::q4_k), plan_matvec, lanes},
        {"attention_f16", attention(format::f16), plan_attention, lanes},
        {"attention_q8_0", attention(format::q8_0), plan_attention, lanes},
        {"gemm_f32", gemm_program(false), plan_gemm, 256},
        {"gemm_f16", gemm_program(true), plan_gemm, 256, true},
        {"launch", streams, plan_launch},
        {"host_to_device", streams, plan_host_to_device},
        {"device_to_host", streams, plan_device_to_host},
    };
  }();
  return known;
}

void comparison::add(double got, double want) {
  largest_ = std::max(largest_, std::abs(want));
  const double difference = std::abs(got - want);
  difference_ = difference <= difference_ ? difference_ : difference;  // also when it is not a number
}

double comparison::checked(const session& on, const std::string& kernel, double allowed) const {
  const double relative = difference_ / largest_;
  if (!(relative <= allowed)) {
    refuse_results(on, kernel,
                   "the largest error is " + std::to_string(relative) + " of the largest result, allowed is " +
                       std::to_string(allowed));
  }
  return relative;
}

void refuse_results(const session& on, const std::string& kernel, const std::string& problem) {
  throw error{on.name() + ": " + kernel + " gives wrong results: " + problem};
}

void check_range(const char* field, std::int64_t value, std::int64_t least, std::int64_t most, std::int64_t step) {
  if (value >= least && value <= most && value % step == 0) return;
  throw value_error{field, std::to_string(value),
                    (step == 1 ? "" : "a multiple of " + std::to_string(step) + " of ") + std::to_string(least) +
                        " to " + std::to_string(most)};
}

namespace {

constexpr double least_sample = 1e-3;  // seconds; shorter ones are noise of the clock and of the launch
constexpr std::int64_t most_repeats = 20000;

std::string mib(std::uint64_t size) { return std::to_string(size >> 20U) + " MiB"; }

std::string one_decimal(double value) {
  const auto tenths = static_cast<std::int64_t>(std::llround(value * 10));
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

class opencl_device final : public kernel_device {
 public:
  opencl_device(std::shared_ptr<const library> opencl, device_choice choice)
      : session_{std::move(opencl), std::move(choice)} {
    for (const known_kernel& one : known_kernels()) {
      kernels_.push_back({std::string{one.name}, variant(), reason_against(one)});
    }
  }

  [[nodiscard]] std::string name() const override { return session_.name(); }
  [[nodiscard]] std::string_view backend() const override { return "opencl"; }
  [[nodiscard]] std::vector<device_fact> facts() const override;
  [[nodiscard]] std::vector<kernel_info> kernels() const override { return kernels_; }
  [[nodiscard]] bytes last_level_cache() const override { return as_bytes(session_.number(device_info::cache_size)); }
  [[nodiscard]] bytes largest_working_set() const override {
    // One allocation holds the working set. Beside it lie results, and on a CPU the rest of the system.
    return as_bytes(
        std::min(session_.number(device_info::largest_allocation), session_.number(device_info::memory_size) / 4 * 3) /
        4096 * 4096);
  }
  [[nodiscard]] kernel_measurement run(const kernel_request& request) override;

 private:
  static bytes as_bytes(std::uint64_t size) {
    return make_bytes(static_cast<std::int64_t>(std::min<std::uint64_t>(size, std::uint64_t{1} << 62U)));
  }
  [[nodiscard]] std::string variant() const { return session_.is_cpu() ? "opencl contiguous" : "opencl coalesced"; }
  [[nodiscard]] std::string reason_against(const known_kernel& one);
  [[nodiscard]] const known_kernel& found(const kernel_request& request) const;
  [[nodiscard]] std::int64_t size_of(const kernel_request& request, bool link) const;
  void remark_caches(kernel_measurement& result) const;

  session session_;
  std::vector<kernel_info> kernels_;
};

std::string opencl_device::reason_against(const known_kernel& one) {
  if (one.needs_half && session_.text(device_info::extensions).find("cl_khr_fp16") == std::string::npos) {
    return "the device computes with no halves (cl_khr_fp16)";
  }
  if (!session_.is_cpu() && one.work_group > session_.largest_group()) {
    return "it needs work-groups of " + std::to_string(one.work_group) + ", the device takes " +
           std::to_string(session_.largest_group());
  }
  try {
    (void)session_.kernel(one.program, one.program.source == streams_source     ? "sizer_read"
                                       : one.program.source == matvec_source    ? "sizer_matvec"
                                       : one.program.source == attention_source ? "sizer_attention"
                                                                                : "sizer_gemm");
    return {};
  } catch (const build_failure& failure) {
    return failure.reason;
  }
}

std::vector<device_fact> opencl_device::facts() const {
  const std::uint64_t type = session_.number(device_info::type);
  const auto megabytes = [&](std::uint32_t what) { return mib(session_.number(what)); };
  std::vector<device_fact> result{
      {"platform", shown(session_.platform_text(platform_info::name))},
      {"platform_version", shown(session_.platform_text(platform_info::version))},
      {"vendor", shown(session_.text(device_info::vendor))},
      {"driver", shown(session_.text(device_info::driver_version))},
      {"version", shown(session_.text(device_info::version))},
      {"type", (type & device_type::cpu) != 0           ? "cpu"
               : (type & device_type::gpu) != 0         ? "gpu"
               : (type & device_type::accelerator) != 0 ? "accelerator"
                                                        : "other"},
      {"compute_units", std::to_string(session_.number(device_info::compute_units))},
      {"clock_mhz", std::to_string(session_.number(device_info::clock_mhz))},
      {"memory", megabytes(device_info::memory_size)},
      {"largest_allocation", megabytes(device_info::largest_allocation)},
      {"cache", std::to_string(session_.number(device_info::cache_size) >> 10U) + " KiB"},
      {"local_memory", std::to_string(session_.number(device_info::local_memory_size) >> 10U) + " KiB"},
      {"shares_host_memory", session_.number(device_info::shares_host_memory) != 0 ? "yes" : "no"},
      {"profiling", session_.has_profiling() ? "yes" : "no"},
  };
  std::string there;
  const std::string all = " " + session_.text(device_info::extensions) + " ";
  for (const char* const one : {"cl_khr_fp16", "cl_khr_fp64", "cl_khr_subgroups", "cl_intel_subgroups",
                                "cl_khr_integer_dot_product", "cl_khr_command_buffer"}) {
    if (all.find(" " + std::string{one} + " ") != std::string::npos)
      there += (there.empty() ? "" : " ") + std::string{one};
  }
  result.push_back({"extensions", there});
  result.push_back({"compiler_flags", "-cl-std=CL1.2 -cl-mad-enable"});
  return result;
}

const known_kernel& opencl_device::found(const kernel_request& request) const {
  const std::vector<known_kernel>& all = known_kernels();
  const auto there = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == request.kernel; });
  if (there == all.end()) {
    std::vector<known_name> names;
    for (const known_kernel& one : all) names.push_back({std::string{one.name}, std::string{one.name}});
    throw unknown_name_error{"kernel", request.kernel, nearest_names(request.kernel, names)};
  }
  if (!request.variant.empty() && request.variant != variant()) {
    throw unknown_name_error{"variant", request.variant, {variant()}};
  }
  const kernel_info& info = kernels_[static_cast<std::size_t>(there - all.begin())];
  if (!info.reason.empty()) {
    throw value_error{"kernel", request.kernel, "a kernel that runs on " + name() + " (" + info.reason + ")"};
  }
  return *there;
}

std::int64_t opencl_device::size_of(const kernel_request& request, bool link) const {
  const std::int64_t largest = number(largest_working_set());
  if (number(request.working_set) != 0) {
    const std::int64_t size = number(request.working_set);
    if (size < 0 || size > largest) {
      throw value_error{"working_set", std::to_string(size) + " bytes",
                        "0 to " + std::to_string(largest) + " bytes, what one allocation of the device can hold"};
    }
    return size;
  }
  if (link) return std::min<std::int64_t>(largest, std::int64_t{256} << 20);
  const std::int64_t cache = std::min(number(last_level_cache()), largest);
  return std::min(largest, std::max(std::int64_t{1} << 30, 8 * cache));
}

void opencl_device::remark_caches(kernel_measurement& result) const {
  const auto cache = static_cast<double>(number(last_level_cache()));
  const auto size = static_cast<double>(number(result.working_set));
  if (cache <= 0) {
    result.remarks.emplace_back("the device states no cache: whether the working set is larger is not known");
    return;
  }
  const std::string stated = " the cache that the device states (" + one_decimal(cache / 1048576) + " MiB)";
  const std::string times = one_decimal(size / cache) + " times";
  result.remarks.push_back(size >= 4 * cache ? "the working set is " + times + stated
                                             : "the working set is only " + times + stated + ": caches take part");
}

kernel_measurement opencl_device::run(const kernel_request& request) {
  const known_kernel& kernel = found(request);
  if (request.threads != 0) {
    throw value_error{"threads", std::to_string(request.threads), "0: an OpenCL device has no threads to count"};
  }
  check_range("least_samples", request.least_samples, 1, 1'000'000);
  check_range("most_samples", request.most_samples, request.least_samples, 1'000'000);
  if (!(number(request.budget) >= 0)) {
    throw value_error{"budget", std::to_string(number(request.budget)) + " s", "0 s or more"};
  }
  const bool link = kernel.name == "host_to_device" || kernel.name == "device_to_host";
  run_plan plan;
  try {
    plan = kernel.plan(session_, request, size_of(request, link));
  } catch (const build_failure& failure) {
    throw value_error{"shape", "that of " + request.kernel,
                      "one that the device's compiler takes (" + failure.reason + ")"};
  }

  kernel_measurement result;
  result.kernel = request.kernel;
  result.variant = variant();
  result.working_set = make_bytes(plan.working_set);
  result.shape = plan.shape;
  result.remarks = std::move(plan.remarks);
  if (plan.caches_matter) remark_caches(result);

  // The first pass may finish the compilation and touch memory, the second tells how many make a sample.
  (void)session_.run(plan.pass, 1);
  const elapsed second = session_.run(plan.pass, 1);
  const double pass_time = std::max(second.device > 0 && !plan.host_clock ? second.device : second.host, 1e-7);
  const auto repeats =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(1.25 * least_sample / pass_time)), 1, most_repeats);
  const elapsed third = session_.run(plan.pass, repeats);
  result.discarded = 3;
  bool by_device = !plan.host_clock;
  if (by_device && !session_.has_profiling()) {
    by_device = false;
    result.remarks.emplace_back("by the host's clock: the device offers no profiling");
  } else if (by_device && !(third.device > 0)) {
    by_device = false;
    result.remarks.emplace_back("by the host's clock: the device gives no times");
  } else if (by_device && (third.device > 1.05 * third.host || third.device < 0.2 * third.host)) {
    // Some drivers count in other units than the nanoseconds of the standard.
    by_device = false;
    result.remarks.push_back("by the host's clock: the device's counts " + std::to_string(third.device) + " s for " +
                             std::to_string(third.host) + " s");
  }

  double spent = 0;
  const auto count = [&] { return static_cast<std::int32_t>(result.samples.size()); };
  while (count() < request.most_samples) {
    if (count() >= request.least_samples &&
        (spent >= number(request.budget) || relative_spread(result.samples) < request.wanted_spread)) {
      break;
    }
    const elapsed one = session_.run(plan.pass, repeats);
    spent += one.host;
    result.samples.push_back(make_seconds(by_device && one.device > 0 ? one.device : one.host));
  }
  result.moved = make_bytes(plan.moved * repeats);
  result.operations = make_flop(plan.operations * static_cast<double>(repeats));
  result.events = plan.events * repeats;
  result.largest_error = plan.verify();
  result.verified = true;
  return result;
}

}  // namespace
}  // namespace opencl
}  // namespace detail

device_list list_opencl(const std::string& library) {
  device_list result;
  for (const auto& one : detail::opencl::find_devices(*detail::opencl::open_library(library), result.reason)) {
    result.names.push_back(one.name);
  }
  return result;
}

std::unique_ptr<kernel_device> open_opencl(std::int32_t index, const std::string& library) {
  const auto opened = detail::opencl::open_library(library);
  std::string reason;
  const auto devices = detail::opencl::find_devices(*opened, reason);
  if (index < 0 || static_cast<std::size_t>(index) >= devices.size()) {
    throw value_error{"index", std::to_string(index),
                      devices.empty() ? "a device, and there is none (" + reason + ")"
                                      : "0 to " + std::to_string(devices.size() - 1)};
  }
  return std::make_unique<detail::opencl::opencl_device>(opened, devices[static_cast<std::size_t>(index)]);
}

}  // namespace v0
}  // namespace sizer
