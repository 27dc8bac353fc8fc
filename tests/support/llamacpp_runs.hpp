#pragma once
/// @file
/// The options behind a row of llamacpp_memory.csv.

#include <string>

#include <sizer/engine/llama_cpp.hpp>

#include "support/csv.hpp"

namespace sizer_test {

inline sizer::llama_cpp_options run_options(const csv_row& row) {
  sizer::llama_cpp_options options;
  options.n_ctx = std::stoll(row.at("n_ctx"));
  options.n_batch = std::stoll(row.at("n_batch"));
  options.n_ubatch = std::stoll(row.at("n_ubatch"));
  options.n_seq_max = std::stoll(row.at("n_seq"));
  options.kv_unified = row.at("kv_unified") == "1";
  options.n_outputs_max = std::stoll(row.at("n_outputs_max"));
  options.n_rs_seq = std::stoll(row.at("n_rs_seq"));
  options.type_k = sizer::find_ggml_type(row.at("type_k")).value();
  options.type_v = sizer::find_ggml_type(row.at("type_v")).value();
  options.flash_attention = row.at("flash_attn") == "on";
  options.swa_full = row.at("swa_full") == "1";
  options.n_gpu_layers = std::stoll(row.at("ngl"));
  options.offload_kqv = row.at("offload_kqv") == "1";
  return options;
}

/// "Q8_0+MXFP4 experts" is what llama-quantize calls MXFP4_MOE.
inline std::string run_quantization(const csv_row& row) {
  return row.at("weight_type") == "Q8_0" ? "Q8_0" : "MXFP4_MOE";
}

}  // namespace sizer_test
