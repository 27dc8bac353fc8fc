#pragma once
/// @file
/// Reverse questions about a plan: the largest context, and the most users at once, with which the goals are reached.
/// More of either never takes less memory or time, so the answers are found by bisection. RAM whose size nobody stated
/// would hold anything: it is not used here.

#include <algorithm>
#include <cstdint>
#include <optional>

#include <sizer/decide/plan.hpp>
#include <sizer/decide/plan_request.hpp>
#include <sizer/decide/solve.hpp>
#include <sizer/memory/llama_cpp_context.hpp>
#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {

namespace detail {

/// Whether a plan meets the goals.
[[nodiscard]] inline bool reaches_goals(const architecture& model, const machine& where, const plan_request& asked) {
  const plan_result result = make_plan(model, where, asked);
  return result.best && result.best->meets_goals();
}

}  // namespace detail

/// The largest context of each sequence (tokens, in steps of 256, at most the trained one) with which a plan meets the
/// goals; empty when none does. Prompt and answer stay as they are, so it is at least their sum.
[[nodiscard]] inline std::optional<std::int64_t> largest_planned_context(const architecture& model,
                                                                         const machine& where, plan_request asked) {
  asked.only_stated_memory = true;
  const std::int64_t native = model.shape.context_length;
  const std::int64_t needed = asked.work.depth + asked.work.prompt_tokens + asked.work.output_tokens;
  const std::int64_t first = std::max<std::int64_t>(1, std::min(needed, native));
  const std::int64_t steps = (native - first + llama_cpp_cell_step - 1) / llama_cpp_cell_step + 1;
  const auto context_at = [&](std::int64_t step) { return std::min(native, first + (step - 1) * llama_cpp_cell_step); };
  const std::int64_t step = detail::largest_step(steps, [&](std::int64_t n) {
    asked.work.context = context_at(n);
    return detail::reaches_goals(model, where, asked);
  });
  if (step == 0) return std::nullopt;
  return context_at(step);
}

/// The most users at once, each with the request's context, prompt and answer and all decoding together, with which a
/// plan meets the goals; 0 when not even one does. llama.cpp has at most 256 slots.
[[nodiscard]] inline std::int64_t most_users(const architecture& model, const machine& where, plan_request asked) {
  asked.only_stated_memory = true;
  constexpr std::int64_t most_of_servers = 4096;
  const std::int64_t most = asked.engine.is_llama_cpp() ? llama_cpp_max_slots : most_of_servers;
  return detail::largest_step(most, [&](std::int64_t users) {
    asked.work.parallel = asked.work.batch = users;
    return detail::reaches_goals(model, where, asked);
  });
}

}  // namespace v0
}  // namespace sizer
