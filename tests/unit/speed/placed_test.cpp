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
