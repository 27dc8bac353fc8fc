#include <sizer/catalog/gguf_metadata.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/error.hpp>
#include <sizer/model/family.hpp>
#include <sizer/model/names.hpp>

namespace sizer {
inline namespace v0 {
namespace {

/// Reads the keys of one architecture.
class key_reader {
 public:
  explicit key_reader(const gguf_metadata& keys) : keys_{keys} {
    const auto found = keys.find("general.architecture");
    const auto* name = found == keys.end() ? nullptr : std::get_if<std::string>(&found->second);
    if (name == nullptr || name->empty()) {
      throw data_error{"GGUF", "general.architecture", "missing, expected the architecture's name"};
    }
    family_ = *name;
  }

  [[nodiscard]] const std::string& family() const noexcept { return family_; }

  [[nodiscard]] const gguf_value* find(std::string_view key) const {
    const auto found = keys_.find(family_ + "." + std::string{key});
    return found == keys_.end() ? nullptr : &found->second;
  }

  [[nodiscard]] std::optional<std::int32_t> integer(std::string_view key) const {
    const gguf_value* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (const auto* number = std::get_if<std::int64_t>(value)) return narrow(key, *number);
    if (const auto* flag = std::get_if<bool>(value)) return *flag ? 1 : 0;
    if (const auto* many = std::get_if<std::vector<std::int64_t>>(value); many != nullptr && !many->empty()) {
      return narrow(key, *std::max_element(many->begin(), many->end()));
    }
    fail(key, "expected an integer");
  }
  [[nodiscard]] std::int32_t integer_or(std::string_view key, std::int32_t fallback) const {
    return integer(key).value_or(fallback);
  }
  [[nodiscard]] std::int32_t required(std::string_view key) const {
    const auto value = integer(key);
    if (!value) fail(key, "missing, expected an integer");
    return *value;
  }

  /// One value, or one per layer; empty when the key is missing.
  [[nodiscard]] std::vector<std::int32_t> integers(std::string_view key) const {
    const gguf_value* value = find(key);
    if (value == nullptr) return {};
    const auto* many = std::get_if<std::vector<std::int64_t>>(value);
    if (many == nullptr) return {required(key)};
    std::vector<std::int32_t> result;
    result.reserve(many->size());
    for (const std::int64_t number : *many) result.push_back(narrow(key, number));
    return result;
  }

  /// Length of an array anywhere in the file.
  [[nodiscard]] std::optional<std::int64_t> array_length(std::string_view full_key) const {
    const auto found = keys_.find(full_key);
    if (found == keys_.end()) return std::nullopt;
    if (const auto* array = std::get_if<gguf_array_length>(&found->second)) return array->length;
    return std::nullopt;
  }

  [[noreturn]] void fail(std::string_view key, const std::string& problem) const {
    throw data_error{"GGUF", family_ + "." + std::string{key}, problem};
  }

  [[nodiscard]] std::int32_t narrow(std::string_view key, std::int64_t number) const {
    if (number < 0 || number > std::numeric_limits<std::int32_t>::max()) {
      fail(key, "got " + std::to_string(number) + ", expected 0 to 2147483647");
    }
    return static_cast<std::int32_t>(number);
  }

 private:
  const gguf_metadata& keys_;
  std::string family_;
};

template <class Kind>
std::vector<run<Kind>> runs_of(const std::vector<Kind>& kinds) {
  std::vector<run<Kind>> runs;
  for (const Kind kind : kinds) {
    if (!runs.empty() && runs.back().kind == kind) {
      ++runs.back().count;
    } else {
      runs.push_back({kind, 1});
    }
  }
  return runs;
}

/// Window and period that llama.cpp fixes for a family (`load_arch_hparams` in `src/models/*.cpp`). In a period of p
/// layers the last one sees everything. Period 0: the file says which layers slide.
struct window_rule {
  std::string_view family;
  std::int32_t period;
  std::int32_t window;  // when the file does not state one; 0: no window then
  mixer_kind kind = mixer_kind::sliding;
};

constexpr auto window_rules = std::to_array<window_rule>({
    {"gemma2", 2, 4096},
    {"gemma3", 6, 0},
    {"gemma3n", 5, 0},
    {"gemma4", 0, 0},
    {"gpt-oss", 2, 0},
    {"cohere2", 4, 0},
    {"olmo2", 4, 0},
    {"exaone4", 4, 0},
    {"exaone-moe", 4, 128},
    {"afmoe", 4, 0},
    {"mimo2", 0, 0},
    {"step35", 0, 0},
    {"llama4", 4, 8192, mixer_kind::chunked},
});

const window_rule* find_window_rule(std::string_view family) {
  for (const window_rule& rule : window_rules) {
    if (rule.family == family) return &rule;
  }
  return nullptr;
}

/// What a layer without attention is, by family.
mixer_kind recurrent_kind(std::string_view family) {
  if (family == "qwen3next" || family == "qwen35" || family == "qwen35moe") return mixer_kind::gated_delta_net;
  if (family == "kimi-linear") return mixer_kind::kimi_delta;
  if (family == "lfm2" || family == "lfm2moe") return mixer_kind::short_conv;
  if (family == "jamba" || family == "mamba") return mixer_kind::mamba1;
  if (family == "falcon-h1") return mixer_kind::full_and_mamba2;
  return mixer_kind::mamba2;
}

bool is_nemotron_h(std::string_view family) { return family == "nemotron_h" || family == "nemotron_h_moe"; }

/// Per layer: does it slide? Empty when no layer does.
std::vector<bool> sliding_layers(const key_reader& keys, model_shape& shape) {
  const window_rule* rule = find_window_rule(keys.family());
  const auto stated = keys.integer(gguf_key("sliding_window"));
  if (rule == nullptr || (stated && *stated == 0)) return {};
  shape.sliding_window = rule->kind == mixer_kind::chunked ? rule->window : stated.value_or(rule->window);
  if (shape.sliding_window == 0) return {};

  const auto n_layers = static_cast<std::size_t>(shape.n_layers);
  const std::vector<std::int32_t> pattern = keys.integers(gguf_key("sliding_window_pattern"));
  std::vector<bool> sliding(n_layers, false);
  if (pattern.size() > 1) {
    for (std::size_t i = 0; i < n_layers && i < pattern.size(); ++i) sliding[i] = pattern[i] != 0;
    return sliding;
  }
  const std::int32_t period = pattern.empty() ? rule->period : pattern.front();
  if (pattern.empty() && rule->period == 0) keys.fail(gguf_key("sliding_window_pattern"), "missing, expected an array");
  for (std::size_t i = 0; i < n_layers; ++i) {
    sliding[i] = period == 0 || static_cast<std::int32_t>(i) % period < period - 1;
  }
  return sliding;
}

/// Per layer: is it recurrent? Empty when the family has no recurrent layers.
std::vector<bool> recurrent_layers(const key_reader& keys, const model_shape& shape) {
  const std::string_view family = keys.family();
  const auto n_layers = static_cast<std::size_t>(shape.n_layers);
  if (family == "mamba" || family == "mamba2" || family == "falcon-h1") return std::vector<bool>(n_layers, true);

  std::vector<bool> recurrent(n_layers, false);
  const std::vector<std::int32_t> stated = keys.integers(gguf_key("recurrent_layers"));
  if (stated.size() >= n_layers) {
    for (std::size_t i = 0; i < n_layers; ++i) recurrent[i] = stated[i] != 0;
    return recurrent;
  }
  if (recurrent_kind(family) == mixer_kind::gated_delta_net) {
    const std::int32_t interval = std::max(keys.integer_or(gguf_key("full_attention_interval"), 4), 1);
    for (std::size_t i = 0; i < n_layers; ++i) recurrent[i] = (static_cast<std::int32_t>(i) + 1) % interval != 0;
    return recurrent;
  }
  const family_traits* traits = find_family(family);
  const bool per_layer = traits != nullptr && traits->kv_heads_per_layer && family != "gemma4" && family != "deci";
  if (!per_layer) return {};
  for (std::size_t i = 0; i < n_layers && shape.n_kv_heads.size() == n_layers; ++i) {
    const bool feeds = is_nemotron_h(family) && i < shape.d_ff.size() && shape.d_ff[i] > 0;
    recurrent[i] = shape.n_kv_heads[i] == 0 && !feeds;
  }
  return recurrent;
}

void read_mixers(const key_reader& keys, model_shape& shape) {
  const std::vector<bool> sliding = sliding_layers(keys, shape);
  const std::vector<bool> recurrent = recurrent_layers(keys, shape);
  const mixer_kind other = shape.latent ? mixer_kind::latent : mixer_kind::full;
  const window_rule* rule = find_window_rule(keys.family());
  const auto n_layers = static_cast<std::size_t>(shape.n_layers);
  std::vector<mixer_kind> mixers(n_layers, other);
  for (std::size_t i = 0; i < n_layers; ++i) {
    if (!recurrent.empty() && recurrent[i]) {
      mixers[i] = recurrent_kind(keys.family());
    } else if (!sliding.empty() && sliding[i]) {
      mixers[i] = rule->kind;
    } else if (is_nemotron_h(keys.family()) && i < shape.d_ff.size() && shape.d_ff[i] > 0) {
      mixers[i] = mixer_kind::none;
    }
  }
  shape.mixers = runs_of(mixers);
}

void read_latent(const key_reader& keys, model_shape& shape) {
  const auto rank = keys.integer(gguf_key("latent.kv_lora_rank"));
  const auto key_length = keys.integer(gguf_key("latent.qk_nope_head_dim"));
  if (!rank || *rank == 0) return;
  latent_shape mla;
  mla.kv_lora_rank = *rank;
  mla.q_lora_rank = keys.integer_or(gguf_key("latent.q_lora_rank"), 0);
  mla.qk_rope_head_dim = keys.required(gguf_key("latent.qk_rope_head_dim"));
  // Files from before 2025-04 state the expanded heads under the plain keys.
  const std::int32_t whole_key = key_length ? *key_length : keys.required(gguf_key("head_dim_k"));
  if (whole_key <= mla.qk_rope_head_dim)
    keys.fail(gguf_key("latent.qk_nope_head_dim"), "expected more than the RoPE width");
  mla.qk_nope_head_dim = whole_key - mla.qk_rope_head_dim;
  mla.v_head_dim = keys.integer_or(gguf_key("latent.v_head_dim"), keys.integer_or(gguf_key("head_dim_v"), 0));
  shape.latent = mla;
}

void read_recurrent(const key_reader& keys, model_shape& shape) {
  recurrent_shape state;
  if (const auto cache = keys.integer(gguf_key("recurrent.short_conv"))) {
    state.d_conv = *cache;
    shape.recurrent = state;
    return;
  }
  const auto conv = keys.integer(gguf_key("recurrent.d_conv"));
  if (!conv) return;
  state.d_conv = *conv;
  if (const auto width = keys.integer(gguf_key("recurrent.kda_head_dim"))) {
    state.n_heads = shape.n_heads.empty() ? 0 : shape.n_heads.front();
    state.d_state = *width;
    const std::int64_t inner = std::int64_t{state.n_heads} * *width;
    state.d_inner = keys.narrow(gguf_key("recurrent.kda_head_dim"), inner);
  } else {
    state.d_inner = keys.required(gguf_key("recurrent.d_inner"));
    state.d_state = keys.required(gguf_key("recurrent.d_state"));
    state.n_heads = keys.integer_or(gguf_key("recurrent.n_heads"), 0);
    state.n_groups = keys.integer_or(gguf_key("recurrent.n_groups"), 0);
  }
  shape.recurrent = state;
}

/// Width of all shared experts together.
std::int32_t shared_width(const key_reader& keys, const expert_shape& moe, std::int32_t d_ff) {
  const std::string_view family = keys.family();
  const auto width = keys.integer(gguf_key("experts.d_ff_shared"));
  if (family == "llama4") return moe.d_ff_expert;  // one shared expert of an expert's width, not stated
  if (family == "hunyuan-moe" && !width) return d_ff;
  const std::int64_t all = std::int64_t{moe.n_shared_experts} * moe.d_ff_expert;
  if (!width || *width == 0) return keys.narrow(gguf_key("experts.n_shared_experts"), all);
  if (family != "bailingmoe2") return *width;
  return keys.narrow(gguf_key("experts.d_ff_shared"), std::int64_t{*width} * std::max(moe.n_shared_experts, 1));
}

void read_experts(const key_reader& keys, const gguf_tensor_facts& facts, model_shape& shape) {
  const std::string_view family = keys.family();
  const auto n_layers = static_cast<std::size_t>(shape.n_layers);
  const std::int32_t n_experts = keys.integer_or(gguf_key("experts.n_experts"), 0);
  if (n_experts == 0) return;

  expert_shape moe;
  moe.n_experts = n_experts;
  moe.n_experts_per_token = keys.required(gguf_key("experts.n_experts_per_token"));
  const std::int32_t d_ff = shape.d_ff.empty() ? 0 : *std::max_element(shape.d_ff.begin(), shape.d_ff.end());
  // Without an expert width, `feed_forward_length` is one expert's (Mixtral, Granite, MiniMax-M2).
  moe.d_ff_expert = keys.integer_or(gguf_key("experts.d_ff_expert"), d_ff);
  if (moe.d_ff_expert == 0) moe.d_ff_expert = d_ff;
  moe.n_shared_experts = keys.integer_or(gguf_key("experts.n_shared_experts"), 0);
  moe.d_ff_shared = shared_width(keys, moe, d_ff);
  if (moe.d_ff_shared > 0) moe.n_shared_experts = std::max(moe.n_shared_experts, 1);
  moe.d_latent = keys.integer_or(gguf_key("experts.d_latent"), 0);
  shape.experts = moe;

  // Every layer has experts, but leading ones, those between steps, and what the file's tensors say.
  std::vector<feed_forward_kind> kinds(n_layers, feed_forward_kind::moe);
  const std::int32_t lead = keys.integer_or(gguf_key("leading_dense_layers"), 0);
  const std::int32_t step = std::max(keys.integer_or(gguf_key("expert_layer_step"), family == "jamba" ? 2 : 1), 1);
  for (std::size_t i = 0; i < n_layers; ++i) {
    const auto layer = static_cast<std::int32_t>(i);
    if (layer < lead || (layer + 1) % step != 0) kinds[i] = feed_forward_kind::dense;
    if (is_nemotron_h(family) && i < shape.d_ff.size() && shape.d_ff[i] == 0) kinds[i] = feed_forward_kind::none;
    if (i < facts.expert_layers.size()) {
      kinds[i] = facts.expert_layers[i]  ? feed_forward_kind::moe
                 : is_nemotron_h(family) ? feed_forward_kind::none
                                         : feed_forward_kind::dense;
    }
  }
  shape.feed_forwards = runs_of(kinds);
  // 1 is softmax, 2 sigmoid; sigmoid routers carry a selection bias (DeepSeek-V3, GLM-4.5, Kimi).
  if (const auto function = keys.integer(gguf_key("router_function"))) {
    if (find_family(family) != nullptr) shape.features.router_bias = *function == 2;
  }
}

void read_heads(const key_reader& keys, model_shape& shape) {
  shape.n_heads = keys.integers(gguf_key("n_heads"));
  shape.n_kv_heads = keys.integers(gguf_key("n_kv_heads"));
  if (shape.n_kv_heads.empty()) shape.n_kv_heads = shape.n_heads;
  const auto trim = [&](std::vector<std::int32_t>& values) {
    const auto n_layers = static_cast<std::size_t>(shape.n_layers);
    if (values.size() > n_layers) values.resize(n_layers);  // values of multi-token-prediction blocks follow
  };
  trim(shape.n_heads);
  trim(shape.n_kv_heads);
  trim(shape.d_ff);
  if (!shape.latent) {
    shape.head_dim_k = keys.integer_or(gguf_key("head_dim_k"), 0);
    shape.head_dim_v = keys.integer_or(gguf_key("head_dim_v"), 0);
    shape.sliding_head_dim_k = keys.integer_or(gguf_key("sliding_head_dim_k"), 0);
    shape.sliding_head_dim_v = keys.integer_or(gguf_key("sliding_head_dim_v"), 0);
  }
}

}  // namespace

model_shape shape_from_gguf_metadata(const gguf_metadata& metadata, const gguf_tensor_facts& facts) {
  const key_reader keys{metadata};
  model_shape shape;
  shape.family = keys.family();
  shape.features = facts.features;
  shape.n_mtp_layers = keys.integer_or(gguf_key("n_mtp_layers"), 0);
  shape.n_layers = keys.required(gguf_key("n_layers")) - shape.n_mtp_layers;
  if (shape.n_layers < 1 || shape.n_layers > 4096) {
    keys.fail(gguf_key("n_layers"), "got " + std::to_string(shape.n_layers) + " decoder blocks, expected 1 to 4096");
  }
  shape.d_model = keys.required(gguf_key("d_model"));
  shape.context_length = keys.required(gguf_key("context_length"));
  shape.d_ff = keys.integers(gguf_key("d_ff"));

  const auto vocabulary = keys.integer(gguf_key("vocab_size"));
  const auto tokens = keys.array_length("tokenizer.ggml.tokens");
  if (facts.vocab_size) {
    shape.vocab_size = *facts.vocab_size;
  } else if (vocabulary || tokens) {
    shape.vocab_size = vocabulary ? *vocabulary : keys.narrow("tokenizer.ggml.tokens", *tokens);
  } else {
    keys.fail(gguf_key("vocab_size"), "missing, and the file has no tokens either");
  }
  shape.tied_embeddings = facts.tied_embeddings.value_or(false);

  read_latent(keys, shape);
  read_heads(keys, shape);
  read_recurrent(keys, shape);
  read_experts(keys, facts, shape);
  read_mixers(keys, shape);
  if (!shape.experts && (shape.d_ff.empty() || *std::max_element(shape.d_ff.begin(), shape.d_ff.end()) == 0)) {
    shape.feed_forwards = {{feed_forward_kind::none, 1}};
  }

  shape.n_kv_shared_layers = keys.integer_or(gguf_key("n_kv_shared_layers"), 0);
  shape.per_layer_embedding = keys.integer_or(gguf_key("per_layer_embedding"), 0);
  shape.indexer_head_dim = keys.integer_or(gguf_key("indexer_head_dim"), 0);
  shape.indexer_n_heads = keys.integer_or(gguf_key("indexer_n_heads"), 0);
  if (keys.family() == "gemma3n" && shape.n_kv_shared_layers == 0 && shape.n_layers > 20) {
    shape.n_kv_shared_layers = shape.n_layers - 20;  // llama.cpp fixes the first 20 layers as owners of a cache
  }
  return shape;
}

}  // namespace v0
}  // namespace sizer
