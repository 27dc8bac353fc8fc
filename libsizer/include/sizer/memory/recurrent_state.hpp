#pragma once
/// @file
/// Bytes of the state that recurrent layers keep per sequence, independent of the context.
///
/// elements of a layer = convolution history + state
///   state space, gated delta net: (d_conv - 1)(d_inner + 2 n_groups d_state) + d_state d_inner
///   Kimi delta attention:         3 (d_conv - 1) d_inner + d_state d_inner   (d_state is the head width)
///   short convolution:            (d_conv - 1) d_model
/// held as f32, once per slot and per roll-back copy.
/// Source: llama.cpp `src/llama-hparams.cpp` and `src/llama-memory-recurrent.cpp` at unslothai/llama.cpp@d32676d77426.

#include <cstdint>

#include <sizer/memory/llama_cpp_context.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

struct recurrent_state_bytes {
  bytes total{};
  bytes on_device{};
  std::int64_t copies = 0;  ///< slots x (1 + roll-back copies)
  std::int32_t layers = 0;
};

/// f32 elements that one recurrent layer keeps for one sequence; 0 for any other layer.
[[nodiscard]] inline count recurrent_elements(const architecture& model, mixer_kind mixer) {
  if (!is_recurrent(mixer)) return 0;
  const recurrent_shape& r = *model.shape.recurrent;
  const count history = r.d_conv - 1;
  const count state = count{r.d_state} * r.d_inner;
  if (mixer == mixer_kind::short_conv) return history * model.shape.d_model;
  if (mixer == mixer_kind::kimi_delta) return count{3} * history * r.d_inner + state;
  return history * (count{r.d_inner} + count{2} * r.n_groups * r.d_state) + state;
}

/// State of all recurrent layers under llama.cpp.
[[nodiscard]] inline recurrent_state_bytes llama_cpp_recurrent_state(const architecture& model,
                                                                     const llama_cpp_options& options) {
  recurrent_state_bytes state;
  state.copies = resolve(options, model).state_copies;
  if (!model.shape.recurrent) return state;
  const std::int64_t first_on_device = detail::first_device_layer(model, options);
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const count elements = recurrent_elements(model, model.layers[i].mixer);
    if (elements == count{0}) continue;
    const bytes layer_bytes = make_bytes(elements * 4 * state.copies);
    state.total += layer_bytes;
    if (options.offload_kqv && static_cast<std::int64_t>(i) >= first_on_device) state.on_device += layer_bytes;
    ++state.layers;
  }
  return state;
}

}  // namespace v0
}  // namespace sizer
