#pragma once
/// @file
/// Names of the weight formats people download: llama-quantize's mixes, and the packings used outside GGUF.
///
/// Sources: `src/llama-quant.cpp` and `tools/quantize/quantize.cpp`, read at unslothai/llama.cpp@d32676d77426 (an
/// upstream tree of 2026-08). FP8 with 128 x 128 blocks: DeepSeek-V3's `weight_block_size` and `weight_scale_inv`
/// (F32). AWQ and GPTQ: AutoAWQ's GEMM layout and AutoGPTQ's (group 128: 4-bit weights, F16 scale and 4-bit zero point
/// per group and output; GPTQ also an I32 group index per input). MLX: `mx.quantize`, F16 scale and bias per group
/// of 64.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <sizer/error.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/names.hpp>

namespace sizer {
inline namespace v0 {

enum class recipe : std::uint8_t {
  f32,
  f16,
  bf16,
  q8_0,
  q6_k,
  q5_k_m,
  q5_k_s,
  q5_0,
  q5_1,
  q4_k_m,
  q4_k_s,
  q4_0,
  q4_1,
  q3_k_l,
  q3_k_m,
  q3_k_s,
  q2_k,
  q2_k_s,
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq2_m,
  iq3_xxs,
  iq3_xs,
  iq3_s,
  iq3_m,
  iq4_nl,
  iq4_xs,
  tq1_0,
  tq2_0,
  q1_0,
  q2_0,
  mxfp4_moe,
  mxfp4_f16,
  mxfp4_bf16,
  nvfp4,
  hf_bf16,
  fp8,
  fp8_tensor,
  awq,
  gptq,
  mlx_4bit,
  mlx_6bit,
  mlx_8bit
};

/// Where the bytes of a matrix are laid out.
enum class packing : std::uint8_t {
  gguf,          ///< ggml blocks, types chosen by llama-quantize's rules; vectors in F32
  gguf_experts,  ///< ggml blocks, routed experts in the base type, other matrices in 16 bits, vectors in F32
  linear_ggml,   ///< safetensors: ggml-like blocks in the linear layers, everything else in BF16
  plain,         ///< safetensors: everything in BF16
  fp8_block,     ///< one byte a weight, an F32 scale per 128 x 128 block; linear layers only, the rest BF16
  fp8_tensor,    ///< one byte a weight, an F32 scale per tensor; linear layers only, the rest BF16
  awq,           ///< 4 bits in groups of 128; linear layers only, the rest 16 bits
  gptq,          ///< as AWQ, plus a group index per input
  mlx            ///< groups of 64 along a row, embeddings and head too, the rest BF16
};

struct recipe_info {
  recipe id;
  std::string_view name;
  ggml_type base;  ///< most matrices of a GGUF file; outside GGUF the type of what is not packed
  packing layout;
  std::int32_t bits;  ///< of a packed weight without scales (outside GGUF)
};

inline constexpr auto recipes = std::to_array<recipe_info>({
    {recipe::f32, "F32", ggml_type::f32, packing::gguf, 0},
    {recipe::f16, "F16", ggml_type::f16, packing::gguf, 0},
    {recipe::bf16, "BF16", ggml_type::bf16, packing::gguf, 0},
    {recipe::q8_0, "Q8_0", ggml_type::q8_0, packing::gguf, 0},
    {recipe::q6_k, "Q6_K", ggml_type::q6_k, packing::gguf, 0},
    {recipe::q5_k_m, "Q5_K_M", ggml_type::q5_k, packing::gguf, 0},
    {recipe::q5_k_s, "Q5_K_S", ggml_type::q5_k, packing::gguf, 0},
    {recipe::q5_0, "Q5_0", ggml_type::q5_0, packing::gguf, 0},
    {recipe::q5_1, "Q5_1", ggml_type::q5_1, packing::gguf, 0},
    {recipe::q4_k_m, "Q4_K_M", ggml_type::q4_k, packing::gguf, 0},
    {recipe::q4_k_s, "Q4_K_S", ggml_type::q4_k, packing::gguf, 0},
    {recipe::q4_0, "Q4_0", ggml_type::q4_0, packing::gguf, 0},
    {recipe::q4_1, "Q4_1", ggml_type::q4_1, packing::gguf, 0},
    {recipe::q3_k_l, "Q3_K_L", ggml_type::q3_k, packing::gguf, 0},
    {recipe::q3_k_m, "Q3_K_M", ggml_type::q3_k, packing::gguf, 0},
    {recipe::q3_k_s, "Q3_K_S", ggml_type::q3_k, packing::gguf, 0},
    {recipe::q2_k, "Q2_K", ggml_type::q2_k, packing::gguf, 0},
    {recipe::q2_k_s, "Q2_K_S", ggml_type::q2_k, packing::gguf, 0},
    {recipe::iq1_s, "IQ1_S", ggml_type::iq1_s, packing::gguf, 0},
    {recipe::iq1_m, "IQ1_M", ggml_type::iq1_m, packing::gguf, 0},
    {recipe::iq2_xxs, "IQ2_XXS", ggml_type::iq2_xxs, packing::gguf, 0},
    {recipe::iq2_xs, "IQ2_XS", ggml_type::iq2_xs, packing::gguf, 0},
    {recipe::iq2_s, "IQ2_S", ggml_type::iq2_xs, packing::gguf, 0},
    {recipe::iq2_m, "IQ2_M", ggml_type::iq2_s, packing::gguf, 0},
    {recipe::iq3_xxs, "IQ3_XXS", ggml_type::iq3_xxs, packing::gguf, 0},
    {recipe::iq3_xs, "IQ3_XS", ggml_type::iq3_s, packing::gguf, 0},
    {recipe::iq3_s, "IQ3_S", ggml_type::iq3_s, packing::gguf, 0},
    {recipe::iq3_m, "IQ3_M", ggml_type::iq3_s, packing::gguf, 0},
    {recipe::iq4_nl, "IQ4_NL", ggml_type::iq4_nl, packing::gguf, 0},
    {recipe::iq4_xs, "IQ4_XS", ggml_type::iq4_xs, packing::gguf, 0},
    {recipe::tq1_0, "TQ1_0", ggml_type::tq1_0, packing::gguf, 0},
    {recipe::tq2_0, "TQ2_0", ggml_type::tq2_0, packing::gguf, 0},
    {recipe::q1_0, "Q1_0", ggml_type::q1_0, packing::gguf, 0},
    {recipe::q2_0, "Q2_0", ggml_type::q2_0, packing::gguf, 0},
    {recipe::mxfp4_moe, "MXFP4_MOE", ggml_type::mxfp4, packing::gguf, 0},
    {recipe::mxfp4_f16, "MXFP4_F16", ggml_type::mxfp4, packing::gguf_experts, 0},
    {recipe::mxfp4_bf16, "MXFP4_BF16", ggml_type::mxfp4, packing::gguf_experts, 0},
    {recipe::nvfp4, "NVFP4", ggml_type::nvfp4, packing::linear_ggml, 0},
    {recipe::hf_bf16, "HF_BF16", ggml_type::bf16, packing::plain, 0},
    {recipe::fp8, "FP8", ggml_type::bf16, packing::fp8_block, 8},
    {recipe::fp8_tensor, "FP8_TENSOR", ggml_type::bf16, packing::fp8_tensor, 8},
    {recipe::awq, "AWQ", ggml_type::bf16, packing::awq, 4},
    {recipe::gptq, "GPTQ", ggml_type::bf16, packing::gptq, 4},
    {recipe::mlx_4bit, "MLX-4BIT", ggml_type::bf16, packing::mlx, 4},
    {recipe::mlx_6bit, "MLX-6BIT", ggml_type::bf16, packing::mlx, 6},
    {recipe::mlx_8bit, "MLX-8BIT", ggml_type::bf16, packing::mlx, 8},
});

[[nodiscard]] constexpr const recipe_info& info(recipe id) noexcept { return recipes[static_cast<std::size_t>(id)]; }
[[nodiscard]] constexpr std::string_view to_string(recipe id) noexcept { return info(id).name; }

/// How a model's weights are stored: a recipe and the two things about llama-quantize that change what it writes.
struct quantization {
  recipe mix = recipe::q4_k_m;
  /// An importance matrix was given (`--imatrix`); it changes Q4_0, Q5_0, IQ3_XXS, IQ4_NL and IQ4_XS.
  bool importance_matrix = false;
  /// Fused `attn_qkv` is treated as a value matrix: llama.cpp since 2026-03-10 (commit 1dab5f5a4). False for older
  /// files.
  bool fused_qkv_as_value = true;

  friend constexpr bool operator==(const quantization&, const quantization&) = default;
};

[[nodiscard]] constexpr std::string_view to_string(const quantization& q) noexcept { return to_string(q.mix); }

namespace detail {
constexpr bool recipes_are_in_enum_order() {
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    if (static_cast<std::size_t>(recipes[i].id) != i) return false;
  }
  return static_cast<std::size_t>(recipe::mlx_8bit) + 1 == recipes.size();
}
static_assert(recipes_are_in_enum_order(), "info() indexes the table by the enumerator");

inline constexpr auto recipe_aliases = std::to_array<std::pair<std::string_view, recipe>>({
    {"FP16", recipe::f16},
    {"FP32", recipe::f32},
    {"MXFP4", recipe::mxfp4_moe},
});

inline std::string upper_case(std::string_view text) {
  std::string upper{text};
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return upper;
}
}  // namespace detail

/// The quantisation of that name, any case ("q4_k_m", "FP16", "mlx-4bit"). "+imatrix" behind it says that the file was
/// made with an importance matrix ("IQ4_XS+imatrix").
/// @throws unknown_name_error naming the three nearest
[[nodiscard]] inline quantization find_quantization(std::string_view name) {
  constexpr std::string_view mark = "+IMATRIX";
  std::string wanted = detail::upper_case(name.substr(0, 64));
  const bool marked = wanted.ends_with(mark);
  if (marked) wanted.resize(wanted.size() - mark.size());
  for (const recipe_info& candidate : recipes) {
    if (candidate.name == wanted) return quantization{.mix = candidate.id, .importance_matrix = marked};
  }
  for (const auto& [alias, id] : detail::recipe_aliases) {
    if (alias == wanted) return quantization{.mix = id, .importance_matrix = marked};
  }
  std::array<std::string_view, recipes.size()> names{};
  for (std::size_t i = 0; i < recipes.size(); ++i) names[i] = recipes[i].name;
  throw unknown_name_error{"quant", std::string{name},
                           nearest_names(name, std::span<const std::string_view>{names}, 3, 3)};
}

}  // namespace v0
}  // namespace sizer
