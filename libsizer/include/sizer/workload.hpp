#pragma once
/// @file
/// What is asked of a machine: how much context, how many sequences, how long the prompt and the answer are.

#include <cstdint>
#include <string>

#include <sizer/error.hpp>

namespace sizer {
inline namespace v0 {

/// Token counts of one request pattern. Zero or negative values are refused where they make no sense.
struct workload {
  /// Tokens the KV cache is made for. llama.cpp and LM Studio share them between the slots (their `-c`); Ollama, vLLM
  /// and MLX give each sequence this many. 0: the model's own context length.
  std::int64_t context = 0;
  std::int64_t parallel = 1;  ///< slots: sequences that hold a cache
  std::int64_t batch = 1;     ///< sequences decoded in one step, at most `parallel`
  std::int64_t prompt_tokens = 2048;
  std::int64_t output_tokens = 256;
  std::int64_t depth = 0;  ///< tokens already cached when decode is rated, and when the prompt starts

  friend bool operator==(const workload&, const workload&) = default;
};

/// Fills the context in and checks every count against the model.
/// @param native  tokens the model was trained for
/// @throws value_error naming the field, the value and the range
[[nodiscard]] inline workload checked(workload w, std::int64_t native) {
  const auto require = [](const char* field, std::int64_t got, std::int64_t low, std::int64_t high, const char* why) {
    if (got < low || got > high) {
      throw value_error{field, std::to_string(got), std::to_string(low) + " to " + std::to_string(high) + why};
    }
  };
  constexpr std::int64_t most_sequences = 65'536;
  if (w.context == 0) w.context = native;
  require("context", w.context, 1, native, " (the model's trained context)");
  require("parallel", w.parallel, 1, most_sequences, "");
  require("batch", w.batch, 1, w.parallel, " (the parallel slots)");
  require("depth", w.depth, 0, w.context, " (the context)");
  require("prompt_tokens", w.prompt_tokens, 0, w.context - w.depth, " (the context less the depth)");
  require("output_tokens", w.output_tokens, 0, w.context - w.depth, " (the context less the depth)");
  return w;
}

}  // namespace v0
}  // namespace sizer
