#include <sizer/placement/placement.hpp>

#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/memory/engine_memory.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/model/expand.hpp>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

namespace {

machine cards(std::int32_t count) {
  machine m = sizer_test::card(24_GiB, 936_GB_per_s);
  m.devices.front().name = "card";
  m.devices.front().count = count;
  memory_pool ram;
  ram.sold = ram.usable = {96_GiB, figure_kind::vendor, "test", ""};
  ram.bandwidth_spec = {83.2_GB_per_s, figure_kind::vendor, "test", ""};
  m.host_memory = ram;
  return m;
}

llama_cpp_options some_options() {
  llama_cpp_options options;
  options.n_ctx = 16384;
  options.n_outputs_max = 1;
  return options;
}

memory_parts sum_of(const std::vector<pool_usage>& pools) {
  memory_parts sum;
  for (const pool_usage& pool : pools) sum = sum + pool.parts;
  return sum;
}

}  // namespace

TEST_CASE("one card and its host are placed as the engine's own memory rules say") {
  for (const model_shape& shape : {sizer_test::dense_shape(), sizer_test::expert_shape_30b()}) {
    const architecture model = make_architecture(shape);
    const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
    const machine where = cards(1);
    const std::vector<site> sites = sites_of(where);
    REQUIRE(sites.size() == 2);
    for (const std::int64_t layers : {-1, 40, 20, 1, 0}) {
      for (const std::int64_t experts : {0, 10}) {
        if (layers == 0 && experts > 0) continue;
        llama_cpp_options options = some_options();
        options.n_gpu_layers = layers;
        options.n_cpu_moe = experts;
        CAPTURE(shape.family);
        CAPTURE(layers);
        CAPTURE(experts);
        const memory_breakdown whole = llama_cpp_memory(model, sizes, where, options);
        const std::vector<pool_usage> pools = placed_memory(model, sizes, sites, placement_of(model, options), options);
        REQUIRE(pools.size() == 2);
        for (std::size_t i = 0; i < 2; ++i) {
          const memory_parts& expected = whole.pools[i].parts;
          CHECK(number(pools[i].parts.weights + pools[i].parts.overhead) ==
                number(expected.weights + expected.overhead) - (layers == 0 && i == 0 ? number(expected.overhead) : 0));
          CHECK(number(pools[i].parts.kv_cache) == number(expected.kv_cache));
          if (layers != 0) CHECK(number(pools[i].parts.compute_buffer) == number(expected.compute_buffer));
        }
      }
    }
  }
}

TEST_CASE("sites are every card by itself and the host") {
  const std::vector<site> sites = sites_of(cards(3));
  REQUIRE(sites.size() == 4);
  CHECK(sites[2].name == "card #3");
  CHECK(sites[2].where.devices.front().count == 1);
  CHECK(sites[3].is_host);
  CHECK(device_sites(sites) == 3);
}

TEST_CASE("every byte of a model lies somewhere, however its blocks are spread") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  const std::vector<site> sites = sites_of(cards(2));
  const llama_cpp_options options = some_options();
  const bytes cache = llama_cpp_kv_cache(model, options).total();
  for (const std::int64_t on_host : {0, 3, 20}) {
    for (const std::int64_t first : {0, 7, 28}) {
      for (const std::int64_t experts : {0, 5, 48}) {
        placement p;
        p.host_blocks = on_host;
        p.device_blocks = {first, 48 - on_host - first};
        p.n_cpu_moe = experts;
        p.head_device = 1;
        const memory_parts sum = sum_of(placed_memory(model, sizes, sites, p, options));
        CHECK(number(sum.weights) == number(sizes.total));
        CHECK(number(sum.kv_cache) == number(cache));
      }
    }
  }
}

TEST_CASE("llama.cpp's options of a placement make that placement") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  placement p;
  p.host_blocks = 10;
  p.device_blocks = {22};
  CHECK(p.n_gpu_layers() == 23);
  const llama_cpp_options options = with_placement(some_options(), p);
  CHECK(placement_of(model, options) == p);
  CHECK(p.tensor_split() == std::vector<std::int64_t>{23});
}

TEST_CASE("several cards with everything on them keep four copies of the inputs") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  const std::vector<site> sites = sites_of(cards(2));
  llama_cpp_options options = some_options();
  placement p;
  p.device_blocks = {16, 16};
  p.head_device = 1;
  CHECK(input_copies(p, sites, options) == 4);
  const auto piped = placed_memory(model, sizes, sites, p, options);
  placement offloaded = p;
  offloaded.host_blocks = 1;
  offloaded.device_blocks = {15, 16};
  CHECK(input_copies(offloaded, sites, options) == 1);
  const bytes plain = llama_cpp_compute_buffers(model, options, llama_cpp_layout::device).device;
  // The mask of 16,384 cells x 512 tokens x 2 bytes and 512 hidden rows of 4,096 x 4 bytes, three times more.
  CHECK(number(piped[1].parts.compute_buffer - plain) == 3 * (16384LL * 512 * 2 + 512LL * 4096 * 4));
}

TEST_CASE("a placement of another model or machine is refused") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  placement p;
  p.device_blocks = {31};
  CHECK_THROWS_AS((void)placed_memory(model, sizes, sites_of(cards(1)), p, some_options()), value_error);
  p.device_blocks = {16, 16};
  CHECK_THROWS_AS((void)placed_memory(model, sizes, sites_of(cards(1)), p, some_options()), value_error);
}
