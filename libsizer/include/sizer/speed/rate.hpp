#pragma once
/// @file
/// A speed with its interval, its physical ceiling and the times it is made of.

#include <string_view>
#include <vector>

#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// What limits a step.
enum class bound_kind { memory, compute, latency, link };

[[nodiscard]] constexpr std::string_view to_string(bound_kind bound) noexcept {
  switch (bound) {
    case bound_kind::memory: return "memory";
    case bound_kind::compute: return "compute";
    case bound_kind::latency: return "latency";
    case bound_kind::link: return "link";
  }
  return "memory";
}

/// One named share of a step's time. The terms of a step sum to its time.
struct time_term {
  std::string_view name;
  seconds time{};
  bound_kind kind = bound_kind::memory;
  friend bool operator==(const time_term&, const time_term&) = default;
};

/// A rate in tokens per second (all sequences of the batch together).
struct rate_estimate {
  tokens_per_second rate{};
  tokens_per_second low{};                ///< lower end of the 80 % interval
  tokens_per_second high{};               ///< upper end of the 80 % interval, at most the ceiling
  tokens_per_second ceiling{};            ///< spec bandwidth (or spec arithmetic rate), no overhead; never exceeded
  bound_kind bound = bound_kind::memory;  ///< kind of the largest share
  seconds time{};                         ///< of one decode step, or of the whole prefill
  std::vector<time_term> terms;
  bool parameters_assumed = false;  ///< no measurement of this device class stands behind the parameters
};

}  // namespace v0
}  // namespace sizer
