/// @file
/// The kernels of a CUDA device: which one runs, and how its output is judged. The check follows the timing, on an
/// output that was spoiled in between.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "probe/cuda/run_checks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

void cuda_device::verify_content(const void* at, std::int64_t size, const stream_content& content,
                                 kernel_measurement& result) const {
  const std::uint64_t vectors = vectors_of(size);
  auto* const counter = counter_.as<unsigned long long>();
  fill_bytes(counter, 0, sizeof *counter);
  check(launch_check(site(), at, vectors, content, counter), "launch of check");
  unsigned long long wrong = 0;
  download(&wrong, counter, sizeof wrong);
  // The device has judged itself; some of it is looked at from here.
  for (std::uint64_t i = 0; i < 64 && wrong == 0; ++i) {
    const std::uint64_t index = sample_at(i, vectors);
    vector16 got{};
    download(&got, static_cast<const std::uint8_t*>(at) + index * sizeof got, sizeof got);
    const vector16 expected = content_at(content, index);
    wrong += std::memcmp(&got, &expected, sizeof got) != 0 ? 1u : 0u;
  }
  if (wrong != 0) {
    throw error{result.kernel + " on " + name_ + ": " + std::to_string(wrong) + " of " + std::to_string(vectors) +
                " groups of 16 bytes are wrong"};
  }
  result.verified = true;
}

void cuda_device::compare(double got, double expected, double& largest, double& error) const {
  largest = std::max(largest, std::fabs(expected));
  const double difference = std::fabs(got - expected);
  error = std::isfinite(difference) ? std::max(error, difference) : std::numeric_limits<double>::infinity();
}

void cuda_device::judge(double largest, double error_found, double tolerance, kernel_measurement& result) const {
  const double relative = largest > 0 ? error_found / largest : error_found;
  if (!(relative <= tolerance)) {
    throw error{result.kernel + " on " + name_ + ": results are wrong by " + std::to_string(relative) +
                " of the largest, " + std::to_string(tolerance) + " is allowed"};
  }
  result.largest_error = relative;
  result.verified = true;
}

kernel_measurement cuda_device::run(const kernel_request& request) {
  use();
  const std::vector<kernel_info> all = kernels();
  const auto info =
      std::find_if(all.begin(), all.end(), [&](const kernel_info& k) { return k.name == request.kernel; });
  if (info == all.end()) throw unknown_name_error{"kernel", request.kernel, near_names(all, request.kernel)};
  if (!request.variant.empty() && request.variant != info->variant) {
    throw unknown_name_error{"variant", request.variant, {info->variant}};
  }
  if (!info->reason.empty())
    throw value_error{"kernel", request.kernel, "one that " + name_ + " can run: " + info->reason};
  check_range("working_set", number(request.working_set), 0, std::numeric_limits<std::int64_t>::max(), 1);
  check_range("least_samples", request.least_samples, 1, 1'000'000, 1);
  check_range("most_samples", request.most_samples, request.least_samples, 1'000'000, 1);
  if (!(number(request.budget) >= 0)) throw value_error{"budget", std::to_string(number(request.budget)), "0 or more"};

  kernel_measurement result;
  result.kernel = request.kernel;
  result.variant = info->variant;
  const std::string& kernel = request.kernel;
  if (kernel == "read") run_read(request, result);
  if (kernel == "copy") run_copy(request, result);
  if (kernel == "write") run_write(request, result);
  if (kernel == "triad") run_triad(request, result);
  if (kernel == "latency") run_latency(request, result);
  if (kernel == "matvec_f16") run_matvec(request, result, weight_format::f16);
  if (kernel == "matvec_q8_0") run_matvec(request, result, weight_format::q8_0);
  if (kernel == "matvec_q4_0") run_matvec(request, result, weight_format::q4_0);
  if (kernel == "matvec_q4_k") run_matvec(request, result, weight_format::q4_k);
  if (kernel == "attention_f16") run_attention(request, result, cache_format::f16);
  if (kernel == "attention_q8_0") run_attention(request, result, cache_format::q8_0);
  if (kernel == "gemm_f32") run_gemm(request, result, gemm_type::f32);
  if (kernel == "gemm_f16") run_gemm(request, result, gemm_type::f16);
  if (kernel == "gemm_bf16") run_gemm(request, result, gemm_type::bf16);
  if (kernel == "gemm_fp8") run_gemm(request, result, gemm_type::fp8);
  if (kernel == "gemm_int8") run_gemm(request, result, gemm_type::int8);
  if (kernel == "launch") run_launch(request, result, false);
  if (kernel == "graph_launch") run_launch(request, result, true);
  if (kernel == "host_to_device") run_link(request, result, true);
  if (kernel == "device_to_host") run_link(request, result, false);
  if (kernel == "peer") run_peer(request, result);
  if (integrated_) result.remarks.emplace_back("the device's memory is the host's");
  return result;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
