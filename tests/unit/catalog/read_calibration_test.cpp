#include <sizer/catalog/catalog.hpp>

#include <doctest/doctest.h>

#include <string>

#include "sample_files.hpp"

using namespace sizer;

namespace {

/// The sample with a calibration of its device.
std::string with_calibration(const std::string& calibration) {
  return changed(sample_machine, R"("count": 2,)", R"("count": 2, "calibration": )" + calibration + ",");
}

std::string fault(const std::string& calibration) {
  try {
    (void)read_machine_json(with_calibration(calibration), "f.json");
  } catch (const data_error& bad) {
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a calibration is read, and written as it was") {
  const machine_entry read = read_machine_json(with_calibration(R"({
    "weights": 3.25, "arithmetic": -0.25, "cache": 0.5, "attention": 0.125, "latency": -0.5, "batch": 0.0625,
    "matrices": 0.75, "prefill_attention": -1, "prefill_traffic": 4,
    "decode_low": 0.9, "decode_high": 1.125, "prefill_low": 0.75, "prefill_high": 1.5,
    "n_decode_rows": 7, "n_prefill_rows": 3, "engine": "llama.cpp", "note": "2026-11-21: a model"})"),
                                               "f.json");
  REQUIRE(read.machine.devices.front().calibration);
  const machine_calibration& own = *read.machine.devices.front().calibration;
  CHECK(own.weights == 3.25);
  CHECK(own.arithmetic == -0.25);
  CHECK(own.cache == 0.5);
  CHECK(own.attention == 0.125);
  CHECK(own.latency == -0.5);
  CHECK(own.batch == 0.0625);
  CHECK(own.matrices == 0.75);
  CHECK(own.prefill_attention == -1.0);
  CHECK(own.prefill_traffic == 4.0);
  CHECK(own.decode_low == 0.9);
  CHECK(own.decode_high == 1.125);
  CHECK(own.prefill_low == 0.75);
  CHECK(own.prefill_high == 1.5);
  CHECK(own.n_decode_rows == 7);
  CHECK(own.n_prefill_rows == 3);
  CHECK(own.engine == "llama.cpp");
  CHECK(own.note == "2026-11-21: a model");
  CHECK(read_machine_json(to_json(read), "again").machine == read.machine);
}

TEST_CASE("what a calibration does not state is that of the class") {
  const machine_entry read =
      read_machine_json(with_calibration(R"({"latency": 0.5, "engine": "vllm", "note": "a run"})"), "f.json");
  machine_calibration expected;
  expected.engine = "vllm";
  expected.note = "a run";
  expected.latency = 0.5;
  CHECK(read.machine.devices.front().calibration == expected);
  CHECK(read_machine_json(to_json(read), "again").machine == read.machine);
  CHECK_FALSE(read_machine_json(sample_machine, "f.json").machine.devices.front().calibration);
}

TEST_CASE("wrong values of a calibration are an error with their place") {
  CHECK(contains(fault(R"({"latency": 8.5})"),
                 "/devices/0/calibration/latency: got 8.5, expected a number from -8 to 8"));
  CHECK(contains(fault(R"({"weights": -9})"), "/devices/0/calibration/weights: got -9"));
  CHECK(contains(fault(R"({"matrices": "fast"})"), "/devices/0/calibration/matrices: got"));
  CHECK(contains(fault(R"({"cache": null})"), "/devices/0/calibration/cache: got"));
  CHECK(contains(fault(R"({"decode_low": 0})"), "/devices/0/calibration/decode_low: got 0, expected a number above 0"));
  CHECK(contains(fault(R"({"decode_high": 101})"), "/devices/0/calibration/decode_high: got 101"));
  CHECK(contains(fault(R"({"prefill_low": -1})"), "/devices/0/calibration/prefill_low: got -1"));
  CHECK(contains(fault(R"({"n_decode_rows": -1})"), "/devices/0/calibration/n_decode_rows: got -1"));
  CHECK(contains(fault(R"({"n_prefill_rows": 1.5})"), "/devices/0/calibration/n_prefill_rows: got 1.5"));
  CHECK(contains(fault(R"({"engine": 1})"), "/devices/0/calibration/engine: got 1"));
  CHECK(contains(fault(R"({"note": ""})"), "/devices/0/calibration: got no key 'engine'"));
  CHECK(contains(fault(R"({"speed": 1})"), "the unknown key 'speed'"));
  CHECK(contains(fault("[]"), "/devices/0/calibration: got"));
}
