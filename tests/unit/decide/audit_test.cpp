#include <sizer/decide/audit.hpp>

#include <initializer_list>
#include <limits>
#include <optional>

#include <doctest/doctest.h>

using namespace sizer;
using namespace sizer::literals;

namespace {

constexpr value_range<tokens_per_second> speed(double low, double high) {
  return {make_tokens_per_second(low), make_tokens_per_second(high)};
}

rate_estimate rate(double low, double point, double high, double ceiling) {
  rate_estimate r;
  r.low = make_tokens_per_second(low);
  r.rate = make_tokens_per_second(point);
  r.high = make_tokens_per_second(high);
  r.ceiling = make_tokens_per_second(ceiling);
  return r;
}

}  // namespace

TEST_CASE("a speed is impossible above the ceiling over its whole range, and partly so where a part of it is") {
  const rate_estimate spark = rate(4, 5, 6, 6.5);  // a dense 70B at 4 bits on 273 GB/s
  CHECK(judge_speed(speed(25, 50), spark) == verdict::impossible);
  CHECK(judge_speed(speed(6, 7), spark) == verdict::partly_impossible);
  CHECK(judge_speed(speed(6.2, 6.5), spark) == verdict::optimistic);
  CHECK(judge_speed(speed(4.5, 5.5), spark) == verdict::plausible);
  CHECK(judge_speed(speed(1, 2), spark) == verdict::pessimistic);
}

TEST_CASE("the ends of the band and the ceiling itself are inside") {
  const rate_estimate r = rate(4, 5, 6, 6.5);
  CHECK(judge_speed(speed(4, 4), r) == verdict::plausible);
  CHECK(judge_speed(speed(6, 6), r) == verdict::plausible);
  CHECK(judge_speed(speed(6.5, 6.5), r) == verdict::optimistic);
}

TEST_CASE("a range with all of what is expected in it is plausible wherever its middle lies") {
  constexpr amount_limits<dollars> price{{make_dollars(9499), make_dollars(9499)}, std::nullopt};
  static_assert(judge_amount<dollars>({make_dollars(8000), make_dollars(10000)}, price, better::less) ==
                verdict::plausible);
  static_assert(judge_amount<dollars>({make_dollars(3000), make_dollars(3000)}, price, better::less) ==
                verdict::optimistic);
}

TEST_CASE("less is better for memory: a total below the weights alone is impossible") {
  const amount_limits<real_bytes> total{{real(42_GB), real(46_GB)}, real(41_GB)};
  const auto judged = [&](const bytes& low, const bytes& high) {
    return judge_amount<real_bytes>({real(low), real(high)}, total, better::less);
  };
  CHECK(judged(22_GB, 24_GB) == verdict::impossible);
  CHECK(judged(40_GB, 45_GB) == verdict::partly_impossible);
  CHECK(judged(41_GB, 42_GB) == verdict::optimistic);
  CHECK(judged(44_GB, 45_GB) == verdict::plausible);
  CHECK(judged(60_GB, 70_GB) == verdict::pessimistic);
}

TEST_CASE("24 GB of cache are 24 GiB: the one is optimistic, the other exact") {
  constexpr double cache = 262144.0 * 98304.0;  // Qwen3-Coder 30B-A3B: 48 layers, 4 heads of 128, K and V, 16 bits
  constexpr amount_limits<double> known{{cache, cache}, std::nullopt};
  constexpr double rounding = 0.5 / 24.0;
  static_assert(judge_amount<double>({24e9, 24e9}, known, better::less, rounding) == verdict::optimistic);
  static_assert(judge_amount<double>({24.0 * (1 << 30), 24.0 * (1 << 30)}, known, better::less) == verdict::plausible);
}

TEST_CASE("what does not fit is impossible to fit, and a claim that it does not is right") {
  static_assert(judge_fit(true, 68_GB, 24_GiB) == verdict::impossible);
  static_assert(judge_fit(false, 68_GB, 24_GiB) == verdict::plausible);
  static_assert(judge_fit(true, 24_GiB, 24_GiB) == verdict::plausible);
  static_assert(judge_fit(false, 4_GB, 24_GiB) == verdict::pessimistic);
}

TEST_CASE("what is no range, and no tolerance, cannot be judged") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr amount_limits<double> known{{1.0, 2.0}, std::nullopt};
  CHECK(judge_amount<double>({2.0, 1.0}, known, better::more) == verdict::unverifiable);
  CHECK(judge_amount<double>({nan, nan}, known, better::more) == verdict::unverifiable);
  CHECK(judge_amount<double>({1.0, 1.0}, {{2.0, 1.0}, std::nullopt}, better::more) == verdict::unverifiable);
  for (const double tolerance : {-0.1, 1.0, nan}) {
    CHECK(judge_amount<double>({1.0, 1.0}, known, better::more, tolerance) == verdict::unverifiable);
  }
}

TEST_CASE("of two readings the one that does the claim more justice counts") {
  CHECK(more_favourable(verdict::impossible, verdict::plausible) == verdict::plausible);
  CHECK(more_favourable(verdict::pessimistic, verdict::optimistic) == verdict::pessimistic);
  CHECK(more_favourable(verdict::partly_impossible, verdict::impossible) == verdict::partly_impossible);
  CHECK(more_favourable(verdict::unverifiable, verdict::impossible) == verdict::impossible);
}

TEST_CASE("a claim about one of several is held against all of them, and has a limit only where each has one") {
  const amount_limits<double> a{{4, 6}, 7.0};
  const amount_limits<double> b{{8, 9}, 10.0};
  CHECK(joined(a, b, better::more).expected == value_range<double>{4, 9});
  CHECK(joined(a, b, better::more).limit == 10.0);
  CHECK(joined(a, b, better::less).limit == 7.0);
  CHECK_FALSE(joined(a, {{1, 2}, std::nullopt}, better::more).limit.has_value());
}
