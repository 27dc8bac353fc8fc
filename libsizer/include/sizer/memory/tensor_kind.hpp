#pragma once
/// @file
/// The tensors that a language model's file can hold, by GGUF name, and what the memory rules need to know of each.
/// Source: `gguf-py/gguf/constants.py` (names) and `src/llama-quant.cpp` (categories, and what llama-quantize leaves
/// alone), read at unslothai/llama.cpp@d32676d77426, an upstream tree of 2026-08; `conversion/base.py` there for the
/// matrices that the converter keeps in F32.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sizer {
inline namespace v0 {

enum class tensor_kind : std::uint8_t {
  token_embd,
  per_layer_token_embd,
  per_layer_model_proj,
  per_layer_proj_norm,
  altup_proj,
  altup_unembd_proj,
  output,
  output_bias,
  output_norm,
  output_norm_bias,
  token_embd_norm,
  attn_norm,
  attn_norm_bias,
  attn_norm_2,
  attn_norm_2_bias,
  attn_sub_norm,
  post_attention_norm,
  ffn_norm,
  ffn_norm_bias,
  ffn_norm_bare,
  ffn_sub_norm,
  post_ffw_norm,
  post_ffw_norm_1,
  post_ffw_norm_2,
  pre_ffw_norm_2,
  layer_output_scale,
  attn_output_norm,
  layer_output_norm,
  attn_q,
  attn_k,
  attn_v,
  attn_qkv,
  attn_gate,
  attn_output,
  attn_q_bias,
  attn_k_bias,
  attn_v_bias,
  attn_qkv_bias,
  attn_output_bias,
  attn_q_norm,
  attn_k_norm,
  attn_sinks,
  attn_q_a,
  attn_q_a_norm,
  attn_q_b,
  attn_kv_a_mqa,
  attn_kv_a_norm,
  attn_k_b,
  attn_v_b,
  attn_kv_b,
  indexer_k_norm,
  indexer_k_norm_bias,
  indexer_proj,
  indexer_attn_k,
  indexer_attn_q_b,
  ffn_gate,
  ffn_up,
  ffn_down,
  ffn_gate_bias,
  ffn_up_bias,
  ffn_down_bias,
  ffn_gate_inp,
  ffn_gate_inp_bias,
  ffn_gate_inp_scale,
  exp_probs_b,
  ffn_latent_down,
  ffn_latent_up,
  ffn_gate_exps,
  ffn_up_exps,
  ffn_gate_up_exps,
  ffn_down_exps,
  ffn_gate_exps_bias,
  ffn_up_exps_bias,
  ffn_down_exps_bias,
  ffn_down_exps_scale,
  ffn_gate_inp_shexp,
  ffn_gate_shexp,
  ffn_up_shexp,
  ffn_down_shexp,
  ssm_in,
  ssm_conv1d,
  ssm_conv1d_bias,
  ssm_x,
  ssm_dt,
  ssm_dt_bias,
  ssm_dt_norm,
  ssm_b_norm,
  ssm_c_norm,
  ssm_a,
  ssm_d,
  ssm_norm,
  ssm_out,
  ssm_ba,
  ssm_beta,
  ssm_alpha,
  ssm_conv1d_q,
  ssm_conv1d_k,
  ssm_conv1d_v,
  ssm_f_a,
  ssm_f_b,
  ssm_g_a,
  ssm_g_b,
  shortconv_conv,
  shortconv_in_proj,
  shortconv_out_proj,
  per_layer_inp_gate,
  per_layer_proj,
  per_layer_post_norm,
  altup_correct_coef,
  altup_correct_scale,
  altup_predict_coef,
  altup_router,
  altup_router_norm,
  laurel_l,
  laurel_r,
  laurel_post_norm,
  nextn_eh_proj,
  nextn_enorm,
  nextn_hnorm,
  nextn_embed_tokens,
  nextn_shared_head_head,
  nextn_shared_head_norm
};

/// What llama-quantize's rules call a tensor; they match on substrings of the name.
enum class recipe_category : std::uint8_t {
  token_embedding,
  output,
  attention_q,
  attention_k,
  attention_v,
  attention_qkv,
  attention_kv_b,
  attention_output,
  ffn_gate,
  ffn_up,
  ffn_down,
  other
};

/// The part of the model a tensor belongs to, for accounting and placement.
enum class weight_part : std::uint8_t {
  embedding,
  output,
  attention,
  recurrent,
  dense,
  shared_expert,
  routed_expert,
  mtp,
  vision  ///< encoders and projectors of images and sound
};
inline constexpr std::size_t weight_part_count = 9;

/// Who may change the number format of a tensor.
enum class tensor_storage : std::uint8_t {
  quantised,  ///< a matrix: the recipe decides
  f32,        ///< always F32 (vectors, norms, biases, router, convolution kernels)
  source      ///< never quantised: keeps the checkpoint's 16-bit format (or F32)
};

struct tensor_kind_info {
  tensor_kind kind;
  std::string_view name;  ///< GGUF name; "blk.N." stands for any layer
  recipe_category category;
  weight_part part;
  tensor_storage storage;
};

namespace detail {
using k_ = tensor_kind;
using c_ = recipe_category;
using p_ = weight_part;
using s_ = tensor_storage;
}  // namespace detail

inline constexpr auto tensor_kinds = [] {
  using detail::c_;
  using detail::k_;
  using detail::p_;
  using detail::s_;
  return std::to_array<tensor_kind_info>({
      {k_::token_embd, "token_embd.weight", c_::token_embedding, p_::embedding, s_::quantised},
      {k_::per_layer_token_embd, "per_layer_token_embd.weight", c_::token_embedding, p_::embedding, s_::quantised},
      {k_::per_layer_model_proj, "per_layer_model_proj.weight", c_::other, p_::dense, s_::source},
      {k_::per_layer_proj_norm, "per_layer_proj_norm.weight", c_::other, p_::dense, s_::f32},
      {k_::altup_proj, "altup_proj.weight", c_::other, p_::dense, s_::source},
      {k_::altup_unembd_proj, "altup_unembd_proj.weight", c_::other, p_::dense, s_::source},
      {k_::output, "output.weight", c_::output, p_::output, s_::quantised},
      {k_::output_bias, "output.bias", c_::other, p_::output, s_::f32},
      {k_::output_norm, "output_norm.weight", c_::other, p_::output, s_::f32},
      {k_::output_norm_bias, "output_norm.bias", c_::other, p_::output, s_::f32},
      {k_::token_embd_norm, "token_embd_norm.weight", c_::other, p_::output, s_::f32},
      {k_::attn_norm, "blk.N.attn_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::attn_norm_bias, "blk.N.attn_norm.bias", c_::other, p_::attention, s_::f32},
      {k_::attn_norm_2, "blk.N.attn_norm_2.weight", c_::other, p_::attention, s_::f32},
      {k_::attn_norm_2_bias, "blk.N.attn_norm_2.bias", c_::other, p_::attention, s_::f32},
      {k_::attn_sub_norm, "blk.N.attn_sub_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::post_attention_norm, "blk.N.post_attention_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::ffn_norm, "blk.N.ffn_norm.weight", c_::other, p_::dense, s_::f32},
      {k_::ffn_norm_bias, "blk.N.ffn_norm.bias", c_::other, p_::dense, s_::f32},
      {k_::ffn_norm_bare, "blk.N.ffn_norm", c_::other, p_::dense, s_::f32},
      {k_::ffn_sub_norm, "blk.N.ffn_sub_norm.weight", c_::other, p_::dense, s_::f32},
      {k_::post_ffw_norm, "blk.N.post_ffw_norm.weight", c_::other, p_::dense, s_::f32},
      {k_::post_ffw_norm_1, "blk.N.post_ffw_norm_1.weight", c_::other, p_::dense, s_::f32},
      {k_::post_ffw_norm_2, "blk.N.post_ffw_norm_2.weight", c_::other, p_::dense, s_::f32},
      {k_::pre_ffw_norm_2, "blk.N.pre_ffw_norm_2.weight", c_::other, p_::dense, s_::f32},
      {k_::layer_output_scale, "blk.N.layer_output_scale.weight", c_::other, p_::dense, s_::f32},
      {k_::attn_output_norm, "blk.N.attn_output_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::layer_output_norm, "blk.N.layer_output_norm.weight", c_::other, p_::dense, s_::f32},
      {k_::attn_q, "blk.N.attn_q.weight", c_::attention_q, p_::attention, s_::quantised},
      {k_::attn_k, "blk.N.attn_k.weight", c_::attention_k, p_::attention, s_::quantised},
      {k_::attn_v, "blk.N.attn_v.weight", c_::attention_v, p_::attention, s_::quantised},
      {k_::attn_qkv, "blk.N.attn_qkv.weight", c_::attention_qkv, p_::attention, s_::quantised},
      {k_::attn_gate, "blk.N.attn_gate.weight", c_::other, p_::attention, s_::quantised},
      {k_::attn_output, "blk.N.attn_output.weight", c_::attention_output, p_::attention, s_::quantised},
      {k_::attn_q_bias, "blk.N.attn_q.bias", c_::other, p_::attention, s_::f32},
      {k_::attn_k_bias, "blk.N.attn_k.bias", c_::other, p_::attention, s_::f32},
      {k_::attn_v_bias, "blk.N.attn_v.bias", c_::other, p_::attention, s_::f32},
      {k_::attn_qkv_bias, "blk.N.attn_qkv.bias", c_::other, p_::attention, s_::f32},
      {k_::attn_output_bias, "blk.N.attn_output.bias", c_::other, p_::attention, s_::f32},
      {k_::attn_q_norm, "blk.N.attn_q_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::attn_k_norm, "blk.N.attn_k_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::attn_sinks, "blk.N.attn_sinks.weight", c_::other, p_::attention, s_::f32},
      {k_::attn_q_a, "blk.N.attn_q_a.weight", c_::other, p_::attention, s_::quantised},
      {k_::attn_q_a_norm, "blk.N.attn_q_a_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::attn_q_b, "blk.N.attn_q_b.weight", c_::other, p_::attention, s_::quantised},
      {k_::attn_kv_a_mqa, "blk.N.attn_kv_a_mqa.weight", c_::other, p_::attention, s_::quantised},
      {k_::attn_kv_a_norm, "blk.N.attn_kv_a_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::attn_k_b, "blk.N.attn_k_b.weight", c_::other, p_::attention, s_::quantised},
      {k_::attn_v_b, "blk.N.attn_v_b.weight", c_::other, p_::attention, s_::quantised},
      {k_::attn_kv_b, "blk.N.attn_kv_b.weight", c_::attention_kv_b, p_::attention, s_::quantised},
      {k_::indexer_k_norm, "blk.N.indexer.k_norm.weight", c_::other, p_::attention, s_::f32},
      {k_::indexer_k_norm_bias, "blk.N.indexer.k_norm.bias", c_::other, p_::attention, s_::f32},
      {k_::indexer_proj, "blk.N.indexer.proj.weight", c_::other, p_::attention, s_::quantised},
      {k_::indexer_attn_k, "blk.N.indexer.attn_k.weight", c_::attention_k, p_::attention, s_::quantised},
      {k_::indexer_attn_q_b, "blk.N.indexer.attn_q_b.weight", c_::other, p_::attention, s_::quantised},
      {k_::ffn_gate, "blk.N.ffn_gate.weight", c_::ffn_gate, p_::dense, s_::quantised},
      {k_::ffn_up, "blk.N.ffn_up.weight", c_::ffn_up, p_::dense, s_::quantised},
      {k_::ffn_down, "blk.N.ffn_down.weight", c_::ffn_down, p_::dense, s_::quantised},
      {k_::ffn_gate_bias, "blk.N.ffn_gate.bias", c_::other, p_::dense, s_::f32},
      {k_::ffn_up_bias, "blk.N.ffn_up.bias", c_::other, p_::dense, s_::f32},
      {k_::ffn_down_bias, "blk.N.ffn_down.bias", c_::other, p_::dense, s_::f32},
      {k_::ffn_gate_inp, "blk.N.ffn_gate_inp.weight", c_::other, p_::dense, s_::f32},
      {k_::ffn_gate_inp_bias, "blk.N.ffn_gate_inp.bias", c_::other, p_::dense, s_::f32},
      {k_::ffn_gate_inp_scale, "blk.N.ffn_gate_inp.scale", c_::other, p_::dense, s_::f32},
      {k_::exp_probs_b, "blk.N.exp_probs_b.bias", c_::other, p_::dense, s_::f32},
      {k_::ffn_latent_down, "blk.N.ffn_latent_down.weight", c_::other, p_::dense, s_::quantised},
      {k_::ffn_latent_up, "blk.N.ffn_latent_up.weight", c_::other, p_::dense, s_::quantised},
      {k_::ffn_gate_exps, "blk.N.ffn_gate_exps.weight", c_::ffn_gate, p_::routed_expert, s_::quantised},
      {k_::ffn_up_exps, "blk.N.ffn_up_exps.weight", c_::ffn_up, p_::routed_expert, s_::quantised},
      {k_::ffn_gate_up_exps, "blk.N.ffn_gate_up_exps.weight", c_::ffn_gate, p_::routed_expert, s_::quantised},
      {k_::ffn_down_exps, "blk.N.ffn_down_exps.weight", c_::ffn_down, p_::routed_expert, s_::quantised},
      {k_::ffn_gate_exps_bias, "blk.N.ffn_gate_exps.bias", c_::other, p_::routed_expert, s_::f32},
      {k_::ffn_up_exps_bias, "blk.N.ffn_up_exps.bias", c_::other, p_::routed_expert, s_::f32},
      {k_::ffn_down_exps_bias, "blk.N.ffn_down_exps.bias", c_::other, p_::routed_expert, s_::f32},
      {k_::ffn_down_exps_scale, "blk.N.ffn_down_exps.scale", c_::other, p_::routed_expert, s_::f32},
      {k_::ffn_gate_inp_shexp, "blk.N.ffn_gate_inp_shexp.weight", c_::other, p_::shared_expert, s_::f32},
      {k_::ffn_gate_shexp, "blk.N.ffn_gate_shexp.weight", c_::ffn_gate, p_::shared_expert, s_::quantised},
      {k_::ffn_up_shexp, "blk.N.ffn_up_shexp.weight", c_::ffn_up, p_::shared_expert, s_::quantised},
      {k_::ffn_down_shexp, "blk.N.ffn_down_shexp.weight", c_::ffn_down, p_::shared_expert, s_::quantised},
      {k_::ssm_in, "blk.N.ssm_in.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_conv1d, "blk.N.ssm_conv1d.weight", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_conv1d_bias, "blk.N.ssm_conv1d.bias", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_x, "blk.N.ssm_x.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_dt, "blk.N.ssm_dt.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_dt_bias, "blk.N.ssm_dt.bias", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_dt_norm, "blk.N.ssm_dt_norm.weight", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_b_norm, "blk.N.ssm_b_norm.weight", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_c_norm, "blk.N.ssm_c_norm.weight", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_a, "blk.N.ssm_a", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_d, "blk.N.ssm_d", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_norm, "blk.N.ssm_norm.weight", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_out, "blk.N.ssm_out.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_ba, "blk.N.ssm_ba.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_beta, "blk.N.ssm_beta.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_alpha, "blk.N.ssm_alpha.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_conv1d_q, "blk.N.ssm_conv1d_q.weight", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_conv1d_k, "blk.N.ssm_conv1d_k.weight", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_conv1d_v, "blk.N.ssm_conv1d_v.weight", c_::other, p_::recurrent, s_::f32},
      {k_::ssm_f_a, "blk.N.ssm_f_a.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_f_b, "blk.N.ssm_f_b.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_g_a, "blk.N.ssm_g_a.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::ssm_g_b, "blk.N.ssm_g_b.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::shortconv_conv, "blk.N.shortconv.conv.weight", c_::other, p_::recurrent, s_::f32},
      {k_::shortconv_in_proj, "blk.N.shortconv.in_proj.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::shortconv_out_proj, "blk.N.shortconv.out_proj.weight", c_::other, p_::recurrent, s_::quantised},
      {k_::per_layer_inp_gate, "blk.N.inp_gate.weight", c_::other, p_::dense, s_::quantised},
      {k_::per_layer_proj, "blk.N.proj.weight", c_::other, p_::dense, s_::quantised},
      {k_::per_layer_post_norm, "blk.N.post_norm.weight", c_::other, p_::dense, s_::f32},
      {k_::altup_correct_coef, "blk.N.altup_correct_coef.weight", c_::other, p_::dense, s_::f32},
      {k_::altup_correct_scale, "blk.N.altup_correct_scale.weight", c_::other, p_::dense, s_::f32},
      {k_::altup_predict_coef, "blk.N.altup_predict_coef.weight", c_::other, p_::dense, s_::f32},
      {k_::altup_router, "blk.N.altup_router.weight", c_::other, p_::dense, s_::source},
      {k_::altup_router_norm, "blk.N.altup_router_norm.weight", c_::other, p_::dense, s_::f32},
      {k_::laurel_l, "blk.N.laurel_l.weight", c_::other, p_::dense, s_::source},
      {k_::laurel_r, "blk.N.laurel_r.weight", c_::other, p_::dense, s_::source},
      {k_::laurel_post_norm, "blk.N.laurel_post_norm.weight", c_::other, p_::dense, s_::f32},
      {k_::nextn_eh_proj, "blk.N.nextn.eh_proj.weight", c_::other, p_::mtp, s_::quantised},
      {k_::nextn_enorm, "blk.N.nextn.enorm.weight", c_::other, p_::mtp, s_::f32},
      {k_::nextn_hnorm, "blk.N.nextn.hnorm.weight", c_::other, p_::mtp, s_::f32},
      {k_::nextn_embed_tokens, "blk.N.nextn.embed_tokens.weight", c_::other, p_::mtp, s_::quantised},
      {k_::nextn_shared_head_head, "blk.N.nextn.shared_head_head.weight", c_::other, p_::mtp, s_::quantised},
      {k_::nextn_shared_head_norm, "blk.N.nextn.shared_head_norm.weight", c_::other, p_::mtp, s_::f32},
  });
}();

/// Name and rules of a tensor kind.
[[nodiscard]] constexpr const tensor_kind_info& info(tensor_kind kind) noexcept {
  return tensor_kinds[static_cast<std::size_t>(kind)];
}

namespace detail {
constexpr bool tensor_kinds_are_in_enum_order() {
  for (std::size_t i = 0; i < tensor_kinds.size(); ++i) {
    if (static_cast<std::size_t>(tensor_kinds[i].kind) != i) return false;
  }
  return static_cast<std::size_t>(tensor_kind::nextn_shared_head_norm) + 1 == tensor_kinds.size();
}
static_assert(tensor_kinds_are_in_enum_order(), "info() indexes the table by the enumerator");
}  // namespace detail

}  // namespace v0
}  // namespace sizer
