#pragma once
/// @file
/// Reverse questions about memory: the largest context, and the best quantisation, that fit.

#include <cstdint>
#include <optional>
#include <span>

#include <sizer/engine/engine.hpp>
#include <sizer/memory/engine_memory.hpp>
#include <sizer/memory/quantization.hpp>

namespace sizer {
inline namespace v0 {

namespace detail {
/// The engine with another context, as make_engine would have set it.
[[nodiscard]] inline engine with_context(engine e, const workload& work) {
  e.llama_cpp.n_ctx = e.kind == engine_kind::ollama ? (count{work.context} * work.parallel).value() : work.context;
  return e;
}

[[nodiscard]] inline bool fits_with_context(const architecture& model, const weights_by_type& weights,
                                            const machine& machine, workload work, const engine& engine,
                                            std::int64_t context) {
  work.context = context;
  return engine_memory(model, weights, machine, work, with_context(engine, work)).fits();
}

/// The largest of the steps 1..most for which `meets` holds; 0 when it does not even for the first. Once it fails for a
/// step it fails for all larger ones.
template <class Meets>
[[nodiscard]] std::int64_t largest_step(std::int64_t most, Meets meets) {
  if (most < 1 || !meets(std::int64_t{1})) return 0;
  if (meets(most)) return most;
  std::int64_t low = 1;
  std::int64_t high = most;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (meets(middle) ? low : high) = middle;
  }
  return low;
}
}  // namespace detail

/// Largest context (tokens) that fits, at most the model's trained context; empty when not even one token does. Memory
/// grows with the context, so the answer is found by bisection over llama.cpp's steps of 256 tokens.
[[nodiscard]] inline std::optional<std::int64_t> largest_context(const architecture& model,
                                                                 const weights_by_type& weights, const machine& machine,
                                                                 const workload& work, const engine& engine) {
  const auto fits = [&](std::int64_t context) {
    return detail::fits_with_context(model, weights, machine, work, engine, context);
  };
  const std::int64_t native = model.shape.context_length;
  if (fits(native)) return native;
  const std::int64_t step =
      detail::largest_step(native / llama_cpp_cell_step, [&](std::int64_t n) { return fits(n * llama_cpp_cell_step); });
  if (step > 0) return step * llama_cpp_cell_step;
  return fits(1) ? std::optional<std::int64_t>{1} : std::nullopt;
}

/// The quantisation of the candidates with the most bits per weight that fits; empty when none does.
/// @param candidates  any order; equal sizes keep the earlier one
[[nodiscard]] inline std::optional<quantization> best_quantization(const architecture& model, const machine& machine,
                                                                   const workload& work, const engine& engine,
                                                                   std::span<const quantization> candidates) {
  std::optional<quantization> best;
  bytes best_size{};
  for (const quantization& candidate : candidates) {
    const weights_by_type weights = sizer::weights(model, candidate);
    if (best && weights.total <= best_size) continue;
    if (!engine_memory(model, weights, machine, work, engine).fits()) continue;
    best = candidate;
    best_size = weights.total;
  }
  return best;
}

}  // namespace v0
}  // namespace sizer
