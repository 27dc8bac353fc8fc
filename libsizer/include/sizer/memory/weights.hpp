#pragma once
/// @file
/// Exact bytes of a model's weights: inventory x recipe x block layouts.

#include <array>
#include <cstdint>
#include <vector>

#include <sizer/memory/inventory.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/memory/recipe.hpp>
#include <sizer/memory/tensor_size.hpp>
#include <sizer/memory/tensors.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Bytes per ggml type, indexed by the enumerator.
using bytes_per_type = std::array<bytes, ggml_types.size()>;

/// Weights of one block, for placement.
struct layer_weights {
  bytes total;
  bytes routed;  ///< part of `total` in routed experts
};

/// Exact weights of a model in one quantisation. All sums are 64-bit and checked.
struct weights_by_type {
  bytes total;
  bytes_per_type by_type{};       ///< every tensor; sums to `total` minus `packed`
  bytes packed;                   ///< in a format outside ggml (FP8, AWQ, GPTQ, MLX), scales included
  bytes_per_type read_by_type{};  ///< read whole by every decoded token (not embeddings rows, routed experts, MTP)
  bytes read_packed;
  bytes_per_type routed_by_type{};  ///< routed experts, all of them
  bytes routed_packed;

  bytes token_embedding;  ///< embedding tables; a token reads one row of each, unless the first is also the head
  bytes output_head;  ///< the matrix the logits are made with; with tied embeddings, the same bytes as the embedding
  bytes row;          ///< bytes a token looks up in the embedding tables that are not the head
  std::array<bytes, weight_part_count> by_part{};  ///< sums to `total`; index with the enumerator of weight_part

  bytes active;  ///< touched by one decoded token at batch 1: read + row + the experts used
  count parameters = 0;
  count active_parameters = 0;
  std::vector<layer_weights> layers;  ///< one per block, multi-token-prediction blocks last

  [[nodiscard]] bytes part(weight_part p) const noexcept { return by_part[static_cast<std::size_t>(p)]; }
  /// Routed experts together. They are what expert offload moves.
  [[nodiscard]] bytes routed() const noexcept { return part(weight_part::routed_expert); }
  /// Average bits of a weight.
  [[nodiscard]] double bits_per_weight() const noexcept {
    return parameters.value() == 0 ? 0.0 : 8.0 * real(total).value() / parameters.real();
  }
};

namespace detail {

inline void add(bytes_per_type& table, ggml_type type, const bytes& amount) {
  table[static_cast<std::size_t>(type)] += amount;
}

/// Linear attention has tensors that are named like attention's.
inline weight_part part_of(const tensor_group& group, const tensor_inventory& inventory) {
  if (group.use == tensor_use::unused) return weight_part::mtp;
  const weight_part part = info(group.kind).part;
  if (part != weight_part::attention || group.layer_class == tensor_group::no_class) return part;
  const mixer_kind mixer = inventory.classes[group.layer_class].block.mixer;
  return is_recurrent(mixer) && !has_attention(mixer) ? weight_part::recurrent : part;
}

/// Adds `n` tensors of one size and type to the sums.
inline void account(weights_by_type& sum, const tensor_group& group, weight_part part, ggml_type type,
                    const tensor_size& size, count n, const architecture& model) {
  const bytes all = size.whole * n;
  const count elements = group.elements() * n;

  sum.total += all;
  sum.parameters += elements;
  sum.by_part[static_cast<std::size_t>(part)] += all;
  if (size.packed) {
    sum.packed += all;
  } else {
    add(sum.by_type, type, all);
  }

  switch (group.use) {
    case tensor_use::unused: break;
    case tensor_use::row:
      sum.token_embedding += all;
      sum.row += size.row * n;
      sum.active += size.row * n;
      sum.active_parameters += count{group.ne[0]} * n;
      break;
    case tensor_use::expert: {
      const expert_shape& experts = *model.shape.experts;
      const count used = experts.n_experts_per_token;
      if (size.packed) {
        sum.routed_packed += all;
      } else {
        add(sum.routed_by_type, type, all);
      }
      sum.active += make_bytes(all.value() / experts.n_experts * used);
      sum.active_parameters += elements / experts.n_experts * used;
      break;
    }
    case tensor_use::tied:
    case tensor_use::whole:
      if (group.use == tensor_use::tied) sum.token_embedding += all;
      if (group.use == tensor_use::tied || group.kind == tensor_kind::output) sum.output_head += all;
      if (size.packed) {
        sum.read_packed += all;
      } else {
        add(sum.read_by_type, type, all);
      }
      sum.active += all;
      sum.active_parameters += elements;
      break;
  }
}

inline void add_to_layer(layer_weights& layer, const tensor_group& group, const bytes& amount) {
  layer.total += amount;
  if (info(group.kind).part == weight_part::routed_expert) layer.routed += amount;
}

/// Adds a group whose type depends on the layer. The few types that come up are sized once each.
inline void account_by_layer(weights_by_type& sum, const tensor_group& group, const tensor_inventory& inventory,
                             const recipe_state& state, const quantization& quant, const architecture& model) {
  struct seen_type {
    ggml_type wanted{};  // before the shape fallback
    ggml_type type{};
    tensor_size size;
    std::int32_t n_layers = 0;
  };
  std::array<seen_type, 4> seen;  // no rule gives one kind of tensor more than three types in a model
  std::size_t n_seen = 0;
  layer_position position = state.first_position(group);
  for (std::size_t i = 0; i < inventory.class_of_layer.size(); ++i) {
    if (inventory.class_of_layer[i] == group.layer_class) {
      const ggml_type wanted = state.wanted(group, position);
      std::size_t k = 0;
      while (k < n_seen && seen[k].wanted != wanted) ++k;
      if (k == n_seen) {
        const ggml_type type = fallback_type(wanted, group.ne[0]);
        seen.at(n_seen++) = {wanted, type, size_of(group, type, quant), 0};
      }
      ++seen[k].n_layers;
      add_to_layer(sum.layers[i], group, seen[k].size.whole);
    }
    state.advance(position, inventory.class_of_layer[i]);
  }
  const weight_part part = part_of(group, inventory);
  for (std::size_t k = 0; k < n_seen; ++k) {
    account(sum, group, part, seen[k].type, seen[k].size, seen[k].n_layers, model);
  }
}

}  // namespace detail

/// Exact bytes of the model's weights in that quantisation.
/// @throws value_error when a size overflows 64 bits
[[nodiscard]] inline weights_by_type weights(const architecture& model, const tensor_inventory& inventory,
                                             const quantization& quant) {
  const detail::recipe_state state{model, inventory, quant};
  weights_by_type sum;
  sum.layers.resize(inventory.class_of_layer.size());
  std::vector<layer_weights> per_class(inventory.classes.size());  // what is the same in every layer of a class

  for (const tensor_group& group : inventory.groups) {
    if (group.layer_class == tensor_group::no_class) {
      const ggml_type type = state.type_of(group, {});
      detail::account(sum, group, detail::part_of(group, inventory), type, detail::size_of(group, type, quant), 1,
                      model);
      continue;
    }
    if (!state.depends_on_layer(group)) {
      const ggml_type type = state.type_of(group, {});
      const detail::tensor_size size = detail::size_of(group, type, quant);
      detail::account(sum, group, detail::part_of(group, inventory), type, size, inventory.tensors_in(group), model);
      detail::add_to_layer(per_class[group.layer_class], group, size.whole);
      continue;
    }
    detail::account_by_layer(sum, group, inventory, state, quant, model);
  }
  for (std::size_t i = 0; i < sum.layers.size(); ++i) {
    sum.layers[i].total += per_class[inventory.class_of_layer[i]].total;
    sum.layers[i].routed += per_class[inventory.class_of_layer[i]].routed;
  }
  return sum;
}

/// Exact bytes of the model's weights in that quantisation.
/// @throws value_error when a size overflows 64 bits
[[nodiscard]] inline weights_by_type weights(const architecture& model, const quantization& quant) {
  return weights(model, tensor_inventory_of(model), quant);
}

}  // namespace v0
}  // namespace sizer
