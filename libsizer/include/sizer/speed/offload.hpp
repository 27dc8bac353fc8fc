#pragma once
/// @file
/// Speed of a model of which llama.cpp keeps a part in host memory: `n_gpu_layers` below the model's layers, or the
/// experts of the first `n_cpu_moe` layers. The host's cores run what is there, one after the other with the device.
///
/// With s the share of the bytes a token reads that lie on the host:
///   t = (1 - s) t_device + s t_host
/// where t_host is the whole step on the host alone. Prefill is taken the same way; llama.cpp may instead send host
/// weights over the bus for large batches, which is quicker, so this errs on the slow side.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/llama_cpp_context.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/level.hpp>
#include <sizer/speed/prefill.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

/// Share of the weight bytes that one decoded token reads from host memory, 0 to 1.
[[nodiscard]] inline double host_share(const architecture& model, const weights_by_type& weights,
                                       const engine& runtime) {
  if (!runtime.is_llama_cpp()) return 0.0;
  const llama_cpp_options& options = runtime.llama_cpp;
  const std::int64_t first = detail::first_device_layer(model, options);
  if (first == 0 && options.n_cpu_moe == 0) return 0.0;
  const double used = model.shape.experts ? static_cast<double>(model.shape.experts->n_experts_per_token) /
                                                model.shape.experts->n_experts
                                          : 0.0;
  double in_layers = 0.0;
  double on_host = 0.0;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const layer_weights& block = weights.layers[i];
    const double routed = real(block.routed).value() * used;
    const double always = real(block.total - block.routed).value();
    const auto index = static_cast<std::int64_t>(i);
    in_layers += always + routed;
    if (index < first) {
      on_host += always + routed;
    } else if (index < options.n_cpu_moe) {
      on_host += routed;
    }
  }
  const double head = real(weights.output_head).value();
  if (options.n_gpu_layers == 0) on_host += head;
  return on_host / (in_layers + head);
}

/// Bytes of layer weights that lie in host memory.
[[nodiscard]] inline bytes host_layer_bytes(const architecture& model, const weights_by_type& weights,
                                            const llama_cpp_options& options) {
  const std::int64_t first = detail::first_device_layer(model, options);
  bytes total{};
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    if (index < first) {
      total += weights.layers[i].total;
    } else if (index < options.n_cpu_moe) {
      total += weights.layers[i].routed;
    }
  }
  return total;
}

/// Rate at which a device reads host memory: its own memory where both are one, the stated link to the host, or
/// PCIe 4.0 with 16 lanes (31.5 GB/s by the standard) at 0.89 of it, the share that a card has been measured to reach
/// (tinygrad/open-gpu-kernel-modules issue 29: 56.3 of 63 GB/s on PCIe 5.0).
[[nodiscard]] inline bytes_per_second host_to_device(const machine& where) {
  const device& target = where.devices.front();
  if (target.memory.unified) return target.memory.bandwidth_spec.value;
  constexpr double reached = 0.89;
  for (const link& one : where.links) {
    if (one.between == link_kind::host) return one.bandwidth.value * reached;
  }
  constexpr double pcie_4_x16 = 31.5e9;
  return make_bytes_per_second(pcie_4_x16 * reached);
}

/// The host as a machine of its own: the stated host memory, or two channels of DDR5-5600 when the machine states none.
[[nodiscard]] inline machine host_of(const machine& where) {
  machine host;
  for (const device& other : where.devices) {  // a measured machine states its cores
    if (other.backend != backend::cpu) continue;
    host.devices.push_back(other);
    return host;
  }
  device cores;
  cores.name = "host";
  cores.backend = backend::cpu;
  cores.device_class = device_class::cpu_desktop;
  if (where.host_memory) {
    cores.memory = *where.host_memory;
  } else {
    constexpr double two_channels_of_ddr5_5600 = 89.6e9;  // 5600 MT/s x 8 bytes x 2
    cores.memory = where.devices.front().memory;
    cores.memory.bandwidth_measured.reset();  // by the device, not by the cores
    if (!cores.memory.unified) {
      cores.memory.bandwidth_spec = {make_bytes_per_second(two_channels_of_ddr5_5600), figure_kind::assumed, "",
                                     "the machine states no host memory; two channels of DDR5-5600"};
    }
  }
  host.devices.push_back(std::move(cores));
  return host;
}

namespace detail {

[[nodiscard]] inline tokens_per_second harmonic(const tokens_per_second& device, const tokens_per_second& host,
                                                double s) {
  const double a = number(device);
  const double b = number(host);
  if (a <= 0.0 || b <= 0.0) return make_tokens_per_second(0.0);
  return make_tokens_per_second(1.0 / ((1.0 - s) / a + s / b));
}

/// One step that runs 1 - s of itself on the device and s on the host.
[[nodiscard]] inline rate_estimate split_over(rate_estimate on_device, const rate_estimate& on_host, double s) {
  rate_estimate both = std::move(on_device);
  for (time_term& term : both.terms) term.time *= 1.0 - s;
  both.terms.push_back({"host layers", on_host.time * s, on_host.bound});
  both.time = both.time * (1.0 - s) + on_host.time * s;
  both.rate = harmonic(both.rate, on_host.rate, s);
  both.low = harmonic(both.low, on_host.low, s);
  both.high = harmonic(both.high, on_host.high, s);
  both.ceiling = harmonic(both.ceiling, on_host.ceiling, s);
  seconds largest{};
  for (const time_term& term : both.terms) {
    if (term.time <= largest) continue;
    largest = term.time;
    both.bound = term.kind;
  }
  return both;
}

}  // namespace detail

/// Decode as the engine places the model: on the device, or shared with the host.
[[nodiscard]] inline rate_estimate placed_decode(const architecture& model, const weights_by_type& weights,
                                                 const machine& where, const engine& runtime, const workload& work,
                                                 level_table table = fitted_levels) {
  rate_estimate on_device = estimate_decode(model, weights, where, runtime, work, table);
  const double share = where.devices.front().backend == backend::cpu ? 0.0 : host_share(model, weights, runtime);
  if (share <= 0.0) return on_device;
  const machine host = host_of(where);
  return detail::split_over(std::move(on_device), estimate_decode(model, weights, host, runtime, work, table), share);
}

/// Prefill as the engine places the model.
[[nodiscard]] inline rate_estimate placed_prefill(const architecture& model, const weights_by_type& weights,
                                                  const machine& where, const engine& runtime, const workload& work,
                                                  level_table table = fitted_levels) {
  rate_estimate on_device = estimate_prefill(model, weights, where, runtime, work, table);
  const double share = where.devices.front().backend == backend::cpu ? 0.0 : host_share(model, weights, runtime);
  if (share <= 0.0 || work.prompt_tokens == 0) return on_device;
  const auto prompt = static_cast<double>(work.prompt_tokens);
  const double ubatches = std::ceil(prompt / std::max(1.0, std::min(prompt, prefill_step(runtime))));
  const seconds bus = real(host_layer_bytes(model, weights, runtime.llama_cpp)) / host_to_device(where) * ubatches;
  rate_estimate streamed = on_device;
  const double slower = number(on_device.time) / number(on_device.time + bus);
  streamed.terms.push_back({"host weights over the bus", bus, bound_kind::link});
  streamed.time = on_device.time + bus;
  streamed.rate *= slower;
  streamed.low *= slower;
  streamed.high *= slower;
  if (bus > on_device.time) streamed.bound = bound_kind::link;

  const machine host = host_of(where);
  rate_estimate shared =
      detail::split_over(std::move(on_device), estimate_prefill(model, weights, host, runtime, work, table), share);
  return streamed.rate > shared.rate ? streamed : shared;
}

}  // namespace v0
}  // namespace sizer
