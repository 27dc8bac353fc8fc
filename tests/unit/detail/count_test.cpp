#include <cstdint>
#include <sstream>
#include <type_traits>

#include <doctest/doctest.h>

#include <sizer/detail/count.hpp>

using sizer::count;
using sizer::round_up;
using sizer::value_error;

static_assert(!std::is_convertible_v<double, count>, "a fraction has to be rounded by somebody");
static_assert(!std::is_convertible_v<float, count>);
static_assert(std::is_convertible_v<int, count>);
static_assert(!std::is_convertible_v<count, std::int64_t>, "leaving the checked type is asked for by name");
static_assert(sizeof(count) == sizeof(std::int64_t));
static_assert((count{6} * 7).value() == 42, "usable in constants");

namespace {
constexpr count largest{INT64_MAX};
constexpr count smallest{INT64_MIN};
}  // namespace

TEST_CASE("arithmetic inside the range is the integers' own") {
  CHECK((count{7} + 3).value() == 10);
  CHECK((count{7} - 10).value() == -3);
  CHECK((count{7} * -3).value() == -21);
  CHECK((count{7} / 2).value() == 3);
  CHECK((count{-7} / 2).value() == -3);  // towards zero
  CHECK((count{7} % 4).value() == 3);
  CHECK((-count{7}).value() == -7);
  CHECK((+count{7}).value() == 7);
}

TEST_CASE("the compound forms agree with the plain ones") {
  count c{100};
  c += 20;
  c -= 10;
  c *= 3;
  c /= 11;
  CHECK(c == count{30});
}

TEST_CASE("every operation that leaves 64 bits throws") {
  CHECK_THROWS_AS((void)(largest + 1), value_error);
  CHECK_THROWS_AS((void)(smallest - 1), value_error);
  CHECK_THROWS_AS((void)(largest * 2), value_error);
  CHECK_THROWS_AS((void)(smallest * -1), value_error);
  CHECK_THROWS_AS((void)(smallest / -1), value_error);
  CHECK_THROWS_AS((void)-smallest, value_error);
}

TEST_CASE("the edges themselves are reached") {
  CHECK((largest - 1 + 1) == largest);
  CHECK((smallest + 1 - 1) == smallest);
  CHECK((count{INT64_C(3'037'000'499)} * INT64_C(3'037'000'499)).value() == INT64_C(9'223'372'030'926'249'001));
}

TEST_CASE("division by zero throws") {
  CHECK_THROWS_AS((void)(count{1} / 0), value_error);
  CHECK_THROWS_AS((void)(count{1} % 0), value_error);
}

TEST_CASE("an unsigned integer above 2^63 - 1 is refused") {
  CHECK_THROWS_AS((void)count{std::uint64_t{1} << 63}, value_error);
  CHECK(count{(std::uint64_t{1} << 63) - 1} == largest);
}

TEST_CASE("the message of an overflow states the operation") {
  try {
    (void)(largest * 2);
    FAIL("did not throw");
  } catch (const value_error& e) {
    CHECK(e.field() == "size");
    CHECK(e.got() == "9223372036854775807 * 2");
    CHECK(e.expected().find("64-bit") != std::string::npos);
  }
}

TEST_CASE("counts order and print as integers") {
  CHECK(count{1} < count{2});
  CHECK(count{} == 0);
  std::ostringstream out;
  out << count{-5};
  CHECK(out.str() == "-5");
}

TEST_CASE("round_up gives the smallest multiple that is not below") {
  CHECK(round_up(0, 256).value() == 0);
  CHECK(round_up(1, 256).value() == 256);
  CHECK(round_up(256, 256).value() == 256);
  CHECK(round_up(257, 256).value() == 512);
  CHECK_THROWS_AS((void)round_up(largest, 256), value_error);
}
