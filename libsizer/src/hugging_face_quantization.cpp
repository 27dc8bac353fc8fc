/// @file
/// The number format of a checkpoint's weights, as its config.json states it.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hugging_face_parts.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// Group sizes of libsizer's own AWQ, GPTQ and MLX recipes (memory/quantization.hpp).
constexpr std::int32_t awq_group = 128;
constexpr std::int32_t mlx_group = 64;

std::string bits_text(std::optional<std::int32_t> bits) { return bits ? " " + std::to_string(*bits) + "-bit" : ""; }

/// -1 and null: one group as long as the row.
std::optional<std::int64_t> group_of(const config_fields& part) {
  const auto node = part.find("group_size q_group_size");
  if (!node) return std::nullopt;
  return node->integer<std::int64_t>(-1, std::numeric_limits<std::int32_t>::max());
}

/// "AWQ" for what libsizer's recipe of that name is; else with the bits and the group that it has instead.
std::string grouped(const std::string& name, const config_fields& part) {
  const auto bits = part.integer("bits w_bit");
  const auto group = group_of(part);
  if (bits.value_or(4) == 4 && group.value_or(awq_group) == awq_group) return name;
  std::string text = name + bits_text(bits);
  if (group && *group != awq_group) text += " group " + std::to_string(*group);
  return text;
}

/// An object under a key that files of other tools use for other things.
std::optional<config_fields> object_if(const config_fields& fields, std::string_view key) {
  const auto node = fields.find(key);
  if (!node || !node->raw().is_object()) return std::nullopt;
  return config_fields{*node};
}

/// mlx_lm's "quantization" object: {"group_size": 64, "bits": 4}, newer ones with a "mode", and objects of the same
/// form for layers that differ.
std::string mlx_name(const config_fields& part) {
  const std::int32_t bits = config_fields::whole(part.at("bits"), 1);
  for (const auto& [key, value] : part.node().raw().items()) {
    if (value.is_object() && value.contains("bits") && value.at("bits") != bits) return "MLX mixed";
  }
  const std::int64_t group = group_of(part).value_or(mlx_group);
  const std::string mode = part.text("mode");
  const bool plain = mode.empty() || mode == "affine";
  if (plain && group == mlx_group && (bits == 4 || bits == 6 || bits == 8))
    return "MLX-" + std::to_string(bits) + "BIT";
  std::string text = "MLX" + (plain ? std::string{} : " " + mode) + bits_text(bits);
  if (group != mlx_group) text += " group " + std::to_string(group);
  return text;
}

bool has_blocks(const config_fields& part) { return part.has("weight_block_size"); }

/// The groups of a compressed-tensors or modelopt file; empty text when none states its weights.
std::string config_group_name(const config_fields& part) {
  const auto groups = part.object("config_groups");
  if (!groups) return {};
  std::string name;
  for (const auto& [key, value] : groups->node().raw().items()) {
    const auto group = groups->object(key);
    const auto weights = group ? group->object("weights") : std::nullopt;
    if (!weights) continue;
    const std::int32_t bits = config_fields::whole(weights->at("num_bits"), 1);
    const bool is_float = weights->text("type") == "float";
    std::string format = group->text("format");
    if (format.empty()) format = part.text("format");
    std::string one;
    if (format == "nvfp4-pack-quantized") {
      one = "NVFP4";
    } else if (format == "mxfp4-pack-quantized") {
      one = "MXFP4";
    } else if (is_float && bits == 8) {
      one = weights->text("strategy") == "block" ? "FP8" : "FP8_TENSOR";
    } else if (is_float && bits == 4) {
      one = group_of(*weights) == 32 ? "MXFP4" : "NVFP4";
    } else {
      one = "compressed-tensors" + bits_text(bits);
    }
    if (!name.empty() && name != one) return "compressed-tensors mixed";
    name = one;
  }
  return name;
}

/// `quant_algo` of NVIDIA's ModelOpt; beside it, or one object further in.
std::string modelopt_name(const config_fields& part) {
  std::string algorithm = part.text("quant_algo");
  if (algorithm.empty()) {
    if (const auto inside = object_if(part, "quantization")) algorithm = inside->text("quant_algo");
  }
  if (algorithm == "NVFP4") return algorithm;
  if (algorithm == "FP8") return "FP8_TENSOR";
  if (algorithm == "FP8_PB_WO" || algorithm == "FP8_BLOCK_SCALES") return "FP8";
  return algorithm.empty() ? algorithm : "modelopt " + algorithm;
}

std::string bitsandbytes_name(const config_fields& part) {
  if (part.boolean("load_in_4bit _load_in_4bit").value_or(false)) return "bitsandbytes 4-bit";
  if (part.boolean("load_in_8bit _load_in_8bit").value_or(false)) return "bitsandbytes 8-bit";
  return "bitsandbytes";
}

std::string method_name(const std::string& method, const config_fields& part, const config_fields& fields) {
  if (method == "awq") return grouped("AWQ", part);
  if (method == "gptq") return grouped("GPTQ", part);
  if (method == "mxfp4") return "MXFP4";
  if (method == "bitsandbytes") return bitsandbytes_name(part);
  std::string algorithm = modelopt_name(part);
  if (!algorithm.empty()) return algorithm;
  if (method == "fp8" || method == "fbgemm_fp8") {
    const std::string name = has_blocks(part) ? "FP8" : "FP8_TENSOR";
    // DeepSeek-V4 keeps its routed experts in 4 bits and says so outside of quantization_config, or inside.
    const auto experts = part.has("expert_dtype") ? part.find("expert_dtype") : fields.find("expert_dtype");
    return experts && experts->raw() == "fp4" ? name + " with FP4 experts" : name;
  }
  std::string group = config_group_name(part);
  if (!group.empty()) return group;
  return method + bits_text(part.integer("bits nbits"));
}

std::string type_name(const config_fields& fields) {
  constexpr auto names = std::to_array<std::pair<std::string_view, std::string_view>>(
      {{"bfloat16", "BF16"}, {"float16", "F16"}, {"half", "F16"}, {"float32", "F32"}, {"float", "F32"}});
  const auto node = fields.find("dtype torch_dtype");
  if (!node || !node->raw().is_string()) return {};
  std::string stated = node->text();
  constexpr std::string_view prefix = "torch.";
  if (stated.starts_with(prefix)) stated.erase(0, prefix.size());
  for (const auto& [dtype, name] : names) {
    if (dtype == stated) return std::string{name};
  }
  return {};
}

}  // namespace

std::string hugging_face_quantization(const config_fields& fields) {
  const auto part = fields.object("quantization_config");
  const std::string method = part ? part->text("quant_method") : std::string{};
  if (part && !method.empty()) return method_name(method, *part, fields);
  if (const auto mlx = object_if(fields, "quantization"); mlx && mlx->has("bits")) return mlx_name(*mlx);
  if (!part) return type_name(fields);
  std::string algorithm = modelopt_name(*part);
  if (!algorithm.empty()) return algorithm;
  if (part->has("config_groups")) return config_group_name(*part);
  if (part->has("bits")) return mlx_name(*part);
  return type_name(fields);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
