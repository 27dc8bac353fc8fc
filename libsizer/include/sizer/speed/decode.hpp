#pragma once
/// @file
/// Time of one decode step. The equation is in speed/parameters.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/parameters.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/speed/work.hpp>
#include <sizer/units.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

/// Times that parameters multiply: each part of the work at full speed (seconds), and counts of what has a fixed cost.
struct decode_shares {
  per_format<double> weights{};
  per_format<double> arithmetic{};
  double kv = 0, latent = 0, state = 0, attention = 0, latent_attention = 0, batch = 0;  ///< s
  double attention_rows = 0, layers = 0, moe_layers = 0, recurrent_layers = 0;
};

[[nodiscard]] inline decode_shares shares_of(const decode_work& work, const device_rates& rates) {
  decode_shares at;
  const double bandwidth = number(rates.reachable);
  const double vector = rates.vector ? number(*rates.vector) : 0.0;
  const auto operations = [vector](const flop& amount) { return vector > 0.0 ? number(amount) / vector : 0.0; };
  for (std::size_t f = 0; f < n_weight_formats; ++f) {
    at.weights[f] = number(work.weights[f]) / bandwidth;
    at.arithmetic[f] = operations(work.weight_arithmetic[f]);
  }
  at.kv = number(work.kv_cache) / bandwidth;
  at.latent = number(work.latent_cache) / bandwidth;
  at.state = number(work.state) / bandwidth;
  at.attention = operations(work.attention);
  at.latent_attention = operations(work.latent_attention);
  at.batch = number(work.batch) / number(rates.matrix);
  at.attention_rows = work.attention_rows;
  at.layers = work.layers;
  at.moe_layers = work.moe_layers;
  at.recurrent_layers = work.recurrent_layers;
  return at;
}

namespace detail {

/// Turns terms into a rate with interval, ceiling and bound.
inline rate_estimate finish(std::vector<time_term> terms, double produced, double least_time, double low, double high,
                            bool assumed) {
  rate_estimate result;
  double time = 0.0;
  for (const time_term& term : terms) time += number(term.time);
  if (time < least_time) {  // parameters of another machine can promise too much; physics does not
    terms.push_back({"limit", make_seconds(least_time - time), bound_kind::memory});
    time = least_time;
  }
  double largest = -1.0;
  for (const bound_kind kind : {bound_kind::memory, bound_kind::compute, bound_kind::latency, bound_kind::link}) {
    double sum = 0.0;
    for (const time_term& term : terms) {
      if (term.kind == kind) sum += number(term.time);
    }
    if (sum > largest) {
      largest = sum;
      result.bound = kind;
    }
  }
  const double ceiling = least_time > 0.0 ? produced / least_time : 0.0;
  const double rate = time > 0.0 ? produced / time : 0.0;
  result.rate = make_tokens_per_second(rate);
  result.low = make_tokens_per_second(rate * low);
  result.high = make_tokens_per_second(std::min(rate * high, ceiling));
  result.ceiling = make_tokens_per_second(ceiling);
  result.time = make_seconds(time);
  result.terms = std::move(terms);
  result.parameters_assumed = assumed;
  return result;
}

/// The link between devices of a machine, if it states one.
inline const link* device_link(const machine& where) noexcept {
  for (const link& one : where.links) {
    if (one.between != link_kind::host) return &one;
  }
  return nullptr;
}

/// How many devices work on one token at the same time. llama.cpp's default puts layers on devices in turn.
inline double concurrent_devices(const device& target, const engine& runtime) noexcept {
  return runtime.is_llama_cpp() ? 1.0 : static_cast<double>(std::max(target.count, 1));
}

/// Time that devices spend talking in one pass of `columns` tokens.
inline double link_time(const machine& where, const device& target, const engine& runtime, const speed_parameters& p,
                        const architecture& model, double columns) {
  const double others = static_cast<double>(std::max(target.count, 1)) - 1.0;
  if (others <= 0.0) return 0.0;
  const link* wire = device_link(where);
  const double row = static_cast<double>(model.shape.d_model) * 2.0 * columns;  // 16-bit activations
  const double wire_time =
      wire != nullptr && number(wire->bandwidth.value) > 0.0 ? row / number(wire->bandwidth.value) : 0.0;
  const double latency = wire != nullptr && wire->latency ? number(wire->latency->value) : 0.0;
  if (runtime.is_llama_cpp()) return others * (number(p.hop) + latency + wire_time);
  const double sums =
      2.0 * static_cast<double>(model.layers.size());  // after attention and after the feed-forward part
  return sums * (number(p.all_reduce) + latency + 2.0 * others / (others + 1.0) * wire_time);
}

inline double at_least_zero(double x) noexcept { return std::max(x, 0.0); }

/// Factors of an 80 % interval.
struct interval {
  double low = 1.0;
  double high = 1.0;
};

/// A machine of several devices is never known better than the residuals of such machines: the 10th and 90th percentile
/// of measured over estimated, of 134 decode and 86 prefill rows of data/measurements/speed.csv.
inline constexpr interval several_devices_decode{0.63, 1.67};
inline constexpr interval several_devices_prefill{0.54, 1.28};

inline interval widened(interval own, const interval& several, std::int32_t n_devices) noexcept {
  if (n_devices <= 1) return own;
  return {std::min(own.low, several.low), std::max(own.high, several.high)};
}

}  // namespace detail

/// Speed of decode at a depth that need not be whole (the mean over a run).
[[nodiscard]] inline rate_estimate estimate_decode_at(const architecture& model, const weights_by_type& weights,
                                                      const machine& where, const engine& runtime, double depth,
                                                      double batch, const speed_parameters& p) {
  if (where.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
  const device& target = where.devices.front();
  const device_rates rates = rates_of(target, cpu_threads(runtime));
  const bool typed = runtime.is_llama_cpp();
  const decode_work work =
      decode_work_of(model, weights, depth, batch, typed ? runtime.llama_cpp.type_k : ggml_type::f16,
                     typed ? runtime.llama_cpp.type_v : ggml_type::f16, p.expert_overlap);
  const decode_shares at = shares_of(work, rates);
  const double devices = detail::concurrent_devices(target, runtime);

  double weight_time = 0.0;
  double arithmetic = 0.0;
  for (std::size_t f = 0; f < n_weight_formats; ++f) {
    weight_time += at.weights[f] * (1.0 + detail::at_least_zero(p.weight_excess[f]));
    arithmetic += at.arithmetic[f] * p.weight_arithmetic[f];
  }
  const auto term = [devices](std::string_view name, double time, bound_kind kind) {
    return time_term{name, make_seconds(time / devices), kind};
  };
  std::vector<time_term> terms;
  terms.reserve(8);
  const auto add = [&terms](const time_term& one) {
    if (number(one.time) > 0.0) terms.push_back(one);
  };
  add(term("weights", weight_time, bound_kind::memory));
  add(term("unpacking weights", arithmetic, bound_kind::compute));
  add(term(
      "kv cache",
      at.kv * (1.0 + detail::at_least_zero(p.kv_excess)) + at.latent * (1.0 + detail::at_least_zero(p.latent_excess)),
      bound_kind::memory));
  add(term("recurrent state", at.state * (1.0 + detail::at_least_zero(p.state_excess)), bound_kind::memory));
  add(term("attention",
           at.attention * p.attention + at.latent_attention * p.latent_attention +
               at.attention_rows * number(p.attention_row),
           bound_kind::compute));
  add(term("batch", at.batch * p.batch, bound_kind::compute));
  add({"layers", p.layer * at.layers + p.moe_layer * at.moe_layers + p.recurrent_layer * at.recurrent_layers,
       bound_kind::latency});
  add({"devices", make_seconds(detail::link_time(where, target, runtime, p, model, batch)), bound_kind::link});

  const double least =
      std::max(number(work.least) / number(rates.spec), number(work.least_flop) / number(rates.peak)) / devices;
  const detail::interval band =
      detail::widened({p.decode_low, p.decode_high}, detail::several_devices_decode, target.count);
  return detail::finish(std::move(terms), batch, least, band.low, band.high, p.assumed());
}

/// Speed of decode: workload.batch sequences, each with workload.depth tokens cached.
[[nodiscard]] inline rate_estimate estimate_decode(const architecture& model, const weights_by_type& weights,
                                                   const machine& where, const engine& runtime, const workload& work,
                                                   const speed_parameters& parameters) {
  return estimate_decode_at(model, weights, where, runtime, static_cast<double>(work.depth),
                            static_cast<double>(work.batch), parameters);
}

}  // namespace v0
}  // namespace sizer
