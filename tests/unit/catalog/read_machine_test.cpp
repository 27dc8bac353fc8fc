#include <sizer/catalog/catalog.hpp>

#include <doctest/doctest.h>

#include <string>

#include "sample_files.hpp"

using namespace sizer;

namespace {

/// The error that reading the sample with one change gives, as "pointer: problem".
std::string fault(const std::string& from, const std::string& to) {
  try {
    (void)read_machine_json(changed(sample_machine, from, to), "f.json");
  } catch (const data_error& bad) {
    CHECK(bad.file() == "f.json");
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}

std::string fault_of_text(const std::string& text) {
  try {
    (void)read_machine_json(text, "f.json");
  } catch (const data_error& bad) {
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}

constexpr const char* sold = R"({"value": 24, "unit": "GiB", "kind": "vendor", "source": "sheet"})";
const std::string sold_at = "/devices/0/memory/sold";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a machine is read in base units") {
  const machine_entry entry = read_machine_json(sample_machine, "f.json");
  const device& card = entry.machine.devices.front();
  CHECK(card.count == 2);
  CHECK(card.backend == backend::cuda);
  CHECK(card.device_class == device_class::nvidia_consumer);
  CHECK(number(card.memory.sold.value) == 25'769'803'776);
  CHECK(number(card.memory.usable.value) == 25'436'943'811);  // 23.69 x 2^30, to the nearest byte
  CHECK(card.memory.usable.kind == figure_kind::derived);
  CHECK(card.memory.usable.note == "as the driver says");
  CHECK(number(card.memory.bandwidth_spec.value) == 936e9);
  REQUIRE(card.compute.int8);
  CHECK(number(card.compute.int8->value) == 284e12);
  CHECK(!card.compute.fp4);
  REQUIRE(card.tdp);
  CHECK(number(card.tdp->value) == 350.0);
  REQUIRE(entry.machine.links.size() == 1);
  CHECK(number(entry.machine.links.front().bandwidth.value) == 56.25e9);  // both directions stated
  CHECK(entry.machine.links.front().max_linked == 2);
  CHECK(number(entry.machine.links.front().latency->value) == doctest::Approx(2e-6));
  REQUIRE(entry.devices.front().last_level_cache);
  CHECK(number(entry.devices.front().last_level_cache->value) == 6'000'000);
  CHECK(entry.machine.prices.front().date == "2026-05");
  CHECK(entry.claims.front().truth == "It does not");
  CHECK(!entry.machine.host_memory);
}

TEST_CASE("a machine survives a round trip") {
  const machine_entry entry = read_machine_json(sample_machine, "f.json");
  const std::string text = to_json(entry);
  CHECK(read_machine_json(text, "again") == entry);
  CHECK(contains(text, "\"value\": 894.5,"));
  CHECK(contains(text, "\"value\": 284,\n          \"unit\": \"TOPS\""));
  CHECK(validate_json(text, "again").ok);
}

TEST_CASE("a figure's unit must be one of its quantity") {
  CHECK(fault(sold, R"({"value": 24, "unit": "GB/s", "kind": "vendor", "source": "sheet"})") ==
        sold_at + "/unit: got the unit 'GB/s', expected one of GiB, GB, MiB, MB, TiB, TB, KiB, KB, B");
  CHECK(contains(fault(R"("value": 936, "unit": "GB/s")", R"("value": 936, "unit": "GiB/s")"),
                 "/bandwidth_spec/unit: got"));
  CHECK(contains(fault(R"("value": 800, "unit": "USD")", R"("value": 800, "unit": "EUR")"), "expected USD"));
  CHECK(contains(fault(R"("value": 24, "unit": "GiB")", R"("value": 24)"), "got no key 'unit', expected that key"));
}

TEST_CASE("a figure's value must be a finite number in a sane range") {
  const auto with_value = [](const std::string& value) {
    return fault(sold, R"({"value": )" + value + R"(, "unit": "GiB", "kind": "vendor", "source": "sheet"})");
  };
  CHECK(contains(with_value("-24"), sold_at + "/value: got -24.0 GiB, expected "));
  CHECK(contains(with_value("0"), "/value: got"));
  CHECK(contains(with_value("1e30"), "/value: got 1e+30 GiB"));
  CHECK(contains(with_value("18446744073709551615"), "/value: got"));
  CHECK(contains(with_value("\"24\""), "/value: got \"24\", expected a number"));
  CHECK(contains(with_value("null"), "/value: got null, expected a number"));
  CHECK(contains(with_value("true"), "expected a number"));
  CHECK(contains(with_value("NaN"), "not JSON"));
  CHECK(contains(with_value("Infinity"), "not JSON"));
  CHECK(contains(with_value("1e999"), "not JSON"));
  CHECK(contains(with_value("0x18"), "not JSON"));
  CHECK(with_value("24.5") == "no error");
}

TEST_CASE("a figure needs a kind, a source, and a reason where it is derived or assumed") {
  CHECK(
      contains(fault(sold, R"({"value": 24, "unit": "GiB", "kind": "guess", "source": "x"})"), "/kind: got \"guess\""));
  CHECK(contains(fault(sold, R"({"value": 24, "unit": "GiB", "kind": "vendor"})"), "no key 'source'"));
  CHECK(contains(fault(sold, R"({"value": 24, "unit": "GiB", "kind": "vendor", "source": " "})"), "/source: got"));
  CHECK(
      contains(fault(sold, R"({"value": 24, "unit": "GiB", "kind": "derived", "source": "x"})"), "without 'formula'"));
  CHECK(contains(fault(sold, R"({"value": 24, "unit": "GiB", "kind": "assumed", "source": "x"})"), "without 'why'"));
}

TEST_CASE("an unknown key is refused with the nearest known one") {
  CHECK(fault(R"("release_year")", R"("relase_year")") ==
        "/relase_year: got the unknown key 'relase_year', expected 'release_year'?");
  CHECK(contains(fault(R"("unified": false)", R"("unified": false, "zzzz": 1)"),
                 "/devices/0/memory/zzzz: got the unknown key 'zzzz', expected one of type, unified"));
  CHECK(contains(fault(R"("unified": false)", R"("unified": false, "a/b~c": 1)"), "/devices/0/memory/a~1b~0c: "));
}

TEST_CASE("a key given twice is refused") {
  CHECK(fault(R"("unified": false)", R"("unified": false, "unified": true)") ==
        "/devices/0/memory/unified: got the key 'unified' twice, expected each key once");
  CHECK(contains(fault(R"("notes": "Mine.")", R"("notes": "Mine.", "id": "other")"), "/id: got the key 'id' twice"));
}

TEST_CASE("hostile files are refused") {
  CHECK(contains(fault_of_text(std::string(100'000, '[')), "more than 64 levels of nesting"));
  CHECK(contains(fault_of_text(R"({"devices": )" + std::string(64, '[')), "more than 64 levels of nesting"));
  CHECK(contains(fault_of_text(std::string((std::size_t{16} << 20U) + 1, ' ')), "expected at most 16777216"));
  CHECK(contains(fault_of_text(""), "not JSON"));
  CHECK(contains(fault_of_text("{"), "not JSON"));
  CHECK(contains(fault_of_text("\"\xff\""), "not JSON"));
  CHECK(contains(fault_of_text(sample_machine + "x"), "not JSON"));
  CHECK(contains(fault_of_text("[]"), "expected an object"));
  CHECK(contains(fault_of_text("{}"), "no key 'schema_version'"));
}

TEST_CASE("facts of a machine must agree") {
  CHECK(contains(fault(R"("value": 23.69)", R"("value": 24.5)"), "/devices/0/memory/usable: got"));
  CHECK(contains(fault(R"("value": 894.5)", R"("value": 1000)"),
                 "/bandwidth_measured: got 1000000000000.0 B/s, expected at most"));
  CHECK(contains(fault(R"("count": 2)", R"("count": 0)"), "/devices/0/count: got 0, expected an integer from 1"));
  CHECK(contains(fault(R"("count": 2)", R"("count": 2.5)"), "/devices/0/count: got 2.5"));
  CHECK(
      contains(fault(R"("kind": "system")", R"("kind": "toaster")"), "/kind: got \"toaster\", expected one of gpu, "));
  CHECK(contains(fault(R"("backend": "cuda")", R"("backend": "CUDA")"), "/backend: got"));
  CHECK(contains(fault(R"("schema_version": 1)", R"("schema_version": 2)"), "/schema_version: got 2"));
  CHECK(contains(fault(R"("id": "my-box")", R"("id": "My Box")"), "/id: got \"My Box\""));
  CHECK(contains(fault(R"("id": "my-box")", R"("id": "my--box")"), "/id: got"));
  CHECK(contains(
      fault_of_text(R"({"schema_version": 1, "id": "a", "name": "A", "vendor": "V", "kind": "gpu", "devices": []})"),
      "/devices: got [], expected at least one device"));
}

TEST_CASE("dates are as exact as they are known") {
  const auto with_date = [](const std::string& date) { return fault(R"("2026-05")", '"' + date + '"'); };
  CHECK(with_date("2026") == "no error");
  CHECK(with_date("2026-05-31") == "no error");
  for (const char* bad :
       {"2026-13", "2026-00", "2026-02-30", "2026-5", "26-05", "2026/05", "2026-05-00", "May 2026", ""}) {
    CHECK_MESSAGE(contains(with_date(bad), "/prices/0/date: got"), bad);
  }
}

TEST_CASE("validation lists independent problems and does not throw") {
  CHECK(validate_json(sample_machine, "f.json") == validation{true, "hardware", {}});
  std::string text = changed(sample_machine, R"("count": 2)", R"("count": 0)");
  text = changed(text, R"("relea)", R"("rela)");
  text = changed(text, R"("value": 936)", R"("value": -936)");
  text = changed(text, R"("2026-05")", R"("soon")");
  const validation result = validate_json(text, "f.json");
  CHECK(!result.ok);
  CHECK(result.what == "hardware");
  CHECK(result.problems.size() == 4);
  for (const std::string& problem : result.problems) CHECK(problem.starts_with("f.json at /"));

  CHECK(!validate_json("{", "f.json").ok);
  CHECK(validate_json(R"({"hello": 1})", "f.json").what == "unknown");
  CHECK(validate_json(R"({"vendor": "V"})", "f.json").what == "hardware");
  CHECK(!validate_json("[1, 2]", "f.json").ok);
}
