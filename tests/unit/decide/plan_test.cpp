#include <sizer/decide/plan.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/memory/quantization.hpp>
#include <sizer/model/expand.hpp>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

namespace {

machine desktop(std::vector<std::pair<bytes, bytes_per_second>> cards) {
  machine m = sizer_test::card(cards.front().first, cards.front().second);
  m.devices.clear();
  for (const auto& [memory, bandwidth] : cards) m.devices.push_back(sizer_test::card(memory, bandwidth).devices[0]);
  memory_pool ram;
  ram.sold = ram.usable = {96_GiB, figure_kind::vendor, "test", ""};
  ram.bandwidth_spec = {83.2_GB_per_s, figure_kind::vendor, "test", ""};
  m.host_memory = ram;
  return m;
}

plan_request request(const architecture& model, std::vector<std::string> quants, std::int64_t context) {
  plan_request asked;
  asked.work.context = context;
  asked.work.prompt_tokens = 2048;
  asked.work.output_tokens = 512;
  asked.engine = make_engine(engine_kind::llama_cpp, asked.work);
  for (const std::string& name : quants) asked.weights.push_back({name, weights(model, find_quantization(name))});
  asked.kv_types = {ggml_type::f16};
  asked.ubatches = {512};
  return asked;
}

model_shape dense_70b() {
  model_shape shape = sizer_test::dense_shape();
  shape.n_layers = 80;
  shape.d_model = 8192;
  shape.n_heads = {64};
  shape.d_ff = {28672};
  return shape;
}

/// Request times of every placement on two devices and the host that fits, by the definitions of the parts.
double best_of_all(const architecture& model, const machine& where, const plan_request& asked, bool experts) {
  const std::vector<site> sites = sites_of(where);
  const std::size_t n_devices = device_sites(sites);
  const engine runtime = detail::candidate_engine(asked, asked.kv_types[0], asked.ubatches[0]);
  const std::int64_t n = blocks_of(model);
  double best = std::numeric_limits<double>::infinity();
  for (std::int64_t host = 0; host <= n; ++host) {
    for (std::int64_t second = 0; second <= (n_devices > 1 ? n - host : 0); ++second) {
      for (std::int64_t moved = 0; moved <= (experts ? n : 0); ++moved) {
        if (moved > 0 && moved <= host) continue;
        plan p;
        p.work = asked.work;
        p.placed = true;
        p.engine = runtime;
        p.where.host_blocks = host;
        p.where.n_cpu_moe = moved;
        p.where.device_blocks = {n - host - second};
        if (n_devices > 1) p.where.device_blocks.push_back(second);
        p.where.head_device = second > 0 ? 1 : 0;
        p.engine.llama_cpp = with_placement(runtime.llama_cpp, p.where);
        p.pools = placed_memory(model, asked.weights[0].weights, sites, p.where, runtime.llama_cpp);
        if (!detail::fits_with_reserve(p.pools, asked.goals.reserve)) continue;
        detail::rate_plan(p, asked, model, where, sites);
        best = std::min(best, number(p.request_time));
      }
    }
  }
  return best;
}

}  // namespace

TEST_CASE("a 70B beside a card of 24 GB: as many layers there as fit, and no placement is quicker") {
  const architecture model = make_architecture(dense_70b());
  const machine where = desktop({{24_GiB, 936_GB_per_s}});
  const plan_request asked = request(model, {"Q4_K_M"}, 8192);
  const plan_result result = make_plan(model, where, asked);
  REQUIRE(result.best);
  const plan& best = *result.best;
  CHECK(best.meets_goals());
  CHECK(best.uses_host());
  CHECK(number(best.request_time) == doctest::Approx(best_of_all(model, where, asked, false)).epsilon(1e-6));
  // One layer more does not fit.
  placement more = best.where;
  --more.host_blocks;
  ++more.device_blocks[0];
  CHECK_FALSE(placed_memory(model, asked.weights[0].weights, result.sites, more, best.engine.llama_cpp)[0].fits());
}

TEST_CASE("experts go to the host before whole layers do") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  const machine where = desktop({{12_GiB, 448_GB_per_s}});
  const plan_request asked = request(model, {"Q4_K_M"}, 8192);
  const plan_result result = make_plan(model, where, asked);
  REQUIRE(result.best);
  CHECK(result.best->where.n_cpu_moe > 3 * result.best->where.host_blocks);
  CHECK(number(result.best->request_time) == doctest::Approx(best_of_all(model, where, asked, true)).epsilon(1e-3));
}

TEST_CASE("two unequal cards: the quicker one is filled first") {
  const architecture model = make_architecture(dense_70b());
  const machine where = desktop({{24_GiB, 400_GB_per_s}, {32_GiB, 1792_GB_per_s}});
  const plan_request asked = request(model, {"Q4_K_M"}, 8192);
  const plan_result result = make_plan(model, where, asked);
  REQUIRE(result.best);
  CHECK_FALSE(result.best->uses_host());
  CHECK(result.best->where.device_blocks[1] > result.best->where.device_blocks[0]);
  CHECK(number(result.best->request_time) == doctest::Approx(best_of_all(model, where, asked, false)).epsilon(1e-6));
}

TEST_CASE("more memory, or a quicker link, never makes a plan slower") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  double before = std::numeric_limits<double>::infinity();
  for (const std::int64_t gib : {4, 8, 10, 12, 16, 20, 24, 32}) {
    const machine where = desktop({{make_bytes(gib << 30), 936_GB_per_s}});
    const plan_result result = make_plan(model, where, request(model, {"Q4_K_M"}, 16384));
    REQUIRE(result.best);
    CHECK(number(result.best->request_time) <= before * (1.0 + 1e-9));
    CHECK(result.best->decode.rate <= result.best->decode.ceiling);
    CHECK(result.best->prefill.rate <= result.best->prefill.ceiling);
    before = number(result.best->request_time);
  }
}

TEST_CASE("goals: the best quality that is quick enough, or the quickest") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const machine where = desktop({{24_GiB, 936_GB_per_s}});
  plan_request asked = request(model, {"BF16", "Q8_0", "Q6_K", "Q4_K_M"}, 16384);
  CHECK(asked.weights[make_plan(model, where, asked).best->weights].name == "Q4_K_M");
  asked.prefer = plan_preference::quality;
  CHECK(asked.weights[make_plan(model, where, asked).best->weights].name == "BF16");
  asked.goals.min_decode = 60.0;
  const plan_result quick = make_plan(model, where, asked);
  CHECK(asked.weights[quick.best->weights].name == "Q8_0");
  CHECK(quick.best->decode_of_one() >= 60.0);
  asked.goals.min_decode = 10'000.0;
  const plan_result never = make_plan(model, where, asked);
  REQUIRE(never.best);
  CHECK_FALSE(never.best->meets_goals());
}

TEST_CASE("nothing fits: no plan") {
  const architecture model = make_architecture(dense_70b());
  machine where = desktop({{8_GiB, 448_GB_per_s}});
  where.host_memory->usable.value = 16_GiB;
  CHECK_FALSE(make_plan(model, where, request(model, {"Q4_K_M"}, 8192)).best);
}

TEST_CASE("a plan says which field is wrong") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const machine where = desktop({{24_GiB, 936_GB_per_s}});
  plan_request asked = request(model, {}, 8192);
  CHECK_THROWS_AS((void)make_plan(model, where, asked), value_error);
  asked = request(model, {"Q4_K_M"}, 8192);
  asked.goals.min_decode = -1.0;
  CHECK_THROWS_AS((void)make_plan(model, where, asked), value_error);
}

TEST_CASE("a cache type that the model's rows cannot be kept in is left out") {
  model_shape shape = sizer_test::dense_shape();
  shape.head_dim_k = 80;  // no whole blocks of 32 with three heads
  shape.n_kv_heads = {1};
  const architecture model = make_architecture(shape);
  const machine where = desktop({{24_GiB, 936_GB_per_s}});
  plan_request asked = request(model, {"Q4_K_M"}, 8192);
  asked.kv_types = {ggml_type::f16, ggml_type::q8_0};
  const plan_result result = make_plan(model, where, asked);
  REQUIRE(result.best);
  CHECK(result.best->engine.llama_cpp.type_k == ggml_type::f16);
  asked.kv_types = {ggml_type::q8_0};
  CHECK_THROWS_AS((void)make_plan(model, where, asked), value_error);
}

TEST_CASE("split by rows, the first card holds its part of the weights and all caches") {
  const architecture model = make_architecture(dense_70b());
  machine where = desktop({{48_GiB, 900_GB_per_s}});
  where.devices.front().count = 2;
  const plan_request asked = request(model, {"Q4_K_M"}, 8192);
  const engine runtime = detail::candidate_engine(asked, ggml_type::f16, 512);
  const auto p = detail::rows_plan(asked, 0, runtime, model, where);
  REQUIRE(p);
  REQUIRE(p->pools.size() == 3);
  CHECK(p->pools[0].parts.kv_cache == llama_cpp_kv_cache(model, runtime.llama_cpp).total());
  CHECK(p->pools[1].parts.kv_cache == bytes{});
  CHECK(number(p->pools[0].parts.weights) == number(p->pools[1].parts.weights));
  // The bound counts both cards, which read at the same time.
  const auto least = [&](double at_once) {
    return detail::least_request_seconds(asked, asked.weights[0].weights, model, sites_of(where), ggml_type::f16,
                                         at_once);
  };
  CHECK(number(p->request_time) >= least(2.0));
  machine small = where;
  small.devices.front().memory.usable.value = 22_GiB;  // both together would do, the first alone not
  CHECK_FALSE(detail::rows_plan(asked, 0, runtime, model, small));
}
