#pragma once
/// @file
/// What a model is, layer by layer: the value that every memory and speed rule reads.
///
/// A `model_shape` is what a person, a catalogue entry or a file header states (flat, with patterns).
/// `make_architecture` checks it and expands it to one `layer` per decoder block. Names follow the glossary in
/// docs/glossary.md; the Hugging Face and GGUF names are mapped in catalog/.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sizer {
inline namespace v0 {

/// What mixes tokens in a layer.
enum class mixer_kind : std::uint8_t {
  none,             ///< the layer has a feed-forward part only (Nemotron-H "-" layers)
  full,             ///< attention over the whole context (MHA, GQA or MQA by head counts)
  sliding,          ///< attention over the last `sliding_window` tokens
  chunked,          ///< attention inside chunks of `sliding_window` tokens (Llama 4)
  latent,           ///< MLA: one compressed row per token instead of keys and values
  mamba1,           ///< selective state space, Mamba 1
  mamba2,           ///< selective state space, Mamba 2
  gated_delta_net,  ///< linear attention, Qwen3-Next and Qwen3.5
  kimi_delta,       ///< linear attention with per-channel decay, Kimi Linear
  short_conv,       ///< gated short convolution, LFM2
  full_and_mamba2   ///< attention and Mamba 2 side by side in one layer (Falcon-H1)
};

enum class feed_forward_kind : std::uint8_t { none, dense, moe };

/// A run of equal layers in a pattern; a pattern shorter than the model repeats from its start.
template <class Kind>
struct run {
  Kind kind{};
  std::int32_t count = 1;
  friend bool operator==(const run&, const run&) = default;
};

/// Multi-head latent attention (DeepSeek-V2 paper, arXiv 2405.04434). Elements.
struct latent_shape {
  std::int32_t q_lora_rank = 0;  ///< 0: queries are projected directly
  std::int32_t kv_lora_rank = 0;
  std::int32_t qk_nope_head_dim = 0;
  std::int32_t qk_rope_head_dim = 0;
  std::int32_t v_head_dim = 0;
  friend bool operator==(const latent_shape&, const latent_shape&) = default;
};

/// Mixture of experts. Widths in elements.
struct expert_shape {
  std::int32_t n_experts = 0;
  std::int32_t n_experts_per_token = 0;
  std::int32_t d_ff_expert = 0;
  std::int32_t n_shared_experts = 0;
  std::int32_t d_ff_shared = 0;  ///< width of all shared experts together; 0 with none
  std::int32_t d_latent = 0;     ///< width the routed experts work in, between two projections (Nemotron 3); 0: d_model
  friend bool operator==(const expert_shape&, const expert_shape&) = default;
};

/// Recurrent layers (state space, linear attention, short convolution). Elements, with the GGUF `ssm.*` meanings.
struct recurrent_shape {
  std::int32_t d_conv = 0;    ///< convolution kernel length
  std::int32_t d_inner = 0;   ///< gated delta net: value heads x value head width; Kimi delta: heads x head width
  std::int32_t d_state = 0;   ///< gated delta net: key head width; Kimi delta: head width
  std::int32_t n_groups = 0;  ///< gated delta net: key heads; Mamba 1: 0
  std::int32_t n_heads = 0;   ///< Mamba 2: heads; gated delta net: value heads; Mamba 1: rank of the time step
  friend bool operator==(const recurrent_shape&, const recurrent_shape&) = default;
};

/// Which optional tensors a family has. A value left empty is decided by the family (model/family.hpp).
struct tensor_features {
  std::optional<bool> qkv_bias;            ///< biases on the query, key and value projections
  std::optional<bool> output_bias;         ///< bias on the attention output projection
  std::optional<bool> feed_forward_bias;   ///< biases in the feed-forward part
  std::optional<bool> qk_norm;             ///< norms of query and key heads
  std::optional<bool> gated_feed_forward;  ///< gate, up and down (true) or up and down only
  std::optional<bool> router_bias;         ///< per-expert selection bias (`exp_probs_b`)
  std::optional<bool> mtp_own_embeddings;  ///< the multi-token-prediction block has its own embedding and head
  friend bool operator==(const tensor_features&, const tensor_features&) = default;
};

/// A model as stated. Counts are per model unless a comment says otherwise; a vector holds one value for all layers, or
/// one per layer.
struct model_shape {
  std::string family = "llama";   ///< GGUF `general.architecture`
  std::int32_t n_layers = 0;      ///< decoder blocks, without multi-token-prediction blocks
  std::int32_t n_mtp_layers = 0;  ///< multi-token-prediction blocks that follow them in the file
  std::int32_t d_model = 0;
  std::int32_t vocab_size = 0;
  std::int64_t context_length = 0;  ///< tokens the model was trained for
  bool tied_embeddings = false;     ///< the output head is the token embedding
  std::vector<std::int32_t> n_heads;
  std::vector<std::int32_t> n_kv_heads;
  std::vector<std::int32_t> d_ff;  ///< dense feed-forward width
  std::int32_t head_dim_k = 0;     ///< 0: d_model / n_heads
  std::int32_t head_dim_v = 0;     ///< 0: the same as head_dim_k
  /// Sliding-window layers may have their own heads (Gemma 4, MiMo-V2); 0: as the others.
  std::int32_t sliding_n_heads = 0;
  std::int32_t sliding_n_kv_heads = 0;
  std::int32_t sliding_head_dim_k = 0;
  std::int32_t sliding_head_dim_v = 0;
  std::int32_t sliding_window = 0;
  std::int32_t n_kv_shared_layers = 0;  ///< last layers that reuse an earlier layer's KV cache (Gemma 3n, Gemma 4)
  std::vector<run<mixer_kind>> mixers{{mixer_kind::full, 1}};
  std::vector<run<feed_forward_kind>> feed_forwards{{feed_forward_kind::dense, 1}};
  std::optional<latent_shape> latent;
  std::optional<expert_shape> experts;
  std::optional<recurrent_shape> recurrent;
  std::int32_t indexer_head_dim = 0;  ///< sparse-attention indexer keys per token (DeepSeek-V3.2, GLM-5); 0: none
  std::int32_t indexer_n_heads = 0;
  std::int32_t indexer_n_layers = 0;     ///< layers that own an indexer; 0 with an indexer: every latent layer
  std::int32_t per_layer_embedding = 0;  ///< width of Gemma 3n / Gemma 4 per-layer input embeddings; 0: none
  tensor_features features;
  friend bool operator==(const model_shape&, const model_shape&) = default;
};

/// One decoder block, expanded.
struct layer {
  mixer_kind mixer = mixer_kind::full;
  feed_forward_kind feed_forward = feed_forward_kind::dense;
  bool owns_kv_cache = true;  ///< false: reuses an earlier layer's cache
  std::int32_t n_heads = 0;
  std::int32_t n_kv_heads = 0;
  std::int32_t head_dim_k = 0;
  std::int32_t head_dim_v = 0;
  std::int32_t d_ff = 0;

  friend bool operator==(const layer&, const layer&) = default;
};

[[nodiscard]] constexpr bool has_attention(mixer_kind m) noexcept {
  return m == mixer_kind::full || m == mixer_kind::sliding || m == mixer_kind::chunked || m == mixer_kind::latent ||
         m == mixer_kind::full_and_mamba2;
}
/// Attention whose cache does not grow past a window.
[[nodiscard]] constexpr bool is_windowed(mixer_kind m) noexcept {
  return m == mixer_kind::sliding || m == mixer_kind::chunked;
}
[[nodiscard]] constexpr bool is_recurrent(mixer_kind m) noexcept {
  return m == mixer_kind::mamba1 || m == mixer_kind::mamba2 || m == mixer_kind::gated_delta_net ||
         m == mixer_kind::kimi_delta || m == mixer_kind::short_conv || m == mixer_kind::full_and_mamba2;
}

/// A checked model: the shape as stated plus its layers, one entry per decoder block. Immutable by convention; build it
/// with make_architecture (model/expand.hpp), which throws value_error on a shape that cannot be.
struct architecture {
  model_shape shape;
  std::vector<layer> layers;

  friend bool operator==(const architecture&, const architecture&) = default;
};

[[nodiscard]] constexpr std::string_view to_string(mixer_kind m) noexcept {
  switch (m) {
    case mixer_kind::none: return "none";
    case mixer_kind::full: return "full";
    case mixer_kind::sliding: return "sliding";
    case mixer_kind::chunked: return "chunked";
    case mixer_kind::latent: return "latent";
    case mixer_kind::mamba1: return "mamba1";
    case mixer_kind::mamba2: return "mamba2";
    case mixer_kind::gated_delta_net: return "gated_delta_net";
    case mixer_kind::kimi_delta: return "kimi_delta";
    case mixer_kind::short_conv: return "short_conv";
    case mixer_kind::full_and_mamba2: return "full_and_mamba2";
  }
  return "none";
}

[[nodiscard]] constexpr std::string_view to_string(feed_forward_kind f) noexcept {
  switch (f) {
    case feed_forward_kind::none: return "none";
    case feed_forward_kind::dense: return "dense";
    case feed_forward_kind::moe: return "moe";
  }
  return "none";
}

}  // namespace v0
}  // namespace sizer
