/// @file
/// Which layer of a model has which mixer and which feed-forward part, by its config.json.
///
/// Where llama.cpp fixes a rule for a family, the file only decides what that rule leaves open: the shape is to be that
/// of the model's GGUF file.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hugging_face_parts.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

using feeds = std::vector<feed_forward_kind>;

/// In a period of p layers the last one sees everything (`sliding_window_pattern` of the classes). Period 0: the file
/// lists the layers.
struct window_rule {
  std::string_view family;
  std::int32_t period;
  std::int32_t window;  ///< default of the class; 0: no layer slides unless the file states a window
};
constexpr auto window_rules = std::to_array<window_rule>({
    {"gemma2", 2, 4096},
    {"gemma3", 6, 4096},
    {"gemma3n", 5, 512},
    {"gemma4", 6, 512},
    {"gpt-oss", 2, 128},
    {"cohere2", 4, 4096},
    {"olmo2", 4, 0},
    {"exaone4", 4, 0},
    {"exaone-moe", 4, 0},
    {"afmoe", 4, 0},
    {"mimo2", 0, 0},
    {"step35", 0, 0},
    {"laguna", 0, 0},
});
constexpr std::int32_t llama4_chunk = 8192;  ///< default of Llama4TextConfig, and what llama.cpp fixes
constexpr std::int32_t llama4_period = 4;

bool is_delta_net(const config_draft& draft) {
  return draft.is("qwen3next") || draft.is("qwen35") || draft.is("qwen35moe");
}

mixer_kind attention_kind(const config_draft& draft) {
  return draft.shape.latent ? mixer_kind::latent : mixer_kind::full;
}

/// What "linear_attention", "mamba" and "conv" are in a family; none: the family has no such layers.
mixer_kind recurrent_kind(const config_draft& draft) {
  if (is_delta_net(draft)) return mixer_kind::gated_delta_net;
  if (draft.is("lfm2") || draft.is("lfm2moe")) return mixer_kind::short_conv;
  if (draft.is("kimi-linear")) return mixer_kind::kimi_delta;
  if (draft.is("jamba") || draft.is("mamba")) return mixer_kind::mamba1;
  if (draft.is("granitehybrid") || draft.is("nemotron_h") || draft.is("mamba2")) return mixer_kind::mamba2;
  return mixer_kind::none;
}

/// Elements of a list of one per layer. A list may go on for the multi-token-prediction blocks.
std::vector<json_node> per_layer_list(const config_draft& draft, const json_node& list) {
  std::vector<json_node> elements = list.elements();
  const std::size_t n = draft.layer_count();
  const auto extra =
      static_cast<std::size_t>(std::clamp<std::int32_t>(draft.fields.integer_or("num_nextn_predict_layers", 0), 0, 64));
  if (elements.size() != n && elements.size() != n + extra) {
    list.fail(std::to_string(elements.size()) + " values", "one per layer (" + std::to_string(n) + ")");
  }
  elements.resize(n, list);
  return elements;
}

mixer_kind kind_of_layer_type(const config_draft& draft, const json_node& node) {
  constexpr auto recurrent_names = std::to_array<std::string_view>({"linear_attention", "mamba", "conv", "short_conv"});
  const std::string type = node.text();
  if (!draft.family_known && type != "sliding_attention") return attention_kind(draft);
  if (type == "full_attention" || type == "attention") return attention_kind(draft);
  if (type == "sliding_attention") return mixer_kind::sliding;
  if (type == "chunked_attention") return mixer_kind::chunked;
  const mixer_kind recurrent = recurrent_kind(draft);
  const bool is_recurrent = std::find(recurrent_names.begin(), recurrent_names.end(), type) != recurrent_names.end();
  if (is_recurrent && recurrent != mixer_kind::none) return recurrent;
  node.fail("full_attention, sliding_attention" +
            std::string{recurrent == mixer_kind::none ? "" : " or the family's recurrent kind"});
}

/// From "layer_types"; empty when the file has none.
std::vector<mixer_kind> listed_mixers(const config_draft& draft) {
  const auto list = draft.fields.find("layer_types");
  if (!list) return {};
  std::vector<mixer_kind> kinds;
  for (const json_node& type : per_layer_list(draft, *list)) kinds.push_back(kind_of_layer_type(draft, type));
  return kinds;
}

/// Layers whose index is in a list; `first` is the index of the first layer there.
std::vector<bool> layers_in(const config_draft& draft, const json_node& list, std::int64_t first) {
  std::vector<bool> in_list(draft.layer_count(), false);
  for (const json_node& element : list.elements()) {
    const auto index = element.integer<std::int64_t>(first, draft.shape.n_layers - 1 + first);
    in_list[static_cast<std::size_t>(index - first)] = true;
  }
  return in_list;
}

std::vector<mixer_kind> where(const std::vector<bool>& chosen, mixer_kind yes, mixer_kind no) {
  std::vector<mixer_kind> kinds(chosen.size(), no);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) kinds[i] = yes;
  }
  return kinds;
}

/// Layers i with i % period == offset.
std::vector<bool> every(const config_draft& draft, std::int32_t period, std::int32_t offset) {
  std::vector<bool> chosen(draft.layer_count(), false);
  for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = static_cast<std::int32_t>(i) % period == offset;
  return chosen;
}

// ---- sliding windows ----

/// By a period, or by a text such as "LLLG".
std::vector<mixer_kind> windows_by_period(const config_draft& draft, std::int32_t period) {
  const auto node = draft.fields.find("sliding_window_pattern _sliding_window_pattern global_attn_every_n_layers");
  const mixer_kind full = attention_kind(draft);
  if (node && node->raw().is_string()) {
    const std::string letters = node->filled_text();
    std::vector<mixer_kind> kinds(draft.layer_count(), full);
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const char letter = letters[i % letters.size()];
      if (letter != 'L' && letter != 'G') node->fail("a number, or a text of L (local) and G (global)");
      if (letter == 'L') kinds[i] = mixer_kind::sliding;
    }
    return kinds;
  }
  const std::int32_t stated = node ? config_fields::whole(*node, 1) : period;
  return where(every(draft, stated, stated - 1), full, mixer_kind::sliding);
}

/// MiMo-V2: 1 is a layer that slides.
std::vector<mixer_kind> windows_by_flags(const config_draft& draft, const json_node& list) {
  std::vector<bool> slides;
  for (const json_node& flag : per_layer_list(draft, list)) slides.push_back(flag.integer<int>(0, 1) == 1);
  return where(slides, mixer_kind::sliding, attention_kind(draft));
}

std::vector<mixer_kind> llama4_mixers(config_draft& draft) {
  draft.shape.sliding_window = draft.fields.integer_or("attention_chunk_size", llama4_chunk);
  std::vector<mixer_kind> kinds = listed_mixers(draft);
  if (!kinds.empty()) return kinds;
  // Layers with RoPE attend to their chunk, those without to everything: 1 is a layer with RoPE.
  if (const auto rope = draft.fields.find("no_rope_layers"); rope && !rope->raw().empty()) {
    std::vector<bool> chunked;
    for (const json_node& flag : per_layer_list(draft, *rope)) chunked.push_back(flag.integer<int>(0, 1) == 1);
    return where(chunked, mixer_kind::chunked, mixer_kind::full);
  }
  const std::int32_t period = draft.fields.integer_or("no_rope_layer_interval", llama4_period, 1);
  return where(every(draft, period, period - 1), mixer_kind::full, mixer_kind::chunked);
}

/// A window that the file states and llama.cpp does not use in the family.
void note_unused_window(config_draft& draft) {
  const std::int32_t window = draft.fields.integer_or("sliding_window", 0);
  if (window == 0 || !draft.fields.boolean("use_sliding_window").value_or(true)) return;
  if (window >= draft.fields.integer("max_position_embeddings").value_or(window)) return;
  draft.notes.push_back("sliding_window " + std::to_string(window) +
                        " is not used: every layer is taken to see the whole context, as llama.cpp does");
}

std::vector<mixer_kind> attention_mixers(config_draft& draft) {
  const auto* rule = std::find_if(window_rules.begin(), window_rules.end(),
                                  [&](const window_rule& row) { return draft.is(row.family); });
  std::vector<mixer_kind> everywhere(draft.layer_count(), attention_kind(draft));
  const bool known_without_windows = draft.family_known && rule == window_rules.end();
  if (known_without_windows) {
    if (!draft.is("deepseek4")) note_unused_window(draft);  // its windows are in use, but not in the shape
    return everywhere;
  }
  const std::int32_t standard = rule == window_rules.end() ? 0 : rule->window;
  const std::int32_t window = draft.fields.integer_or("sliding_window sliding_window_size", standard);
  if (window == 0) return everywhere;
  std::vector<mixer_kind> kinds = listed_mixers(draft);
  if (kinds.empty()) {
    if (const auto flags = draft.fields.find("hybrid_layer_pattern")) {
      kinds = windows_by_flags(draft, *flags);
    } else if (rule != window_rules.end() && rule->period > 0) {
      kinds = windows_by_period(draft, rule->period);
    } else if (draft.fields.has("sliding_window_pattern")) {
      kinds = windows_by_period(draft, 1);
    } else if (rule != window_rules.end()) {
      draft.fields.missing(draft.is("mimo2") ? "hybrid_layer_pattern" : "layer_types");
    } else {
      note_unused_window(draft);
      return everywhere;
    }
  }
  draft.shape.sliding_window = window;
  return kinds;
}

// ---- hybrids ----

/// "M-M*-E": Mamba 2, feed-forward, attention, experts; or a list of the words.
void read_nemotron_layers(config_draft& draft, feeds& feed_forwards, std::vector<mixer_kind>& mixers) {
  const json_node node = draft.fields.at("hybrid_override_pattern layers_block_type");
  std::vector<std::string> parts;
  if (node.raw().is_string()) {
    for (const char letter : node.text()) parts.emplace_back(1, letter);
  } else {
    parts = node.texts();
  }
  if (parts.size() != draft.layer_count()) {
    node.fail(std::to_string(parts.size()) + " layers",
              "num_hidden_layers (" + std::to_string(draft.layer_count()) + ")");
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    mixers[i] = mixer_kind::none;
    feed_forwards[i] = feed_forward_kind::none;
    if (part == "M" || part == "mamba") {
      mixers[i] = mixer_kind::mamba2;
    } else if (part == "*" || part == "attention") {
      mixers[i] = mixer_kind::full;
    } else if (part == "-" || part == "mlp") {
      feed_forwards[i] = feed_forward_kind::dense;
    } else if (part == "E" || part == "moe") {
      feed_forwards[i] = feed_forward_kind::moe;
    } else {
      node.fail(shown(json(part)), "M, *, - and E, or mamba, attention, mlp and moe");
    }
  }
}

/// Attention layers of Granite 4 and Bamba: a list of kinds, of indices, or a period.
std::vector<mixer_kind> granite_mixers(const config_draft& draft) {
  std::vector<mixer_kind> listed = listed_mixers(draft);
  if (!listed.empty()) return listed;
  if (const auto indices = draft.fields.find("attn_layer_indices"); indices && !indices->raw().empty()) {
    return where(layers_in(draft, *indices, 0), mixer_kind::full, mixer_kind::mamba2);
  }
  const std::int32_t period = draft.fields.required("attn_layer_period");
  return where(every(draft, period, draft.fields.integer_or("attn_layer_offset", 0)), mixer_kind::full,
               mixer_kind::mamba2);
}

std::vector<mixer_kind> jamba_mixers(const config_draft& draft) {
  const std::int32_t period = draft.fields.integer_or("attn_layer_period", 8, 1);  // defaults of JambaConfig
  const std::int32_t offset = draft.fields.integer_or("attn_layer_offset", 4);
  return where(every(draft, period, offset), mixer_kind::full, mixer_kind::mamba1);
}

std::vector<mixer_kind> delta_net_mixers(const config_draft& draft) {
  std::vector<mixer_kind> listed = listed_mixers(draft);
  if (!listed.empty()) return listed;
  const std::int32_t interval = draft.fields.integer_or("full_attention_interval", 4, 1);  // default of the classes
  return where(every(draft, interval, interval - 1), mixer_kind::full, mixer_kind::gated_delta_net);
}

std::vector<mixer_kind> short_conv_mixers(const config_draft& draft) {
  std::vector<mixer_kind> listed = listed_mixers(draft);
  if (!listed.empty()) return listed;
  return where(layers_in(draft, draft.fields.at("full_attn_idxs"), 0), mixer_kind::full, mixer_kind::short_conv);
}

std::vector<mixer_kind> kimi_mixers(const config_draft& draft) {
  const auto linear = draft.fields.object("linear_attn_config");
  if (!linear) draft.fields.missing("linear_attn_config");
  // The file counts layers from one.
  return where(layers_in(draft, linear->at("full_attn_layers"), 1), attention_kind(draft), mixer_kind::kimi_delta);
}

std::vector<mixer_kind> mixers_of(config_draft& draft) {
  if (draft.is("mamba")) return std::vector<mixer_kind>(draft.layer_count(), mixer_kind::mamba1);
  if (draft.is("mamba2")) return std::vector<mixer_kind>(draft.layer_count(), mixer_kind::mamba2);
  if (draft.is("falcon-h1")) return std::vector<mixer_kind>(draft.layer_count(), mixer_kind::full_and_mamba2);
  if (draft.is("llama4")) return llama4_mixers(draft);
  if (draft.is("jamba")) return jamba_mixers(draft);
  if (draft.is("granitehybrid")) return granite_mixers(draft);
  if (draft.is("kimi-linear")) return kimi_mixers(draft);
  if (draft.is("lfm2") || draft.is("lfm2moe")) return short_conv_mixers(draft);
  if (is_delta_net(draft)) return delta_net_mixers(draft);
  return attention_mixers(draft);
}

// ---- feed-forward parts ----

/// "3,4,5": the layers with experts (Step-3.5).
feeds experts_by_text(const config_draft& draft, const json_node& node) {
  feeds kinds(draft.layer_count(), feed_forward_kind::dense);
  const std::string text = node.filled_text();
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (at != end) {
    std::int32_t index = -1;
    const auto [next, fault] = std::from_chars(at, end, index);
    if (fault != std::errc{} || index < 0 || (next != end && *next != ',')) node.fail("layer numbers with commas");
    if (index < draft.shape.n_layers) kinds[static_cast<std::size_t>(index)] = feed_forward_kind::moe;
    at = next == end ? end : next + 1;
  }
  return kinds;
}

/// One entry per layer: "dense" and anything else, or 0 and 1.
feeds experts_by_list(const config_draft& draft, const json_node& list) {
  feeds kinds;
  for (const json_node& entry : per_layer_list(draft, list)) {
    const bool dense = entry.raw().is_string() ? entry.text() == "dense" : entry.integer<int>(0, 1) == 0;
    kinds.push_back(dense ? feed_forward_kind::dense : feed_forward_kind::moe);
  }
  return kinds;
}

feeds experts_by_index(const config_draft& draft, const json_node& list) {
  feeds kinds(draft.layer_count(), feed_forward_kind::dense);
  const std::vector<bool> chosen = layers_in(draft, list, 0);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (chosen[i]) kinds[i] = feed_forward_kind::moe;
  }
  return kinds;
}

/// Every layer has experts but leading ones, those between steps, and single ones.
feeds experts_by_step(const config_draft& draft) {
  const config_fields& fields = draft.fields;
  const std::int32_t lead =
      fields.integer_or("first_k_dense_replace num_dense_layers moe_layer_start_index first_last_k_dense_replace", 0);
  // Of every `step` layers the last one (Llama 4, Qwen, Ernie), or the first one (DeepSeek); Jamba states which.
  const bool jamba = draft.is("jamba");
  const std::int32_t from_last =
      fields.integer_or("interleave_moe_layer_step decoder_sparse_step moe_layer_interval", 1, 1);
  const std::int32_t from_first = fields.integer_or("moe_layer_freq", 1, 1);
  const std::int32_t step = jamba ? fields.integer_or("expert_layer_period", 2, 1) : std::max(from_last, from_first);
  const std::int32_t at = jamba ? fields.integer_or("expert_layer_offset", 1) : from_last > 1 ? from_last - 1 : 0;
  std::vector<bool> dense(draft.layer_count(), false);
  if (const auto list = fields.find("mlp_only_layers")) dense = layers_in(draft, *list, 0);
  feeds kinds(draft.layer_count(), feed_forward_kind::moe);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const auto layer = static_cast<std::int32_t>(i);
    if (layer < lead || layer % step != at || dense[i]) kinds[i] = feed_forward_kind::dense;
  }
  return kinds;
}

feeds feed_forwards_of(const config_draft& draft) {
  if (draft.is("mamba") || draft.is("mamba2")) return feeds(draft.layer_count(), feed_forward_kind::none);
  if (!draft.shape.experts) return feeds(draft.layer_count(), feed_forward_kind::dense);
  const config_fields& fields = draft.fields;
  if (const auto list = fields.find("mlp_layer_types")) return experts_by_list(draft, *list);
  if (const auto list = fields.find("moe_layer_freq"); list && list->raw().is_array()) {
    return experts_by_list(draft, *list);
  }
  if (const auto list = fields.find("moe_layers")) return experts_by_index(draft, *list);
  if (const auto text = fields.find("moe_layers_enum")) return experts_by_text(draft, *text);
  return experts_by_step(draft);
}

}  // namespace

void read_layer_kinds(config_draft& draft) {
  std::vector<mixer_kind> mixers(draft.layer_count(), mixer_kind::full);
  feeds feed_forwards(draft.layer_count(), feed_forward_kind::dense);
  if (draft.is("nemotron_h") || draft.is("nemotron_h_moe")) {
    read_nemotron_layers(draft, feed_forwards, mixers);
  } else {
    mixers = mixers_of(draft);
    feed_forwards = feed_forwards_of(draft);
  }
  draft.shape.mixers = pattern_of(mixers);
  draft.shape.feed_forwards = pattern_of(feed_forwards);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
