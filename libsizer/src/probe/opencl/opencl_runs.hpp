#pragma once
/// @file
/// What one pass of each kernel is on an OpenCL device, and how its results are checked.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/probe/kernels.hpp>

#include "opencl_session.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

struct run_plan {
  std::vector<command> pass;
  std::int64_t working_set = 0;
  kernel_shape shape;
  std::int64_t moved = 0;  ///< this and the next two: in one pass
  double operations = 0;
  std::int64_t events = 0;
  bool host_clock = false;     ///< the host's part is what is measured
  bool caches_matter = false;  ///< whether the working set has to be larger than the caches
  /// Largest error relative to the largest result. @throws error when it is more than rounding
  std::function<double()> verify;
  std::vector<std::string> remarks;
};

/// @param size  of the working set in bytes, never 0
using planner = run_plan (*)(session& on, const kernel_request& request, std::int64_t size);

struct known_kernel {
  std::string_view name;
  program_key program;  ///< of the default shape; no source: none is needed
  planner plan;
  std::uint64_t work_group = 1;  ///< work-items of a group, on a GPU
  bool needs_half = false;       ///< arithmetic with halves: cl_khr_fp16
};

[[nodiscard]] const std::vector<known_kernel>& known_kernels();

// The families.
[[nodiscard]] run_plan plan_read(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_copy(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_write(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_triad(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_launch(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_host_to_device(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_device_to_host(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_matvec(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_attention(session& on, const kernel_request& request, std::int64_t size);
[[nodiscard]] run_plan plan_gemm(session& on, const kernel_request& request, std::int64_t size);

[[nodiscard]] program_key matvec_program(format of);
[[nodiscard]] program_key attention_program(format of, const kernel_shape& shape);
[[nodiscard]] program_key gemm_program(bool halves);
/// `shape` with the defaults of attention for what is 0.
[[nodiscard]] kernel_shape attention_shape(kernel_shape shape);

/// Results against their reference.
class comparison {
 public:
  void add(double got, double want);
  /// The largest error relative to the largest reference.
  /// @throws error when that is more than `allowed`
  [[nodiscard]] double checked(const session& on, const std::string& kernel, double allowed) const;

 private:
  double largest_ = 0;
  double difference_ = 0;
};

[[noreturn]] void refuse_results(const session& on, const std::string& kernel, const std::string& problem);

/// @throws value_error when `value` is not in the range, or no multiple of `step`
void check_range(const char* field, std::int64_t value, std::int64_t least, std::int64_t most, std::int64_t step = 1);

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
