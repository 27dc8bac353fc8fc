#include <type_traits>

#include <doctest/doctest.h>

#include <sizer/units.hpp>

using namespace sizer;
using namespace sizer::literals;

// Quantities cost nothing beside the number inside.
static_assert(sizeof(bytes) == sizeof(std::int64_t));
static_assert(sizeof(bytes_per_second) == sizeof(double));

// Different dimensions are different types that do not convert; tests/compile_fail holds the messages.
static_assert(!std::is_convertible_v<tokens, bytes>);
static_assert(!std::is_convertible_v<seconds, watts>);
static_assert(!std::is_convertible_v<double, bytes_per_second>);
static_assert(!std::is_convertible_v<double, bytes>);
static_assert(!std::is_convertible_v<real_bytes, bytes>);

TEST_CASE("GB is a power of ten and GiB a power of two") {
  CHECK(number(1_GB) == 1'000'000'000);
  CHECK(number(1_GiB) == 1'073'741'824);
  CHECK(number(1_MB) == 1'000'000);
  CHECK(number(1_MiB) == 1'048'576);
  CHECK(number(1_KiB) == 1'024);
  CHECK(1_GiB - 1_GB == make_bytes(73'741'824));
}

TEST_CASE("exact bytes stay exact where a double would not") {
  const bytes odd = make_bytes(9'007'199'254'740'993);  // 2^53 + 1, which no double holds
  CHECK(number(odd) == 9'007'199'254'740'993);
  CHECK(number(odd - make_bytes(1)) == 9'007'199'254'740'992);
  CHECK(number(odd + odd) == 18'014'398'509'481'986);
}

TEST_CASE("a size over a bandwidth is a time") {
  const auto time = real(273_GB) / 273_GB_per_s;
  static_assert(std::is_same_v<std::remove_const_t<decltype(time)>, seconds>);
  CHECK(number(time) == doctest::Approx(1.0));
}

TEST_CASE("a time times a bandwidth is a size, and operations over a rate are a time") {
  CHECK(number(make_seconds(2.0) * make_bytes_per_second(1e9)) == doctest::Approx(2e9));
  static_assert(std::is_same_v<decltype(make_seconds(1) * make_bytes_per_second(1)), real_bytes>);
  CHECK(number(make_flop(3e12) / 1.5_TFLOPS) == doctest::Approx(2.0));
}

TEST_CASE("tokens over a time are a rate") {
  const auto n = boost::units::quantity<token_count_unit, double>::from_value(300.0);
  const tokens_per_second rate = n / make_seconds(4.0);
  CHECK(number(rate) == doctest::Approx(75.0));
}

TEST_CASE("bandwidth literals take whole numbers and fractions") {
  CHECK(number(273_GB_per_s) == doctest::Approx(273e9));
  CHECK(number(67.2_GB_per_s) == doctest::Approx(67.2e9));
}

TEST_CASE("sizes of one dimension order") {
  CHECK(24_GB < 24_GiB);
  CHECK(bytes{} == 0_B);
  CHECK(make_tokens(262'144) > 32'768_tokens);
}

TEST_CASE("a size that does not fit 64 bits throws instead of wrapping around") {
  CHECK_THROWS_AS((void)(make_bytes(INT64_MAX) + 1_B), value_error);
  CHECK_THROWS_AS((void)(make_bytes(INT64_MIN) - 1_B), value_error);
  CHECK_THROWS_AS((void)operator""_GiB(8'589'934'592ULL), value_error);  // 2^33 GiB = 2^63 bytes
  CHECK(number(operator""_GiB(8'589'934'591ULL)) == 9'223'372'035'781'033'984);
}

TEST_CASE("the real form of a size is its nearest double") { CHECK(number(real(24_GiB)) == 25'769'803'776.0); }
