#include <sizer/estimate.hpp>
#include <sizer/model/expand.hpp>

#include <cstdint>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

namespace {

machine card_in_a_pc() {
  machine m = sizer_test::card(24_GiB, 936_GB_per_s);
  memory_pool ram;
  ram.sold = ram.usable = {96_GiB, figure_kind::vendor, "test", ""};
  ram.bandwidth_spec = {83.2_GB_per_s, figure_kind::vendor, "test", ""};
  m.host_memory = ram;
  return m;
}

estimate_result placed(std::int64_t gpu_layers, std::int64_t cpu_experts) {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  workload work;
  work.context = 8192;
  engine runtime = make_engine(engine_kind::llama_cpp, work);
  runtime.llama_cpp.n_gpu_layers = gpu_layers;
  runtime.llama_cpp.n_cpu_moe = cpu_experts;
  return estimate(model, card_in_a_pc(), find_quantization("Q4_K_M"), work, runtime);
}

}  // namespace

TEST_CASE("every layer moved to the host slows decode and frees the card") {
  estimate_result before = placed(-1, 0);
  for (const std::int64_t layers : {40, 24, 8, 0}) {
    const estimate_result after = placed(layers, 0);
    CHECK(after.decode.rate < before.decode.rate);
    CHECK(after.decode.ceiling < before.decode.ceiling);
    CHECK(after.decode.rate <= after.decode.ceiling);
    CHECK(after.memory.pools[0].parts.weights < before.memory.pools[0].parts.weights);
    CHECK(after.memory.parts.weights == before.memory.parts.weights);
    before = after;
  }
}

TEST_CASE("with everything on the host, decode is no faster than the host's memory allows") {
  const estimate_result all_on_host = placed(0, 0);
  const weights_by_type sizes = weights(make_architecture(sizer_test::expert_shape_30b()), find_quantization("Q4_K_M"));
  CHECK(number(all_on_host.decode.rate) < 83.2e9 / static_cast<double>(number(sizes.active - sizes.row)));
}

TEST_CASE("experts on the host cost less speed than whole layers there") {
  CHECK(placed(-1, 24).decode.rate > placed(25, 0).decode.rate);
  CHECK(placed(-1, 24).memory.pools[0].parts.weights < placed(-1, 0).memory.pools[0].parts.weights);
}

TEST_CASE("an estimate with offload says so") {
  const auto mentions = [](const estimate_result& e) {
    for (const assumption& a : e.assumptions) {
      if (a.what == "offload") return true;
    }
    return false;
  };
  CHECK(mentions(placed(10, 0)));
  CHECK_FALSE(mentions(placed(-1, 0)));
}

TEST_CASE("equal cards with equal shares are as quick as the estimate of that many cards") {
  for (const model_shape& shape : {sizer_test::dense_shape(), sizer_test::expert_shape_30b()}) {
    const architecture model = make_architecture(shape);
    const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
    for (const std::int32_t count : {2, 4}) {
      machine where = card_in_a_pc();
      where.devices.front().count = count;
      const std::vector<site> sites = sites_of(where);
      placement p;
      p.device_blocks.assign(static_cast<std::size_t>(count), blocks_of(model) / count);
      p.head_device = count - 1;
      workload work;
      work.context = 16384;
      work.prompt_tokens = 8192;
      const engine runtime = make_engine(engine_kind::llama_cpp, work);
      const rate_estimate decode = placed_decode(model, sizes, where, sites, p, runtime, {.depth = 4096, .batch = 1});
      const rate_estimate whole = estimate_decode_at(model, sizes, where, runtime, {.depth = 4096, .batch = 1});
      CHECK(number(decode.rate) == doctest::Approx(number(whole.rate)).epsilon(0.01));
      CHECK(number(decode.ceiling) == doctest::Approx(number(whole.ceiling)).epsilon(0.01));
      const rate_estimate prefill = placed_prefill(model, sizes, where, sites, p, runtime, 8192, 0);
      const rate_estimate whole_prefill = estimate_prefill(model, sizes, where, runtime, work);
      CHECK(number(prefill.rate) == doctest::Approx(number(whole_prefill.rate)).epsilon(0.05));
    }
  }
}

TEST_CASE("a slower bus never makes a prefill with experts on the host quicker") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  workload work;
  work.context = 16384;
  work.prompt_tokens = 4096;
  engine runtime = make_engine(engine_kind::llama_cpp, work);
  runtime.llama_cpp.n_cpu_moe = 40;
  double before = 0.0;
  for (const double gb_per_s : {0.5, 3.94, 7.88, 31.5, 63.0}) {
    machine where = card_in_a_pc();
    sizer::link bus;
    bus.between = link_kind::host;
    bus.bandwidth.value = make_bytes_per_second(gb_per_s * 1e9);
    where.links = {bus};
    const double rate = number(placed_prefill(model, sizes, where, runtime, work).rate);
    CHECK(rate >= before);
    before = rate;
  }
}

TEST_CASE("experts on the host do not make the card's attention slow") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  workload shallow;
  shallow.context = 65536;
  workload deep = shallow;
  deep.depth = 60000;
  engine runtime = make_engine(engine_kind::llama_cpp, shallow);
  runtime.llama_cpp.n_cpu_moe = 48;
  const machine where = card_in_a_pc();
  const auto added = [&](const engine& how) {
    return number(placed_decode(model, sizes, where, how, deep).time) -
           number(placed_decode(model, sizes, where, how, shallow).time);
  };
  engine on_card = runtime;
  on_card.llama_cpp.n_cpu_moe = 0;
  CHECK(added(runtime) == doctest::Approx(added(on_card)).epsilon(0.02));
  engine cache_on_host = runtime;
  cache_on_host.llama_cpp.offload_kqv = false;
  CHECK(added(cache_on_host) > 2.0 * added(on_card));
}
