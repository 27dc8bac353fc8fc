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
#include <sizer/memory/llama_cpp_context.hpp>
#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {

namespace detail {

/// Keeps blocks off RAM of unknown size.
inline void use_stated_memory_only(plan_request& asked, const machine& where) {
  asked.may_use_host = asked.may_use_host && where.host_memory.has_value();
}

/// The largest of the steps 1..most for which a plan meets the goals; 0 when none does.
template <class MakePlan>
[[nodiscard]] std::int64_t largest_step(std::int64_t most, MakePlan plan_with) {
  const auto meets = [&](std::int64_t steps) {
    const plan_result result = plan_with(steps);
    return result.best && result.best->meets_goals();
  };
  if (most < 1 || !meets(1)) return 0;
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

/// The largest context of each sequence (tokens, in steps of 256, at most the trained one) with which a plan meets the
/// goals; empty when none does. Prompt and answer stay as they are, so it is at least their sum.
[[nodiscard]] inline std::optional<std::int64_t> largest_planned_context(const architecture& model,
                                                                         const machine& where, plan_request asked) {
  detail::use_stated_memory_only(asked, where);
  const std::int64_t native = model.shape.context_length;
  const std::int64_t needed = asked.work.depth + asked.work.prompt_tokens + asked.work.output_tokens;
  const std::int64_t first = std::max<std::int64_t>(1, std::min(needed, native));
  const std::int64_t steps = (native - first + llama_cpp_cell_step - 1) / llama_cpp_cell_step + 1;
  const auto context_at = [&](std::int64_t step) { return std::min(native, first + (step - 1) * llama_cpp_cell_step); };
  const std::int64_t step = detail::largest_step(steps, [&](std::int64_t n) {
    asked.work.context = context_at(n);
    return make_plan(model, where, asked);
  });
  if (step == 0) return std::nullopt;
  return context_at(step);
}

/// The most users at once, each with the request's context, prompt and answer and all decoding together, with which a
/// plan meets the goals; 0 when not even one does. llama.cpp has at most 256 slots.
[[nodiscard]] inline std::int64_t most_users(const architecture& model, const machine& where, plan_request asked) {
  detail::use_stated_memory_only(asked, where);
  constexpr std::int64_t most_of_servers = 4096;
  const std::int64_t most = asked.engine.is_llama_cpp() ? llama_cpp_max_slots : most_of_servers;
  return detail::largest_step(most, [&](std::int64_t users) {
    asked.work.parallel = asked.work.batch = users;
    return make_plan(model, where, asked);
  });
}

}  // namespace v0
}  // namespace sizer
