#pragma once
/// @file
/// A part of a model as a model of its own: a run of blocks, their experts or all but their experts, the output head.
/// The speed of a placement is the time of its parts, one after the other.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/speed/prefill_work.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// What belongs to the part.
struct part_request {
  std::int64_t first = 0;  ///< block
  std::int64_t last = 0;   ///< block behind the last
  bool always = true;      ///< attention, norms, shared experts, dense feed-forward parts of these blocks
  /// Routed experts of these blocks from this block on.
  std::int64_t experts_from = 0;
  bool head = false;  ///< the output head, with what lies beside it
};

struct model_part {
  sizer::architecture architecture;
  weights_by_type weights;
};

/// The part, its weights by number format in the proportions of all blocks: recipes mix formats over the blocks so that
/// this is off by little. Parts that make up the model sum to its bytes.
[[nodiscard]] inline model_part part_of(const architecture& model, const weights_by_type& weights,
                                        const part_request& asked) {
  double always_all = 0.0;
  double always_here = 0.0;
  double routed_all = 0.0;
  double routed_here = 0.0;
  model_part part;
  part.architecture.shape = model.shape;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const double routed = real(weights.layers[i].routed).value();
    const double always = real(weights.layers[i].total).value() - routed;
    always_all += always;
    routed_all += routed;
    const auto index = static_cast<std::int64_t>(i);
    if (index < asked.first || index >= asked.last) continue;
    if (asked.always) always_here += always;
    const bool experts = index >= asked.experts_from;
    if (experts) routed_here += routed;
    // Experts alone are three matrices; the time of a layer's other operations is that of the part which has them.
    if (asked.always) part.architecture.layers.push_back(model.layers[i]);
    const bytes routed_bytes = experts ? weights.layers[i].routed : bytes{};
    const bytes always_bytes = asked.always ? weights.layers[i].total - weights.layers[i].routed : bytes{};
    part.weights.layers.push_back({always_bytes + routed_bytes, routed_bytes});
  }
  part.architecture.shape.n_layers = static_cast<std::int32_t>(part.architecture.layers.size());
  part.architecture.shape.n_mtp_layers = 0;
  if (!asked.head) part.architecture.shape.vocab_size = 0;

  const double elements = static_cast<double>(model.shape.d_model) * model.shape.vocab_size;
  const auto head_at = static_cast<std::size_t>(detail::head_type(weights, elements));
  const double always_share = always_all > 0.0 ? always_here / always_all : 0.0;
  const double routed_share = routed_all > 0.0 ? routed_here / routed_all : 0.0;
  const auto scaled = [](double amount, double share) { return make_bytes(static_cast<std::int64_t>(amount * share)); };
  const bool packed_head = weights.read_by_type[head_at] < weights.output_head;
  for (std::size_t i = 0; i < weights.read_by_type.size(); ++i) {
    const bytes head = i == head_at && !packed_head ? weights.output_head : bytes{};
    part.weights.read_by_type[i] = scaled(real(weights.read_by_type[i] - head).value(), always_share);
    if (asked.head) part.weights.read_by_type[i] += head;
    part.weights.routed_by_type[i] = scaled(real(weights.routed_by_type[i]).value(), routed_share);
  }
  const bytes head = packed_head ? std::min(weights.output_head, weights.read_packed) : bytes{};
  part.weights.read_packed = scaled(real(weights.read_packed - head).value(), always_share);
  if (asked.head) part.weights.read_packed += head;
  part.weights.routed_packed = scaled(real(weights.routed_packed).value(), routed_share);
  if (asked.head) part.weights.output_head = weights.output_head;
  return part;
}

/// The caches of the blocks [first, last) and the attention over them, without any weights.
[[nodiscard]] inline model_part cache_part_of(const architecture& model, std::int64_t first, std::int64_t last) {
  model_part part;
  part.architecture.shape = model.shape;
  part.architecture.shape.vocab_size = 0;
  part.architecture.shape.n_mtp_layers = 0;
  for (std::int64_t i = first; i < std::min<std::int64_t>(last, std::ssize(model.layers)); ++i) {
    layer block = model.layers[static_cast<std::size_t>(i)];
    block.feed_forward = feed_forward_kind::none;
    part.architecture.layers.push_back(block);
    part.weights.layers.emplace_back();
  }
  part.architecture.shape.n_layers = static_cast<std::int32_t>(part.architecture.layers.size());
  return part;
}

}  // namespace v0
}  // namespace sizer
