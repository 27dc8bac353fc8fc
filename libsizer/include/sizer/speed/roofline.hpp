#pragma once
/// @file
/// The roofline of one decode step: the speed that no software can exceed on a machine, from its sheet alone.
///
///   step    = max(bytes / bandwidth, operations / arithmetic rate)
///   ceiling = sequences / step
///   bytes   = weights that one token uses (without the row of the embedding) + cache and state of every sequence
///
/// Bandwidth and arithmetic rate are the maker's own (Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009). No
/// overhead, no fitted number and no engine's habit is in it; speculative decoding makes several tokens in one step and
/// is not what the ceiling is about.

#include <algorithm>
#include <cmath>
#include <string>

#include <sizer/engine/engine.hpp>
#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/speed/decode_work.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/links.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

struct roofline {
  tokens_per_second ceiling{};            ///< all sequences together
  seconds step{};                         ///< the least time of one step
  real_bytes bytes_per_token{};           ///< bytes of the step over its sequences
  flop flop_per_token{};                  ///< operations of the step over its sequences
  bytes_per_second bandwidth{};           ///< of the devices that work on a token at the same time, together
  flop_per_second arithmetic{};           ///< of the same devices, the largest known dense rate
  bound_kind bound = bound_kind::memory;  ///< memory or compute
};

/// @param devices  that work on one token at the same time, at least 1
/// @param batch    sequences decoded together, the same as the work was made with
[[nodiscard]] inline roofline roofline_of(const decode_work& work, const device_rates& rates, double devices,
                                          double batch) {
  roofline roof;
  roof.bandwidth = rates.spec * devices;
  roof.arithmetic = rates.peak * devices;
  const double reading = number(roof.bandwidth) > 0.0 ? number(work.least) / number(roof.bandwidth) : 0.0;
  const double computing = number(roof.arithmetic) > 0.0 ? number(work.least_flop) / number(roof.arithmetic) : 0.0;
  const double step = std::max(reading, computing);
  roof.step = make_seconds(step);
  roof.ceiling = make_tokens_per_second(step > 0.0 ? batch / step : 0.0);
  roof.bytes_per_token = work.least / batch;
  roof.flop_per_token = work.least_flop / batch;
  roof.bound = computing > reading ? bound_kind::compute : bound_kind::memory;
  return roof;
}

/// @param where    its first device
/// @param depth    tokens that every sequence has cached, at least 0
/// @param batch    sequences decoded together, at least 1
/// @param devices  that work on one token at the same time: 1 where an engine puts layers on devices in turn
/// @throws value_error naming field, value and range
[[nodiscard]] inline roofline roofline_ceiling(const architecture& model, const weights_by_type& weights,
                                               const machine& where, double depth = 0.0, double batch = 1.0,
                                               ggml_type type_k = ggml_type::f16, ggml_type type_v = ggml_type::f16,
                                               double devices = 1.0) {
  if (where.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
  const auto checked = [](const char* field, double value, double least, const char* range) {
    if (!std::isfinite(value) || value < least) throw value_error{field, std::to_string(value), range};
  };
  checked("depth", depth, 0.0, "at least 0");
  checked("batch", batch, 1.0, "at least 1");
  checked("devices", devices, 1.0, "at least 1");
  // The expert overlap changes what a step reads on average, not what it cannot avoid.
  const decode_work work = decode_work_of(model, weights, depth, batch, type_k, type_v, 1.0);
  return roofline_of(work, rates_of(where.devices.front()), devices, batch);
}

/// The same with the cache types of an engine and its way to use several devices: llama.cpp puts layers on them in
/// turn, the others divide every layer.
[[nodiscard]] inline roofline roofline_ceiling(const architecture& model, const weights_by_type& weights,
                                               const machine& where, const engine& runtime, double depth = 0.0,
                                               double batch = 1.0) {
  if (where.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
  const bool typed = runtime.is_llama_cpp();
  const double devices = detail::concurrent_devices(where.devices.front(), runtime);
  return roofline_ceiling(model, weights, where, depth, batch, typed ? runtime.llama_cpp.type_k : ggml_type::f16,
                          typed ? runtime.llama_cpp.type_v : ggml_type::f16, devices);
}

}  // namespace v0
}  // namespace sizer
