// Laws of the audit and of the roofline, on random claims and on the catalogue.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/decide/audit.hpp>
#include <sizer/sizer.hpp>
#include <sizer/speed/roofline.hpp>

#include "support/laws.hpp"

using namespace sizer;
using sizer_test::any_machine;
using sizer_test::any_model;
using sizer_test::check_law;

namespace {

/// A positive number of up to three digits before and three behind the point.
double any_amount() { return *rc::gen::inRange(1, 1'000'000) / 1000.0; }

/// How much a verdict says that the claim promises.
int promise(verdict v) { return -static_cast<int>(v); }

amount_limits<double> any_limits(better direction) {
  std::array<double, 3> at{any_amount(), any_amount(), any_amount()};
  std::sort(at.begin(), at.end());
  if (direction == better::more) return {{at[0], at[1]}, at[2]};
  return {{at[1], at[2]}, at[0]};
}

rate_estimate estimated(const architecture& model, const machine& target) {
  workload work;
  work.context = std::min<std::int64_t>(model.shape.context_length, 8192);
  work.output_tokens = 1;
  work.prompt_tokens = 0;
  return estimate(model, target, find_quantization("Q4_K_M"), work, make_engine(engine_kind::llama_cpp, work)).decode;
}

}  // namespace

TEST_CASE("a claim that equals the prediction is plausible") {
  check_law("equal", [] {
    const rate_estimate rate = estimated(any_model(), any_machine());
    RC_ASSERT(judge_speed({rate.rate, rate.rate}, rate) == verdict::plausible);
    // The band itself, but where its upper end is the ceiling in another rounding.
    RC_ASSERT(judge_speed({rate.low, rate.high}, rate) == verdict::plausible);
  });
}

TEST_CASE("a claim above the ceiling is impossible, whatever is expected") {
  check_law("above", [] {
    const rate_estimate rate = estimated(any_model(), any_machine());
    const double factor = 1.0 + any_amount() / 100.0;
    RC_ASSERT(judge_speed({rate.ceiling * factor, rate.ceiling * (factor * 2.0)}, rate) == verdict::impossible);
  });
}

TEST_CASE("promising more never gives a milder verdict") {
  for (const better direction : {better::more, better::less}) {
    check_law("monotone", [direction] {
      const amount_limits<double> known = any_limits(direction);
      const double tolerance = *rc::gen::inRange(0, 50) / 100.0;
      value_range<double> claim{any_amount(), any_amount()};
      if (claim.low > claim.high) std::swap(claim.low, claim.high);
      value_range<double> bolder = claim;
      const double step = *rc::gen::inRange(0, 1000) / 1000.0;
      if (direction == better::more) {
        bolder.high += step * any_amount();
        bolder.low = std::min(bolder.high, claim.low + step * any_amount());
      } else {
        bolder.low *= 1.0 - step;
        bolder.high = std::max(bolder.low, claim.high * (1.0 - step * *rc::gen::inRange(0, 2)));
      }
      RC_ASSERT(promise(judge_amount(bolder, known, direction, tolerance)) >=
                promise(judge_amount(claim, known, direction, tolerance)));
    });
  }
}

TEST_CASE("a claim is held against several no harder than against the one that suits it best") {
  check_law("joined", [] {
    const amount_limits<double> a = any_limits(better::more);
    const amount_limits<double> b = any_limits(better::more);
    const double claim = any_amount();
    const auto judged = [claim](const amount_limits<double>& known) {
      return promise(judge_amount<double>({claim, claim}, known, better::more));
    };
    RC_ASSERT(judged(joined(a, b, better::more)) <= std::max(judged(a), judged(b)));
  });
}

TEST_CASE("a ceiling never falls when the bandwidth rises, and never rises with the depth") {
  check_law("roofline", [] {
    const architecture& model = any_model();
    const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
    machine target = any_machine();
    const double depth = *rc::gen::inRange(0, 100'000);
    const double batch = *rc::gen::inRange(1, 64);
    const roofline before = roofline_ceiling(model, sizes, target, depth, batch);
    RC_ASSERT(roofline_ceiling(model, sizes, target, depth + 1000.0, batch).ceiling <= before.ceiling);
    bytes_per_second& spec = target.devices.front().memory.bandwidth_spec.value;
    spec = spec * (1.0 + any_amount() / 100.0);
    RC_ASSERT(roofline_ceiling(model, sizes, target, depth, batch).ceiling >= before.ceiling);
  });
}

TEST_CASE("the ceiling is that of the estimates, on the whole catalogue's kinds of machines") {
  check_law("same ceiling", [] {
    const architecture& model = any_model();
    const machine& target = any_machine();
    workload work;
    work.context = std::min<std::int64_t>(model.shape.context_length, 8192);
    const engine runtime = make_engine(engine_kind::llama_cpp, work);
    const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
    const double ceiling = number(estimated(model, target).ceiling);
    const double roof = number(roofline_ceiling(model, sizes, target, runtime).ceiling);
    RC_ASSERT(std::abs(roof - ceiling) <= 1e-9 * ceiling);
  });
}
