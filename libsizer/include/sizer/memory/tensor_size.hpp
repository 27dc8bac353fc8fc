#pragma once
/// @file
/// Type and bytes of one tensor under a quantisation.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sizer/memory/quantization.hpp>
#include <sizer/memory/recipe.hpp>
#include <sizer/memory/tensors.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/family.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

struct tensor_size {
  bytes whole;          ///< one tensor
  bytes row;            ///< one row of it
  bool packed = false;  ///< in a format outside ggml
};

/// Adds the matrices of a group's category to a position.
constexpr void advance_by(layer_position& at, recipe_category c) noexcept {
  if (is_value_like(c)) ++at.value;
  if (c == recipe_category::ffn_gate) ++at.gate;
  if (c == recipe_category::ffn_up) ++at.up;
  if (c == recipe_category::ffn_down) ++at.down;
}

/// The recipe applied to one model.
class recipe_state {
 public:
  recipe_state(const architecture& model, const tensor_inventory& inventory, const quantization& quant)
      : inventory_{inventory}, quant_{quant}, per_class_(inventory.classes.size()) {
    const model_shape& shape = model.shape;
    const family_traits family = traits_of(shape);
    const layer& first = model.layers.front();
    model_.falcon = family.falcon_rules;
    model_.tied = shape.tied_embeddings;
    model_.n_experts = shape.experts ? shape.experts->n_experts : 1;
    model_.gqa = grouping(shape, family, first);
    const std::int32_t heads = shape.n_heads.empty() ? 0 : shape.n_heads.front();
    const std::int32_t kv_heads = shape.n_kv_heads.empty() ? heads : shape.n_kv_heads.front();
    model_.called_70b = family.layers_of_70b > 0 && shape.n_layers == family.layers_of_70b &&
                        (family.name != "llama" || heads != kv_heads);
    model_.n_blocks = static_cast<std::int32_t>(inventory.class_of_layer.size());
    for (const tensor_group& group : inventory.groups) {
      if (group.layer_class == tensor_group::no_class || !group.quantisable()) continue;
      const recipe_category c = info(group.kind).category;
      if (is_value_like(c)) model_.n_value += inventory.tensors_in(group);
      if (counts(c)) advance_by(per_class_[group.layer_class], c);
    }
  }

  [[nodiscard]] const recipe_model& model() const noexcept { return model_; }

  /// True when layers of one class may give this tensor different types.
  [[nodiscard]] bool depends_on_layer(const tensor_group& group) const noexcept {
    return info(quant_.mix).layout == packing::gguf && group.quantisable() &&
           varies_by_layer(quant_, info(group.kind).category);
  }

  /// Position of the group's tensor in the first block of the model, behind those of its category in the same block.
  [[nodiscard]] layer_position first_position(const tensor_group& group) const noexcept {
    layer_position at;
    for (const tensor_group& earlier : inventory_.groups) {
      if (&earlier == &group) break;
      if (earlier.layer_class != group.layer_class || !earlier.quantisable()) continue;
      if (counts(info(earlier.kind).category)) advance_by(at, info(earlier.kind).category);
    }
    return at;
  }
  /// Moves a position past a block of that class.
  void advance(layer_position& at, std::uint16_t layer_class) const noexcept {
    const layer_position& step = per_class_[layer_class];
    ++at.layer;
    at.value += step.value;
    at.gate += step.gate;
    at.up += step.up;
    at.down += step.down;
  }

  /// Number format of the group's tensor at that position. Packed matrices report their 16-bit format.
  [[nodiscard]] ggml_type type_of(const tensor_group& group, const layer_position& at) const noexcept {
    const recipe_info& how = info(quant_.mix);
    const tensor_kind_info& kind = info(group.kind);
    if (how.layout == packing::plain) return how.base;
    if (how.layout == packing::gguf_experts) {
      if (!group.quantisable()) return kind.storage == tensor_storage::source ? sixteen_bits() : ggml_type::f32;
      return group.use == tensor_use::expert ? how.base : sixteen_bits();
    }
    if (how.layout == packing::linear_ggml) {
      const bool whole_blocks = group.ne[0] % info(how.base).block == 0;
      return is_linear(group) && whole_blocks ? how.base : ggml_type::bf16;
    }
    if (how.layout != packing::gguf) return how.base;

    if (how.base == ggml_type::f32) return ggml_type::f32;
    if (!group.quantisable()) return kind.storage == tensor_storage::source ? sixteen_bits() : ggml_type::f32;
    if (info(how.base).block == 1) {  // the converter keeps this small matrix in F32; llama-quantize does not
      return group.kind == tensor_kind::indexer_proj ? ggml_type::f32 : how.base;
    }
    return fallback_type(wanted(group, at), group.ne[0]);
  }

  /// What a GGUF mix gives a quantisable matrix before the shape fallback.
  [[nodiscard]] ggml_type wanted(const tensor_group& group, const layer_position& at) const noexcept {
    return wanted_type(quant_, model_, info(group.kind).category, group.ne[0], group.ne[2] > 1, at);
  }

  /// A matrix that is neither an embedding nor the head.
  [[nodiscard]] static constexpr bool is_linear(const tensor_group& group) noexcept {
    const recipe_category c = info(group.kind).category;
    return group.quantisable() && c != recipe_category::token_embedding && c != recipe_category::output;
  }

 private:
  [[nodiscard]] ggml_type sixteen_bits() const noexcept {
    return quant_.mix == recipe::f16 || quant_.mix == recipe::mxfp4_f16 ? ggml_type::f16 : ggml_type::bf16;
  }

  /// Before 2026-03-10 the running number of value matrices skipped fused ones.
  [[nodiscard]] bool counts(recipe_category c) const noexcept {
    return !is_value_like(c) || quant_.fused_qkv_as_value || c == recipe_category::attention_v;
  }

  /// llama.cpp's `n_gqa()` is that of the first layer; it is 0 where the file states 0 key-value heads there.
  static std::int32_t grouping(const model_shape& shape, const family_traits& family, const layer& first) noexcept {
    if (first.n_kv_heads > 0) return first.n_heads / first.n_kv_heads;
    if (family.kv_heads_per_layer || shape.n_heads.empty() || shape.n_kv_heads.empty()) return 0;
    if (shape.latent) return shape.n_heads.front();
    return shape.n_kv_heads.front() > 0 ? shape.n_heads.front() / shape.n_kv_heads.front() : 0;
  }

  const tensor_inventory& inventory_;
  quantization quant_;
  recipe_model model_;
  std::vector<layer_position> per_class_;  // matrices of each counted category in one block of the class
};

/// Smallest number of parts of that size which hold `n`.
constexpr count parts(count n, std::int64_t size) { return (n + size - 1) / size; }

inline tensor_size packed_size(const tensor_group& group, const recipe_info& how) {
  const count in = group.ne[0];
  const count out = count{group.ne[1]} * group.ne[2];
  const count elements = in * out;
  const auto done = [](count whole, count row) { return tensor_size{make_bytes(whole), make_bytes(row), true}; };
  switch (how.layout) {
    case packing::fp8_block: return done(elements + parts(in, 128) * parts(group.ne[1], 128) * group.ne[2] * 4, in);
    case packing::fp8_tensor: return done(elements + count{group.ne[2]} * 4, in);
    case packing::awq:
    case packing::gptq: {
      const count groups = parts(in, 128);
      const count index = how.layout == packing::gptq ? in * 4 * group.ne[2] : count{0};
      return done(parts(in, 8) * 4 * out + groups * out * 2 + groups * parts(group.ne[1], 8) * group.ne[2] * 4 + index,
                  0);
    }
    default: {
      const count row = in * how.bits / 8 + in / 64 * 4;
      return done(row * out, row);
    }
  }
}

/// Bytes of one tensor of the group in that type.
inline tensor_size size_of(const tensor_group& group, ggml_type type, const quantization& quant) {
  const recipe_info& how = info(quant.mix);
  const bool embeddings_too = how.layout == packing::mlx && group.quantisable() && group.ne[0] % 64 == 0;
  if (how.bits > 0 && (embeddings_too || (how.layout != packing::mlx && recipe_state::is_linear(group)))) {
    return packed_size(group, how);
  }
  const bytes row = make_bytes(type_bytes(type, group.ne[0]));
  return {row * count{group.ne[1]} * count{group.ne[2]}, row, false};
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
