#include <sizer/estimate.hpp>
#include <sizer/model/expand.hpp>
#include <sizer/speed/measured_cores.hpp>

#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;
using sizer_test::dense_shape;

namespace {

sourced<bytes_per_second> rate(double gb_per_s) {
  return {make_bytes_per_second(gb_per_s * 1e9), figure_kind::measured, "profile", "a run"};
}

measured_rates with_threads(std::int32_t threads, double faster = 1.0) {
  measured_rates m;
  m.threads = threads;
  const double n = threads * faster;
  m.read = rate(18 * n);
  m.copy = rate(24 * n);
  m.weights = {{ggml_type::f16, rate(18 * n)},
               {ggml_type::q8_0, rate(16 * n)},
               {ggml_type::q4_0, rate(12 * n)},
               {ggml_type::q4_k, rate(11 * n)}};
  m.kv_cache = {{ggml_type::f16, rate(11 * n)}, {ggml_type::q8_0, rate(6 * n)}};
  m.query_group = 4;
  const auto row = [&](std::int32_t head_dim, std::int32_t kv_heads, std::int32_t group, double nanoseconds) {
    const sourced<seconds> time{make_seconds(nanoseconds * 1e-9 / n), figure_kind::measured, "profile", "a run"};
    m.attention_rows.push_back({ggml_type::f16, head_dim, kv_heads, group, time});
  };
  row(128, 8, 4, 60);
  row(128, 8, 1, 90);
  row(64, 8, 4, 45);
  row(64, 8, 1, 75);
  row(128, 2, 4, 40);
  m.vector_halves = 16;
  m.matrix.fp32 = {make_flop_per_second(120e9 * n), figure_kind::measured, "profile", "a run"};
  m.barrier = {make_seconds(threads > 1 ? 200e-9 : 1e-9), figure_kind::measured, "profile", "a run"};
  return m;
}

machine cores(double faster = 1.0) {
  machine box = sizer_test::card(64_GiB, make_bytes_per_second(400e9));
  device& part = box.devices.front();
  part.backend = backend::cpu;
  part.device_class = device_class::cpu_server;
  part.compute = {};
  part.measured = {with_threads(1, faster), with_threads(4, faster)};
  return box;
}

estimate_result ask(const machine& where, const char* quant, std::int64_t depth = 0, std::int64_t threads = 0,
                    ggml_type kv = ggml_type::f16) {
  const architecture model = make_architecture(dense_shape());
  workload work;
  work.context = 32768;
  work.depth = depth;
  work.prompt_tokens = 0;
  engine runtime = make_engine(engine_kind::llama_cpp, work);
  runtime.llama_cpp.n_threads = threads;
  runtime.llama_cpp.type_k = runtime.llama_cpp.type_v = kv;
  return estimate(model, weights(model, find_quantization(quant)), where, work, runtime);
}

double time_of(const rate_estimate& rate, std::string_view name) {
  for (const time_term& term : rate.terms) {
    if (term.name == name) return number(term.time);
  }
  return 0.0;
}

}  // namespace

TEST_CASE("a measured processor reads weights at the rate of their own format's kernel x the engine's share") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = weights(model, find_quantization("Q8_0"));
  const double q8_0 = real(sizes.read_by_type[static_cast<std::size_t>(ggml_type::q8_0)]).value();
  const double share = detail::llama_cpp_efficiency.weights[static_cast<std::size_t>(weight_format::q8_0)];
  const double expected = q8_0 / (16e9 * share);
  // The norms in F32 are a thousandth of the model.
  CHECK(time_of(ask(cores(), "Q8_0", 0, 1).decode, "weights") == doctest::Approx(expected).epsilon(0.01));
}

TEST_CASE("the number of threads chooses the measurement, and without one the most are taken") {
  const double one = number(ask(cores(), "Q4_0", 0, 1).decode.rate);
  const double two = number(ask(cores(), "Q4_0", 0, 2).decode.rate);
  const double four = number(ask(cores(), "Q4_0", 0, 4).decode.rate);
  const double unsaid = number(ask(cores(), "Q4_0").decode.rate);
  CHECK(two == doctest::Approx(one));  // measured with 1 and with 4: the next smaller counts
  CHECK(four > 3 * one);
  CHECK(unsaid == doctest::Approx(four));
}

TEST_CASE("a machine measured twice as fast in everything decodes up to twice as fast, at any depth") {
  for (const char* quant : {"F16", "Q8_0", "Q4_0", "Q4_K_M", "Q6_K"}) {
    for (const std::int64_t depth : {0, 4096, 16384}) {
      const double slow = number(ask(cores(1.0), quant, depth).decode.rate);
      const double fast = number(ask(cores(2.0), quant, depth).decode.rate);
      CHECK(fast > 1.5 * slow);
      CHECK(fast <= 2.0 * slow * (1 + 1e-9));
    }
  }
}

TEST_CASE("no format is read faster than plain reading, and no estimate beats its ceiling") {
  machine box = cores();
  for (measured_rates& m : box.devices.front().measured) {
    for (measured_rate& one : m.weights) one.rate = rate(1e4);  // a kernel that ran from a cache
  }
  const estimate_result e = ask(box, "Q8_0");
  const architecture model = make_architecture(dense_shape());
  const double bytes_read =
      real(weights(model, find_quantization("Q8_0")).read_by_type[static_cast<std::size_t>(ggml_type::q8_0)]).value();
  CHECK(number(e.decode.time) >= bytes_read / (72e9));
  CHECK(e.decode.high <= e.decode.ceiling);
}

TEST_CASE("a deeper cache costs time, and a cache of other numbers the time of its own kernel") {
  const double shallow = number(ask(cores(), "Q8_0", 0).decode.time);
  const double deep = number(ask(cores(), "Q8_0", 8192).decode.time);
  const double deeper = number(ask(cores(), "Q8_0", 16384).decode.time);
  CHECK(deep > shallow);
  CHECK(deeper - deep == doctest::Approx(deep - shallow).epsilon(1e-6));
  CHECK(time_of(ask(cores(), "Q8_0", 8192, 0, ggml_type::q8_0).decode, "attention") > 0.0);
}

TEST_CASE("an estimate on a measured machine names the measurements behind it") {
  const estimate_result e = ask(cores(), "Q4_K_M");
  std::string all;
  for (const used_measurement& one : e.measurements) all += one.what + ": " + one.from + "\n";
  CHECK(all.find("weights in Q4_K: 44.0 GB/s (a run)") != std::string::npos);
  CHECK(all.find("weights in Q6_K, unpacked like Q4_K") != std::string::npos);
  CHECK(all.find("attention over F16") != std::string::npos);
  CHECK_FALSE(e.decode.parameters_assumed);

  machine plain = cores();
  plain.devices.front().measured.clear();
  CHECK(ask(plain, "Q4_K_M").measurements.empty());
}

TEST_CASE("an engine without known shares of a processor names its bandwidth and its product, and no kernel") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  const auto named = [&](engine_kind kind, const machine& box) {
    std::string all;
    for (const used_measurement& one : measurements_behind(box.devices.front(), make_engine(kind, workload{}), sizes)) {
      all += one.what + "; ";
    }
    return all;
  };
  for (const engine_kind kind : {engine_kind::vllm, engine_kind::mlx}) {
    CHECK(named(kind, cores()) == "memory bandwidth; prefill; ");
  }
  CHECK(named(engine_kind::llama_cpp, cores()).find("weights in Q4_K; ") != std::string::npos);
  CHECK(named(engine_kind::llama_cpp, cores()).find("attention over F16") != std::string::npos);

  machine card = sizer_test::card(64_GiB, make_bytes_per_second(1000e9));
  card.devices.front().measured = {with_threads(1)};
  CHECK(named(engine_kind::vllm, card).find("weights in Q4_K; ") != std::string::npos);  // caps the class's rates

  machine unread = cores();  // nothing is taken of it, so that nothing of its kernels is behind an estimate
  for (measured_rates& m : unread.devices.front().measured) m.read.reset();
  CHECK(named(engine_kind::llama_cpp, unread).find("weights") == std::string::npos);
  CHECK(named(engine_kind::llama_cpp, unread).find("attention") == std::string::npos);
}

TEST_CASE("where the engine's shares were not fitted, the interval is as wide as another build was off, and is said") {
  machine box = cores();
  const auto set = [&](std::int32_t halves) {
    for (measured_rates& m : box.devices.front().measured) m.vector_halves = halves;
    return ask(box, "Q8_0");
  };
  const estimate_result fitted = set(32);
  const estimate_result other = set(8);
  CHECK(other.decode.low < fitted.decode.low);
  CHECK(other.decode.high > fitted.decode.high);
  const auto says = [](const estimate_result& e) {
    for (const assumption& one : e.assumptions) {
      if (one.what == "engine build") return one.why.find("that processor only") != std::string::npos ? 2 : 1;
    }
    return 0;
  };
  CHECK(says(fitted) == 1);
  CHECK(says(other) == 2);
  box.devices.front().measured.clear();
  CHECK(says(ask(box, "Q8_0")) == 0);
}

TEST_CASE("a card is taken to be no faster than its own kernels") {
  machine box = sizer_test::card(64_GiB, make_bytes_per_second(1000e9));
  const double by_class = number(ask(box, "Q4_K_M").decode.rate);
  measured_rates m;
  // What reading reaches on such cards is what it reaches here.
  m.read = rate(1000 * detail::reached_share(box.devices.front()));
  box.devices.front().measured = {m};
  CHECK(number(ask(box, "Q4_K_M").decode.rate) == doctest::Approx(by_class));
  box.devices.front().measured.front().read = rate(300);
  CHECK(number(ask(box, "Q4_K_M").decode.rate) < 0.6 * by_class);
}

TEST_CASE("attention in a shape that was measured takes that time, and one between lies between") {
  const measured_rates m = with_threads(1);
  const auto time = [&](double dim, double heads, double group) {
    return *detail::row_time(m.attention_rows, ggml_type::f16, dim, heads, group) * 1e9;
  };
  CHECK(time(128, 8, 4) == doctest::Approx(60));
  CHECK(time(128, 8, 1) == doctest::Approx(90));
  CHECK(time(64, 8, 4) == doctest::Approx(45));
  CHECK(time(128, 2, 4) == doctest::Approx(40));
  CHECK(time(128, 8, 2) == doctest::Approx(70));  // half of a third of the heads finds its keys in memory
  CHECK(time(96, 8, 4) == doctest::Approx(52.5));
  CHECK(time(128, 4, 4) == doctest::Approx(50));
  CHECK(time(128, 64, 4) == doctest::Approx(60));  // strides beyond what was measured cost no more
  CHECK(time(128, 8, 16) < 60);
  CHECK_FALSE(detail::row_time(m.attention_rows, ggml_type::q8_0, 128, 8, 4).has_value());
}

TEST_CASE("elements that do not fill the engine's vectors cost more than those that do") {
  measured_rates m = with_threads(1);
  layer block;
  block.n_heads = 32;
  block.n_kv_heads = 8;
  block.head_dim_k = block.head_dim_v = 64;
  const auto rest = [&](std::int32_t halves) {
    m.vector_halves = halves;
    return detail::row_parts_of(m, 18e9, ggml_type::f16, block)->rest;
  };
  CHECK(rest(8) == 0.0);
  CHECK(rest(16) == 0.0);
  CHECK(rest(32) > 0.0);  // AVX512-FP16: 128 at once, so that a head of 64 is all rest
}
