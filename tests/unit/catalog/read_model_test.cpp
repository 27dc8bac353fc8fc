#include <sizer/catalog/catalog.hpp>

#include <doctest/doctest.h>

#include <string>

#include "sample_files.hpp"

using namespace sizer;

namespace {

std::string fault(const std::string& from, const std::string& to) {
  try {
    (void)read_model_json(changed(sample_model, from, to), "f.json");
  } catch (const data_error& bad) {
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}

std::string shape_fault(const std::string& text) {
  try {
    (void)read_shape_json(text);
  } catch (const value_error& bad) {
    return bad.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a model is read and expanded") {
  const model_entry entry = read_model_json(sample_model, "f.json");
  CHECK(entry.id == "tiny");
  CHECK(entry.architecture_kind == figure_kind::assumed);
  CHECK(entry.architecture_note == "made up");
  CHECK(entry.sizing_status == "partial");
  CHECK(entry.sizing_note == "made up");
  REQUIRE(entry.parameters_total);
  CHECK(entry.parameters_total->value == count{2'500'000});
  CHECK(!entry.parameters_active);
  CHECK(entry.parameters_label == "2.5M");
  const architecture& shape = entry.architecture;
  REQUIRE(shape.layers.size() == 4);
  CHECK(shape.layers[2].mixer == mixer_kind::sliding);
  CHECK(shape.layers[3].mixer == mixer_kind::full);
  CHECK(shape.layers[3].n_kv_heads == 4);
  CHECK(shape.layers[0].feed_forward == feed_forward_kind::dense);
  CHECK(shape.layers[1].feed_forward == feed_forward_kind::moe);
  CHECK(shape.shape.features.qk_norm == true);
  CHECK(!shape.shape.features.qkv_bias);
}

TEST_CASE("a model survives a round trip") {
  const model_entry entry = read_model_json(sample_model, "f.json");
  CHECK(read_model_json(to_json(entry), "again") == entry);
  CHECK(read_shape_json(to_json(entry.architecture.shape)) == entry.architecture);
}

TEST_CASE("a wrong model is refused with the pointer of the fault") {
  CHECK(fault(R"("n_layers": 4)", R"("n_layers": 0)") == "/architecture/n_layers: got 0, expected 1 to 4096");
  CHECK(contains(fault(R"("n_layers": 4)", R"("n_layers": -4)"), "/architecture/n_layers: got -4"));
  CHECK(contains(fault(R"("n_layers": 4)", R"("n_layers": 4.0)"),
                 "/architecture/n_layers: got 4.0, expected an integer"));
  CHECK(contains(fault(R"("d_model": 64)", R"("d_model": 99999999999999999999)"), "/architecture/d_model: got"));
  CHECK(contains(fault(R"("d_model": 64)", R"("d_model": 9223372036854775808)"), "/architecture/d_model: got"));
  CHECK(contains(fault(R"([2, 2, 4, 4])", "[2, 2]"), "/architecture/n_kv_heads: got 2 values"));
  CHECK(contains(fault(R"([2, 2, 4, 4])", "[]"), "/architecture/n_kv_heads: got []"));
  CHECK(contains(fault(R"(["sliding", 3])", R"(["slidng", 3])"),
                 "/architecture/mixers/0/0: got \"slidng\", expected one of"));
  CHECK(contains(fault(R"(["sliding", 3])", R"(["sliding", 0])"), "/architecture/mixers/0/1: got 0"));
  CHECK(contains(fault(R"(["sliding", 3])", R"(["sliding"])"), "/architecture/mixers/0: got"));
  CHECK(contains(fault(R"("n_experts": 8)", R"("n_experts": 1)"), "/architecture/experts/n_experts_per_token: got 2"));
  CHECK(contains(fault(R"("qk_norm": true)", R"("qk_norm": 1)"),
                 "/architecture/features/qk_norm: got 1, expected true or false"));
  CHECK(contains(fault(R"("d_ff": 128)", R"("dff": 128)"),
                 "/architecture/dff: got the unknown key 'dff', expected 'd_ff'?"));
  CHECK(contains(fault(R"("kind": "assumed", "source": "me", )", ""), "/architecture: got no key 'kind'"));
  CHECK(contains(fault(R"("value": 2.5e6)", R"("value": 0)"), "/parameters/total/value: got"));
  CHECK(contains(fault(R"(, "why": "made up"})", "}"), "/sizing: got status 'partial' without 'why'"));
  CHECK(contains(fault(R"("aliases": ["tiny-one"])", R"("aliases": "tiny-one")"), "/aliases: got"));
}

TEST_CASE("active parameters are part of the total") {
  CHECK(contains(fault(R"("label": "2.5M")",
                       R"("active": {"value": 2500001, "unit": "parameter", "kind": "vendor", "source": "me"})"),
                 "/parameters/active: got 2500001 parameters, expected at most 'total', 2500000"));
}

TEST_CASE("a shape alone speaks of fields, not of files") {
  CHECK(shape_fault(R"({"n_layers": 0})") == "n_layers: got 0, expected 1 to 4096");
  CHECK(shape_fault(R"({"n_layer": 4})") == "n_layer: got the unknown key 'n_layer', expected 'n_layers'?");
  CHECK(contains(shape_fault(R"({"latent": {"kv_lora_rank": "a"}})"),
                 "latent.kv_lora_rank: got \"a\", expected an integer"));
  CHECK(contains(shape_fault(R"({"kind": "vendor"})"), "the unknown key 'kind'"));
  CHECK(contains(shape_fault("{"), "model: got not JSON"));
  CHECK(contains(shape_fault("[]"), "model: got [], expected an object"));
}

TEST_CASE("validation of a model lists independent problems") {
  CHECK(validate_json(sample_model, "f.json") == validation{true, "model", {}});
  std::string text = changed(sample_model, R"("qk_norm": true)", R"("qk_norm": 1)");
  text = changed(text, R"("d_ff": 128)", R"("dff": 128)");
  text = changed(text, R"("value": 2.5e6)", R"("value": -1)");
  const validation result = validate_json(text, "f.json");
  CHECK(result.what == "model");
  CHECK(result.problems.size() == 3);
}
