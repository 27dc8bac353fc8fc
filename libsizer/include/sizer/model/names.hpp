#pragma once
/// @file
/// One table of names: our fields, GGUF metadata keys (without the architecture prefix) and Hugging Face config.json
/// keys. Sources: `gguf-py/gguf/constants.py` and `src/llama-arch.cpp` (unslothai/llama.cpp@d32676d77426, an upstream
/// tree of 2026-08); the config classes in huggingface/transformers. A dash in a cell is an empty string: no such key.

#include <array>
#include <string_view>

namespace sizer {
inline namespace v0 {

struct field_names {
  std::string_view field;         ///< name in model_shape
  std::string_view gguf;          ///< key after "<architecture>."
  std::string_view hugging_face;  ///< key in config.json; alternatives separated by spaces
};

inline constexpr auto model_field_names = std::to_array<field_names>({
    {"family", "general.architecture", "model_type"},
    {"n_layers", "block_count", "num_hidden_layers n_layer num_layers"},
    {"n_mtp_layers", "nextn_predict_layers", "num_nextn_predict_layers mtp_num_hidden_layers"},
    {"d_model", "embedding_length", "hidden_size n_embd d_model"},
    {"vocab_size", "vocab_size", "vocab_size"},
    {"context_length", "context_length", "max_position_embeddings n_positions max_seq_len"},
    {"tied_embeddings", "", "tie_word_embeddings"},
    {"n_heads", "attention.head_count", "num_attention_heads n_head"},
    {"n_kv_heads", "attention.head_count_kv", "num_key_value_heads multi_query_group_num"},
    {"d_ff", "feed_forward_length", "intermediate_size ffn_hidden_size n_inner"},
    {"head_dim_k", "attention.key_length", "head_dim kv_channels"},
    {"head_dim_v", "attention.value_length", "v_head_dim"},
    {"sliding_head_dim_k", "attention.key_length_swa", "swa_head_dim"},
    {"sliding_head_dim_v", "attention.value_length_swa", "swa_v_head_dim"},
    {"sliding_window", "attention.sliding_window", "sliding_window attention_chunk_size"},
    {"sliding_window_pattern", "attention.sliding_window_pattern", "sliding_window_pattern layer_types"},
    {"full_attention_interval", "full_attention_interval", "full_attention_interval"},
    {"recurrent_layers", "attention.recurrent_layers", "layer_types hybrid_override_pattern"},
    {"n_kv_shared_layers", "attention.shared_kv_layers", "num_kv_shared_layers"},
    {"latent.q_lora_rank", "attention.q_lora_rank", "q_lora_rank"},
    {"latent.kv_lora_rank", "attention.kv_lora_rank", "kv_lora_rank"},
    {"latent.qk_nope_head_dim", "attention.key_length_mla", "qk_nope_head_dim"},
    {"latent.qk_rope_head_dim", "rope.dimension_count", "qk_rope_head_dim"},
    {"latent.v_head_dim", "attention.value_length_mla", "v_head_dim"},
    {"experts.n_experts", "expert_count", "num_experts num_local_experts n_routed_experts"},
    {"experts.n_experts_per_token", "expert_used_count", "num_experts_per_tok num_experts_per_token"},
    {"experts.d_ff_expert", "expert_feed_forward_length", "moe_intermediate_size"},
    {"experts.n_shared_experts", "expert_shared_count", "n_shared_experts num_shared_experts"},
    {"experts.d_ff_shared", "expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    {"experts.d_latent", "moe_latent_size", "moe_latent_size"},
    {"leading_dense_layers", "leading_dense_block_count", "first_k_dense_replace"},
    {"expert_layer_step", "interleave_moe_layer_step", "interleave_moe_layer_step decoder_sparse_step"},
    {"router_function", "expert_gating_func", "scoring_func"},
    {"recurrent.d_conv", "ssm.conv_kernel", "mamba_d_conv linear_conv_kernel_dim conv_kernel"},
    {"recurrent.d_inner", "ssm.inner_size", "mamba_d_ssm"},
    {"recurrent.d_state", "ssm.state_size", "mamba_d_state linear_key_head_dim ssm_state_size"},
    {"recurrent.n_groups", "ssm.group_count", "mamba_n_groups linear_num_key_heads n_groups"},
    {"recurrent.n_heads", "ssm.time_step_rank", "mamba_n_heads linear_num_value_heads mamba_num_heads"},
    {"recurrent.short_conv", "shortconv.l_cache", "conv_L_cache"},
    {"recurrent.kda_head_dim", "kda.head_dim", "linear_attn_config.head_dim"},
    {"indexer_head_dim", "attention.indexer.key_length", "index_head_dim"},
    {"indexer_n_heads", "attention.indexer.head_count", "index_n_heads"},
    {"indexer_types", "attention.indexer.types", "index_topk_pattern"},
    {"per_layer_embedding", "embedding_length_per_layer_input", "hidden_size_per_layer_input"},
});

/// The row of a field; null for a name that is not in the table.
[[nodiscard]] constexpr const field_names* find_model_field(std::string_view field) noexcept {
  for (const field_names& row : model_field_names) {
    if (row.field == field) return &row;
  }
  return nullptr;
}

/// GGUF key of a field, without the architecture prefix. A field that is not in the table does not compile when called
/// in a constant expression.
[[nodiscard]] consteval std::string_view gguf_key(std::string_view field) {
  for (const field_names& row : model_field_names) {
    if (row.field == field) return row.gguf;
  }
  throw "no such field";
}

}  // namespace v0
}  // namespace sizer
