#pragma once
/// @file
/// One model on many machines, ranked.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <sizer/decide/solve.hpp>
#include <sizer/estimate.hpp>

namespace sizer {
inline namespace v0 {

/// A machine's answer to a request.
struct comparison_row {
  std::size_t machine = 0;  ///< index into the machines that were compared
  estimate_result estimate;
  seconds request_time{};  ///< time to the first token, then the output at the depth behind the prompt
  std::optional<std::int64_t>
      largest_context;  ///< for a machine that does not fit the request; empty: none, or it fits
};

/// Runs the request on every machine. Decode is rated behind the prompt (depth + prompt_tokens), where the answer is
/// written. Machines that fit come first, the quickest answer to the whole request before the slower ones; then those
/// that do not fit, by how much they lack.
/// @param weights     of the model, predicted by a recipe or read from its files
/// @param engine_for  the runtime to use on a machine
[[nodiscard]] inline std::vector<comparison_row> compare(const architecture& model, const weights_by_type& weights,
                                                         std::span<const machine* const> machines,
                                                         const workload& request,
                                                         const std::function<engine(const machine&)>& engine_for) {
  const workload work = checked(request, model.shape.context_length);
  std::vector<comparison_row> rows;
  rows.reserve(machines.size());
  for (std::size_t i = 0; i < machines.size(); ++i) {
    const machine& candidate = *machines[i];
    const engine runtime = engine_for(candidate);
    if (candidate.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
    comparison_row row;
    row.machine = i;
    row.estimate = estimate(model, weights, candidate, work, runtime);
    row.estimate.decode = row.estimate.decode_behind_prompt;
    row.estimate.tpot = row.estimate.decode.time;
    row.request_time = row.estimate.ttft + row.estimate.tpot * static_cast<double>(work.output_tokens);
    if (!row.estimate.memory.fits()) row.largest_context = largest_context(model, weights, candidate, work, runtime);
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const comparison_row& a, const comparison_row& b) {
    const bool a_fits = a.estimate.memory.fits();
    const bool b_fits = b.estimate.memory.fits();
    if (a_fits != b_fits) return a_fits;
    if (a_fits) return a.request_time < b.request_time;
    return a.estimate.memory.headroom() > b.estimate.memory.headroom();
  });
  return rows;
}

/// The same from a quantisation.
[[nodiscard]] inline std::vector<comparison_row> compare(const architecture& model,
                                                         std::span<const machine* const> machines,
                                                         const quantization& quant, const workload& request,
                                                         const std::function<engine(const machine&)>& engine_for) {
  return compare(model, sizer::weights(model, quant), machines, request, engine_for);
}

}  // namespace v0
}  // namespace sizer
