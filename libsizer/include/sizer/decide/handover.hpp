#pragma once
/// @file
/// Prefill on one machine and decode on another: the prompt's cache and state go over a link between them.
///
///   first token = prefill + what of the cache has not been sent by then + one decode step
///
/// The cache of a layer can be sent as soon as the layer is done, while the next ones compute; what does not hide
/// behind the prefill is added. Without that, all of it is.

#include <algorithm>
#include <cstdint>

#include <sizer/engine/engine.hpp>
#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/paged_memory.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/speed/placed.hpp>
#include <sizer/units.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

struct handover {
  bytes sent{};               ///< cache and state of the prompt
  seconds prefill{};          ///< on the first machine
  seconds transfer{};         ///< all of it over the link
  seconds decode_step{};      ///< on the second machine, behind the prompt
  seconds ttft{};             ///< sent after the prefill
  seconds ttft_overlapped{};  ///< sent layer by layer behind it
  seconds request_time{};     ///< with the whole answer, overlapped
};

/// Bytes of the cache and state that a prompt leaves behind, of one sequence.
[[nodiscard]] inline bytes cached_bytes(const architecture& model, std::int64_t n_tokens, ggml_type kv_type) {
  workload work;
  work.context = n_tokens;
  std::int64_t per_token = 0;
  return detail::paged_kv_cache(model, work, kv_type, 1, 0, per_token) + detail::state_of_sequences(model, 1);
}

/// @param bandwidth  of the link, one direction
/// @param work       checked
/// @throws value_error for a bandwidth that is not above 0
[[nodiscard]] inline handover hand_over(const architecture& model, const weights_by_type& weights,
                                        const machine& prefills, const engine& prefill_engine, const machine& decodes,
                                        const engine& decode_engine, const workload& work, bytes_per_second bandwidth) {
  if (!(number(bandwidth) > 0.0)) {
    throw value_error{"link_bandwidth", std::to_string(number(bandwidth)), "above 0 bytes per second"};
  }
  handover h;
  h.sent = cached_bytes(model, work.depth + work.prompt_tokens, decode_engine.llama_cpp.type_k);
  h.transfer = real(h.sent) / bandwidth;
  h.prefill = placed_prefill(model, weights, prefills, prefill_engine, work).time;
  workload behind = work;
  behind.depth = work.depth + work.prompt_tokens;
  behind.batch = 1;
  h.decode_step = placed_decode(model, weights, decodes, decode_engine, behind).time;
  const double layers = static_cast<double>(std::max<std::size_t>(model.layers.size(), 1));
  // The last layer's cache can only follow the last layer.
  const seconds exposed = std::max(h.transfer - h.prefill * ((layers - 1.0) / layers), h.transfer / layers);
  h.ttft = h.prefill + h.transfer + h.decode_step;
  h.ttft_overlapped = h.prefill + exposed + h.decode_step;
  h.request_time = h.ttft_overlapped + h.decode_step * static_cast<double>(work.output_tokens);
  return h;
}

}  // namespace v0
}  // namespace sizer
