// Weights, caches and state of 24 models as llama.cpp itself allocates them (dry runs of its source of 2026-08-17), by
// context, ubatch, slots, number formats and offload. Data: tests/golden/data/README.md.

#include <cmath>
#include <map>
#include <string>

#include <doctest/doctest.h>

#include <sizer/memory/llama_cpp_memory.hpp>

#include "support/csv.hpp"
#include "support/llamacpp_runs.hpp"
#include "support/llamacpp_shapes.hpp"

using namespace sizer;

namespace {

const std::string data_dir = std::string{SIZER_TEST_DATA_DIR} + "/data/";

/// The amount in MiB as llama.cpp prints it.
std::string printed_mib(std::int64_t amount) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", static_cast<double>(static_cast<float>(amount) / (1024.0F * 1024.0F)));
  return text;
}

void check_windowed(const sizer_test::csv_row& row, const kv_cache_bytes& cache) {
  if (row.at("kv_swa_mib").empty()) {
    CHECK(cache.windowed_layers == 0);
    return;
  }
  CHECK(printed_mib(number(cache.windowed)) == row.at("kv_swa_mib"));
  CHECK(std::to_string(cache.window_cells) == row.at("kv_swa_cells"));
  CHECK(std::to_string(cache.windowed_layers) == row.at("kv_swa_layers"));
}

}  // namespace

TEST_CASE("weights, cache and state are llama.cpp's to the byte, on the device and on the host") {
  const auto models = sizer_test::llamacpp_architectures(sizer_test::read_json(data_dir + "llamacpp_shapes.json"));
  int compared = 0;
  int refused = 0;
  for (const sizer_test::csv_row& row : sizer_test::read_csv(data_dir + "llamacpp_memory.csv")) {
    const architecture& model = models.at(row.at("model"));
    const llama_cpp_options options = sizer_test::run_options(row);
    CAPTURE(row.at("model"));
    CAPTURE(row.at("n_ctx"));
    CAPTURE(row.at("n_seq"));
    CAPTURE(row.at("ngl"));
    CAPTURE(row.at("layout"));
    if (row.at("status") != "ok") {
      CHECK_THROWS_AS(static_cast<void>(llama_cpp_kv_cache(model, options)), value_error);
      ++refused;
      continue;
    }
    const bool on_device = row.at("layout") == "gpu1" && row.at("ngl") != "0";
    const weights_by_type sizes = weights(model, find_quantization(sizer_test::run_quantization(row)));
    const placed_weights placed = place_weights(model, sizes, options);
    CHECK(std::to_string(number(sizes.total)) == row.at("weights_bytes_total"));
    CHECK(std::to_string(on_device ? number(placed.device) : 0) == row.at("weights_bytes_device"));
    CHECK(std::to_string(on_device ? number(placed.host) : number(sizes.total)) == row.at("weights_bytes_host"));

    const kv_cache_bytes cache = llama_cpp_kv_cache(model, options);
    const recurrent_state_bytes state = llama_cpp_recurrent_state(model, options);
    const std::int64_t all = number(cache.total() + state.total);
    const std::int64_t device = on_device ? number(cache.on_device + state.on_device) : 0;
    CHECK(std::to_string(device) == row.at("cache_bytes_device"));
    CHECK(std::to_string(all - device) == row.at("cache_bytes_host"));
    if (!row.at("kv_full_mib").empty()) {
      CHECK(printed_mib(number(cache.full)) == row.at("kv_full_mib"));
      CHECK(std::to_string(cache.cells) == row.at("kv_full_cells"));
      CHECK(std::to_string(cache.full_layers) == row.at("kv_full_layers"));
    }
    check_windowed(row, cache);
    if (!row.at("rs_mib").empty()) CHECK(printed_mib(number(state.total)) == row.at("rs_mib"));
    ++compared;
  }
  CHECK(compared == 772);
  CHECK(refused == 3);
}
