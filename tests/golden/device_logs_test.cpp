// Compute buffers and totals that real CUDA, Metal and Vulkan devices printed (data/kv_buffers.csv).
//
// A log that names its streams comes from a build whose rules are the current ones; an older log follows the older
// rules. What no rule here covers is named below with its reason.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/memory/compute_buffer.hpp>
#include <sizer/memory/kv_cache.hpp>
#include <sizer/memory/recurrent_state.hpp>
#include <sizer/memory/weights.hpp>

#include "support/csv.hpp"
#include "support/logs.hpp"

using namespace sizer;
using sizer_test::csv_row;

namespace {

double mib(const bytes& amount) { return static_cast<double>(number(amount)) / 1048576.0; }

/// Why a row of llama.cpp's own logs is off, by model and printed MiB.
const std::map<std::string, std::string> explained = {
    {"Qwen3 4B 606.03",
     "29 of 37 layers on the device: llama.cpp stages the output head (304 MiB of Q6_K) there for large batches"},
    {"Llama 3.2 1B 658.25",
     "131,072 cells without flash attention on Vulkan (`auto` turned it off) plus staged weights"},
    {"Llama 3.2 1B 404.01", "the same model on the CPU of that run"},
    {"Qwen2.5-Coder 7B 382.01",
     "a build between the two rules: logits of the whole ubatch and an f32 mask on the device"},
    {"Qwen3.5 35B-A3B 372.06",
     "layers split over three cards: each holds a part of the graph and the pipeline's copies"},
};

struct compared {
  std::string name;
  double printed = 0.0;
  double got = 0.0;
  [[nodiscard]] bool close() const { return std::abs(got - printed) <= std::max(0.1 * printed, 32.0); }
};

/// The device's buffer by the rules of the row's build.
compared compute_of(const csv_row& row, const architecture& model) {
  llama_cpp_options options = sizer_test::log_options(row);
  const bool older = row.at("n_stream").empty();
  if (older) options.graph = llama_cpp_graph::before_2025_06;
  // "auto" is on where the backend can; builds that print nothing had none.
  options.flash_attention =
      row.at("flash_attn") == "1" || row.at("flash_attn") == "enabled" || row.at("flash_attn") == "auto";
  const bool host = row.at("device") == "CPU";
  const auto layout = host ? llama_cpp_layout::host_only : llama_cpp_layout::device;
  compute_buffers buffers = llama_cpp_compute_buffers(model, options, layout);
  if (older) {
    const std::int64_t devices = row.at("n_copies").empty() || row.at("n_copies") == "1" ? 1 : 2;
    buffers = older_llama_cpp_compute_buffers(model, options, layout, devices);
  }
  char name[80];
  std::snprintf(name, sizeof name, "%s %.2f", row.at("model_key").c_str(), std::stod(row.at("compute_mib")));
  return {name, std::stod(row.at("compute_mib")), mib(host ? buffers.host : buffers.device)};
}

}  // namespace

TEST_CASE("compute buffers of real devices: most of llama.cpp's within 10 % or 32 MiB, each miss explained") {
  std::map<std::string, std::pair<int, int>> by_engine;  // close, all
  for (const csv_row& row : sizer_test::read_csv(SIZER_TEST_DATA_DIR "/data/kv_buffers.csv")) {
    if (row.at("compute_mib").empty() || row.at("n_ctx").empty()) continue;
    const architecture* model = sizer_test::log_model(row);
    if (model == nullptr) continue;
    const compared c = compute_of(row, *model);
    auto& [close, all] = by_engine[row.at("engine")];
    ++all;
    if (c.close()) {
      ++close;
    } else if (row.at("engine") == "llama.cpp") {
      MESSAGE(c.name << " MiB printed, got " << c.got
                     << std::string{explained.contains(c.name) ? "" : "  UNEXPLAINED"});
      CHECK_MESSAGE(explained.contains(c.name), c.name);
    }
  }
  for (const auto& [engine, counts] : by_engine) {
    MESSAGE(engine << ": " << counts.first << " of " << counts.second << " within 10 % or 32 MiB");
  }
  const auto [close, all] = by_engine["llama.cpp"];
  CHECK(all >= 25);
  CHECK(close * 2 > all);
}

TEST_CASE("the total of a log is reproduced within 3 %") {
  int within = 0;
  int all = 0;
  for (const csv_row& row : sizer_test::read_csv(SIZER_TEST_DATA_DIR "/data/kv_buffers.csv")) {
    const architecture* model = sizer_test::log_model(row);
    const std::optional<quantization> quant = sizer_test::log_quantization(row);
    if (model == nullptr || !quant || row.at("engine") != "llama.cpp" || row.at("model_buffer_mib").empty() ||
        row.at("compute_mib").empty() || row.at("kv_mib").empty() || row.at("n_ctx").empty()) {
      continue;
    }
    const llama_cpp_options options = sizer_test::log_options(row);
    const compared buffer = compute_of(row, *model);
    const double windowed = row.at("swa_kv_mib").empty() ? 0.0 : std::stod(row.at("swa_kv_mib"));
    const double state = row.at("rs_mib").empty() ? 0.0 : std::stod(row.at("rs_mib"));
    const double printed =
        sizer_test::log_weights_mib(row) + std::stod(row.at("kv_mib")) + windowed + state + buffer.printed;
    const weights_by_type sizes = weights(*model, *quant);
    // The log's buffers hold a tied output head twice: as the embedding on the host, as the head on the device.
    const bool copied = model->shape.tied_embeddings && row.at("model_buffers").find(';') != std::string::npos &&
                        row.at("device") != "CPU";
    const double got = mib(sizes.total) + (copied ? mib(sizes.output_head) : 0.0) +
                       mib(llama_cpp_kv_cache(*model, options).total()) +
                       mib(llama_cpp_recurrent_state(*model, options).total) + buffer.got;
    ++all;
    if (std::abs(got / printed - 1.0) <= 0.03) {
      ++within;
    } else {
      MESSAGE(buffer.name << ": " << row.at("quant") << " total " << printed << " MiB printed, got " << got);
    }
  }
  MESSAGE(within << " of " << all << " totals within 3 %");
  CHECK(all >= 5);
  CHECK(within * 2 > all);
}
