#pragma once
/// @file
/// The estimate over a grid of contexts, depths and batches, as Eigen arrays: the same numbers as the scalar call, cell
/// by cell.

#include <algorithm>
#include <cstdint>
#include <span>

#include <Eigen/Core>

#include <sizer/estimate.hpp>

namespace sizer {
inline namespace v0 {

/// Arrays of shape (contexts, batches), plain numbers with the unit in the name.
struct sweep_result {
  Eigen::Array<std::int64_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> total_bytes;
  Eigen::Array<std::int64_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> headroom_bytes;
  Eigen::ArrayXXd decode_tokens_per_s;
  Eigen::ArrayXXd prefill_tokens_per_s;
  Eigen::ArrayXXd ttft_s;
};

/// Estimates every (context, batch) pair. A batch needs as many slots; depth and prompt stay those of the request.
/// @param engine_for  the runtime for a workload: `engine engine_for(const workload&)`
/// @throws value_error as estimate() does, for the first bad pair
template <class EngineFor>
[[nodiscard]] inline sweep_result sweep(const architecture& model, const machine& machine, const quantization& quant,
                                        const workload& request, const EngineFor& engine_for,
                                        std::span<const std::int64_t> contexts, std::span<const std::int64_t> batches) {
  const auto rows = static_cast<Eigen::Index>(contexts.size());
  const auto columns = static_cast<Eigen::Index>(batches.size());
  sweep_result result;
  result.total_bytes.resize(rows, columns);
  result.headroom_bytes.resize(rows, columns);
  result.decode_tokens_per_s.resize(rows, columns);
  result.prefill_tokens_per_s.resize(rows, columns);
  result.ttft_s.resize(rows, columns);
  if (machine.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};
  const weights_by_type sizes = weights(model, quant);
  for (Eigen::Index i = 0; i < rows; ++i) {
    for (Eigen::Index j = 0; j < columns; ++j) {
      workload work = request;
      work.context = contexts[static_cast<std::size_t>(i)];
      work.batch = batches[static_cast<std::size_t>(j)];
      work.parallel = std::max(work.parallel, work.batch);
      const engine runtime = engine_for(work);
      const estimate_result one = estimate(model, sizes, machine, work, runtime);
      result.total_bytes(i, j) = number(one.memory.total());
      result.headroom_bytes(i, j) = number(one.memory.headroom());
      result.decode_tokens_per_s(i, j) = number(one.decode.rate);
      result.prefill_tokens_per_s(i, j) = number(one.prefill.rate);
      result.ttft_s(i, j) = number(one.ttft);
    }
  }
  return result;
}

}  // namespace v0
}  // namespace sizer
