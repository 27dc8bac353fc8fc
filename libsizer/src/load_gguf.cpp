/// @file
/// A model from its GGUF files.

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/catalog/gguf.hpp>
#include <sizer/catalog/load_model.hpp>
#include <sizer/error.hpp>
#include <sizer/memory/recipe.hpp>
#include <sizer/model/expand.hpp>
#include <sizer/model/family.hpp>
#include <sizer/model/names.hpp>

#include "loading.hpp"

namespace sizer {
inline namespace v0 {
namespace {

/// `general.file_type`. Source: `enum llama_ftype` in llama.cpp's include/llama.h, unslothai/llama.cpp@d32676d77426.
constexpr auto file_types = std::to_array<std::pair<std::int64_t, std::string_view>>({
    {0, "F32"},     {1, "F16"},     {2, "Q4_0"},       {3, "Q4_1"},    {7, "Q8_0"},     {8, "Q5_0"},
    {9, "Q5_1"},    {10, "Q2_K"},   {11, "Q3_K_S"},    {12, "Q3_K_M"}, {13, "Q3_K_L"},  {14, "Q4_K_S"},
    {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"},    {18, "Q6_K"},   {19, "IQ2_XXS"}, {20, "IQ2_XS"},
    {21, "Q2_K_S"}, {22, "IQ3_XS"}, {23, "IQ3_XXS"},   {24, "IQ1_S"},  {25, "IQ4_NL"},  {26, "IQ3_S"},
    {27, "IQ3_M"},  {28, "IQ2_S"},  {29, "IQ2_M"},     {30, "IQ4_XS"}, {31, "IQ1_M"},   {32, "BF16"},
    {36, "TQ1_0"},  {37, "TQ2_0"},  {38, "MXFP4_MOE"}, {39, "NVFP4"},  {40, "Q1_0"},    {41, "Q2_0"},
});

using tensor_list = std::vector<stored_tensor>;

const stored_tensor* find(const tensor_list& tensors, std::string_view name) {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const stored_tensor& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

std::string text_of(const gguf_metadata& keys, std::string_view key) {
  const auto found = keys.find(key);
  const auto* value = found == keys.end() ? nullptr : std::get_if<std::string>(&found->second);
  return value == nullptr ? std::string{} : *value;
}

std::optional<std::int64_t> integer_of(const gguf_metadata& keys, std::string_view key) {
  const auto found = keys.find(key);
  const auto* value = found == keys.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  if (value == nullptr) return std::nullopt;
  return *value;
}

/// Blocks of a file by what their tensors are called.
struct block_facts {
  bool attention = false;
  bool router = false;
  std::int64_t key_width = 0;  ///< rows of attn_k: bytes of the KV cache depend on nothing else
  std::int64_t value_width = 0;
};

struct file_facts {
  std::map<std::int32_t, block_facts> blocks;
  bool qkv_bias = false;
  bool head_norm = false;
  bool head = false;
  const stored_tensor* embedding = nullptr;
};

file_facts facts_of(const tensor_list& tensors) {
  file_facts facts;
  facts.embedding = find(tensors, "token_embd.weight");
  for (const stored_tensor& tensor : tensors) {
    const std::string_view name = tensor.name;
    facts.head = facts.head || name == "output.weight";
    if (tensor.role.layer < 0) continue;
    block_facts& block = facts.blocks[tensor.role.layer];
    const auto is = [&](std::string_view ending) {
      return name.ends_with(ending) && name[name.size() - ending.size() - 1] == '.';
    };
    facts.qkv_bias = facts.qkv_bias || is("attn_q.bias") || is("attn_qkv.bias");
    facts.head_norm = facts.head_norm || is("attn_q_norm.weight");
    block.router = block.router || is("ffn_gate_inp.weight");
    block.attention = block.attention || is("attn_k.weight") || is("attn_qkv.weight") || is("attn_kv_a_mqa.weight");
    if (is("attn_k.weight")) block.key_width = tensor.ne[1];
    if (is("attn_v.weight")) block.value_width = tensor.ne[1];
  }
  return facts;
}

/// Metadata of a family that this library does not know, completed from the tensors where a key is missing.
class unknown_family {
 public:
  unknown_family(const gguf_metadata& keys, const tensor_list& tensors, const file_facts& facts)
      : keys_{keys}, family_{text_of(keys, "general.architecture")} {
    notes_.push_back("the architecture '" + detail::shown_name(family_) +
                     "' is not known: weights are exact, the KV cache and all that follows from it are assumed");
    if (!facts.blocks.empty()) complete("block_count", std::int64_t{facts.blocks.rbegin()->first} + 1);
    if (facts.embedding != nullptr) complete("embedding_length", facts.embedding->ne[0]);
    if (const auto* up = find(tensors, "blk.0.ffn_up.weight")) complete("feed_forward_length", up->ne[1]);
    complete("context_length", 4096);
    complete_heads(facts);
    if (has("attention.sliding_window")) {
      notes_.emplace_back(
          "it states a sliding window and nobody says for which layers, so all are taken to see the "
          "whole context: the KV cache is an upper bound");
    }
    if (has("ssm.state_size")) notes_.emplace_back("it has recurrent layers, whose state is not counted");
  }

  [[nodiscard]] const gguf_metadata& keys() const noexcept { return keys_; }
  [[nodiscard]] std::vector<std::string> notes() && { return std::move(notes_); }

 private:
  [[nodiscard]] bool has(std::string_view key) const { return keys_.contains(family_ + '.' + std::string{key}); }

  void complete(std::string_view key, std::int64_t value) {
    if (has(key)) return;
    keys_[family_ + '.' + std::string{key}] = value;
    notes_.push_back("it states no " + std::string{key} + "; " + std::to_string(value) + " taken");
  }

  /// The width of a layer's keys and values decides the cache; how it divides into heads does not.
  void complete_heads(const file_facts& facts) {
    const auto widest = std::max_element(facts.blocks.begin(), facts.blocks.end(), [](const auto& a, const auto& b) {
      return a.second.key_width < b.second.key_width;
    });
    if (widest == facts.blocks.end() || widest->second.key_width == 0) {
      complete("attention.head_count", 1);
      return;
    }
    const auto stated_per_layer = [&](const char* key) { return has(key) && !integer_of(keys_, family_ + '.' + key); };
    if (stated_per_layer("attention.head_count") || stated_per_layer("attention.head_count_kv")) return;
    const std::int64_t keys = widest->second.key_width;
    const std::int64_t values = std::max<std::int64_t>(widest->second.value_width, 1);
    const std::int64_t heads = integer_of(keys_, family_ + ".attention.head_count").value_or(0);
    const std::int64_t kv_heads = integer_of(keys_, family_ + ".attention.head_count_kv").value_or(heads);
    const bool divides = kv_heads > 0 && heads % kv_heads == 0 && keys % kv_heads == 0 && values % kv_heads == 0;
    keys_[family_ + ".attention.head_count"] = divides ? heads : std::int64_t{1};
    keys_[family_ + ".attention.head_count_kv"] = divides ? kv_heads : std::int64_t{1};
    keys_[family_ + ".attention.key_length"] = divides ? keys / kv_heads : keys;
    keys_[family_ + ".attention.value_length"] = divides ? values / kv_heads : values;
    if (!divides) {
      notes_.emplace_back("it states no heads that fit; the KV cache follows the widths of its key and value matrices");
    }
    const bool differ = std::any_of(facts.blocks.begin(), facts.blocks.end(), [&](const auto& block) {
      return block.second.attention && block.second.key_width != keys;
    });
    if (differ) notes_.emplace_back("its layers' keys differ in width; the widest is taken for all: an upper bound");
  }

  gguf_metadata keys_;
  std::string family_;
  std::vector<std::string> notes_;
};

/// Layers of an unknown family that have no attention tensors hold no cache.
void drop_layers_without_attention(model_shape& shape, const file_facts& facts) {
  const bool any =
      std::any_of(facts.blocks.begin(), facts.blocks.end(), [](const auto& b) { return b.second.attention; });
  if (!any) return;
  std::vector<run<mixer_kind>> mixers;
  const mixer_kind attends = shape.latent ? mixer_kind::latent : mixer_kind::full;
  for (std::int32_t i = 0; i < shape.n_layers; ++i) {
    const auto block = facts.blocks.find(i);
    const bool attention = block == facts.blocks.end() || block->second.attention;
    mixers.push_back({attention ? attends : mixer_kind::none, 1});
  }
  shape.mixers = std::move(mixers);
}

gguf_tensor_facts shape_facts(const file_facts& facts, std::int64_t n_blocks) {
  gguf_tensor_facts result;
  if (facts.embedding != nullptr) {
    result.tied_embeddings = !facts.head;
    if (facts.embedding->ne[1] <= std::numeric_limits<std::int32_t>::max()) {
      result.vocab_size = static_cast<std::int32_t>(facts.embedding->ne[1]);
    }
  }
  const bool routed =
      std::any_of(facts.blocks.begin(), facts.blocks.end(), [](const auto& b) { return b.second.router; });
  if (routed && n_blocks > 0 && n_blocks <= detail::largest_layer_count) {
    for (std::int32_t i = 0; i < n_blocks; ++i) {
      const auto block = facts.blocks.find(i);
      result.expert_layers.push_back(block != facts.blocks.end() && block->second.router);
    }
  }
  if (!facts.blocks.empty()) {
    result.features.qkv_bias = facts.qkv_bias;
    result.features.qk_norm = facts.head_norm;
  }
  return result;
}

/// Names under which the catalogue may have the model.
detail::name_list names_of(const gguf_metadata& keys, const std::string& name) {
  const auto joined = [&](std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const std::string_view key : parts) {
      const std::string part = text_of(keys, key);
      if (!part.empty()) text += (text.empty() ? "" : "-") + part;
    }
    return text;
  };
  return {text_of(keys, "general.name"),
          joined({"general.basename", "general.size_label", "general.finetune", "general.version"}),
          joined({"general.basename", "general.size_label", "general.finetune"}),
          detail::stem_of(text_of(keys, "general.repo_url")),
          detail::stem_of(text_of(keys, "general.source.huggingface.repository")),
          text_of(keys, "general.base_model.0.name"),
          detail::stem_of(text_of(keys, "general.base_model.0.repo_url")),
          detail::stem_of(name)};
}

std::vector<gguf_file> read_all(const std::vector<std::string>& files, const file_opener& open) {
  if (files.empty()) throw value_error{"files", "no name", "at least one"};
  if (files.size() == 1) return read_gguf_parts(files.front(), open);
  std::vector<gguf_file> parts;
  for (const std::string& name : files) {
    const auto source = open(name);
    if (source == nullptr) throw data_error{name, "", "no such file"};
    parts.push_back(read_gguf(*source));
  }
  return join_gguf_parts(std::move(parts));
}

void refuse_what_is_no_model(const gguf_file& file) {
  const gguf_content content = content_of(file);
  if (content == gguf_content::model || content == gguf_content::vocabulary) return;
  std::string is = "a " + std::string{to_string(content)};
  if (content == gguf_content::projector) is += " (mmproj) of a multimodal model";
  if (content == gguf_content::adapter) is = "an adapter (LoRA or control vector)";
  if (content == gguf_content::draft) is += " head (multi-token prediction) of another file";
  if (content == gguf_content::calibration) is = "an importance matrix";
  const char* const remedy = content == gguf_content::projector ? "; name the model, and this file as its mmproj" : "";
  throw data_error{file.name, "general.type", "is " + is + ", expected a model" + remedy};
}

/// Reads a companion; its tensors are all that is wanted of it.
companion_file add_companion(model_file& file, const std::string& name, const file_opener& open, bool counted) {
  const auto source = open(name);
  if (source == nullptr) throw data_error{name, "", "no such file"};
  const gguf_file companion = read_gguf(*source);
  const gguf_content content = content_of(companion);
  companion_file result{std::string{to_string(content)}, name, make_bytes(companion.tensor_bytes()), counted};
  if (counted) {
    if (content != gguf_content::projector) {
      throw data_error{name, "general.type", "is a " + result.role + ", expected a projector (mmproj)"};
    }
    for (stored_tensor& tensor : stored_tensors({companion})) {
      tensor.role = {weight_part::vision, tensor_use::unused, -1, true};
      file.tensors.push_back(std::move(tensor));
    }
    if (companion.file_size) file.size += make_bytes(*companion.file_size);
  }
  return result;
}

}  // namespace

model_entry load_gguf_model(const std::vector<std::string>& files, const file_opener& open, const load_options& options,
                            const catalogue& known) {
  const std::vector<gguf_file> parts = read_all(files, open);
  const gguf_file& first = parts.front();
  refuse_what_is_no_model(first);

  model_entry entry;
  model_file& file = entry.file.emplace();
  file.format = model_format::gguf;
  for (const gguf_file& part : parts) {
    file.parts.push_back(part.name);
    file.size += make_bytes(part.file_size.value_or(part.data_offset + part.tensor_bytes()));
  }
  file.tensors = stored_tensors(parts);

  const file_facts facts = facts_of(file.tensors);
  const std::string family = text_of(first.metadata, "general.architecture");
  gguf_metadata keys = first.metadata;
  const bool family_known = find_family(family) != nullptr || family.empty();
  entry.architecture_kind = family_known ? figure_kind::vendor : figure_kind::assumed;
  if (!family_known) {
    unknown_family completed{keys, file.tensors, facts};
    keys = completed.keys();
    file.notes = std::move(completed).notes();
    entry.sizing_status = "partial";
    entry.sizing_note = file.notes.front();
  }
  const std::int64_t n_blocks = integer_of(keys, family + ".block_count").value_or(0);
  try {
    model_shape shape = shape_from_gguf_metadata(keys, shape_facts(facts, n_blocks));
    if (!family_known) drop_layers_without_attention(shape, facts);
    entry.architecture = make_architecture(std::move(shape));
  } catch (const data_error& problem) {  // of the metadata: name the file too
    throw data_error{first.name, problem.where(), problem.problem()};
  } catch (const value_error& problem) {
    throw data_error{first.name, problem.field(), "got " + problem.got() + ", expected " + problem.expected()};
  }

  for (const auto& [number, label] : file_types) {
    if (integer_of(keys, "general.file_type") == number) file.quantization = label;
  }
  for (const std::string& name : options.projectors) {
    file.companions.push_back(add_companion(file, name, open, true));
  }
  for (const std::string& name : options.beside) {
    file.companions.push_back(add_companion(file, name, open, false));
  }

  entry.name = detail::shown_name(text_of(keys, "general.name"));
  entry.publisher = detail::shown_name(text_of(keys, "general.organization"));
  entry.license = detail::shown_name(text_of(keys, "general.license"));
  detail::finish(entry, files.front(), options);
  entry.native_quantization = file.quantization;

  detail::context_statement stated;
  stated.tokens = entry.architecture.shape.context_length;
  stated.where = family + ".context_length of the file";
  stated.before_scaling_where = family + ".rope.scaling.original_context_length of the file";
  stated.before_scaling = integer_of(keys, family + ".rope.scaling.original_context_length").value_or(0);
  detail::label_context(entry, stated, names_of(keys, file.name), known);
  return entry;
}

}  // namespace v0
}  // namespace sizer
