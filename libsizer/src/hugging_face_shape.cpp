/// @file
/// The shape of a model by its config.json, but for the kinds of its layers: widths, heads, experts, recurrent parts.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/model/expand.hpp>
#include <sizer/model/family.hpp>

#include "hugging_face_parts.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

// ---- counts and heads ----

constexpr std::string_view layer_keys = "num_hidden_layers n_layers n_layer num_layers";

std::int32_t layer_count(config_draft& draft) {
  auto n = draft.integer(layer_keys);
  if (!n && draft.is_nemotron_h()) {  // newer files state the list of layers alone
    const auto list = draft.fields.find("layers_block_type");
    if (list && list->raw().is_array()) n = static_cast<std::int32_t>(std::min<std::size_t>(list->raw().size(), 65536));
  }
  if (!n) draft.fields.missing(layer_keys);
  if (*n < 1 || *n > largest_layer_count) {
    draft.fields.at(layer_keys).fail("a number of layers from 1 to " + std::to_string(largest_layer_count));
  }
  return *n;
}

void read_vocabulary(config_draft& draft) {
  // Rows of the multimodal Gemma 3 checkpoints behind the last token of the tokenizer, which conversion to GGUF cuts.
  constexpr std::int32_t gemma3_rows = 262208;
  constexpr std::int32_t gemma3_tokens = 262144;
  const auto stated = draft.integer("vocab_size padded_vocab_size");
  if (!stated) draft.fields.missing("vocab_size");
  std::int64_t rows = *stated;
  // The files of state-spaces state tokens and a multiple that the rows are rounded up to.
  if (const auto multiple = draft.fields.integer("pad_vocab_size_multiple", 1); multiple && draft.is_state_space()) {
    rows = (rows + *multiple - 1) / *multiple * *multiple;
  }
  draft.shape.vocab_size = narrow(draft, "vocab_size padded_vocab_size", rows);
  if (draft.is("gemma3") && draft.shape.vocab_size == gemma3_rows) {
    draft.shape.vocab_size = gemma3_tokens;
    draft.notes.emplace_back("262144 of the 262208 rows of the vocabulary have a token, as GGUF files store it");
  }
}

/// Falcon: `multi_query` decides, unless the newer decoder states its heads.
std::vector<std::int32_t> falcon_kv_heads(const config_draft& draft) {
  const config_fields& fields = draft.fields;
  const bool newer = fields.boolean("new_decoder_architecture").value_or(fields.has("n_head_kv"));
  if (newer) {
    const auto stated = fields.integers("num_kv_heads n_head_kv");
    return stated.empty() ? draft.shape.n_heads : stated;
  }
  return fields.boolean("multi_query").value_or(true) ? std::vector<std::int32_t>{1} : draft.shape.n_heads;
}

std::vector<std::int32_t> kv_heads(config_draft& draft) {
  if (draft.is("falcon")) return falcon_kv_heads(draft);
  if (draft.is("chatglm") && !draft.fields.boolean("multi_query_attention").value_or(true)) return draft.shape.n_heads;
  auto stated = draft.fields.integers(
      "num_key_value_heads_per_layer num_key_value_heads num_kv_heads n_kv_heads n_head_kv multi_query_group_num "
      "num_attention_groups");
  if (!stated.empty()) return stated;
  if (const auto standard = draft.integer("num_key_value_heads")) return {*standard};
  if (const auto attention = draft.fields.find("attn_config"); attention && attention->raw().is_object()) {
    auto heads = config_fields{*attention}.integers("kv_n_heads");
    if (!heads.empty()) return heads;
  }
  if (draft.fields.boolean("multi_query").value_or(false)) return {1};
  return draft.shape.n_heads;
}

void read_latent(config_draft& draft) {
  const config_fields& fields = draft.fields;
  const std::int32_t rank = fields.integer_or("kv_lora_rank", 0);
  if (rank == 0) return;
  latent_shape mla;
  mla.kv_lora_rank = rank;
  mla.q_lora_rank = fields.integer_or("q_lora_rank", 0);
  mla.qk_rope_head_dim = fields.required("qk_rope_head_dim");
  mla.qk_nope_head_dim = fields.required("qk_nope_head_dim");
  const auto value = fields.integer("v_head_dim", 1);
  if (!value && draft.family_known) fields.missing("v_head_dim");
  mla.v_head_dim = value.value_or(mla.qk_nope_head_dim);
  draft.shape.latent = mla;
}

/// Heads of the layers with a window, where the file states them apart.
void read_window_heads(config_draft& draft) {
  const config_fields& fields = draft.fields;
  model_shape& shape = draft.shape;
  if (draft.is("gemma4")) {  // the plain keys are those of the sliding layers
    shape.sliding_head_dim_k = shape.head_dim_k;
    shape.sliding_head_dim_v = shape.head_dim_k;
    shape.head_dim_k = draft.integer("global_head_dim").value_or(shape.head_dim_k);
    shape.head_dim_v = shape.head_dim_k;
    if (const auto heads = fields.integer("num_global_key_value_heads", 1)) {
      if (shape.n_kv_heads.size() != 1) fields.at("num_key_value_heads").fail("one value for all layers");
      shape.sliding_n_kv_heads = shape.n_kv_heads.front();
      shape.n_kv_heads = {*heads};
    }
    return;
  }
  if (draft.is("mimo2")) {
    shape.sliding_n_heads = fields.integer_or("swa_num_attention_heads", 0);
    shape.sliding_n_kv_heads = fields.integer_or("swa_num_key_value_heads", 0);
    shape.sliding_head_dim_k = fields.integer_or("swa_head_dim", 0);
    shape.sliding_head_dim_v = fields.integer_or("swa_v_head_dim", 0);
  }
  const auto other = draft.is("step35") ? fields.object("attention_other_setting") : std::nullopt;
  if (other) {
    shape.sliding_n_heads = other->integer_or("num_attention_heads", 0);
    shape.sliding_n_kv_heads = other->integer_or("num_attention_groups", 0);
  }
}

void read_heads(config_draft& draft) {
  model_shape& shape = draft.shape;
  if (draft.is_state_space()) return;
  shape.n_heads = draft.fields.integers("num_attention_heads_per_layer num_attention_heads n_head n_heads");
  if (shape.n_heads.empty()) {
    const auto standard = draft.integer("num_attention_heads");
    if (!standard) draft.fields.missing("num_attention_heads");
    shape.n_heads = {*standard};
  }
  shape.n_kv_heads = kv_heads(draft);
  read_latent(draft);
  if (shape.latent) return;
  // Converters leave Granite and Falcon without a head width of their own and state DeciLM's: the model's over the
  // heads.
  const bool by_width =
      draft.is("granite") || draft.is("granitemoe") || draft.is("granitehybrid") || draft.is("falcon");
  if (draft.is("deci")) {
    shape.head_dim_k = shape.d_model / std::max(shape.n_heads.front(), 1);
  } else if (!by_width) {
    auto width = draft.fields.integer("head_dim attention_head_dim kv_channels");
    if (!width) width = draft.integer("head_dim");
    shape.head_dim_k = width.value_or(0);
  }
  shape.head_dim_v = draft.fields.integer_or("v_head_dim", shape.head_dim_k);
  read_window_heads(draft);
}

// ---- the rest ----

/// Keys of sparse-attention indexers (DeepSeek-V3.2, GLM-5, MiniMax-M3).
void read_indexer(config_draft& draft) {
  const config_fields& fields = draft.fields;
  model_shape& shape = draft.shape;
  if (const auto sparse = fields.object("sparse_attention_config")) {
    shape.indexer_head_dim = sparse->integer_or("sparse_index_dim", 0);
    shape.indexer_n_heads = sparse->integer_or("sparse_num_index_heads", 0);
    const auto layers = sparse->find("sparse_attention_freq");
    if (!layers) return;
    for (const json_node& flag : layers->elements()) shape.indexer_n_layers += flag.integer<int>(0, 1);
    return;
  }
  if (!draft.is("deepseek32") && !draft.is("glm-dsa")) return;
  shape.indexer_head_dim = fields.required("index_head_dim");
  shape.indexer_n_heads = fields.required("index_n_heads");
  const auto types = fields.find("indexer_types");
  if (!types) return;
  std::int32_t n = 0;
  for (const json_node& type : types->elements()) n += type.text() == "full" ? 1 : 0;
  if (n == 0 || n > shape.n_layers) types->fail("1 to " + std::to_string(shape.n_layers) + " layers that are 'full'");
  shape.indexer_n_layers = n == shape.n_layers ? 0 : n;
}

void read_tied(config_draft& draft) {
  // The outer object of a multimodal model is the one that transformers 5 asks, and inner ones repeat a wrong default
  // (Qwen3-VL-30B-A3B: true inside, false outside, two matrices in the files).
  constexpr std::string_view keys = "tie_word_embeddings tie_embedding tie_embeddings";
  const auto outer = draft.fields.outermost().boolean(keys);
  const auto stated = outer ? outer : draft.fields.boolean(keys);
  draft.shape.tied_embeddings = stated.value_or(ties_by_default(draft.model_type));
  if (!stated && draft.shape.tied_embeddings) {
    draft.notes.emplace_back("tie_word_embeddings is not stated: true, the default of the class");
  }
}

/// States what the family has otherwise, and only that.
void state_feature(std::optional<bool>& feature, std::optional<bool> stated, bool of_family) {
  if (stated && *stated != of_family) feature = stated;
}

void read_biases(config_draft& draft, const family_traits& family) {
  const config_fields& fields = draft.fields;
  tensor_features& features = draft.shape.features;
  if (!draft.shape.latent) {  // with latent attention the key means matrices that GGUF files give no bias
    const auto attention = fields.boolean("attention_bias use_qkv_bias add_qkv_bias qkv_bias");
    state_feature(features.qkv_bias, attention, family.qkv_bias);
    // Classes in which `attention_bias` is for queries, keys and values alone.
    constexpr auto qkv_only =
        std::to_array<std::string_view>({"glm4", "glm4moe", "chatglm", "qwen2", "qwen2moe", "qwen2vl", "stablelm"});
    const bool alone = std::find(qkv_only.begin(), qkv_only.end(), draft.shape.family) != qkv_only.end();
    const auto output = fields.boolean("attention_out_bias");
    const bool both = fields.has("attention_bias") && !alone;
    state_feature(features.output_bias, output ? output : both ? attention : std::nullopt, family.output_bias);
  }
  state_feature(features.feed_forward_bias, fields.boolean("mlp_bias"), family.feed_forward_bias);
  // One key for every matrix.
  const auto every = draft.is("starcoder2") || draft.is("ernie4_5") || draft.is("ernie4_5-moe")
                         ? fields.boolean("use_bias")
                     : draft.is("internlm2") || draft.is("falcon") ? fields.boolean("bias")
                                                                   : std::nullopt;
  if (!every) return;
  state_feature(features.qkv_bias, every, family.qkv_bias);
  state_feature(features.output_bias, every, family.output_bias);
  if (!draft.is("internlm2")) state_feature(features.feed_forward_bias, every, family.feed_forward_bias);
}

void read_features(config_draft& draft) {
  const config_fields& fields = draft.fields;
  tensor_features& features = draft.shape.features;
  const family_traits family = traits_of(draft.shape);
  read_biases(draft, family);
  // Llama 4's key means a norm without weights; other families fix theirs.
  constexpr auto open_norms = std::to_array<std::string_view>(
      {"glm4moe", "command-r", "hunyuan-moe", "hunyuan-dense", "bailingmoe2", "stablelm", "phi2"});
  const bool open =
      !draft.family_known || std::find(open_norms.begin(), open_norms.end(), draft.shape.family) != open_norms.end();
  if (open) {
    state_feature(features.qk_norm, fields.boolean("use_qk_norm qk_norm qk_layernorm"),
                  family.qk_norm != qk_norm_kind::none);
  }
  if (!draft.shape.experts) return;
  // Sigmoid routers carry a selection bias (DeepSeek-V3, GLM-4.5, Kimi), softmax routers do not (DeepSeek-V2).
  std::optional<bool> router =
      fields.boolean("use_expert_bias use_routing_bias moe_router_enable_expert_bias use_moe_router_bias");
  const std::string function = draft.family_known && !router
                                   ? fields.text("scoring_func score_function moe_router_activation_func")
                                   : std::string{};
  if (function == "sigmoid") router = true;
  if (function == "softmax") router = false;
  state_feature(features.router_bias, router, family.router_bias);
}

/// Nemotron-H with experts and Granite 4 without state-space layers are families of their own.
void settle_family(config_draft& draft) {
  model_shape& shape = draft.shape;
  const auto has = [](const auto& pattern, auto kind) {
    return std::any_of(pattern.begin(), pattern.end(), [kind](const auto& part) { return part.kind == kind; });
  };
  if (draft.is_nemotron_h()) {
    const bool moe = has(shape.feed_forwards, feed_forward_kind::moe);
    shape.family = moe ? "nemotron_h_moe" : "nemotron_h";
    if (!moe) shape.experts.reset();
  }
  if (draft.is("granitehybrid") && !has(shape.mixers, mixer_kind::mamba2)) {
    shape.family = shape.experts ? "granitemoe" : "granite";
    shape.recurrent.reset();
  }
  const bool dense = has(shape.feed_forwards, feed_forward_kind::dense);
  if (dense && shape.d_ff.empty()) draft.fields.missing("intermediate_size");
}

void read_counts(config_draft& draft) {
  model_shape& shape = draft.shape;
  shape.n_layers = layer_count(draft);
  const auto width = draft.integer(width_keys);
  if (!width) draft.fields.missing(width_keys);
  if (*width == 0) draft.fields.at(width_keys).fail("a width of 1 or more");
  shape.d_model = *width;
}

void read_mtp(config_draft& draft) {
  const std::int32_t n = draft.fields.integer_or("num_nextn_predict_layers mtp_num_hidden_layers num_mtp_modules", 0);
  draft.n_mtp_layers = n;
  if (n == 0) return;
  if (keeps_mtp_layers(draft.shape.family)) {
    draft.shape.n_mtp_layers = n;
  } else {
    draft.notes.push_back("multi-token-prediction blocks of the checkpoint (" + std::to_string(n) +
                          ") are not in the shape");
  }
}

}  // namespace

void read_hugging_face_shape(config_draft& draft) {
  model_shape& shape = draft.shape;
  read_counts(draft);
  read_vocabulary(draft);
  read_heads(draft);
  read_dense_width(draft);
  read_experts(draft);
  if (const auto recurrent = recurrent_part(draft)) shape.recurrent = recurrent;
  read_layer_kinds(draft);
  settle_family(draft);
  // The window is in the shape, the caches that go with it are not.
  if (draft.is("deepseek4")) shape.sliding_window = draft.fields.integer_or("sliding_window", 0);
  if (draft.is("gemma3n") || draft.is("gemma4")) {
    shape.n_kv_shared_layers = draft.fields.integer_or("num_kv_shared_layers", 0);
    shape.per_layer_embedding = draft.fields.integer_or("hidden_size_per_layer_input", 0);
  }
  read_indexer(draft);
  read_mtp(draft);
  read_tied(draft);
  read_features(draft);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
