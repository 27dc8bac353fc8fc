#pragma once
/// @file
/// The tensor inventory of a model: every tensor with its shape, run-length over layers. Layers whose tensors are alike
/// form a class, so a model of 126 layers has about 15 groups, not 1,500 tensors.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/memory/tensor_kind.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// How much of a tensor one decoded token reads.
enum class tensor_use : std::uint8_t {
  whole,
  row,     ///< one row (an embedding table that is only looked up)
  tied,    ///< whole, as the output head; also looked up by row
  expert,  ///< the experts that the token is routed to
  unused   ///< nothing (multi-token prediction blocks in plain decoding)
};

/// One tensor, or the same tensor in every layer of a class.
struct tensor_group {
  static constexpr std::uint16_t no_class = UINT16_MAX;

  tensor_kind kind{};
  tensor_use use = tensor_use::whole;
  std::uint8_t n_dims = 1;
  std::uint16_t layer_class = no_class;     ///< index into `tensor_inventory::classes`; no_class: once per model
  std::array<std::int64_t, 3> ne{1, 1, 1};  ///< elements along each dimension; ne[0] is a row

  /// Elements of one tensor. @throws value_error on 64-bit overflow
  [[nodiscard]] constexpr count elements() const { return count{ne[0]} * ne[1] * ne[2]; }
  /// True when the recipe may choose its type: a matrix (more than one dimension longer than 1) of a quantisable kind.
  [[nodiscard]] constexpr bool quantisable() const noexcept {
    return info(kind).storage == tensor_storage::quantised && (ne[1] > 1 || ne[2] > 1);
  }
};

/// Blocks whose tensors have the same shapes.
struct layer_class {
  layer block;
  bool is_mtp = false;
  std::int32_t n_layers = 0;  ///< blocks in the class
};

struct tensor_inventory {
  std::vector<tensor_group> groups;  ///< tensors of the model first, then class by class
  std::vector<layer_class> classes;
  std::vector<std::uint16_t> class_of_layer;  ///< one per block, multi-token-prediction blocks last

  /// Tensors in a group.
  [[nodiscard]] std::int32_t tensors_in(const tensor_group& group) const noexcept {
    return group.layer_class == tensor_group::no_class ? 1 : classes[group.layer_class].n_layers;
  }
  /// All elements of all tensors. @throws value_error on 64-bit overflow
  [[nodiscard]] count parameters() const {
    count total = 0;
    for (const tensor_group& group : groups) total += group.elements() * tensors_in(group);
    return total;
  }
};

/// GGUF name of a tensor, with the layer number where the kind has one.
[[nodiscard]] inline std::string tensor_name(tensor_kind kind, std::int32_t layer_index) {
  constexpr std::string_view prefix = "blk.N.";
  const std::string_view pattern = info(kind).name;
  if (!pattern.starts_with(prefix)) return std::string{pattern};
  return "blk." + std::to_string(layer_index) + "." + std::string{pattern.substr(prefix.size())};
}

}  // namespace v0
}  // namespace sizer
