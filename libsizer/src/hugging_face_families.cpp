/// @file
/// Hugging Face model types: the GGUF family of each, and what its configuration class takes for granted.

#include <algorithm>
#include <array>
#include <string_view>

#include "hugging_face_parts.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

struct family_row {
  std::string_view name;
  std::string_view family;
};

constexpr auto model_types = std::to_array<family_row>({
    {"llama", "llama"},
    {"mistral", "llama"},
    {"mixtral", "llama"},
    {"internlm3", "llama"},
    {"Yi", "llama"},
    {"llama4", "llama4"},
    {"llama4_text", "llama4"},
    {"mistral3", "mistral3"},
    {"ministral3", "mistral3"},
    {"mistral4", "mistral4"},
    {"deci", "deci"},
    {"nemotron-nas", "deci"},
    {"smollm3", "smollm3"},
    {"internlm2", "internlm2"},
    {"baichuan", "baichuan"},
    {"xverse", "xverse"},
    {"minicpm", "minicpm"},
    {"arcee", "arcee"},
    {"qwen2", "qwen2"},
    {"qwen2_vl", "qwen2vl"},
    {"qwen2_vl_text", "qwen2vl"},
    {"qwen2_5_vl", "qwen2vl"},
    {"qwen2_5_vl_text", "qwen2vl"},
    {"qwen2_5_omni_text", "qwen2vl"},
    {"qwen2_moe", "qwen2moe"},
    {"qwen3", "qwen3"},
    {"qwen3_vl", "qwen3vl"},
    {"qwen3_vl_text", "qwen3vl"},
    {"qwen3_moe", "qwen3moe"},
    {"qwen3_vl_moe", "qwen3vlmoe"},
    {"qwen3_vl_moe_text", "qwen3vlmoe"},
    {"qwen3_omni_moe_text", "qwen3vlmoe"},
    {"qwen3_next", "qwen3next"},
    {"qwen3_5", "qwen35"},
    {"qwen3_5_text", "qwen35"},
    {"qwen3_5_moe", "qwen35moe"},
    {"qwen3_5_moe_text", "qwen35moe"},
    {"gemma", "gemma"},
    {"gemma2", "gemma2"},
    {"gemma3", "gemma3"},
    {"gemma3_text", "gemma3"},
    {"gemma3n", "gemma3n"},
    {"gemma3n_text", "gemma3n"},
    {"gemma4", "gemma4"},
    {"gemma4_text", "gemma4"},
    {"gemma4_unified", "gemma4"},
    {"gemma4_unified_text", "gemma4"},
    {"phi", "phi2"},
    {"phi-msft", "phi2"},
    {"phi3", "phi3"},
    {"phimoe", "phimoe"},
    {"deepseek", "deepseek"},
    {"deepseek_v2", "deepseek2"},
    {"deepseek_v3", "deepseek2"},
    {"kimi_k2", "deepseek2"},
    {"kimi_k25", "deepseek2"},
    {"glm4_moe_lite", "deepseek2"},
    {"youtu", "deepseek2"},
    {"deepseek_v32", "deepseek32"},
    {"glm_moe_dsa", "glm-dsa"},
    {"deepseek_v4", "deepseek4"},
    {"glm4", "glm4"},
    {"glm4v_text", "glm4"},
    {"glm4_moe", "glm4moe"},
    {"glm4v_moe_text", "glm4moe"},
    {"chatglm", "chatglm"},
    {"glm", "chatglm"},
    {"gpt_oss", "gpt-oss"},
    {"granite", "granite"},
    {"granitemoe", "granitemoe"},
    {"granitemoeshared", "granitemoe"},
    {"granitemoehybrid", "granitehybrid"},
    {"bamba", "granitehybrid"},
    {"falcon", "falcon"},
    {"RefinedWeb", "falcon"},
    {"RefinedWebModel", "falcon"},
    {"falcon_h1", "falcon-h1"},
    {"falcon_mamba", "mamba"},
    {"nemotron", "nemotron"},
    {"nemotron_h", "nemotron_h"},
    {"mamba", "mamba"},
    {"mamba2", "mamba2"},
    {"jamba", "jamba"},
    {"lfm2", "lfm2"},
    {"lfm2_moe", "lfm2moe"},
    {"kimi_linear", "kimi-linear"},
    {"cohere", "command-r"},
    {"cohere2", "cohere2"},
    {"starcoder2", "starcoder2"},
    {"gpt2", "gpt2"},
    {"mpt", "mpt"},
    {"stablelm", "stablelm"},
    {"stablelm_epoch", "stablelm"},
    {"hunyuan", "hunyuan-moe"},
    {"hunyuan_v1_moe", "hunyuan-moe"},
    {"hunyuan_v1_dense", "hunyuan-dense"},
    {"ernie4_5", "ernie4_5"},
    {"ernie4_5_moe", "ernie4_5-moe"},
    {"seed_oss", "seed_oss"},
    {"exaone", "exaone"},
    {"exaone4", "exaone4"},
    {"exaone_moe", "exaone-moe"},
    {"bailing_moe", "bailingmoe"},
    {"bailing_moe_v2", "bailingmoe2"},
    {"mimo_v2_flash", "mimo2"},
    {"mimo_v2", "mimo2"},
    {"minimax_m2", "minimax-m2"},
    {"minimax_m3", "minimax-m3"},
    {"minimax_m3_text", "minimax-m3"},
    {"minimax_m3_vl", "minimax-m3"},
    {"olmo2", "olmo2"},
    {"olmo3", "olmo2"},
    {"olmoe", "olmoe"},
    {"bitnet", "bitnet"},
    {"dots1", "dots1"},
    {"afmoe", "afmoe"},
    {"step3p5", "step35"},
    {"step3p7", "step35"},
    {"laguna", "laguna"},
});

/// Classes that tell apart what shares a model type.
constexpr auto deciding_architectures = std::to_array<family_row>({
    {"BailingMoeV2ForCausalLM", "bailingmoe2"},
    {"HunYuanDenseV1ForCausalLM", "hunyuan-dense"},
    {"DeciLMForCausalLM", "deci"},
    {"FalconMambaForCausalLM", "mamba"},
});

/// Classes of models whose type is not in the list, or not stated.
constexpr auto architectures = std::to_array<family_row>({
    {"LlamaForCausalLM", "llama"},
    {"LLaMAForCausalLM", "llama"},
    {"MistralForCausalLM", "llama"},
    {"MixtralForCausalLM", "llama"},
    {"InternLM3ForCausalLM", "llama"},
    {"IQuestCoderForCausalLM", "llama"},
    {"Llama4ForCausalLM", "llama4"},
    {"Llama4ForConditionalGeneration", "llama4"},
    {"Mistral3ForConditionalGeneration", "mistral3"},
    {"Ministral3ForCausalLM", "mistral3"},
    {"SmolLM3ForCausalLM", "smollm3"},
    {"InternLM2ForCausalLM", "internlm2"},
    {"BaichuanForCausalLM", "baichuan"},
    {"BaiChuanForCausalLM", "baichuan"},
    {"Qwen2ForCausalLM", "qwen2"},
    {"Qwen2MoeForCausalLM", "qwen2moe"},
    {"Qwen3ForCausalLM", "qwen3"},
    {"Qwen3MoeForCausalLM", "qwen3moe"},
    {"Qwen3NextForCausalLM", "qwen3next"},
    {"GemmaForCausalLM", "gemma"},
    {"Gemma2ForCausalLM", "gemma2"},
    {"Gemma3ForCausalLM", "gemma3"},
    {"Gemma4ForCausalLM", "gemma4"},
    {"PhiForCausalLM", "phi2"},
    {"Phi3ForCausalLM", "phi3"},
    {"PhiMoEForCausalLM", "phimoe"},
    {"DeepseekForCausalLM", "deepseek"},
    {"DeepseekV2ForCausalLM", "deepseek2"},
    {"DeepseekV3ForCausalLM", "deepseek2"},
    {"DeepseekV32ForCausalLM", "deepseek32"},
    {"DeepseekV4ForCausalLM", "deepseek4"},
    {"Glm4ForCausalLM", "glm4"},
    {"Glm4MoeForCausalLM", "glm4moe"},
    {"SolarOpenForCausalLM", "glm4moe"},
    {"GptOssForCausalLM", "gpt-oss"},
    {"GraniteForCausalLM", "granite"},
    {"FalconForCausalLM", "falcon"},
    {"RWForCausalLM", "falcon"},
    {"NemotronHForCausalLM", "nemotron_h"},
    {"MambaForCausalLM", "mamba"},
    {"MambaLMHeadModel", "mamba"},
    {"Mamba2ForCausalLM", "mamba2"},
    {"KimiLinearForCausalLM", "kimi-linear"},
    {"CohereForCausalLM", "command-r"},
    {"Cohere2ForCausalLM", "cohere2"},
    {"GPT2LMHeadModel", "gpt2"},
    {"HunYuanMoEV1ForCausalLM", "hunyuan-moe"},
    {"MiMoV2FlashForCausalLM", "mimo2"},
    {"MiMoV2ForCausalLM", "mimo2"},
    {"MiniMaxM2ForCausalLM", "minimax-m2"},
    {"MiniMaxM3SparseForCausalLM", "minimax-m3"},
    {"BitnetForCausalLM", "bitnet"},
    {"BitNetForCausalLM", "bitnet"},
    {"SarvamMoEForCausalLM", "bailingmoe2"},
});

template <class Table>
std::optional<std::string_view> family_in(const Table& table, std::string_view name) noexcept {
  const auto found =
      std::find_if(table.begin(), table.end(), [name](const family_row& row) { return row.name == name; });
  if (found == table.end()) return std::nullopt;
  return found->family;
}

constexpr auto other_model_types = std::to_array<std::string_view>({
    "albert",
    "altclip",
    "bart",
    "beit",
    "bert",
    "bigbird",
    "blip",
    "camembert",
    "chinese_clip",
    "clip",
    "clip_text_model",
    "clip_vision_model",
    "convnext",
    "deberta",
    "deberta-v2",
    "deit",
    "detr",
    "dinov2",
    "dinov3_vit",
    "distilbert",
    "electra",
    "ernie",
    "fsmt",
    "hubert",
    "layoutlm",
    "layoutlmv3",
    "longformer",
    "m2m_100",
    "marian",
    "mbart",
    "modernbert",
    "mpnet",
    "mt5",
    "nomic_bert",
    "owlvit",
    "pegasus",
    "resnet",
    "roberta",
    "sam",
    "segformer",
    "siglip",
    "siglip_vision_model",
    "siglip2",
    "swin",
    "t5",
    "umt5",
    "vit",
    "vits",
    "wav2vec2",
    "whisper",
    "xlm-roberta",
});
constexpr auto other_class_endings = std::to_array<std::string_view>({
    "ForMaskedLM",
    "ForCTC",
    "ForImageClassification",
    "ForObjectDetection",
    "ForAudioClassification",
    "ForSemanticSegmentation",
    "ForSpeechSeq2Seq",
    "ForPreTraining",
    "ForMaskGeneration",
    "ForDepthEstimation",
});

/// Classes that inherit the default of `PretrainedConfig` (true) or set it themselves. Falcon's class does too, but its
/// published files store a head of their own.
constexpr auto tied_model_types = std::to_array<std::string_view>({
    "cohere",         "cohere2",
    "ernie4_5",       "ernie4_5_moe",
    "gemma",          "gemma2",
    "gemma3",         "gemma3_text",
    "gemma3n",        "gemma3n_text",
    "gemma4",         "gemma4_text",
    "gpt2",           "lfm2",
    "lfm2_moe",       "mamba",
    "minicpm",        "mpt",
    "smollm3",        "starcoder2",
    "gemma4_unified", "gemma4_unified_text",
});

struct default_row {
  std::string_view model_type;
  std::string_view key;
  std::int32_t value;
};
/// From `__init__` of the configuration classes named after the model type (GemmaConfig, Gemma3TextConfig, ...).
constexpr auto class_defaults = std::to_array<default_row>({
    {"gemma", "head_dim", 256},
    {"gemma", "max_position_embeddings", 8192},
    {"gemma2", "head_dim", 256},
    {"gemma3_text", "head_dim", 256},
    {"gemma3_text", "num_attention_heads", 8},
    {"gemma3_text", "num_key_value_heads", 4},
    {"gemma3_text", "max_position_embeddings", 131072},
    {"gemma3_text", "vocab_size", 262208},
    {"gemma3n_text", "head_dim", 256},
    {"gemma4_text", "head_dim", 256},
    {"gemma4_text", "global_head_dim", 512},
    {"gpt_oss", "head_dim", 64},
    {"llama", "hidden_size", 4096},
    {"llama", "intermediate_size", 11008},
    {"llama", "num_hidden_layers", 32},
    {"llama", "num_attention_heads", 32},
    {"llama", "max_position_embeddings", 2048},
    {"llama", "vocab_size", 32000},
    {"mistral", "hidden_size", 4096},
    {"mistral", "num_hidden_layers", 32},
    {"mistral", "num_attention_heads", 32},
    {"qwen3", "head_dim", 128},
    {"qwen3_next", "head_dim", 256},
    {"seed_oss", "head_dim", 128},
});

template <class Names>
bool contains(const Names& names, std::string_view name) noexcept {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::optional<std::string_view> hugging_face_family(std::string_view model_type,
                                                    std::string_view architecture) noexcept {
  if (const auto family = family_in(deciding_architectures, architecture)) return family;
  if (const auto family = family_in(model_types, model_type)) return family;
  return family_in(architectures, architecture);
}

bool is_no_causal_model(std::string_view model_type, std::string_view architecture) noexcept {
  if (hugging_face_family(model_type, architecture)) return false;
  return contains(other_model_types, model_type) ||
         std::any_of(other_class_endings.begin(), other_class_endings.end(),
                     [architecture](std::string_view ending) { return architecture.ends_with(ending); });
}

bool ties_by_default(std::string_view model_type) noexcept { return contains(tied_model_types, model_type); }

std::optional<std::int32_t> class_default(std::string_view model_type, std::string_view key) noexcept {
  const auto* found = std::find_if(class_defaults.begin(), class_defaults.end(), [=](const default_row& row) {
    return row.model_type == model_type && row.key == key;
  });
  if (found == class_defaults.end()) return std::nullopt;
  return found->value;
}

bool keeps_mtp_layers(std::string_view family) noexcept {
  constexpr auto families_with = std::to_array<std::string_view>({"glm4moe", "glm-dsa", "bailingmoe2", "exaone-moe"});
  return contains(families_with, family);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
