// The shape that a publisher's config.json gives against the catalogue's entry of the same model: the same layers,
// experts, recurrent parts and optional tensors, hence the same bytes of weights, cache and state.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/catalog/hugging_face.hpp>
#include <sizer/memory/kv_cache.hpp>
#include <sizer/memory/recurrent_state.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/expand.hpp>
#include <sizer/model/family.hpp>

#include "support/llamacpp_shapes.hpp"

using namespace sizer;

namespace {

const nlohmann::json& configs() {
  static const nlohmann::json file =
      sizer_test::read_json(std::string{SIZER_TEST_DATA_DIR} + "/data/hugging_face_configs.json");
  return file.at("configs");
}

/// The differences that an entry of the data states, which must be there; then nothing else may differ.
void apply_stated_differences(const nlohmann::json& row, model_shape& read, const model_shape& known) {
  if (!row.contains("differs")) return;
  for (const auto& difference : row.at("differs").items()) {
    const std::string& field = difference.key();
    INFO(field, ": ", difference.value().get<std::string>());
    if (field == "context_length") {
      CHECK(read.context_length != known.context_length);
      read.context_length = known.context_length;
    } else if (field == "n_mtp_layers") {
      CHECK(read.n_mtp_layers != known.n_mtp_layers);
      read.n_mtp_layers = known.n_mtp_layers;
    } else if (field == "router_bias") {
      CHECK(traits_of(read).router_bias != traits_of(known).router_bias);
      read.features.router_bias = known.features.router_bias;
    } else {
      FAIL("not a field that may differ");
    }
  }
}

void check_same_traits(const model_shape& a, const model_shape& b) {
  const family_traits x = traits_of(a);
  const family_traits y = traits_of(b);
  CHECK(x.qkv_bias == y.qkv_bias);
  CHECK(x.output_bias == y.output_bias);
  CHECK(x.feed_forward_bias == y.feed_forward_bias);
  CHECK(x.qk_norm == y.qk_norm);
  CHECK(x.gated_feed_forward == y.gated_feed_forward);
  CHECK(x.router_bias == y.router_bias);
  CHECK(x.mtp_own_embeddings == y.mtp_own_embeddings);
}

void check_same_shape(const model_shape& read, const model_shape& known) {
  CHECK(read.family == known.family);
  CHECK(read.n_layers == known.n_layers);
  CHECK(read.n_mtp_layers == known.n_mtp_layers);
  CHECK(read.d_model == known.d_model);
  CHECK(read.vocab_size == known.vocab_size);
  CHECK(read.context_length == known.context_length);
  CHECK(read.tied_embeddings == known.tied_embeddings);
  CHECK(read.sliding_window == known.sliding_window);
  CHECK(read.n_kv_shared_layers == known.n_kv_shared_layers);
  CHECK(read.per_layer_embedding == known.per_layer_embedding);
  CHECK(read.indexer_head_dim == known.indexer_head_dim);
  CHECK(read.indexer_n_heads == known.indexer_n_heads);
  CHECK(read.indexer_n_layers == known.indexer_n_layers);
  CHECK((read.latent == known.latent));
  CHECK((read.experts == known.experts));
  CHECK((read.recurrent == known.recurrent));
  check_same_traits(read, known);
}

void check_same_bytes(const architecture& read, const architecture& known) {
  CHECK(weights(read, find_quantization("F16")).total == weights(known, find_quantization("F16")).total);
  llama_cpp_options options;
  options.n_ctx = 8192;
  CHECK(llama_cpp_kv_cache(read, options).total() == llama_cpp_kv_cache(known, options).total());
}

}  // namespace

TEST_CASE("a publisher's config.json gives the catalogue's shape") {
  std::set<std::string> models;
  std::set<std::string> families;
  for (const auto& row : configs()) {
    const std::string id = row.at("model").get<std::string>();
    INFO(id, " (", row.at("source").get<std::string>(), ")");
    const hugging_face_config config = read_hugging_face_config(row.at("config").dump(), id);
    const model_shape& known = catalogue::embedded().model(id).architecture.shape;
    CHECK(config.family_known);
    if (row.contains("quantization")) CHECK(config.quantization == row.at("quantization").get<std::string>());
    CHECK(config.original_context.value_or(0) == row.value("original_context", std::int64_t{0}));

    model_shape shape = config.shape;
    apply_stated_differences(row, shape, known);
    check_same_shape(shape, known);
    const architecture read = make_architecture(shape);
    const architecture expected = make_architecture(known);
    CHECK((read.layers == expected.layers));
    check_same_bytes(read, expected);
    models.insert(id);
    families.insert(known.family);
  }
  MESSAGE(models.size() << " models of " << families.size() << " families");
  CHECK(models.size() >= 110);
  CHECK(families.size() >= 45);
}
