#include <sizer/decide/plan_limits.hpp>

#include <cstdint>
#include <limits>

#include <doctest/doctest.h>

#include <sizer/memory/quantization.hpp>
#include <sizer/model/expand.hpp>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

namespace {

plan_request request(const architecture& model, std::int64_t context) {
  plan_request asked;
  asked.work.context = context;
  asked.work.prompt_tokens = 1024;
  asked.engine = make_engine(engine_kind::llama_cpp, asked.work);
  asked.weights.push_back({"Q4_K_M", weights(model, find_quantization("Q4_K_M"))});
  asked.kv_types = {ggml_type::f16};
  asked.ubatches = {512};
  asked.may_use_host = false;
  return asked;
}

bool reached(const architecture& model, const machine& where, const plan_request& asked) {
  const plan_result found = make_plan(model, where, asked);
  return found.best && found.best->meets_goals();
}

}  // namespace

TEST_CASE("the largest context fits, and one step more does not") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const machine where = sizer_test::card(12_GiB, 936_GB_per_s);
  plan_request asked = request(model, 2048);
  const auto largest = largest_planned_context(model, where, asked);
  REQUIRE(largest);
  CHECK(*largest > 8192);
  CHECK(*largest < model.shape.context_length);
  asked.work.context = *largest;
  CHECK(reached(model, where, asked));
  asked.work.context = *largest + llama_cpp_cell_step;
  CHECK_FALSE(reached(model, where, asked));
  CHECK_FALSE(largest_planned_context(model, sizer_test::card(4_GiB, 936_GB_per_s), asked));
}

TEST_CASE("the most users reach the goal together, and one more does not; more context never allows more users") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const machine where = sizer_test::card(24_GiB, 936_GB_per_s);
  std::int64_t before = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t context : {4096, 8192, 16384}) {
    plan_request asked = request(model, context);
    asked.goals.min_decode = 10.0;
    const std::int64_t users = most_users(model, where, asked);
    REQUIRE(users >= 1);
    CHECK(users <= before);
    asked.work.parallel = asked.work.batch = users;
    CHECK(reached(model, where, asked));
    before = users;
  }
  plan_request impossible = request(model, 4096);
  impossible.goals.min_decode = 1e6;
  CHECK(most_users(model, where, impossible) == 0);
}
