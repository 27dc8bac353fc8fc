#pragma once
/// @file
/// Adding tensors to an inventory one by one, and the tensors of recurrent layers. Shapes follow the tensor creation in
/// llama.cpp's `src/models/*.cpp`, read at unslothai/llama.cpp@d32676d77426 (an upstream tree of 2026-08).

#include <algorithm>
#include <cstdint>

#include <sizer/memory/tensors.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/family.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Writes the groups of one layer class after another. The builder of inventory.hpp says which.
class group_writer {
 protected:
  explicit group_writer(const model_shape& shape) : shape_{shape}, family_{traits_of(shape)}, d_{shape.d_model} {}

  // ---- one tensor ----

  void add(tensor_kind kind, tensor_use use, std::uint8_t n_dims, count ne0, count ne1, count ne2) {
    inventory_.groups.push_back(
        {kind, mtp_ ? tensor_use::unused : use, n_dims, class_index_, {ne0.value(), ne1.value(), ne2.value()}});
  }
  void vector(tensor_kind kind, count ne0) { add(kind, tensor_use::whole, 1, ne0, 1, 1); }
  void vector_if(bool present, tensor_kind kind, count ne0) {
    if (present) vector(kind, ne0);
  }
  void matrix(tensor_kind kind, count ne0, count ne1) { add(kind, tensor_use::whole, 2, ne0, ne1, 1); }
  void cube(tensor_kind kind, count ne0, count ne1, count ne2) { add(kind, tensor_use::whole, 3, ne0, ne1, ne2); }
  void expert(tensor_kind kind, count ne0, count ne1) {
    add(kind, tensor_use::expert, 3, ne0, ne1, shape_.experts->n_experts);
  }
  void expert_scale(tensor_kind kind) { add(kind, tensor_use::expert, 1, shape_.experts->n_experts, 1, 1); }
  void expert_vector(tensor_kind kind, count ne0) {
    add(kind, tensor_use::expert, 2, ne0, shape_.experts->n_experts, 1);
  }

  // ---- recurrent layers ----

  void add_mamba1() {
    const recurrent_shape& ssm = *shape_.recurrent;
    const count inner = ssm.d_inner;
    const count state = ssm.d_state;
    const count rank = ssm.n_heads;
    matrix(tensor_kind::ssm_in, d_, inner * 2);
    matrix(tensor_kind::ssm_conv1d, ssm.d_conv, inner);
    vector(tensor_kind::ssm_conv1d_bias, inner);
    matrix(tensor_kind::ssm_x, inner, rank + state * 2);
    matrix(tensor_kind::ssm_dt, rank, inner);
    vector(tensor_kind::ssm_dt_bias, inner);
    vector_if(family_.mamba_inner_norms, tensor_kind::ssm_dt_norm, rank);
    vector_if(family_.mamba_inner_norms, tensor_kind::ssm_b_norm, state);
    vector_if(family_.mamba_inner_norms, tensor_kind::ssm_c_norm, state);
    matrix(tensor_kind::ssm_a, state, inner);
    vector(tensor_kind::ssm_d, inner);
    matrix(tensor_kind::ssm_out, inner, d_);
  }

  void add_mamba2() {
    const recurrent_shape& ssm = *shape_.recurrent;
    const count inner = ssm.d_inner;
    const count groups = std::max(ssm.n_groups, 1);
    const count heads = ssm.n_heads;
    const count conv = inner + groups * ssm.d_state * 2;
    matrix(tensor_kind::ssm_in, d_, inner + conv + heads);
    matrix(tensor_kind::ssm_conv1d, ssm.d_conv, conv);
    vector(tensor_kind::ssm_conv1d_bias, conv);
    vector(tensor_kind::ssm_dt_bias, heads);
    matrix(tensor_kind::ssm_a, 1, heads);
    matrix(tensor_kind::ssm_d, 1, heads);
    if (family_.mamba_norm) matrix(tensor_kind::ssm_norm, inner / groups, groups);
    matrix(tensor_kind::ssm_out, inner, d_);
  }

  void add_gated_delta_net() {
    const recurrent_shape& ssm = *shape_.recurrent;
    const count value = ssm.d_inner;
    const count heads = ssm.n_heads;
    const count conv = count{ssm.n_groups} * ssm.d_state * 2 + value;
    matrix(tensor_kind::attn_qkv, d_, conv);
    matrix(tensor_kind::attn_gate, d_, value);
    matrix(tensor_kind::ssm_conv1d, ssm.d_conv, conv);
    vector(tensor_kind::ssm_dt_bias, heads);
    vector(tensor_kind::ssm_a, heads);
    if (family_.delta_ba_fused) {
      matrix(tensor_kind::ssm_ba, d_, heads * 2);
    } else {
      matrix(tensor_kind::ssm_beta, d_, heads);
      matrix(tensor_kind::ssm_alpha, d_, heads);
    }
    vector(tensor_kind::ssm_norm, value / heads);
    matrix(tensor_kind::ssm_out, value, d_);
  }

  void add_kimi_delta() {
    const recurrent_shape& ssm = *shape_.recurrent;
    const count inner = ssm.d_inner;
    const count width = ssm.d_state;
    const count heads = inner / width;
    cube(tensor_kind::ssm_conv1d_q, ssm.d_conv, 1, inner);
    cube(tensor_kind::ssm_conv1d_k, ssm.d_conv, 1, inner);
    cube(tensor_kind::ssm_conv1d_v, ssm.d_conv, 1, inner);
    matrix(tensor_kind::attn_q, d_, inner);
    matrix(tensor_kind::attn_k, d_, inner);
    matrix(tensor_kind::attn_v, d_, inner);
    matrix(tensor_kind::ssm_f_a, d_, width);
    matrix(tensor_kind::ssm_f_b, width, inner);
    matrix(tensor_kind::ssm_beta, d_, heads);
    matrix(tensor_kind::ssm_a, 1, heads);
    vector(tensor_kind::ssm_dt_bias, inner);
    matrix(tensor_kind::ssm_g_a, d_, width);
    matrix(tensor_kind::ssm_g_b, width, inner);
    vector(tensor_kind::ssm_norm, width);
    matrix(tensor_kind::attn_output, inner, d_);
  }

  void add_short_conv() {
    matrix(tensor_kind::shortconv_conv, shape_.recurrent->d_conv, d_);
    matrix(tensor_kind::shortconv_in_proj, d_, d_ * 3);
    matrix(tensor_kind::shortconv_out_proj, d_, d_);
  }

  const model_shape& shape_;
  family_traits family_;
  count d_;
  tensor_inventory inventory_;
  std::uint16_t class_index_ = tensor_group::no_class;
  bool mtp_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
