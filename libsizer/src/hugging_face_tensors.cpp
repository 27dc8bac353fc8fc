/// @file
/// What the tensors of Hugging Face checkpoints are for, by their names. No list of whole names: the families combine
/// the same pieces under different wrappers, so that a table of pieces covers what is not out yet as well.
/// Sources: `gguf-py/gguf/tensor_mapping.py` and `conversion/` of unslothai/llama.cpp@d32676d77426; the indexes of
/// published checkpoints.

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sizer/catalog/safetensors.hpp>

namespace sizer {
inline namespace v0 {
namespace {

using pieces = std::span<const std::string_view>;

/// What pieces of names say. The rule with the lowest rank among the pieces of a name decides.
struct rule_group {
  std::uint8_t rank;
  weight_part part;
  bool first;              ///< counts as the first piece within its block only: "norm" is in every module
  std::string_view names;  ///< with blanks between
};

constexpr weight_part attention = weight_part::attention;
constexpr weight_part dense = weight_part::dense;
constexpr weight_part embedding = weight_part::embedding;
constexpr weight_part mtp = weight_part::mtp;
constexpr weight_part output = weight_part::output;
constexpr weight_part recurrent = weight_part::recurrent;
constexpr weight_part routed = weight_part::routed_expert;
constexpr weight_part shared = weight_part::shared_expert;
constexpr weight_part vision = weight_part::vision;

// Ranks: a prediction head has attention and experts of its own; a router may lie among the experts; experts lie in
// modules that are called like dense ones.
constexpr std::uint8_t head_rank = 0;
constexpr std::uint8_t router_rank = 1;
constexpr std::uint8_t shared_rank = 2;
constexpr std::uint8_t routed_rank = 3;
constexpr std::uint8_t recurrent_rank = 4;
constexpr std::uint8_t attention_rank = 5;
constexpr std::uint8_t dense_rank = 6;

/// Pieces behind the block's number. Norms go with what they precede, as in GGUF files; post_attention_layernorm
/// precedes the feed-forward network in most families (from Gemma 2 on it does not).
constexpr auto block_rules = std::to_array<rule_group>({
    {head_rank, mtp, false, "eh_proj enorm hnorm shared_head"},
    {head_rank, mtp, true, "embed_tokens"},
    {head_rank, vision, false, "vision_mlp vision_expert_dense vision_expert_query_key_value"},
    {router_rank, dense, false,
     "router router_bias primary_router expert_bias e_score_correction e_score_correction_bias moe_statics "
     "tid2eid"},
    {shared_rank, shared, false, "shared_expert shared_experts shared_expert_gate share_expert shared_mlp"},
    {routed_rank, routed, false, "experts chunk_experts switch_mlp"},
    {recurrent_rank, recurrent, true, "linear_attn mamba conv in_proj out_proj x_proj D"},
    {recurrent_rank, recurrent, false,
     "A_log conv1d dt_bias dt_proj q_conv1d k_conv1d v_conv1d f_a_proj f_b_proj g_a_proj g_b_proj b_proj o_norm"},
    {attention_rank, attention, false,
     "attention attn cross_attn multi_head_attention norm_attn_norm self_attention self_attn"},
    {attention_rank, attention, true,
     "att_proj attn_out q_proj k_proj v_proj attention_layernorm attention_norm attn_norm hc_attn_base hc_attn_fn "
     "hc_attn_scale input_layernorm ln ln1 ln_1 ln_attn norm norm_1 operator_norm post_attn_norm post_mixer_norm "
     "post_self_attn_layernorm pre_attention_layernorm pre_attn_norm pre_mixer_norm rms_norm rms_norm_1"},
    {dense_rank, dense, false, "altup block_sparse_moe feed_forward ffn laurel mlp moe residual_mlp"},
    {dense_rank, dense, true,
     "gate ff_out ff_proj up_proj feedforward_layernorm ff_norm ffn_norm final_layernorm hc_ffn_base hc_ffn_fn "
     "hc_ffn_scale layer_scalar ln2 ln_2 ln_mlp mlp_norm norm_2 per_layer_input_gate per_layer_projection "
     "post_attention_layernorm post_feedforward_layernorm post_feedforward_layernorm_1 "
     "post_feedforward_layernorm_2 post_mlp_layernorm post_mlp_norm post_moe_norm post_per_layer_input_norm "
     "pre_ff_layernorm pre_feedforward_layernorm pre_feedforward_layernorm_2 pre_mlp_layernorm pre_mlp_norm "
     "pre_moe_layernorm pre_moe_norm residual_layernorm rms_norm_2 rms_norm_3"},
});

/// First pieces of tensors that belong to no block.
constexpr auto model_rules = std::to_array<rule_group>({
    {0, embedding, false,
     "embd embed embed_in embed_positions embed_tokens embed_tokens_per_layer embedding embeddings in_out_embed "
     "position_embeddings tok_embeddings token_embeddings word_embeddings wpe wte"},
    {0, output, false,
     "embed_out embedding_norm ff_out final_layer_norm final_layernorm final_norm head ln_f lm_head norm norm_f "
     "output output_layer rms_norm score word_embeddings_for_head word_embeddings_layernorm"},
    {0, dense, false,
     "altup_projections altup_unembed_projections hc_head_base hc_head_fn hc_head_scale "
     "per_layer_model_projection per_layer_projection_norm rope rotary_emb rotary_pos_emb"},
    {0, vision, false,
     "aligner apm audio audio_adapter audio_embed audio_embedding audio_encoder audio_model audio_projection_layer "
     "audio_projector audio_tower code2wav conformer connector embed_audio embed_tokens_extend embed_vision "
     "image_newline layerwise_projectors merger mlp1 mlp_AR mm_projector mm_whisper_embeddings "
     "multi_modal_projector patch_merge_mlp patch_merger pre_mm_projector_norm projector qwen2_model resampler "
     "resampler_model sam_model siglip2 sound_encoder sound_projection spatial_projectors speaker_encoder "
     "speech_embeddings talker token2wav view_seperator vision vision_adapter vision_backbone vision_embed_tokens "
     "vision_embedder vision_encoder vision_language_adapter vision_model vision_tower visual vit vit_downsampler "
     "vit_large_projector vpm"},
});

constexpr auto wrappers =
    std::to_array<std::string_view>({"model", "language_model", "transformer", "backbone", "gpt_neox", "decoder",
                                     "base_model", "text_model", "thinker", "llm", "language"});
constexpr auto block_lists =
    std::to_array<std::string_view>({"layers", "h", "blocks", "layer", "decoder_layer", "transformer_encoder"});
/// Attention, and feed-forward networks, of the blocks that call whatever they have "mixer" (Nemotron-H, PLaMo).
constexpr auto mixer_attention = std::to_array<std::string_view>(
    {"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "Wqkv", "q_norm", "k_norm", "q", "k"});
constexpr auto mixer_dense = std::to_array<std::string_view>(
    {"up_proj", "gate_proj", "down_proj", "gate", "fc1_latent_proj", "fc2_latent_proj"});
/// Experts stacked in one tensor, right below "moe" or "block_sparse_moe" (Granite, Step, Grok, the first Mixtral).
constexpr auto stacked_experts =
    std::to_array<std::string_view>({"input_linear", "output_linear", "gate_proj", "up_proj", "down_proj",
                                     "gate_up_proj", "w1", "w2", "w3", "linear", "linear_v", "linear_1"});

bool among(std::span<const std::string_view> list, std::string_view piece) {
  return std::find(list.begin(), list.end(), piece) != list.end();
}

/// The groups by piece, sorted for look-up.
class rule_table {
 public:
  explicit rule_table(std::span<const rule_group> groups) {
    for (const rule_group& group : groups) {
      for (std::string_view names = group.names; !names.empty();) {
        const std::size_t blank = std::min(names.find(' '), names.size());
        rules_.emplace_back(names.substr(0, blank), &group);
        names.remove_prefix(std::min(blank + 1, names.size()));
      }
    }
    std::sort(rules_.begin(), rules_.end());
  }
  /// Null when no group has the piece.
  [[nodiscard]] const rule_group* find(std::string_view piece) const {
    const auto found = std::lower_bound(rules_.begin(), rules_.end(), piece,
                                        [](const auto& rule, std::string_view p) { return rule.first < p; });
    return found != rules_.end() && found->first == piece ? found->second : nullptr;
  }

 private:
  std::vector<std::pair<std::string_view, const rule_group*>> rules_;
};

const rule_group* find_block_rule(std::string_view piece) {
  static const rule_table table{block_rules};
  return table.find(piece);
}
const rule_group* find_model_rule(std::string_view piece) {
  static const rule_table table{model_rules};
  return table.find(piece);
}

tensor_use use_of(weight_part part) {
  if (part == mtp || part == vision) return tensor_use::unused;
  return part == routed ? tensor_use::expert : tensor_use::whole;
}

/// The part that the pieces within a block tell; empty: they tell nothing.
std::optional<weight_part> part_in_block(pieces path) {
  const rule_group* best = nullptr;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const rule_group* rule = find_block_rule(path[i]);
    if (rule != nullptr && (i == 0 || !rule->first) && (best == nullptr || rule->rank < best->rank)) best = rule;
  }
  if (best != nullptr && best->rank < routed_rank) return best->part;
  if (path.size() > 1 && (path[0] == "moe" || path[0] == "block_sparse_moe") && among(stacked_experts, path[1])) {
    return routed;
  }
  if (best != nullptr && best->rank == routed_rank) return best->part;
  if (path.size() > 1 && path[0] == "mixer") {
    if (among(mixer_attention, path[1])) return attention;
    return among(mixer_dense, path[1]) ? dense : recurrent;
  }
  if (best != nullptr) return best->part;
  return std::nullopt;
}

/// Number of a block; empty when it is none.
std::optional<std::int32_t> number_in(std::string_view piece) {
  std::int32_t number = 0;
  const char* const end = piece.data() + piece.size();
  const auto [stop, problem] = std::from_chars(piece.data(), end, number);
  if (problem != std::errc{} || stop != end || number < 0) return std::nullopt;
  return number;
}

/// A name that the tables do not know: pieces of words that every family uses alike.
tensor_role guessed_role(std::string_view name, std::int32_t layer) {
  struct word {
    std::string_view text;
    weight_part part;
  };
  static constexpr auto words = std::to_array<word>({
      {"mtp", mtp},
      {"nextn", mtp},
      {"shared_exp", shared},
      {"share_exp", shared},
      {"expert", routed},
      {"mamba", recurrent},
      {"ssm", recurrent},
      {"conv", recurrent},
      {"attn", attention},
      {"attention", attention},
  });
  static constexpr auto words_of_no_block = std::to_array<word>({
      {"vision", vision},
      {"visual", vision},
      {"image", vision},
      {"audio", vision},
      {"speech", vision},
      {"lm_head", output},
      {"embed", embedding},
  });
  std::string lower{name};
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (layer < 0) {
    for (const auto& [text, part] : words_of_no_block) {
      if (lower.find(text) == std::string::npos) continue;
      return {part, part == embedding ? tensor_use::row : use_of(part), layer, false};
    }
  }
  for (const auto& [text, part] : words) {
    if (lower.find(text) != std::string::npos) return {part, use_of(part), layer, false};
  }
  return {dense, tensor_use::whole, layer, false};
}

tensor_role role_in_block(pieces path, std::string_view name, std::int32_t layer, bool known) {
  const auto part = part_in_block(path);
  if (!part) return guessed_role(name, layer);
  return {*part, use_of(*part), layer, known};
}

tensor_role role_of_model(pieces path, std::string_view name) {
  const rule_group* rule = find_model_rule(path.front());
  if (rule == nullptr) return guessed_role(name, -1);
  if (rule->part != embedding) return {rule->part, use_of(rule->part), -1, true};
  const auto is_norm = [](std::string_view piece) { return piece == "norm" || piece == "LayerNorm"; };
  if (std::any_of(path.begin(), path.end(), is_norm)) return {output, tensor_use::whole, -1, true};
  // The table of the tokens may be the output head too, which weights() knows; the others are looked up only.
  static constexpr auto by_row =
      std::to_array<std::string_view>({"embed_tokens_per_layer", "embed_positions", "position_embeddings", "wpe"});
  return {embedding, among(by_row, path.front()) ? tensor_use::row : tensor_use::tied, -1, true};
}

}  // namespace

tensor_role role_of_hugging_face_tensor(std::string_view name) {
  // Real names have at most 12 pieces; what lies behind the last here says nothing new.
  std::array<std::string_view, 16> buffer;
  std::size_t n = 0;
  for (std::string_view rest = name; n < buffer.size();) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    buffer[n++] = rest.substr(0, dot);
    if (dot == rest.size()) break;
    rest.remove_prefix(dot + 1);
  }
  const pieces all{buffer.data(), n};
  pieces path = all;
  while (path.size() > 1 && (among(wrappers, path[0]) || (path[0] == "encoder" && path.size() < all.size()))) {
    path = path.subspan(1);
  }
  if (path[0].starts_with("mtp") || path[0] == "nextn") return {mtp, tensor_use::unused, -1, true};

  // PLaMo has a list of layers in a module "layers".
  if (path.size() > 1 && path[0] == "layers" && path[1] == "layers") path = path.subspan(1);
  for (std::size_t i = 0; i + 2 < path.size(); ++i) {
    if (!among(block_lists, path[i])) continue;
    const auto layer = number_in(path[i + 1]);
    if (!layer) continue;
    const bool known = i == 0;
    if (!known) {  // the blocks of a tower are none of the language model's
      if (find_model_rule(path[0]) != nullptr) break;
      if (const tensor_role tower = guessed_role(path[0], -1); tower.part == vision) return tower;
    }
    return role_in_block(path.subspan(i + 2), name, *layer, known);
  }
  return role_of_model(path, name);
}

}  // namespace v0
}  // namespace sizer
