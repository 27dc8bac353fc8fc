#include <sizer/model/expand.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/prefill.hpp>

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;
using sizer_test::dense_shape;
using sizer_test::expert_shape_30b;

namespace {

machine card(double gb_per_s) { return sizer_test::card(24_GiB, make_bytes_per_second(gb_per_s * 1e9)); }

struct asked {
  std::int64_t depth = 0;
  std::int64_t batch = 1;
  std::int64_t prompt = 2048;
};

struct answer {
  rate_estimate decode;
  rate_estimate prefill;
};

answer rates(const model_shape& shape, const machine& where, asked a, const char* quant = "Q4_K_M") {
  const architecture model = make_architecture(shape);
  const weights_by_type sizes = weights(model, find_quantization(quant));
  workload work;
  work.context = shape.context_length;
  work.depth = a.depth;
  work.batch = work.parallel = a.batch;
  work.prompt_tokens = a.prompt;
  const engine runtime = make_engine(engine_kind::llama_cpp, work);
  return {estimate_decode(model, sizes, where, runtime, work), estimate_prefill(model, sizes, where, runtime, work)};
}

}  // namespace

TEST_CASE("the terms of a step sum to its time, and the interval holds the point below the ceiling") {
  for (const model_shape& shape : {dense_shape(), expert_shape_30b()}) {
    for (const std::int64_t depth : {0, 4096, 65536}) {
      const answer got = rates(shape, card(936), {.depth = depth});
      for (const rate_estimate& rate : {got.decode, got.prefill}) {
        double sum = 0.0;
        for (const time_term& term : rate.terms) sum += number(term.time);
        CHECK(sum == doctest::Approx(number(rate.time)));
        CHECK(rate.low < rate.rate);
        CHECK(rate.rate <= rate.high);
        CHECK(rate.high <= rate.ceiling);
      }
    }
  }
}

TEST_CASE("decode slows with depth, by no less than the bytes of the cache take") {
  const model_shape shape = dense_shape();
  const answer empty = rates(shape, card(936), {});
  const answer deep = rates(shape, card(936), {.depth = 32768});
  const double cache_bytes = 32.0 * 2 * 8 * 128 * 2 * 32768;
  CHECK(number(deep.decode.time) - number(empty.decode.time) >= cache_bytes / 936e9);
}

TEST_CASE("a sliding window stops the slowing") {
  model_shape shape = dense_shape();
  shape.mixers = {{mixer_kind::sliding, 1}};
  shape.sliding_window = 1024;
  const double at_window = number(rates(shape, card(936), {.depth = 1024}).decode.time);
  CHECK(number(rates(shape, card(936), {.depth = 65536}).decode.time) == doctest::Approx(at_window));
}

TEST_CASE("more bandwidth is never slower, and a memory-bound model nearly scales with it") {
  const double slow = number(rates(dense_shape(), card(300), {}).decode.rate);
  const double fast = number(rates(dense_shape(), card(600), {}).decode.rate);
  CHECK(fast > 1.5 * slow);
  CHECK(fast <= 2.0 * slow);
}

TEST_CASE("a batch decodes more tokens together and fewer each") {
  for (const model_shape& shape : {dense_shape(), expert_shape_30b()}) {
    double together = 0.0;
    double each = 1e9;
    for (const std::int64_t batch : {1, 2, 4, 8, 16, 32}) {
      const double rate = number(rates(shape, card(936), {.depth = 512, .batch = batch}).decode.rate);
      // Two sequences lose the CUDA graph of one, and share few experts: with experts they may gain nothing.
      CHECK(rate > (batch == 2 && shape.experts ? 0.9 * together : together));
      CHECK(rate / static_cast<double>(batch) < each);
      together = rate;
      each = rate / static_cast<double>(batch);
    }
  }
}

TEST_CASE("expected experts: k for one token, all of them for very many") {
  const expert_shape experts{128, 8, 768, 0, 0};
  CHECK(expected_experts(experts, 1) == doctest::Approx(8.0));
  CHECK(expected_experts(experts, 2) == doctest::Approx(15.5));  // 8 + 8 x 120 / 128
  CHECK(expected_experts(experts, 1e6) == doctest::Approx(128.0));
}

TEST_CASE("a mixture of experts decodes by its active weights, not by its size") {
  const double moe = number(rates(expert_shape_30b(), card(936), {}).decode.rate);
  model_shape all = expert_shape_30b();
  all.experts->n_experts_per_token = 128;
  CHECK(moe > 4.0 * number(rates(all, card(936), {}).decode.rate));
}

TEST_CASE("prefill of a longer prompt takes longer, and attention makes it slower a token") {
  const answer short_prompt = rates(dense_shape(), card(936), {.prompt = 4096});
  const answer long_prompt = rates(dense_shape(), card(936), {.prompt = 65536});
  CHECK(number(long_prompt.prefill.time) > 16.0 * number(short_prompt.prefill.time));
  CHECK(long_prompt.prefill.rate < short_prompt.prefill.rate);
}

TEST_CASE("no parameters can lift a rate above the ceiling") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  workload work;
  work.context = 4096;
  const engine runtime = make_engine(engine_kind::llama_cpp, work);
  std::vector<level_value> free_of_cost(fitted_levels.begin(), fitted_levels.end());
  for (level_value& one : free_of_cost) one.value = -30.0;  // no excess, no latency, no arithmetic
  const rate_estimate rate = estimate_decode(model, sizes, card(936), runtime, work, free_of_cost);
  CHECK(rate.rate <= rate.ceiling);
  CHECK(rate.high <= rate.ceiling);
  CHECK(number(rate.ceiling) == doctest::Approx(936e9 / (static_cast<double>(number(sizes.active - sizes.row)))));
}

TEST_CASE("a class without measurements is marked as assumed") {
  CHECK_FALSE(rates(dense_shape(), card(936), {}).decode.parameters_assumed);
  machine unknown = card(936);
  unknown.devices.front().backend = backend::other;
  unknown.devices.front().device_class = device_class::other;
  CHECK(rates(dense_shape(), unknown, {}).decode.parameters_assumed);
}

TEST_CASE("a class without measurements has a wider interval than the best known one") {
  const auto width = [](const rate_estimate& rate) { return number(rate.rate) / number(rate.low); };
  machine unknown = card(936);
  unknown.devices.front().backend = backend::sycl;
  unknown.devices.front().device_class = device_class::intel_igpu;
  CHECK(width(rates(dense_shape(), unknown, {}).decode) > width(rates(dense_shape(), card(936), {}).decode));
}

TEST_CASE("an old build of llama.cpp is told apart from a current one") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  workload work;
  work.context = 4096;
  work.prompt_tokens = 512;
  engine runtime = make_engine(engine_kind::llama_cpp, work);
  const rate_estimate now = estimate_prefill(model, sizes, card(936), runtime, work);
  runtime.llama_cpp.build = 2800;
  CHECK(estimate_prefill(model, sizes, card(936), runtime, work).rate < now.rate);
}

TEST_CASE("scores that go through memory slow a deep prefill more than a shallow one") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  const auto ratio = [&](std::int64_t depth) {
    workload work;
    work.context = 131072;
    work.prompt_tokens = 512;
    work.depth = depth;
    engine runtime = make_engine(engine_kind::llama_cpp, work);
    const double with = number(estimate_prefill(model, sizes, card(936), runtime, work).rate);
    runtime.llama_cpp.flash_attention = false;
    return number(estimate_prefill(model, sizes, card(936), runtime, work).rate) / with;
  };
  CHECK(ratio(65536) < ratio(0));
  CHECK(ratio(65536) < 1.0);
}
