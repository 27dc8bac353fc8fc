#pragma once
/// @file
/// Memory of a model under MLX (mlx-lm).

#include <sizer/engine/engine.hpp>
#include <sizer/memory/paged_memory.hpp>

namespace sizer {
inline namespace v0 {

/// Memory under MLX: the cache grows in steps of 256 tokens (mlx-lm `KVCache.step`), sliding-window layers rotate
/// inside the window, the prompt is read prefill_step_size tokens at a time.
[[nodiscard]] inline memory_breakdown mlx_memory(const architecture& model, const weights_by_type& weights,
                                                 const machine& machine, const workload& work,
                                                 const mlx_options& options, ggml_type kv_type) {
  detail::require_option("prefill_step_size", options.prefill_step_size, 1, 1'048'576);
  memory_breakdown memory;
  pool_usage pool;
  const device& target = machine.devices.front();
  pool.available = detail::usable_bytes(target.memory) * count{target.count};
  pool.parts.weights = weights.total;
  pool.parts.kv_cache =
      detail::paged_kv_cache(model, work, kv_type, 256, options.prefill_step_size, memory.kv_bytes_per_token);
  pool.parts.recurrent_state = detail::state_of_sequences(model, work.parallel);
  const count logits = count{work.batch} * model.shape.vocab_size * 4;
  pool.parts.compute_buffer = detail::activation_bytes(model, options.prefill_step_size) + make_bytes(logits);
  memory.kv_cells = (count{work.context} * work.parallel).value();
  memory.compute_moment = "prefill step";
  return detail::one_pool_memory(std::move(memory), pool, machine);
}

}  // namespace v0
}  // namespace sizer
