// KV caches that public logs of llama.cpp and ik_llama.cpp printed (data/kv_buffers.csv), against the catalogue's
// shapes.

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/memory/kv_cache.hpp>
#include <sizer/memory/recurrent_state.hpp>

#include "support/csv.hpp"
#include "support/logs.hpp"

using namespace sizer;
using sizer_test::csv_row;

namespace {

/// Rows that this library does not reproduce, with the reason. A row is named by its model and its printed MiB.
const std::map<std::string, std::string> explained = {
    {"GLM-4.6 6624.00",
     "a build of ik_llama.cpp that counts the multi-token-prediction block (93 layers) but gives it no cache (92 x 72 "
     "MiB)"},
};

}  // namespace

TEST_CASE("KV caches in public logs are reproduced to the printed digit") {
  std::size_t known = 0;
  std::size_t equal = 0;
  std::vector<std::string> missed;
  std::map<std::string, int> unknown;
  for (const csv_row& row : sizer_test::read_csv(SIZER_TEST_DATA_DIR "/data/kv_buffers.csv")) {
    if (row.at("model_key").empty() || row.at("n_ctx").empty() || row.at("kv_mib").empty()) continue;
    const architecture* model = sizer_test::log_model(row);
    if (model == nullptr) {
      ++unknown[row.at("model_key")];
      continue;
    }
    ++known;
    // A log that counts one layer more read a file with a multi-token-prediction block, which the fork caches like any
    // other.
    architecture in_file = *model;
    if (row.at("layers") == std::to_string(model->shape.n_layers + 1)) in_file.shape.n_mtp_layers = 1;
    if (row.at("layers") == std::to_string(model->shape.n_layers)) in_file.shape.n_mtp_layers = 0;
    const kv_cache_bytes cache = llama_cpp_kv_cache(in_file, sizer_test::log_options(row));
    const double full = static_cast<double>(number(cache.full)) / 1048576.0;
    double windowed = static_cast<double>(number(cache.windowed)) / 1048576.0;
    // Such a line is that of the full cache alone; the log's second line was not kept.
    if (cache.windowed_layers > 0 && row.at("layers") == std::to_string(cache.full_layers)) windowed = 0.0;
    const double printed = std::stod(row.at("kv_mib"));
    const double printed_windowed = row.at("swa_kv_mib").empty() ? 0.0 : std::stod(row.at("swa_kv_mib"));
    // Two decimals are printed; a log that sums layers rounds each of K and V.
    const bool same =
        row.at("swa_kv_mib").empty()
            ? std::abs(full + windowed - printed) < 0.0151
            : std::abs(full - printed) < 0.0151 &&
                  std::abs(static_cast<double>(number(cache.windowed)) / 1048576.0 - printed_windowed) < 0.0151;
    if (same) {
      ++equal;
      continue;
    }
    char text[64];
    std::snprintf(text, sizeof text, "%s %.2f", row.at("model_key").c_str(), printed);
    missed.emplace_back(text);
    MESSAGE(text << " MiB printed (" << row.at("engine") << ", " << row.at("type_k") << "/" << row.at("type_v") << ", "
                 << row.at("kv_how") << "): got " << full << " + " << windowed);
  }
  for (const auto& [name, rows] : unknown) MESSAGE("not in the catalogue: " << name << " (" << rows << " rows)");
  MESSAGE(equal << " of " << known << " rows equal");
  CHECK(known >= 150);
  CHECK(equal * 100 >= known * 95);
  for (const std::string& miss : missed) {
    INFO(miss);
    CHECK(explained.contains(miss));
  }
}

TEST_CASE("recurrent state in public logs is reproduced to the printed digit") {
  std::size_t compared = 0;
  for (const csv_row& row : sizer_test::read_csv(SIZER_TEST_DATA_DIR "/data/kv_buffers.csv")) {
    if (row.at("model_key").empty() || row.at("n_ctx").empty() || row.at("rs_mib").empty()) continue;
    const architecture& model = *sizer_test::log_model(row);
    const double got =
        static_cast<double>(number(llama_cpp_recurrent_state(model, sizer_test::log_options(row)).total)) / 1048576.0;
    CHECK(got == doctest::Approx(std::stod(row.at("rs_mib"))).epsilon(1e-5));
    ++compared;
  }
  CHECK(compared >= 2);
}
