#pragma once
/// @file
/// Time of one decode step.
///
///   t = over(reading weights, unpacking them) + over(reading the cache, attention) + recurrent state
///     + layers, MoE layers, recurrent layers, each at a time of its own
///     + what further sequences cost, what further devices cost, what a server's scheduler costs
///
/// where over(a, b) hides a part of the shorter one (speed/share.hpp). Each term's factor is in speed/factor.hpp.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <sizer/engine/engine.hpp>
#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/speed/decode_work.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/factor.hpp>
#include <sizer/speed/fitted_levels.hpp>
#include <sizer/speed/interval.hpp>
#include <sizer/speed/links.hpp>
#include <sizer/speed/measured_cores.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/speed/roofline.hpp>
#include <sizer/speed/share.hpp>
#include <sizer/units.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

/// A decode step to be timed.
struct decode_run {
  double depth = 0;  ///< tokens cached by each sequence; a real number: the mean over a run
  double batch = 1;  ///< sequences decoded together
  /// Tokens of the prompt that a rate counts the time of (end-to-end rates of servers), for `made` tokens of answer.
  double prompt = 0;
  double made = 0;
};

namespace detail {

/// Exponent of expert_share: a batch spreads over the experts as batch^0.7 independent tokens would, because its
/// sequences are alike (0.6 to 0.75 fit the batched rows of data/measurements alike).
inline constexpr double expert_overlap = 0.7;
/// llama.cpp multiplies up to so many columns with its matrix-vector kernels (ggml-cuda/mmvq.cuh, ggml-metal-ops.cpp).
inline constexpr double most_vector_columns = 8;
/// Columns that Metal's matrix-vector kernel takes at once, and the tile of its matrix product (ggml-metal.metal).
inline constexpr double metal_vector_columns = 5;
inline constexpr double metal_tile = 32;
/// Columns of the smallest tile of CUDA's product over experts (ggml-cuda/mmq.cuh).
inline constexpr double expert_tile = 8;
/// Bytes/s at which logits come to the host; the fit multiplies it.
inline constexpr double host_copy = 10e9;
/// Nodes of the graph of a gated delta net that is not fused (llama.cpp issue 19504), and the time of one; the fit
/// multiplies it. Fused since fused_delta_net_build.
inline constexpr double delta_net_nodes_seconds = 110 * 4e-6;

/// The parts of a decode step that all terms are made from.
struct decode_step {
  const architecture& model;
  const machine& where;
  const engine& runtime;
  speed_context context;
  device_rates rates;
  decode_work work;
  decode_run run;
  double devices = 1;  ///< that work at the same time

  [[nodiscard]] double read_time(const real_bytes& amount) const {
    return number(amount) / number(rates.reachable) / devices;
  }
  [[nodiscard]] static double compute_time(const flop& amount, const std::optional<flop_per_second>& rate) {
    return rate && number(*rate) > 0.0 ? number(amount) / number(*rate) : 0.0;
  }
};

/// Experts that the batch reads, over those there are.
inline double expert_reads(const architecture& model, const speed_context& c, double batch) {
  if (!model.shape.experts) return 0.0;
  const expert_shape& experts = *model.shape.experts;
  const bool each_its_own = c.where == backend::metal && c.kernels == kernel_family::llama_cpp && batch < metal_tile;
  if (each_its_own) return batch * experts.n_experts_per_token / experts.n_experts;
  return expert_share(model, std::pow(batch, expert_overlap));
}

inline level_list excess_levels(const speed_context& c) {
  level_list levels = backend_levels(speed_factor::weights_excess, c, -2.5, 1.0, 0.4);
  add_engine_levels(levels, speed_factor::weights_excess, c, 0.5);
  return levels;
}

inline level_list unpacking_levels(const speed_context& c, weight_format format) {
  const std::uint8_t f = code(format);
  if (c.where == backend::cpu) {  // cores, not shaders: a family of its own
    level_list levels;
    levels.add(key_of(speed_factor::cpu_unpacking, level_scope::all), 1.0, 1.5);
    levels.add(key_of(speed_factor::cpu_unpacking, level_scope::format, f), 0.4);
    if (c.program == engine_program::ik_llama_cpp) {
      levels.add(key_of(speed_factor::cpu_unpacking, level_scope::program, code(c.program)), 0.5);
    }
    return levels;
  }
  level_list levels = device_levels(speed_factor::unpacking, c, 1.0, {1.0, 0.4, 0.0, 0.25});
  levels.add(key_of(speed_factor::unpacking, level_scope::format, f), 0.4);
  // Routed experts in BF16 have a slow path of their own where the backend has no BF16 products.
  const bool slow_experts = format == weight_format::bf16_experts;
  levels.add(key_of(speed_factor::unpacking, level_scope::format_backend, f, code(kin_of(c.where))),
             slow_experts ? 2.0 : 0.3, slow_experts && c.where == backend::vulkan ? 2.0 : 0.0);
  // The first generation's shaders unpack slowly.
  if (c.made == generation::apple_m1) {
    levels.add(key_of(speed_factor::unpacking, level_scope::one_generation, code(c.made)), 0.8);
  }
  add_build_levels(levels, speed_factor::unpacking, c, 0.3, 0.0);
  return levels;
}

inline level_list cache_levels() {
  level_list levels;
  levels.add(key_of(speed_factor::cache_excess, level_scope::all), 1.0, -2.5);
  return levels;
}

inline level_list attention_levels(const speed_context& c) {
  level_list levels = backend_levels(speed_factor::attention, c, 1.0, 1.0, 0.6);
  add_build_levels(levels, speed_factor::attention, c, 0.3, 0.5);
  return levels;
}

inline void add_weight_shares(speed_shares& shares, const decode_step& step) {
  const decode_work& work = step.work;
  const speed_context& c = step.context;
  const double batch = step.run.batch;
  const bool metal = c.where == backend::metal && c.kernels == kernel_family::llama_cpp;
  const double passes = metal && batch > metal_vector_columns && batch <= most_vector_columns ? 2.0 : 1.0;
  const level_list excess = excess_levels(c);
  for (std::size_t f = 0; f < n_weight_formats; ++f) {
    double read = step.read_time(work.matrices[f]) * passes + step.read_time(work.experts[f]);
    if (read <= 0.0) continue;
    const auto format = static_cast<weight_format>(f);
    const double kernel = card_rate(step.where.devices.front(), format);
    if (kernel > 0.0) read *= std::max(1.0, number(step.rates.reachable) / kernel);
    shares.push_back({"weights", bound_kind::memory, speed_part::weights, share_kind::excess,
                      share_overlap::weights_memory, read, excess});
    // The time of a measured kernel has the unpacking in it.
    if (kernel > 0.0 || format == weight_format::f32 || format == weight_format::packed) continue;
    const double operations =
        decode_step::compute_time(work.matrix_products[f] + work.expert_products[f], step.rates.integer) / step.devices;
    shares.push_back({"unpacking weights", bound_kind::compute, speed_part::arithmetic, share_kind::scale,
                      share_overlap::weights_arithmetic, operations, unpacking_levels(c, format)});
  }
}

/// What the sequences after the first cost a program that is no server.
inline void add_batch_shares(speed_shares& shares, const decode_step& step) {
  const decode_work& work = step.work;
  const speed_context& c = step.context;
  const double batch = step.run.batch;
  const bool metal = c.where == backend::metal && c.kernels == kernel_family::llama_cpp;
  const auto add = [&](bound_kind bound, double amount, const level_list& levels) {
    shares.push_back({"batch", bound, speed_part::batch, share_kind::scale, share_overlap::none, amount, levels});
  };
  flop one_column{};
  flop expert_column{};
  for (std::size_t f = 0; f < n_weight_formats; ++f) {
    one_column += work.matrix_products[f];
    expert_column += work.expert_products[f];
  }
  if (batch <= most_vector_columns) {
    add(bound_kind::compute, decode_step::compute_time(one_column, step.rates.integer) * (batch - 1.0) / step.devices,
        backend_levels(speed_factor::columns, c, 0.0, 1.0, 0.4));
  } else {
    const double columns = metal ? metal_tile * std::ceil(batch / metal_tile) : batch;
    add(bound_kind::compute, number(one_column) * columns / number(step.rates.matrix) / step.devices,
        backend_levels(speed_factor::dense_products, c, 0.7, 1.0, 0.5));
  }
  if (number(expert_column) > 0.0 && !(metal && batch < metal_tile)) {
    const double tile = metal ? metal_tile : expert_tile;
    const double columns = tile * std::max(1.0, work.tokens_per_expert / tile);
    add(bound_kind::compute, number(expert_column) * columns / number(step.rates.matrix) / step.devices,
        backend_levels(speed_factor::routed_products, c, 0.0, 1.0, 0.5));
  }
  if (c.where == backend::cuda || c.where == backend::rocm) {  // CUDA graphs are for one token only
    add(bound_kind::latency, work.layers, backend_levels(speed_factor::no_graph, c, std::log(50e-6), 1.0, 0.5));
  }
  add(bound_kind::latency, work.logits * (1.0 - 1.0 / batch) * 4.0 / host_copy,
      backend_levels(speed_factor::logits, c, 0.0, 1.0, 0.5));
  level_list copies;
  copies.add(key_of(speed_factor::state_copy, level_scope::all), 1.5, std::log(4.0));
  add(bound_kind::memory, step.read_time(work.state) * (1.0 - 1.0 / batch), copies);
}

/// What engines with a scheduler and CUDA graphs of their own cost.
inline void add_server_shares(speed_shares& shares, const decode_step& step) {
  const decode_work& work = step.work;
  const speed_context& c = step.context;
  const auto add = [&](std::string_view name, bound_kind bound, speed_part part, double amount,
                       const level_list& levels) {
    shares.push_back({name, bound, part, share_kind::scale, share_overlap::none, amount, levels});
  };
  level_list layer = backend_levels(speed_factor::server_layer, c, std::log(30e-6), 1.0, 0.5);
  add_engine_levels(layer, speed_factor::server_layer, c, 0.5);
  add("layers", bound_kind::latency, speed_part::latency, work.layers, layer);
  add("layers", bound_kind::latency, speed_part::latency, work.moe_layers,
      backend_levels(speed_factor::server_moe_layer, c, std::log(15e-6), 1.0, 0.5));
  level_list schedule;
  schedule.add(key_of(speed_factor::server_step, level_scope::all), 1.0, std::log(1.5e-3));
  schedule.add(key_of(speed_factor::server_step, level_scope::program, code(c.program)), 0.5);
  add("scheduler", bound_kind::latency, speed_part::latency, 1.0, schedule);
  constexpr std::int64_t first_graphs = 2024;  // vLLM 0.2.7, January 2024
  if (step.runtime.vllm.release_year > 0 && step.runtime.vllm.release_year < first_graphs) {
    level_list eager;
    eager.add(key_of(speed_factor::eager_layer, level_scope::all), 1.0, std::log(150e-6));
    add("layers", bound_kind::latency, speed_part::latency, work.layers, eager);
  }
  if (step.run.batch > 1.0) {
    add("batch", bound_kind::compute, speed_part::batch,
        number(work.token_products) * step.run.batch / number(step.rates.matrix) / step.devices,
        backend_levels(speed_factor::server_products, c, 0.7, 1.0, 0.5));
  }
}

/// The time of a layer beside its bytes and operations: starting its kernels, waiting for them.
inline speed_share layer_share(const speed_context& c, double n_layers) {
  level_list levels = device_levels(speed_factor::layer, c, std::log(40e-6), {2.0, 0.7, 0.0, 0.4});
  add_engine_levels(levels, speed_factor::layer, c, 0.5);
  add_build_levels(levels, speed_factor::layer, c, 0.3, 0.15);
  return {"layers", bound_kind::latency, speed_part::latency, share_kind::scale, share_overlap::none, n_layers, levels};
}

inline void add_layer_shares(speed_shares& shares, const decode_step& step) {
  const speed_context& c = step.context;
  shares.push_back(layer_share(c, step.work.layers));
  shares.push_back({"layers", bound_kind::latency, speed_part::latency, share_kind::scale, share_overlap::none,
                    step.work.moe_layers,
                    device_levels(speed_factor::moe_layer, c, std::log(25e-6), {1.0, 0.4, 0.0, 0.25})});
}

/// Hidden rows handed from one device to the next, `n_hops` times in a step.
inline speed_share hop_share(const speed_context& c, link_technology wire, double n_hops) {
  level_list levels;
  if (wire == link_technology::network) {
    levels.add(key_of(speed_factor::network_hop, level_scope::all), 1.0, std::log(1e-3));
  } else {
    levels.add(key_of(speed_factor::hop, level_scope::all), 1.0, std::log(50e-6));
    levels.add(key_of(speed_factor::hop, level_scope::link, code(wire)), 0.5);
    levels.add(key_of(speed_factor::hop, level_scope::backend, code(kin_of(c.where))), 0.5);
  }
  return {"devices", bound_kind::link, speed_part::fixed, share_kind::scale, share_overlap::none, n_hops, levels};
}

/// What devices say to each other in one step.
inline void add_link_shares(speed_shares& shares, const decode_step& step) {
  const double count = device_count(step.where.devices.front());
  if (count <= 1.0) return;
  const device_link wire = link_between(step.where);
  if (step.runtime.is_llama_cpp() && !splits_rows(step.runtime)) {
    shares.push_back(hop_share(step.context, wire.hop(), count - 1.0));
    return;
  }
  const auto add = [&](double amount, const level_list& levels) {
    shares.push_back(
        {"devices", bound_kind::link, speed_part::fixed, share_kind::scale, share_overlap::none, amount, levels});
  };
  level_list levels;
  if (splits_rows(step.runtime)) {
    levels.add(key_of(speed_factor::row_sum, level_scope::all), 1.0, std::log(300e-6));
    add(step.work.layers, levels);
    return;
  }
  levels.add(key_of(speed_factor::all_reduce, level_scope::all), 0.7);
  levels.add(key_of(speed_factor::all_reduce, level_scope::link, code(wire.kind)), 0.7);
  const double sums = 2.0 * step.work.layers;  // after attention and after the feed-forward part
  add(sums * all_reduce_seconds(wire.kind), levels);
  level_list moved;
  moved.add(key_of(speed_factor::link_bytes, level_scope::all), 0.5, 0.7);
  const double row = static_cast<double>(step.model.shape.d_model) * 2.0 * step.run.batch;  // 16-bit activations
  add(sums * row * 2.0 * (count - 1.0) / count / wire.bandwidth, moved);
}

/// The cache and the state, from the class's levels.
inline void add_context_shares(speed_shares& shares, const decode_step& step) {
  const decode_work& work = step.work;
  const speed_context& c = step.context;
  const level_list cache = cache_levels();
  const level_list attention = attention_levels(c);
  const std::uint8_t kin = code(kin_of(c.where));
  level_list latent = attention;
  latent.add(key_of(speed_factor::attention, level_scope::latent, on_all), 0.8);
  latent.add(key_of(speed_factor::attention, level_scope::latent, kin), 0.8);
  const auto read = [&](const real_bytes& amount, const level_list& levels) {
    shares.push_back({"kv cache", bound_kind::memory, speed_part::cache, share_kind::excess,
                      share_overlap::cache_memory, step.read_time(amount), levels});
  };
  const auto compute = [&](const flop& amount, const level_list& levels) {
    shares.push_back({"attention", bound_kind::compute, speed_part::attention, share_kind::scale,
                      share_overlap::cache_arithmetic,
                      decode_step::compute_time(amount, step.rates.vector) / step.devices, levels});
  };
  read(work.kv_cache, cache);
  // The one row of latent attention lies on every device.
  shares.push_back({"kv cache", bound_kind::memory, speed_part::cache, share_kind::excess, share_overlap::cache_memory,
                    number(work.latent_cache) / number(step.rates.reachable), cache});
  compute(work.attention, attention);
  compute(work.latent_attention, latent);
}

}  // namespace detail

/// The shares of one decode step.
/// @throws value_error without a device
[[nodiscard]] inline speed_shares decode_shares(const architecture& model, const weights_by_type& weights,
                                                const machine& where, const engine& runtime, const decode_run& run) {
  if (where.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
  const device& target = where.devices.front();
  const bool typed = runtime.is_llama_cpp();
  const speed_context c = context_of(target, runtime);
  const detail::decode_step step{
      model,
      where,
      runtime,
      c,
      rates_of(target, cpu_threads(runtime)),
      decode_work_of(model, weights, run.depth, run.batch, typed ? runtime.llama_cpp.type_k : ggml_type::f16,
                     typed ? runtime.llama_cpp.type_v : ggml_type::f16, detail::expert_reads(model, c, run.batch)),
      run,
      detail::concurrent_devices(target, runtime)};
  speed_shares shares;
  shares.reserve(32);
  const measured_rates* const measured = detail::measured_cores(target, runtime);
  if (measured != nullptr) {
    detail::add_measured_shares(shares, step.work, target, *measured, runtime, model);
  } else {
    detail::add_weight_shares(shares, step);
    detail::add_context_shares(shares, step);
    if (c.kernels == kernel_family::server) {
      detail::add_server_shares(shares, step);
    } else {
      detail::add_layer_shares(shares, step);
    }
  }
  shares.push_back({"recurrent state", bound_kind::memory, speed_part::weights, share_kind::excess, share_overlap::none,
                    step.read_time(step.work.state), detail::excess_levels(c)});
  const auto latency = [&](double amount, const level_list& levels) {
    shares.push_back(
        {"layers", bound_kind::latency, speed_part::latency, share_kind::scale, share_overlap::none, amount, levels});
  };
  latency(step.work.recurrent_layers,
          detail::backend_levels(speed_factor::recurrent_layer, c, std::log(20e-6), 1.0, 0.4));
  if (typed && c.build < fused_delta_net_build) {
    level_list levels;
    levels.add(key_of(speed_factor::unfused_delta_net, level_scope::all), 0.7);
    latency(step.work.delta_net_layers * detail::delta_net_nodes_seconds, levels);
  }
  if (run.batch > 1.0 && c.kernels != kernel_family::server) detail::add_batch_shares(shares, step);
  if (run.prompt > 0.0 && run.made > 0.0) {
    const double operations = run.prompt * run.batch * number(step.work.token_products);
    shares.push_back({"prompt", bound_kind::compute, speed_part::fixed, share_kind::scale, share_overlap::none,
                      operations / number(step.rates.matrix) / step.devices / run.made,
                      detail::backend_levels(speed_factor::prompt, c, 0.5, 0.5, 0.5)});
  }
  detail::add_link_shares(shares, step);
  std::erase_if(shares, [](const speed_share& one) { return one.amount <= 0.0; });
  return shares;
}

/// Speed of decode at a depth that need not be whole (the mean over a run).
[[nodiscard]] inline rate_estimate estimate_decode_at(const architecture& model, const weights_by_type& weights,
                                                      const machine& where, const engine& runtime,
                                                      const decode_run& run, level_table table = fitted_levels) {
  const speed_shares shares = decode_shares(model, weights, where, runtime, run);
  const device& target = where.devices.front();
  const roofline roof = roofline_ceiling(model, weights, where, runtime, run.depth, run.batch);
  const interval_question asked{.test = speed_test::decode,
                                .context = context_of(target, runtime),
                                .moe = model.shape.experts.has_value(),
                                .depth = run.depth,
                                .batch = run.batch,
                                .devices = detail::device_count(target),
                                .rare_formats = rare_share(weights),
                                .latent = has_latent_attention(model)};
  return rate_of(shares, table, calibration_of(target, runtime), run.batch, number(roof.step), roof.bound,
                 interval_of(asked, target, runtime), !is_measured(asked));
}

/// Speed of decode: workload.batch sequences, each with workload.depth tokens cached.
[[nodiscard]] inline rate_estimate estimate_decode(const architecture& model, const weights_by_type& weights,
                                                   const machine& where, const engine& runtime, const workload& work,
                                                   level_table table = fitted_levels) {
  return estimate_decode_at(model, weights, where, runtime,
                            {.depth = static_cast<double>(work.depth), .batch = static_cast<double>(work.batch)},
                            table);
}

}  // namespace v0
}  // namespace sizer
