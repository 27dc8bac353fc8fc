#include <sizer/speed/machine_fit.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/engine/engine.hpp>
#include <sizer/estimate.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/model/expand.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/prefill.hpp>
#include <sizer/workload.hpp>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

namespace {

machine card() { return sizer_test::card(24_GiB, 936_GB_per_s); }

/// A model of as many layers as told, so that runs differ.
architecture model_of(std::int32_t layers, std::int32_t width = 4096) {
  model_shape shape = sizer_test::dense_shape();
  shape.n_layers = layers;
  shape.d_model = width;
  return make_architecture(shape);
}

const engine llama = make_engine(engine_kind::llama_cpp, workload{});

struct asked {
  std::int32_t layers = 32;
  double depth = 0;
  std::int32_t width = 4096;
  const char* quant = "Q4_K_M";
};

double total(const speed_shares& shares, const machine_calibration& truth) {
  double sum = 0.0;
  for (const double one : times_of(shares, fitted_levels, &truth)) sum += one;
  return sum;
}

/// A run of a machine that differs from its class by `truth`.
machine_row decode_row(const asked& a, const machine_calibration& truth, std::int32_t series) {
  const architecture model = model_of(a.layers, a.width);
  const weights_by_type sizes = weights(model, find_quantization(a.quant));
  machine_row row;
  row.shares = decode_shares(model, sizes, card(), llama, {.depth = a.depth});
  row.seconds = total(row.shares, truth);
  row.series = series;
  row.low = 0.8;
  row.high = 1.25;
  return row;
}

machine_row prefill_row(const asked& a, const machine_calibration& truth, std::int32_t series) {
  const architecture model = model_of(a.layers, a.width);
  const weights_by_type sizes = weights(model, find_quantization(a.quant));
  machine_row row;
  row.test = speed_test::prefill;
  row.shares = prefill_shares(model, sizes, card(), llama, 2048, a.depth);
  row.seconds = total(row.shares, truth);
  row.series = series;
  row.low = 0.7;
  row.high = 1.4;
  return row;
}

/// Runs of as many models.
std::vector<machine_row> runs(std::size_t n, const machine_calibration& truth) {
  std::vector<machine_row> rows;
  for (std::size_t i = 0; i < n; ++i) {
    const auto number = static_cast<std::int32_t>(i);
    const asked a{8 + 5 * number, 3000.0 * static_cast<double>(i % 4), i % 2 == 0 ? 1024 : 4096,
                  i % 3 == 0 ? "Q8_0" : "Q4_K_M"};
    rows.push_back(decode_row(a, truth, number));
  }
  return rows;
}

double error_of(double predicted, double measured) { return std::abs(std::log(predicted / measured)); }

machine_calibration slower(double machine_calibration::*part, double by) {
  machine_calibration truth;
  truth.*part = std::log(by);
  return truth;
}

/// A whole machine by so many times slower, whatever the part.
std::vector<machine_row> slowed(std::vector<machine_row> rows, double by) {
  for (machine_row& row : rows) row.seconds *= by;
  return rows;
}

double width(double low, double high) { return std::log(high / low); }

}  // namespace

TEST_CASE("without rows nothing changes") {
  const machine_fit fit = calibrate_machine({});
  CHECK(fit.calibration == machine_calibration{});
  CHECK(fit.before.empty());
}

TEST_CASE("runs that meet the class leave the machine as it is") {
  const machine_calibration own = calibrate_machine(runs(10, {})).calibration;
  for (const double offset : {own.weights, own.arithmetic, own.cache, own.attention, own.latency})
    CHECK(std::abs(offset) < 1e-6);
  CHECK(own.batch == 0.0);
  CHECK(own.matrices == 0.0);
  CHECK(own.n_decode_rows == 10);
  CHECK(own.prefill_low == 0.0);  // the class's
}

TEST_CASE("a machine that is slower in one part is found") {
  SUBCASE("time of a layer") {
    const machine_calibration own = calibrate_machine(runs(16, slower(&machine_calibration::latency, 1.5))).calibration;
    CHECK(own.latency == doctest::Approx(std::log(1.5)).epsilon(0.25));
    CHECK(std::abs(own.attention) < 0.1);
    CHECK(std::abs(own.weights) < 0.1);
  }
  SUBCASE("arithmetic of the weights") {
    const machine_calibration own =
        calibrate_machine(runs(16, slower(&machine_calibration::arithmetic, 1.4))).calibration;
    CHECK(own.arithmetic == doctest::Approx(std::log(1.4)).epsilon(0.25));
    CHECK(std::abs(own.latency) < 0.1);
  }
  SUBCASE("matrix products") {
    std::vector<machine_row> rows;
    for (std::int32_t i = 0; i < 12; ++i) {
      rows.push_back(prefill_row({8 + 4 * i, 4096.0 * (i % 4)}, slower(&machine_calibration::matrices, 1.3), i));
    }
    const machine_calibration own = calibrate_machine(rows).calibration;
    CHECK(own.matrices == doctest::Approx(std::log(1.3)).epsilon(0.25));
    CHECK(own.arithmetic == 0.0);  // of decode, which nobody ran
    CHECK(own.n_prefill_rows == 12);
    CHECK(own.decode_low == 0.0);
  }
}

TEST_CASE("one run moves a machine little, ten runs move it") {
  const auto left = [](std::size_t n) {
    const machine_row other = slowed({decode_row({40, 1000}, {}, 100)}, 1.2).front();
    const machine_fit fit = calibrate_machine(slowed(runs(n, {}), 1.2));
    return error_of(detail::answer_of(other, fitted_levels, &fit.calibration), other.seconds) / std::log(1.2);
  };
  CHECK(left(1) > 0.45);
  CHECK(left(1) < 1.0);
  CHECK(left(10) < 0.25);
}

TEST_CASE("a machine a fifth slower in everything predicts its other runs to a twentieth") {
  const machine_fit fit = calibrate_machine(slowed(runs(8, {}), 1.2));
  for (const asked& a : {asked{60, 0}, asked{20, 12000}, asked{44, 500, 2048}}) {
    const machine_row other = slowed({decode_row(a, {}, 100)}, 1.2).front();
    CHECK(error_of(detail::answer_of(other, fitted_levels, nullptr), other.seconds) > 0.17);
    CHECK(error_of(detail::answer_of(other, fitted_levels, &fit.calibration), other.seconds) < 0.05);
  }
}

TEST_CASE("times before, after and without each row are in order") {
  const std::vector<machine_row> rows = slowed(runs(9, {}), 1.25);
  const machine_fit fit = calibrate_machine(rows);
  double before = 0.0;
  double after = 0.0;
  double held_out = 0.0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    before += error_of(fit.before[i], rows[i].seconds);
    after += error_of(fit.after[i], rows[i].seconds);
    held_out += error_of(fit.held_out[i], rows[i].seconds);
  }
  CHECK(after < held_out);
  CHECK(held_out < 0.5 * before);
}

TEST_CASE("the parts of a run's time sum to all of it") {
  const machine_fit fit = calibrate_machine(slowed(runs(9, {}), 1.25));
  double before = 0.0;
  double after = 0.0;
  for (std::size_t part = 0; part < n_speed_parts; ++part) {
    before += fit.part_before[part];
    after += fit.part_after[part];
    CHECK(fit.part_after[part] >= 0.0);
  }
  CHECK(before == doctest::Approx(1.0));
  CHECK(after > 1.15);
  CHECK(after < 1.3);
}

TEST_CASE("no calibration lifts an answer above its ceiling") {
  std::vector<machine_row> rows = runs(12, {});
  for (machine_row& row : rows) row.seconds /= 3.0;  // faster than any memory
  machine here = card();
  here.devices.front().calibration = calibrate_machine(rows).calibration;
  const architecture model = model_of(32);
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  for (const double depth : {0.0, 8192.0}) {
    const rate_estimate rate = estimate_decode_at(model, sizes, here, llama, {.depth = depth});
    CHECK(rate.rate <= rate.ceiling);
    CHECK(rate.high <= rate.ceiling);
    CHECK(rate.low <= rate.rate);
  }
}

TEST_CASE("a row's answer is never shorter than physics asks") {
  std::vector<machine_row> rows = runs(1, {});
  rows.front().least = 2.0 * rows.front().seconds;
  CHECK(calibrate_machine(rows).before.front() == rows.front().least);
}

TEST_CASE("repeating a measurement neither moves the machine nor widens its interval") {
  std::vector<machine_row> rows = slowed(runs(5, {}), 1.1);
  rows[2].seconds *= 1.3;
  const machine_calibration once = calibrate_machine(rows).calibration;
  for (std::size_t which = 0; which < 5; ++which) {
    std::vector<machine_row> more = rows;
    for (int i = 0; i < 7; ++i) more.push_back(rows[which]);
    machine_calibration often = calibrate_machine(more).calibration;
    CHECK(often.n_decode_rows == 12);
    CHECK(often.decode_low == doctest::Approx(once.decode_low).epsilon(1e-9));
    CHECK(often.decode_high == doctest::Approx(once.decode_high).epsilon(1e-9));
    CHECK(often.latency == doctest::Approx(once.latency).epsilon(1e-9));
  }
}

TEST_CASE("runs of two programs with the same work are two measurements") {
  // ik_llama.cpp's levels differ; what both were measured to take is what the levels say.
  engine fork = llama;
  fork.llama_cpp.fork = llama_cpp_fork::ik_llama_cpp;
  machine cores = card();
  cores.devices.front().backend = backend::cpu;
  cores.devices.front().device_class = device_class::cpu_server;
  const architecture model = model_of(32);
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  std::vector<machine_row> rows;
  for (const engine& one : {llama, fork}) {
    machine_row row;
    row.test = speed_test::prefill;
    row.shares = prefill_shares(model, sizes, cores, one, 512, 0);
    row.seconds = total(row.shares, {});
    rows.push_back(row);
  }
  REQUIRE(rows[0].seconds > 1.2 * rows[1].seconds);
  CHECK(std::abs(calibrate_machine(rows).calibration.matrices) < 1e-6);
}

TEST_CASE("intervals narrow with agreeing series, never below the narrowest, and widen where runs disagree") {
  double before = width(0.8, 1.25);
  for (const std::size_t n : {1U, 2U, 4U, 8U, 16U, 32U}) {
    const machine_calibration own = calibrate_machine(runs(n, {})).calibration;
    CHECK(width(own.decode_low, own.decode_high) < before);
    CHECK(width(own.decode_low, own.decode_high) >= 2.0 * narrowest_interval - 1e-9);
    before = width(own.decode_low, own.decode_high);
  }
  std::vector<machine_row> wild = runs(16, {});
  for (std::size_t i = 0; i < wild.size(); ++i) wild[i].seconds *= i % 4 < 2 ? 1.6 : 1.0 / 1.6;
  const machine_calibration own = calibrate_machine(wild).calibration;
  CHECK(width(own.decode_low, own.decode_high) > width(0.8, 1.25));
}

TEST_CASE("a run that says nothing of a part leaves it alone") {
  // At depth 0 next to nothing is read from the cache.
  std::vector<machine_row> rows;
  for (std::int32_t i = 0; i < 6; ++i) rows.push_back(decode_row({10 + 8 * i, 0}, {}, i));
  const machine_calibration own = calibrate_machine(slowed(rows, 1.3)).calibration;
  CHECK(own.attention == 0.0);
  CHECK(own.cache == 0.0);
}

TEST_CASE("the order of runs does not matter, and one wild run does little") {
  std::vector<machine_row> rows = slowed(runs(9, {}), 1.2);
  const machine_calibration forward = calibrate_machine(rows).calibration;
  const std::vector<machine_row> backward{rows.rbegin(), rows.rend()};
  CHECK(calibrate_machine(backward).calibration.latency == doctest::Approx(forward.latency).epsilon(1e-4));
  rows[4].seconds *= 20.0;
  const machine_row other = slowed({decode_row({40, 1000}, {}, 100)}, 1.2).front();
  const machine_calibration wild = calibrate_machine(rows).calibration;
  CHECK(error_of(detail::answer_of(other, fitted_levels, &wild), other.seconds) < 0.15);
}

TEST_CASE("absurd runs give a calibration that a file may hold") {
  for (const double by : {1e-200, 1e-3, 1e3, 1e200}) {
    const machine_calibration own = calibrate_machine(slowed(runs(6, {}), by)).calibration;
    for (const double offset : {own.weights, own.arithmetic, own.cache, own.attention, own.latency})
      CHECK(std::abs(offset) <= detail::largest_machine_offset);
    CHECK(own.decode_low > 0.0);
    CHECK(own.decode_low < 1.0);
    CHECK(own.decode_high > 1.0);
    CHECK(own.decode_high <= 100.0);
  }
}

TEST_CASE("what is no measurement is refused by name") {
  const auto field_of = [](const std::function<void(machine_row&)>& change) {
    std::vector<machine_row> rows = runs(1, {});
    change(rows.front());
    try {
      (void)calibrate_machine(rows);
    } catch (const value_error& error) {
      return std::string{error.field()};
    }
    return std::string{"nothing"};
  };
  CHECK(field_of([](machine_row&) {}) == "nothing");
  CHECK(field_of([](machine_row& row) { row.seconds = 0.0; }) == "seconds");
  CHECK(field_of([](machine_row& row) { row.seconds = std::numeric_limits<double>::quiet_NaN(); }) == "seconds");
  CHECK(field_of([](machine_row& row) { row.shares.clear(); }) == "shares");
  CHECK(field_of([](machine_row& row) { row.low = 0.0; }) == "low");
  CHECK(field_of([](machine_row& row) { row.high = 0.5; }) == "high");
}

TEST_CASE("an estimate says by what it is calibrated, and does not take another engine's calibration") {
  machine here = card();
  machine_calibration own;
  own.latency = 1.0;
  own.matrices = 0.5;
  own.decode_low = 0.95;
  own.decode_high = 1.05;
  own.n_decode_rows = 7;
  own.n_prefill_rows = 3;
  own.engine = "llama.cpp";
  own.note = "2026-11-21";
  here.devices.front().calibration = own;
  const architecture model = model_of(32);
  const quantization quant = find_quantization("Q4_K_M");
  workload work;
  work.context = 8192;
  const auto asked_of = [&](const machine& where, engine_kind kind) {
    return estimate(model, where, quant, work, make_engine(kind, work));
  };
  for (const engine_kind kind : {engine_kind::llama_cpp, engine_kind::ollama}) {
    const estimate_result result = asked_of(here, kind);
    REQUIRE(result.measurements.size() == 1);
    CHECK(result.measurements.front().from ==
          "calibrated by 7 decode and 3 prefill runs of llama.cpp on this machine (2026-11-21)");
    CHECK(result.decode.rate < asked_of(card(), kind).decode.rate);
    CHECK(result.prefill.rate < asked_of(card(), kind).prefill.rate);
    CHECK(result.decode.low / result.decode.rate == doctest::Approx(0.95));
  }
  const estimate_result server = asked_of(here, engine_kind::vllm);
  CHECK(server.measurements.empty());
  CHECK(server.decode.rate == asked_of(card(), engine_kind::vllm).decode.rate);
  CHECK(server.decode.low == asked_of(card(), engine_kind::vllm).decode.low);
  bool said = false;
  for (const assumption& one : server.assumptions) said = said || one.what == "calibration";
  CHECK(said);
}

TEST_CASE("an engine's name stands for its kernels") {
  const engine vllm = make_engine(engine_kind::vllm, workload{});
  const engine mlx = make_engine(engine_kind::mlx, workload{});
  CHECK(is_calibration_for("", vllm));
  CHECK(is_calibration_for("ollama", llama));
  CHECK(is_calibration_for("ik_llama.cpp", llama));
  CHECK(is_calibration_for("tensorrt-llm", vllm));
  CHECK(is_calibration_for("mlx", mlx));
  CHECK_FALSE(is_calibration_for("llama.cpp", vllm));
  CHECK_FALSE(is_calibration_for("vllm", mlx));
  CHECK_FALSE(is_calibration_for("mlx", llama));
}
