#pragma once
/// @file
/// What one decode step does: bytes moved and operations made, from the model, its weights and the request. No device
/// and no fitted number is in here.
///
/// One token for each of b sequences at depth d reads every matrix that is not an embedding table once, the experts
/// that the b tokens hit, each sequence's KV rows (all d, or the window), and reads and writes each sequence's
/// recurrent state.

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <sizer/memory/recurrent_state.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/speed/weight_format.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Distinct experts of a layer that `n_tokens` tokens are routed to, if each chose at random: E (1 - (1 -
/// k/E)^n_tokens).
[[nodiscard]] inline double expected_experts(const expert_shape& experts, double n_tokens) {
  const double all = experts.n_experts;
  const double used = experts.n_experts_per_token;
  return all * (1.0 - std::pow(1.0 - used / all, n_tokens));
}

/// One decode step of the whole batch.
struct decode_work {
  per_format<real_bytes> matrices{};   ///< matrices that every token uses, read once
  per_format<real_bytes> experts{};    ///< routed experts that the batch reads
  per_format<flop> matrix_products{};  ///< unpack, multiply and add for one sequence: 2 per weight of `matrices`
  per_format<flop> expert_products{};  ///< the same of `experts`
  real_bytes kv_cache{};               ///< keys and values read
  real_bytes latent_cache{};           ///< compressed rows of latent attention (MLA) read
  real_bytes state{};                  ///< recurrent state read and written
  flop attention{};                    ///< scores and weighted values
  double attention_rows = 0;           ///< query heads x cached tokens, over all layers
  flop latent_attention{};             ///< the same in latent layers
  flop token_products{};               ///< matrix products of one sequence
  double tokens_per_expert = 0;        ///< sequences that each expert read serves, on average; 0 without experts
  double logits = 0;                   ///< numbers that the output head makes, of all sequences
  double layers = 0;
  double moe_layers = 0;
  double recurrent_layers = 0;
  double delta_net_layers = 0;  ///< of them gated delta nets
  real_bytes least{};           ///< bytes that no implementation can avoid (every sequence uses the same experts)
  flop least_flop{};            ///< operations that no implementation can avoid

  /// Weights read, experts included.
  [[nodiscard]] real_bytes weights(std::size_t format) const { return matrices[format] + experts[format]; }
};

namespace detail {

/// Mixers and feed-forward parts, counted.
struct layer_counts {
  double moe = 0;
  double recurrent = 0;
  double delta_net = 0;
};
inline layer_counts count_layers(const architecture& model) noexcept {
  layer_counts n;
  for (const layer& block : model.layers) {
    if (block.feed_forward == feed_forward_kind::moe) n.moe += 1;
    if (is_recurrent(block.mixer)) n.recurrent += 1;
    if (block.mixer == mixer_kind::gated_delta_net) n.delta_net += 1;
  }
  return n;
}

/// Cached tokens that a layer of that kind attends to at depth d.
constexpr double attended(const layer& block, const model_shape& shape, double depth) noexcept {
  return is_windowed(block.mixer) && shape.sliding_window > 0
             ? std::min(depth, static_cast<double>(shape.sliding_window))
             : depth;
}

/// Bytes of one cached token in one layer, from the bytes of one key and one value element.
constexpr double kv_row(const layer& block, double k_element, double v_element) noexcept {
  const double heads = block.n_kv_heads;
  if (block.mixer == mixer_kind::latent)
    return heads * block.head_dim_k * k_element;  // values: the start of the same row
  return heads * (block.head_dim_k * k_element + block.head_dim_v * v_element);
}

/// Operations of one query token on one cached token in one layer: a dot product and a weighted sum for each head.
constexpr double attention_flop(const layer& block) noexcept {
  return 2.0 * block.n_heads * (static_cast<double>(block.head_dim_k) + block.head_dim_v);
}

}  // namespace detail

/// Share of the routed experts that a batch reads, if it spread over them as `n_tokens` independent tokens would.
[[nodiscard]] inline double expert_share(const architecture& model, double n_tokens) {
  if (!model.shape.experts) return 0.0;
  return expected_experts(*model.shape.experts, n_tokens) / model.shape.experts->n_experts;
}

/// @param depth        tokens cached by each sequence (a real number: the mean over a run)
/// @param batch        sequences decoded together
/// @param expert_reads  experts read over experts there are (expert_share); above 1 where an engine reads them again
/// for
///                      each sequence
[[nodiscard]] inline decode_work decode_work_of(const architecture& model, const weights_by_type& weights, double depth,
                                                double batch, ggml_type type_k, ggml_type type_v, double expert_reads) {
  decode_work work;
  double one_token = 0.0;  // share of the experts that one token uses
  if (model.shape.experts) {
    const expert_shape& experts = *model.shape.experts;
    one_token = static_cast<double>(experts.n_experts_per_token) / experts.n_experts;
    work.tokens_per_expert = expert_reads > 0.0 ? batch * one_token / expert_reads : 0.0;
  }

  double least = 0.0;
  double token_flop = 0.0;  // matrix products of one token
  const auto add = [&](weight_format format, weight_format routed_format, double whole, double whole_elements,
                       double routed, double routed_elements) {
    const std::size_t f = detail::index(format);
    const std::size_t r = detail::index(routed_format);
    work.matrices[f] += real_bytes::from_value(whole);
    work.matrix_products[f] += make_flop(2.0 * whole_elements);
    work.experts[r] += real_bytes::from_value(routed * expert_reads);
    work.expert_products[r] += make_flop(2.0 * routed_elements * expert_reads);
    least += whole + routed * one_token;
    token_flop += 2.0 * (whole_elements + routed_elements * one_token);
  };
  for (const ggml_type_info& type : ggml_types) {
    const auto i = static_cast<std::size_t>(type.type);
    const double whole = real(weights.read_by_type[i]).value();
    const double routed = real(weights.routed_by_type[i]).value();
    if (whole <= 0.0 && routed <= 0.0) continue;
    add(format_of(type.type), type.type == ggml_type::bf16 ? weight_format::bf16_experts : format_of(type.type), whole,
        detail::weights_in(type.type, whole), routed, detail::weights_in(type.type, routed));
  }
  const double packed = real(weights.read_packed).value();
  const double routed_packed = real(weights.routed_packed).value();
  add(weight_format::packed, weight_format::packed, packed, packed, routed_packed, routed_packed);

  double kv = 0.0;
  double latent = 0.0;
  double attention = 0.0;
  double attention_rows = 0.0;
  double latent_attention = 0.0;
  double state = 0.0;
  const double k_element = bits_per_weight(type_k) / 8.0;
  const double v_element = bits_per_weight(type_v) / 8.0;
  for (const layer& block : model.layers) {
    if (is_recurrent(block.mixer)) state += recurrent_elements(model, block.mixer).real() * 4.0;
    if (!has_attention(block.mixer)) continue;
    const double cells = detail::attended(block, model.shape, depth);
    const double bytes_read = cells * detail::kv_row(block, k_element, v_element);
    const double operations = cells * detail::attention_flop(block);
    (block.mixer == mixer_kind::latent ? latent : kv) += bytes_read;
    (block.mixer == mixer_kind::latent ? latent_attention : attention) += operations;
    attention_rows += cells * block.n_heads;
  }
  const detail::layer_counts n = detail::count_layers(model);
  work.kv_cache = real_bytes::from_value(kv * batch);
  work.latent_cache = real_bytes::from_value(latent * batch);
  work.state = real_bytes::from_value(2.0 * state * batch);
  work.attention = make_flop(attention * batch);
  work.attention_rows = attention_rows * batch;
  work.latent_attention = make_flop(latent_attention * batch);
  work.token_products = make_flop(token_flop);
  work.logits = static_cast<double>(model.shape.vocab_size) * batch;
  work.layers = static_cast<double>(model.layers.size());
  work.moe_layers = n.moe;
  work.recurrent_layers = n.recurrent;
  work.delta_net_layers = n.delta_net;
  work.least = real_bytes::from_value(least + (kv + latent + 2.0 * state) * batch);
  work.least_flop = make_flop((token_flop + attention + latent_attention) * batch);
  return work;
}

}  // namespace v0
}  // namespace sizer
