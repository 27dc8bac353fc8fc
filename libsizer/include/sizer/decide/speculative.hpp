#pragma once
/// @file
/// Speculative decoding: a draft model, or the model's own multi-token-prediction blocks, guesses `n` tokens, the model
/// checks them all in one step, and keeps those up to the first wrong one, and one of its own.
///
///   tokens of a cycle = (1 - a^(n+1)) / (1 - a)          a: chance that a guess is right
///   time of a cycle   = n t_draft + t_check(n + 1)
///
/// Leviathan, Kalman, Matias, "Fast inference from transformers via speculative decoding" (ICML 2023, arXiv
/// 2211.17192), equation 1; guesses are taken to be right independently. A check reads the weights once for all its
/// tokens, and the cache once: t_check(m) = t_decode(batch m, depth 0) + t_decode(1, depth) - t_decode(1, 0).

#include <cmath>
#include <cstdint>
#include <string>

#include <sizer/engine/engine.hpp>
#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/placed.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

struct speculation {
  std::int64_t draft_tokens = 0;  ///< guesses of a cycle
  double acceptance = 0;          ///< chance that a guess is right
  double tokens_per_cycle = 1;
  seconds draft_time{};  ///< of all guesses of a cycle
  seconds check_time{};
  tokens_per_second plain{};  ///< without speculation
  tokens_per_second rate{};
  [[nodiscard]] double speedup() const { return number(plain) > 0.0 ? number(rate) / number(plain) : 0.0; }
};

/// Expected tokens of a cycle, at least 1 and at most draft_tokens + 1.
[[nodiscard]] inline double tokens_of_cycle(double acceptance, std::int64_t draft_tokens) {
  if (acceptance >= 1.0) return static_cast<double>(draft_tokens) + 1.0;
  return (1.0 - std::pow(acceptance, static_cast<double>(draft_tokens) + 1.0)) / (1.0 - acceptance);
}

namespace detail {

inline void check_speculation(double acceptance, std::int64_t draft_tokens) {
  if (!(acceptance >= 0.0 && acceptance <= 1.0)) {
    throw value_error{"acceptance", std::to_string(acceptance), "0 to 1"};
  }
  constexpr std::int64_t most = 64;
  if (draft_tokens < 1 || draft_tokens > most) {
    throw value_error{"draft_tokens", std::to_string(draft_tokens), "1 to " + std::to_string(most)};
  }
}

}  // namespace detail

/// From times alone.
/// @param decode     seconds of a decode step of the model: (depth, batch)
/// @param one_guess  seconds of one guess
template <class Decode>
[[nodiscard]] speculation speculate_with(Decode decode, double one_guess, double depth, double acceptance,
                                         std::int64_t draft_tokens) {
  detail::check_speculation(acceptance, draft_tokens);
  speculation s;
  s.draft_tokens = draft_tokens;
  s.acceptance = acceptance;
  s.tokens_per_cycle = tokens_of_cycle(acceptance, draft_tokens);
  const double plain = decode(depth, 1.0);
  const double check = decode(0.0, static_cast<double>(draft_tokens) + 1.0) + plain - decode(0.0, 1.0);
  s.draft_time = make_seconds(one_guess * static_cast<double>(draft_tokens));
  s.check_time = make_seconds(check);
  s.plain = make_tokens_per_second(1.0 / plain);
  s.rate = make_tokens_per_second(s.tokens_per_cycle / (number(s.draft_time) + check));
  return s;
}

/// With a draft model on the same machine.
/// @param depth         tokens cached
/// @param acceptance    0 to 1
/// @param draft_tokens  1 to 64
/// @throws value_error naming field, value and range
[[nodiscard]] inline speculation speculate(const architecture& model, const weights_by_type& weights,
                                           const architecture& draft, const weights_by_type& draft_weights,
                                           const machine& where, const engine& runtime, double depth, double acceptance,
                                           std::int64_t draft_tokens) {
  const auto step = [&](const architecture& of, const weights_by_type& in, double at, double batch) {
    return number(estimate_decode_at(of, in, where, runtime, {.depth = at, .batch = batch}).time);
  };
  return speculate_with([&](double at, double batch) { return step(model, weights, at, batch); },
                        step(draft, draft_weights, depth, 1.0), depth, acceptance, draft_tokens);
}

/// Bytes that a guess of the model's own multi-token-prediction blocks reads (them and the output head), over those
/// that a token of the model reads.
/// @throws value_error for a model without such blocks
[[nodiscard]] inline double mtp_share(const architecture& model, const weights_by_type& weights) {
  const bytes blocks = weights.part(weight_part::mtp);
  if (model.shape.n_mtp_layers == 0 || blocks == bytes{}) {
    throw value_error{"draft", "none", "a draft model: this one has no multi-token-prediction block"};
  }
  // Of its routed experts a block reads those that one token uses, like the blocks of the model.
  double in_blocks = 0.0;
  double routed = 0.0;
  for (std::size_t i = model.layers.size(); i < weights.layers.size(); ++i) {
    in_blocks += real(weights.layers[i].total).value();
    routed += real(weights.layers[i].routed).value();
  }
  const double used = model.shape.experts ? static_cast<double>(model.shape.experts->n_experts_per_token) /
                                                model.shape.experts->n_experts
                                          : 0.0;
  const double head = real(weights.output_head).value();
  const double guess = in_blocks - routed * (1.0 - used) + head;
  const double whole = std::max(real(weights.active - weights.row).value(), 1.0);
  return guess / whole;
}

/// With the model's own multi-token-prediction blocks, read at the pace at which the model's blocks are read.
/// @throws value_error also for a model without such blocks
[[nodiscard]] inline speculation speculate_with_mtp(const architecture& model, const weights_by_type& weights,
                                                    const machine& where, const engine& runtime, double depth,
                                                    double acceptance, std::int64_t draft_tokens) {
  const double share = mtp_share(model, weights);
  const auto decode = [&](double at, double batch) {
    return number(estimate_decode_at(model, weights, where, runtime, {.depth = at, .batch = batch}).time);
  };
  return speculate_with(decode, decode(0.0, 1.0) * share, depth, acceptance, draft_tokens);
}

}  // namespace v0
}  // namespace sizer
