#pragma once
/// @file
/// What one prefill does: operations made and bytes moved, from the model, its weights and the request. No device and
/// no fitted number is in here.
///
/// n tokens are multiplied with every matrix in passes of one ubatch (the output head sees one token); each pass reads
/// the weights once, writes and reads what lies between the matrices, and attends to all that is cached at its end.

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <sizer/engine/engine.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/speed/decode_work.hpp>
#include <sizer/speed/weight_format.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// One prefill of one prompt.
struct prefill_work {
  per_format<flop> matrices{};            ///< matrices that every token uses
  per_format<flop> routed{};              ///< routed experts
  double tokens_per_expert = 0;           ///< of one pass, on average; 0 without experts
  per_format<double> unpacked{};          ///< weights of the matrices, once a pass
  per_format<double> unpacked_experts{};  ///< weights of the experts that a pass hits, once a pass
  flop attention{};                       ///< over the whole context, all cells up to the end of each pass
  flop windowed_attention{};              ///< in layers with a window
  flop latent_attention{};                ///< in layers with latent attention
  double scores = 0;         ///< query heads x tokens x cells: numbers that attention without fusing writes out
  real_bytes streamed{};     ///< weights read from memory, once a pass
  real_bytes activations{};  ///< what the operations between the matrices write and read, in f32
  real_bytes recurrent_activations{};  ///< the same inside recurrent layers
  double recurrent_elements = 0;       ///< tokens x elements of the recurrent state
  double recurrent_tokens = 0;         ///< recurrent layers x tokens
  double operations = 0;               ///< nodes of the engine's graph, in all passes
  double passes = 0;                   ///< ubatches
  double layer_passes = 0;             ///< layers x passes
};

namespace detail {

/// The type of the output head, among those that are read whole: the one whose bits fit its bytes best.
inline ggml_type head_type(const weights_by_type& weights, double elements) noexcept {
  const double bits = 8.0 * real(weights.output_head).value() / std::max(elements, 1.0);
  ggml_type best = ggml_type::f32;
  for (const ggml_type_info& candidate : ggml_types) {
    const auto i = static_cast<std::size_t>(candidate.type);
    if (weights.read_by_type[i] == make_bytes(0)) continue;
    if (std::abs(bits_per_weight(candidate.type) - bits) < std::abs(bits_per_weight(best) - bits))
      best = candidate.type;
  }
  return best;
}

/// Numbers written and read between the matrices by one token in one layer, and nodes of the layer's graph: counted
/// from the operations of llama.cpp's graphs (norms, rotations, gates, sums, copies; source of 2026-08). Attention's
/// own scores are apart, and so is what recurrent layers do (`recurrent`).
struct layer_traffic {
  double elements = 0;
  double recurrent = 0;
  double nodes = 0;
};

inline layer_traffic traffic_of(const architecture& model, const layer& block) {
  const double d = model.shape.d_model;
  const double heads = block.n_heads;
  layer_traffic out;
  if (block.mixer == mixer_kind::latent && model.shape.latent) {
    const latent_shape& l = *model.shape.latent;
    const double rank = l.kv_lora_rank;
    out.elements += 10 * d + 6 * heads * (rank + l.qk_rope_head_dim) + 3 * heads * rank + 3 * heads * l.v_head_dim;
    out.nodes += 20;
  } else if (has_attention(block.mixer)) {
    out.elements += 10 * d + 4 * heads * block.head_dim_k + 3 * heads * block.head_dim_v +
                    4.0 * block.n_kv_heads * (block.head_dim_k + block.head_dim_v);
    out.nodes += 14;
  }
  if (is_recurrent(block.mixer) && model.shape.recurrent) {
    const recurrent_shape& r = *model.shape.recurrent;
    out.elements += 5 * d;
    out.recurrent += 14.0 * r.d_inner + 8.0 * r.n_groups * r.d_state;
    out.nodes += 20;
  }
  if (block.feed_forward == feed_forward_kind::dense) {
    out.elements += 5 * d + 6.0 * block.d_ff;
    out.nodes += 5;
  } else if (block.feed_forward == feed_forward_kind::moe && model.shape.experts) {
    const expert_shape& e = *model.shape.experts;
    const double width = e.d_latent > 0 ? e.d_latent : d;
    out.elements += 5 * d + 6.0 * e.n_experts_per_token * e.d_ff_expert + 4 * e.n_experts_per_token * width +
                    6.0 * e.d_ff_shared + 3.0 * e.n_experts;
    out.nodes += 16;
  }
  return out;
}

}  // namespace detail

/// @param n      prompt tokens
/// @param depth  tokens already cached when the prompt starts
[[nodiscard]] inline prefill_work prefill_work_of(const architecture& model, const weights_by_type& weights, double n,
                                                  double depth, double ubatch) {
  prefill_work work;
  if (n <= 0.0) return work;
  const double per_pass = std::clamp(ubatch, 1.0, n);
  work.passes = std::ceil(n / per_pass);

  const detail::layer_counts counted = detail::count_layers(model);
  double one_token = 0.0;
  double share = 0.0;  // of the experts that one pass hits
  if (model.shape.experts) {
    const expert_shape& experts = *model.shape.experts;
    one_token = static_cast<double>(experts.n_experts_per_token) / experts.n_experts;
    share = expert_share(model, per_pass);
    work.tokens_per_expert = per_pass * one_token;
  }

  const double head_elements = static_cast<double>(model.shape.d_model) * model.shape.vocab_size;
  const ggml_type head = detail::head_type(weights, head_elements);
  double streamed = 0.0;
  const auto add = [&](weight_format format, weight_format routed_format, double whole, double routed) {
    const std::size_t f = detail::index(format);
    const std::size_t r = detail::index(routed_format);
    work.matrices[f] += make_flop(2.0 * whole * n);
    work.routed[r] += make_flop(2.0 * routed * one_token * n);
    work.unpacked[f] += whole * work.passes;
    work.unpacked_experts[r] += routed * share * work.passes;
  };
  for (const ggml_type_info& type : ggml_types) {
    const auto i = static_cast<std::size_t>(type.type);
    double whole = real(weights.read_by_type[i]).value();
    const double routed = real(weights.routed_by_type[i]).value();
    if (type.type == head) whole = std::max(0.0, whole - real(weights.output_head).value());
    add(format_of(type.type), type.type == ggml_type::bf16 ? weight_format::bf16_experts : format_of(type.type),
        detail::weights_in(type.type, whole), detail::weights_in(type.type, routed));
    streamed += whole + routed * share;
  }
  const double packed = real(weights.read_packed).value();
  const double routed_packed = real(weights.routed_packed).value();
  add(weight_format::packed, weight_format::packed, packed, routed_packed);
  streamed += packed + routed_packed * share;
  work.streamed = real_bytes::from_value(streamed * work.passes);

  double attention = 0.0;
  double windowed = 0.0;
  double latent = 0.0;
  double elements = 0.0;
  double recurrent = 0.0;
  double nodes = 0.0;
  // Each pass computes the cells up to its own end, masked ones included.
  const double cells = depth + (n + per_pass) / 2.0;
  for (const layer& block : model.layers) {
    const detail::layer_traffic between = detail::traffic_of(model, block);
    elements += between.elements;
    recurrent += between.recurrent;
    nodes += between.nodes;
    if (is_recurrent(block.mixer) && model.shape.recurrent) {
      work.recurrent_elements += n * model.shape.recurrent->d_inner * model.shape.recurrent->d_state;
    }
    if (!has_attention(block.mixer)) continue;
    const bool window = is_windowed(block.mixer) && model.shape.sliding_window > 0;
    const double seen = window ? std::min(cells, model.shape.sliding_window + per_pass) : cells;
    const double operations = n * seen * detail::attention_flop(block);
    (block.mixer == mixer_kind::latent ? latent : window ? windowed : attention) += operations;
    if (block.mixer != mixer_kind::latent) work.scores += n * seen * block.n_heads;
  }
  constexpr double f32 = 4.0;
  work.attention = make_flop(attention);
  work.windowed_attention = make_flop(windowed);
  work.latent_attention = make_flop(latent);
  work.activations = real_bytes::from_value(elements * n * f32);
  work.recurrent_activations = real_bytes::from_value(recurrent * n * f32);
  work.operations = nodes * work.passes;
  work.layer_passes = static_cast<double>(model.layers.size()) * work.passes;
  work.recurrent_tokens = counted.recurrent * n;
  return work;
}

/// Tokens of one pass of the engine's prefill.
[[nodiscard]] inline double prefill_step(const engine& runtime) noexcept {
  switch (runtime.kind) {
    case engine_kind::vllm: return static_cast<double>(runtime.vllm.max_num_batched_tokens);
    case engine_kind::mlx: return static_cast<double>(runtime.mlx.prefill_step_size);
    default: return static_cast<double>(runtime.llama_cpp.n_ubatch);
  }
}

}  // namespace v0
}  // namespace sizer
