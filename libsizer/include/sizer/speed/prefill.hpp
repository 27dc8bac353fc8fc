#pragma once
/// @file
/// Time of one prefill.
///
///   t = matrix products, thin ones of experts dearer + attention + what attention without fusing writes
///     + weights streamed once a pass + numbers between the matrices + recurrent layers + nodes of the graph
///
/// over the devices that work at the same time. Each term's factor is in speed/factor.hpp.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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
#include <sizer/speed/prefill_work.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/speed/share.hpp>
#include <sizer/speed/weight_format.hpp>
#include <sizer/units.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Share of the ideal pipeline that llama.cpp reaches over several cards.
inline constexpr double pipeline_gain = 0.85;

/// Builds of llama.cpp that changed a prefill path: quantised products on Turing and newer cards instead of unpacking
/// (pull request 8075, June 2024), the same on RDNA 3 and 4 (late 2025), cooperative matrices of quantised products on
/// Vulkan (pull request 18749), flash attention on RDNA 3 (early 2026).
inline constexpr std::int64_t first_quantised_cuda = 3300;
inline constexpr std::int64_t first_quantised_rocm = 7100;
inline constexpr std::int64_t faster_vulkan_products = 7720;
inline constexpr std::int64_t faster_rdna3_attention = 8200;
/// Ages are counted back from this build, in thousands, and no further than four.
inline constexpr std::int64_t ageless_build = 9000;

/// Formats that the backend's library multiplies as they are.
constexpr bool is_sixteen_bit(weight_format f) noexcept {
  return f == weight_format::f16 || f == weight_format::bf16 || f == weight_format::bf16_experts;
}

/// Whether llama.cpp unpacks quantised matrices to 16 bit in memory and leaves the product to cuBLAS or hipBLAS.
constexpr bool unpacks_to_memory(const speed_context& c) noexcept {
  if (c.program != engine_program::llama_cpp) return false;
  if (c.where == backend::cuda) return c.build < first_quantised_cuda && c.made != generation::pascal;
  return c.where == backend::rocm && c.build < first_quantised_rocm &&
         (c.made == generation::rdna3 || c.made == generation::rdna4);
}

constexpr bool is_intel_gpu(const speed_context& c) noexcept { return c.made == generation::xe; }

/// The rate that products with weights of that format are measured against.
inline double product_rate(const device_rates& rates, const speed_context& c, weight_format f) noexcept {
  const double dense = number(rates.matrix);
  if (c.where == backend::vulkan && (c.is_amd() || is_intel_gpu(c))) {
    // BF16 matrices are there on RDNA 4 only; elsewhere the shaders compute them in FP32.
    const bool slow =
        c.is_amd() && c.made != generation::rdna4 && (f == weight_format::bf16 || f == weight_format::bf16_experts);
    return number(rates.packed) / (slow ? 2.0 : 1.0);
  }
  const bool quantised_cuda = c.where == backend::cuda && !is_sixteen_bit(f) && f != weight_format::f32 &&
                              !unpacks_to_memory(c) && c.made != generation::pascal;
  if (quantised_cuda && rates.vector) {
    // Quantised products: 1024 operations a clock and multiprocessor, which has 64 FP32 lanes on Turing, Volta and the
    // A100, and 128 on the others.
    const bool narrow = c.made == generation::turing || c.made == generation::volta ||
                        (c.made == generation::ampere && dense > 8.0 * number(*rates.vector));
    return std::min(dense, number(*rates.vector) * (narrow ? 8.0 : 4.0));
  }
  return dense;
}

/// Ubatches of one logical batch that llama.cpp passes down a line of devices at the same time; 1 where it waits for
/// each. CUDA and ROCm can; a network between the devices cannot.
inline double ubatches_in_flight(const device& first, const machine& where, const engine& runtime,
                                 double ubatches) noexcept {
  if (ubatches <= 1.0 || (first.backend != backend::cuda && first.backend != backend::rocm) ||
      link_between(where).hop() == link_technology::network)
    return 1.0;
  const double in_batch = static_cast<double>(std::max<std::int64_t>(1, runtime.llama_cpp.n_batch)) /
                          static_cast<double>(std::max<std::int64_t>(1, runtime.llama_cpp.n_ubatch));
  return std::clamp(ubatches, 1.0, std::max(1.0, in_batch));
}

/// Devices that work on a prefill at the same time, on average. A tensor split: all. A layer split: one, except that
/// ubatches in flight ideally keep devices x ubatches / (ubatches + devices - 1) of them busy.
inline double prefill_concurrency(const machine& where, const engine& runtime, double ubatches) noexcept {
  const device& target = where.devices.front();
  const double count = device_count(target);
  if (!runtime.is_llama_cpp() || splits_rows(runtime)) return count;
  if (count <= 1.0) return 1.0;
  const double in_flight = ubatches_in_flight(target, where, runtime, ubatches);
  const double ideal = count * in_flight / (in_flight + count - 1.0);
  return 1.0 + pipeline_gain * (ideal - 1.0);
}

/// Thousands of builds of llama.cpp before build 9000; old builds have a level of their own.
inline double build_age(const speed_context& c) noexcept {
  if (c.kernels != kernel_family::llama_cpp || c.old_build) return 0.0;
  return std::clamp(static_cast<double>(ageless_build - c.build) / 1000.0, 0.0, 4.0);
}

inline void add_age_levels(level_list& levels, speed_factor factor, const speed_context& c, double all,
                           double backend) {
  const double age = build_age(c);
  if (age <= 0.0) return;
  levels.add(key_of(factor, level_scope::age, on_all), all, 0.0, age);
  levels.add(key_of(factor, level_scope::age, code(kin_of(c.where))), backend, 0.0, age);
}

/// Cores are a family of their own: what they have in common with graphics processors is nothing.
constexpr speed_factor matrix_factor(const speed_context& c) noexcept {
  return c.where == backend::cpu ? speed_factor::cpu_matrices : speed_factor::matrices;
}
constexpr speed_factor attention_factor(const speed_context& c) noexcept {
  return c.where == backend::cpu ? speed_factor::cpu_prefill_attention : speed_factor::prefill_attention;
}

inline level_list matrix_levels(const speed_context& c, double devices) {
  const speed_factor factor = matrix_factor(c);
  const std::uint8_t kin = code(kin_of(c.where));
  // The prior of cores is narrow, because few were measured: llama.cpp's products of Q8_0 and Q4_K reach 1 / 1.2 to
  // 1 / 1.8 of the measured FP32 rate (data/measurements, and the project's own runs of 2026-11), exp(0.5) between
  // them.
  const bool cores = c.where == backend::cpu;
  level_list levels = cores ? device_levels(factor, c, 0.5, {0.3, 0.0, 0.0, 0.0})
                            : device_levels(factor, c, 0.7, {2.0, 0.4, 0.35, 0.0});
  if (c.is_amd()) levels.add(key_of(factor, level_scope::maker), 0.3);
  if (c.program == engine_program::ik_llama_cpp && c.where == backend::cpu) {
    levels.add(key_of(factor, level_scope::program, code(c.program)), 0.4, -0.8);
  }
  if (c.kernels != kernel_family::llama_cpp) levels.add(key_of(factor, level_scope::family, code(c.kernels)), 0.3);
  if (devices > 1.0) levels.add(key_of(factor, level_scope::several_devices), 0.2);
  if (c.old_build) {
    levels.add(key_of(factor, level_scope::old_build, on_all), 0.3);
    levels.add(key_of(factor, level_scope::old_build, kin), c.where == backend::cpu ? 0.6 : 0.15);
  }
  if (!cores) add_age_levels(levels, factor, c, 0.1, 0.1);
  // Tiles tuned on Strix Halo: its author measured 1.36 to 1.76 times, geometric mean 1.51 = exp(0.41).
  const bool apu = c.what == device_class::amd_strix_halo || c.what == device_class::amd_apu;
  if (c.where == backend::vulkan && apu && c.build < faster_vulkan_products) {
    levels.add(key_of(factor, level_scope::before_change, 0, kin), 0.2, 0.41);
  }
  return levels;
}

/// A weight format relative to Q8_0.
inline void add_format_levels(level_list& levels, const speed_context& c, weight_format f) {
  const speed_factor factor = matrix_factor(c);
  const std::uint8_t kin = code(kin_of(c.where));
  if (f == weight_format::q8_0) return;
  const weight_format base = f == weight_format::bf16_experts ? weight_format::bf16 : f;
  levels.add(key_of(factor, level_scope::format, code(base)), 0.3);
  levels.add(key_of(factor, level_scope::format_backend, code(base), kin), c.where == backend::cpu ? 0.4 : 0.2);
  if (f == base) return;
  levels.add(key_of(factor, level_scope::format, code(f)), 0.5);
  levels.add(key_of(factor, level_scope::format_backend, code(f), kin), 0.5);
}

inline level_list prefill_attention_levels(const speed_context& c) {
  const speed_factor factor = attention_factor(c);
  // Two machines stand behind the attention of cores, one of them with two sockets: the prior is narrow.
  const bool cores = c.where == backend::cpu;
  level_list levels = cores ? device_levels(factor, c, 1.5, {0.7, 0.0, 0.0, 0.0})
                            : device_levels(factor, c, 1.0, {2.0, 0.3, 0.35, 0.0});
  if (c.is_amd()) levels.add(key_of(factor, level_scope::maker), 0.7);
  if (!cores) add_age_levels(levels, factor, c, 0.2, 0.14);
  if (c.where == backend::rocm && c.made == generation::rdna3 && c.build < faster_rdna3_attention) {
    levels.add(key_of(factor, level_scope::before_change, 0, code(c.where)), 0.4, 0.7);
  }
  return levels;
}

inline void add_product_shares(speed_shares& shares, const prefill_work& work, const speed_context& c,
                               const device_rates& rates, double devices) {
  const level_list gemm = matrix_levels(c, devices);
  const auto add = [&](double amount, const level_list& levels) {
    shares.push_back({"matrices", bound_kind::compute, speed_part::matrices, share_kind::scale, share_overlap::none,
                      amount, levels});
  };
  constexpr double tile = 32.0;  // columns: the unit in which thin products are counted, not a fitted number
  double unpacked = 0.0;
  for (std::size_t i = 0; i < n_weight_formats; ++i) {
    const auto f = static_cast<weight_format>(i);
    const double rate = product_rate(rates, c, f);
    level_list levels = gemm;
    add_format_levels(levels, c, f);
    add(number(work.matrices[i]) / rate, levels);
    const bool unpack =
        unpacks_to_memory(c) && !is_sixteen_bit(f) && f != weight_format::f32 && f != weight_format::mxfp4;
    if (unpack) unpacked += work.unpacked[i] + work.unpacked_experts[i];
    const double operations = number(work.routed[i]);
    if (operations <= 0.0) continue;
    level_list by_expert = levels;
    by_expert.add(key_of(speed_factor::routed, level_scope::all), 0.4);
    by_expert.add(key_of(speed_factor::routed, level_scope::backend, code(kin_of(c.where))), 0.3);
    add(operations / rate, by_expert);
    level_list thin = gemm;
    thin.add(backend_levels(speed_factor::thin, c, 0.0, 1.0, 0.5));
    add(operations / rate * tile / std::max(work.tokens_per_expert, 1e-3), thin);
  }
  level_list levels;
  levels.add(key_of(speed_factor::unpack_to_memory, level_scope::all), 0.2, 0.1);
  constexpr double written_and_read = 4.0;  // bytes a weight in 16 bit
  shares.push_back({"unpacking weights", bound_kind::memory, speed_part::prefill_traffic, share_kind::scale,
                    share_overlap::none, written_and_read * unpacked / number(rates.spec), levels});
}

inline void add_prefill_attention_shares(speed_shares& shares, const prefill_work& work, const speed_context& c,
                                         const device_rates& rates) {
  const auto add = [&](bound_kind bound, double amount, const level_list& levels) {
    shares.push_back(
        {"attention", bound, speed_part::prefill_attention, share_kind::scale, share_overlap::none, amount, levels});
  };
  const level_list attention = prefill_attention_levels(c);
  const double rate = number(c.is_amd() ? rates.packed : rates.matrix);
  const std::uint8_t kin = code(kin_of(c.where));
  if (c.flash_attention) {
    level_list windowed = attention;
    windowed.add(key_of(attention_factor(c), level_scope::windowed), 0.5);
    add(bound_kind::compute, number(work.attention) / rate, attention);
    add(bound_kind::compute, number(work.windowed_attention) / rate, windowed);
  } else {
    // Scores go through memory: written, masked, normalised, converted, read; about 30 bytes each.
    level_list scores = backend_levels(speed_factor::scores, c, std::log(30.0), 1.0, 0.5);
    if (c.old_build) scores.add(key_of(speed_factor::scores, level_scope::old_build, kin), 0.3);
    add(bound_kind::memory, work.scores / number(rates.spec), scores);
  }
  level_list latent = attention;
  latent.add(key_of(attention_factor(c), level_scope::latent, on_all), 0.6);
  latent.add(key_of(attention_factor(c), level_scope::latent, kin), 0.4);
  add(bound_kind::compute, number(work.latent_attention) / rate, latent);
}

inline void add_traffic_shares(speed_shares& shares, const prefill_work& work, const speed_context& c,
                               const device_rates& rates, bool delta_net) {
  const double bandwidth = number(c.where == backend::cpu ? rates.reachable : rates.spec);
  const auto add = [&](std::string_view name, bound_kind bound, speed_part part, double amount,
                       const level_list& levels) {
    shares.push_back({name, bound, part, share_kind::scale, share_overlap::none, amount, levels});
  };
  add("weights", bound_kind::memory, speed_part::prefill_traffic, number(work.streamed) / bandwidth,
      backend_levels(speed_factor::streamed, c, 0.0, 0.5, 0.3));
  add("activations", bound_kind::memory, speed_part::prefill_traffic, number(work.activations) / bandwidth,
      backend_levels(speed_factor::activations, c, 0.2, 0.3, 0.2));
  add("recurrence", bound_kind::memory, speed_part::prefill_traffic, number(work.recurrent_activations) / bandwidth,
      backend_levels(speed_factor::recurrent_activations, c, 0.5, 0.6, 0.3));
  if (delta_net && c.kernels == kernel_family::llama_cpp && c.build < fused_delta_net_build) {
    level_list levels;
    levels.add(key_of(speed_factor::unfused_prefill_delta_net, level_scope::all), 1.0);
    add("recurrence", bound_kind::memory, speed_part::prefill_traffic, work.recurrent_elements * 4.0 / bandwidth,
        levels);
  }
  add("recurrence", bound_kind::latency, speed_part::fixed, work.recurrent_tokens,
      backend_levels(speed_factor::recurrent_token, c, std::log(1e-6), 1.0, 0.5));
  add("layers", bound_kind::latency, speed_part::fixed, work.operations,
      backend_levels(speed_factor::operation, c, std::log(3e-6), 0.5, 0.5));
}

}  // namespace detail

/// The shares of the prefill of `n_tokens` behind `depth` cached ones.
/// @param spread  devices that the engine spreads a model over of which this is a part; 0: those of the machine
/// @throws value_error without a device
[[nodiscard]] inline speed_shares prefill_shares(const architecture& model, const weights_by_type& weights,
                                                 const machine& where, const engine& runtime, double n_tokens,
                                                 double depth, double spread = 0.0) {
  if (where.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
  const device& target = where.devices.front();
  const speed_context c = context_of(target, runtime);
  const device_rates rates = rates_of(target, cpu_threads(runtime));
  const prefill_work work = prefill_work_of(model, weights, n_tokens, depth, prefill_step(runtime));
  const double count = detail::device_count(target);
  speed_shares shares;
  shares.reserve(64);
  detail::add_product_shares(shares, work, c, rates, spread > 0.0 ? spread : count);
  detail::add_prefill_attention_shares(shares, work, c, rates);
  detail::add_traffic_shares(shares, work, c, rates, detail::count_layers(model).delta_net > 0.0);
  std::erase_if(shares, [](const speed_share& one) { return one.amount <= 0.0; });
  const double at_once = detail::prefill_concurrency(where, runtime, work.passes);
  // Devices that divide every layer each launch every kernel.
  for (speed_share& share : shares) {
    if (runtime.is_llama_cpp() || share.bound != bound_kind::latency) share.amount /= at_once;
  }
  if (!runtime.is_llama_cpp() && count > 1.0) {
    // Each pass sums over the devices after attention and after the feed-forward part, in 16 bit.
    const detail::device_link wire = detail::link_between(where);
    const double columns = work.passes > 0.0 ? n_tokens / work.passes : 0.0;
    const double moved = static_cast<double>(model.shape.d_model) * 2.0 * columns * 2.0 * (count - 1.0) / count;
    const double each = detail::all_reduce_seconds(wire.kind) + moved / wire.bandwidth;
    shares.push_back({"devices",
                      bound_kind::link,
                      speed_part::fixed,
                      share_kind::scale,
                      share_overlap::none,
                      2.0 * work.layer_passes * each,
                      {}});
  }
  return shares;
}

namespace detail {

/// Cached tokens that a prompt's tokens attend to, summed over them: no cell that a mask hides has to be computed.
inline double attended_in_all(const layer& block, const model_shape& shape, double n_tokens, double depth) noexcept {
  const double end = depth + n_tokens;
  const double all = (end * end - depth * depth) / 2.0;
  if (!is_windowed(block.mixer) || shape.sliding_window <= 0) return all;
  const double window = shape.sliding_window;
  if (depth >= window) return n_tokens * window;
  const double growing = std::min(end, window);
  return (growing * growing - depth * depth) / 2.0 + std::max(end - window, 0.0) * window;
}

/// What physics asks of a prefill.
struct least_prefill {
  double seconds_needed = 0;
  bound_kind bound = bound_kind::compute;
};

/// Every device at its peak, and the weights that one token uses read once.
inline least_prefill least_prefill_time(const architecture& model, const weights_by_type& weights, const device& target,
                                        const engine& runtime, double n_tokens, double depth) {
  if (n_tokens <= 0.0) return {};
  const device_rates rates = rates_of(target, cpu_threads(runtime));
  const prefill_work work = prefill_work_of(model, weights, n_tokens, depth, prefill_step(runtime));
  double operations = 0.0;
  for (const layer& block : model.layers) {
    if (!has_attention(block.mixer)) continue;
    operations += attended_in_all(block, model.shape, n_tokens, depth) * attention_flop(block);
  }
  for (std::size_t f = 0; f < n_weight_formats; ++f) operations += number(work.matrices[f]) + number(work.routed[f]);
  const decode_work one = decode_work_of(model, weights, 0.0, 1.0, ggml_type::f16, ggml_type::f16, 0.0);
  const double head = real(weights.output_head).value();
  const double reading = std::max(number(one.least) - head, 0.0) / number(rates.spec);
  const double computing = operations / number(rates.peak);
  return {std::max(computing, reading) / device_count(target),
          computing >= reading ? bound_kind::compute : bound_kind::memory};
}

}  // namespace detail

/// Speed of the prefill of workload.prompt_tokens tokens of one sequence that has workload.depth tokens cached.
[[nodiscard]] inline rate_estimate estimate_prefill(const architecture& model, const weights_by_type& weights,
                                                    const machine& where, const engine& runtime,
                                                    const workload& request, level_table table = fitted_levels,
                                                    double spread = 0.0) {
  const auto n_tokens = static_cast<double>(request.prompt_tokens);
  const auto depth = static_cast<double>(request.depth);
  const speed_shares shares = prefill_shares(model, weights, where, runtime, n_tokens, depth, spread);
  const device& target = where.devices.front();
  const interval_question asked{.test = speed_test::prefill,
                                .context = context_of(target, runtime),
                                .moe = model.shape.experts.has_value(),
                                .depth = depth + n_tokens / 2.0,
                                .batch = 1,
                                .devices = detail::device_count(target),
                                .rare_formats = rare_share(weights),
                                .latent = has_latent_attention(model)};
  const detail::least_prefill least = detail::least_prefill_time(model, weights, target, runtime, n_tokens, depth);
  return rate_of(shares, table, calibration_of(target, runtime), n_tokens, least.seconds_needed, least.bound,
                 interval_of(asked, target, runtime), !is_measured(asked));
}

}  // namespace v0
}  // namespace sizer
