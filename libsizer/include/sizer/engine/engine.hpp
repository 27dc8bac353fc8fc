#pragma once
/// @file
/// The runtimes whose allocation rules are known, and their options under their own names.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/engine/llama_cpp.hpp>
#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

enum class engine_kind { llama_cpp, ollama, lm_studio, vllm, mlx };

[[nodiscard]] constexpr std::string_view to_string(engine_kind kind) noexcept {
  switch (kind) {
    case engine_kind::llama_cpp: return "llama.cpp";
    case engine_kind::ollama: return "ollama";
    case engine_kind::lm_studio: return "lm-studio";
    case engine_kind::vllm: return "vllm";
    case engine_kind::mlx: return "mlx";
  }
  return "llama.cpp";
}

/// Engines that serve the same weights with pages like vLLM's and have schedulers and kernels of their own.
enum class serving_engine { vllm, tensorrt_llm, deepspeed, sglang };

/// vLLM's engine arguments (its documentation, 2026).
struct vllm_options {
  std::int64_t block_size = 16;                ///< tokens of one KV page
  double gpu_memory_utilization = 0.9;         ///< share of device memory that vLLM takes for everything
  std::int64_t max_num_batched_tokens = 8192;  ///< tokens of one scheduler step
  std::int64_t max_num_seqs = 256;             ///< sequences of one scheduler step
  std::int64_t release_year = 0;               ///< of the engine, for speed; 0: as of 2026
  serving_engine program = serving_engine::vllm;
  friend bool operator==(const vllm_options&, const vllm_options&) = default;
};

/// mlx-lm's generation arguments.
struct mlx_options {
  std::int64_t prefill_step_size = 2048;  ///< tokens of one prefill step
  friend bool operator==(const mlx_options&, const mlx_options&) = default;
};

/// A runtime with its options. llama_cpp holds the options of llama.cpp and of the two programs that wrap it.
struct engine {
  engine_kind kind = engine_kind::llama_cpp;
  llama_cpp_options llama_cpp;
  vllm_options vllm;
  mlx_options mlx;

  [[nodiscard]] bool is_llama_cpp() const noexcept {
    return kind == engine_kind::llama_cpp || kind == engine_kind::ollama || kind == engine_kind::lm_studio;
  }
  friend bool operator==(const engine&, const engine&) = default;
};

/// CPU threads that the runtime is told to use; 0: it chooses.
[[nodiscard]] constexpr std::int64_t cpu_threads(const engine& runtime) noexcept {
  return runtime.kind == engine_kind::vllm || runtime.kind == engine_kind::mlx ? 0 : runtime.llama_cpp.n_threads;
}

/// @throws unknown_name_error
[[nodiscard]] inline engine_kind find_engine(std::string_view name) {
  if (name == "llama.cpp" || name == "llama_cpp" || name == "llama-cpp" || name == "llama-server")
    return engine_kind::llama_cpp;
  if (name == "ollama") return engine_kind::ollama;
  if (name == "lm-studio" || name == "lmstudio" || name == "lm_studio") return engine_kind::lm_studio;
  if (name == "vllm") return engine_kind::vllm;
  if (name == "mlx" || name == "mlx-lm") return engine_kind::mlx;
  throw unknown_name_error{"engine", std::string{name}, {"llama.cpp", "ollama", "lm-studio", "vllm", "mlx"}};
}

/// Whether the runtime has kernels for that backend (its own documentation, 2026).
[[nodiscard]] constexpr bool runs_on(engine_kind kind, backend where) noexcept {
  if (where == backend::other) return false;
  if (kind == engine_kind::mlx) return where == backend::metal;
  if (kind == engine_kind::vllm) return where != backend::metal && where != backend::vulkan;
  return where != backend::hpu;
}

/// A runtime as it starts when its user sets nothing but the workload, which must be a checked one: its context is
/// taken as it is. llama-server caps the logits it keeps at its slots (llama.cpp pull request 23861, 2026-06). Ollama
/// multiplies the context by its slots and uses batches of 512 (`OLLAMA_NUM_PARALLEL`, `num_batch`). LM Studio builds
/// on the raw library, whose default keeps full-size sliding-window caches, and uses batches of 512.
[[nodiscard]] inline engine make_engine(engine_kind kind, const workload& work) {
  engine e;
  e.kind = kind;
  e.llama_cpp.n_ctx = work.context;
  e.llama_cpp.n_seq_max = work.parallel;
  e.llama_cpp.n_outputs_max = work.parallel;
  if (kind == engine_kind::ollama) {
    e.llama_cpp.n_ctx = (count{work.context} * work.parallel).value();
    e.llama_cpp.n_batch = 512;
  }
  if (kind == engine_kind::lm_studio) {
    e.llama_cpp.n_batch = 512;
    e.llama_cpp.swa_full = true;
  }
  return e;
}

}  // namespace v0
}  // namespace sizer
