#pragma once
/// @file
/// What each block of a model costs on each site, in bytes and in seconds of a whole request (its prefill, and a decode
/// step for every token of the answer): the numbers that the search of a placement works on. Blocks that are alike are
/// timed once, and so are devices that are alike.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/compute_buffer.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/placement/block_choice.hpp>
#include <sizer/placement/placement.hpp>
#include <sizer/placement/site.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/model_part.hpp>
#include <sizer/speed/placed.hpp>
#include <sizer/speed/prefill.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Times parts of a model on sites.
class part_timer {
 public:
  part_timer(const architecture& model, const weights_by_type& weights, const engine& runtime, const workload& work)
      : model_{model}, weights_{weights}, runtime_{runtime}, work_{work} {}

  /// Seconds of a request that a part takes on a device or on the host's cores.
  [[nodiscard]] double on(const machine& where, const part_request& asked, bool cache = true) const {
    return decode(where, asked, cache) + prefill(where, asked);
  }

  /// The same on the host, whose prefill the first device may take over.
  [[nodiscard]] double on_host(const std::vector<site>& sites, const part_request& asked) const {
    const double by_cores = prefill(sites.back().where, asked);
    double quicker = by_cores;
    if (work_.prompt_tokens > 0) {
      const machine& device = sites.front().where;
      const auto prompt = static_cast<double>(work_.prompt_tokens);
      const double per_pass = std::clamp(prefill_step(runtime_), 1.0, prompt);
      const double bus = host_weights_sent(part_of(model_, weights_, asked), per_pass) * std::ceil(prompt / per_pass) /
                         number(host_to_device(device));
      quicker = std::min(by_cores, prefill(device, asked) + bus);
    }
    const double cut = asked.always ? 0.0 : cut_seconds(sites.front(), runtime_, fitted_levels);
    return decode(sites.back().where, asked, asked.always) + cut * static_cast<double>(work_.output_tokens) + quicker;
  }

 private:
  [[nodiscard]] double decode(const machine& where, const part_request& asked, bool cache) const {
    if (work_.output_tokens == 0) return 0.0;
    const model_part part = part_of(model_, weights_, asked);
    const double depth = cache ? static_cast<double>(work_.depth + work_.prompt_tokens) : 0.0;
    const rate_estimate step = estimate_decode_at(part.architecture, part.weights, where, runtime_,
                                                  {.depth = depth, .batch = static_cast<double>(work_.batch)});
    return number(step.time) * static_cast<double>(work_.output_tokens);
  }
  [[nodiscard]] double prefill(const machine& where, const part_request& asked) const {
    if (work_.prompt_tokens == 0 || asked.first == asked.last) return 0.0;
    const model_part part = part_of(model_, weights_, asked);
    return number(estimate_prefill(part.architecture, part.weights, where, runtime_, work_).time);
  }

  const architecture& model_;
  const weights_by_type& weights_;
  const engine& runtime_;
  const workload& work_;
};

/// For each block the first one that is like it.
inline std::vector<std::size_t> like_blocks(const architecture& model, const weights_by_type& weights) {
  std::vector<std::size_t> like(weights.layers.size());
  for (std::size_t i = 0; i < like.size(); ++i) {
    like[i] = i;
    for (std::size_t j = 0; j < i; ++j) {
      if (like[j] != j || weights.layers[i].total != weights.layers[j].total ||
          weights.layers[i].routed != weights.layers[j].routed)
        continue;
      const bool both = i < model.layers.size() && j < model.layers.size() && model.layers[i] == model.layers[j];
      const bool neither = i >= model.layers.size() && j >= model.layers.size();
      if (!both && !neither) continue;
      like[i] = j;
      break;
    }
  }
  return like;
}

inline part_request block_part(std::size_t i) {
  const auto block = static_cast<std::int64_t>(i);
  return {.first = block, .last = block + 1};
}

/// One value for each block, computed once for those that are alike.
template <class Function>
std::vector<double> for_each_block(const std::vector<std::size_t>& like, Function seconds_of) {
  std::vector<double> values(like.size());
  for (std::size_t i = 0; i < like.size(); ++i) values[i] = like[i] == i ? seconds_of(i) : values[like[i]];
  return values;
}

}  // namespace detail

/// @param reserve       memory of every device that stays free
/// @param may_use_host  false: no block and no expert on the host
/// @throws value_error on options that the engine refuses
[[nodiscard]] inline block_problem placement_costs(const architecture& model, const weights_by_type& weights,
                                                   const machine& where, const std::vector<site>& sites,
                                                   const engine& runtime, const workload& work, bytes reserve,
                                                   bool may_use_host) {
  const llama_cpp_options& options = runtime.llama_cpp;
  const block_bytes by = bytes_by_block(model, weights, options);
  const std::vector<std::size_t> like = detail::like_blocks(model, weights);
  const detail::part_timer timer{model, weights, runtime, work};
  const std::size_t n_devices = device_sites(sites);
  const bool has_host = sites.back().is_host;
  const bool experts = weights.routed() > bytes{};

  block_problem problem;
  for (std::size_t i = 0; i < by.weights.size(); ++i) {
    problem.bytes.push_back(number(by.weights[i] + by.cache[i]));
    problem.expert_bytes.push_back(number(by.routed[i]));
  }
  problem.head_bytes = number(by.head);
  const part_request head{.head = true};
  const bytes buffer = detail::device_compute_buffer(model, options, true, 1);
  const compute_buffers graph = llama_cpp_compute_buffers(model, options, llama_cpp_layout::device);
  const bytes beside = by.embedding + graph.host + graph.output;
  const double hop = detail::hop_seconds(model, where, runtime, static_cast<double>(work.batch), fitted_levels) *
                     static_cast<double>(work.output_tokens);
  for (std::size_t d = 0; d < n_devices; ++d) {
    const machine& one = sites[d].where;
    site_cost cost;
    const auto same = std::find_if(sites.begin(), sites.begin() + static_cast<std::ptrdiff_t>(d),
                                   [&](const site& other) { return other.where.devices == one.devices; });
    if (same != sites.begin() + static_cast<std::ptrdiff_t>(d)) {
      cost = problem.devices[static_cast<std::size_t>(same - sites.begin())];
    } else {
      cost.seconds = detail::for_each_block(like, [&](std::size_t i) { return timer.on(one, detail::block_part(i)); });
      cost.without_experts = detail::for_each_block(like, [&](std::size_t i) {
        part_request part = detail::block_part(i);
        if (by.routed[i] == bytes{}) return cost.seconds[i];
        part.experts_from = part.last;
        return timer.on(one, part);
      });
      cost.head_seconds = timer.on(one, head);
      cost.fixed_seconds = hop;
    }
    cost.capacity = number(sites[d].available - reserve);
    cost.fixed_bytes = number(buffer + runtime_overhead(one.devices.front().backend).value);
    if (d == 0 && !has_host) cost.fixed_bytes += number(beside);
    problem.devices.push_back(std::move(cost));
  }
  if (!has_host || !may_use_host) return problem;

  site_cost host;
  host.capacity =
      sites.back().available_known ? number(sites.back().available) : std::numeric_limits<std::int64_t>::max() / 4;
  host.fixed_bytes = number(beside);
  host.seconds =
      detail::for_each_block(like, [&](std::size_t i) { return timer.on_host(sites, detail::block_part(i)); });
  host.head_seconds = timer.on(sites.back().where, head);
  if (experts) {
    problem.experts_on_host = detail::for_each_block(like, [&](std::size_t i) {
      if (by.routed[i] == bytes{}) return 0.0;
      part_request part = detail::block_part(i);
      part.always = false;
      return timer.on_host(sites, part);
    });
  }
  problem.host = std::move(host);
  return problem;
}

}  // namespace v0
}  // namespace sizer
