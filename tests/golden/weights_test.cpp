/// @file
/// Tensor inventories and exact weights against llama.cpp itself: the tensor groups of 24 models, and what
/// llama-quantize (source of 2026-08-17, dry run) says each recipe makes of them. Data: tests/golden/data/README.md.

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include <sizer/memory/weights.hpp>

#include "support/csv.hpp"
#include "support/llamacpp_shapes.hpp"

namespace {

using namespace sizer;

const std::string data_dir = std::string{SIZER_TEST_DATA_DIR} + "/data/";

const nlohmann::json& shapes() {
  static const nlohmann::json loaded = sizer_test::read_json(data_dir + "llamacpp_shapes.json");
  return loaded;
}

const std::map<std::string, architecture>& models() {
  static const std::map<std::string, architecture> loaded = sizer_test::llamacpp_architectures(shapes());
  return loaded;
}

/// name, dimensions, use, fixed type -> tensors
using group_table =
    std::map<std::tuple<std::string, std::vector<std::int64_t>, std::string, std::string>, std::int64_t>;

std::string use_name(tensor_use use) {
  switch (use) {
    case tensor_use::row: return "row";
    case tensor_use::tied: return "tied";
    case tensor_use::expert: return "expert";
    case tensor_use::whole:
    case tensor_use::unused: break;
  }
  return "weight";
}

group_table expected_groups(const nlohmann::json& entry) {
  group_table table;
  for (const auto& group : entry.at("tensor_groups")) {
    const std::string fixed = group.at("fixed_type").is_null() ? "" : group.at("fixed_type").get<std::string>();
    table[{group.at("name").get<std::string>(), group.at("shape").get<std::vector<std::int64_t>>(),
           group.at("role").get<std::string>(), fixed}] += group.at("count").get<std::int64_t>();
  }
  return table;
}

group_table computed_groups(const architecture& model) {
  group_table table;
  const tensor_inventory inventory = tensor_inventory_of(model);
  for (const tensor_group& group : inventory.groups) {
    const std::vector<std::int64_t> dims(group.ne.begin(), group.ne.begin() + group.n_dims);
    const std::string fixed = group.quantisable() ? "" : "F32";
    table[{std::string{info(group.kind).name}, dims, use_name(group.use), fixed}] += inventory.tensors_in(group);
  }
  return table;
}

std::string text(const group_table& table) {
  std::ostringstream out;
  for (const auto& [key, n] : table) {
    out << "\n  " << std::get<0>(key) << " [";
    for (const std::int64_t ne : std::get<1>(key)) out << ne << ' ';
    out << "] " << std::get<2>(key) << ' ' << std::get<3>(key) << " x" << n;
  }
  return out.str();
}

std::string types_text(const bytes_per_type& table) {
  std::map<std::string, std::int64_t> sorted;
  for (std::size_t t = 0; t < table.size(); ++t) {
    if (number(table[t]) != 0) sorted[std::string{ggml_types[t].name}] = number(table[t]);
  }
  std::string result;
  for (const auto& [name, n] : sorted) result += (result.empty() ? "" : " ") + name + ":" + std::to_string(n);
  return result;
}

TEST_CASE("every tensor of the 24 models has llama.cpp's name, shape, use and count") {
  for (const auto& [id, model] : models()) {
    const auto& name = id;  // what CAPTURE takes may not be a structured binding (clang 14)
    CAPTURE(name);
    const group_table expected = expected_groups(shapes().at(name));
    const group_table computed = computed_groups(model);
    group_table missing;
    group_table extra;
    for (const auto& [key, n] : expected) {
      if (!computed.contains(key) || computed.at(key) != n) missing[key] = n;
    }
    for (const auto& [key, n] : computed) {
      if (!expected.contains(key) || expected.at(key) != n) extra[key] = n;
    }
    CHECK_MESSAGE(missing.empty(), "missing:", text(missing), "\nextra:", text(extra));
    CHECK(extra.empty());
    CHECK(tensor_inventory_of(model).parameters().value() == shapes().at(name).at("n_params").get<std::int64_t>());
  }
}

TEST_CASE("every recipe gives llama-quantize's bytes, by type and in all") {
  int rows = 0;
  for (const sizer_test::csv_row& row : sizer_test::read_csv(data_dir + "llamacpp_quant_sizes.csv")) {
    if (row.at("status") != "ok") continue;
    ++rows;
    const std::string& name = row.at("model");
    CAPTURE(name);
    CAPTURE(row.at("quant"));
    const weights_by_type w = weights(models().at(name), find_quantization(row.at("quant")));
    CHECK(std::to_string(number(w.total)) == row.at("bytes_total"));
    CHECK(std::to_string(number(w.active)) == row.at("bytes_touched_per_token"));
    CHECK(types_text(w.by_type) == row.at("bytes_by_type"));
    CHECK(std::to_string(w.parameters.value()) == row.at("n_params"));
    CHECK(w.active_parameters.value() == shapes().at(name).at("n_params_touched_per_token").get<std::int64_t>());
  }
  CHECK(rows == 323);
}

TEST_CASE("the weights that llama.cpp loaded are Q8_0's, gpt-oss with experts in MXFP4") {
  int rows = 0;
  for (const sizer_test::csv_row& row : sizer_test::read_csv(data_dir + "llamacpp_memory.csv")) {
    if (row.at("weights_bytes_total").empty()) continue;  // the context did not load
    ++rows;
    CAPTURE(row.at("model"));
    const bool mixed = row.at("weight_type") != "Q8_0";
    REQUIRE(row.at("weight_type") == (mixed ? "Q8_0+MXFP4 experts" : "Q8_0"));
    const weights_by_type w = weights(models().at(row.at("model")), find_quantization(mixed ? "MXFP4_MOE" : "Q8_0"));
    CHECK(std::to_string(number(w.total)) == row.at("weights_bytes_total"));
  }
  CHECK(rows > 700);
}

}  // namespace
