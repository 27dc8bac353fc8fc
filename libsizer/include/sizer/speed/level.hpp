#pragma once
/// @file
/// Levels: what the factors of the speed model have in common over backends, device classes, engines, formats. Each has
/// one fitted number (speed/fitted_levels.hpp), a logarithm that is added to others.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sizer {
inline namespace v0 {

/// Name of a level as one number: the factor it belongs to, what it is common to, and which one of those.
struct level_key {
  std::uint8_t factor = 0;  ///< a speed_factor (speed/factor.hpp)
  std::uint8_t scope = 0;   ///< a level_scope
  std::uint8_t first = 0;   ///< backend, format, engine ... as the scope says
  std::uint8_t second = 0;
  [[nodiscard]] constexpr std::uint32_t packed() const noexcept {
    return static_cast<std::uint32_t>(factor) << 24U | static_cast<std::uint32_t>(scope) << 16U |
           static_cast<std::uint32_t>(first) << 8U | second;
  }
  friend constexpr bool operator==(const level_key&, const level_key&) = default;
};

/// A level's part in a factor: its value times the coefficient, 1 but where it grows with something (a build's age).
/// What is known of the level without measurements is its prior: a centre and how far rows may pull it (a standard
/// deviation).
struct level_part {
  level_key key;
  float coefficient = 1;
  float centre = 0;
  float width = 1;
};

/// Levels of one factor, in a list that needs no memory of its own.
class level_list {
 public:
  static constexpr std::size_t capacity = 16;
  /// @param width  0: the level is left out
  constexpr void add(const level_key& key, double width, double centre = 0.0, double coefficient = 1.0) noexcept {
    if (size_ == capacity || width <= 0.0) return;
    parts_[size_++] = {key, static_cast<float>(coefficient), static_cast<float>(centre), static_cast<float>(width)};
  }
  constexpr void add(const level_list& others) noexcept {
    for (const level_part& one : others) {
      if (size_ < capacity) parts_[size_++] = one;
    }
  }
  [[nodiscard]] constexpr const level_part* begin() const noexcept { return parts_.data(); }
  [[nodiscard]] constexpr const level_part* end() const noexcept { return parts_.data() + size_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }

 private:
  std::array<level_part, capacity> parts_{};
  std::size_t size_ = 0;
};

/// A level's value in a table.
struct level_value {
  std::uint32_t key = 0;  ///< level_key::packed
  double value = 0;
};

/// Values of levels, sorted by key. A level that is not in the table has the centre of its prior: nothing was measured
/// that says otherwise.
using level_table = std::span<const level_value>;

/// @returns the value, or null when the table has none
[[nodiscard]] constexpr const level_value* find_level(level_table table, const level_key& key) noexcept {
  const std::uint32_t packed = key.packed();
  const auto found = std::lower_bound(table.begin(), table.end(), packed,
                                      [](const level_value& one, std::uint32_t k) { return one.key < k; });
  return found != table.end() && found->key == packed ? &*found : nullptr;
}

/// Sum of the levels: the logarithm of a factor.
[[nodiscard]] constexpr double sum_of(const level_list& levels, level_table table) noexcept {
  double sum = 0.0;
  for (const level_part& one : levels) {
    const level_value* found = find_level(table, one.key);
    const double value = found != nullptr ? found->value : static_cast<double>(one.centre);
    sum += static_cast<double>(one.coefficient) * value;
  }
  return sum;
}

}  // namespace v0
}  // namespace sizer
