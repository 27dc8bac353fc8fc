#pragma once
/// @file
/// The 80 % interval around a speed: how far speeds of that kind were off when the fit had not seen them.
///
/// The spread of log(measured / predicted) is exp(sum of weights x features): wider on processors, with depth, for
/// mixtures of experts, for classes that nobody measured. The ends are quantiles of residuals over their spread
/// (conformal prediction with a learned scale; Lei et al., JASA 113, 2018), of rows held out by device and by model.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/factor.hpp>
#include <sizer/speed/fitted_intervals.hpp>
#include <sizer/speed/measured_cores.hpp>
#include <sizer/speed/share.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// What an interval depends on.
struct interval_question {
  speed_test test = speed_test::decode;
  speed_context context;
  bool moe = false;
  double depth = 0;
  double batch = 1;
  double devices = 1;
  double rare_formats = 0;  ///< share of the weights in formats with few measurements
  bool latent = false;
};

/// Share of the weights in formats that few measured files have.
[[nodiscard]] inline double rare_share(const weights_by_type& weights) {
  double rare = 0.0;
  double all = 0.0;
  for (const ggml_type_info& type : ggml_types) {
    const auto i = static_cast<std::size_t>(type.type);
    const double amount = real(weights.read_by_type[i]).value() + real(weights.routed_by_type[i]).value();
    all += amount;
    switch (format_of(type.type)) {
      case weight_format::f16:
      case weight_format::bf16:
      case weight_format::bf16_experts:
      case weight_format::q2_k:
      case weight_format::q3_k:
      case weight_format::iq4:
      case weight_format::iq_small: rare += amount; break;
      default: break;
    }
  }
  return all > 0.0 ? rare / all : 0.0;
}

[[nodiscard]] inline bool has_latent_attention(const architecture& model) noexcept {
  return model.shape.latent.has_value();
}

/// How many different devices of the class, on the backend, stand behind the levels. 0: none was measured.
[[nodiscard]] inline std::int32_t n_measured_devices(speed_test test, backend where, device_class what) noexcept {
  for (const measured_class& one : fitted_classes) {
    if (one.test == test && one.where == where && one.what == what) return one.n_devices;
  }
  return 0;
}

/// Whether somebody measured a device of the class.
[[nodiscard]] inline bool is_measured(const interval_question& asked) noexcept {
  return n_measured_devices(asked.test, asked.context.where, asked.context.what) > 0;
}

/// @param n_devices  measured devices of the class that the levels rest on
[[nodiscard]] inline std::array<double, n_interval_features> interval_features(const interval_question& asked,
                                                                               std::int32_t n_devices) {
  const speed_context& c = asked.context;
  const backend where = c.where;
  const bool other = where != backend::cpu && where != backend::vulkan && where != backend::metal &&
                     where != backend::rocm && where != backend::cuda;
  const auto flag = [](bool yes) { return yes ? 1.0 : 0.0; };
  const bool server = c.kernels == kernel_family::server;
  return {1.0,
          flag(where == backend::cpu),
          flag(where == backend::vulkan),
          flag(where == backend::metal),
          flag(where == backend::rocm),
          flag(other),
          flag(asked.moe),
          std::log2(1.0 + asked.depth / 4096.0),
          flag(n_devices == 0),
          asked.rare_formats,
          flag(asked.latent),
          flag(c.old_build),
          flag(c.middle_build()),
          flag(c.kernels != kernel_family::llama_cpp),
          flag(asked.batch > 1.0 && !server),
          flag(asked.batch > 1.0 && server),
          flag(asked.devices > 1.0 && !c.old_build),
          flag(asked.devices > 1.0 && c.old_build),
          flag(!c.flash_attention)};
}

/// Whether runs with an engine of that name say something about this one: their kernels are the same. An engine that
/// nobody named is any.
[[nodiscard]] inline bool is_calibration_for(std::string_view calibrated, const engine& runtime) noexcept {
  if (calibrated.empty()) return true;
  kernel_family kernels = kernel_family::llama_cpp;
  if (calibrated == "vllm" || calibrated == "tensorrt-llm" || calibrated == "deepspeed" || calibrated == "sglang") {
    kernels = kernel_family::server;
  } else if (calibrated == to_string(engine_kind::mlx)) {
    kernels = kernel_family::mlx;
  }
  return kernels == kernels_of(runtime.kind);
}

/// What runs of the device with the kernels of that engine taught; null without any.
[[nodiscard]] inline const machine_calibration* calibration_of(const device& target, const engine& runtime) noexcept {
  return target.calibration && is_calibration_for(target.calibration->engine, runtime) ? &*target.calibration : nullptr;
}

/// Ends of the interval as factors of the point. A machine's own calibration and measured cores come first.
[[nodiscard]] inline detail::interval interval_of(const interval_question& asked, const device& target,
                                                  const engine& runtime) {
  const bool decode = asked.test == speed_test::decode;
  if (const machine_calibration* own = calibration_of(target, runtime)) {
    const double low = decode ? own->decode_low : own->prefill_low;
    const double high = decode ? own->decode_high : own->prefill_high;
    if (low > 0.0 && high > 0.0) return {low, high};
  }
  if (decode) {
    if (const measured_rates* measured = detail::measured_cores(target, runtime)) {
      return detail::measured_interval(*measured);
    }
  }
  const interval_scale& fitted = decode ? fitted_decode_interval : fitted_prefill_interval;
  const std::array<double, n_interval_features> features =
      interval_features(asked, n_measured_devices(asked.test, asked.context.where, asked.context.what));
  double sum = 0.0;
  for (std::size_t i = 0; i < n_interval_features; ++i) sum += features[i] * fitted.weights[i];
  const double scale = std::exp(sum);
  return {std::exp(std::min(fitted.low * scale, -narrowest_interval)),
          std::exp(std::max(fitted.high * scale, narrowest_interval))};
}

}  // namespace v0
}  // namespace sizer
