#pragma once
/// @file
/// What a device holds of the host's weights while it works on a long prompt in the host's place.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <sizer/engine/llama_cpp.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/compute_buffer.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Bytes of the largest matrix of a block: of its routed experts, or of its other parts.
[[nodiscard]] inline bytes largest_matrix(const layer& block, const architecture& model, const layer_weights& weights,
                                          bool experts) {
  constexpr double gate_up_down = 3.0;
  if (experts) return make_bytes(static_cast<std::int64_t>(real(weights.routed).value() / gate_up_down));
  const double d = model.shape.d_model;
  const double attention = d * (2.0 * block.n_heads + 2.0 * block.n_kv_heads) * block.head_dim_k;
  const double wide = d * std::max<double>(block.d_ff, 1.0);
  const double all = attention + gate_up_down * wide;
  return make_bytes(static_cast<std::int64_t>(real(weights.total - weights.routed).value() * wide / all));
}

/// What the first device holds of the host's weights while it works on a long prompt in the host's place
/// (`--op-offload`, on by default): one matrix at a time. Logs of experts on the host show one or two (data of
/// tests/golden/data/placements.csv; Qwen3 235B in Q6_K: 774 MiB = 630 MiB of one expert matrix + 144 MiB).
[[nodiscard]] inline bytes staged_bytes(const architecture& model, const weights_by_type& weights,
                                        std::int64_t host_blocks, std::int64_t n_cpu_moe, backend where,
                                        const llama_cpp_options& options) {
  const bool takes_over = where == backend::cuda || where == backend::rocm || where == backend::vulkan;
  if (!takes_over || options.fork == llama_cpp_fork::ik_llama_cpp) return bytes{};
  bytes largest{};
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const auto block = static_cast<std::int64_t>(i);
    const bool whole = block < host_blocks;
    if (!whole && block >= n_cpu_moe) continue;
    const bool experts = weights.layers[i].routed > bytes{};
    if (experts || whole) {
      largest = std::max(largest, largest_matrix(model.layers[i], model, weights.layers[i], experts));
    }
  }
  return largest;
}

/// What staging adds to a device's compute buffer: it stands beside the feed-forward part, neither beside the scores of
/// attention nor beside the logits, which may be larger than both.
[[nodiscard]] inline bytes staging_beyond(const architecture& model, llama_cpp_options options, const bytes& graph,
                                          const bytes& staged) {
  if (staged == bytes{}) return bytes{};
  options.n_outputs_max = 1;
  options.flash_attention = true;
  const bytes with = llama_cpp_compute_buffers(model, options, llama_cpp_layout::device).device + staged;
  return with > graph ? with - graph : bytes{};
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
