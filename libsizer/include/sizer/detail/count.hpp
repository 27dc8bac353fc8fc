#pragma once
/// @file
/// An integer that cannot overflow silently: the value type under exact byte and parameter counts.

#include <compare>
#include <concepts>
#include <cstdint>
#include <ostream>
#include <string>

#include <sizer/error.hpp>

namespace sizer {
inline namespace v0 {

/// A 64-bit signed integer whose arithmetic throws value_error instead of wrapping around.
class count {
  // Above the constructor that calls it: clang 14 rejects the constant expression otherwise.
  template <std::integral Integer>
  static constexpr std::int64_t narrow(Integer value) {
    if constexpr (std::unsigned_integral<Integer> && sizeof(Integer) >= sizeof(std::int64_t)) {
      if (value > static_cast<Integer>(INT64_MAX))
        throw value_error{"count", std::to_string(value), "at most 2^63 - 1"};
    }
    return static_cast<std::int64_t>(value);
  }

 public:
  constexpr count() = default;
  /// Any integer converts, a floating point number does not.
  template <std::integral Integer>
  constexpr count(Integer value)
      : value_{narrow(value)} {}  // NOLINT(google-explicit-constructor): a count is an integer

  /// The plain integer.
  [[nodiscard]] constexpr std::int64_t value() const noexcept { return value_; }
  /// The nearest double, for rates and times.
  [[nodiscard]] constexpr double real() const noexcept { return static_cast<double>(value_); }

  friend constexpr count operator+(count a, count b) {
    std::int64_t sum{};
    if (__builtin_add_overflow(a.value_, b.value_, &sum)) overflow("+", a, b);
    return raw(sum);
  }
  friend constexpr count operator-(count a, count b) {
    std::int64_t difference{};
    if (__builtin_sub_overflow(a.value_, b.value_, &difference)) overflow("-", a, b);
    return raw(difference);
  }
  friend constexpr count operator*(count a, count b) {
    std::int64_t product{};
    if (__builtin_mul_overflow(a.value_, b.value_, &product)) overflow("*", a, b);
    return raw(product);
  }
  /// Rounds towards zero. Division by zero throws.
  friend constexpr count operator/(count a, count b) {
    if (b.value_ == 0 || (b.value_ == -1 && a.value_ == INT64_MIN)) overflow("/", a, b);
    return raw(a.value_ / b.value_);
  }
  friend constexpr count operator%(count a, count b) {
    if (b.value_ == 0 || b.value_ == -1) overflow("%", a, b);
    return raw(a.value_ % b.value_);
  }
  constexpr count operator-() const { return count{0} - *this; }
  constexpr count operator+() const { return *this; }
  constexpr count& operator+=(count b) { return *this = *this + b; }
  constexpr count& operator-=(count b) { return *this = *this - b; }
  constexpr count& operator*=(count b) { return *this = *this * b; }
  constexpr count& operator/=(count b) { return *this = *this / b; }

  friend constexpr bool operator==(count, count) = default;
  friend constexpr auto operator<=>(count, count) = default;
  friend std::ostream& operator<<(std::ostream& out, count c) { return out << c.value_; }

 private:
  static constexpr count raw(std::int64_t value) noexcept {
    count c;
    c.value_ = value;
    return c;
  }
  [[noreturn]] static void overflow(const char* operation, count a, count b) {
    throw value_error{"size", std::to_string(a.value_) + " " + operation + " " + std::to_string(b.value_),
                      "a result that fits a signed 64-bit integer"};
  }

  std::int64_t value_{};
};

/// Smallest multiple of `step` that is at least `value`. Both non-negative, step positive.
[[nodiscard]] constexpr count round_up(count value, count step) { return (value + step - 1) / step * step; }

}  // namespace v0
}  // namespace sizer
