#pragma once
/// @file
/// From a model as stated to a checked model with its layers.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/error.hpp>
#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Largest value a shape may state. Real models stay far below; a larger one is a mistake or an attack, and would only
/// meet the overflow check later, with a message that says less.
inline constexpr std::int64_t largest_dimension = 16'777'216;
inline constexpr std::int64_t largest_layer_count = 4096;
inline constexpr std::int64_t largest_context = 1'073'741'824;

inline void require_range(std::string_view field, std::int64_t got, std::int64_t low, std::int64_t high) {
  if (got < low || got > high) {
    throw value_error{std::string{field}, std::to_string(got), std::to_string(low) + " to " + std::to_string(high)};
  }
}

template <class Kind>
std::vector<Kind> expand_pattern(std::string_view field, const std::vector<run<Kind>>& pattern, std::int32_t n_layers) {
  if (pattern.empty()) throw value_error{std::string{field}, "an empty pattern", "at least one run of layers"};
  std::vector<Kind> kinds;
  kinds.reserve(static_cast<std::size_t>(n_layers));
  for (const run<Kind>& part : pattern) require_range(field, part.count, 1, largest_layer_count);
  while (kinds.size() < static_cast<std::size_t>(n_layers)) {
    for (const run<Kind>& part : pattern) {
      for (std::int32_t i = 0; i < part.count && kinds.size() < static_cast<std::size_t>(n_layers); ++i) {
        kinds.push_back(part.kind);
      }
    }
  }
  return kinds;
}

inline std::int32_t per_layer(std::string_view field, const std::vector<std::int32_t>& values, std::size_t layer,
                              std::int32_t n_layers) {
  if (values.empty()) return 0;
  if (values.size() == 1) return values.front();
  if (values.size() != static_cast<std::size_t>(n_layers)) {
    throw value_error{std::string{field}, std::to_string(values.size()) + " values",
                      "1 value, or one per layer (" + std::to_string(n_layers) + ")"};
  }
  return values[layer];
}

inline void check_parts(const model_shape& shape, const std::vector<mixer_kind>& mixers,
                        const std::vector<feed_forward_kind>& feed_forwards) {
  bool windowed = false;
  bool latent = false;
  bool recurrent = false;
  for (const mixer_kind m : mixers) {
    windowed = windowed || is_windowed(m);
    latent = latent || m == mixer_kind::latent;
    recurrent = recurrent || is_recurrent(m);
  }
  bool moe = false;
  for (const feed_forward_kind f : feed_forwards) moe = moe || f == feed_forward_kind::moe;

  if (windowed) require_range("sliding_window", shape.sliding_window, 1, largest_context);
  if (latent) {
    if (!shape.latent) throw value_error{"latent", "nothing", "the MLA shape, because a layer uses latent attention"};
    require_range("latent.kv_lora_rank", shape.latent->kv_lora_rank, 1, largest_dimension);
    require_range("latent.qk_rope_head_dim", shape.latent->qk_rope_head_dim, 0, largest_dimension);
    require_range("latent.qk_nope_head_dim", shape.latent->qk_nope_head_dim, 0, largest_dimension);
    require_range("latent.v_head_dim", shape.latent->v_head_dim, 1, largest_dimension);
    require_range("latent.q_lora_rank", shape.latent->q_lora_rank, 0, largest_dimension);
  }
  if (recurrent) {
    if (!shape.recurrent)
      throw value_error{"recurrent", "nothing", "the recurrent shape, because a layer is recurrent"};
    require_range("recurrent.d_conv", shape.recurrent->d_conv, 1, 1024);
    require_range("recurrent.d_inner", shape.recurrent->d_inner, 0, largest_dimension);
    require_range("recurrent.d_state", shape.recurrent->d_state, 0, largest_dimension);
    require_range("recurrent.n_groups", shape.recurrent->n_groups, 0, largest_dimension);
    require_range("recurrent.n_heads", shape.recurrent->n_heads, 0, largest_dimension);
  }
  if (moe) {
    if (!shape.experts)
      throw value_error{"experts", "nothing", "the expert shape, because a layer is a mixture of experts"};
    require_range("experts.n_experts", shape.experts->n_experts, 1, 65536);
    require_range("experts.n_experts_per_token", shape.experts->n_experts_per_token, 1, shape.experts->n_experts);
    require_range("experts.d_ff_expert", shape.experts->d_ff_expert, 1, largest_dimension);
    require_range("experts.n_shared_experts", shape.experts->n_shared_experts, 0, 65536);
    require_range("experts.d_ff_shared", shape.experts->d_ff_shared, 0, largest_dimension);
    require_range("experts.d_latent", shape.experts->d_latent, 0, largest_dimension);
  }
}

inline layer expand_layer(const model_shape& shape, std::size_t index, mixer_kind mixer,
                          feed_forward_kind feed_forward) {
  layer block;
  block.mixer = mixer;
  block.feed_forward = feed_forward;
  if (feed_forward == feed_forward_kind::dense) {
    block.d_ff = per_layer("d_ff", shape.d_ff, index, shape.n_layers);
    require_range("d_ff", block.d_ff, 0, largest_dimension);
    if (block.d_ff == 0) block.feed_forward = feed_forward_kind::none;
  }
  if (!has_attention(mixer)) return block;

  block.n_heads = per_layer("n_heads", shape.n_heads, index, shape.n_layers);
  block.n_kv_heads = per_layer("n_kv_heads", shape.n_kv_heads, index, shape.n_layers);
  block.head_dim_k = shape.head_dim_k;
  block.head_dim_v = shape.head_dim_v;
  if (is_windowed(mixer)) {
    if (shape.sliding_n_heads > 0) block.n_heads = shape.sliding_n_heads;
    if (shape.sliding_n_kv_heads > 0) block.n_kv_heads = shape.sliding_n_kv_heads;
    if (shape.sliding_head_dim_k > 0) block.head_dim_k = shape.sliding_head_dim_k;
    if (shape.sliding_head_dim_v > 0) block.head_dim_v = shape.sliding_head_dim_v;
  }
  require_range("n_heads", block.n_heads, 0, largest_dimension);
  if (block.n_heads == 0) {  // a layer whose attention was pruned away (DeciLM)
    block.mixer = mixer_kind::none;
    return block;
  }
  if (mixer == mixer_kind::latent) {
    block.n_kv_heads = 1;
    block.head_dim_k = shape.latent->kv_lora_rank + shape.latent->qk_rope_head_dim;
    block.head_dim_v = shape.latent->kv_lora_rank;
    return block;
  }
  require_range("n_kv_heads", block.n_kv_heads, 1, block.n_heads);
  if (block.head_dim_k == 0) {
    if (shape.d_model % block.n_heads != 0) {
      throw value_error{"head_dim_k", "nothing",
                        "a width, because d_model " + std::to_string(shape.d_model) + " is not a multiple of n_heads " +
                            std::to_string(block.n_heads)};
    }
    block.head_dim_k = shape.d_model / block.n_heads;
  }
  if (block.head_dim_v == 0) block.head_dim_v = block.head_dim_k;
  require_range("head_dim_k", block.head_dim_k, 1, largest_dimension);
  require_range("head_dim_v", block.head_dim_v, 1, largest_dimension);
  if (block.n_heads % block.n_kv_heads != 0) {
    throw value_error{"n_kv_heads", std::to_string(block.n_kv_heads),
                      "a divisor of n_heads (" + std::to_string(block.n_heads) + ")"};
  }
  return block;
}

}  // namespace detail

/// Checks a shape and expands it to layers.
/// @throws value_error naming the field, the value and the range
[[nodiscard]] inline architecture make_architecture(model_shape shape) {
  using detail::require_range;
  require_range("n_layers", shape.n_layers, 1, detail::largest_layer_count);
  require_range("n_mtp_layers", shape.n_mtp_layers, 0, detail::largest_layer_count);
  require_range("d_model", shape.d_model, 1, detail::largest_dimension);
  require_range("vocab_size", shape.vocab_size, 1, detail::largest_dimension);
  require_range("context_length", shape.context_length, 1, detail::largest_context);
  require_range("head_dim_k", shape.head_dim_k, 0, detail::largest_dimension);
  require_range("head_dim_v", shape.head_dim_v, 0, detail::largest_dimension);
  require_range("n_kv_shared_layers", shape.n_kv_shared_layers, 0, shape.n_layers - 1);
  require_range("per_layer_embedding", shape.per_layer_embedding, 0, detail::largest_dimension);
  require_range("indexer_head_dim", shape.indexer_head_dim, 0, detail::largest_dimension);
  require_range("indexer_n_layers", shape.indexer_n_layers, 0, shape.n_layers);

  const auto mixers = detail::expand_pattern("mixers", shape.mixers, shape.n_layers);
  const auto feed_forwards = detail::expand_pattern("feed_forwards", shape.feed_forwards, shape.n_layers);
  detail::check_parts(shape, mixers, feed_forwards);

  architecture model;
  model.layers.reserve(mixers.size());
  for (std::size_t i = 0; i < mixers.size(); ++i) {
    layer block = detail::expand_layer(shape, i, mixers[i], feed_forwards[i]);
    block.owns_kv_cache =
        has_attention(block.mixer) && static_cast<std::int32_t>(i) < shape.n_layers - shape.n_kv_shared_layers;
    model.layers.push_back(block);
  }
  model.shape = std::move(shape);
  return model;
}

}  // namespace v0
}  // namespace sizer
