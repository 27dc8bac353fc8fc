#pragma once
/// @file
/// Which blocks of a model lie on which site, as llama.cpp places them: the first blocks on the host, then a run of
/// blocks on each device in order, the output head behind the last of them; the token embedding stays on the host.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sizer/engine/llama_cpp.hpp>
#include <sizer/engine/runtime_overhead.hpp>
#include <sizer/error.hpp>
#include <sizer/memory/breakdown.hpp>
#include <sizer/memory/compute_buffer.hpp>
#include <sizer/memory/kv_cache.hpp>
#include <sizer/memory/llama_cpp_memory.hpp>
#include <sizer/memory/recurrent_state.hpp>
#include <sizer/memory/staged_weights.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/placement/site.hpp>

namespace sizer {
inline namespace v0 {

/// Blocks by site. Multi-token-prediction blocks of the file count as blocks, behind the others.
struct placement {
  std::int64_t host_blocks = 0;             ///< first blocks, wholly on the host
  std::vector<std::int64_t> device_blocks;  ///< then on each device site, in order
  std::int64_t n_cpu_moe = 0;               ///< first blocks whose routed experts are on the host
  std::int64_t head_device = 0;             ///< device site of the output head; -1: on the host

  [[nodiscard]] std::int64_t blocks() const noexcept {
    std::int64_t sum = host_blocks;
    for (const std::int64_t n : device_blocks) sum += n;
    return sum;
  }
  /// llama.cpp's `--n-gpu-layers`: blocks on devices, and the head.
  [[nodiscard]] std::int64_t n_gpu_layers() const noexcept { return head_device < 0 ? 0 : blocks() - host_blocks + 1; }
  /// llama.cpp's `--tensor-split`: layers of each device, the head counted with its device.
  [[nodiscard]] std::vector<std::int64_t> tensor_split() const {
    std::vector<std::int64_t> split = device_blocks;
    if (head_device >= 0) ++split.at(static_cast<std::size_t>(head_device));
    return split;
  }
  friend bool operator==(const placement&, const placement&) = default;
};

/// All blocks of a model that a file holds.
[[nodiscard]] inline std::int64_t blocks_of(const architecture& model) noexcept {
  return std::int64_t{model.shape.n_layers} + model.shape.n_mtp_layers;
}

/// The placement that options of llama.cpp ask for on one device.
[[nodiscard]] inline placement placement_of(const architecture& model, const llama_cpp_options& options) {
  placement p;
  const std::int64_t blocks = blocks_of(model);
  const std::int64_t first = detail::first_device_layer(model, options);
  p.host_blocks = std::min(first, blocks);
  p.device_blocks = {blocks - p.host_blocks};
  p.n_cpu_moe = std::min(options.n_cpu_moe, blocks);
  p.head_device = first <= blocks ? 0 : -1;
  return p;
}

/// The options of llama.cpp that make a placement.
[[nodiscard]] inline llama_cpp_options with_placement(llama_cpp_options options, const placement& p) {
  options.n_gpu_layers = p.host_blocks == 0 && p.head_device >= 0 ? -1 : p.n_gpu_layers();
  options.n_cpu_moe = p.n_cpu_moe;
  return options;
}

/// Copies of the inputs that llama.cpp keeps while several devices work on successive ubatches
/// (`GGML_SCHED_MAX_COPIES`): 4 with several devices that have all blocks and their caches, else 1. Source: llama.cpp
/// `src/llama-context.cpp` (pipeline parallelism) at unslothai/llama.cpp@d32676d77426.
[[nodiscard]] inline std::int64_t input_copies(const placement& p, const std::vector<site>& sites,
                                               const llama_cpp_options& options) {
  std::int64_t used = 0;
  for (std::size_t d = 0; d < p.device_blocks.size(); ++d) {
    if (p.device_blocks[d] == 0) continue;
    ++used;
    const backend b = sites[d].where.devices.front().backend;
    if (b != backend::cuda && b != backend::rocm) return 1;
  }
  const bool all = p.host_blocks == 0 && p.n_cpu_moe == 0 && p.head_device >= 0 && options.offload_kqv;
  return used > 1 && all && options.split_mode == split_mode::layer ? 4 : 1;
}

namespace detail {

/// Inputs of the graph that a device keeps a copy of: masks, positions, cache indices, and the hidden rows that the
/// device before it sends (graph_inputs.hpp has their sizes; the small ones are left out).
[[nodiscard]] inline bytes copied_input_bytes(const architecture& model, const llama_cpp_options& options) {
  const llama_cpp_context c = resolve(options, model);
  const count tokens = std::min(c.n_ctx, c.n_ubatch);
  const count element = options.flash_attention ? 2 : 4;
  count total = tokens * model.shape.d_model * 4;
  bool full = false;
  bool windowed = false;
  for (const layer& block : model.layers) {
    if (!has_attention(block.mixer)) continue;
    (is_windowed(block.mixer) ? windowed : full) = true;
  }
  if (full) total += tokens * c.cells * element;
  if (windowed) total += tokens * c.window_cells * element;
  return make_bytes(total);
}

}  // namespace detail

/// Bytes of each block of a model on whatever site it lies, and what does not belong to a block.
struct block_bytes {
  std::vector<bytes> weights;  ///< of each block, experts included
  std::vector<bytes> routed;   ///< part of `weights` in routed experts
  std::vector<bytes> cache;    ///< KV cache and recurrent state
  std::vector<bytes> state;    ///< part of `cache` that is recurrent state
  bytes head{};                ///< output head and what lies beside it
  bytes head_copy{};           ///< part of `head` that the host holds as well: a tied embedding
  bytes embedding{};           ///< on the host in any case
};

/// @throws value_error on options that llama.cpp refuses
[[nodiscard]] inline block_bytes bytes_by_block(const architecture& model, const weights_by_type& weights,
                                                const llama_cpp_options& options) {
  block_bytes by;
  const std::size_t n = weights.layers.size();
  bytes in_layers{};
  for (const layer_weights& block : weights.layers) {
    by.weights.push_back(block.total);
    by.routed.push_back(block.routed);
    in_layers += block.total;
  }
  by.head = weights.total - in_layers - weights.token_embedding;
  if (model.shape.tied_embeddings) {
    by.head += weights.output_head;
    by.head_copy = weights.output_head;
  }
  by.embedding = weights.token_embedding;
  // What lies behind each block, by difference: the rules of the caches stay in one place.
  llama_cpp_options placed = options;
  placed.offload_kqv = true;
  bytes cache_behind{};
  bytes state_behind{};
  by.cache.resize(n);
  by.state.resize(n);
  for (std::size_t i = n; i-- > 0;) {
    placed.n_gpu_layers = static_cast<std::int64_t>(n - i) + 1;
    const bytes state = llama_cpp_recurrent_state(model, placed).on_device;
    const bytes cache = llama_cpp_kv_cache(model, placed).on_device;
    by.state[i] = state - state_behind;
    by.cache[i] = cache - cache_behind + by.state[i];
    state_behind = state;
    cache_behind = cache;
  }
  return by;
}

namespace detail {

/// Compute buffer of one device of a placement. A device in front of the last one makes no logits.
[[nodiscard]] inline bytes device_compute_buffer(const architecture& model, llama_cpp_options options, bool has_head,
                                                 std::int64_t copies) {
  if (!has_head) options.n_outputs_max = 1;
  const bytes graph = llama_cpp_compute_buffers(model, options, llama_cpp_layout::device).device;
  return graph + copied_input_bytes(model, options) * count{copies - 1};
}

}  // namespace detail

/// Memory of each site of a placement, in the order of the sites.
/// @param sites    of one machine (sites_of); those of devices as many as the placement has
/// @param options  of llama.cpp; what they say about placement is replaced by `p`
/// @throws value_error on options that llama.cpp refuses, or a placement that is not of this model
[[nodiscard]] inline std::vector<pool_usage> placed_memory(const architecture& model, const weights_by_type& weights,
                                                           const std::vector<site>& sites, const placement& p,
                                                           const llama_cpp_options& options) {
  const std::size_t n_devices = device_sites(sites);
  if (p.device_blocks.size() != n_devices) {
    throw value_error{"placement", std::to_string(p.device_blocks.size()) + " devices",
                      std::to_string(n_devices) + ", as the machine has"};
  }
  if (p.blocks() != static_cast<std::int64_t>(weights.layers.size())) {
    throw value_error{"placement", std::to_string(p.blocks()) + " blocks",
                      std::to_string(weights.layers.size()) + ", as the model has"};
  }
  const llama_cpp_options placed = with_placement(options, p);
  const block_bytes by = bytes_by_block(model, weights, options);
  const std::int64_t copies = input_copies(p, sites, options);
  const bytes staged = detail::staged_bytes(model, weights, p.host_blocks, p.n_cpu_moe,
                                            sites.front().where.devices.front().backend, options);

  std::vector<pool_usage> pools(sites.size());
  for (std::size_t s = 0; s < sites.size(); ++s) {
    pools[s].name = sites[s].is_host ? "host" : sites[s].where.devices.front().memory.unified ? "unified" : "device";
    pools[s].available = sites[s].available;
    pools[s].available_known = sites[s].available_known;
  }
  pool_usage& host = sites.back().is_host ? pools.back() : pools.front();
  const auto add_block = [&](pool_usage& pool, std::size_t i, bool experts) {
    pool.parts.weights += by.weights[i] - by.routed[i];
    (experts ? pool : host).parts.weights += by.routed[i];
    pool_usage& cached = options.offload_kqv ? pool : host;
    cached.parts.kv_cache += by.cache[i] - by.state[i];
    cached.parts.recurrent_state += by.state[i];
  };
  std::size_t block = 0;
  for (; block < static_cast<std::size_t>(p.host_blocks); ++block) add_block(host, block, true);
  for (std::size_t d = 0; d < n_devices; ++d) {
    const bool has_head = p.head_device == static_cast<std::int64_t>(d);
    for (std::int64_t i = 0; i < p.device_blocks[d]; ++i, ++block) {
      add_block(pools[d], block, static_cast<std::int64_t>(block) >= p.n_cpu_moe);
    }
    if (p.device_blocks[d] == 0 && !has_head) continue;
    if (has_head) pools[d].parts.weights += by.head;
    const bytes graph = detail::device_compute_buffer(model, placed, has_head, copies);
    pools[d].parts.compute_buffer += graph;
    if (d == 0) pools[d].parts.overhead += detail::staging_beyond(model, placed, graph, staged);
    pools[d].parts.overhead += runtime_overhead(sites[d].where.devices.front().backend).value;
  }
  host.parts.weights += by.embedding;
  if (p.head_device < 0) {
    const bytes vision = weights.part(weight_part::vision);  // an encoder runs on a device all the same
    host.parts.weights += by.head - by.head_copy - vision;
    pools.front().parts.weights += vision;
  } else if (sites.front().where.devices.front().backend == backend::metal) {
    host.parts.weights -= by.head_copy;  // Metal maps the file's pages for both sides
  }
  const compute_buffers compute = llama_cpp_compute_buffers(model, placed, llama_cpp_layout::device);
  host.parts.compute_buffer += compute.host;
  host.parts.overhead += compute.output;
  for (pool_usage& pool : pools) {
    if (!pool.available_known) pool.available = pool.parts.total();
  }
  return pools;
}

}  // namespace v0
}  // namespace sizer
