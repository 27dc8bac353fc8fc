#pragma once
/// @file
/// The rates of a device that the speed model divides by.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include <sizer/hardware/generation.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

struct device_rates {
  bytes_per_second spec{};       ///< as sold; the ceiling is made with it
  bytes_per_second reachable{};  ///< what reading reaches on such memory; the fitted excesses are measured against it
  std::optional<flop_per_second> vector;   ///< FP32 shader rate as the sheet states it; empty: unknown, or a CPU
  std::optional<flop_per_second> integer;  ///< rate at which quantised weights are unpacked; a CPU's FP32 rate
  flop_per_second matrix{};                ///< dense 16-bit rate with the sums that the fastest kernels use
  flop_per_second packed{};                ///< FP16 on the shaders, and what AMD's attention and Vulkan reach
  flop_per_second peak{};                  ///< largest known dense rate; the prefill ceiling is made with it
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

/// Share of the spec bandwidth that reading reaches, near the medians of the read and copy tests in data/hardware by
/// maker and kind of memory (GDDR6X 0.93, GDDR6 0.90, GDDR7 0.94, HBM2 and HBM2e 0.91, HBM3e 0.84, LPDDR5X of GB10 0.85
/// and of Strix Halo 0.84, Apple 0.86, RDNA 0.85, MI210 to MI250X 0.81, MI355X 0.61); one measured device stands behind
/// some of them.
inline double reached_share(const device& target) noexcept {
  const std::string& type = target.memory.type;
  switch (target.device_class) {
    case device_class::nvidia_unified:
    case device_class::nvidia_jetson: return 0.85;
    case device_class::nvidia_consumer:
    case device_class::nvidia_workstation:
    case device_class::nvidia_datacenter:
    case device_class::nvidia_legacy:
      if (type.starts_with("GDDR6X") || type.starts_with("GDDR7")) return 0.93;
      if (type.starts_with("HBM3")) return 0.84;
      if (type.find("ECC") != std::string::npos || type.starts_with("GDDR5")) return 0.85;
      return 0.9;
    case device_class::apple_base:
    case device_class::apple_pro:
    case device_class::apple_max:
    case device_class::apple_ultra: return 0.88;
    case device_class::amd_strix_halo:
    case device_class::amd_apu: return 0.84;
    case device_class::amd_cdna: return type.starts_with("HBM3") ? 0.65 : 0.83;
    case device_class::amd_rdna:
    case device_class::amd_gcn:
    case device_class::intel_arc:
    case device_class::intel_datacenter:
    case device_class::intel_igpu: return 0.83;
    default: return 0.85;
  }
}

/// Generations with two FP32 pipes of which one has no integer twin (NVIDIA GA10x whitepaper).
constexpr bool counts_double(generation made) noexcept {
  return made == generation::ampere || made == generation::ada || made == generation::hopper ||
         made == generation::blackwell || made == generation::gb10;
}

/// Share of the sheet that measured dense products reach on devices that are fed well (A100: 271 of 312 TFLOPS; Stas
/// Bekman, ml-engineering, maximum achievable matmul FLOPS).
inline constexpr double fed_matrix_share = 0.87;
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
    rates.packed = rates.matrix;
    rates.integer = rates.matrix;
    return rates;
  }
  if (cpu) {
    const double share = target.memory.unified ? detail::cpu_share_of_gpu_bus : detail::cpu_share_of_bus;
    const double reachable =
        target.memory.bandwidth_measured ? number(target.memory.bandwidth_measured->value) : share * spec;
    rates.reachable = make_bytes_per_second(std::min(reachable, spec));
    const double matrix =
        compute.fp32 ? number(compute.fp32->value) : detail::cpu_flop_per_byte * number(rates.reachable);
    rates.matrix = make_flop_per_second(matrix);
    rates.packed = rates.matrix;
    rates.integer = rates.matrix;
    rates.matrix_assumed = !compute.fp32.has_value();
    const double sheet =
        std::max({detail::cpu_peak_over_fp32 * value(compute.fp32), value(compute.bf16), value(compute.int8)});
    rates.peak = make_flop_per_second(compute.fp32 ? sheet : detail::cpu_peak_over_assumed * matrix);
    return rates;
  }

  const measured_rates* const card = measured_with(target, n_threads);
  const double reached =
      card != nullptr && card->read ? number(card->read->value) : detail::reached_share(target) * spec;
  rates.reachable = make_bytes_per_second(std::min(reached, spec));
  const generation made = generation_of(target);
  const double fp32 = value(compute.fp32);
  if (fp32 > 0.0) {
    rates.vector = compute.fp32->value;
    // CUDA's kernels unpack with integers, Vulkan's with floats; the A100's lanes are counted once.
    const bool hbm = target.memory.type.starts_with("HBM");
    const bool twice =
        target.backend == backend::cuda && detail::counts_double(made) && !(made == generation::ampere && hbm);
    rates.integer = make_flop_per_second(fp32 / (twice ? 2.0 : 1.0));
  }
  double matrix = std::max(value(compute.fp16), value(compute.bf16));
  if (made == generation::pascal) matrix = 4.0 * fp32;  // four 8-bit products where FP32 has one (DP4A)
  if (matrix <= 0.0) matrix = 2.0 * fp32;
  rates.matrix_assumed = matrix <= 0.0;
  if (matrix <= 0.0) matrix = detail::gpu_flop_per_byte * spec;
  const double measured_matrix = value(compute.bf16_measured);
  const double best = measured_matrix > 0.0 ? std::min(matrix, measured_matrix / detail::fed_matrix_share) : matrix;
  rates.matrix = make_flop_per_second(best);
  rates.packed = make_flop_per_second(fp32 > 0.0 ? std::min(2.0 * fp32, best) : best);
  rates.peak = make_flop_per_second(
      std::max({matrix, value(compute.fp16), value(compute.fp8), value(compute.int8), value(compute.fp4), fp32}));
  return rates;
}

}  // namespace v0
}  // namespace sizer
