#pragma once
/// @file
/// Time of one prefill. The equation is in speed/parameters.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/parameters.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/speed/work.hpp>
#include <sizer/units.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

/// Times that parameters multiply: each part of the work at full speed (seconds), and counts of what has a fixed cost.
struct prefill_shares {
  per_format<double> matrices{};
  per_format<double> routed{};
  double small_experts = 0, attention = 0, latent_attention = 0, streamed = 0;  ///< s
  double layer_passes = 0, recurrent_tokens = 0;
};

[[nodiscard]] inline prefill_shares shares_of(const prefill_work& work, const device_rates& rates) {
  prefill_shares at;
  const double matrix = number(rates.matrix);
  for (std::size_t f = 0; f < n_weight_formats; ++f) {
    at.matrices[f] = number(work.matrices[f]) / matrix;
    at.routed[f] = number(work.routed[f]) / matrix;
  }
  at.small_experts = number(work.small_experts) / matrix;
  at.attention = number(work.attention) / matrix;
  at.latent_attention = number(work.latent_attention) / matrix;
  at.streamed = number(work.streamed) / number(rates.reachable);
  at.layer_passes = work.layer_passes;
  at.recurrent_tokens = work.recurrent_tokens;
  return at;
}

namespace detail {

/// Share of the ideal pipeline that llama.cpp reaches over several cards: the median over the 29 pairs of 512 and 4096
/// tokens in data/measurements/speed.csv, which spread from 0 (70B in Q4_K_M on two to four cards) to 0.9 (8B).
inline constexpr double pipeline_gain = 0.44;

/// Devices that work on a prefill at the same time, on average. A tensor split: all. A layer split: one, except that
/// CUDA and ROCm pass the ubatches of one logical batch down the line of devices, which ideally keeps devices x
/// ubatches / (ubatches + devices - 1) of them busy.
inline double prefill_concurrency(const device& target, const engine& runtime, double ubatches) noexcept {
  const double count = static_cast<double>(std::max(target.count, 1));
  if (!runtime.is_llama_cpp()) return count;
  if (count <= 1.0 || ubatches <= 1.0 || (target.backend != backend::cuda && target.backend != backend::rocm))
    return 1.0;
  const double in_batch = static_cast<double>(std::max<std::int64_t>(1, runtime.llama_cpp.n_batch)) /
                          static_cast<double>(std::max<std::int64_t>(1, runtime.llama_cpp.n_ubatch));
  const double in_flight = std::clamp(ubatches, 1.0, std::max(1.0, in_batch));
  const double ideal = count * in_flight / (in_flight + count - 1.0);
  return 1.0 + pipeline_gain * (ideal - 1.0);
}

}  // namespace detail

/// Speed of the prefill of workload.prompt_tokens tokens of one sequence that has workload.depth tokens cached.
[[nodiscard]] inline rate_estimate estimate_prefill(const architecture& model, const weights_by_type& weights,
                                                    const machine& where, const engine& runtime,
                                                    const workload& request, const speed_parameters& p) {
  if (where.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
  const device& target = where.devices.front();
  const device_rates rates = rates_of(target, cpu_threads(runtime));
  const auto n = static_cast<double>(request.prompt_tokens);
  const prefill_work work =
      prefill_work_of(model, weights, n, static_cast<double>(request.depth), prefill_step(runtime));
  const prefill_shares at = shares_of(work, rates);

  const double count = static_cast<double>(std::max(target.count, 1));
  const double devices = detail::prefill_concurrency(target, runtime, work.ubatches);

  double matrices = at.small_experts * p.small_expert;
  for (std::size_t f = 0; f < n_weight_formats; ++f) {
    const double factor = std::max(p.gemm[f], 1.0);
    matrices += factor * (at.matrices[f] + at.routed[f] * std::max(p.routed_gemm, 1.0 / factor));
  }
  const auto term = [devices](std::string_view name, double time, bound_kind kind) {
    return time_term{name, make_seconds(time / devices), kind};
  };
  std::vector<time_term> terms;
  terms.reserve(8);
  const auto add = [&terms](const time_term& one) {
    if (number(one.time) > 0.0) terms.push_back(one);
  };
  add(term("matrices", matrices, bound_kind::compute));
  add(term("attention", at.attention * p.prefill_attention + at.latent_attention * p.prefill_latent_attention,
           bound_kind::compute));
  add(term("recurrence", at.recurrent_tokens * number(p.recurrent_token), bound_kind::compute));
  add(term("weights", at.streamed * (1.0 + detail::at_least_zero(p.stream_excess)), bound_kind::memory));
  add(term("layers", at.layer_passes * number(p.prefill_layer), bound_kind::latency));
  const double columns = work.ubatches > 0.0 ? n / work.ubatches : 0.0;
  add({"devices", make_seconds(work.ubatches * detail::link_time(where, target, runtime, p, model, columns)),
       bound_kind::link});

  double operations = number(work.attention) + number(work.latent_attention);
  for (std::size_t f = 0; f < n_weight_formats; ++f) operations += number(work.matrices[f]) + number(work.routed[f]);
  // Each device can at best work at its peak; the weights are read at least once.
  const double first_pass = work.ubatches > 0.0 ? number(work.streamed) / work.ubatches / number(rates.spec) : 0.0;
  const double least = std::max(operations / number(rates.peak), first_pass) / count;
  const detail::interval band =
      detail::widened({p.prefill_low, p.prefill_high}, detail::several_devices_prefill, target.count);
  return detail::finish(std::move(terms), n, least, band.low, band.high, p.n_prefill_rows == 0);
}

}  // namespace v0
}  // namespace sizer
