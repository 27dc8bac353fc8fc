#pragma once
/// @file
/// Context options of llama.cpp, under its own names, with the defaults of its command-line tools (2026-08).
/// Ollama and LM Studio run llama.cpp; engine/engine.hpp says how they set these.

#include <cstdint>
#include <optional>

#include <sizer/model/ggml_type.hpp>

namespace sizer {
inline namespace v0 {

/// How a build of llama.cpp keeps the KV cache of latent attention (MLA).
enum class latent_cache {
  keys_only,        ///< since 2026-01 (pull request 19067), and ik_llama.cpp with `-mla 2` or `3`
  keys_and_values,  ///< 2025-04 to 2026-01: the latent row twice, without its rope part the second time
  expanded          ///< before, and ik_llama.cpp with `-mla 0`: full keys and values of every head
};

/// Builds whose graphs, and so whose compute buffers, follow one rule.
enum class llama_cpp_graph {
  current,        ///< 2026-08
  before_2025_06  ///< 2023 to mid 2025, and ik_llama.cpp, which branched off then
};

/// Programs that share llama.cpp's memory rules and have kernels of their own.
enum class llama_cpp_fork {
  none,
  ik_llama_cpp  ///< github.com/ikawrakow/ik_llama.cpp
};

/// How layers are spread over several devices (`--split-mode`).
enum class split_mode {
  layer,  ///< each device has some layers; they take turns
  row     ///< each device has a part of every matrix; the only way before 2024
};

struct llama_cpp_options {
  std::int64_t n_ctx = 4096;       ///< tokens requested for all slots together
  std::int64_t n_batch = 2048;     ///< logical batch (tokens)
  std::int64_t n_ubatch = 512;     ///< physical batch (tokens)
  std::int64_t n_seq_max = 1;      ///< parallel slots
  bool kv_unified = false;         ///< one cache shared by the slots
  std::int64_t n_outputs_max = 0;  ///< tokens a batch may ask logits for; 0: n_batch (llama-server sets its slots)
  std::int64_t n_rs_seq = 0;       ///< roll-back copies of the recurrent state (speculative decoding)
  ggml_type type_k = ggml_type::f16;
  ggml_type type_v = ggml_type::f16;
  bool flash_attention = true;
  std::int64_t n_threads = 0;      ///< CPU threads of decode and prefill; 0: as many as were measured, or all cores
  bool swa_full = false;           ///< sliding-window layers keep the whole context
  std::int64_t n_gpu_layers = -1;  ///< layers on the device, counted from the last (the output head is one); -1: all
  std::int64_t n_cpu_moe = 0;      ///< first layers whose experts stay on the host
  bool offload_kqv = true;         ///< KV cache lives with its layer's device
  sizer::latent_cache latent_cache = sizer::latent_cache::keys_only;
  llama_cpp_graph graph = llama_cpp_graph::current;
  std::int64_t build = 0;  ///< number of the build (b4567 is 4567), for speed; 0: as of 2026-08
  llama_cpp_fork fork = llama_cpp_fork::none;
  sizer::split_mode split_mode = sizer::split_mode::layer;

  friend bool operator==(const llama_cpp_options&, const llama_cpp_options&) = default;
};

}  // namespace v0
}  // namespace sizer
