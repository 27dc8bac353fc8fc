#pragma once
/// @file
/// What one query head and one cached token cost on measured cores, from runs of attention_by_row in a few shapes.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/speed/decode_work.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/engine_efficiency.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

struct line_point {
  double at, value;
};

/// On the lines between the points; outside of them on the outer line, or with `clamped` the outer value.
inline double on_lines(std::vector<line_point> points, double at, bool clamped) {
  std::sort(points.begin(), points.end(), [](const line_point& a, const line_point& b) { return a.at < b.at; });
  if (points.size() == 1) return points.front().value;
  std::size_t upper = 1;
  while (upper + 1 < points.size() && points[upper].at < at) ++upper;
  const line_point& a = points[upper - 1];
  const line_point& b = points[upper];
  const double x = clamped ? std::clamp(at, points.front().at, points.back().at) : at;
  return a.value + (b.value - a.value) * (x - a.at) / (b.at - a.at);
}

/// Runs of attention_by_row over one type of cache, in a shape that was or was not measured (s): a line in 1 / group
/// (only the first head of a group finds its keys in memory), one in the logarithm of the heads (the stride from token
/// to token), not beyond what was measured, and one in the length of a head. Empty without such a run.
inline std::optional<double> row_time(const std::vector<measured_row>& rows, ggml_type type, double head_dim,
                                      double kv_heads, double group) {
  std::vector<line_point> by_dim;
  for (const measured_row& one : rows) {
    const auto here = [](const std::vector<line_point>& points, double at) {
      return std::any_of(points.begin(), points.end(),
                         [at](const line_point& p) { return std::abs(p.at - at) < 1e-9; });
    };
    if (one.type != type || here(by_dim, one.head_dim)) continue;
    std::vector<line_point> by_heads;
    for (const measured_row& other : rows) {
      const double heads = std::log2(other.kv_heads);
      if (other.type != type || other.head_dim != one.head_dim || here(by_heads, heads)) continue;
      std::vector<line_point> by_group;
      for (const measured_row& last : rows) {
        if (last.type != type || last.head_dim != one.head_dim || last.kv_heads != other.kv_heads) continue;
        if (!here(by_group, 1.0 / last.group)) by_group.push_back({1.0 / last.group, number(last.time.value)});
      }
      by_heads.push_back({heads, on_lines(std::move(by_group), 1.0 / group, false)});
    }
    by_dim.push_back({static_cast<double>(one.head_dim), on_lines(std::move(by_heads), std::log2(kv_heads), true)});
  }
  if (by_dim.empty()) return std::nullopt;
  return std::max(on_lines(std::move(by_dim), head_dim, false), 0.0);
}

/// The parts of a row's time that an engine's factors multiply, for one layer.
struct row_parts {
  double loop = 0;  ///< of attention_by_row (s)
  double rest =
      0;  ///< elements that do not fill the engine's vectors, in operations at the attention kernel's rate (s)
  double read = 0;  ///< of it, reading the cache at the memory's bandwidth (s)
};

/// Empty when the loop was not measured.
inline std::optional<row_parts> row_parts_of(const measured_rates& measured, double reachable, ggml_type type,
                                             const layer& block) {
  const double kv_heads = std::max(block.n_kv_heads, 1);
  const double group = std::max(1.0, block.n_heads / kv_heads);
  const std::optional<flop_per_second> plain = measured_attention(measured, ggml_type::f16);
  std::optional<double> loop = row_time(measured.attention_rows, type, block.head_dim_k, kv_heads, group);
  if (!loop) {  // another type of cache: as much slower as its attention kernel is
    const std::optional<flop_per_second> typed = measured_attention(measured, type);
    loop = row_time(measured.attention_rows, ggml_type::f16, block.head_dim_k, kv_heads, group);
    if (loop && plain && typed) *loop *= number(*plain) / number(*typed);
  }
  if (!loop) return std::nullopt;
  row_parts parts;
  parts.loop = *loop;
  // ggml's loops over halves take four registers at once, and the rest of a head one by one (ggml-cpu/simd-mappings.h).
  const int step = 4 * std::max(measured.vector_halves, 1);
  if (type == ggml_type::f16 && plain) parts.rest = block.head_dim_k % step / number(*plain);
  const double element = bits_per_weight(type) / 8.0;
  parts.read = kv_row(block, element, element) / std::max(block.n_heads, 1) / reachable;
  return parts;
}

/// What a query head and cached token of a model take besides reading the cache, on average over its layers.
inline std::optional<seconds> engine_row_time(const measured_rates& measured, double reachable, const engine& runtime,
                                              const architecture& model) {
  double sum = 0.0;
  double heads = 0.0;
  for (const layer& block : model.layers) {
    if (!has_attention(block.mixer) || block.n_heads <= 0) continue;
    const std::optional<row_parts> parts = row_parts_of(measured, reachable, runtime.llama_cpp.type_k, block);
    if (!parts) return std::nullopt;
    const engine_efficiency& share = llama_cpp_efficiency;
    const double row = parts->loop * share.attention_row + parts->rest * share.attention_rest;
    sum += std::max(row - parts->read, 0.0) * block.n_heads;
    heads += block.n_heads;
  }
  return make_seconds(heads > 0.0 ? sum / heads : 0.0);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
