#pragma once
/// @file
/// The plan: which quantisation, cache type, ubatch, split and placement of blocks reach the goals on a machine, and
/// what binds.
///
/// Candidates are tried by quality, best first (or all, for speed); for each one the best placement is found exactly
/// (placement/block_choice.hpp). A candidate is passed over when what physics asks of it is already slower than the
/// best plan found, or than the goal.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sizer/decide/plan_request.hpp>
#include <sizer/engine/engine.hpp>
#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/breakdown.hpp>
#include <sizer/memory/engine_memory.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/placement/block_choice.hpp>
#include <sizer/placement/placement.hpp>
#include <sizer/placement/site.hpp>
#include <sizer/speed/block_costs.hpp>
#include <sizer/speed/placed.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/speed/roofline.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

/// One way to run a model on a machine.
struct plan {
  std::size_t weights = 0;  ///< index of plan_request::weights
  sizer::engine engine;     ///< with every option that the plan chose
  workload work;
  bool placed = false;  ///< `where` says which blocks lie on which site; otherwise the engine divides by itself
  placement where;
  std::vector<pool_usage> pools;  ///< by site, or as the engine sees them
  rate_estimate decode;           ///< at the depth, all sequences together
  rate_estimate decode_behind_prompt;
  rate_estimate prefill;
  seconds ttft{};
  seconds request_time{};  ///< first token and the whole answer
  bool fits = false;
  bool meets_decode = true;
  bool meets_ttft = true;

  [[nodiscard]] bool meets_goals() const noexcept { return fits && meets_decode && meets_ttft; }
  /// Tokens per second of one sequence, behind the prompt.
  [[nodiscard]] double decode_of_one() const {
    return number(decode_behind_prompt.rate) / static_cast<double>(work.batch);
  }
  [[nodiscard]] bool uses_host() const noexcept {
    return placed && (where.host_blocks > 0 || where.n_cpu_moe > 0 || where.head_device < 0);
  }
};

struct plan_result {
  std::optional<plan> best;  ///< the one that meets the goals, or else the one that comes nearest; empty: nothing fits
  std::vector<site> sites;
  std::int64_t examined = 0;  ///< candidates whose placement was searched
  std::int64_t passed_over = 0;
};

namespace detail {

/// The engine with what a candidate chooses. A cache of each sequence's own: the context is that of one sequence.
[[nodiscard]] inline engine candidate_engine(const plan_request& asked, ggml_type kv_type, std::int64_t ubatch) {
  engine e = asked.engine;
  llama_cpp_options& o = e.llama_cpp;
  o.type_k = o.type_v = kv_type;
  o.n_seq_max = asked.work.parallel;
  o.n_outputs_max = asked.work.parallel;
  o.n_ctx = (count{asked.work.context} * asked.work.parallel).value();
  o.n_ubatch = ubatch;
  o.n_batch = std::max(o.n_batch, ubatch);
  o.n_gpu_layers = -1;
  o.n_cpu_moe = 0;
  return e;
}

/// Fills in speed and verdicts of a plan whose memory is known.
inline void rate_plan(plan& p, const plan_request& asked, const architecture& model, const machine& where,
                      const std::vector<site>& sites) {
  const weights_by_type& weights = asked.weights[p.weights].weights;
  const workload& work = p.work;
  const auto behind = static_cast<double>(work.depth + work.prompt_tokens);
  const auto decode = [&](double depth, double batch) {
    if (p.placed) {
      return placed_decode(model, weights, where, sites, p.where, p.engine, {.depth = depth, .batch = batch});
    }
    return estimate_decode_at(model, weights, where, p.engine, {.depth = depth, .batch = batch});
  };
  const auto batch = static_cast<double>(work.batch);
  p.decode = decode(static_cast<double>(work.depth), batch);
  p.decode_behind_prompt = work.prompt_tokens == 0 ? p.decode : decode(behind, batch);
  p.prefill = p.placed ? placed_prefill(model, weights, where, sites, p.where, p.engine, work.prompt_tokens, work.depth)
                       : estimate_prefill(model, weights, where, p.engine, work);
  const seconds first = work.batch == 1 ? p.decode_behind_prompt.time : decode(behind, 1.0).time;
  p.ttft = p.prefill.time + first;
  p.request_time = p.ttft + p.decode_behind_prompt.time * static_cast<double>(work.output_tokens);
  p.meets_decode = p.decode_of_one() >= asked.goals.min_decode;
  p.meets_ttft = number(asked.goals.max_ttft) == 0.0 || p.ttft <= asked.goals.max_ttft;
}

[[nodiscard]] inline bool fits_with_reserve(const std::vector<pool_usage>& pools, bytes reserve) {
  for (const pool_usage& pool : pools) {
    const bool empty = pool.parts.total() == bytes{};
    if (!empty && pool.headroom() < (pool.name == "host" ? bytes{} : reserve)) return false;
  }
  return true;
}

/// The plan with the engine's own division: one memory, or devices that divide every layer.
[[nodiscard]] inline std::optional<plan> undivided_plan(const plan_request& asked, std::size_t weights,
                                                        const engine& runtime, const architecture& model,
                                                        const machine& where) {
  plan p;
  p.weights = weights;
  p.engine = runtime;
  p.work = asked.work;
  memory_breakdown memory = engine_memory(model, asked.weights[weights].weights, where, asked.work, runtime);
  p.pools = std::move(memory.pools);
  p.fits = fits_with_reserve(p.pools, asked.goals.reserve * count{memory.devices});
  if (!p.fits) return std::nullopt;
  rate_plan(p, asked, model, where, {});
  return p;
}

/// The placement of least time by the costs of its blocks that fits by the full memory rules; empty when none does.
[[nodiscard]] inline std::optional<plan> cheapest_placement(block_problem& problem, const plan_request& asked,
                                                            std::size_t index, const engine& runtime,
                                                            const architecture& model, const machine& where,
                                                            const std::vector<site>& sites) {
  const weights_by_type& weights = asked.weights[index].weights;
  // The bytes beside the blocks depend a little on where the blocks lie: what is missing is added until it fits.
  constexpr int most_rounds = 12;
  for (int round = 0; round < most_rounds; ++round) {
    const std::optional<block_choice> choice = choose_blocks(problem);
    if (!choice) return std::nullopt;
    plan p;
    p.weights = index;
    p.work = asked.work;
    p.placed = true;
    p.where = choice->where;
    p.engine = runtime;
    p.engine.llama_cpp = with_placement(runtime.llama_cpp, p.where);
    p.pools = placed_memory(model, weights, sites, p.where, runtime.llama_cpp);
    p.fits = fits_with_reserve(p.pools, asked.goals.reserve);
    if (p.fits) {
      rate_plan(p, asked, model, where, sites);
      return p;
    }
    for (std::size_t d = 0; d < problem.devices.size(); ++d) {
      const std::int64_t missing = number(asked.goals.reserve) - number(p.pools[d].headroom());
      if (p.pools[d].parts.total() > bytes{} && missing > 0) problem.devices[d].fixed_bytes += missing;
    }
    if (problem.host && !p.pools.back().fits()) problem.host->fixed_bytes -= number(p.pools.back().headroom());
  }
  return std::nullopt;
}

/// A split by rows, of dense models alone: every card holds its part of each matrix, the first one all caches as well.
/// Source: llama.cpp pull request 22729 (docs/multi-gpu.md, 2026-05: dense weights only, superseded by `tensor`, of
/// which no measurement was found) and ollama pull request 5527 (the caches).
[[nodiscard]] inline std::optional<plan> rows_plan(const plan_request& asked, std::size_t weights, engine runtime,
                                                   const architecture& model, const machine& where) {
  runtime.llama_cpp.split_mode = split_mode::row;
  std::optional<plan> p = undivided_plan(asked, weights, runtime, model, where);
  if (!p) return p;
  const pool_usage all = p->pools.front();
  const std::int64_t n = where.devices.front().count;
  const auto part = [n](const bytes& amount) { return make_bytes((number(amount) + n - 1) / n); };
  std::vector<pool_usage> pools;
  for (std::int64_t d = 0; d < n; ++d) {
    pool_usage one = all;
    one.available = part(all.available);
    one.parts = {part(all.parts.weights), d == 0 ? all.parts.kv_cache : bytes{},
                 d == 0 ? all.parts.recurrent_state : bytes{}, part(all.parts.compute_buffer),
                 part(all.parts.overhead)};
    pools.push_back(one);
  }
  pools.insert(pools.end(), p->pools.begin() + 1, p->pools.end());
  p->pools = std::move(pools);
  if (!fits_with_reserve(p->pools, asked.goals.reserve)) return std::nullopt;
  return p;
}

/// What is left on the fullest device that a plan uses.
[[nodiscard]] inline bytes least_room(const plan& p) {
  std::optional<bytes> least;
  for (const pool_usage& pool : p.pools) {
    if (pool.name == "host" || pool.parts.total() == bytes{}) continue;
    if (!least || pool.headroom() < *least) least = pool.headroom();
  }
  return least.value_or(bytes{});
}

/// The best placement of a candidate; empty when none fits. Where several devices share a prefill, the longest of their
/// stages counts too: each shorter one that is possible is tried with the placement that is cheapest then.
[[nodiscard]] inline std::optional<plan> placed_plan(const plan_request& asked, std::size_t index,
                                                     const engine& runtime, const architecture& model,
                                                     const machine& where, const std::vector<site>& sites) {
  block_problem problem = placement_costs(model, asked.weights[index].weights, where, sites, runtime, asked.work,
                                          asked.goals.reserve, asked.may_use_host);
  if (!asked.may_move_experts) problem.experts_on_host.clear();
  std::optional<plan> best = cheapest_placement(problem, asked, index, runtime, model, where, sites);
  if (!best || best->uses_host() || hops_of(best->where) == 0.0) return best;
  problem.host.reset();
  placement last = best->where;
  for (std::int64_t step = 0; step < last.blocks(); ++step) {
    const std::vector<double> stages = stage_seconds(problem, last);
    const double longest = *std::max_element(stages.begin(), stages.end());
    for (site_cost& device : problem.devices) device.most_seconds = longest * (1.0 - 1e-9);
    std::optional<plan> next = cheapest_placement(problem, asked, index, runtime, model, where, sites);
    if (!next) break;
    last = next->where;
    // Of plans that are as quick, the one that leaves most room on its fullest device.
    constexpr double as_quick = 1.001;
    const bool roomier = next->request_time < best->request_time * as_quick && least_room(*next) > least_room(*best);
    if (next->request_time < best->request_time || roomier) best = std::move(next);
  }
  return best;
}

/// Whether a candidate is better than the best so far: goals reached, then the time of the request. A cache of less
/// quality has to be quicker by a twentieth, or nobody would want it.
[[nodiscard]] inline bool is_better(const plan& candidate, const plan& best, bool coarser_cache) {
  const auto reached = [](const plan& p) { return static_cast<int>(p.meets_decode) + static_cast<int>(p.meets_ttft); };
  if (reached(candidate) != reached(best)) return reached(candidate) > reached(best);
  constexpr double worth_it = 0.95;
  const bool same_weights = candidate.weights == best.weights;
  return candidate.request_time < best.request_time * (coarser_cache && same_weights ? worth_it : 1.0);
}

/// Least time of a request that physics allows: the quickest memory, times the devices that can read at the same time.
[[nodiscard]] inline double least_request_seconds(const plan_request& asked, const weights_by_type& weights,
                                                  const architecture& model, const std::vector<site>& sites,
                                                  ggml_type kv_type, double at_once) {
  double fastest = 0.0;
  for (const site& one : sites) {
    const auto depth = static_cast<double>(asked.work.depth + asked.work.prompt_tokens);
    const roofline roof =
        roofline_ceiling(model, weights, one.where, depth, static_cast<double>(asked.work.batch), kv_type, kv_type);
    fastest = std::max(fastest, 1.0 / std::max(number(roof.step), 1e-12));
  }
  return static_cast<double>(asked.work.output_tokens) / fastest / at_once;
}

/// Of the types of the cache those that the model's rows can be kept in: a head of 80 fills no blocks of Q8_0.
/// @throws value_error when none of them does
[[nodiscard]] inline std::vector<ggml_type> accepted_types(const plan_request& asked, const architecture& model) {
  std::vector<ggml_type> accepted;
  std::optional<value_error> refused;
  for (const ggml_type type : asked.kv_types) {
    try {
      if (asked.engine.is_llama_cpp()) {
        static_cast<void>(llama_cpp_kv_cache(model, candidate_engine(asked, type, asked.ubatches.front()).llama_cpp));
      }
      accepted.push_back(type);
    } catch (const value_error& error) {
      refused = error;
    }
  }
  if (accepted.empty()) throw value_error{*refused};
  return accepted;
}

}  // namespace detail

/// The best way to run a model on a machine.
/// @throws value_error naming field, value and range
[[nodiscard]] inline plan_result make_plan(const architecture& model, const machine& where,
                                           const plan_request& request) {
  check(request);
  if (where.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
  plan_request asked = request;
  asked.work = checked(request.work, model.shape.context_length);
  asked.may_use_host = request.may_use_host && (where.host_memory || !request.only_stated_memory);
  const std::vector<ggml_type> kv_types = detail::accepted_types(asked, model);

  plan_result result;
  result.sites = sites_of(where);
  const bool one_memory = result.sites.size() == 1;
  const bool divides = asked.engine.is_llama_cpp() && !one_memory;
  const bool equal_cards =
      where.devices.front().count > 1 && device_sites(result.sites) == static_cast<std::size_t>(where.devices[0].count);
  // llama.cpp divides matrices over cards of one box only.
  const bool may_split_rows =
      divides && equal_cards && where.devices.front().backend == backend::cuda && !where.devices.front().memory.unified;
  const bool takes_turns = asked.engine.is_llama_cpp() && !may_split_rows;
  const double at_once = takes_turns ? 1.0 : static_cast<double>(result.sites.size());
  for (std::size_t w = 0; w < asked.weights.size(); ++w) {
    for (const ggml_type kv_type : kv_types) {
      const double least =
          detail::least_request_seconds(asked, asked.weights[w].weights, model, result.sites, kv_type, at_once);
      if (result.best && result.best->meets_goals() && least >= number(result.best->request_time)) {
        ++result.passed_over;
        continue;
      }
      for (const std::int64_t ubatch : asked.ubatches) {
        // More than the prompt has, or another engine: the same as the first.
        if (ubatch != asked.ubatches.front() &&
            (!asked.engine.is_llama_cpp() || ubatch / 2 >= asked.work.prompt_tokens)) {
          continue;
        }
        ++result.examined;
        const engine runtime = detail::candidate_engine(asked, kv_type, ubatch);
        const auto consider = [&](std::optional<plan> found) {
          if (!found) return;
          const bool coarser = result.best && result.best->engine.llama_cpp.type_k != kv_type;
          if (!result.best || detail::is_better(*found, *result.best, coarser)) result.best = std::move(found);
        };
        if (!divides) {
          consider(detail::undivided_plan(asked, w, runtime, model, where));
          continue;
        }
        consider(detail::placed_plan(asked, w, runtime, model, where, result.sites));
        if (may_split_rows && asked.weights[w].weights.routed() == bytes{})
          consider(detail::rows_plan(asked, w, runtime, model, where));
      }
      if (asked.prefer == plan_preference::quality && result.best && result.best->meets_goals()) return result;
    }
  }
  return result;
}

}  // namespace v0
}  // namespace sizer
