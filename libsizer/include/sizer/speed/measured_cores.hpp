#pragma once
/// @file
/// Decode on a device whose kernels were measured on the very machine.
///
/// CPU:  every number format at the rate of its own kernel x the engine's share of that rate (engine_efficiency.hpp),
///       attention at the time of the loop without tiles likewise, layers by the time that the threads need to meet.
/// GPU:  reading at the measured bandwidth, no format faster than its kernel, and the rest by the class.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/speed/attention_row.hpp>
#include <sizer/speed/decode_work.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/engine_efficiency.hpp>
#include <sizer/speed/share.hpp>
#include <sizer/speed/weight_format.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// The kernel that stands for a number format, and the format's own type: formats without a kernel are unpacked like
/// the one named, so many weights a second.
struct format_kernel {
  ggml_type kernel;
  ggml_type own;
};
constexpr format_kernel kernel_of(weight_format format) noexcept {
  using t = ggml_type;
  switch (format) {
    case weight_format::f32: return {t::f16, t::f32};
    case weight_format::f16: return {t::f16, t::f16};
    case weight_format::bf16:
    case weight_format::bf16_experts: return {t::f16, t::bf16};
    case weight_format::q8_0:
    case weight_format::packed: return {t::q8_0, t::q8_0};
    case weight_format::q4_0: return {t::q4_0, t::q4_0};
    case weight_format::q2_k: return {t::q4_k, t::q2_k};
    case weight_format::q3_k: return {t::q4_k, t::q3_k};
    case weight_format::q4_k: return {t::q4_k, t::q4_k};
    case weight_format::q5_k: return {t::q4_k, t::q5_k};
    case weight_format::q6_k: return {t::q4_k, t::q6_k};
    case weight_format::iq4: return {t::q4_0, t::iq4_xs};
    case weight_format::iq_small: return {t::q4_k, t::iq3_xxs};
    case weight_format::mxfp4: return {t::q4_0, t::mxfp4};
    case weight_format::nvfp4: return {t::q4_0, t::nvfp4};
  }
  return {t::f16, t::f16};
}

inline const measured_rate* find_rate(const std::vector<measured_rate>& rates, ggml_type type) noexcept {
  for (const measured_rate& one : rates) {
    if (one.type == type) return &one;
  }
  return nullptr;
}

/// Bytes of a format that its kernel works through in a second; never more than plain reading gives. 0: not measured.
inline double kernel_rate(const measured_rates& measured, weight_format format) noexcept {
  const format_kernel by = kernel_of(format);
  const measured_rate* const rate = find_rate(measured.weights, by.kernel);
  if (rate == nullptr) return 0.0;
  const double weights = number(rate->rate.value) / bits_per_weight(by.kernel);
  const double bytes_rate = weights * bits_per_weight(by.own);
  return measured.read ? std::min(bytes_rate, number(measured.read->value)) : bytes_rate;
}

/// The engine's shares were fitted on a llama.cpp built for a processor with AVX512-FP16 and AMX. On the same processor
/// a build for AVX2 alone decoded 0.58 to 1.44 times as fast as they say (12 runs of one shape, 2026-11-21): the
/// interval where the processor is another.
inline constexpr std::int32_t fitted_vector_halves = 32;
inline constexpr double other_build_low = 0.58;
inline constexpr double other_build_high = 1.44;

/// Whether a processor's kernels stand behind its estimates. The shares of their rates are llama.cpp's; of other
/// engines nothing is known but the class.
inline bool uses_shares(const measured_rates& measured, const engine& runtime) noexcept {
  return runtime.is_llama_cpp() && measured.read && !measured.weights.empty();
}

/// What the threads of a processor reached, where the engine's shares of it are known; else null.
inline const measured_rates* measured_cores(const device& target, const engine& runtime) noexcept {
  if (target.backend != backend::cpu) return nullptr;
  const measured_rates* const measured = measured_with(target, cpu_threads(runtime));
  return measured != nullptr && uses_shares(*measured, runtime) ? measured : nullptr;
}

/// Weights, cache and layers of a decode step on measured cores. Nothing in them is fitted but the engine's shares.
inline void add_measured_shares(speed_shares& shares, const decode_work& work, const device& target,
                                const measured_rates& measured, const engine& runtime, const architecture& model) {
  const engine_efficiency& share = llama_cpp_efficiency;
  const double reachable = number(rates_of(target, measured.threads).reachable);
  const auto add = [&](std::string_view name, bound_kind bound, speed_part part, double amount) {
    shares.push_back({name, bound, part, share_kind::scale, share_overlap::none, amount, {}});
  };
  for (std::size_t f = 0; f < n_weight_formats; ++f) {
    const double rate = kernel_rate(measured, static_cast<weight_format>(f)) * share.weights[f];
    const double bytes_read = number(work.matrices[f]) + number(work.experts[f]);
    add("weights", bound_kind::memory, speed_part::weights,
        bytes_read / (rate > 0.0 ? std::min(rate, reachable) : reachable));
  }
  add("kv cache", bound_kind::memory, speed_part::cache,
      (number(work.kv_cache) + number(work.latent_cache)) / reachable);
  if (const std::optional<seconds> row = engine_row_time(measured, reachable, runtime, model)) {
    add("attention", bound_kind::compute, speed_part::attention, work.attention_rows * number(*row));
  }
  const double meeting = measured.barrier && measured.threads > 1 ? number(measured.barrier->value) : 0.0;
  add("layers", bound_kind::latency, speed_part::latency, work.layers * (share.layer + share.barriers * meeting));
}

/// The interval around decode on measured cores: as wide as another build of the engine was off, where the processor is
/// not like the one that the shares were fitted on.
inline interval measured_interval(const measured_rates& measured) noexcept {
  if (measured.vector_halves == fitted_vector_halves) return {llama_cpp_efficiency.low, llama_cpp_efficiency.high};
  return {other_build_low, other_build_high};
}

/// Bytes of a format that the kernels of a measured card work through in a second; 0: not measured.
inline double card_rate(const device& target, weight_format format) noexcept {
  if (target.backend == backend::cpu) return 0.0;
  const measured_rates* const measured = measured_with(target, 0);
  return measured != nullptr ? kernel_rate(*measured, format) : 0.0;
}

}  // namespace detail

/// A measurement that an estimate rests on.
struct used_measurement {
  std::string what;  ///< "weights in Q4_K", "attention over F16"
  std::string from;  ///< rate and how it was measured, as the profile states it
  friend bool operator==(const used_measurement&, const used_measurement&) = default;
};

namespace detail {

/// "21.3 GB/s (matvec_q4_k avx512, 2 threads, ...)"
inline std::string rate_text(double per_second, std::string_view unit, const std::string& note) {
  const auto tenths = static_cast<long long>(per_second / 1e8 + 0.5);
  // cppcheck-suppress ignoredReturnValue
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + std::string{unit} +
         (note.empty() ? std::string{} : " (" + note + ")");
}

/// "41.3 ns for a query head and cached token (attention_by_row_f16 avx512, 2 threads, ...)"
inline std::string time_text(double each, const std::string& note) {
  const auto tenths = static_cast<long long>(each * 1e10 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ns for a query head and cached token" +
         (note.empty() ? std::string{} : " (" + note + ")");
}

}  // namespace detail

/// The measurements behind the decode of these weights on that device; empty when it was not measured.
[[nodiscard]] inline std::vector<used_measurement> measurements_behind(const device& target, const engine& runtime,
                                                                       const weights_by_type& weights) {
  std::vector<used_measurement> used;
  const measured_rates* const measured = measured_with(target, cpu_threads(runtime));
  if (measured == nullptr) return used;
  const auto add = [&](std::string what, const sourced<bytes_per_second>& figure) {
    used.push_back({std::move(what), detail::rate_text(number(figure.value), "GB/s", figure.note)});
  };
  if (measured->read) add("memory bandwidth", *measured->read);
  const bool by_kernels = target.backend != backend::cpu || detail::uses_shares(*measured, runtime);
  for (const ggml_type_info& type : ggml_types) {
    if (!by_kernels) break;
    const auto i = static_cast<std::size_t>(type.type);
    if (weights.read_by_type[i] == make_bytes(0) && weights.routed_by_type[i] == make_bytes(0)) continue;
    if (type.type == ggml_type::f32) continue;  // norms, a thousandth of a model
    const detail::format_kernel by = detail::kernel_of(format_of(type.type));
    const measured_rate* const rate = detail::find_rate(measured->weights, by.kernel);
    if (rate == nullptr) continue;
    std::string what = "weights in " + std::string{type.name};
    if (by.kernel != type.type) what += ", unpacked like " + std::string{to_string(by.kernel)};
    add(std::move(what), rate->rate);
  }
  for (const measured_row& row : measured->attention_rows) {
    if (!by_kernels || row.type != runtime.llama_cpp.type_k) continue;
    used.push_back({"attention over " + std::string{to_string(row.type)} + ", " + std::to_string(row.kv_heads) +
                        " heads of " + std::to_string(row.head_dim) + ", group " + std::to_string(row.group),
                    detail::time_text(number(row.time.value), row.time.note)});
  }
  if (target.backend == backend::cpu && measured->matrix.fp32) {
    used.push_back(
        {"prefill", detail::rate_text(number(measured->matrix.fp32->value), "GFLOPS", measured->matrix.fp32->note)});
  }
  return used;
}

}  // namespace v0
}  // namespace sizer
