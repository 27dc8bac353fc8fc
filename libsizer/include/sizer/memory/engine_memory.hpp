#pragma once
/// @file
/// Memory of a model under whichever runtime the engine names.

#include <sizer/engine/engine.hpp>
#include <sizer/memory/llama_cpp_memory.hpp>
#include <sizer/memory/mlx_memory.hpp>
#include <sizer/memory/vllm_memory.hpp>
#include <sizer/memory/weights.hpp>

namespace sizer {
inline namespace v0 {

/// @param work  checked (workload.hpp); llama.cpp and its wrappers read their context and slots from engine.llama_cpp
[[nodiscard]] inline memory_breakdown engine_memory(const architecture& model, const weights_by_type& weights,
                                                    const machine& machine, const workload& work,
                                                    const engine& engine) {
  switch (engine.kind) {
    case engine_kind::vllm: return vllm_memory(model, weights, machine, work, engine.vllm, engine.llama_cpp.type_k);
    case engine_kind::mlx: return mlx_memory(model, weights, machine, work, engine.mlx, engine.llama_cpp.type_k);
    case engine_kind::llama_cpp:
    case engine_kind::ollama:
    case engine_kind::lm_studio: break;
  }
  return llama_cpp_memory(model, weights, machine, engine.llama_cpp);
}

}  // namespace v0
}  // namespace sizer
