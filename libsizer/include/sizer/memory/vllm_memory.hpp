#pragma once
/// @file
/// Memory of a model under vLLM.

#include <string>

#include <sizer/engine/engine.hpp>
#include <sizer/memory/paged_memory.hpp>

namespace sizer {
inline namespace v0 {

/// Memory under vLLM: what must be resident for `parallel` sequences of `context` tokens. vLLM then gives the rest of
/// its share of the device to the KV pool, whatever the workload needs. Pages of block_size tokens and the
/// sliding-window rule are vLLM's KV cache manager (its documentation, 2026). Available is gpu_memory_utilization of
/// the usable memory.
[[nodiscard]] inline memory_breakdown vllm_memory(const architecture& model, const weights_by_type& weights,
                                                  const machine& machine, const workload& work,
                                                  const vllm_options& options, ggml_type kv_type) {
  detail::require_option("block_size", options.block_size, 1, 4096);
  detail::require_option("max_num_batched_tokens", options.max_num_batched_tokens, 1, 1'048'576);
  detail::require_option("max_num_seqs", options.max_num_seqs, 1, 65'536);
  if (options.release_year != 0) detail::require_option("release_year", options.release_year, 2023, 2100);
  if (!(options.gpu_memory_utilization > 0.0 && options.gpu_memory_utilization <= 1.0)) {
    throw value_error{"gpu_memory_utilization", std::to_string(options.gpu_memory_utilization), "above 0, at most 1"};
  }
  memory_breakdown memory;
  pool_usage pool;
  const device& target = machine.devices.front();
  const real_bytes share = real(detail::usable_bytes(target.memory)) * options.gpu_memory_utilization;
  pool.available = make_bytes(static_cast<std::int64_t>(number(share))) * count{target.count};
  pool.parts.weights = weights.total;
  pool.parts.kv_cache = detail::paged_kv_cache(model, work, kv_type, options.block_size, options.max_num_batched_tokens,
                                               memory.kv_bytes_per_token);
  pool.parts.recurrent_state = detail::state_of_sequences(model, work.parallel);
  const count logits = count{options.max_num_seqs} * model.shape.vocab_size * 4;
  pool.parts.compute_buffer = detail::activation_bytes(model, options.max_num_batched_tokens) + make_bytes(logits);
  memory.kv_cells = (count{work.context} * work.parallel).value();
  memory.compute_moment = "profile run";
  return detail::one_pool_memory(std::move(memory), pool, machine);
}

}  // namespace v0
}  // namespace sizer
