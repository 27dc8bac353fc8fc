/// @file
/// Weights from a model's metadata alone against the files that llama.cpp's quantiser wrote of it, in all and by ggml
/// type. No row has an exception. Data: tests/golden/data/quantised_files.md, made by
/// tests/reference/quantise_files.py.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <sizer/memory/weights.hpp>

#include "support/csv.hpp"
#include "support/llamacpp_shapes.hpp"

namespace {

using namespace sizer;

const std::string data_dir = std::string{SIZER_TEST_DATA_DIR} + "/data/";

/// Metadata of the models that llamacpp_shapes.json lacks, keys without the architecture's name. What
/// `quantise_files.py MAKER --shapes` prints.
constexpr const char* small_models = R"({
"q.llama-mha": {"architecture": "llama", "tied_embeddings": false, "qkv_bias": false, "keys": {"block_count": 12,
"context_length": 131072, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 704,
"attention.head_count": 4, "attention.head_count_kv": 4, "attention.key_length": 64, "attention.value_length": 64,
"rope.dimension_count": 64}},
"q.llama-odd": {"architecture": "llama", "tied_embeddings": true, "qkv_bias": false, "keys": {"block_count": 16,
"context_length": 131072, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 1000,
"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 32, "attention.value_length": 32,
"rope.dimension_count": 32}},
"q.llama-80": {"architecture": "llama", "tied_embeddings": false, "qkv_bias": false, "keys": {"block_count": 80,
"context_length": 131072, "embedding_length": 256, "vocab_size": 1024, "feed_forward_length": 256,
"attention.head_count": 8, "attention.head_count_kv": 1, "attention.key_length": 32, "attention.value_length": 32,
"rope.dimension_count": 32}},
"q.mixtral": {"architecture": "llama", "tied_embeddings": false, "qkv_bias": false, "keys": {"block_count": 16,
"context_length": 131072, "embedding_length": 256, "vocab_size": 1024, "feed_forward_length": 256,
"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 32, "attention.value_length": 32,
"rope.dimension_count": 32, "expert_count": 8, "expert_used_count": 2}},
"q.qwen3": {"architecture": "qwen3", "tied_embeddings": true, "qk_norm": true, "keys": {"block_count": 14,
"context_length": 40960, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 768,
"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 64, "attention.value_length": 64,
"rope.dimension_count": 64}},
"q.qwen3moe": {"architecture": "qwen3moe", "tied_embeddings": false, "qk_norm": true, "keys": {"block_count": 12,
"context_length": 40960, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 512,
"attention.head_count": 8, "attention.head_count_kv": 1, "attention.key_length": 64, "attention.value_length": 64,
"rope.dimension_count": 64, "expert_count": 16, "expert_used_count": 4, "expert_feed_forward_length": 128}},
"q.qwen3next": {"architecture": "qwen3next", "tied_embeddings": false, "keys": {"block_count": 12, "context_length":
262144, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 512, "attention.head_count": 4,
"attention.head_count_kv": 1, "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 16,
"expert_count": 16, "expert_used_count": 4, "expert_feed_forward_length": 128, "expert_shared_feed_forward_length": 128,
"full_attention_interval": 4, "ssm.conv_kernel": 4, "ssm.inner_size": 256, "ssm.state_size": 64, "ssm.time_step_rank":
4, "ssm.group_count": 2}},
"q.qwen35": {"architecture": "qwen35", "tied_embeddings": false, "keys": {"block_count": 16, "context_length": 262144,
"embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 768, "attention.head_count": 4,
"attention.head_count_kv": 1, "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 16,
"full_attention_interval": 4, "ssm.conv_kernel": 4, "ssm.inner_size": 256, "ssm.state_size": 64, "ssm.time_step_rank":
4, "ssm.group_count": 2, "rope.dimension_sections": [11, 11, 10, 0]}},
"q.gemma2": {"architecture": "gemma2", "tied_embeddings": true, "keys": {"block_count": 14, "context_length": 8192,
"embedding_length": 384, "vocab_size": 2048, "feed_forward_length": 1024, "attention.head_count": 4,
"attention.head_count_kv": 2, "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 64,
"attention.sliding_window": 4096}},
"q.gemma3": {"architecture": "gemma3", "tied_embeddings": true, "qk_norm": true, "keys": {"block_count": 18,
"context_length": 131072, "embedding_length": 320, "vocab_size": 2048, "feed_forward_length": 768,
"attention.head_count": 4, "attention.head_count_kv": 1, "attention.key_length": 64, "attention.value_length": 64,
"rope.dimension_count": 64, "attention.sliding_window": 512, "attention.sliding_window_pattern": 6}},
"q.phi3": {"architecture": "phi3", "tied_embeddings": false, "keys": {"block_count": 16, "context_length": 4096,
"embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 512, "attention.head_count": 4,
"attention.head_count_kv": 4, "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 64}},
"q.falcon": {"architecture": "falcon", "tied_embeddings": false, "keys": {"block_count": 16, "context_length": 2048,
"embedding_length": 320, "vocab_size": 2048, "feed_forward_length": 1280, "attention.head_count": 5,
"attention.head_count_kv": 1, "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 64}},
"q.falcon-whole": {"architecture": "falcon", "tied_embeddings": false, "keys": {"block_count": 32, "context_length":
2048, "embedding_length": 256, "vocab_size": 1024, "feed_forward_length": 1024, "attention.head_count": 4,
"attention.head_count_kv": 1, "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 64}},
"q.cohere2": {"architecture": "cohere2", "tied_embeddings": true, "keys": {"block_count": 12, "context_length": 131072,
"embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 768, "attention.head_count": 8,
"attention.head_count_kv": 2, "attention.key_length": 32, "attention.value_length": 32, "rope.dimension_count": 32,
"attention.sliding_window": 4096}},
"q.deepseek2": {"architecture": "deepseek2", "tied_embeddings": false, "keys": {"block_count": 10, "context_length":
163840, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 512, "attention.head_count": 4,
"attention.head_count_kv": 1, "attention.key_length": 160, "attention.value_length": 128, "rope.dimension_count": 32,
"attention.key_length_mla": 96, "attention.value_length_mla": 64, "attention.q_lora_rank": 128,
"attention.kv_lora_rank": 128, "leading_dense_block_count": 1, "expert_count": 16, "expert_used_count": 4,
"expert_shared_count": 1, "expert_feed_forward_length": 128, "expert_weights_norm": true, "expert_gating_func": 2}},
"q.deepseek2-lite": {"architecture": "deepseek2", "tied_embeddings": false, "keys": {"block_count": 27,
"context_length": 163840, "embedding_length": 256, "vocab_size": 1024, "feed_forward_length": 704,
"attention.head_count": 4, "attention.head_count_kv": 1, "attention.key_length": 160, "attention.value_length": 128,
"rope.dimension_count": 32, "attention.key_length_mla": 96, "attention.value_length_mla": 64, "attention.kv_lora_rank":
128, "leading_dense_block_count": 1, "expert_count": 6, "expert_used_count": 2, "expert_shared_count": 2,
"expert_feed_forward_length": 96, "expert_weights_norm": true, "expert_gating_func": 2}},
"q.glm4moe": {"architecture": "glm4moe", "tied_embeddings": false, "qkv_bias": true, "qk_norm": true, "keys":
{"block_count": 10, "context_length": 131072, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 512,
"attention.head_count": 8, "attention.head_count_kv": 1, "attention.key_length": 32, "attention.value_length": 32,
"rope.dimension_count": 16, "expert_count": 16, "expert_used_count": 4, "expert_shared_count": 1,
"expert_feed_forward_length": 128, "leading_dense_block_count": 1, "expert_weights_norm": true, "expert_gating_func":
2}},
"q.minimax-m2": {"architecture": "minimax-m2", "tied_embeddings": false, "qk_norm": true, "keys": {"block_count": 10,
"context_length": 196608, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 128,
"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 32, "attention.value_length": 32,
"rope.dimension_count": 16, "expert_count": 16, "expert_used_count": 4, "expert_feed_forward_length": 128,
"expert_gating_func": 2}},
"q.gpt-oss": {"architecture": "gpt-oss", "tied_embeddings": false, "qkv_bias": true, "keys": {"block_count": 8,
"context_length": 131072, "embedding_length": 320, "vocab_size": 2048, "feed_forward_length": 160,
"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 64, "attention.value_length": 64,
"rope.dimension_count": 64, "attention.sliding_window": 128, "expert_count": 16, "expert_used_count": 4,
"expert_feed_forward_length": 160}},
"q.llama4": {"architecture": "llama4", "tied_embeddings": false, "keys": {"block_count": 12, "context_length": 262144,
"embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 512, "attention.head_count": 4,
"attention.head_count_kv": 2, "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 64,
"expert_count": 4, "expert_used_count": 1, "expert_feed_forward_length": 256, "interleave_moe_layer_step": 2}},
"q.granite-h": {"architecture": "granitehybrid", "tied_embeddings": true, "keys": {"block_count": 16, "context_length":
131072, "embedding_length": 384, "vocab_size": 2048, "feed_forward_length": 64, "attention.head_count": 6,
"attention.head_count_kv": [0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2], "attention.key_length": 64,
"attention.value_length": 64, "rope.dimension_count": 64, "expert_count": 16, "expert_used_count": 4,
"expert_shared_feed_forward_length": 256, "ssm.conv_kernel": 4, "ssm.inner_size": 768, "ssm.state_size": 64,
"ssm.time_step_rank": 12, "ssm.group_count": 1, "rope.scaling.finetuned": false}},
"q.falcon-h1": {"architecture": "falcon-h1", "tied_embeddings": false, "keys": {"block_count": 12, "context_length":
16384, "embedding_length": 320, "vocab_size": 2048, "feed_forward_length": 640, "attention.head_count": 5,
"attention.head_count_kv": 1, "attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 64,
"ssm.conv_kernel": 4, "ssm.inner_size": 512, "ssm.state_size": 64, "ssm.time_step_rank": 8, "ssm.group_count": 2}},
"q.nemotron-h": {"architecture": "nemotron_h", "tied_embeddings": false, "keys": {"block_count": 16, "context_length":
8192, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": [0, 768, 0, 768, 0, 0, 768, 0, 768, 0, 768, 0,
0, 768, 0, 768], "attention.head_count": 4, "attention.head_count_kv": [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0],
"attention.key_length": 64, "attention.value_length": 64, "rope.dimension_count": 64, "ssm.conv_kernel": 4,
"ssm.inner_size": 512, "ssm.state_size": 64, "ssm.time_step_rank": 8, "ssm.group_count": 2}},
"q.kimi-linear": {"architecture": "kimi-linear", "tied_embeddings": false, "keys": {"block_count": 12, "context_length":
1048576, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 512, "attention.head_count": 4,
"attention.head_count_kv": [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1], "attention.key_length": 160, "attention.value_length":
128, "rope.dimension_count": 32, "attention.key_length_mla": 96, "attention.value_length_mla": 64,
"attention.kv_lora_rank": 128, "ssm.conv_kernel": 4, "kda.head_dim": 64, "expert_count": 16, "expert_used_count": 4,
"expert_shared_count": 1, "expert_feed_forward_length": 128, "leading_dense_block_count": 1, "expert_gating_func": 2}},
"q.lfm2": {"architecture": "lfm2", "tied_embeddings": true, "qk_norm": true, "keys": {"block_count": 16,
"context_length": 128000, "embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 768,
"attention.head_count": 8, "attention.head_count_kv": [0, 0, 2, 0, 0, 2, 0, 0, 2, 0, 2, 0, 2, 0, 2, 0],
"attention.key_length": 32, "attention.value_length": 32, "rope.dimension_count": 32, "shortconv.l_cache": 3}},
"q.mamba2": {"architecture": "mamba2", "tied_embeddings": true, "keys": {"block_count": 16, "context_length": 1048576,
"embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 0, "attention.head_count": 0, "ssm.conv_kernel": 4,
"ssm.inner_size": 512, "ssm.state_size": 64, "ssm.time_step_rank": 8, "ssm.group_count": 1}},
"q.mamba": {"architecture": "mamba", "tied_embeddings": true, "keys": {"block_count": 12, "context_length": 1048576,
"embedding_length": 256, "vocab_size": 2048, "feed_forward_length": 0, "attention.head_count": 0, "ssm.conv_kernel": 4,
"ssm.inner_size": 512, "ssm.state_size": 16, "ssm.time_step_rank": 16}}
})";

/// An entry as llamacpp_shapes.json has it.
nlohmann::json with_full_keys(const nlohmann::json& entry) {
  const std::string family = entry.at("architecture").get<std::string>();
  nlohmann::json full{{"gguf_architecture", family}, {"shape", entry}, {"gguf_hparams", nlohmann::json::object()}};
  for (const auto& [key, value] : entry.at("keys").items()) full["gguf_hparams"][family + "." + key] = value;
  return full;
}

std::map<std::string, architecture> load_models() {
  auto models = sizer_test::llamacpp_architectures(sizer_test::read_json(data_dir + "llamacpp_shapes.json"));
  const auto entries = nlohmann::json::parse(small_models);
  for (const auto& [name, entry] : entries.items()) {
    models.emplace(name, sizer_test::architecture_of(with_full_keys(entry)));
  }
  return models;
}

const architecture& model_named(const std::string& name) {
  static const std::map<std::string, architecture> models = load_models();
  return models.at(name);
}

const std::vector<sizer_test::csv_row>& rows() {
  static const std::vector<sizer_test::csv_row> loaded = sizer_test::read_csv(data_dir + "quantised_files.csv");
  return loaded;
}

/// "F32:123;Q4_K:456", by name.
std::string types_text(const bytes_per_type& table) {
  std::map<std::string, std::int64_t> sorted;
  for (std::size_t t = 0; t < table.size(); ++t) {
    if (number(table[t]) != 0) sorted[std::string{ggml_types[t].name}] = number(table[t]);
  }
  std::string result;
  for (const auto& [name, n] : sorted) result += (result.empty() ? "" : ";") + name + ":" + std::to_string(n);
  return result;
}

TEST_CASE("a quantised file holds the predicted bytes, in all and by type") {
  for (const sizer_test::csv_row& row : rows()) {
    CAPTURE(row.at("name"));
    CAPTURE(row.at("recipe"));
    const architecture& model = model_named(row.at("name"));
    const weights_by_type predicted = weights(model, find_quantization(row.at("recipe")));
    CHECK(std::to_string(number(predicted.total)) == row.at("tensor_bytes"));
    CHECK(types_text(predicted.by_type) == row.at("bytes_by_type"));
    CHECK(std::string{model.shape.family} == row.at("architecture"));
    CHECK(std::stoll(row.at("file_bytes")) > number(predicted.total));
  }
}

TEST_CASE("the rows cover dense, expert, latent, hybrid, recurrent, tied and fused models in most recipes") {
  std::map<std::string, std::set<std::string>> recipes_of;  // by architecture
  std::set<std::string> all;
  for (const sizer_test::csv_row& row : rows()) {
    recipes_of[row.at("architecture")].insert(row.at("recipe"));
    all.insert(row.at("recipe"));
  }
  for (const char* needed : {"llama", "qwen3", "qwen3moe", "gemma3", "phi3", "falcon", "deepseek2", "gpt-oss", "qwen35",
                             "granitehybrid", "falcon-h1", "nemotron_h", "kimi-linear", "mamba2"}) {
    const std::string architecture_name = needed;
    CAPTURE(architecture_name);
    CHECK(recipes_of[architecture_name].size() >= 20);
  }
  CHECK(all.size() == 38);
  CHECK(rows().size() >= 700);
}

}  // namespace
