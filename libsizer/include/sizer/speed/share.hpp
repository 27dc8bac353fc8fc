#pragma once
/// @file
/// The form of the speed model: a step's time is a sum of shares, each an amount that physics gives times a factor that
/// measurements give, and each factor is a sum of levels in its logarithm.
///
///   memory shares      amount (1 + exp(z))   z: the excess over full speed, so that no share beats the ceiling
///   all other shares   amount exp(z)
///   z = sum of levels  what all devices have in common + the backend's own + its device class's + the engine's ...
///
/// Shares of memory and of arithmetic that one kernel works through together hide each other in part: they count as
/// (memory^p + arithmetic^p)^(1/p). The fit (speed/calibration.hpp) and the estimates share these definitions.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <sizer/hardware/machine.hpp>
#include <sizer/speed/level.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// How a share's factor follows from the sum z of its levels.
enum class share_kind : std::uint8_t {
  excess,  ///< 1 + exp(z)
  scale    ///< exp(z)
};

/// Shares that hide each other in part.
enum class share_overlap : std::uint8_t {
  none,
  weights_memory,  ///< with weights_arithmetic
  weights_arithmetic,
  cache_memory,  ///< with cache_arithmetic
  cache_arithmetic
};

/// What a calibration of one machine moves together (machine_calibration).
enum class speed_part : std::uint8_t {
  fixed,  ///< nothing
  weights,
  arithmetic,
  cache,
  attention,
  latency,
  batch,
  matrices,
  prefill_attention,
  prefill_traffic
};
inline constexpr std::size_t n_speed_parts = 10;

/// One share of a step's time.
struct speed_share {
  std::string_view name;  ///< of the term that it is reported in
  bound_kind bound = bound_kind::memory;
  speed_part part = speed_part::fixed;
  share_kind kind = share_kind::scale;
  share_overlap overlap = share_overlap::none;
  double amount = 0;  ///< seconds at full speed, or a count; never negative
  level_list levels;  ///< empty: the factor is 1 (scale)
};

using speed_shares = std::vector<speed_share>;

namespace detail {

/// Exponent of the overlap: 1 adds the shares up, infinity takes the larger one.
inline constexpr double overlap_exponent = 2.5;

constexpr std::size_t pair_of(share_overlap overlap) noexcept {  // 0: none
  return (static_cast<std::size_t>(overlap) + 1) / 2;
}
constexpr std::size_t side_of(share_overlap overlap) noexcept { return (static_cast<std::size_t>(overlap) + 1) % 2; }
inline constexpr std::size_t n_overlap_pairs = 3;  // with "none"

/// The time of an overlapping pair.
inline double overlapped(double a, double b, double exponent) {
  if (a <= 0.0 || b <= 0.0) return a + b;
  const double large = std::max(a, b);
  return large * std::pow(std::pow(a / large, exponent) + std::pow(b / large, exponent), 1.0 / exponent);
}

inline double offset_of(const machine_calibration& own, speed_part part) noexcept {
  switch (part) {
    case speed_part::fixed: return 0.0;
    case speed_part::weights: return own.weights;
    case speed_part::arithmetic: return own.arithmetic;
    case speed_part::cache: return own.cache;
    case speed_part::attention: return own.attention;
    case speed_part::latency: return own.latency;
    case speed_part::batch: return own.batch;
    case speed_part::matrices: return own.matrices;
    case speed_part::prefill_attention: return own.prefill_attention;
    case speed_part::prefill_traffic: return own.prefill_traffic;
  }
  return 0.0;
}

/// Factors of an 80 % interval.
struct interval {
  double low = 1.0;
  double high = 1.0;
};

}  // namespace detail

/// Seconds that a share takes, before others hide a part of it.
/// @param own  what runs of the machine add; null without any
[[nodiscard]] inline double seconds_of(const speed_share& share, level_table table,
                                       const machine_calibration* own = nullptr) noexcept {
  const double offset = own != nullptr ? detail::offset_of(*own, share.part) : 0.0;
  const double factor = std::exp(sum_of(share.levels, table) + offset);
  return share.kind == share_kind::excess ? share.amount * (1.0 + factor) : share.amount * factor;
}

/// The time of each share, with what overlaps made shorter; they sum to the step's time.
[[nodiscard]] inline std::vector<double> times_of(const speed_shares& shares, level_table table,
                                                  const machine_calibration* own = nullptr) {
  std::vector<double> times;
  times.reserve(shares.size());
  std::array<std::array<double, 2>, detail::n_overlap_pairs> sides{};
  for (const speed_share& share : shares) {
    times.push_back(seconds_of(share, table, own));
    if (share.overlap != share_overlap::none) {
      sides[detail::pair_of(share.overlap)][detail::side_of(share.overlap)] += times.back();
    }
  }
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (shares[i].overlap == share_overlap::none) continue;
    const std::array<double, 2>& both = sides[detail::pair_of(shares[i].overlap)];
    const double sum = both[0] + both[1];
    if (sum > 0.0) times[i] *= detail::overlapped(both[0], both[1], detail::overlap_exponent) / sum;
  }
  return times;
}

/// A rate with interval, ceiling and bound, from a step's shares. Shares of one name are one term.
/// @param produced    tokens that the step makes
/// @param least_time  what physics asks at least (s)
/// @param least_kind  what asks it
/// @param band        ends of the interval as factors of the point
/// @param assumed     no measurement of the class of devices stands behind the levels
[[nodiscard]] inline rate_estimate rate_of(const speed_shares& shares, level_table table,
                                           const machine_calibration* own, double produced, double least_time,
                                           bound_kind least_kind, const detail::interval& band, bool assumed) {
  rate_estimate result;
  const std::vector<double> times = times_of(shares, table, own);
  double time = 0.0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (times[i] <= 0.0) continue;
    time += times[i];
    const auto same = [&](const time_term& term) {
      return term.name == shares[i].name && term.kind == shares[i].bound;
    };
    const auto found = std::find_if(result.terms.begin(), result.terms.end(), same);
    if (found != result.terms.end()) {
      found->time += make_seconds(times[i]);
    } else {
      result.terms.push_back({shares[i].name, make_seconds(times[i]), shares[i].bound});
    }
  }
  if (time < least_time) {  // levels of another machine can promise too much; physics does not
    result.terms.push_back({"limit", make_seconds(least_time - time), least_kind});
    time = least_time;
  }
  double largest = -1.0;
  for (const bound_kind kind : {bound_kind::memory, bound_kind::compute, bound_kind::latency, bound_kind::link}) {
    double sum = 0.0;
    for (const time_term& term : result.terms) {
      if (term.kind == kind) sum += number(term.time);
    }
    if (sum > largest) {
      largest = sum;
      result.bound = kind;
    }
  }
  const double ceiling = least_time > 0.0 ? produced / least_time : 0.0;
  const double rate = time > 0.0 ? produced / time : 0.0;
  result.rate = make_tokens_per_second(rate);
  result.low = make_tokens_per_second(rate * band.low);
  result.high = make_tokens_per_second(std::min(rate * band.high, ceiling));
  result.ceiling = make_tokens_per_second(ceiling);
  result.time = make_seconds(time);
  result.parameters_assumed = assumed;
  return result;
}

}  // namespace v0
}  // namespace sizer
