#pragma once
/// @file
/// What the generated tables of speed/fitted_intervals.hpp are made of.

#include <array>
#include <cstddef>
#include <cstdint>

#include <sizer/hardware/machine.hpp>

namespace sizer {
inline namespace v0 {

enum class speed_test : std::uint8_t { decode, prefill };

inline constexpr std::size_t n_interval_features = 19;
/// An interval is never narrower than this on either side (logarithm): two sources of one configuration differ by as
/// much.
inline constexpr double narrowest_interval = 0.04;

/// Weights of the features (speed/interval.hpp), and the ends in units of the spread they give.
struct interval_scale {
  std::array<double, n_interval_features> weights;
  double low, high;
};

/// A class of devices that somebody measured.
struct measured_class {
  speed_test test;
  backend where;
  device_class what;
  std::int32_t n_rows, n_devices;
};

}  // namespace v0
}  // namespace sizer
