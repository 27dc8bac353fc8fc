#pragma once
/// @file
/// Memory of a model under llama.cpp (and Ollama and LM Studio, which run it), pool by pool.

#include <cstdint>

#include <sizer/engine/llama_cpp.hpp>
#include <sizer/engine/runtime_overhead.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/breakdown.hpp>
#include <sizer/memory/compute_buffer.hpp>
#include <sizer/memory/kv_cache.hpp>
#include <sizer/memory/recurrent_state.hpp>
#include <sizer/memory/staged_weights.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {

/// Weights by place. The token embedding stays on the host, where rows of it are looked up; a tied output head is then
/// a second copy of it on the device.
struct placed_weights {
  bytes device{};
  bytes host{};
  bytes copied{};  ///< counted in both: the tied embedding
};

/// Which weights llama.cpp keeps where: blocks from the last backwards on the device (the output head counts as one
/// layer), experts of the first n_cpu_moe blocks on the host.
/// Source: llama.cpp `src/llama-model.cpp` (layer placement) at unslothai/llama.cpp@d32676d77426.
[[nodiscard]] inline placed_weights place_weights(const architecture& model, const weights_by_type& weights,
                                                  const llama_cpp_options& options) {
  const std::int64_t first = detail::first_device_layer(model, options);
  bytes in_layers{};
  bytes on_device{};
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const layer_weights& block = weights.layers[i];
    in_layers += block.total;
    if (index < first) continue;
    on_device += block.total;
    if (index < options.n_cpu_moe) on_device -= block.routed;
  }
  placed_weights placed;
  const bool head_on_device = first <= static_cast<std::int64_t>(weights.layers.size());
  if (head_on_device) {
    on_device += weights.total - in_layers - weights.token_embedding;
    if (model.shape.tied_embeddings) {
      on_device += weights.output_head;
      placed.copied = weights.output_head;
    }
  } else {
    on_device += weights.part(weight_part::vision);  // an encoder runs there however few of the model's layers do
  }
  placed.device = on_device;
  placed.host = weights.total + placed.copied - on_device;
  return placed;
}

namespace detail {

[[nodiscard]] inline bytes usable_bytes(const memory_pool& pool) { return pool.usable.value; }

/// True when the model's device and the host draw on one memory.
[[nodiscard]] inline bool shares_host_memory(const device& d) { return d.memory.unified || d.backend == backend::cpu; }

inline void add_overhead(memory_breakdown& memory, pool_usage& pool, std::string_view name, sourced<bytes> amount) {
  if (amount.value == bytes{}) return;
  pool.parts.overhead += amount.value;
  memory.overhead.push_back({name, std::move(amount)});
}

/// Sums the pools into the breakdown.
[[nodiscard]] inline memory_breakdown finish(memory_breakdown memory, pool_usage device_pool, pool_usage host_pool,
                                             const machine& machine, bool one_pool) {
  if (one_pool) {
    device_pool.parts = device_pool.parts + host_pool.parts;
    memory.available = device_pool.available;
    memory.parts = device_pool.parts;
    memory.pools.push_back(device_pool);
    return memory;
  }
  const bytes host_bytes = host_pool.parts.total();
  host_pool.available_known = machine.host_memory.has_value();
  host_pool.available = host_pool.available_known ? usable_bytes(*machine.host_memory) : host_bytes;
  memory.parts = device_pool.parts + host_pool.parts;
  memory.available = device_pool.available + std::min(host_pool.available, host_bytes);
  memory.pools.push_back(device_pool);
  memory.pools.push_back(host_pool);
  return memory;
}

}  // namespace detail

/// Memory of a model on the machine's first device (all of its count, layers split evenly between them).
/// @throws value_error on options that llama.cpp refuses
[[nodiscard]] inline memory_breakdown llama_cpp_memory(const architecture& model, const weights_by_type& weights,
                                                       const machine& machine, const llama_cpp_options& options) {
  const device& target = machine.devices.front();
  const bool host_only = target.backend == backend::cpu;
  const bool one_pool = detail::shares_host_memory(target);
  const kv_cache_bytes cache = llama_cpp_kv_cache(model, options);
  const recurrent_state_bytes state = llama_cpp_recurrent_state(model, options);
  const compute_buffers compute =
      llama_cpp_compute_buffers(model, options, host_only ? llama_cpp_layout::host_only : llama_cpp_layout::device);

  memory_breakdown memory;
  memory.devices = host_only ? 1 : target.count;
  memory.kv_cells = cache.cells * cache.n_streams;
  memory.compute_moment = compute.moment;
  for (const layer& block : model.layers) {
    if (!block.owns_kv_cache || is_windowed(block.mixer)) continue;
    memory.kv_bytes_per_token +=
        number(kv_row_bytes(block, options.type_k, options.type_v, std::int64_t{block.n_kv_heads} * block.head_dim_v));
  }

  pool_usage device_pool;
  device_pool.name = one_pool ? "unified" : "device";
  device_pool.available = detail::usable_bytes(target.memory) * count{target.count};
  pool_usage host_pool;
  host_pool.name = "host";

  if (host_only) {
    device_pool.name = "host";
    device_pool.parts.weights = weights.total;
    device_pool.parts.kv_cache = cache.total();
    device_pool.parts.recurrent_state = state.total;
    device_pool.parts.compute_buffer = compute.device + compute.host;
  } else {
    const placed_weights placed = place_weights(model, weights, options);
    device_pool.parts.weights = placed.device;
    host_pool.parts.weights = placed.host - placed.copied;
    device_pool.parts.kv_cache = cache.on_device;
    host_pool.parts.kv_cache = cache.total() - cache.on_device;
    device_pool.parts.recurrent_state = state.on_device;
    host_pool.parts.recurrent_state = state.total - state.on_device;
    device_pool.parts.compute_buffer = compute.device * count{memory.devices};
    host_pool.parts.compute_buffer = compute.host;
    // Metal maps the file's pages for both sides, so the tied embedding is there once.
    if (target.backend != backend::metal) {
      detail::add_overhead(
          memory, host_pool, "host copy of the tied embedding",
          {placed.copied, figure_kind::derived, "llama-cpp-source", "the output head is the embedding"});
    }
    sourced<bytes> context = runtime_overhead(target.backend);
    context.value *= count{memory.devices};
    detail::add_overhead(memory, device_pool, "device context", std::move(context));
    const bytes staged = detail::staged_bytes(model, weights, detail::first_device_layer(model, options),
                                              options.n_cpu_moe, target.backend, options);
    detail::add_overhead(memory, device_pool, "host weights staged for prefill",
                         {detail::staging_beyond(model, options, compute.device, staged), figure_kind::derived,
                          "llama-cpp-source", "a matrix of the host's at a time (--op-offload)"});
  }
  detail::add_overhead(memory, host_only ? device_pool : host_pool, "logits kept for the caller",
                       {compute.output, figure_kind::derived, "llama-cpp-source", "slots x vocabulary x 4 bytes"});
  return detail::finish(std::move(memory), device_pool, host_pool, machine, one_pool);
}

}  // namespace v0
}  // namespace sizer
