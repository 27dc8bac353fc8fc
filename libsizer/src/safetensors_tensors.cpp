/// @file
/// How many weights the tensors of a checkpoint hold. Packed formats keep several in one integer and bring scales
/// along, so that the elements of a tensor are not its parameters; which is which, names and number formats of the
/// tensors beside it tell.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <sizer/catalog/safetensors.hpp>
#include <sizer/memory/tensor_kind.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {
namespace {

/// Bits of a weight when nothing states them: what nearly all packed checkpoints have.
constexpr std::int64_t usual_bits = 4;
/// Weights that share a scale in MLX unless its configuration says otherwise (mlx.core.quantize).
constexpr std::int64_t usual_mlx_group = 64;

bool is_plain_float(std::string_view dtype) { return dtype == "F32" || dtype == "F16" || dtype == "BF16"; }
bool is_one_byte(std::string_view dtype) { return dtype == "U8" || dtype == "I8"; }
bool is_four_bytes(std::string_view dtype) { return dtype == "I32" || dtype == "U32"; }
bool is_wide_integer(std::string_view dtype) {
  return is_four_bytes(dtype) || dtype == "I64" || dtype == "U64" || dtype == "I16" || dtype == "U16" ||
         dtype == "BOOL";
}

bool is_bit_width(std::int64_t bits) {
  constexpr std::array widths{2, 3, 4, 5, 6, 8};
  return std::find(widths.begin(), widths.end(), bits) != widths.end();
}

bool is_mlx_group(std::int64_t group) { return group == 16 || group == 32 || group == 64 || group == 128; }

count elements_of(const safetensors_tensor& tensor) {
  count elements = 1;
  for (const std::int64_t n : tensor.shape) elements = elements * n;
  return elements;
}

std::int64_t last_dimension(const safetensors_tensor& tensor) { return tensor.shape.empty() ? 1 : tensor.shape.back(); }

/// What the name of a quantisation states.
struct stated {
  std::optional<std::int64_t> bits;       ///< of a weight
  std::optional<std::int64_t> mlx_group;  ///< weights that share a scale
};

/// Reads the number before "bit" and the one behind "group" ("MLX-4BIT", "bitsandbytes 8-bit", "AWQ 4-bit group 64").
stated stated_in(std::string_view quantization) {
  std::string text{quantization};
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  stated result;
  for (std::size_t unit = text.find("bit"); unit != std::string::npos && !result.bits;
       unit = text.find("bit", unit + 1)) {
    std::string_view before = std::string_view{text}.substr(0, unit);
    if (before.ends_with('-') || before.ends_with(' ')) before.remove_suffix(1);
    const std::size_t n_digits = before.size() - (before.find_last_not_of("0123456789") + 1);
    if (n_digits == 1 && is_bit_width(before.back() - '0')) result.bits = before.back() - '0';
  }
  constexpr std::string_view word = "group ";
  if (const std::size_t at = text.find(word); at != std::string::npos) {
    std::int64_t group = 0;
    (void)std::from_chars(text.data() + at + word.size(), text.data() + text.size(), group);
    if (is_mlx_group(group)) result.mlx_group = group;
  }
  return result;
}

/// What a tensor holds.
struct holding {
  count parameters = 0;  ///< weights; 0: bookkeeping
  bool packed = false;   ///< it belongs to a packed format, as its scales do
};

/// The tensors of all files by name, and what packed ones hold.
class packed_reader {
 public:
  packed_reader(const std::vector<safetensors_file>& files, std::string_view quantization)
      : stated_{stated_in(quantization)} {
    std::size_t n = 0;
    for (const safetensors_file& file : files) n += file.tensors.size();
    by_name_.reserve(n);
    for (const safetensors_file& file : files) {
      for (const safetensors_tensor& tensor : file.tensors) by_name_.emplace(tensor.name, &tensor);
    }
    if (stated_.mlx_group) {
      mlx_group_ = *stated_.mlx_group;
    } else {
      find_mlx_group();
    }
  }

  [[nodiscard]] holding read(const safetensors_tensor& tensor) const {
    const std::string_view name = tensor.name;
    const std::size_t dot = name.rfind('.');
    const std::string_view stem = name.substr(0, dot == std::string_view::npos ? 0 : dot + 1);  // with its dot
    const std::string_view tail = name.substr(stem.size());
    const bool plain = is_plain_float(tensor.dtype);
    // Tables of rotations and masks that old checkpoints carry.
    const bool is_mask = stem.ends_with("attn.") && tail == "bias" && tensor.shape.size() == 4;
    if (tail == "inv_freq" || tail == "masked_bias" || is_mask) return {0, !plain};
    if (is_bookkeeping(tensor, stem, tail)) return {0, true};

    const count elements = elements_of(tensor);
    if (is_four_bytes(tensor.dtype)) {
      const auto bits = packed_bits(tensor, stem, tail);
      return {bits ? elements * 32 / *bits : count{0}, true};  // or an index, as a table of experts by token
    }
    if (is_one_byte(tensor.dtype)) return {elements * weights_in_byte(tensor, stem, tail), true};
    return {is_wide_integer(tensor.dtype) ? count{0} : elements, !plain};
  }

 private:
  [[nodiscard]] const safetensors_tensor* find(std::string_view stem, std::string_view tail) const {
    const auto found = by_name_.find(std::string{stem}.append(tail));
    return found == by_name_.end() ? nullptr : found->second;
  }
  /// True when that tensor is there and holds anything but plain numbers.
  [[nodiscard]] bool is_packed(std::string_view stem, std::string_view tail) const {
    const safetensors_tensor* tensor = find(stem, tail);
    return tensor != nullptr && !is_plain_float(tensor->dtype);
  }

  [[nodiscard]] bool is_bookkeeping(const safetensors_tensor& tensor, std::string_view stem,
                                    std::string_view tail) const {
    // GPTQ and AWQ, compressed-tensors, ModelOpt, FP8 of DeepSeek and Mistral, bitsandbytes.
    static constexpr std::string_view always =
        " qzeros g_idx weight_scale weight_scale_inv weight_scale_2 weight_global_scale weight_zero_point weight_shape "
        "weight_g_idx input_scale input_global_scale input_zero_point output_scale activation_scale pre_quant_scale "
        "k_scale v_scale q_scale kv_scale qscale_weight qscale_act absmax quant_map nested_absmax nested_quant_map SCB "
        "weight_format ";
    if (always.find(" " + std::string{tail} + " ") != std::string_view::npos) return true;
    if (tensor.name.find(".quant_state.") != std::string::npos) return true;
    // MLX, AWQ, DeepSeek V4: names that mean a scale only beside a packed weight.
    if (tail == "scale" || tail == "scales" || tail == "biases") {
      return is_packed(stem, "weight") || is_packed(stem, "qweight");
    }
    // Stacked experts: "gate_up_proj_scales" beside "gate_up_proj_blocks", "down_proj_weight_scale" beside "down_proj".
    static constexpr auto suffixes =
        std::to_array<std::string_view>({"_weight_scale_inv", "_weight_scale_2", "_weight_scale", "_input_scale",
                                         "_scale_inv", "_scale_2", "_scales", "_scale"});
    for (const std::string_view suffix : suffixes) {
      if (!tail.ends_with(suffix)) continue;
      const std::string base{tail.substr(0, tail.size() - suffix.size())};
      if (is_packed(stem, base) || is_packed(stem, base + "_blocks") || is_packed(stem, base + "_packed")) return true;
    }
    return false;
  }

  /// Bits of a weight in a tensor of 32-bit integers; empty: it holds no weights.
  [[nodiscard]] std::optional<std::int64_t> packed_bits(const safetensors_tensor& tensor, std::string_view stem,
                                                        std::string_view tail) const {
    if (tail == "qweight") return bits_by_zeros(find(stem, "qzeros"), find(stem, "scales"), true);
    if (tail == "weight_packed")
      return bits_by_zeros(find(stem, "weight_zero_point"), find(stem, "weight_scale"), false);
    if (tail == "weight") return mlx_bits(tensor, find(stem, "scales"));
    if (tail.ends_with("_packed")) return stated_.bits.value_or(usual_bits);
    return std::nullopt;
  }

  /// GPTQ, AWQ and asymmetric compressed-tensors pack the zero points as they pack the weights, one for each scale.
  /// @param in_rows  the zero points lie packed along the last dimension, else along the first
  [[nodiscard]] std::int64_t bits_by_zeros(const safetensors_tensor* zeros, const safetensors_tensor* scales,
                                           bool in_rows) const {
    if (zeros != nullptr && scales != nullptr && !zeros->shape.empty() && !scales->shape.empty()) {
      const std::int64_t packed = in_rows ? zeros->shape.back() : zeros->shape.front();
      const std::int64_t whole = in_rows ? scales->shape.back() : scales->shape.front();
      for (const std::int64_t bits : {2, 3, 4, 8}) {
        if (whole / 32 * bits == packed && packed > 0) return bits;
      }
    }
    return stated_.bits.value_or(usual_bits);
  }

  /// Integers of a row of an MLX weight that share a scale: bits x weights in a group / 32. Empty: no MLX weight.
  [[nodiscard]] static std::optional<std::int64_t> mlx_ratio(const safetensors_tensor& weight,
                                                             const safetensors_tensor* scales) {
    if (weight.dtype != "U32" || scales == nullptr) return std::nullopt;
    const std::int64_t groups = last_dimension(*scales);
    return groups > 0 ? last_dimension(weight) / groups : 0;
  }

  /// A checkpoint may mix widths, but seldom group sizes. Where nothing states the group, most tensors are taken to
  /// have the stated width, and the group that makes it so gives the width of the others.
  void find_mlx_group() {
    std::map<std::int64_t, std::int64_t> n_by_ratio;
    for (const auto& [name, tensor] : by_name_) {
      constexpr std::string_view tail = "weight";
      if (tensor->dtype != "U32" || !name.ends_with(tail)) continue;
      const auto* scales = find(name.substr(0, name.size() - tail.size()), "scales");
      if (const auto ratio = mlx_ratio(*tensor, scales)) ++n_by_ratio[*ratio];
    }
    const auto usual = std::max_element(n_by_ratio.begin(), n_by_ratio.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
    if (usual == n_by_ratio.end()) return;
    const std::int64_t group = std::min<std::int64_t>(usual->first, 1024) * 32 / stated_.bits.value_or(usual_bits);
    if (is_mlx_group(group)) mlx_group_ = group;
  }

  [[nodiscard]] std::optional<std::int64_t> mlx_bits(const safetensors_tensor& weight,
                                                     const safetensors_tensor* scales) const {
    const auto ratio = mlx_ratio(weight, scales);
    if (!ratio) return std::nullopt;
    const std::int64_t product = std::min<std::int64_t>(*ratio, 1024) * 32;  // bits x group
    // The microscaling modes have scales of one byte: MXFP4 and MXFP8 one for 32 weights, NVFP4 one for 16.
    const std::int64_t group = scales->dtype == "U8" ? (product == 64 ? 16 : 32) : mlx_group_;
    for (const std::int64_t candidate : {group, usual_mlx_group, std::int64_t{32}, std::int64_t{128}}) {
      if (product % candidate == 0 && is_bit_width(product / candidate)) return product / candidate;
    }
    return stated_.bits.value_or(usual_bits);
  }

  /// Weights in a byte: 2 of the 4-bit formats, 4 of BitNet, 1 of plain 8-bit integers.
  [[nodiscard]] std::int64_t weights_in_byte(const safetensors_tensor& tensor, std::string_view stem,
                                             std::string_view tail) const {
    const bool is_unsigned = tensor.dtype == "U8";
    if (is_unsigned && (tail == "weight_packed" || find(tensor.name, ".absmax") != nullptr)) return 2;
    constexpr std::string_view blocks = "_blocks";
    if (tail.ends_with(blocks))
      return is_packed(stem, std::string{tail.substr(0, tail.size() - blocks.size())} + "_scales") ? 2 : 1;

    const safetensors_tensor* scale = nullptr;
    for (const std::string_view ending : {"_scale", "_scales", "_scale_inv", "_weight_scale"}) {
      if (scale == nullptr) scale = find(tensor.name, ending);
    }
    if (scale == nullptr && tail == "weight") scale = find(stem, "scale");
    if (scale == nullptr) return 1;
    // NVFP4 and MXFP4 have a scale of one byte for every 16 or 32 weights, MXFP8 for 32; 8-bit integers have one in
    // floating point for a row, BitNet one for the tensor.
    constexpr std::int64_t most_bytes_of_a_scale = 16;
    if (scale->dtype.starts_with("F8_") || scale->dtype == "U8") {
      return (last_dimension(tensor) - 1) / most_bytes_of_a_scale < last_dimension(*scale) ? 2 : 1;
    }
    return is_unsigned && elements_of(*scale) == count{1} ? 4 : 1;
  }

  std::unordered_map<std::string_view, const safetensors_tensor*> by_name_;
  stated stated_;
  std::int64_t mlx_group_ = usual_mlx_group;
};

/// Elements as ggml orders them; dimensions beyond four go into the slowest.
std::array<std::int64_t, 4> ggml_shape(const std::vector<std::int64_t>& shape) {
  std::array<count, 4> ne{1, 1, 1, 1};
  for (std::size_t i = 0; i < shape.size(); ++i) {  // from the slowest on, as the reader checked the product
    count& dimension = ne[std::min<std::size_t>(shape.size() - 1 - i, 3)];
    dimension = dimension * shape[i];
  }
  return {ne[0].value(), ne[1].value(), ne[2].value(), ne[3].value()};
}

std::optional<ggml_type> plain_type(std::string_view dtype) {
  if (dtype == "F32") return ggml_type::f32;
  if (dtype == "F16") return ggml_type::f16;
  if (dtype == "BF16") return ggml_type::bf16;
  return std::nullopt;
}

/// Puts right what one name alone cannot tell: all of a block that has a prediction head's own tensors belongs to it,
/// and Kimi's linear attention calls its projections like any attention.
void settle_blocks(std::vector<stored_tensor>& tensors) {
  constexpr std::string_view attention_module = ".self_attn.";
  std::unordered_set<std::int32_t> heads;
  std::unordered_set<std::int32_t> linear;
  for (const stored_tensor& tensor : tensors) {
    if (tensor.role.layer < 0) continue;
    if (tensor.role.part == weight_part::mtp) heads.insert(tensor.role.layer);
    if (tensor.role.part == weight_part::recurrent && tensor.name.find(attention_module) != std::string::npos) {
      linear.insert(tensor.role.layer);
    }
  }
  for (stored_tensor& tensor : tensors) {
    if (heads.contains(tensor.role.layer)) {
      tensor.role.part = weight_part::mtp;
      tensor.role.use = tensor_use::unused;
    } else if (linear.contains(tensor.role.layer) && tensor.role.part == weight_part::attention &&
               tensor.name.find(attention_module) != std::string::npos) {
      tensor.role.part = weight_part::recurrent;
    }
  }
}

}  // namespace

std::vector<stored_tensor> stored_tensors(const std::vector<safetensors_file>& files, std::string_view quantization) {
  const packed_reader packed{files, quantization};
  std::vector<stored_tensor> result;
  std::size_t n = 0;
  for (const safetensors_file& file : files) n += file.tensors.size();
  result.reserve(n);
  for (const safetensors_file& file : files) {
    for (const safetensors_tensor& tensor : file.tensors) {
      stored_tensor stored;
      stored.name = tensor.name;
      stored.format = tensor.dtype;
      stored.ne = ggml_shape(tensor.shape);
      stored.size = make_bytes(tensor.size);
      const holding held = packed.read(tensor);
      stored.parameters = held.parameters;
      stored.role = role_of_hugging_face_tensor(tensor.name);
      if (!held.packed) stored.type = plain_type(tensor.dtype);
      result.push_back(std::move(stored));
    }
  }
  settle_blocks(result);
  return result;
}

}  // namespace v0
}  // namespace sizer
