// How long the library itself takes: one estimate, its two halves, and a comparison over the whole catalogue.

#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/sizer.hpp>

namespace {

using namespace sizer;

const architecture& model_of(const char* name) { return catalogue::embedded().model(name).architecture; }
const machine& machine_of(const char* name) { return catalogue::embedded().machine(name).machine; }

workload request(const architecture& model) {
  workload work;
  work.context = model.shape.context_length;
  return work;
}

constexpr const char* models[] = {"llama-3.1-8b", "qwen3-coder-30b-a3b", "qwen3.6-27b", "llama-3.1-405b"};

void one_estimate(benchmark::State& state) {
  const char* name = models[state.range(0)];
  const architecture& model = model_of(name);
  const machine& spark = machine_of("dgx-spark");
  const quantization quant = find_quantization("Q4_K_M");
  const workload work = request(model);
  const engine runtime = make_engine(engine_kind::llama_cpp, work);
  for (auto _ : state) benchmark::DoNotOptimize(estimate(model, spark, quant, work, runtime));
  state.SetLabel(name);
}
BENCHMARK(one_estimate)->DenseRange(0, 3);

void weights_alone(benchmark::State& state) {
  const architecture& model = model_of(models[state.range(0)]);
  const quantization quant = find_quantization("Q4_K_M");
  for (auto _ : state) benchmark::DoNotOptimize(weights(model, quant));
  state.SetLabel(models[state.range(0)]);
}
BENCHMARK(weights_alone)->DenseRange(0, 3);

void compute_buffer_alone(benchmark::State& state) {
  const architecture& model = model_of(models[state.range(0)]);
  llama_cpp_options options;
  options.n_ctx = model.shape.context_length;
  for (auto _ : state) {
    benchmark::DoNotOptimize(llama_cpp_compute_buffers(model, options, llama_cpp_layout::device));
  }
  state.SetLabel(models[state.range(0)]);
}
BENCHMARK(compute_buffer_alone)->DenseRange(0, 3);

/// 126 layers over four cards and the host; 36 layers of experts over two.
void one_plan(benchmark::State& state) {
  const bool dense = state.range(0) == 0;
  const architecture& model = model_of(dense ? "llama-3.1-405b" : "gpt-oss-120b");
  const machine& cards = machine_of(dense ? "4x-rtx-3090" : "2x-rtx-3090");
  plan_request asked;
  asked.work.context = 8192;
  asked.engine = make_engine(engine_kind::llama_cpp, asked.work);
  asked.weights.push_back({"Q4_K_M", weights(model, find_quantization("Q4_K_M"))});
  asked.kv_types = {ggml_type::f16};
  asked.ubatches = {512};
  for (auto _ : state) benchmark::DoNotOptimize(make_plan(model, cards, asked));
  state.SetLabel(dense ? "llama-3.1-405b over 4 cards" : "gpt-oss-120b over 2 cards");
}
BENCHMARK(one_plan)->DenseRange(0, 1)->Unit(benchmark::kMillisecond);

void compare_all_machines(benchmark::State& state) {
  const architecture& model = model_of("qwen3-coder-30b-a3b");
  std::vector<const machine*> machines;
  for (const std::string& id : catalogue::embedded().machine_ids()) machines.push_back(&machine_of(id.c_str()));
  workload work = request(model);
  work.prompt_tokens = 146'760;
  const quantization quant = find_quantization("Q4_K_M");
  const auto engine_for = [&](const machine&) { return make_engine(engine_kind::llama_cpp, work); };
  for (auto _ : state) benchmark::DoNotOptimize(compare(model, machines, quant, work, engine_for));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(machines.size()));
}
BENCHMARK(compare_all_machines)->Unit(benchmark::kMicrosecond);

void read_one_machine(benchmark::State& state) {
  const std::string text = to_json(catalogue::embedded().machine("dgx-spark"));
  for (auto _ : state) benchmark::DoNotOptimize(read_machine_json(text, "dgx-spark.json"));
}
BENCHMARK(read_one_machine)->Unit(benchmark::kMicrosecond);

}  // namespace
