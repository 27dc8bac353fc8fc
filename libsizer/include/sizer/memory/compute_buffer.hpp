#pragma once
/// @file
/// llama.cpp's compute buffers: the memory for everything between the weights and the logits.
///
/// llama.cpp reserves them once, for the worst micro-batch: min(context, n_ubatch) tokens, every cache full,
/// min(n_ubatch, n_outputs_max) tokens with logits. Which tensors live at the same time follows from the order of the
/// graph and from how ggml's allocator places them, so that order is followed here layer by layer
/// (memory/layer_graph.hpp) through the same placement rule (memory/graph_arena.hpp). A layer that starts from a state
/// already seen is not run again.
///
/// Output buffer: max(n_outputs at start, slots) x vocabulary x 4 bytes; at start one output per slot.
///
/// Checked bit for bit on all 772 contexts of tests/golden/data/llamacpp_memory.csv. Not in here: staging of host
/// weights by `op_offload` and backend work space (CUDA, Metal, Vulkan), copies for pipeline parallelism over several
/// cards, RWKV, AltUp, per-layer embeddings, sparse-attention indexers, encoders, adapters. Builds before mid
/// 2025 ordered the graph otherwise: memory/older_compute_buffer.hpp. Source: llama.cpp `src/llama-context.cpp`
/// (`sched_reserve`, `output_reserve`) at unslothai/llama.cpp@d32676d77426.

#include <sizer/engine/llama_cpp.hpp>
#include <sizer/memory/compute_graph.hpp>
#include <sizer/memory/llama_cpp_buffers.hpp>
#include <sizer/memory/older_compute_buffer.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Compute buffers of a context.
/// @param layout  `device` puts the last n_gpu_layers of the options on a device
/// @throws value_error on an option outside its range, or a graph that no machine could hold
[[nodiscard]] inline compute_buffers llama_cpp_compute_buffers(const architecture& model,
                                                               const llama_cpp_options& options,
                                                               llama_cpp_layout layout) {
  if (options.graph == llama_cpp_graph::before_2025_06) return older_llama_cpp_compute_buffers(model, options, layout);
  detail::compute_graph graph{model, options, layout == llama_cpp_layout::device};
  graph.run();
  const detail::graph_arena& device = graph.device();
  const detail::graph_arena& host = graph.host();
  compute_buffers result;
  result.device = make_bytes(device.peak());
  result.host = make_bytes(host.peak());
  // one output per slot until a batch asks for more
  result.output = make_bytes(count{options.n_seq_max} * model.shape.vocab_size * 4);
  result.moment = to_string(device.peak() >= host.peak() ? device.peak_moment() : host.peak_moment());
  return result;
}

}  // namespace v0
}  // namespace sizer
