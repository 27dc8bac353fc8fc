#pragma once
/// @file
/// What somebody claims, beside what can be computed: a verdict.
///
/// A range is judged against the physical limit as a whole (all of it beyond: impossible; a part: partly impossible),
/// and against what is expected by its middle; one that has all of what is expected in it is plausible. So a claim that
/// equals the prediction is plausible, and promising more never gives a milder verdict.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <sizer/memory/breakdown.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// By how much a claim promises, the most first; `unverifiable` stands apart.
enum class verdict : std::uint8_t {
  impossible,         ///< beyond the physical limit over its whole range
  partly_impossible,  ///< a part of its range is beyond the limit
  optimistic,         ///< within the limit, better than what is expected
  plausible,          ///< as expected
  pessimistic,        ///< worse than what is expected
  unverifiable        ///< nothing to compute it from
};
inline constexpr std::size_t n_verdicts = 6;

[[nodiscard]] constexpr std::string_view to_string(verdict v) noexcept {
  constexpr std::array<std::string_view, n_verdicts> names{"impossible", "partly impossible", "optimistic",
                                                           "plausible",  "pessimistic",       "unverifiable"};
  return names[static_cast<std::size_t>(v)];
}

/// The verdict of two readings of one claim that does it more justice: plausible before pessimistic, optimistic,
/// partly impossible, impossible, and any of them before unverifiable.
[[nodiscard]] constexpr verdict more_favourable(verdict a, verdict b) noexcept {
  constexpr std::array<int, n_verdicts> order{4, 3, 2, 0, 1, 5};
  return order[static_cast<std::size_t>(b)] < order[static_cast<std::size_t>(a)] ? b : a;
}

/// Ends of a range, both inside it.
template <class Quantity>
struct value_range {
  Quantity low{};
  Quantity high{};

  /// Whether it is a range at all: comparable numbers in their order.
  [[nodiscard]] constexpr bool valid() const noexcept { return low <= high; }
  [[nodiscard]] constexpr Quantity middle() const { return low + (high - low) * 0.5; }
  friend bool operator==(const value_range&, const value_range&) = default;
};

/// Which direction is the better one for who claims it.
enum class better : std::uint8_t { more, less };

/// What is known of an amount.
template <class Quantity>
struct amount_limits {
  value_range<Quantity> expected{};
  std::optional<Quantity> limit;  ///< the best that physics or the maker allows; empty: none is known
};

/// The smallest range that has both in it, with the better limit: one claim about several machines or models.
template <class Quantity>
[[nodiscard]] constexpr amount_limits<Quantity> joined(const amount_limits<Quantity>& a,
                                                       const amount_limits<Quantity>& b, better direction) {
  amount_limits<Quantity> both{{std::min(a.expected.low, b.expected.low), std::max(a.expected.high, b.expected.high)},
                               std::nullopt};
  if (a.limit && b.limit) {
    both.limit = direction == better::more ? std::max(*a.limit, *b.limit) : std::min(*a.limit, *b.limit);
  }
  return both;
}

/// A claimed amount: bytes, dollars, a bandwidth, a ratio.
/// @param tolerance  share of the claim that its rounding, or what the figures leave open, allows; 0 to below 1
/// @return unverifiable for a range out of order or a tolerance out of bounds
template <class Quantity>
[[nodiscard]] constexpr verdict judge_amount(const value_range<Quantity>& claimed, const amount_limits<Quantity>& known,
                                             better direction, double tolerance = 0.0) {
  if (!claimed.valid() || !known.expected.valid() || !(tolerance >= 0.0 && tolerance < 1.0))
    return verdict::unverifiable;
  const double less = 1.0 - tolerance;
  const double more = 1.0 + tolerance;
  const Quantity middle = claimed.middle();
  const bool around = claimed.low * less <= known.expected.low && claimed.high * more >= known.expected.high;
  if (direction == better::more) {
    if (known.limit && claimed.low * less > *known.limit) return verdict::impossible;
    if (known.limit && claimed.high * less > *known.limit) return verdict::partly_impossible;
    if (around) return verdict::plausible;
    if (middle * less > known.expected.high) return verdict::optimistic;
    return middle * more < known.expected.low ? verdict::pessimistic : verdict::plausible;
  }
  if (known.limit && claimed.high * more < *known.limit) return verdict::impossible;
  if (known.limit && claimed.low * more < *known.limit) return verdict::partly_impossible;
  if (around) return verdict::plausible;
  if (middle * more < known.expected.low) return verdict::optimistic;
  return middle * less > known.expected.high ? verdict::pessimistic : verdict::plausible;
}

/// What an estimate knows of a speed: its 80 % interval, and its ceiling as the limit.
[[nodiscard]] constexpr amount_limits<tokens_per_second> limits_of(const rate_estimate& rate) {
  return {{rate.low, rate.high}, rate.ceiling};
}

/// A claimed speed, a point or a range, against an estimate.
[[nodiscard]] constexpr verdict judge_speed(const value_range<tokens_per_second>& claimed, const rate_estimate& rate) {
  return judge_amount(claimed, limits_of(rate), better::more);
}

/// Whether something fits: impossible when it is claimed to and does not, pessimistic when it is claimed not to and
/// does.
[[nodiscard]] constexpr verdict judge_fit(bool claimed, bool fits) noexcept {
  if (claimed == fits) return verdict::plausible;
  return claimed ? verdict::impossible : verdict::pessimistic;
}

[[nodiscard]] constexpr verdict judge_fit(bool claimed, const bytes& needed, const bytes& available) {
  return judge_fit(claimed, needed <= available);
}

[[nodiscard]] inline verdict judge_fit(bool claimed, const memory_breakdown& memory) {
  return judge_fit(claimed, memory.fits());
}

}  // namespace v0
}  // namespace sizer
