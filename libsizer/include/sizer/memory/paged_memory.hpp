#pragma once
/// @file
/// What vLLM and MLX have in common: a KV cache in pages and activations of one step. Neither has a dry run to copy;
/// the activation formula is derived from what must be held at once, and is marked so.

#include <algorithm>
#include <cstdint>

#include <sizer/memory/llama_cpp_memory.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Widest feed-forward activation of one token: gate and up together, over the experts it uses (elements).
[[nodiscard]] inline count widest_feed_forward(const architecture& model) {
  count widest = 0;
  for (const layer& block : model.layers) {
    if (block.feed_forward == feed_forward_kind::dense) widest = std::max(widest, count{2} * block.d_ff);
    if (block.feed_forward == feed_forward_kind::moe) {
      const expert_shape& e = *model.shape.experts;
      widest = std::max(widest, count{2} * (count{e.d_ff_expert} * e.n_experts_per_token + e.d_ff_shared));
    }
  }
  return widest;
}

/// Peak of one layer's 16-bit activations: residual, normed input, gate and up, and their product.
[[nodiscard]] inline bytes activation_bytes(const architecture& model, count tokens_at_once) {
  const count elements = widest_feed_forward(model) * 3 / 2 + count{2} * model.shape.d_model;
  return make_bytes(elements * tokens_at_once * 2);
}

/// KV cache of sequences of `context` tokens, each rounded up to pages; windowed layers stop at `window_extra` beyond
/// the window.
[[nodiscard]] inline bytes paged_kv_cache(const architecture& model, const workload& work, ggml_type type,
                                          std::int64_t page, std::int64_t window_extra, std::int64_t& per_token) {
  const auto paged = [page](std::int64_t n) { return (n + page - 1) / page * page; };
  bytes total{};
  per_token = 0;
  for (const layer& block : model.layers) {
    if (!block.owns_kv_cache) continue;
    const bytes row = kv_row_bytes(block, type, type, std::int64_t{block.n_kv_heads} * block.head_dim_v);
    std::int64_t kept = work.context;
    if (is_windowed(block.mixer)) {
      kept = std::min(kept, model.shape.sliding_window + window_extra);
    } else {
      per_token += number(row);
    }
    total += row * (count{paged(kept)} * work.parallel);
  }
  return total;
}

[[nodiscard]] inline bytes state_of_sequences(const architecture& model, std::int64_t sequences) {
  count elements = 0;
  for (const layer& block : model.layers) elements += recurrent_elements(model, block.mixer);
  return make_bytes(elements * 4 * sequences);
}

/// One pool that holds everything: these runtimes keep nothing in host memory that grows with the model.
[[nodiscard]] inline memory_breakdown one_pool_memory(memory_breakdown memory, pool_usage pool,
                                                      const machine& machine) {
  const device& target = machine.devices.front();
  memory.devices = target.backend == backend::cpu ? 1 : target.count;
  pool.name = shares_host_memory(target) ? "unified" : "device";
  sourced<bytes> context = runtime_overhead(target.backend);
  context.value *= count{memory.devices};
  add_overhead(memory, pool, "device context", std::move(context));
  return finish(std::move(memory), pool, {}, machine, true);
}

}  // namespace detail

}  // namespace v0
}  // namespace sizer
