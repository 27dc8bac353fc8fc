#pragma once
/// @file
/// What a GGUF architecture name implies about the tensors of a model.
/// Source: tensor creation in `src/models/*.cpp` of llama.cpp, read at unslothai/llama.cpp@d32676d77426 (an upstream
/// tree of 2026-08), one file per family. Facts only. A shape's `features` override what its family implies.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {

/// Norms of query and key before attention.
enum class qk_norm_kind : std::uint8_t {
  none,
  head,       ///< one vector of a head's width, shared by all heads
  whole,      ///< one vector as wide as all heads together (OLMo 2, MiniMax-M2)
  every_head  ///< one vector per head (Command R+)
};

/// Gate on the attention output.
enum class attention_gate_kind : std::uint8_t {
  none,
  in_query,  ///< the query projection is twice as wide (Qwen3-Next, Qwen3.5)
  whole,     ///< own matrix, one value per output element (AFMoE)
  per_head   ///< own matrix, one value per head (Step-3.5)
};

/// Optional tensors of a family. The defaults are the plain Llama block: RMS norms before attention and before a gated
/// feed-forward part, no biases, separate query, key and value matrices.
struct family_traits {
  std::string_view name{};
  bool qkv_bias = false;
  bool output_bias = false;  ///< `attn_output.bias`
  bool feed_forward_bias = false;
  bool head_bias = false;  ///< `output.bias`
  bool norm_bias = false;  ///< LayerNorm: every norm has a bias
  qk_norm_kind qk_norm = qk_norm_kind::none;
  attention_gate_kind attention_gate = attention_gate_kind::none;
  bool fused_qkv = false;  ///< one `attn_qkv` matrix
  bool sinks = false;      ///< `attn_sinks`, one value per head
  bool gated_feed_forward = true;
  bool fused_gate_up = false;  ///< dense `ffn_up` holds gate and up, twice as wide
  bool attn_norm = true;
  bool attn_norm_2 = false;  ///< a second norm in parallel (Falcon 40B and 180B, more than one key-value head)
  bool post_attention_norm = false;
  bool ffn_norm = true;
  bool ffn_norm_bare = false;  ///< the norm is called `ffn_norm` without `.weight` (Falcon-H1)
  bool post_ffw_norm = false;
  bool sub_norms = false;                     ///< `attn_sub_norm`, `ffn_sub_norm` (BitNet)
  bool final_norm_is_embedding_norm = false;  ///< the last norm is called `token_embd_norm` (LFM2)
  bool router_bias = false;                   ///< `exp_probs_b`
  bool router_logit_bias = false;             ///< `ffn_gate_inp.bias`
  bool expert_bias = false;                   ///< biases of every expert
  bool shared_expert_gate = false;            ///< `ffn_gate_inp_shexp`
  bool fused_expert_gate_up = false;          ///< one `ffn_gate_up_exps` matrix, twice as wide
  bool dense_beside_experts = false;          ///< expert layers keep a dense feed-forward part (Gemma 4, Arctic)
  bool mamba_inner_norms = false;             ///< norms inside Mamba 1 (Jamba)
  bool mamba_norm = true;                     ///< `ssm_norm` in Mamba 2
  bool delta_ba_fused = false;  ///< gated delta net: one `ssm_ba` matrix (Qwen3-Next), else `ssm_beta` and `ssm_alpha`
  bool altup = false;           ///< AltUp and LAuReL (Gemma 3n)
  bool layer_output_scale = false;  ///< Gemma 4
  bool kv_heads_per_layer = false;  ///< the file states key-value heads per layer, 0 where a layer has no attention
  bool mtp_own_embeddings = false;  ///< the multi-token-prediction block has its own embedding and head
  bool mtp_dense = false;           ///< its feed-forward part is dense in a model of experts
  std::int32_t layers_of_70b =
      0;                      ///< layer count that llama.cpp calls "70B", which changes one quantisation rule; 0: none
  bool falcon_rules = false;  ///< llama-quantize treats the family as Falcon
};

inline constexpr auto families = std::to_array<family_traits>({
    {.name = "llama", .layers_of_70b = 80},
    {.name = "llama4"},
    {.name = "mistral3"},
    {.name = "mistral4", .router_bias = true},
    {.name = "deci", .kv_heads_per_layer = true, .layers_of_70b = 80},
    {.name = "smollm3"},
    {.name = "internlm2"},
    {.name = "baichuan"},
    {.name = "xverse"},
    {.name = "minicpm"},
    {.name = "arcee", .gated_feed_forward = false},
    {.name = "qwen2", .qkv_bias = true, .layers_of_70b = 80},
    {.name = "qwen2vl", .qkv_bias = true},
    {.name = "qwen2moe", .qkv_bias = true, .shared_expert_gate = true},
    {.name = "qwen3", .qk_norm = qk_norm_kind::head},
    {.name = "qwen3vl", .qk_norm = qk_norm_kind::head},
    {.name = "qwen3moe", .qk_norm = qk_norm_kind::head},
    {.name = "qwen3vlmoe", .qk_norm = qk_norm_kind::head},
    {.name = "qwen3next",
     .qk_norm = qk_norm_kind::head,
     .attention_gate = attention_gate_kind::in_query,
     .post_attention_norm = true,
     .ffn_norm = false,
     .shared_expert_gate = true,
     .delta_ba_fused = true},
    {.name = "qwen35",
     .qk_norm = qk_norm_kind::head,
     .attention_gate = attention_gate_kind::in_query,
     .post_attention_norm = true,
     .ffn_norm = false},
    {.name = "qwen35moe",
     .qk_norm = qk_norm_kind::head,
     .attention_gate = attention_gate_kind::in_query,
     .post_attention_norm = true,
     .ffn_norm = false,
     .shared_expert_gate = true},
    {.name = "gemma"},
    {.name = "gemma2", .post_attention_norm = true, .post_ffw_norm = true},
    {.name = "gemma3", .qk_norm = qk_norm_kind::head, .post_attention_norm = true, .post_ffw_norm = true},
    {.name = "gemma3n",
     .qk_norm = qk_norm_kind::head,
     .post_attention_norm = true,
     .post_ffw_norm = true,
     .altup = true},
    {.name = "gemma4",
     .qk_norm = qk_norm_kind::head,
     .post_attention_norm = true,
     .post_ffw_norm = true,
     .fused_expert_gate_up = true,
     .dense_beside_experts = true,
     .layer_output_scale = true,
     .kv_heads_per_layer = true},
    {.name = "phi2",
     .qkv_bias = true,
     .output_bias = true,
     .feed_forward_bias = true,
     .head_bias = true,
     .norm_bias = true,
     .gated_feed_forward = false,
     .ffn_norm = false},
    {.name = "phi3", .fused_qkv = true, .fused_gate_up = true},
    {.name = "phimoe", .qkv_bias = true, .output_bias = true, .head_bias = true, .norm_bias = true},
    {.name = "deepseek"},
    {.name = "deepseek2", .router_bias = true, .mtp_own_embeddings = true},
    {.name = "deepseek32", .router_bias = true, .mtp_own_embeddings = true},
    {.name = "glm-dsa", .router_bias = true},
    {.name = "glm4", .fused_gate_up = true, .post_attention_norm = true, .post_ffw_norm = true},
    {.name = "glm4moe", .qkv_bias = true, .post_attention_norm = true, .ffn_norm = false, .router_bias = true},
    {.name = "chatglm", .qkv_bias = true, .fused_qkv = true, .fused_gate_up = true},
    {.name = "gpt-oss",
     .qkv_bias = true,
     .output_bias = true,
     .sinks = true,
     .post_attention_norm = true,
     .ffn_norm = false,
     .router_logit_bias = true,
     .expert_bias = true},
    {.name = "granite"},
    {.name = "granitemoe"},
    {.name = "granitehybrid", .kv_heads_per_layer = true},
    {.name = "falcon",
     .norm_bias = true,
     .fused_qkv = true,
     .gated_feed_forward = false,
     .ffn_norm = false,
     .falcon_rules = true},
    {.name = "falcon-h1", .ffn_norm_bare = true},
    {.name = "nemotron", .norm_bias = true, .gated_feed_forward = false},
    {.name = "nemotron_h", .gated_feed_forward = false, .ffn_norm = false, .kv_heads_per_layer = true},
    {.name = "nemotron_h_moe",
     .gated_feed_forward = false,
     .ffn_norm = false,
     .router_bias = true,
     .kv_heads_per_layer = true},
    {.name = "mamba"},
    {.name = "mamba2"},
    {.name = "jamba", .mamba_inner_norms = true, .kv_heads_per_layer = true},
    {.name = "lfm2", .qk_norm = qk_norm_kind::head, .final_norm_is_embedding_norm = true, .kv_heads_per_layer = true},
    {.name = "lfm2moe",
     .qk_norm = qk_norm_kind::head,
     .final_norm_is_embedding_norm = true,
     .router_bias = true,
     .kv_heads_per_layer = true},
    {.name = "kimi-linear", .router_bias = true, .kv_heads_per_layer = true},
    {.name = "cohere", .ffn_norm = false},
    {.name = "command-r", .ffn_norm = false},
    {.name = "cohere2", .ffn_norm = false},
    {.name = "starcoder2",
     .qkv_bias = true,
     .output_bias = true,
     .feed_forward_bias = true,
     .norm_bias = true,
     .gated_feed_forward = false},
    {.name = "gpt2",
     .qkv_bias = true,
     .output_bias = true,
     .feed_forward_bias = true,
     .norm_bias = true,
     .fused_qkv = true,
     .gated_feed_forward = false},
    {.name = "mpt", .fused_qkv = true, .gated_feed_forward = false},
    {.name = "stablelm", .norm_bias = true},
    {.name = "hunyuan-moe", .qk_norm = qk_norm_kind::head},
    {.name = "hunyuan-dense", .qk_norm = qk_norm_kind::head},
    {.name = "ernie4_5"},
    {.name = "ernie4_5-moe", .router_bias = true},
    {.name = "seed_oss", .qkv_bias = true, .post_attention_norm = true, .ffn_norm = false},
    {.name = "exaone"},
    {.name = "exaone4",
     .qk_norm = qk_norm_kind::head,
     .attn_norm = false,
     .post_attention_norm = true,
     .ffn_norm = false,
     .post_ffw_norm = true},
    {.name = "exaone-moe", .qk_norm = qk_norm_kind::head, .router_bias = true, .mtp_dense = true},
    {.name = "bailingmoe"},
    {.name = "bailingmoe2", .qk_norm = qk_norm_kind::head, .fused_qkv = true, .router_bias = true},
    {.name = "mimo2", .sinks = true, .router_bias = true, .mtp_dense = true},
    {.name = "minimax-m2", .qk_norm = qk_norm_kind::whole, .router_bias = true},
    {.name = "minimax-m3", .qk_norm = qk_norm_kind::head, .router_bias = true},
    {.name = "olmo2",
     .qk_norm = qk_norm_kind::whole,
     .attn_norm = false,
     .post_attention_norm = true,
     .ffn_norm = false,
     .post_ffw_norm = true},
    {.name = "olmoe", .qk_norm = qk_norm_kind::whole},
    {.name = "bitnet", .sub_norms = true},
    {.name = "dots1", .qk_norm = qk_norm_kind::head, .router_bias = true},
    {.name = "afmoe",
     .qk_norm = qk_norm_kind::head,
     .attention_gate = attention_gate_kind::whole,
     .post_attention_norm = true,
     .post_ffw_norm = true,
     .router_bias = true},
    {.name = "step35",
     .qk_norm = qk_norm_kind::head,
     .attention_gate = attention_gate_kind::per_head,
     .router_bias = true},
});

/// What is known of a family; null for a name that is not in the table.
[[nodiscard]] constexpr const family_traits* find_family(std::string_view name) noexcept {
  for (const family_traits& candidate : families) {
    if (candidate.name == name) return &candidate;
  }
  return nullptr;
}

/// The optional tensors of a model: its family's, where the shape does not state otherwise. An unknown family is taken
/// for the plain Llama block.
[[nodiscard]] constexpr family_traits traits_of(const model_shape& shape) noexcept {
  const family_traits* known = find_family(shape.family);
  family_traits traits = known != nullptr ? *known : family_traits{};

  const bool many_kv_heads = !shape.n_kv_heads.empty() && shape.n_kv_heads.front() > 1;
  if (shape.family == "falcon") traits.attn_norm_2 = many_kv_heads;
  if (shape.family == "command-r" && shape.n_layers >= 64) traits.qk_norm = qk_norm_kind::every_head;
  // GLM-4.5 (5120 wide) has query and key norms, GLM-4.5-Air (4096 wide) has not: `use_qk_norm` in their config.json.
  if (shape.family == "glm4moe" && shape.d_model >= 5120) traits.qk_norm = qk_norm_kind::head;

  // GLM-4.5's prediction block has its own embedding and head, GLM-4.6's (longer context) and GLM-5's have not:
  // parameter counts that llama.cpp prints, 358.338 and 356.786 billion for otherwise equal shapes.
  if (shape.family == "glm4moe" && shape.context_length <= 131072) traits.mtp_own_embeddings = true;

  const tensor_features& stated = shape.features;
  traits.mtp_own_embeddings = stated.mtp_own_embeddings.value_or(traits.mtp_own_embeddings);
  traits.qkv_bias = stated.qkv_bias.value_or(traits.qkv_bias);
  traits.output_bias = stated.output_bias.value_or(traits.output_bias);
  traits.feed_forward_bias = stated.feed_forward_bias.value_or(traits.feed_forward_bias);
  traits.gated_feed_forward = stated.gated_feed_forward.value_or(traits.gated_feed_forward);
  traits.router_bias = stated.router_bias.value_or(traits.router_bias);
  if (stated.qk_norm.has_value()) {
    const bool has_some = traits.qk_norm != qk_norm_kind::none;
    traits.qk_norm = !*stated.qk_norm ? qk_norm_kind::none : has_some ? traits.qk_norm : qk_norm_kind::head;
  }
  return traits;
}

}  // namespace v0
}  // namespace sizer
