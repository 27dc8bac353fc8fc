#pragma once
/// @file
/// llama.cpp's compute buffers in builds of 2023 to mid 2025, for reading their logs.
///
/// With U tokens of a ubatch, V vocabulary, H d_model, a query heads and N cells, the device's buffer is the larger of
///   logits                  4 U (V + H)
///   without flash attention 4 U (a N + N + 4 H)
/// and over several devices the inputs are kept in four copies, so that ubatches can follow each other:
///   + 4 x 4 U N + 2 x 4 U H
/// The host keeps the embedded tokens and an f32 mask: 4 U (H + N).
/// Source: public logs of those builds (tests/golden/kv_buffers_test.cpp compares); the pipeline's copies are
/// llama.cpp's `GGML_SCHED_MAX_COPIES`. Not in here: staging of host weights.

#include <algorithm>
#include <cstdint>

#include <sizer/engine/llama_cpp.hpp>
#include <sizer/memory/llama_cpp_buffers.hpp>
#include <sizer/memory/llama_cpp_context.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// @param n_devices  devices that the layers are split over
[[nodiscard]] inline compute_buffers older_llama_cpp_compute_buffers(const architecture& model,
                                                                     const llama_cpp_options& options,
                                                                     llama_cpp_layout layout,
                                                                     std::int64_t n_devices = 1) {
  const llama_cpp_context context = resolve(options, model);
  const count u = context.n_ubatch;
  const count h = model.shape.d_model;
  const count n = context.n_ctx;
  count heads = 0;
  for (const layer& block : model.layers) heads = std::max(heads, count{block.n_heads});

  const count logits = count{4} * u * (count{model.shape.vocab_size} + h);
  const count scores = options.flash_attention ? count{0} : count{4} * u * (heads * n + n + count{4} * h);
  count peak = std::max(logits, scores);
  if (n_devices > 1) peak += count{16} * u * n + count{8} * u * h;
  const count inputs = count{4} * u * (h + n);

  compute_buffers result;
  const bool on_device = layout == llama_cpp_layout::device;
  result.device = make_bytes(on_device ? peak : count{0});
  result.host = make_bytes(on_device ? inputs : peak);
  result.output = make_bytes(count{options.n_seq_max} * model.shape.vocab_size * 4);
  result.moment = logits >= scores ? "logits" : "attention scores";
  return result;
}

}  // namespace v0
}  // namespace sizer
