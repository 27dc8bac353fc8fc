#include <sizer/speed/calibration.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sizer;

namespace {

/// Rows of two machines: bytes at (1 + excess) / bandwidth and a cost for each layer, the second machine's excess twice
/// the first one's.
struct two_machines {
  static constexpr double layer = 40e-6;
  static constexpr std::array<double, 2> excess{0.2, 0.4};
  calibration fit{0.05};
  std::int32_t common, by_layer;
  std::array<std::int32_t, 2> own{};
  std::vector<double> truth;

  explicit two_machines(double noise = 0.0) {
    common = fit.add_level(-1.0, 3.0);
    by_layer = fit.add_level(std::log(100e-6), 3.0);
    for (std::int32_t& one : own) one = fit.add_level(0.0, 1.0);
    std::mt19937 random{7};
    std::normal_distribution<double> error{0.0, 1.0};
    for (std::size_t machine = 0; machine < 2; ++machine) {
      for (const double full_speed : {1e-3, 3e-3, 10e-3, 30e-3}) {
        for (const double layers : {16.0, 32.0, 80.0}) {
          truth.push_back(full_speed * (1.0 + excess[machine]) + layers * layer);
          const std::array<time_share, 2> shares{
              time_share{share_kind::excess, share_overlap::none, full_speed, {{common}, {own[machine]}}},
              time_share{share_kind::scale, share_overlap::none, layers, {{by_layer}}},
          };
          fit.add_row(shares, truth.back() * std::exp(noise * error(random)), 1.0);
        }
      }
    }
  }
};

}  // namespace

TEST_CASE("a fit of exact rows finds the factors that made them") {
  const two_machines two;
  const level_values found = two.fit.fit();
  CHECK(std::exp(found[two.by_layer]) == doctest::Approx(two_machines::layer).epsilon(0.01));
  for (std::size_t machine = 0; machine < 2; ++machine) {
    const double excess = std::exp(found[two.common] + found[two.own[machine]]);
    CHECK(excess == doctest::Approx(two_machines::excess[machine]).epsilon(0.02));
  }
  for (std::size_t row = 0; row < two.fit.n_rows(); ++row) {
    CHECK(two.fit.seconds_of(row, found) == doctest::Approx(two.truth[row]).epsilon(0.002));
  }
}

TEST_CASE("one wild row does not move a fit of many") {
  two_machines two{0.02};
  const level_values clean = two.fit.fit();
  const std::array<time_share, 1> wild{
      time_share{share_kind::excess, share_overlap::none, 5e-3, {{two.common}, {two.own[0]}}}};
  two.fit.add_row(wild, 1.0, 1.0);  // 170 times too slow
  const level_values disturbed = two.fit.fit();
  for (std::size_t row = 0; row + 1 < two.fit.n_rows(); ++row) {
    const double change = two.fit.seconds_of(row, disturbed) / two.fit.seconds_of(row, clean);
    CHECK(change == doctest::Approx(1.0).epsilon(0.03));
  }
}

TEST_CASE("a level without rows keeps the centre of its prior, and one with few stays near it") {
  const two_machines two;
  std::vector<std::uint8_t> used(two.fit.n_rows(), 1);
  for (std::size_t row = 12; row < used.size(); ++row) used[row] = 0;  // the second machine left out
  const level_values found = two.fit.fit(used);
  CHECK(found[two.own[1]] == doctest::Approx(0.0).epsilon(1e-9));
  // The machine that was left out is then one like the first.
  const double time = two.fit.seconds_of(12, found);
  CHECK(time == doctest::Approx(two.fit.seconds_of(0, found)).epsilon(0.15));

  calibration narrow{0.05};
  const std::int32_t level = narrow.add_level(std::log(0.2), 0.01);
  const std::array<time_share, 1> share{time_share{share_kind::excess, share_overlap::none, 1e-3, {{level}}}};
  narrow.add_row(share, 2e-3, 1.0);  // an excess of 1 against a prior of 0.2 with 1 %
  CHECK(std::exp(narrow.fit()[level]) < 0.25);
}

TEST_CASE("factors are never negative, and no fit is faster than full speed") {
  calibration fit{0.05};
  const std::int32_t level = fit.add_level(-1.0, 5.0);
  const std::array<time_share, 1> share{time_share{share_kind::excess, share_overlap::none, 2e-3, {{level}}}};
  fit.add_row(share, 1e-3, 1.0);  // twice as fast as the bandwidth allows
  const level_values found = fit.fit();
  CHECK(fit.seconds_of(0, found) >= 2e-3);
  CHECK(fit.seconds_of(0, found) < 2.1e-3);
}

TEST_CASE("a level with a coefficient grows with it") {
  calibration fit{0.05};
  const std::int32_t base = fit.add_level(0.0, 5.0);
  const std::int32_t by_age = fit.add_level(0.0, 5.0);
  for (const double age : {0.0, 1.0, 2.0, 3.0}) {
    const std::array<time_share, 1> share{
        time_share{share_kind::scale, share_overlap::none, 1e-3, {{base}, {by_age, age}}}};
    fit.add_row(share, 1e-3 * std::exp(0.5 + 0.3 * age), 1.0);
  }
  const level_values found = fit.fit();
  CHECK(found[base] == doctest::Approx(0.5).epsilon(0.01));
  CHECK(found[by_age] == doctest::Approx(0.3).epsilon(0.01));
}

TEST_CASE("memory and arithmetic that overlap take no longer than both and no less than the longer one") {
  calibration fit{0.05};
  const std::int32_t memory = fit.add_level(-1.0, 1.0);
  const std::int32_t arithmetic = fit.add_level(0.0, 1.0);
  for (const double operations : {0.1e-3, 1e-3, 2e-3, 10e-3}) {
    const std::array<time_share, 2> shares{
        time_share{share_kind::excess, share_overlap::weights_memory, 2e-3, {{memory}}},
        time_share{share_kind::scale, share_overlap::weights_arithmetic, operations, {{arithmetic}}},
    };
    const double m = 2e-3 * (1.0 + 0.25);
    const double a = operations * 0.8;
    fit.add_row(shares, std::pow(std::pow(m, 2.5) + std::pow(a, 2.5), 1.0 / 2.5), 1.0);
  }
  const level_values found = fit.fit();
  CHECK(std::exp(found[memory]) == doctest::Approx(0.25).epsilon(0.05));
  CHECK(std::exp(found[arithmetic]) == doctest::Approx(0.8).epsilon(0.02));
  for (std::size_t row = 0; row < fit.n_rows(); ++row) {
    const double longer = std::max(2e-3 * (1.0 + std::exp(found[memory])), 0.0);
    CHECK(fit.seconds_of(row, found) >= longer * (1 - 1e-12));
  }
  CHECK_THROWS_AS(calibration(0.05, 0.5), value_error);
}

TEST_CASE("a fit started from its own answer stays there") {
  const two_machines two{0.05};
  const level_values once = two.fit.fit();
  const level_values again = two.fit.fit({}, once);
  CHECK((once - again).cwiseAbs().maxCoeff() < 0.01);
}

TEST_CASE("the order of rows changes nothing that is reported") {
  calibration forward{0.05};
  calibration backward{0.05};
  for (calibration* one : {&forward, &backward}) one->add_level(-1.0, 2.0);
  const std::array<double, 3> times{1.2e-3, 2.5e-3, 3.3e-3};
  for (std::size_t i = 0; i < times.size(); ++i) {
    const std::array<time_share, 1> a{
        time_share{share_kind::excess, share_overlap::none, 1e-3 * (static_cast<double>(i) + 1.0), {{0}}}};
    forward.add_row(a, times[i], 1.0);
    const std::size_t j = times.size() - 1 - i;
    const std::array<time_share, 1> b{
        time_share{share_kind::excess, share_overlap::none, 1e-3 * (static_cast<double>(j) + 1.0), {{0}}}};
    backward.add_row(b, times[j], 1.0);
  }
  CHECK(forward.fit()[0] == doctest::Approx(backward.fit()[0]).epsilon(1e-6));
}

TEST_CASE("what cannot be fitted is refused by name") {
  CHECK_THROWS_AS(calibration{0.0}, value_error);
  CHECK_THROWS_AS(calibration{std::numeric_limits<double>::quiet_NaN()}, value_error);
  calibration fit{0.05};
  CHECK_THROWS_AS(fit.add_level(0.0, 0.0), value_error);
  CHECK_THROWS_AS(fit.add_level(std::numeric_limits<double>::infinity(), 1.0), value_error);
  const std::int32_t level = fit.add_level(0.0, 1.0);
  const std::array<time_share, 1> good{time_share{share_kind::scale, share_overlap::none, 1.0, {{level}}}};
  CHECK_THROWS_AS(fit.add_row(good, 0.0, 1.0), value_error);
  CHECK_THROWS_AS(fit.add_row(good, 1.0, -1.0), value_error);
  CHECK_THROWS_AS(fit.add_row({}, 1.0, 1.0), value_error);
  const std::array<time_share, 1> negative{time_share{share_kind::scale, share_overlap::none, -1.0, {{level}}}};
  CHECK_THROWS_AS(fit.add_row(negative, 1.0, 1.0), value_error);
  const std::array<time_share, 1> stranger{time_share{share_kind::scale, share_overlap::none, 1.0, {{level + 1}}}};
  CHECK_THROWS_AS(fit.add_row(stranger, 1.0, 1.0), value_error);
  fit.add_row(good, 1.0, 1.0);
  const std::vector<std::uint8_t> too_many(2, 1);
  CHECK_THROWS_AS((void)fit.fit(too_many), value_error);
  CHECK_THROWS_AS((void)fit.fit({}, level_values::Zero(3)), value_error);
  CHECK_THROWS_AS((void)fit.seconds_of(1, fit.fit()), value_error);
}
