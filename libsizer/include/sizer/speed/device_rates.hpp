#pragma once
/// @file
/// The rates of a device that the speed model divides by.

#include <algorithm>
#include <optional>

#include <sizer/hardware/machine.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

struct device_rates {
  bytes_per_second spec{};       ///< as sold; the ceiling is made with it
  bytes_per_second reachable{};  ///< what the fitted excesses are measured against
  std::optional<flop_per_second>
      vector;                ///< FP32 shader rate; empty: unknown, or a CPU (its kernels use integer units)
  flop_per_second matrix{};  ///< dense 16-bit matrix rate with FP32 sums
  flop_per_second peak{};    ///< largest known dense rate of 8 bits or more; the prefill ceiling is made with it
  bool matrix_assumed = false;
};

namespace detail {
/// Share of the spec bandwidth that CPU cores read: 0.52 to 0.90, median 0.75, of the tests in the project's hardware
/// notes, section 3 (colibri #537, memtest86+ #557, ktransformers #587 and #2175, FluidX3D).
inline constexpr double cpu_share_of_bus = 0.75;
/// The same on a package whose bus is made for its GPU: 0.25 (M2 Max, ik_llama.cpp discussion 164) to 0.46 (Strix Halo,
/// strix-halo-testing); assumed.
inline constexpr double cpu_share_of_gpu_bus = 0.35;
/// Operations per byte of spec bandwidth where a sheet gives no rate; assumed. GPUs of the catalogue: 70 to 700 (16-bit
/// matrix); CPUs: 20.
inline constexpr double gpu_flop_per_byte = 100.0;
inline constexpr double cpu_flop_per_byte = 20.0;
/// A CPU's ceiling: 8-bit dot products do four operations where FP32 does one (AVX-VNNI, Arm i8mm); without a sheet
/// rate ten times the assumed rate, because 480 tokens/s of a 3B-active model were measured on a Ryzen 9 7950X
/// (ik_llama.cpp discussion 164), 3 TFLOPS on 72 GB/s.
inline constexpr double cpu_peak_over_fp32 = 4.0;
inline constexpr double cpu_peak_over_assumed = 10.0;
/// A measured CPU's ceiling above the fastest rate that one of the project's kernels reached on it: assumed. What a
/// kernel reaches is less than what the processor can do, and by how much was not measured; a ceiling has to lie above
/// both.
inline constexpr double cpu_peak_over_kernel = 1.1;
}  // namespace detail

/// What was measured with that many threads, or with the next smaller number; 0 threads: with the most. Null when
/// nothing was measured.
[[nodiscard]] inline const measured_rates* measured_with(const device& target, std::int64_t n_threads) noexcept {
  const measured_rates* found = nullptr;
  for (const measured_rates& one : target.measured) {
    if (found == nullptr || n_threads == 0 || one.threads <= n_threads) found = &one;
  }
  return found;
}

/// Operations that the attention kernel made a second over a cache of that type: each key or value element takes part
/// in one multiplication and one addition for every query head that shares it. Empty when it was not measured.
[[nodiscard]] inline std::optional<flop_per_second> measured_attention(const measured_rates& measured,
                                                                       ggml_type type) noexcept {
  for (const measured_rate& one : measured.kv_cache) {
    if (one.type != type) continue;
    const double elements = number(one.rate.value) * 8.0 / bits_per_weight(type);
    return make_flop_per_second(2.0 * elements * measured.query_group);
  }
  return std::nullopt;
}

/// @param n_threads  CPU threads, where they were measured; 0: as many as were
[[nodiscard]] inline device_rates rates_of(const device& target, std::int64_t n_threads = 0) {
  device_rates rates;
  const double spec = number(target.memory.bandwidth_spec.value);
  rates.spec = target.memory.bandwidth_spec.value;
  rates.reachable = rates.spec;
  const auto value = [](const std::optional<sourced<flop_per_second>>& rate) {
    return rate ? number(rate->value) : 0.0;
  };
  const compute_rates& compute = target.compute;
  const bool cpu = target.backend == backend::cpu;
  const measured_rates* const measured = cpu ? measured_with(target, n_threads) : nullptr;
  if (measured != nullptr && measured->read) {
    rates.reachable = make_bytes_per_second(std::min(number(measured->read->value), spec));
    const double fp32 = value(measured->matrix.fp32);
    const double fastest = std::max({fp32, value(measured->matrix.bf16), value(measured->matrix.int8)});
    rates.matrix_assumed = fp32 <= 0.0;
    rates.matrix = make_flop_per_second(fp32 > 0.0 ? fp32 : detail::cpu_flop_per_byte * number(rates.reachable));
    const double peak = std::max(fastest, detail::cpu_peak_over_fp32 * number(rates.matrix));
    rates.peak = make_flop_per_second(detail::cpu_peak_over_kernel * peak);
    return rates;
  }
  if (cpu) {
    const double share = target.memory.unified ? detail::cpu_share_of_gpu_bus : detail::cpu_share_of_bus;
    const double reachable =
        target.memory.bandwidth_measured ? number(target.memory.bandwidth_measured->value) : share * spec;
    rates.reachable = make_bytes_per_second(std::min(reachable, spec));
  } else if (compute.fp32) {
    rates.vector = compute.fp32->value;
  }
  double matrix = value(compute.bf16);
  if (cpu) {
    matrix = compute.fp32 ? number(compute.fp32->value) : detail::cpu_flop_per_byte * number(rates.reachable);
  } else if (matrix <= 0.0) {
    // Without a BF16 rate: FP16, which GeForce cards halve when the sums are FP32 (NVIDIA whitepapers), or the shaders.
    const double fp16 = value(compute.fp16) * (target.device_class == device_class::nvidia_consumer ? 0.5 : 1.0);
    matrix = std::max(fp16, value(compute.fp32));
  }
  rates.matrix_assumed = cpu ? !compute.fp32.has_value() : matrix <= 0.0;
  if (matrix <= 0.0) matrix = detail::gpu_flop_per_byte * spec;
  rates.matrix = make_flop_per_second(matrix);
  if (cpu) {
    const double sheet =
        std::max({detail::cpu_peak_over_fp32 * value(compute.fp32), value(compute.bf16), value(compute.int8)});
    rates.peak = make_flop_per_second(compute.fp32 ? sheet : detail::cpu_peak_over_assumed * matrix);
    return rates;
  }
  rates.peak = make_flop_per_second(
      std::max({matrix, value(compute.fp16), value(compute.fp8), value(compute.int8), value(compute.fp32)}));
  return rates;
}

}  // namespace v0
}  // namespace sizer
