/// @file
/// Weights of catalogue models against published files and logs. Kinds of rows: `tensors` (what llama.cpp printed),
/// `file` (file bytes, header included), `uniform` (exact tensor bytes of files with one type for all matrices).
/// Data and what was left out of it: tests/golden/data/gguf_file_sizes.md.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <sizer/catalog/catalog.hpp>
#include <sizer/memory/gguf_file.hpp>
#include <sizer/memory/weights.hpp>

#include "support/csv.hpp"

namespace {

using namespace sizer;

const catalogue& models() {
  static const catalogue loaded = catalogue{}.with_file(std::string{SIZER_DATA_DIR} + "/models");
  return loaded;
}

std::vector<sizer_test::csv_row> rows() {
  return sizer_test::read_csv(std::string{SIZER_TEST_DATA_DIR} + "/data/gguf_file_sizes.csv");
}

quantization recipe_of(const sizer_test::csv_row& row, bool with_flag = true) {
  quantization quant = find_quantization(row.at("quant"));
  quant.importance_matrix = with_flag && row.at("importance_matrix") == "1";
  quant.fused_qkv_as_value = row.at("fused_qkv_as_value") == "1";
  return quant;
}

/// Percent by which the computed size is off.
double error_of(const sizer_test::csv_row& row, bool with_flag = true) {
  const architecture& model = models().model(row.at("model")).architecture;
  const bool file = row.at("kind") == "file";
  const bytes computed =
      file ? gguf_file_bytes(model, recipe_of(row, with_flag)) : weights(model, recipe_of(row, with_flag)).total;
  const double published = std::stod(row.at("bytes"));
  return (real(computed).value() / published - 1.0) * 100.0;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TEST_CASE("standard recipes: 95 % of published sizes within 0.5 %, half of them within 0.05 %") {
  std::vector<double> errors;
  std::vector<double> plain;  // as if no file were made with an importance matrix, which publishers rarely state
  for (const sizer_test::csv_row& row : rows()) {
    if (row.at("kind") == "uniform") continue;
    errors.push_back(std::abs(error_of(row)));
    plain.push_back(std::abs(error_of(row, false)));
  }
  REQUIRE(errors.size() > 200);
  const auto within = [](const std::vector<double>& e) {
    return std::count_if(e.begin(), e.end(), [](double x) { return x <= 0.5; });
  };
  const auto close = within(errors);
  MESSAGE(close << " of " << errors.size() << " within 0.5 %, median " << median_of(errors)
                << " %; without the inferred "
                << "importance matrices " << within(plain) << ", median " << median_of(plain) << " %");
  CHECK(static_cast<double>(close) >= 0.95 * static_cast<double>(errors.size()));
  CHECK(median_of(errors) <= 0.05);
}

TEST_CASE("files with exact bytes: half within 0.002 %, all within 0.25 %") {
  std::vector<double> errors;
  for (const sizer_test::csv_row& row : rows()) {
    if (row.at("printed_as") != "exact file bytes") continue;
    CAPTURE(row.at("label"));
    errors.push_back(std::abs(error_of(row)));
    CHECK(errors.back() <= 0.25);
  }
  REQUIRE(errors.size() >= 30);
  CHECK(median_of(errors) <= 0.002);
}

TEST_CASE("files of one type: every tensor of 12 published models, to the byte") {
  int n_rows = 0;
  for (const sizer_test::csv_row& row : rows()) {
    if (row.at("kind") != "uniform") continue;
    ++n_rows;
    CAPTURE(row.at("label"));
    CAPTURE(row.at("quant"));
    const architecture& model = models().model(row.at("model")).architecture;
    const tensor_inventory inventory = tensor_inventory_of(model);
    const ggml_type type = *find_ggml_type(row.at("quant"));
    count total = 0;
    count in_f32 =
        0;  // newer converters keep the sparse-attention indexer's small matrix in F32 (GLM-5.2, not GLM-5.1)
    for (const tensor_group& group : inventory.groups) {
      const count elements = group.elements() * inventory.tensors_in(group);
      total += type_bytes(group.quantisable() ? type : ggml_type::f32, elements);
      if (type == ggml_type::bf16 && group.kind == tensor_kind::indexer_proj) in_f32 += elements * 2;
    }
    const std::int64_t published = std::stoll(row.at("bytes"));
    CHECK((total.value() == published || (total + in_f32).value() == published));
  }
  CHECK(n_rows == 138);
}

}  // namespace
