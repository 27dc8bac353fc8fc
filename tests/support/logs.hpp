#pragma once
/// @file
/// Rows of kv_buffers.csv as options, models and quantisations of the library.

#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include <sizer/catalog/catalog.hpp>
#include <sizer/engine/llama_cpp.hpp>
#include <sizer/memory/quantization.hpp>

#include "support/csv.hpp"

namespace sizer_test {

/// The model of a row; null when the row names none or the catalogue lacks it. A remark in parentheses is not the name.
inline const sizer::architecture* log_model(const csv_row& row) {
  const std::string& key = row.at("model_key");
  if (key.empty()) return nullptr;
  try {
    return &sizer::catalogue::embedded().model(key.substr(0, key.find(" ("))).architecture;
  } catch (const sizer::unknown_name_error&) {
    return nullptr;
  }
}

inline sizer::ggml_type log_kv_type(const std::string& name) {
  return name.empty() ? sizer::ggml_type::f16 : sizer::find_ggml_type(name).value();
}

/// The options behind a log. All of these logs predate the server's cap on logits (2026-06), so a ubatch has them all.
inline sizer::llama_cpp_options log_options(const csv_row& row) {
  sizer::llama_cpp_options options;
  options.n_ctx = std::stoll(row.at("n_ctx"));
  if (!row.at("n_ubatch").empty()) options.n_ubatch = std::stoll(row.at("n_ubatch"));
  if (!row.at("n_batch").empty()) options.n_batch = std::stoll(row.at("n_batch"));
  if (!row.at("n_seq").empty()) options.n_seq_max = std::stoll(row.at("n_seq"));
  options.kv_unified = row.at("n_stream") != row.at("n_seq");
  options.type_k = log_kv_type(row.at("type_k"));
  options.type_v = row.at("type_v") == "none" ? options.type_k : log_kv_type(row.at("type_v"));
  // The fork of 2025 keeps sliding-window layers whole and prints no second line.
  options.swa_full = row.at("engine") == "ik_llama.cpp" && row.at("swa_kv_mib").empty();
  if (row.at("kv_how").find("expanded") != std::string::npos) options.latent_cache = sizer::latent_cache::expanded;
  if (row.at("kv_how").starts_with("MLA latent") && !row.at("v_mib").empty() && std::stod(row.at("v_mib")) > 0.0) {
    options.latent_cache = sizer::latent_cache::keys_and_values;
  }
  return options;
}

/// The recipe that the log's own words mean; empty when it is none.
inline std::optional<sizer::quantization> log_quantization(const csv_row& row) {
  static const std::map<std::string, std::string> words = {{"Q4_K - Medium", "Q4_K_M"},
                                                           {"Q5_K - Medium", "Q5_K_M"},
                                                           {"mostly Q4_0", "Q4_0"},
                                                           {"mostly F16", "F16"},
                                                           {"IQ4_NL - 4.5 bpw", "IQ4_NL"}};
  // The publisher's experts are MXFP4 whatever the rest of the file is called.
  if (row.at("arch") == "gpt-oss" && row.at("quant") == "F16") return sizer::find_quantization("MXFP4_F16");
  const auto found = words.find(row.at("quant"));
  try {
    return sizer::find_quantization(found == words.end() ? row.at("quant") : found->second);
  } catch (const sizer::unknown_name_error&) {
    return std::nullopt;
  }
}

/// Weights over all devices (MiB). A copy that the CPU repacked for its own use is not counted again.
inline double log_weights_mib(const csv_row& row) {
  if (row.at("model_buffers").empty()) return std::stod(row.at("model_buffer_mib"));
  double total = 0.0;
  std::istringstream parts{row.at("model_buffers")};
  for (std::string part; std::getline(parts, part, ';');) {
    if (part.find("REPACK") == std::string::npos) total += std::stod(part.substr(part.find('=') + 1));
  }
  return total;
}

}  // namespace sizer_test
