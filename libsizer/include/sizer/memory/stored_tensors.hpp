#pragma once
/// @file
/// Weights as they lie in a model's files: every tensor with its exact bytes. Where they are known they replace the
/// inventory and the recipe.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <sizer/memory/tensor_kind.hpp>
#include <sizer/memory/tensors.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// What a stored tensor is for.
struct tensor_role {
  weight_part part = weight_part::dense;
  tensor_use use = tensor_use::whole;  ///< `tied` for the token embedding: a row where the model has its own head
  std::int32_t layer = -1;             ///< block it belongs to; -1: to none
  bool known = false;                  ///< false: the name is in no list; the role is guessed from pieces of it
  friend bool operator==(const tensor_role&, const tensor_role&) = default;
};

/// A tensor of a model's files.
struct stored_tensor {
  std::string name;
  std::string format;                          ///< as the file names it ("Q4_K", "BF16", "F8_E4M3")
  std::optional<ggml_type> type;               ///< empty: a format outside ggml
  std::array<std::int64_t, 4> ne{1, 1, 1, 1};  ///< elements, ne[0] the fastest
  bytes size{};                                ///< exact
  count parameters = 0;                        ///< weights it holds; 0: scales and other bookkeeping
  tensor_role role;
  friend bool operator==(const stored_tensor&, const stored_tensor&) = default;
};

namespace detail {

/// Adds stored tensors to the sums of `weights_by_type`.
class stored_sum {
 public:
  explicit stored_sum(const architecture& model) : model_{model} {
    sum_.layers.resize(model.layers.size() + static_cast<std::size_t>(model.shape.n_mtp_layers));
  }

  void add(const stored_tensor& tensor) {
    const auto layer = static_cast<std::size_t>(std::max(tensor.role.layer, 0));
    const bool in_block = tensor.role.layer >= 0;
    const bool predicts = in_block && layer >= model_.layers.size();
    const weight_part part = predicts ? weight_part::mtp : part_of(tensor);
    sum_.total += tensor.size;
    sum_.parameters += tensor.parameters;
    sum_.by_part[static_cast<std::size_t>(part)] += tensor.size;
    put(sum_.by_type, sum_.packed, tensor);
    if (in_block && layer < sum_.layers.size()) {
      sum_.layers[layer].total += tensor.size;
      if (part == weight_part::routed_expert) sum_.layers[layer].routed += tensor.size;
    }
    count_use(tensor, predicts ? tensor_use::unused : use_of(tensor));
  }

  [[nodiscard]] weights_by_type take() && { return std::move(sum_); }

 private:
  /// Linear attention has tensors that are named like attention's.
  [[nodiscard]] weight_part part_of(const stored_tensor& tensor) const {
    if (tensor.role.part != weight_part::attention || tensor.role.layer < 0) return tensor.role.part;
    const mixer_kind mixer = model_.layers[static_cast<std::size_t>(tensor.role.layer)].mixer;
    return is_recurrent(mixer) && !has_attention(mixer) ? weight_part::recurrent : tensor.role.part;
  }

  [[nodiscard]] tensor_use use_of(const stored_tensor& tensor) const {
    const tensor_use use = tensor.role.use;
    if (use == tensor_use::expert && !model_.shape.experts) return tensor_use::whole;
    if (use == tensor_use::tied && !model_.shape.tied_embeddings) return tensor_use::row;
    return use;
  }

  static void put(bytes_per_type& by_type, bytes& packed, const stored_tensor& tensor) {
    if (tensor.type) {
      by_type[static_cast<std::size_t>(*tensor.type)] += tensor.size;
    } else {
      packed += tensor.size;
    }
  }

  void count_use(const stored_tensor& tensor, tensor_use use) {
    switch (use) {
      case tensor_use::unused: return;
      case tensor_use::row: {
        const count rows = std::max<std::int64_t>(tensor.ne[1], 1);
        sum_.token_embedding += tensor.size;
        sum_.row += make_bytes(tensor.size.value() / rows);
        sum_.active += make_bytes(tensor.size.value() / rows);
        sum_.active_parameters += tensor.parameters / rows;
        return;
      }
      case tensor_use::expert: {
        const count n_experts = std::max(model_.shape.experts->n_experts, 1);
        const count used = model_.shape.experts->n_experts_per_token;
        put(sum_.routed_by_type, sum_.routed_packed, tensor);
        sum_.active += make_bytes(tensor.size.value() * used / n_experts);
        sum_.active_parameters += tensor.parameters * used / n_experts;
        return;
      }
      case tensor_use::tied:
        sum_.token_embedding += tensor.size;
        sum_.output_head += tensor.size;
        break;
      case tensor_use::whole:
        if (tensor.role.part == weight_part::output && tensor.ne[1] > 1) sum_.output_head += tensor.size;
        break;
    }
    put(sum_.read_by_type, sum_.read_packed, tensor);
    sum_.active += tensor.size;
    sum_.active_parameters += tensor.parameters;
  }

  const architecture& model_;
  weights_by_type sum_;
};

}  // namespace detail

/// Sums stored tensors as weights(model, quantisation) sums predicted ones. Blocks behind `model`'s last one are taken
/// as multi-token prediction, and tensors of no block as read whole by every token.
/// @throws value_error when a size overflows 64 bits
[[nodiscard]] inline weights_by_type weights(const architecture& model, std::span<const stored_tensor> tensors) {
  detail::stored_sum sum{model};
  for (const stored_tensor& tensor : tensors) sum.add(tensor);
  return std::move(sum).take();
}

}  // namespace v0
}  // namespace sizer
