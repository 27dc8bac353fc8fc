#include <sizer/catalog/catalog.hpp>

#include <doctest/doctest.h>

#include <string>

#include "sample_files.hpp"

using namespace sizer;

namespace {

const std::string figure =
    R"({"value": 36.5, "unit": "GB/s", "kind": "measured", "source": "profile", "method": "a run"})";
const std::string row_time = R"({"value": 0.0413, "unit": "us", "kind": "measured", "source": "profile"})";

/// The sample with measurements on its device.
std::string with_measured(const std::string& measured) {
  return changed(sample_machine, R"("count": 2,)", R"("count": 2, "measured": )" + measured + ",");
}

std::string entry(const std::string& threads, const std::string& more) {
  return R"({"threads": )" + threads + R"(, "read": )" + figure + more + "}";
}

std::string fault(const std::string& measured) {
  try {
    (void)read_machine_json(with_measured(measured), "f.json");
  } catch (const data_error& bad) {
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("measured rates are read in base units and written as they were") {
  const std::string rates = R"(, "weights": {"q4_k": )" + figure + R"(}, "kv_cache": {"q8_0": )" + figure +
                            R"(}, "query_group": 4, "attention_rows": [{"type": "f16", "head_dim": 64, "kv_heads": 8,
                            "group": 1, "time": )" +
                            row_time + R"(}], "vector_halves": 32, "barrier": )" + row_time +
                            R"(, "matrix": {"fp32": {"value": 0.26, "unit": "TFLOPS", "kind": "measured",
                            "source": "profile"}})";
  const machine_entry read =
      read_machine_json(with_measured("[" + entry("1", "") + ", " + entry("2", rates) + "]"), "f");
  const std::vector<measured_rates>& measured = read.machine.devices.front().measured;
  REQUIRE(measured.size() == 2);
  CHECK(number(measured[0].read->value) == 36.5e9);
  CHECK(measured[0].read->note == "a run");
  CHECK(measured[1].threads == 2);
  REQUIRE(measured[1].weights.size() == 1);
  CHECK(measured[1].weights.front().type == ggml_type::q4_k);
  CHECK(measured[1].kv_cache.front().type == ggml_type::q8_0);
  CHECK(measured[1].query_group == 4);
  REQUIRE(measured[1].attention_rows.size() == 1);
  CHECK(measured[1].attention_rows.front().head_dim == 64);
  CHECK(number(measured[1].attention_rows.front().time.value) == doctest::Approx(41.3e-9));
  CHECK(measured[1].vector_halves == 32);
  CHECK(number(measured[1].matrix.fp32->value) == doctest::Approx(260e9));
  CHECK(read_machine_json(to_json(read), "again").machine == read.machine);
}

TEST_CASE("wrong measured rates are an error with their place") {
  CHECK(contains(fault("[" + entry("2", "") + ", " + entry("1", "") + "]"),
                 "/devices/0/measured/1: got 1 threads after 2"));
  CHECK(contains(fault("[" + entry("-1", "") + "]"), "/devices/0/measured/0/threads: got -1"));
  CHECK(contains(fault("[" + entry("1", R"(, "weights": {"q4_x": )" + figure + "}") + "]"),
                 "/devices/0/measured/0/weights/q4_x: got 'q4_x', expected a number format of ggml"));
  CHECK(contains(fault("[" + entry("1", R"(, "speed": 1)") + "]"), "the unknown key 'speed'"));
  CHECK(contains(fault("[" + entry("1", R"(, "query_group": 0)") + "]"), "query_group: got 0"));
  CHECK(contains(fault("{}"), "/devices/0/measured: got"));
}

TEST_CASE("a profile of sizer measure is read as the machine in it, and another format is refused") {
  const auto profile = [](const std::string& format, const std::string& more) {
    return R"({"schema_version": 1, "format": ")" + format + R"(", "devices": [])" + more + "}";
  };
  const machine_entry read = read_machine_json(profile("sizer-profile", R"(, "machine": )" + sample_machine), "p.json");
  CHECK(read.machine == read_machine_json(sample_machine, "f.json").machine);
  CHECK_THROWS_AS((void)read_machine_json(profile("other", R"(, "machine": )" + sample_machine), "p.json"), data_error);
  CHECK_THROWS_AS((void)read_machine_json(profile("sizer-profile", ""), "p.json"), data_error);
}
