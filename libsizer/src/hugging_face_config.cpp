#include <sizer/catalog/hugging_face.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/error.hpp>
#include <sizer/model/expand.hpp>

#include "hugging_face_parts.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// Python writes infinity and not-a-number as bare words, which JSON has no place for; real files do so in keys that
/// nobody here reads (`time_step_limit` of Mamba 2). They become texts: unread they do no harm, and where a number is
/// expected the error shows them.
std::string quote_python_numbers(std::string_view text) {
  constexpr auto words = std::to_array<std::string_view>({"-Infinity", "Infinity", "NaN"});
  std::string quoted;
  quoted.reserve(text.size() + 16);
  bool in_string = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (in_string) {
      const std::size_t n = c == '\\' && i + 1 < text.size() ? 2 : 1;
      quoted.append(text.substr(i, n));
      in_string = c != '"';
      i += n;
      continue;
    }
    const auto* word = std::find_if(words.begin(), words.end(),
                                    [&](std::string_view one) { return text.substr(i, one.size()) == one; });
    if (word != words.end()) {
      quoted.append("\"").append(*word).append("\"");
      i += word->size();
      continue;
    }
    in_string = c == '"';
    quoted.push_back(c);
    ++i;
  }
  return quoted;
}

json parse_config(std::string_view text, const std::string& file) {
  if (text.size() > largest_json_bytes ||
      (text.find("Infinity") == std::string_view::npos && text.find("NaN") == std::string_view::npos)) {
    return parse_json(text, file);
  }
  return parse_json(quote_python_numbers(text), file);
}

/// The language model of a file; the file itself where it is one.
config_fields language_model(const config_fields& file) {
  constexpr auto wrappers =
      std::to_array<std::string_view>({"text_config", "llm_config", "lm_config", "language_config", "lfm"});
  const auto thinker = file.find("thinker_config");  // Qwen2.5-Omni and Qwen3-Omni, one level further in
  if (thinker && thinker->raw().is_object()) {
    const auto text = config_fields{*thinker}.find("text_config");
    if (text) return config_fields{*text, file};
  }
  for (const std::string_view key : wrappers) {
    if (const auto inner = file.find(key)) return config_fields{*inner, file};
  }
  return file;
}

/// A name of sensible length.
std::string name_of(const json_node& node) {
  constexpr std::size_t longest = 100;
  std::string name = node.text();
  if (name.size() > longest) node.fail("a name of at most " + std::to_string(longest) + " bytes");
  return name;
}

std::string model_type_of(const config_fields& fields) {
  const auto node = fields.find("model_type");
  return node ? name_of(*node) : std::string{};
}

/// First of "architectures" of one object.
std::string architecture_of(const config_fields& fields) {
  const auto list = fields.find("architectures");
  if (!list) return {};
  const std::vector<json_node> names = list->elements();
  return names.empty() ? std::string{} : name_of(names.front());
}

/// "Mamba" and "Mamba2" in files of state-spaces, which state no model type.
std::string state_spaces_type(const config_fields& fields) {
  const auto part = fields.object("ssm_cfg");
  if (!part) return {};
  if (const auto attention = fields.find("attn_layer_idx"); attention && !attention->raw().empty()) {
    attention->fail("an empty list (state-space models with attention layers are not known)");
  }
  return part->text("layer") == "Mamba2" ? "mamba2" : "mamba";
}

[[noreturn]] void refuse(const config_fields& file, const std::string& got) {
  file.node().fail(got, "the config.json of a causal language model");
}

/// Model type, class and family.
config_draft identify(const config_fields& file) {
  if (file.has("_class_name")) refuse(file, "a diffusers configuration");
  if (file.boolean("is_encoder_decoder").value_or(false)) refuse(file, "an encoder-decoder model");
  config_draft draft{.fields = language_model(file), .model_type = {}, .architecture = {}, .shape = {}, .notes = {}};
  const config_fields own{draft.fields.node()};
  const std::string outer_type = model_type_of(file);
  const std::string outer_architecture = architecture_of(file);
  draft.model_type = model_type_of(own);
  if (draft.model_type.empty()) draft.model_type = outer_type.empty() ? state_spaces_type(file) : outer_type;
  draft.architecture = architecture_of(own);
  if (draft.architecture.empty()) draft.architecture = outer_architecture;
  if (is_no_causal_model(draft.model_type, draft.architecture) || is_no_causal_model(outer_type, outer_architecture)) {
    refuse(file, "a model of type " + shown(json(outer_type.empty() ? draft.model_type : outer_type)));
  }
  auto family = hugging_face_family(draft.model_type, draft.architecture);
  if (!family) family = hugging_face_family(outer_type, outer_architecture);
  // The wrapper decides for what it wraps: Mistral 3's language part has the plain model's type.
  const bool wrapped = draft.fields.nested() && family == "llama";
  if (wrapped && hugging_face_family(outer_type, outer_architecture) == "mistral3") family = "mistral3";
  draft.family_known = family.has_value();
  draft.shape.family = family ? std::string{*family} : plain_text(draft.model_type);
  if (!draft.family_known) {
    if (draft.model_type.empty() && draft.architecture.empty() && !draft.fields.has("num_hidden_layers")) {
      refuse(file, "no model_type, no architectures and no num_hidden_layers");
    }
    if (draft.shape.family.empty())
      draft.shape.family = draft.architecture.empty() ? "unknown" : plain_text(draft.architecture);
    draft.notes.push_back("model type " + shown(json(draft.shape.family)) +
                          " is not known: read by the usual keys as a plain transformer");
  }
  return draft;
}

// ---- context ----

/// The scaling of positions of the layers that see everything.
std::optional<config_fields> rope_scaling(const config_fields& fields) {
  const auto rope = fields.object("rope_parameters rope_scaling");
  if (!rope) return std::nullopt;
  const auto full = rope->object("full_attention");
  return full ? full : rope;
}

/// HunYuan states 32768 positions and a dynamic scaling with an alpha that stands for 256K (its technical report; the
/// converter writes 262144).
constexpr std::int64_t hunyuan_context = 262144;
/// No attention, hence no limit of positions: what the converter writes.
constexpr std::int64_t state_space_context = 1048576;
/// Not in the files of Falcon 7B and 40B: default of FalconConfig.
constexpr std::int32_t falcon_context = 2048;

std::int64_t context_of(config_draft& draft) {
  if (draft.is_state_space()) return state_space_context;
  // The model's own limit beside a smaller one for its cache (Command-R), or the only one stated (Kimi Linear).
  const std::string_view keys =
      draft.is("command-r")
          ? "model_max_length max_position_embeddings"
          : "max_position_embeddings n_ctx n_positions max_sequence_length max_seq_len seq_length model_max_length";
  if (const auto node = draft.fields.find(keys)) {
    const auto stated = node->integer<std::int64_t>(1, largest_context);
    const auto rope = rope_scaling(draft.fields);
    const bool hunyuan = draft.is("hunyuan-moe") || draft.is("hunyuan-dense");
    if (hunyuan && stated < hunyuan_context && rope && rope->has("alpha") &&
        rope->text("rope_type type") == "dynamic") {
      draft.notes.push_back("max_position_embeddings states " + std::to_string(stated) +
                            "; its dynamic scaling stands for " + std::to_string(hunyuan_context));
      return hunyuan_context;
    }
    return stated;
  }
  if (draft.is("falcon")) return falcon_context;
  const auto standard = draft.integer("max_position_embeddings");
  if (!standard) draft.fields.missing("max_position_embeddings");
  return *standard;
}

/// What the positions were before they were stretched. A llama3 scaling is no stretch of a finished model: the weights
/// that are published were trained with it (Llama 3.1 report, section 3.4.2), and `original_max_position_embeddings`
/// there is where that training began. YaRN and the others are applied to finished weights, also by publishers
/// (DeepSeek-V3, gpt-oss), hence reported.
std::optional<std::int64_t> original_context_of(config_draft& draft) {
  constexpr auto unstretched =
      std::to_array<std::string_view>({"", "default", "llama3", "mrope", "proportional", "xdrope"});
  constexpr std::string_view original_keys = "original_max_position_embeddings original_max_seq_len";
  const auto rope = rope_scaling(draft.fields);
  if (!rope) return std::nullopt;
  const std::string type = rope->text("rope_type type");
  if (std::find(unstretched.begin(), unstretched.end(), type) != unstretched.end()) return std::nullopt;
  const auto factor = rope->real("factor");
  if (factor && *factor <= 1.0) return std::nullopt;
  auto node = rope->find(original_keys);
  if (!node) node = draft.fields.find("original_max_position_embeddings");
  if (!node) return std::nullopt;
  const auto original = node->integer<std::int64_t>(1, largest_context);
  const std::int64_t context = draft.shape.context_length;
  if (factor && static_cast<double>(original) * *factor > static_cast<double>(context)) {
    const double reached = std::min(static_cast<double>(original) * *factor, 1e15);
    draft.notes.push_back("position scaling '" + plain_text(type) + "' reaches " +
                          std::to_string(static_cast<std::int64_t>(reached)) + " tokens, the file states " +
                          std::to_string(context));
  }
  if (original >= context) return std::nullopt;
  return original;
}

void add_notes(config_draft& draft, const config_fields& file) {
  if (file.has("vision_config audio_config visual vision_tower")) {
    draft.notes.emplace_back("the language model alone: encoders of images and sound are not in the shape");
  }
  if (draft.is("deepseek4")) {
    draft.notes.emplace_back(
        "compressed caches, low-rank output projections and hyper-connections of DeepSeek-V4 are not in the shape");
  }
}

/// What no single key shows: heads that do not divide, a window or experts that a layer needs and nobody states.
void check_shape(const config_draft& draft) {
  try {
    (void)make_architecture(draft.shape);
  } catch (const value_error& wrong) {
    throw json_fault{draft.fields.node().file().file, draft.fields.node().pointer(), wrong.field() + " " + wrong.got(),
                     wrong.expected()};
  }
}

}  // namespace
}  // namespace detail

hugging_face_config read_hugging_face_config(std::string_view text, const std::string& file_name) {
  const detail::reading reading{file_name, nullptr};
  const detail::json document = detail::parse_config(text, file_name);
  const detail::json_node root{document, "", reading};
  if (!document.is_object()) root.fail("the config.json of a causal language model, which is an object");
  const detail::config_fields file{root};
  detail::config_draft draft = detail::identify(file);
  detail::read_hugging_face_shape(draft);
  draft.shape.context_length = detail::context_of(draft);
  detail::add_notes(draft, file);

  hugging_face_config config;
  config.original_context = detail::original_context_of(draft);
  detail::check_shape(draft);
  config.quantization = detail::plain_text(detail::hugging_face_quantization(draft.fields));
  config.model_type = std::move(draft.model_type);
  config.architecture_name = std::move(draft.architecture);
  config.shape = std::move(draft.shape);
  config.family_known = draft.family_known;
  config.n_mtp_layers = draft.n_mtp_layers;
  config.notes = std::move(draft.notes);
  return config;
}

}  // namespace v0
}  // namespace sizer
