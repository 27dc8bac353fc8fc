#pragma once
/// @file
/// Speed of a model that is spread over sites: its parts run one after the other, each on its site, with a hand-over
/// between devices.
///
///   decode:  t = sum over sites of t_site(the part that lies there) + hops
///   prefill: the same, except that blocks and experts on the host are computed where that is quicker: by the host's
///            cores, or by the first device, to which their weights go over the bus once a ubatch (llama.cpp sends
///            them from 32 tokens on); and that successive ubatches keep several devices busy at once.
///
/// A part is a model of its own (model_part.hpp), so one site with everything is the plain estimate.

#include <algorithm>
#include <cmath>
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
#include <sizer/placement/placement.hpp>
#include <sizer/placement/site.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/level.hpp>
#include <sizer/speed/links.hpp>
#include <sizer/speed/model_part.hpp>
#include <sizer/speed/prefill.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

namespace detail {

/// Steps that follow each other, as one.
class step_sum {
 public:
  /// Adds a step; `name`: one term for all of it, otherwise its own terms.
  void add(const rate_estimate& step, std::string_view name = {}) {
    if (number(step.time) <= 0.0) return;
    const double produced = number(step.rate) * number(step.time);
    const auto time_at = [&](const tokens_per_second& rate) {
      return number(rate) > 0.0 ? produced / number(rate) : number(step.time);
    };
    time_ += number(step.time);
    slow_ += time_at(step.low);
    fast_ += time_at(step.high);
    least_ += time_at(step.ceiling);
    assumed_ = assumed_ || step.parameters_assumed;
    if (!name.empty()) {
      add_term({name, step.time, step.bound});
    } else {
      for (const time_term& term : step.terms) add_term(term);
    }
  }

  /// Adds time in which nothing else happens; physics does not ask for it.
  /// @param band  ends of its interval, as factors of its rate
  void wait(std::string_view name, double amount, bound_kind kind, const interval& band = {}) {
    if (amount <= 0.0) return;
    time_ += amount;
    slow_ += amount / band.low;
    fast_ += amount / band.high;
    add_term({name, make_seconds(amount), kind});
  }

  /// Shortens everything by a factor, because several sites work at once; physics allows `least_factor`.
  void overlap(double factor, double least_factor) {
    time_ *= factor;
    slow_ *= factor;
    fast_ *= factor;
    least_ *= least_factor;
    for (time_term& term : terms_) term.time *= factor;
  }

  [[nodiscard]] rate_estimate rate(double produced) const {
    rate_estimate result;
    const auto rate_in = [&](double time) { return make_tokens_per_second(time > 0.0 ? produced / time : 0.0); };
    result.time = make_seconds(time_);
    result.rate = rate_in(time_);
    result.low = rate_in(slow_);
    result.high = rate_in(std::max(fast_, least_));
    result.ceiling = rate_in(least_);
    result.terms = terms_;
    result.parameters_assumed = assumed_;
    double largest = -1.0;
    for (const bound_kind kind : {bound_kind::memory, bound_kind::compute, bound_kind::latency, bound_kind::link}) {
      double sum = 0.0;
      for (const time_term& term : terms_) sum += term.kind == kind ? number(term.time) : 0.0;
      if (sum <= largest) continue;
      largest = sum;
      result.bound = kind;
    }
    return result;
  }

 private:
  void add_term(const time_term& added) {
    for (time_term& term : terms_) {
      if (term.name != added.name || term.kind != added.kind) continue;
      term.time += added.time;
      return;
    }
    terms_.push_back(added);
  }

  double time_ = 0, slow_ = 0, fast_ = 0, least_ = 0;
  bool assumed_ = false;
  std::vector<time_term> terms_;
};

/// Time of one hand-over of hidden rows (f32) from a device to the next.
inline double hop_seconds(const architecture& model, const machine& where, const engine& runtime, double rows,
                          level_table table) {
  const device_link wire = link_between(where);
  const double moved = rows * 4.0 * static_cast<double>(model.shape.d_model);
  return seconds_of(hop_share(context_of(where.devices.front(), runtime), wire.hop(), 1.0), table) +
         moved / wire.bandwidth;
}

/// What of its rate a bus gives such copies on other machines: published prefills with experts on the host
/// (tests/golden/data/offload_speed.csv) imply 0.45 to 0.90 of the link's data rate, where host_to_device takes 0.65.
inline constexpr interval bus_band{.low = 0.45 / 0.65, .high = 0.90 / 0.65};

/// Hand-overs between the devices of a placement.
inline double hops_of(const placement& p) noexcept {
  const auto used = std::count_if(p.device_blocks.begin(), p.device_blocks.end(), [](auto n) { return n > 0; });
  return std::max(0.0, static_cast<double>(used) - 1.0);
}

/// What cutting a block's graph in two costs: where its experts are on the host, the device starts and waits once more.
inline double cut_seconds(const site& first, const engine& runtime, level_table table) {
  const device& target = first.where.devices.front();
  return seconds_of(layer_share(context_of(target, runtime), 1.0), table, calibration_of(target, runtime));
}

/// Blocks of a placement whose experts are on the host and the rest is not.
inline double cut_blocks(const placement& p, const weights_by_type& weights) noexcept {
  double n = 0.0;
  for (std::int64_t i = p.host_blocks; i < p.n_cpu_moe; ++i) {
    if (weights.layers[static_cast<std::size_t>(i)].routed > bytes{}) n += 1.0;
  }
  return n;
}

/// The blocks of each device of a placement.
struct device_blocks {
  std::size_t device = 0;
  part_request part;
};
inline std::vector<device_blocks> parts_on_devices(const placement& p) {
  std::vector<device_blocks> parts;
  std::int64_t first = p.host_blocks;
  for (std::size_t d = 0; d < p.device_blocks.size(); ++d) {
    const bool head = p.head_device == static_cast<std::int64_t>(d);
    const std::int64_t last = first + p.device_blocks[d];
    if (last > first || head) {
      parts.push_back({d, {.first = first, .last = last, .experts_from = p.n_cpu_moe, .head = head}});
    }
    first = last;
  }
  return parts;
}

/// Bytes of a part on the host that a prefill sends to a device for one ubatch: all of it, but of the routed experts
/// those that the ubatch uses.
inline double host_weights_sent(const model_part& part, double tokens) {
  const double used = expert_share(part.architecture, tokens);
  double sent = 0.0;
  for (const layer_weights& block : part.weights.layers) {
    sent += real(block.total - block.routed).value() + real(block.routed).value() * used;
  }
  return sent;
}

/// What lies on the host: whole blocks, and routed experts of further blocks.
inline part_request whole_on_host(const placement& p) {
  return {.first = 0, .last = p.host_blocks, .head = p.head_device < 0};
}
inline std::optional<part_request> experts_on_host(const placement& p) {
  if (p.n_cpu_moe <= p.host_blocks) return std::nullopt;
  return part_request{.first = p.host_blocks, .last = p.n_cpu_moe, .always = false};
}

}  // namespace detail

/// Decode of a placement under llama.cpp.
/// @param where  the machine that the sites are of; its links count
/// @param sites  sites_of(where)
[[nodiscard]] inline rate_estimate placed_decode(const architecture& model, const weights_by_type& weights,
                                                 const machine& where, const std::vector<site>& sites,
                                                 const placement& p, const engine& runtime, const decode_run& run,
                                                 level_table table = fitted_levels) {
  detail::step_sum sum;
  const decode_run without_cache{.depth = 0, .batch = run.batch};
  const auto decode = [&](const model_part& part, const machine& on, const decode_run& asked) {
    return estimate_decode_at(part.architecture, part.weights, on, runtime, asked, table);
  };
  const bool caches_on_host = !runtime.llama_cpp.offload_kqv;
  for (const detail::device_blocks& one : detail::parts_on_devices(p)) {
    sum.add(decode(part_of(model, weights, one.part), sites[one.device].where, caches_on_host ? without_cache : run));
  }
  const machine& host = sites.back().where;
  if (p.host_blocks > 0 || p.head_device < 0) {
    sum.add(decode(part_of(model, weights, detail::whole_on_host(p)), host, run), "host layers");
  }
  if (const auto experts = detail::experts_on_host(p)) {
    sum.add(decode(part_of(model, weights, *experts), host, without_cache), "host experts");
  }
  if (caches_on_host) {
    sum.add(decode(cache_part_of(model, p.host_blocks, blocks_of(model)), host, run), "host kv cache");
  }
  sum.wait("devices", detail::hops_of(p) * detail::hop_seconds(model, where, runtime, run.batch, table),
           bound_kind::link);
  sum.wait("layers", detail::cut_blocks(p, weights) * detail::cut_seconds(sites.front(), runtime, table),
           bound_kind::latency);
  return sum.rate(run.batch);
}

/// Prefill of a placement under llama.cpp: `n_tokens` of one sequence behind `depth` cached ones.
[[nodiscard]] inline rate_estimate placed_prefill(const architecture& model, const weights_by_type& weights,
                                                  const machine& where, const std::vector<site>& sites,
                                                  const placement& p, const engine& runtime, std::int64_t n_tokens,
                                                  std::int64_t depth, level_table table = fitted_levels) {
  workload work;
  work.prompt_tokens = n_tokens;
  work.depth = depth;
  detail::step_sum sum;
  if (n_tokens == 0) return sum.rate(0.0);
  const auto prefill = [&](const model_part& part, const machine& on) {
    return estimate_prefill(part.architecture, part.weights, on, runtime, work, table, detail::hops_of(p) + 1.0);
  };
  double longest = 0.0;
  double all = 0.0;
  for (const detail::device_blocks& one : detail::parts_on_devices(p)) {
    const rate_estimate step = prefill(part_of(model, weights, one.part), sites[one.device].where);
    longest = std::max(longest, number(step.time));
    all += number(step.time);
    sum.add(step);
  }
  const double prompt = static_cast<double>(n_tokens);
  const double per_pass = std::clamp(prefill_step(runtime), 1.0, prompt);
  const double passes = std::ceil(prompt / per_pass);
  const double hops = detail::hops_of(p);
  if (hops > 0.0) {
    // `in_flight` ubatches follow each other through the devices: the longest stage sets the pace.
    const double in_flight = detail::ubatches_in_flight(sites.front().where.devices.front(), where, runtime, passes);
    const double ideal = all / ((all + (in_flight - 1.0) * longest) / in_flight);
    const bool whole = p.host_blocks == 0 && p.n_cpu_moe == 0;
    const double gain = whole ? 1.0 + detail::pipeline_gain * (ideal - 1.0) : 1.0;
    sum.overlap(1.0 / gain, longest / all);
    sum.wait("devices", hops * passes / gain * detail::hop_seconds(model, where, runtime, per_pass, table),
             bound_kind::link);
  }
  const auto host_part = [&](const part_request& asked, std::string_view name) {
    const model_part part = part_of(model, weights, asked);
    const rate_estimate by_cores = prefill(part, sites.back().where);
    const rate_estimate by_device = prefill(part, sites.front().where);
    const double bus = detail::host_weights_sent(part, per_pass) * passes / number(host_to_device(sites.front().where));
    if (number(by_device.time) + bus < number(by_cores.time)) {
      sum.add(by_device);
      sum.wait("host weights over the bus", bus, bound_kind::link, detail::bus_band);
    } else {
      sum.add(by_cores, name);
    }
  };
  if (p.host_blocks > 0) host_part(detail::whole_on_host(p), "host layers");
  if (const auto experts = detail::experts_on_host(p)) host_part(*experts, "host experts");
  return sum.rate(prompt);
}

/// Whether the options of the engine leave a part of the model to the host.
[[nodiscard]] inline bool uses_host(const architecture& model, const machine& where, const engine& runtime) {
  if (!runtime.is_llama_cpp() || where.devices.front().backend == backend::cpu) return false;
  const placement p = placement_of(model, runtime.llama_cpp);
  return p.host_blocks > 0 || p.head_device < 0 || p.n_cpu_moe > 0 || !runtime.llama_cpp.offload_kqv;
}

namespace detail {

/// The first device of a machine as one site, however many of it there are, and the host.
inline std::vector<site> device_and_host(const machine& where) {
  site first;
  first.where = where;
  first.where.devices.resize(1);
  site host;
  host.where = host_of(where);
  host.is_host = true;
  return {std::move(first), std::move(host)};
}

}  // namespace detail

/// Decode as the engine's options place the model on the machine's first device (all of its count) and the host.
[[nodiscard]] inline rate_estimate placed_decode(const architecture& model, const weights_by_type& weights,
                                                 const machine& where, const engine& runtime, const workload& work,
                                                 level_table table = fitted_levels) {
  if (!uses_host(model, where, runtime)) return estimate_decode(model, weights, where, runtime, work, table);
  return placed_decode(model, weights, where, detail::device_and_host(where), placement_of(model, runtime.llama_cpp),
                       runtime, {.depth = static_cast<double>(work.depth), .batch = static_cast<double>(work.batch)},
                       table);
}

/// Prefill as the engine's options place the model.
[[nodiscard]] inline rate_estimate placed_prefill(const architecture& model, const weights_by_type& weights,
                                                  const machine& where, const engine& runtime, const workload& work,
                                                  level_table table = fitted_levels) {
  if (!uses_host(model, where, runtime)) return estimate_prefill(model, weights, where, runtime, work, table);
  return placed_prefill(model, weights, where, detail::device_and_host(where), placement_of(model, runtime.llama_cpp),
                        runtime, work.prompt_tokens, work.depth, table);
}

}  // namespace v0
}  // namespace sizer
