#pragma once
/// @file
/// What a GGUF architecture name implies about the order and the operations of llama.cpp's compute graph, beyond the
/// tensors it implies (model/family.hpp). Only what changes the memory of the graph.
/// Source: graph construction in `src/models/*.cpp` and `src/llama-graph.cpp` of llama.cpp, read at
/// unslothai/llama.cpp@d32676d77426 (2026-08). Facts only. A family that is not named here gets the plain block.

#include <array>
#include <cstdint>
#include <string_view>

#include <sizer/model/architecture.hpp>
#include <sizer/model/family.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Layers whose queries and keys are rotated.
enum class rope_layers : std::uint8_t { all, none, windowed, three_of_four };

/// Where the graph drops the tokens whose logits nobody wants.
enum class output_rows_at : std::uint8_t {
  last_attention,  ///< after the last layer's attention: its feed-forward part runs on the wanted tokens only
  before_norm,     ///< after the last layer; the full hidden state stays, because it feeds a draft model
  after_norm       ///< after the final norm, likewise
};

struct graph_traits {
  std::string_view name{};
  rope_layers rope = rope_layers::all;
  output_rows_at output_rows = output_rows_at::last_attention;
  std::int32_t positions_per_token = 1;  ///< 4 with multi-axis rotary positions
  bool layer_norm = false;               ///< LayerNorm, which ggml does not run in place
  bool parallel_block = false;           ///< attention and feed-forward part read the same norm
  bool residual_first = false;           ///< sums are written over the residual stream
  bool value_norm = false;               ///< values are normalised per head
  bool repeats_keys = true;  ///< gated delta net: query and key heads are repeated to the number of value heads
  bool weights_before_experts = false;   ///< router weights scale the experts' input
  bool normalised_weights = true;        ///< router weights are divided by their sum
  bool scaled_weights = false;           ///< and multiplied by a constant
  bool softmax_after_selection = false;  ///< router weights are a softmax over the selected experts
  bool gated_experts = true;             ///< experts have gate, up and down
};

inline constexpr auto graph_families = std::to_array<graph_traits>({
    {.name = "llama4", .rope = rope_layers::windowed, .weights_before_experts = true, .normalised_weights = false},
    {.name = "smollm3", .rope = rope_layers::three_of_four},
    {.name = "qwen2vl", .positions_per_token = 4},
    {.name = "qwen3vl", .positions_per_token = 4},
    {.name = "qwen3vlmoe", .positions_per_token = 4},
    {.name = "qwen2moe", .normalised_weights = false},
    {.name = "qwen3next", .output_rows = output_rows_at::after_norm},
    {.name = "qwen35", .output_rows = output_rows_at::after_norm, .positions_per_token = 4, .repeats_keys = false},
    {.name = "qwen35moe", .output_rows = output_rows_at::after_norm, .positions_per_token = 4, .repeats_keys = false},
    {.name = "gemma4", .output_rows = output_rows_at::after_norm, .value_norm = true},
    {.name = "gpt-oss",
     .output_rows = output_rows_at::before_norm,
     .normalised_weights = false,
     .softmax_after_selection = true},
    {.name = "granitehybrid", .rope = rope_layers::none},
    {.name = "jamba", .rope = rope_layers::none, .normalised_weights = false},
    {.name = "kimi-linear", .rope = rope_layers::none, .scaled_weights = true},
    {.name = "nemotron", .layer_norm = true},
    {.name = "nemotron_h",
     .rope = rope_layers::none,
     .output_rows = output_rows_at::before_norm,
     .gated_experts = false},
    {.name = "nemotron_h_moe",
     .rope = rope_layers::none,
     .output_rows = output_rows_at::before_norm,
     .scaled_weights = true,
     .gated_experts = false},
    {.name = "lfm2", .residual_first = true},
    {.name = "lfm2moe", .residual_first = true},
    {.name = "deepseek", .normalised_weights = false},
    {.name = "deepseek2", .scaled_weights = true},
    {.name = "deepseek32", .scaled_weights = true},
    {.name = "glm-dsa", .scaled_weights = true},
    {.name = "glm4moe", .scaled_weights = true},
    {.name = "dots1", .scaled_weights = true},
    {.name = "bailingmoe2", .scaled_weights = true},
    {.name = "step35", .output_rows = output_rows_at::before_norm},
    {.name = "afmoe", .rope = rope_layers::windowed, .scaled_weights = true},
    {.name = "exaone4", .rope = rope_layers::windowed},
    {.name = "exaone-moe", .rope = rope_layers::windowed, .scaled_weights = true},
    {.name = "olmoe", .normalised_weights = false},
    {.name = "cohere", .layer_norm = true, .parallel_block = true},
    {.name = "command-r", .layer_norm = true, .parallel_block = true},
    {.name = "cohere2", .rope = rope_layers::windowed, .layer_norm = true, .parallel_block = true},
    {.name = "falcon", .layer_norm = true, .parallel_block = true},
    {.name = "phi2", .layer_norm = true, .parallel_block = true},
    {.name = "phimoe", .layer_norm = true},
    {.name = "starcoder2", .layer_norm = true},
    {.name = "stablelm", .layer_norm = true},
    {.name = "gpt2", .rope = rope_layers::none, .layer_norm = true},
    {.name = "mpt", .rope = rope_layers::none, .layer_norm = true},
});

[[nodiscard]] constexpr graph_traits graph_traits_of(std::string_view family) noexcept {
  for (const graph_traits& candidate : graph_families) {
    if (candidate.name == family) return candidate;
  }
  return graph_traits{};
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
