#include <sizer/decide/speculative.hpp>

#include <doctest/doctest.h>

#include <sizer/memory/quantization.hpp>
#include <sizer/model/expand.hpp>
#include <sizer/workload.hpp>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

TEST_CASE("tokens of a cycle: the published formula and its ends") {
  CHECK(tokens_of_cycle(0.0, 5) == 1.0);
  CHECK(tokens_of_cycle(1.0, 5) == 6.0);
  // sum of a^i for i = 0..n
  double sum = 0.0;
  for (int i = 0; i <= 4; ++i) sum += std::pow(0.7, i);
  CHECK(tokens_of_cycle(0.7, 4) == doctest::Approx(sum));
}

TEST_CASE("a draft helps when its guesses are right, and costs when they are not") {
  model_shape large = sizer_test::dense_shape();
  large.n_layers = 80;
  large.d_model = 8192;
  large.n_heads = {64};
  large.d_ff = {28672};
  model_shape small = sizer_test::dense_shape();
  small.n_layers = 16;
  small.d_model = 2048;
  small.head_dim_k = 64;
  small.d_ff = {8192};
  const architecture model = make_architecture(large);
  const architecture draft = make_architecture(small);
  const quantization quant = find_quantization("Q4_K_M");
  const weights_by_type sizes = weights(model, quant);
  const weights_by_type draft_sizes = weights(draft, quant);
  const machine where = sizer_test::card(80_GiB, 2039_GB_per_s);
  workload work;
  work.context = 8192;
  const engine runtime = make_engine(engine_kind::llama_cpp, work);
  const auto run = [&](double acceptance, std::int64_t n) {
    return speculate(model, sizes, draft, draft_sizes, where, runtime, 1000.0, acceptance, n);
  };
  CHECK(run(0.8, 4).speedup() > 1.3);
  CHECK(run(0.0, 4).speedup() < 1.0);
  double before = 0.0;
  for (const double acceptance : {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}) {
    const speculation s = run(acceptance, 4);
    CHECK(s.speedup() > before);
    CHECK(s.speedup() <= s.tokens_per_cycle);
    before = s.speedup();
  }
  CHECK_THROWS_AS((void)run(1.1, 4), value_error);
  CHECK_THROWS_AS((void)run(0.5, 0), value_error);
  CHECK_THROWS_AS((void)speculate_with_mtp(model, sizes, where, runtime, 0.0, 0.5, 1), value_error);
}
