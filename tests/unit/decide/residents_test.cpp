#include <sizer/decide/residents.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/memory/quantization.hpp>
#include <sizer/model/expand.hpp>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

namespace {

machine desktop(bytes card_memory, std::int32_t count = 1) {
  machine m = sizer_test::card(card_memory, 936_GB_per_s);
  m.devices.front().count = count;
  memory_pool ram;
  ram.sold = ram.usable = {96_GiB, figure_kind::vendor, "test", ""};
  ram.bandwidth_spec = {83.2_GB_per_s, figure_kind::vendor, "test", ""};
  m.host_memory = ram;
  return m;
}

resident wish(const architecture& model, std::int64_t context, resident_place place = resident_place::anywhere) {
  resident one;
  one.model = &model;
  one.place = place;
  one.request.work.context = context;
  one.request.work.prompt_tokens = 1024;
  one.request.engine = make_engine(engine_kind::llama_cpp, one.request.work);
  one.request.weights = {{"Q4_K_M", weights(model, find_quantization("Q4_K_M"))}};
  one.request.kv_types = {ggml_type::f16};
  one.request.ubatches = {512};
  return one;
}

/// Sums over residents of what their pools hold, by site of the first machine.
std::vector<std::int64_t> sums(const residents_result& result) {
  std::vector<std::int64_t> used(result.loads.front().size(), 0);
  for (const resident_plan& one : result.plans) {
    for (std::size_t s = 0; s < one.sites.size(); ++s) {
      used[one.sites[s]] += number(one.plan.pools[s].parts.total());
    }
  }
  return used;
}

}  // namespace

TEST_CASE("two 8B models share a card of 24 GB, and what is left is told") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const residents_result result = place_residents({wish(model, 8192), wish(model, 8192)}, {desktop(24_GiB)});
  REQUIRE(result.together);
  for (const resident_plan& one : result.plans) CHECK_FALSE(one.plan.uses_host());
  const std::vector<std::int64_t> used = sums(result);
  for (std::size_t s = 0; s < used.size(); ++s) {
    CHECK(number(result.loads[0][s].used) == used[s]);
    CHECK(number(result.loads[0][s].left()) >= 0);
  }
}

TEST_CASE("what does not fit beside the others goes to the cores or is spread") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const residents_result result =
      place_residents({wish(model, 8192), wish(model, 8192), wish(model, 8192)}, {desktop(14_GiB)});
  REQUIRE(result.together);
  std::int64_t with_host = 0;
  for (const resident_plan& one : result.plans) with_host += one.plan.uses_host() || one.sites.size() == 1 ? 1 : 0;
  CHECK(with_host >= 1);
  for (const site_load& load : result.loads[0]) CHECK(number(load.left()) >= 0);
}

TEST_CASE("an agent that shall run on the cores does") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const residents_result result =
      place_residents({wish(model, 8192), wish(model, 4096, resident_place::host)}, {desktop(24_GiB)});
  REQUIRE(result.together);
  CHECK(result.plans[1].sites == std::vector<std::size_t>{1});
  CHECK(result.plans[0].sites.front() == 0);
  CHECK(result.plans[1].plan.decode.rate < result.plans[0].plan.decode.rate);
}

TEST_CASE("two models that do not fit on one card go to two cards, or to two machines") {
  model_shape shape = sizer_test::dense_shape();
  shape.n_layers = 80;
  const architecture model = make_architecture(shape);  // 11 GB in Q4_K_M
  const residents_result cards = place_residents({wish(model, 4096), wish(model, 4096)}, {desktop(16_GiB, 2)});
  REQUIRE(cards.together);
  const residents_result boxes =
      place_residents({wish(model, 4096), wish(model, 4096)}, {desktop(16_GiB), desktop(16_GiB)});
  REQUIRE(boxes.together);
  CHECK(boxes.plans[0].machine != boxes.plans[1].machine);
  // Two cards of one machine can do all that two machines can, and work on one prompt together.
  CHECK(cards.time <= boxes.time);
}

TEST_CASE("models that do not fit together are swapped, and the swap has a time") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  machine where = desktop(6_GiB);
  where.host_memory->usable.value = 4_GiB;
  const residents_result result = place_residents({wish(model, 2048), wish(model, 2048)}, {where});
  CHECK_FALSE(result.together);
  REQUIRE(result.swap_in.size() == 2);
  // 4.9 GB over PCIe 4.0 x16 at 0.65 of 31.5 GB/s
  CHECK(number(result.swap_in[0]) == doctest::Approx(4.92e9 / (31.5e9 * 0.65)).epsilon(0.02));
}

TEST_CASE("one more model never makes the others quicker together") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  std::vector<resident> all{wish(model, 8192)};
  double before = 0.0;
  for (int n = 1; n <= 4; ++n) {
    const residents_result result = place_residents(all, {desktop(16_GiB)});
    REQUIRE(result.together);
    CHECK(result.time >= before);
    before = result.time;
    all.push_back(wish(model, 8192));
  }
}

TEST_CASE("residents: what cannot be is named") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  CHECK_THROWS_AS((void)place_residents({}, {desktop(24_GiB)}), value_error);
  CHECK_THROWS_AS((void)place_residents({wish(model, 4096)}, {}), value_error);
  machine tiny = desktop(2_GiB);
  tiny.host_memory->usable.value = 1_GiB;
  CHECK_THROWS_AS((void)place_residents({wish(model, 4096)}, {tiny}), value_error);
}
