#include <sizer/memory/engine_memory.hpp>
#include <sizer/model/expand.hpp>

#include <string>

#include <doctest/doctest.h>

using namespace sizer;
using namespace sizer::literals;

namespace {

architecture small_model(bool tied) {
  model_shape shape;
  shape.n_layers = 16;
  shape.d_model = 2048;
  shape.vocab_size = 128256;
  shape.context_length = 131072;
  shape.n_heads = {32};
  shape.n_kv_heads = {8};
  shape.head_dim_k = 64;
  shape.d_ff = {8192};
  shape.tied_embeddings = tied;
  return make_architecture(shape);
}

machine one_device(backend where, bool unified, std::int32_t n = 1) {
  machine m;
  device d;
  d.count = n;
  d.backend = where;
  d.memory.unified = unified;
  d.memory.sold = d.memory.usable = {16_GiB, figure_kind::vendor, "test", ""};
  d.memory.bandwidth_spec = {500_GB_per_s, figure_kind::vendor, "test", ""};
  m.devices.push_back(d);
  return m;
}

memory_breakdown memory_on(const machine& where, engine_kind kind, bool tied = false, std::int64_t context = 8192) {
  const architecture model = small_model(tied);
  workload work;
  work.context = context;
  return engine_memory(model, weights(model, find_quantization("Q8_0")), where, work, make_engine(kind, work));
}

}  // namespace

TEST_CASE("a card has two pools, a CPU and a unified machine one") {
  CHECK(memory_on(one_device(backend::cuda, false), engine_kind::llama_cpp).pools.size() == 2);
  CHECK(memory_on(one_device(backend::cpu, false), engine_kind::llama_cpp).pools.size() == 1);
  CHECK(memory_on(one_device(backend::metal, true), engine_kind::llama_cpp).pools.size() == 1);
}

TEST_CASE("the embedding stays on the host, and a tied head is a second copy of it") {
  const memory_breakdown untied = memory_on(one_device(backend::cuda, false), engine_kind::llama_cpp);
  const bytes embedding = make_bytes(type_bytes(ggml_type::q8_0, count{128256} * 2048));
  CHECK(untied.pools[1].parts.weights == embedding);
  const memory_breakdown tied = memory_on(one_device(backend::cuda, false), engine_kind::llama_cpp, true);
  CHECK(tied.pools[1].parts.weights == bytes{});
  CHECK(tied.pools[1].parts.overhead >= embedding);
}

TEST_CASE("the verdict is the device's, whatever the host holds") {
  machine small = one_device(backend::cuda, false);
  small.devices[0].memory.usable.value = 1_GiB;
  const memory_breakdown memory = memory_on(small, engine_kind::llama_cpp);
  CHECK_FALSE(memory.fits());
  CHECK(memory.headroom() < bytes{});
  CHECK(memory.headroom() == memory.pools[0].headroom());
}

TEST_CASE("two cards hold twice the memory and pay their buffers twice") {
  const memory_breakdown one = memory_on(one_device(backend::cuda, false), engine_kind::llama_cpp);
  const memory_breakdown two = memory_on(one_device(backend::cuda, false, 2), engine_kind::llama_cpp);
  CHECK(two.pools[0].available == one.pools[0].available * count{2});
  CHECK(two.pools[0].parts.weights == one.pools[0].parts.weights);
  CHECK(two.pools[0].parts.compute_buffer == one.pools[0].parts.compute_buffer * count{2});
}

TEST_CASE("each runtime rounds its cache its own way") {
  const std::int64_t row = std::int64_t{16} * 2 * 8 * 64 * 2;  // layers x (K and V) x heads x width x f16
  const machine where = one_device(backend::cuda, false);
  const auto cells = [&](engine_kind kind) { return number(memory_on(where, kind, false, 1000).parts.kv_cache) / row; };
  CHECK(cells(engine_kind::llama_cpp) == 1024);  // steps of 256
  CHECK(cells(engine_kind::vllm) == 1008);       // pages of 16
  CHECK(cells(engine_kind::mlx) == 1024);        // steps of 256
}

TEST_CASE("vLLM takes its share of the device and no more") {
  const memory_breakdown memory = memory_on(one_device(backend::cuda, false), engine_kind::vllm);
  CHECK(number(memory.available) == 15461882265);  // 0.9 of 16 GiB
  const architecture model = small_model(false);
  workload work;
  work.context = 4096;
  engine runtime = make_engine(engine_kind::vllm, work);
  runtime.vllm.gpu_memory_utilization = 1.5;
  CHECK_THROWS_AS(static_cast<void>(engine_memory(model, weights(model, find_quantization("BF16")),
                                                  one_device(backend::cuda, false), work, runtime)),
                  value_error);
}
