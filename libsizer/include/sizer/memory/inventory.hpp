#pragma once
/// @file
/// From a model to its tensors. Shapes follow the tensor creation in llama.cpp's `src/models/*.cpp`, read at
/// unslothai/llama.cpp@d32676d77426 (an upstream tree of 2026-08); which optional tensors exist is model/family.hpp's.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <sizer/memory/group_writer.hpp>
#include <sizer/memory/tensors.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/family.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Gemma 3n's AltUp streams and LAuReL rank, fixed in llama.cpp (`src/models/gemma3n.cpp`, load_arch_hparams).
inline constexpr std::int32_t altup_streams = 4;
inline constexpr std::int32_t laurel_rank = 64;

/// Adds groups to an inventory, one layer class at a time.
class inventory_builder : private group_writer {
 public:
  explicit inventory_builder(const architecture& model) : group_writer{model.shape} {
    inventory_.class_of_layer.reserve(model.layers.size() + static_cast<std::size_t>(shape_.n_mtp_layers));
    inventory_.groups.reserve(48);
    classify(model);
    add_model_tensors();
    for (std::size_t i = 0; i < inventory_.classes.size(); ++i) {
      class_index_ = static_cast<std::uint16_t>(i);
      mtp_ = inventory_.classes[i].is_mtp;
      add_block(inventory_.classes[i].block);
    }
  }

  [[nodiscard]] tensor_inventory take() && { return std::move(inventory_); }

 private:
  // ---- layers of a kind ----

  void classify(const architecture& model) {
    std::int32_t indexers = shape_.indexer_n_layers > 0 ? shape_.indexer_n_layers : shape_.n_layers;
    for (const layer& block : model.layers) {
      layer key = block;
      if (is_windowed(key.mixer) && !windowed_layers_differ()) key.mixer = mixer_kind::full;
      // Layers that reuse a cache store key and value matrices all the same, so the flag is free to say "has an
      // indexer".
      key.owns_kv_cache = key.mixer == mixer_kind::latent && shape_.indexer_head_dim > 0 && indexers-- > 0;
      inventory_.class_of_layer.push_back(class_of(key, false));
    }
    if (shape_.n_mtp_layers == 0) return;
    layer key = model.layers.back();
    // The prediction block is an attention block, also behind a recurrent layer.
    const auto block = std::find_if(model.layers.rbegin(), model.layers.rend(),
                                    [](const layer& one) { return has_attention(one.mixer); });
    if (block != model.layers.rend()) {
      key.n_heads = block->n_heads;
      key.n_kv_heads = block->n_kv_heads;
      key.head_dim_k = block->head_dim_k;
      key.head_dim_v = block->head_dim_v;
      key.mixer = block->mixer == mixer_kind::latent ? mixer_kind::latent : mixer_kind::full;
    }
    key.owns_kv_cache = key.mixer == mixer_kind::latent && shape_.indexer_head_dim > 0;
    if (family_.mtp_dense && !shape_.d_ff.empty()) {
      key.feed_forward = feed_forward_kind::dense;
      key.d_ff = shape_.d_ff.front();
    }
    for (std::int32_t i = 0; i < shape_.n_mtp_layers; ++i) inventory_.class_of_layer.push_back(class_of(key, true));
  }

  std::uint16_t class_of(const layer& key, bool is_mtp) {
    for (std::size_t i = inventory_.classes.size(); i-- > 0;) {
      layer_class& known = inventory_.classes[i];
      if (known.is_mtp == is_mtp && known.block == key) {
        ++known.n_layers;
        return static_cast<std::uint16_t>(i);
      }
    }
    inventory_.classes.push_back({key, is_mtp, 1});
    return static_cast<std::uint16_t>(inventory_.classes.size() - 1);
  }

  /// Large Gemma 4 models have no value matrix in full-attention layers (`attention_k_eq_v`); the small ones, which
  /// have per-layer embeddings, do.
  [[nodiscard]] bool key_is_value() const { return family_.layer_output_scale && shape_.per_layer_embedding == 0; }
  [[nodiscard]] bool windowed_layers_differ() const { return key_is_value(); }

  // ---- tensors of the model ----

  void add_model_tensors() {
    const count vocabulary = shape_.vocab_size;
    add(tensor_kind::token_embd, shape_.tied_embeddings ? tensor_use::tied : tensor_use::row, 2, d_, vocabulary, 1);
    const bool renamed = family_.final_norm_is_embedding_norm;
    vector(renamed ? tensor_kind::token_embd_norm : tensor_kind::output_norm, d_);
    vector_if(family_.norm_bias, tensor_kind::output_norm_bias, d_);
    if (!shape_.tied_embeddings) matrix(tensor_kind::output, d_, vocabulary);
    vector_if(family_.head_bias, tensor_kind::output_bias, vocabulary);
    if (shape_.per_layer_embedding > 0) {
      const count width = count{shape_.per_layer_embedding} * shape_.n_layers;
      add(tensor_kind::per_layer_token_embd, tensor_use::row, 2, width, vocabulary, 1);
      matrix(tensor_kind::per_layer_model_proj, d_, width);
      vector(tensor_kind::per_layer_proj_norm, shape_.per_layer_embedding);
    }
    if (family_.altup) {
      cube(tensor_kind::altup_proj, d_, d_, altup_streams - 1);
      cube(tensor_kind::altup_unembd_proj, d_, d_, altup_streams - 1);
    }
  }

  // ---- tensors of a block ----

  void norm(bool present, tensor_kind kind, tensor_kind bias) {
    vector_if(present, kind, d_);
    vector_if(present && family_.norm_bias, bias, d_);
  }

  void add_block(const layer& block) {
    const bool mixes = block.mixer != mixer_kind::none;
    const bool feeds = block.feed_forward != feed_forward_kind::none;
    norm(family_.attn_norm && (mixes || !family_.ffn_norm), tensor_kind::attn_norm, tensor_kind::attn_norm_bias);
    norm(family_.attn_norm_2, tensor_kind::attn_norm_2, tensor_kind::attn_norm_2_bias);
    add_mixer(block);
    vector_if(family_.post_attention_norm, tensor_kind::post_attention_norm, d_);
    if (feeds && family_.ffn_norm_bare) {
      vector(tensor_kind::ffn_norm_bare, d_);
    } else {
      norm(feeds && family_.ffn_norm, tensor_kind::ffn_norm, tensor_kind::ffn_norm_bias);
    }
    vector_if(family_.post_ffw_norm, tensor_kind::post_ffw_norm, d_);
    if (block.feed_forward == feed_forward_kind::dense) add_dense(block.d_ff);
    if (block.feed_forward == feed_forward_kind::moe) add_experts();
    if (shape_.per_layer_embedding > 0) add_per_layer_input();
    if (family_.altup) add_altup();
    vector_if(family_.layer_output_scale, tensor_kind::layer_output_scale, 1);
    if (mtp_) add_prediction_head();
  }

  void add_mixer(const layer& block) {
    switch (block.mixer) {
      case mixer_kind::none: return;
      case mixer_kind::full:
      case mixer_kind::sliding:
      case mixer_kind::chunked: return add_attention(block);
      case mixer_kind::latent: return add_latent(block);
      case mixer_kind::mamba1: return add_mamba1();
      case mixer_kind::mamba2: return add_mamba2();
      case mixer_kind::gated_delta_net: return add_gated_delta_net();
      case mixer_kind::kimi_delta: return add_kimi_delta();
      case mixer_kind::short_conv: return add_short_conv();
      case mixer_kind::full_and_mamba2: add_mamba2(); return add_attention(block);
    }
  }

  void add_attention(const layer& block) {
    const bool doubled = family_.attention_gate == attention_gate_kind::in_query;
    const count heads = count{block.n_heads} * block.head_dim_k;
    const count query = heads * (doubled ? 2 : 1);
    const count key = count{block.n_kv_heads} * block.head_dim_k;
    const count value = count{block.n_kv_heads} * block.head_dim_v;
    const count out = count{block.n_heads} * block.head_dim_v;
    const bool stores_value = !(key_is_value() && block.mixer == mixer_kind::full);
    if (family_.fused_qkv) {
      matrix(tensor_kind::attn_qkv, d_, query + key + value);
      vector_if(family_.qkv_bias, tensor_kind::attn_qkv_bias, query + key + value);
    } else {
      matrix(tensor_kind::attn_q, d_, query);
      matrix(tensor_kind::attn_k, d_, key);
      if (stores_value) matrix(tensor_kind::attn_v, d_, value);
      vector_if(family_.qkv_bias, tensor_kind::attn_q_bias, query);
      vector_if(family_.qkv_bias, tensor_kind::attn_k_bias, key);
      vector_if(family_.qkv_bias && stores_value, tensor_kind::attn_v_bias, value);
    }
    matrix(tensor_kind::attn_output, out, d_);
    vector_if(family_.output_bias, tensor_kind::attn_output_bias, d_);
    vector_if(family_.sub_norms, tensor_kind::attn_sub_norm, d_);
    if (family_.attention_gate == attention_gate_kind::whole) matrix(tensor_kind::attn_gate, d_, heads);
    if (family_.attention_gate == attention_gate_kind::per_head) matrix(tensor_kind::attn_gate, d_, block.n_heads);
    add_qk_norm(block, heads, key);
    vector_if(family_.sinks, tensor_kind::attn_sinks, block.n_heads);
  }

  void add_qk_norm(const layer& block, count query, count key) {
    switch (family_.qk_norm) {
      case qk_norm_kind::none: return;
      case qk_norm_kind::head:
        vector(tensor_kind::attn_q_norm, block.head_dim_k);
        return vector(tensor_kind::attn_k_norm, block.head_dim_k);
      case qk_norm_kind::whole: vector(tensor_kind::attn_q_norm, query); return vector(tensor_kind::attn_k_norm, key);
      case qk_norm_kind::every_head:
        matrix(tensor_kind::attn_q_norm, block.head_dim_k, block.n_heads);
        return matrix(tensor_kind::attn_k_norm, block.head_dim_k, block.n_kv_heads);
    }
  }

  void add_latent(const layer& block) {
    const latent_shape& mla = *shape_.latent;
    const count heads = block.n_heads;
    const count query = heads * (count{mla.qk_nope_head_dim} + mla.qk_rope_head_dim);
    if (mla.q_lora_rank > 0) {
      vector(tensor_kind::attn_q_a_norm, mla.q_lora_rank);
      matrix(tensor_kind::attn_q_a, d_, mla.q_lora_rank);
      matrix(tensor_kind::attn_q_b, mla.q_lora_rank, query);
    } else {
      matrix(tensor_kind::attn_q, d_, query);
    }
    vector(tensor_kind::attn_kv_a_norm, mla.kv_lora_rank);
    matrix(tensor_kind::attn_kv_a_mqa, d_, count{mla.kv_lora_rank} + mla.qk_rope_head_dim);
    cube(tensor_kind::attn_k_b, mla.qk_nope_head_dim, mla.kv_lora_rank, heads);
    cube(tensor_kind::attn_v_b, mla.kv_lora_rank, mla.v_head_dim, heads);
    matrix(tensor_kind::attn_output, heads * mla.v_head_dim, d_);
    if (block.owns_kv_cache) {  // here: has an indexer, see classify()
      vector(tensor_kind::indexer_k_norm, shape_.indexer_head_dim);
      vector(tensor_kind::indexer_k_norm_bias, shape_.indexer_head_dim);
      matrix(tensor_kind::indexer_proj, d_, shape_.indexer_n_heads);
      matrix(tensor_kind::indexer_attn_k, d_, shape_.indexer_head_dim);
      matrix(tensor_kind::indexer_attn_q_b, mla.q_lora_rank, count{shape_.indexer_n_heads} * shape_.indexer_head_dim);
    }
  }

  void add_dense(std::int32_t d_ff) {
    const count width = d_ff;
    const bool separate_gate = family_.gated_feed_forward && !family_.fused_gate_up;
    const count up = family_.gated_feed_forward && family_.fused_gate_up ? width * 2 : width;
    if (separate_gate) matrix(tensor_kind::ffn_gate, d_, width);
    matrix(tensor_kind::ffn_up, d_, up);
    matrix(tensor_kind::ffn_down, width, d_);
    if (family_.feed_forward_bias) {
      vector_if(separate_gate, tensor_kind::ffn_gate_bias, width);
      vector(tensor_kind::ffn_up_bias, up);
      vector(tensor_kind::ffn_down_bias, d_);
    }
    vector_if(family_.sub_norms, tensor_kind::ffn_sub_norm, width);
  }

  void add_experts() {
    const expert_shape& moe = *shape_.experts;
    const count width = moe.d_ff_expert;
    const count in = moe.d_latent > 0 ? moe.d_latent : shape_.d_model;
    if (family_.dense_beside_experts && !shape_.d_ff.empty()) {
      add_dense(shape_.d_ff.front());
      vector(tensor_kind::pre_ffw_norm_2, d_);
      vector(tensor_kind::post_ffw_norm_1, d_);
      vector(tensor_kind::post_ffw_norm_2, d_);
      vector(tensor_kind::ffn_gate_inp_scale, d_);
      expert_scale(tensor_kind::ffn_down_exps_scale);
    }
    matrix(tensor_kind::ffn_gate_inp, d_, moe.n_experts);
    vector_if(family_.router_logit_bias, tensor_kind::ffn_gate_inp_bias, moe.n_experts);
    if (moe.d_latent > 0) {
      matrix(tensor_kind::ffn_latent_down, d_, in);
      matrix(tensor_kind::ffn_latent_up, in, d_);
    }
    if (family_.fused_expert_gate_up) {
      expert(tensor_kind::ffn_gate_up_exps, in, width * 2);
    } else {
      if (family_.gated_feed_forward) expert(tensor_kind::ffn_gate_exps, in, width);
      expert(tensor_kind::ffn_up_exps, in, width);
    }
    expert(tensor_kind::ffn_down_exps, width, in);
    if (family_.expert_bias) {
      if (family_.gated_feed_forward) expert_vector(tensor_kind::ffn_gate_exps_bias, width);
      expert_vector(tensor_kind::ffn_up_exps_bias, width);
      expert_vector(tensor_kind::ffn_down_exps_bias, in);
    }
    vector_if(family_.router_bias, tensor_kind::exp_probs_b, moe.n_experts);
    if (moe.d_ff_shared > 0) {
      vector_if(family_.shared_expert_gate, tensor_kind::ffn_gate_inp_shexp, d_);
      if (family_.gated_feed_forward) matrix(tensor_kind::ffn_gate_shexp, d_, moe.d_ff_shared);
      matrix(tensor_kind::ffn_up_shexp, d_, moe.d_ff_shared);
      matrix(tensor_kind::ffn_down_shexp, moe.d_ff_shared, d_);
    }
  }

  void add_per_layer_input() {
    matrix(tensor_kind::per_layer_inp_gate, d_, shape_.per_layer_embedding);
    matrix(tensor_kind::per_layer_proj, shape_.per_layer_embedding, d_);
    vector(tensor_kind::per_layer_post_norm, d_);
  }

  void add_altup() {
    matrix(tensor_kind::altup_correct_coef, altup_streams, altup_streams);
    vector(tensor_kind::altup_correct_scale, d_);
    matrix(tensor_kind::altup_predict_coef, altup_streams, altup_streams * altup_streams);
    matrix(tensor_kind::altup_router, d_, altup_streams);
    vector(tensor_kind::altup_router_norm, d_);
    matrix(tensor_kind::laurel_l, d_, laurel_rank);
    matrix(tensor_kind::laurel_r, laurel_rank, d_);
    vector(tensor_kind::laurel_post_norm, d_);
  }

  void add_prediction_head() {
    matrix(tensor_kind::nextn_eh_proj, d_ * 2, d_);
    vector(tensor_kind::nextn_enorm, d_);
    vector(tensor_kind::nextn_hnorm, d_);
    if (family_.mtp_own_embeddings) {
      matrix(tensor_kind::nextn_embed_tokens, d_, shape_.vocab_size);
      matrix(tensor_kind::nextn_shared_head_head, d_, shape_.vocab_size);
    }
    vector(tensor_kind::nextn_shared_head_norm, d_);
  }
};

}  // namespace detail

/// Every tensor of the model.
/// @throws value_error when a dimension overflows 64 bits
[[nodiscard]] inline tensor_inventory tensor_inventory_of(const architecture& model) {
  return detail::inventory_builder{model}.take();
}

}  // namespace v0
}  // namespace sizer
