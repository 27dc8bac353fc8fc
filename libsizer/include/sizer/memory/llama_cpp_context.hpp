#pragma once
/// @file
/// How llama.cpp turns the options into the sizes it allocates by.
/// Source: llama.cpp `src/llama-context.cpp`, read at unslothai/llama.cpp@d32676d77426 (upstream tree of 2026-08). The
/// padding to 256 cells is llama.cpp pull request 17046 (2025-11-07).

#include <algorithm>
#include <cstdint>
#include <string>

#include <sizer/detail/count.hpp>
#include <sizer/engine/llama_cpp.hpp>
#include <sizer/error.hpp>
#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {

/// Cells of a cache are allocated in steps of this many.
inline constexpr std::int64_t llama_cpp_cell_step = 256;
/// `LLAMA_MAX_SEQ` of the same source: no context has more slots.
inline constexpr std::int64_t llama_cpp_max_slots = 256;

/// Sizes after llama.cpp's own rounding (tokens, cells).
struct llama_cpp_context {
  std::int64_t cells = 0;      ///< cells of one stream of the full-context cache
  std::int64_t n_streams = 1;  ///< separate caches: one per slot, or one shared by all
  std::int64_t n_ctx = 0;      ///< cells of all streams
  std::int64_t n_batch = 0;
  std::int64_t n_ubatch = 0;
  std::int64_t n_outputs = 0;     ///< tokens of a ubatch whose logits are kept
  std::int64_t window_cells = 0;  ///< cells of one stream of the sliding-window cache; 0 without one
  std::int64_t state_copies = 0;  ///< recurrent states held: slots x (1 + roll-back copies)
};

namespace detail {
inline void require_option(const char* name, std::int64_t got, std::int64_t low, std::int64_t high) {
  if (got < low || got > high) {
    throw value_error{name, std::to_string(got), std::to_string(low) + " to " + std::to_string(high)};
  }
}

/// Families whose recurrent state can be rolled back after a rejected draft; the others ignore n_rs_seq. Nemotron-H
/// joined them in August 2026: a dry run of that month's source keeps its copies.
[[nodiscard]] inline bool supports_state_rollback(const std::string& family) noexcept {
  return family == "qwen35" || family == "qwen35moe" || family == "deepseek4" || family == "nemotron_h" ||
         family == "nemotron_h_moe";
}

/// Last block index + 1 that stays on the host when `n_gpu_layers` go to the device; the output head is counted as one.
[[nodiscard]] inline std::int64_t first_device_layer(const architecture& model,
                                                     const llama_cpp_options& options) noexcept {
  if (options.n_gpu_layers < 0) return 0;
  const std::int64_t blocks = model.shape.n_layers + model.shape.n_mtp_layers;
  return std::max<std::int64_t>(0, blocks + 1 - options.n_gpu_layers);
}
}  // namespace detail

/// Applies llama.cpp's rounding.
/// @throws value_error on an option outside its range
[[nodiscard]] inline llama_cpp_context resolve(const llama_cpp_options& options, const architecture& model) {
  constexpr std::int64_t most = 1'073'741'824;
  detail::require_option("context", options.n_ctx, 1, most);
  detail::require_option("n_batch", options.n_batch, 1, most);
  detail::require_option("ubatch", options.n_ubatch, 1, most);
  detail::require_option("parallel", options.n_seq_max, 1, llama_cpp_max_slots);
  detail::require_option("n_outputs_max", options.n_outputs_max, 0, most);
  detail::require_option("n_rs_seq", options.n_rs_seq, 0, 1024);
  detail::require_option("n_threads", options.n_threads, 0, 65536);
  detail::require_option("build", options.build, 0, 1'000'000);
  detail::require_option("n_gpu_layers", options.n_gpu_layers, -1, 1'000'000);
  detail::require_option("n_cpu_moe", options.n_cpu_moe, 0, 1'000'000);

  const auto pad = [](std::int64_t n) {
    return (n + llama_cpp_cell_step - 1) / llama_cpp_cell_step * llama_cpp_cell_step;
  };
  llama_cpp_context c;
  c.n_batch = std::min(options.n_ctx, options.n_batch);
  c.n_ubatch = std::min(c.n_batch, options.n_ubatch);
  c.n_outputs = std::min(c.n_ubatch, options.n_outputs_max == 0 ? c.n_batch : options.n_outputs_max);
  c.n_streams = options.kv_unified ? 1 : options.n_seq_max;
  const std::int64_t padded = pad(options.n_ctx);
  c.cells = options.kv_unified ? padded : pad(padded / options.n_seq_max);
  c.n_ctx = c.cells * c.n_streams;
  if (model.shape.sliding_window > 0) {
    const std::int64_t windows = options.kv_unified ? options.n_seq_max : 1;
    const std::int64_t wanted = std::int64_t{model.shape.sliding_window} * windows + c.n_ubatch;
    c.window_cells = options.swa_full ? c.cells : pad(std::min(c.cells, wanted));
  }
  const bool rollback = detail::supports_state_rollback(model.shape.family);
  c.state_copies = options.n_seq_max * (1 + (rollback ? options.n_rs_seq : 0));
  return c;
}

}  // namespace v0
}  // namespace sizer
