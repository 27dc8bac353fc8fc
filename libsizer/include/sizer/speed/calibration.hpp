#pragma once
/// @file
/// Fits the factors of the speed model to measured times: robust, non-negative, every factor held by a prior.
///
/// A row's time is a sum of shares, and each share is an amount that physics gives (seconds at full speed, or a count)
/// times a factor that is never negative:
///
///   t = sum_i amount_i (1 + exp(z_i))   excess: time above full speed, so that no share beats the ceiling
///     + sum_j amount_j exp(z_j)         scale:  arithmetic, fixed costs
///   where memory and arithmetic of one kernel may hide each other (speed/share.hpp)
///
/// Each z is a weighted sum of levels (of all rows, of a backend, of a device class, of an engine, of a format ...). A
/// level has a prior, a centre and a width, that pulls it like a measurement of that error: a class with few rows stays
/// near its backend, a backend with few rows near all. Errors are of log time; beyond `tolerance` they pull only
/// linearly (pseudo-Huber), because published rows hold misprints. Levenberg-Marquardt on the normal equations.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <sizer/error.hpp>
#include <sizer/speed/share.hpp>

namespace sizer {
inline namespace v0 {

/// A level's part in z: the level times a coefficient, 1 but where a level grows with something (the age of a build).
struct level_use {
  std::int32_t level = 0;  ///< index that calibration::add_level gave
  double coefficient = 1;
};

/// One part of a row's time.
struct time_share {
  share_kind kind = share_kind::scale;
  share_overlap overlap = share_overlap::none;
  double amount = 0;  ///< seconds at full speed, or a count; shares of 0 are left out
  std::vector<level_use> levels;
};

/// Levels at their best values, one for each added level.
using level_values = Eigen::VectorXd;

/// Rows and levels of one fit.
class calibration {
 public:
  /// @param tolerance  error of log time from which on a row's pull grows only linearly
  /// @param overlap    exponent of shares that hide each other, at least 1 (speed/share.hpp)
  /// @throws value_error unless 0 < tolerance and 1 <= overlap
  explicit calibration(double tolerance, double overlap = detail::overlap_exponent)
      : tolerance_{tolerance}, overlap_{overlap} {
    require_positive("tolerance", tolerance);
    require_positive("overlap", overlap);
    if (overlap < 1.0) throw value_error{"overlap", std::to_string(overlap), "at least 1"};
  }

  /// A new level. @param centre  its value without any row @param width  how far rows may pull it: a standard deviation
  /// @throws value_error unless width is positive and centre is finite
  std::int32_t add_level(double centre, double width) {
    require_positive("width", width);
    if (!std::isfinite(centre)) throw value_error{"centre", std::to_string(centre), "a finite number"};
    centres_.push_back(centre);
    widths_.push_back(width);
    return static_cast<std::int32_t>(centres_.size()) - 1;
  }

  /// A measured row. @param measured  seconds @param weight  of its error, 1 for a row that stands alone
  /// @throws value_error for a time that is not positive, a row without a positive share, or a level that is none
  std::size_t add_row(std::span<const time_share> shares, double measured, double weight) {
    require_positive("seconds", measured);
    require_positive("weight", weight);
    const std::size_t first = shares_.size();
    for (const time_share& one : shares) {
      if (!std::isfinite(one.amount) || one.amount < 0.0)
        throw value_error{"amount", std::to_string(one.amount), "a finite number, not negative"};
      for (const level_use& use : one.levels) {
        if (use.level < 0 || static_cast<std::size_t>(use.level) >= centres_.size())
          throw value_error{"level", std::to_string(use.level), "an index that add_level gave"};
        if (!std::isfinite(use.coefficient))
          throw value_error{"coefficient", std::to_string(use.coefficient), "a finite number"};
      }
      if (one.amount > 0.0) shares_.push_back(one);
    }
    if (shares_.size() == first) throw value_error{"shares", "none above 0", "at least one share of the row's time"};
    rows_.push_back({first, shares_.size(), std::log(measured), weight});
    return rows_.size() - 1;
  }

  [[nodiscard]] std::size_t n_rows() const noexcept { return rows_.size(); }
  [[nodiscard]] std::size_t n_levels() const noexcept { return centres_.size(); }

  /// Seconds of a row at those levels.
  /// @throws value_error for a row or a number of levels that is none
  [[nodiscard]] double seconds_of(std::size_t index, const level_values& at) const {
    if (index >= rows_.size()) throw value_error{"row", std::to_string(index), "an index that add_row gave"};
    require_size("levels", static_cast<std::size_t>(at.size()), centres_.size());
    return sums_of(rows_[index], at).time;
  }

  /// The levels that fit the rows best.
  /// @param used   which rows take part: one number a row, 0 leaves it out; empty: all
  /// @param start  levels to start from, as of a fit of nearly the same rows; empty: the centres of the priors
  /// @param settled  a step that gains less than this of the sum of squares is the last
  [[nodiscard]] level_values fit(std::span<const std::uint8_t> used = {}, const level_values& start = {},
                                 double settled = 1e-4) const {
    if (!used.empty()) require_size("used", used.size(), rows_.size());
    const auto n = static_cast<Eigen::Index>(centres_.size());
    const Eigen::Map<const Eigen::VectorXd> centre{centres_.data(), n};
    level_values x = centre;
    if (start.size() != 0) {
      require_size("start", static_cast<std::size_t>(start.size()), centres_.size());
      x = start;
    }
    normal_equations now = assemble(x, used);
    double damping = 1e-3;
    for (int step = 0; step < most_steps; ++step) {
      const double before = now.cost;
      bool better = false;
      for (; damping < 1e9; damping *= 4.0) {
        Eigen::MatrixXd damped = now.hessian;
        damped.diagonal() *= 1.0 + damping;
        const Eigen::VectorXd change = -damped.llt().solve(now.gradient);
        if (!change.allFinite()) continue;
        const level_values trial = x + change.cwiseMax(-1.0).cwiseMin(1.0);
        if (cost_of(trial, used) < now.cost) {
          x = trial;
          better = true;
          break;
        }
      }
      if (!better) break;
      now = assemble(x, used);
      damping = std::max(damping / 5.0, 1e-6);
      if (before - now.cost < settled) break;
    }
    return x;
  }

  /// What a fit makes small: the loss of the used rows and the pull of the priors.
  [[nodiscard]] double cost_of(const level_values& x, std::span<const std::uint8_t> used) const {
    double cost = prior_cost(x);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!takes_part(used, i)) continue;
      cost += loss(residual(rows_[i], sums_of(rows_[i], x).time));
    }
    return cost;
  }

 private:
  struct row {
    std::size_t first, last;  ///< its shares
    double log_seconds, weight;
  };
  struct part {
    double whole;  ///< seconds
    double by_z;   ///< its derivative by z
  };
  /// A row's time, and how much of a change of a share reaches it.
  struct row_sums {
    double time = 0;
    std::array<std::array<double, 2>, detail::n_overlap_pairs> weights{};
    [[nodiscard]] double weight_of(share_overlap overlap) const {
      return overlap == share_overlap::none ? 1.0 : weights[detail::pair_of(overlap)][detail::side_of(overlap)];
    }
  };
  struct normal_equations {
    Eigen::MatrixXd hessian;
    Eigen::VectorXd gradient;
    double cost = 0;
  };
  static constexpr int most_steps = 80;
  static constexpr double largest_exponent = 30.0;

  static void require_positive(const char* field, double value) {
    if (!std::isfinite(value) || value <= 0.0)
      throw value_error{field, std::to_string(value), "a positive, finite number"};
  }
  static void require_size(const char* field, std::size_t got, std::size_t expected) {
    if (got != expected) throw value_error{field, std::to_string(got), std::to_string(expected) + " values"};
  }

  static part share_time(const time_share& share, const level_values& at) {
    double z = 0.0;
    for (const level_use& use : share.levels) z += use.coefficient * at[use.level];
    const double scaled = share.amount * std::exp(std::clamp(z, -largest_exponent, largest_exponent));
    return {share.kind == share_kind::excess ? share.amount + scaled : scaled, scaled};
  }

  [[nodiscard]] row_sums sums_of(const row& one, const level_values& at) const {
    row_sums sums;
    std::array<std::array<double, 2>, detail::n_overlap_pairs> sides{};
    for (std::size_t s = one.first; s < one.last; ++s) {
      const time_share& share = shares_[s];
      const double whole = share_time(share, at).whole;
      if (share.overlap == share_overlap::none) {
        sums.time += whole;
      } else {
        sides[detail::pair_of(share.overlap)][detail::side_of(share.overlap)] += whole;
      }
    }
    for (std::size_t pair = 1; pair < detail::n_overlap_pairs; ++pair) {
      const double both = detail::overlapped(sides[pair][0], sides[pair][1], overlap_);
      sums.time += both;
      for (std::size_t side = 0; side < 2; ++side) {
        sums.weights[pair][side] = both > 0.0 ? std::pow(sides[pair][side] / both, overlap_ - 1.0) : 1.0;
      }
    }
    return sums;
  }

  static bool takes_part(std::span<const std::uint8_t> used, std::size_t index) {
    return used.empty() || used[index] != 0;
  }

  /// Weighted error of a row's log time, in units of the tolerance.
  [[nodiscard]] double residual(const row& one, double time) const {
    return (one.log_seconds - std::log(time)) / tolerance_ * one.weight;
  }
  static double loss(double r) { return 2.0 * (std::sqrt(1.0 + r * r) - 1.0); }

  [[nodiscard]] double prior_cost(const level_values& x) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < centres_.size(); ++i) {
      const double pull = (x[static_cast<Eigen::Index>(i)] - centres_[i]) / widths_[i];
      sum += pull * pull;
    }
    return sum;
  }

  [[nodiscard]] normal_equations assemble(const level_values& x, std::span<const std::uint8_t> used) const {
    const auto n = static_cast<Eigen::Index>(centres_.size());
    normal_equations result{Eigen::MatrixXd::Zero(n, n), Eigen::VectorXd::Zero(n), prior_cost(x)};
    Eigen::VectorXd slope = Eigen::VectorXd::Zero(n);  // of the row's time, by level
    std::vector<std::int32_t> touched;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!takes_part(used, i)) continue;
      const row& one = rows_[i];
      const row_sums sums = sums_of(one, x);
      const double time = sums.time;
      touched.clear();
      for (std::size_t s = one.first; s < one.last; ++s) {
        const double by_z = share_time(shares_[s], x).by_z * sums.weight_of(shares_[s].overlap);
        for (const level_use& use : shares_[s].levels) {
          slope[use.level] += use.coefficient * by_z;
          touched.push_back(use.level);
        }
      }
      std::sort(touched.begin(), touched.end());
      touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
      const double r = residual(one, time);
      const double robust = 1.0 / std::sqrt(1.0 + r * r);
      const double scale = -one.weight / tolerance_ / time;  // residual by time
      for (const std::int32_t a : touched) {
        const double by_a = slope[a] * scale;
        result.gradient[a] += by_a * r * robust;
        for (const std::int32_t b : touched) result.hessian(a, b) += by_a * slope[b] * scale * robust;
      }
      for (const std::int32_t level : touched) slope[level] = 0.0;
      result.cost += loss(r);
    }
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      result.hessian(i, i) += 1.0 / (widths_[at] * widths_[at]);
      result.gradient[i] += (x[i] - centres_[at]) / (widths_[at] * widths_[at]);
    }
    return result;
  }

  double tolerance_, overlap_;
  std::vector<double> centres_, widths_;
  std::vector<time_share> shares_;
  std::vector<row> rows_;
};

}  // namespace v0
}  // namespace sizer
