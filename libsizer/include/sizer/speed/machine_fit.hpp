#pragma once
/// @file
/// The calibration of one machine: how its own runs differ from what the levels of its class say.
///
/// One offset for each part of a step (speed_part) is added to the logarithms of that part's factors; of memory shares
/// it moves the excess alone, so that no offset lifts an estimate above its ceiling. An offset has a prior of centre 0:
/// one run moves it little, runs of many models move it to where they agree. A part that takes next to no time of any
/// run keeps 0. Solved by speed/calibration.hpp.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/speed/calibration.hpp>
#include <sizer/speed/fitted_levels.hpp>
#include <sizer/speed/interval_scale.hpp>
#include <sizer/speed/level.hpp>
#include <sizer/speed/share.hpp>

namespace sizer {
inline namespace v0 {

/// A run of the machine that is calibrated.
struct machine_row {
  speed_shares shares;  ///< of its step on that machine (decode_shares, prefill_shares)
  double seconds = 0;   ///< measured, of one step of decode or of the whole prefill
  double least = 0;     ///< seconds that physics asks at least; no answer is shorter
  speed_test test = speed_test::decode;
  std::int32_t series = 0;   ///< runs of one model in one format share a number: they err together
  double low = 1, high = 1;  ///< the class's interval around the speed, as factors of the point
};

/// What runs of a machine teach, and how well it meets them.
struct machine_fit {
  machine_calibration calibration;                  ///< its engine and note are the caller's
  std::vector<double> before;                       ///< seconds of each row by the class alone
  std::vector<double> after;                        ///< calibrated by all rows
  std::vector<double> held_out;                     ///< calibrated by all rows but this measurement
  std::array<double, n_speed_parts> part_before{};  ///< each part's share of a run's time by the class, on average
  std::array<double, n_speed_parts> part_after{};   ///< calibrated, over the same time by the class
};

namespace detail {

/// How far a machine may differ from its class (standard deviations of logarithms). The fitted levels of the device
/// classes spread by 0.34 about their backend in the time of a layer and by 0.22 in unpacking, those of generations by
/// 0.23 in matrix products and 0.11 in attention (speed/fitted_levels.hpp).
inline constexpr double factor_width = 0.35;
/// The same of an excess over full speed, such that one standard deviation is a tenth of the share: a machine's memory
/// may well read at 0.9 of full speed, whatever its class reaches. The fitted excess of weights is exp(-4.8), of a
/// cache exp(-3.0).
inline constexpr double weights_excess_width = 2.5;
inline constexpr double cache_excess_width = 0.7;
/// How far a run lies from its device's median run, where the fit has not seen the device: by the median of such
/// distances 0.08 in decode and 0.12 in prefill, by their squares 0.15 and 0.21 (data/measurements/held_out.csv),
/// because models and formats differ whatever the machine. Between the two it makes no difference: with the row itself
/// left out, too, decode of 17 devices errs by 5.6 to 6.2 % instead of 6.6, prefill of 12 by 10.3 to 11.2 instead
/// of 12.0.
inline constexpr double decode_tolerance = 0.10;
inline constexpr double prefill_tolerance = 0.14;
/// A part below this share of every run's time is nothing that the runs can tell.
inline constexpr double least_told = 0.02;
/// Runs of one series count as so many of their number's power, as in the fit of the levels (bench/speed_rows.py).
inline constexpr double series_exponent = -0.25;
/// Series that weigh as much as the class's own interval.
inline constexpr double class_series = 8.0;
/// An 80 % interval of normal errors over their mean absolute size: 1.2816 sqrt(pi / 2).
inline constexpr double ends_over_mean = 1.606;
/// Refits at most; with more rows several are left out at a time.
inline constexpr std::size_t most_folds = 50;
/// The largest offset that a machine's file may hold, and the logarithm of the widest interval.
inline constexpr double largest_machine_offset = 8.0;
/// Ends of an interval are no further from the point than this (logarithm).
inline constexpr double widest_machine_interval = 4.0;

inline double& offset_of(machine_calibration& own, speed_part part) noexcept {
  switch (part) {
    case speed_part::arithmetic: return own.arithmetic;
    case speed_part::cache: return own.cache;
    case speed_part::attention: return own.attention;
    case speed_part::latency: return own.latency;
    case speed_part::batch: return own.batch;
    case speed_part::matrices: return own.matrices;
    case speed_part::prefill_attention: return own.prefill_attention;
    case speed_part::prefill_traffic: return own.prefill_traffic;
    case speed_part::fixed:  // no level is made for it
    case speed_part::weights: break;
  }
  return own.weights;
}

/// Adds each part's time in a row over the whole time that the class gives it.
inline void add_parts(machine_fit& result, const machine_row& row, level_table table) {
  const std::vector<double> before = times_of(row.shares, table);
  const std::vector<double> after = times_of(row.shares, table, &result.calibration);
  double whole = 0.0;
  for (const double time : before) whole += time;
  const auto n = static_cast<double>(row.test == speed_test::decode ? result.calibration.n_decode_rows
                                                                    : result.calibration.n_prefill_rows);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto part = static_cast<std::size_t>(row.shares[i].part);
    result.part_before[part] += before[i] / whole / n;
    result.part_after[part] += after[i] / whole / n;
  }
}

/// Seconds of a row, never less than physics asks.
inline double answer_of(const machine_row& row, level_table table, const machine_calibration* own) {
  double sum = 0.0;
  for (const double time : times_of(row.shares, table, own)) sum += time;
  return std::max(sum, row.least);
}

/// Rows that measured the same as one, and the problem that they make.
class machine_problem {
 public:
  machine_problem(std::span<const machine_row> rows, level_table table) : fit_{decode_tolerance} {
    merge(rows, table);
    std::map<std::pair<speed_test, std::int32_t>, std::size_t> in_series;
    for (const merged_row& one : merged_) ++in_series[{rows[one.first].test, rows[one.first].series}];
    for (const merged_row& one : merged_) learn_parts(rows[one.first], table);
    for (std::size_t part = 1; part < n_speed_parts; ++part) {
      if (told_[part]) levels_[part] = fit_.add_level(0.0, width_of(static_cast<speed_part>(part)));
    }
    for (merged_row& one : merged_) {
      const machine_row& row = rows[one.first];
      const auto n = static_cast<double>(in_series[{row.test, row.series}]);
      const double tolerance = row.test == speed_test::decode ? 1.0 : decode_tolerance / prefill_tolerance;
      one.weight = std::pow(n, series_exponent) * tolerance;
      fit_.add_row(plain_shares(row, table), std::exp(one.log_seconds), one.weight);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return merged_.size(); }
  /// Index of a given row among the merged ones.
  [[nodiscard]] std::size_t place_of(std::size_t row) const noexcept { return place_[row]; }
  [[nodiscard]] std::size_t first_of(std::size_t merged) const noexcept { return merged_[merged].first; }
  [[nodiscard]] double measured_of(std::size_t merged) const { return std::exp(merged_[merged].log_seconds); }

  /// The offsets that fit the rows in use best; all rows when `used` is empty. An excess has a second valley: from next
  /// to nothing, where it moves no time, the way up to a tenth of a share is flat. So each fit begins in both.
  [[nodiscard]] machine_calibration solve(std::span<const std::uint8_t> used = {}) const {
    machine_calibration own;
    if (fit_.n_levels() == 0) return own;
    constexpr double settled = 1e-9;
    level_values best = fit_.fit(used, {}, settled);
    const std::int32_t excess = levels_[static_cast<std::size_t>(speed_part::weights)];
    if (excess >= 0 && excess_[static_cast<std::size_t>(speed_part::weights)]) {
      level_values raised = level_values::Zero(best.size());
      raised[excess] = weights_excess_width;
      raised = fit_.fit(used, raised, settled);
      if (fit_.cost_of(raised, used) < fit_.cost_of(best, used)) best = raised;
    }
    for (std::size_t part = 1; part < n_speed_parts; ++part) {
      if (levels_[part] < 0) continue;
      offset_of(own, static_cast<speed_part>(part)) =
          std::clamp(best[levels_[part]], -largest_machine_offset, largest_machine_offset);
    }
    return own;
  }

 private:
  struct merged_row {
    std::size_t first = 0;  ///< of the given rows
    double log_seconds = 0;
    double n = 0;
    double weight = 1;
  };

  void merge(std::span<const machine_row> rows, level_table table) {
    using key = std::tuple<speed_test, std::int32_t, std::vector<double>>;
    std::map<key, std::size_t> known;
    place_.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const machine_row& row = rows[i];
      if (!std::isfinite(row.seconds) || row.seconds <= 0.0)
        throw value_error{"seconds", std::to_string(row.seconds), "a positive, finite number"};
      std::vector<double> times;  // one engine's levels differ from another's where the amounts are the same
      times.reserve(row.shares.size());
      for (const speed_share& share : row.shares) times.push_back(seconds_of(share, table));
      const auto [found, is_new] = known.try_emplace({row.test, row.series, std::move(times)}, merged_.size());
      if (is_new) merged_.push_back({i, 0.0, 0.0, 1.0});
      merged_row& one = merged_[found->second];
      one.n += 1.0;
      one.log_seconds += (std::log(row.seconds) - one.log_seconds) / one.n;
      place_.push_back(found->second);
    }
  }

  void learn_parts(const machine_row& row, level_table table) {
    const std::vector<double> times = times_of(row.shares, table);
    std::array<double, n_speed_parts> by_part{};
    double all = 0.0;
    for (std::size_t i = 0; i < times.size(); ++i) {
      const auto part = static_cast<std::size_t>(row.shares[i].part);
      by_part[part] += times[i];
      all += times[i];
      if (row.shares[i].kind == share_kind::excess) excess_[part] = true;
    }
    for (std::size_t part = 1; part < n_speed_parts; ++part) {
      if (by_part[part] > least_told * all) told_[part] = true;
    }
  }

  [[nodiscard]] double width_of(speed_part part) const noexcept {
    if (!excess_[static_cast<std::size_t>(part)]) return factor_width;
    return part == speed_part::weights ? weights_excess_width : cache_excess_width;
  }

  /// What the levels say is a part of the amounts; what is left to find are the offsets.
  [[nodiscard]] std::vector<time_share> plain_shares(const machine_row& row, level_table table) const {
    std::vector<time_share> plain;
    plain.reserve(row.shares.size() * 2);
    for (const speed_share& share : row.shares) {
      const std::int32_t level = levels_[static_cast<std::size_t>(share.part)];
      std::vector<level_use> uses;
      if (level >= 0) uses.push_back({level});
      plain.push_back(
          {share_kind::scale, share.overlap, share.amount * std::exp(sum_of(share.levels, table)), std::move(uses)});
      if (share.kind == share_kind::excess) plain.push_back({share_kind::scale, share.overlap, share.amount, {}});
    }
    return plain;
  }

  static constexpr std::array<std::int32_t, n_speed_parts> no_levels() {
    std::array<std::int32_t, n_speed_parts> none{};
    none.fill(-1);
    return none;
  }

  calibration fit_;
  std::vector<merged_row> merged_;
  std::vector<std::size_t> place_;
  std::array<bool, n_speed_parts> told_{}, excess_{};
  std::array<std::int32_t, n_speed_parts> levels_ = no_levels();
};

/// Seconds of each merged row by fits that did not see the rows of its group.
inline std::vector<double> left_out_seconds(std::span<const machine_row> rows, level_table table,
                                            const machine_problem& problem, const std::vector<std::size_t>& groups) {
  std::vector<double> seconds(problem.size(), 0.0);
  std::size_t n_groups = 0;
  for (const std::size_t group : groups) n_groups = std::max(n_groups, group + 1);
  const std::size_t n_folds = std::min(n_groups, most_folds);
  std::vector<std::uint8_t> used(problem.size(), 1);
  for (std::size_t fold = 0; fold < n_folds; ++fold) {
    for (std::size_t i = 0; i < used.size(); ++i) used[i] = groups[i] % n_folds == fold ? 0 : 1;
    const machine_calibration own = problem.solve(used);
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (used[i] == 0) seconds[i] = answer_of(rows[problem.first_of(i)], table, &own);
    }
  }
  return seconds;
}

/// The interval of one test: how far the runs lie from a fit that has not seen their series, and the class's interval,
/// which weighs as much as eight series.
inline interval machine_interval(std::span<const machine_row> rows, const machine_problem& problem, speed_test test,
                                 const std::vector<std::size_t>& series, const std::vector<double>& predicted) {
  struct errors {
    double size = 0, low = 0, high = 0, n = 0;
  };
  std::map<std::size_t, errors> of_series;
  for (std::size_t i = 0; i < problem.size(); ++i) {
    const machine_row& row = rows[problem.first_of(i)];
    if (row.test != test) continue;
    errors& one = of_series[series[i]];
    one.size += std::abs(std::log(problem.measured_of(i) / predicted[i]));
    one.low += std::log(row.low);
    one.high += std::log(row.high);
    one.n += 1.0;
  }
  const auto n = static_cast<double>(of_series.size());
  double size = 0.0;
  double low = 0.0;
  double high = 0.0;
  for (const auto& [key, one] : of_series) {
    size += one.size / one.n / n;
    low += one.low / one.n / n;
    high += one.high / one.n / n;
  }
  const double own = n / (n + class_series);
  const double half = own * ends_over_mean * size;
  return {std::exp(std::clamp((1.0 - own) * low - half, -widest_machine_interval, -narrowest_interval)),
          std::exp(std::clamp((1.0 - own) * high + half, narrowest_interval, widest_machine_interval))};
}

}  // namespace detail

/// Calibrates a machine by its own runs. Without rows nothing changes. Repetitions of a run count once, at the mean of
/// their logarithms.
/// @param table  the levels that the offsets are added to
/// @throws value_error for a time that is not positive, an interval that is none, or a row without shares
[[nodiscard]] inline machine_fit calibrate_machine(std::span<const machine_row> rows,
                                                   level_table table = fitted_levels) {
  for (const machine_row& row : rows) {
    if (!std::isfinite(row.low) || row.low <= 0.0 || row.low > 1.0)
      throw value_error{"low", std::to_string(row.low), "a factor above 0, at most 1"};
    if (!std::isfinite(row.high) || row.high < 1.0)
      throw value_error{"high", std::to_string(row.high), "a factor of at least 1"};
  }
  machine_fit result;
  if (rows.empty()) return result;
  const detail::machine_problem problem{rows, table};
  machine_calibration& own = result.calibration;
  own = problem.solve();

  std::vector<std::size_t> each(problem.size());
  std::vector<std::size_t> series(problem.size());
  std::map<std::int32_t, std::size_t> numbers;
  std::array<bool, 2> has{};
  for (std::size_t i = 0; i < problem.size(); ++i) {
    const machine_row& row = rows[problem.first_of(i)];
    each[i] = i;
    series[i] = numbers.try_emplace(row.series, numbers.size()).first->second;
    has[static_cast<std::size_t>(row.test)] = true;
  }
  const std::vector<double> without_series = detail::left_out_seconds(rows, table, problem, series);
  if (has[static_cast<std::size_t>(speed_test::decode)]) {
    const detail::interval ends = detail::machine_interval(rows, problem, speed_test::decode, series, without_series);
    own.decode_low = ends.low;
    own.decode_high = ends.high;
  }
  if (has[static_cast<std::size_t>(speed_test::prefill)]) {
    const detail::interval ends = detail::machine_interval(rows, problem, speed_test::prefill, series, without_series);
    own.prefill_low = ends.low;
    own.prefill_high = ends.high;
  }

  const std::vector<double> without_row = detail::left_out_seconds(rows, table, problem, each);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ++(rows[i].test == speed_test::decode ? own.n_decode_rows : own.n_prefill_rows);
    result.before.push_back(detail::answer_of(rows[i], table, nullptr));
    result.after.push_back(detail::answer_of(rows[i], table, &own));
    result.held_out.push_back(without_row[problem.place_of(i)]);
  }
  for (const machine_row& row : rows) detail::add_parts(result, row, table);
  return result;
}

}  // namespace v0
}  // namespace sizer
