/// @file
/// Feed-forward parts of a model by its config.json: dense widths and experts.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hugging_face_parts.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// LFM2's own rule for the width of a block (Lfm2Config, Lfm2MLP).
std::int32_t lfm2_width(const config_draft& draft) {
  const config_fields& fields = draft.fields;
  const std::int64_t stated = fields.required("block_ff_dim intermediate_size");
  if (!fields.boolean("block_auto_adjust_ff_dim").value_or(true)) return static_cast<std::int32_t>(stated);
  const double multiplier = fields.real("block_ffn_dim_multiplier").value_or(1.0);
  const std::int64_t multiple = fields.integer_or("block_multiple_of", 256, 1);
  if (!(multiplier > 0.0 && multiplier < 1000.0)) fields.at("block_ffn_dim_multiplier").fail("a factor below 1000");
  const std::int64_t two_thirds = 2 * stated / 3;
  const auto scaled = static_cast<std::int64_t>(multiplier * static_cast<double>(two_thirds));
  return narrow(draft, "block_ff_dim intermediate_size", (scaled + multiple - 1) / multiple * multiple);
}

/// DeciLM: two thirds of the multiple of the model's width, rounded up to 256. Absent: the search removed the part.
std::int32_t deci_width(const config_draft& draft, const config_fields& part) {
  constexpr std::int64_t multiple = 256;
  constexpr double largest_factor = 1000.0;
  const auto factor = part.real("ffn_mult");
  if (!factor || part.boolean("no_op").value_or(false)) return part.integer_or("intermediate_size", 0);
  if (!(*factor >= 0.0 && *factor <= largest_factor)) part.at("ffn_mult").fail("a factor from 0 to 1000");
  const auto width = static_cast<std::int64_t>(2.0 * *factor * static_cast<double>(draft.shape.d_model) / 3.0);
  return narrow(draft, width_keys, (width + multiple - 1) / multiple * multiple);
}

/// DeciLM: heads and width of every block.
void read_block_configs(config_draft& draft) {
  const auto list = draft.fields.find("block_configs");
  if (!list) return;
  const std::vector<json_node> blocks = list->elements();
  if (blocks.size() != draft.layer_count()) {
    list->fail(std::to_string(blocks.size()) + " blocks",
               "one per layer (" + std::to_string(draft.layer_count()) + ")");
  }
  model_shape& shape = draft.shape;
  const std::int32_t n_heads = shape.n_heads.front();
  shape.n_heads.assign(blocks.size(), n_heads);
  shape.n_kv_heads.assign(blocks.size(), 0);
  shape.d_ff.assign(blocks.size(), 0);
  bool linear = false;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const config_fields block{blocks[i]};
    const config_fields attention{block.at("attention")};
    if (const auto group = attention.integer("n_heads_in_group", 1)) {
      if (n_heads % *group != 0) attention.at("n_heads_in_group").fail("a divisor of num_attention_heads");
      shape.n_kv_heads[i] = n_heads / *group;
    } else {
      shape.n_heads[i] = 0;
      linear = linear || attention.boolean("replace_with_linear").value_or(false);
    }
    shape.d_ff[i] = deci_width(draft, config_fields{block.at("ffn")});
  }
  if (linear) draft.notes.emplace_back("matrices that replace the attention of some layers are not in the shape");
}

}  // namespace

void read_dense_width(config_draft& draft) {
  model_shape& shape = draft.shape;
  const config_fields& fields = draft.fields;
  if (draft.is_state_space()) return;
  if (draft.is("lfm2")) {
    shape.d_ff = {lfm2_width(draft)};
    return;
  }
  const bool llama4 = draft.is("llama4");
  shape.d_ff = fields.integers(llama4 ? "intermediate_size_mlp intermediate_size"
                                      : "prefix_dense_intermediate_size dense_intermediate_size intermediate_size "
                                        "ffn_hidden_size n_inner");
  if (shape.d_ff.empty()) {
    if (const auto standard = draft.integer("intermediate_size")) shape.d_ff = {*standard};
  }
  constexpr auto four_wide = std::to_array<std::string_view>({"falcon", "gpt2", "mpt", "phi2", "starcoder2"});
  const bool by_width = std::find(four_wide.begin(), four_wide.end(), shape.family) != four_wide.end();
  if (shape.d_ff.empty() && by_width) {
    const std::int64_t ratio = fields.integer_or("expansion_ratio", 4, 1);
    shape.d_ff = {narrow(draft, width_keys, ratio * shape.d_model)};
  }
  if (draft.is("granitehybrid") && fields.uniform("num_local_experts").value_or(0) == 0) {
    // Without experts the shared part is the feed-forward part.
    if (const auto shared = fields.integer("shared_intermediate_size", 1)) shape.d_ff = {*shared};
  }
  if (draft.is("gemma4") && fields.boolean("use_double_wide_mlp").value_or(false) && shape.d_ff.size() == 1) {
    // Layers that reuse a cache have the double width.
    const std::int32_t width = shape.d_ff.front();
    const std::int32_t doubled = narrow(draft, "intermediate_size", std::int64_t{2} * width);
    const std::int32_t first = shape.n_layers - std::min(fields.integer_or("num_kv_shared_layers", 0), shape.n_layers);
    shape.d_ff.assign(draft.layer_count(), doubled);
    std::fill_n(shape.d_ff.begin(), first, width);
  }
  read_block_configs(draft);
}

namespace {

constexpr std::string_view expert_count_keys =
    "num_local_experts num_experts n_routed_experts moe_num_experts num_moe_experts";

/// Width of all shared experts together.
std::int32_t shared_width(const config_draft& draft, const expert_shape& moe) {
  const config_fields& fields = draft.fields;
  const std::int64_t n = moe.n_shared_experts;
  if (draft.is("llama4")) return moe.d_ff_expert;  // one of an expert's width, not stated
  constexpr std::string_view keys =
      "shared_expert_intermediate_size moe_shared_expert_intermediate_size share_expert_dim shared_intermediate_size";
  const auto stated = fields.uniform(keys);
  // Stated for one shared expert here, for all of them elsewhere.
  const bool is_each = draft.is("bailingmoe2") || draft.is("minimax-m3");
  if (stated) return is_each ? narrow(draft, keys, n * *stated) : *stated;
  if (draft.is("hunyuan-moe")) return narrow(draft, "intermediate_size", n * fields.required("intermediate_size"));
  return narrow(draft, expert_count_keys, n * moe.d_ff_expert);
}

}  // namespace

void read_experts(config_draft& draft) {
  const config_fields& fields = draft.fields;
  if (draft.is("gemma4") && !fields.boolean("enable_moe_block").value_or(true)) return;
  const std::int32_t n_experts = fields.uniform(expert_count_keys).value_or(0);
  if (n_experts <= 1) return;  // one expert is no choice: Jamba's and Hunyuan's dense models
  expert_shape moe;
  moe.n_experts = n_experts;
  constexpr std::string_view used_keys =
      "num_experts_per_tok num_experts_per_token moe_topk moe_top_k moe_k top_k_experts experts_per_token";
  const auto used = fields.uniform(used_keys);
  if (!used) fields.missing(used_keys);
  moe.n_experts_per_token = *used;
  // Without a key of its own, `intermediate_size` is one expert's (Mixtral, Granite, gpt-oss, MiniMax-M2, Llama 4).
  constexpr std::string_view expert_keys = "moe_intermediate_size expert_intermediate_size intermediate_size";
  const auto width = fields.uniform(draft.is("llama4") ? "intermediate_size" : expert_keys);
  if (!width) fields.missing(expert_keys);
  moe.d_ff_expert = *width;
  moe.n_shared_experts =
      fields.uniform("n_shared_experts num_shared_experts num_shared_expert moe_num_shared_experts").value_or(0);
  moe.d_ff_shared = shared_width(draft, moe);
  moe.n_shared_experts = moe.d_ff_shared > 0 ? std::max(moe.n_shared_experts, 1) : 0;
  moe.d_latent = fields.integer_or("moe_latent_size routed_expert_hidden_size", 0);
  draft.shape.experts = moe;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
