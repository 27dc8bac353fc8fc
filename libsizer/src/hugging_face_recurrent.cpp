/// @file
/// Recurrent parts of a model by its config.json: state spaces, linear attention, short convolutions.

#include <cstdint>
#include <optional>
#include <string_view>

#include "hugging_face_parts.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// A number, or "auto".
std::optional<std::int32_t> number_or_auto(const config_fields& fields, std::string_view keys) {
  const auto node = fields.find(keys);
  if (!node || (node->raw().is_string() && node->text() == "auto")) return std::nullopt;
  return config_fields::whole(*node, 1);
}

recurrent_shape mamba1_state(const config_draft& draft) {
  constexpr std::int32_t rank_divisor = 16;  // the published mamba_ssm default of the time step's rank
  const config_fields& fields = draft.fields;
  const std::int64_t width = draft.shape.d_model;
  recurrent_shape state;
  state.d_conv = fields.integer_or("conv_kernel mamba_d_conv d_conv", 4);
  state.d_state = fields.integer_or("state_size mamba_d_state d_state", 16);
  const std::int64_t by_factor = width * fields.integer_or("mamba_expand expand", 2);
  const auto stated = draft.is("mamba") ? fields.integer("intermediate_size d_inner", 1) : std::nullopt;
  state.d_inner = stated ? *stated : narrow(draft, width_keys, by_factor);
  const auto rank = number_or_auto(fields, "time_step_rank mamba_dt_rank dt_rank");
  state.n_heads = rank.value_or(static_cast<std::int32_t>((width + rank_divisor - 1) / rank_divisor));
  return state;
}

/// Mamba 2 under the names of Mamba-2, Nemotron-H, Granite 4, Bamba and Falcon-H1, and of the files of state-spaces.
recurrent_shape mamba2_state(const config_draft& draft) {
  constexpr std::int32_t head_width = 64;  // the published mamba_ssm default
  const config_fields& outer = draft.fields;
  const auto own = outer.find("ssm_cfg");
  const config_fields fields = own ? config_fields{*own, outer} : outer;
  recurrent_shape state;
  state.d_conv = fields.integer_or("conv_kernel mamba_d_conv d_conv", 4);
  state.d_state = fields.integer_or("ssm_state_size state_size mamba_d_state d_state", 128);
  state.n_groups = fields.integer_or("n_groups mamba_n_groups ngroups mamba_num_groups", 1);
  // Plain "head_dim" is the state space's in Mamba-2 files and the attention's elsewhere.
  const bool alone = draft.is_state_space();
  const auto heads = fields.integer(alone ? "num_heads" : "mamba_num_heads mamba_n_heads", 1);
  const auto width = number_or_auto(fields, alone ? "head_dim headdim" : "mamba_head_dim mamba_d_head");
  constexpr std::string_view inner_keys = "mamba_d_ssm d_inner";
  if (const auto inner = fields.integer(inner_keys, 1)) {
    state.d_inner = *inner;
  } else if (draft.is_nemotron_h() || (heads && width)) {
    if (!heads) fields.missing("mamba_num_heads");
    state.d_inner = narrow(draft, width_keys, std::int64_t{*heads} * width.value_or(head_width));
  } else {
    state.d_inner =
        narrow(draft, width_keys, std::int64_t{draft.shape.d_model} * fields.integer_or("mamba_expand expand", 2, 1));
  }
  state.n_heads = heads.value_or(state.d_inner / width.value_or(head_width));
  return state;
}

recurrent_shape delta_net_state(const config_draft& draft) {
  const config_fields& fields = draft.fields;
  recurrent_shape state;
  state.d_conv = fields.required("linear_conv_kernel_dim");
  state.d_state = fields.required("linear_key_head_dim");
  state.n_groups = fields.required("linear_num_key_heads");
  state.n_heads = fields.required("linear_num_value_heads");
  state.d_inner =
      narrow(draft, "linear_value_head_dim", std::int64_t{state.n_heads} * fields.required("linear_value_head_dim"));
  return state;
}

recurrent_shape kimi_state(const config_draft& draft) {
  const config_fields linear{draft.fields.at("linear_attn_config")};
  recurrent_shape state;
  state.d_conv = linear.required("short_conv_kernel_size");
  state.d_state = linear.required("head_dim");
  state.n_heads = linear.integer_or("num_heads", draft.shape.n_heads.front(), 1);
  state.d_inner = narrow(draft, "linear_attn_config", std::int64_t{state.n_heads} * state.d_state);
  return state;
}

}  // namespace

std::optional<recurrent_shape> recurrent_part(const config_draft& draft) {
  if (draft.is("mamba") || draft.is("jamba")) return mamba1_state(draft);
  if (draft.is("mamba2") || draft.is("granitehybrid") || draft.is("falcon-h1") || draft.is_nemotron_h()) {
    return mamba2_state(draft);
  }
  if (draft.is("qwen3next") || draft.is("qwen35") || draft.is("qwen35moe")) return delta_net_state(draft);
  if (draft.is("kimi-linear")) return kimi_state(draft);
  if (draft.is("lfm2") || draft.is("lfm2moe")) {
    recurrent_shape state;
    state.d_conv = draft.fields.integer_or("conv_L_cache", 3, 1);  // default of Lfm2Config
    return state;
  }
  return std::nullopt;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
