// Memory by pool of placements that llama.cpp itself logged on real machines (data/placements.csv): one card, part of a
// model on the host, experts on the host, several equal and unequal cards, boxes over RPC, quantised caches, windows,
// latent attention and hybrids. A pool is right within 3 % or 200 MiB of the buffers printed for it.
//
// Experts that a pattern puts on the host are counted; which blocks they belong to does not matter on one card, where
// all blocks are alike. Left out: patterns over several cards, files that no recipe gives, and the host's pool where a
// file is mapped (a mapped range is printed with its gaps).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/placement/placement.hpp>

#include "support/csv.hpp"
#include "support/llamacpp_runs.hpp"
#include "support/llamacpp_shapes.hpp"

using namespace sizer;
using sizer_test::csv_row;

namespace {

/// "CUDA0=17;CUDA1=15" in its order.
std::vector<std::pair<std::string, double>> pairs(const std::string& text) {
  std::vector<std::pair<std::string, double>> result;
  std::istringstream in{text};
  for (std::string part; std::getline(in, part, ';');) {
    const std::size_t at = part.rfind('=');
    if (at != std::string::npos) result.emplace_back(part.substr(0, at), std::stod(part.substr(at + 1)));
  }
  return result;
}

bool is_host(const std::string& pool) { return pool.find("CPU") == 0 || pool.find("_Host") != std::string::npos; }

/// What a log printed for a device, all buffers; "CUDA0.swa" and "Metal_Mapped" belong to the device.
double printed_mib(const csv_row& row, const std::string& device) {
  double sum = 0.0;
  for (const char* column : {"model_buffers_mib", "kv_buffers_mib", "rs_buffers_mib", "compute_buffers_mib"}) {
    for (const auto& [pool, amount] : pairs(row.at(column))) {
      if (pool == device || pool == device + ".swa" || pool == device + "_Mapped") sum += amount;
    }
  }
  return sum;
}

std::int64_t number_or(const csv_row& row, const char* column, std::int64_t absent) {
  return row.at(column).empty() ? absent : std::stoll(row.at(column));
}

llama_cpp_options options_of(const csv_row& row) {
  llama_cpp_options o;
  o.n_ctx = std::stoll(row.at("n_ctx"));
  o.n_batch = number_or(row, "n_batch", 2048);
  o.n_ubatch = number_or(row, "n_ubatch", 512);
  o.n_seq_max = number_or(row, "n_seq_max", 1);
  o.kv_unified = row.at("kv_unified") == "1" || row.at("kv_unified") == "true";
  o.flash_attention = row.at("flash_attn") != "0" && row.at("flash_attn") != "off";
  if (!row.at("type_k").empty()) o.type_k = find_ggml_type(row.at("type_k")).value();
  if (!row.at("type_v").empty()) o.type_v = find_ggml_type(row.at("type_v")).value();
  o.swa_full = row.at("swa_full") == "1";
  const std::int64_t build = row.at("build").empty() ? 0 : std::atoll(row.at("build").c_str());
  if (row.at("engine").find("ik_llama") != std::string::npos) o.fork = llama_cpp_fork::ik_llama_cpp;
  constexpr std::int64_t first_current = 5600;
  const bool old_date = row.at("build").empty() && !row.at("date").empty() && row.at("date") < "2025-06";
  if ((build > 0 && build < first_current) || old_date) o.graph = llama_cpp_graph::before_2025_06;
  return o;
}

/// The recipe that a printed file type stands for; empty for what no recipe gives.
std::string recipe_of(const csv_row& row) {
  static const std::map<std::string, std::string> names{{"Q4_K - Medium", "Q4_K_M"},
                                                        {"Q5_K - Medium", "Q5_K_M"},
                                                        {"IQ4_XS - 4.25 bpw", "IQ4_XS"},
                                                        {"MXFP4 MoE", "MXFP4_MOE"},
                                                        {"Q4_K_M (file name)", "Q4_K_M"}};
  if (row.at("file_is_recipe") != "1") return {};
  const auto found = names.find(row.at("quant"));
  return found == names.end() ? row.at("quant") : found->second;
}

/// The machine that a log ran on, as far as memory goes.
machine machine_of(const std::vector<std::pair<std::string, double>>& layers) {
  machine m;
  for (const auto& [name, n] : layers) {
    if (is_host(name)) continue;
    device d;
    d.name = name;
    d.backend = name.find("CUDA") == 0     ? backend::cuda
                : name.find("Vulkan") == 0 ? backend::vulkan
                : name.find("ROCm") == 0   ? backend::rocm
                : name.find("SYCL") == 0   ? backend::sycl
                : name.find("RPC") == 0    ? backend::other
                                           : backend::metal;
    d.memory.usable.value = make_bytes(std::int64_t{1} << 40);
    d.memory.bandwidth_spec.value = make_bytes_per_second(1e12);
    m.devices.push_back(d);
  }
  return m;
}

/// Blocks whose experts the patterns of `--override-tensor` put on the host: the first that matches holds.
std::int64_t experts_on_host(const std::string& patterns, std::int64_t n_blocks) {
  std::vector<std::pair<std::regex, std::string>> rules;
  std::istringstream in{patterns};
  for (std::string part; std::getline(in, part, ',');) {
    const std::size_t at = part.rfind('=');
    rules.emplace_back(std::regex{part.substr(0, at)}, part.substr(at + 1));
  }
  std::int64_t n = 0;
  for (std::int64_t i = 0; i < n_blocks; ++i) {
    const std::string name = "blk." + std::to_string(i) + ".ffn_up_exps.weight";
    for (const auto& [pattern, place] : rules) {
      if (!std::regex_search(name, pattern)) continue;
      n += place == "CPU" ? 1 : 0;
      break;
    }
  }
  return n;
}

double mib(const bytes& amount) { return static_cast<double>(number(amount)) / 1048576.0; }

}  // namespace

TEST_CASE("memory by pool of logged placements: within 3 % or 200 MiB of what llama.cpp printed") {
  const catalogue models = catalogue{}.with_file(std::string{SIZER_DATA_DIR} + "/models");
  int placements = 0;
  int n_pools = 0;
  double worst = 0.0;
  for (const csv_row& row : sizer_test::read_csv(SIZER_TEST_DATA_DIR "/data/placements.csv")) {
    const std::string recipe = recipe_of(row);
    if (recipe.empty() || row.at("compute_buffers_mib").empty() || row.at("layers_per_device").empty()) continue;
    const architecture& model = models.model(row.at("model_id")).architecture;
    const auto layers = pairs(row.at("layers_per_device"));
    const machine where = machine_of(layers);
    if (where.devices.empty()) continue;
    std::vector<site> sites = sites_of(where);
    const weights_by_type sizes = weights(model, find_quantization(recipe));
    placement p;
    for (const auto& [name, n] : layers) {
      if (is_host(name)) {
        p.host_blocks = static_cast<std::int64_t>(n);
      } else {
        p.device_blocks.push_back(static_cast<std::int64_t>(n));
      }
    }
    p.device_blocks.back() += blocks_of(model) - p.blocks();
    p.head_device = static_cast<std::int64_t>(p.device_blocks.size()) - 1;
    p.n_cpu_moe = std::min(number_or(row, "n_cpu_moe", 0), blocks_of(model));
    if (!row.at("override_tensor").empty()) {
      p.n_cpu_moe = experts_on_host(row.at("override_tensor"), blocks_of(model));
      if (p.device_blocks.size() > 1 && p.n_cpu_moe < blocks_of(model)) continue;
    }
    const std::vector<pool_usage> pools = placed_memory(model, sizes, sites, p, options_of(row));
    ++placements;
    for (std::size_t d = 0; d < where.devices.size(); ++d) {
      const memory_parts& parts = pools[d].parts;
      // A device's context lies outside every buffer that is printed.
      const double got = mib(parts.total() - runtime_overhead(where.devices[d].backend).value);
      const double printed = printed_mib(row, where.devices[d].name);
      ++n_pools;
      worst = std::max(worst, std::abs(got / printed - 1.0));
      CAPTURE(row.at("id"));
      CAPTURE(got);
      CAPTURE(printed);
      CHECK(std::abs(got - printed) <= std::max(0.03 * printed, 200.0));
    }
  }
  MESSAGE(placements << " placements, " << n_pools << " device pools, worst " << worst * 100.0 << " %");
  CHECK(placements >= 25);
}

TEST_CASE("placements on one device and the host are llama.cpp's dry runs to the byte, all 24 shapes") {
  const std::string data_dir = std::string{SIZER_TEST_DATA_DIR} + "/data/";
  const auto models = sizer_test::llamacpp_architectures(sizer_test::read_json(data_dir + "llamacpp_shapes.json"));
  const machine where = machine_of({{"RPC", 1.0}});
  std::vector<site> sites = sites_of(where);
  int compared = 0;
  for (const csv_row& row : sizer_test::read_csv(data_dir + "llamacpp_memory.csv")) {
    if (row.at("status") != "ok" || row.at("layout") != "gpu1" || row.at("ngl") == "0") continue;
    const architecture& model = models.at(row.at("model"));
    const llama_cpp_options options = sizer_test::run_options(row);
    const weights_by_type sizes = weights(model, find_quantization(sizer_test::run_quantization(row)));
    const std::vector<pool_usage> pools = placed_memory(model, sizes, sites, placement_of(model, options), options);
    CAPTURE(row.at("model"));
    CAPTURE(row.at("ngl"));
    CAPTURE(row.at("n_ctx"));
    const auto caches = [](const pool_usage& pool) {
      return std::to_string(number(pool.parts.kv_cache + pool.parts.recurrent_state));
    };
    CHECK(std::to_string(number(pools[0].parts.weights)) == row.at("weights_bytes_device"));
    CHECK(std::to_string(number(pools[1].parts.weights)) == row.at("weights_bytes_host"));
    CHECK(caches(pools[0]) == row.at("cache_bytes_device"));
    CHECK(caches(pools[1]) == row.at("cache_bytes_host"));
    CHECK(std::to_string(number(pools[0].parts.compute_buffer)) == row.at("compute_bytes_device"));
    CHECK(std::to_string(number(pools[1].parts.compute_buffer)) == row.at("compute_bytes_host"));
    ++compared;
  }
  MESSAGE(compared << " placements");
  CHECK(compared > 100);
}
