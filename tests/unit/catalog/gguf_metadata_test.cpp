#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <sizer/catalog/gguf_metadata.hpp>
#include <sizer/error.hpp>
#include <sizer/model/expand.hpp>

using namespace sizer;

namespace {

gguf_metadata keys_of(const std::string& family) {
  gguf_metadata keys;
  keys["general.architecture"] = family;
  keys[family + ".block_count"] = std::int64_t{8};
  keys[family + ".context_length"] = std::int64_t{8192};
  keys[family + ".embedding_length"] = std::int64_t{1024};
  keys[family + ".feed_forward_length"] = std::int64_t{4096};
  keys[family + ".attention.head_count"] = std::int64_t{8};
  keys[family + ".attention.head_count_kv"] = std::int64_t{2};
  keys["tokenizer.ggml.tokens"] = gguf_array_length{32000};
  return keys;
}

std::vector<mixer_kind> mixers_of(const model_shape& shape) {
  std::vector<mixer_kind> kinds;
  for (const layer& block : make_architecture(shape).layers) kinds.push_back(block.mixer);
  return kinds;
}

}  // namespace

TEST_CASE("a plain model") {
  const model_shape shape = shape_from_gguf_metadata(keys_of("llama"));
  CHECK(shape.family == "llama");
  CHECK(shape.n_layers == 8);
  CHECK(shape.vocab_size == 32000);
  CHECK(make_architecture(shape).layers.front().head_dim_k == 128);
}

TEST_CASE("what only the tensors tell") {
  gguf_tensor_facts facts;
  facts.tied_embeddings = true;
  facts.vocab_size = 32064;
  facts.features.qkv_bias = true;
  const model_shape shape = shape_from_gguf_metadata(keys_of("llama"), facts);
  CHECK(shape.tied_embeddings);
  CHECK(shape.vocab_size == 32064);
  CHECK(shape.features.qkv_bias == true);
}

TEST_CASE("windows: the family's period, an integer, or a list") {
  gguf_metadata keys = keys_of("gemma2");
  CHECK(shape_from_gguf_metadata(keys).sliding_window == 4096);
  using m = mixer_kind;
  CHECK(mixers_of(shape_from_gguf_metadata(keys)) ==
        std::vector{m::sliding, m::full, m::sliding, m::full, m::sliding, m::full, m::sliding, m::full});
  keys["gemma2.attention.sliding_window_pattern"] = std::int64_t{4};
  CHECK(mixers_of(shape_from_gguf_metadata(keys)) ==
        std::vector{m::sliding, m::sliding, m::sliding, m::full, m::sliding, m::sliding, m::sliding, m::full});
  keys["gemma2.attention.sliding_window_pattern"] = std::vector<std::int64_t>{0, 0, 0, 0, 0, 0, 0, 1};
  CHECK(mixers_of(shape_from_gguf_metadata(keys)) ==
        std::vector{m::full, m::full, m::full, m::full, m::full, m::full, m::full, m::sliding});
  keys["gemma2.attention.sliding_window"] = std::int64_t{0};
  CHECK(mixers_of(shape_from_gguf_metadata(keys)).back() == m::full);

  gguf_metadata llama4 = keys_of("llama4");
  CHECK(mixers_of(shape_from_gguf_metadata(llama4)).front() == m::chunked);
  CHECK(shape_from_gguf_metadata(llama4).sliding_window == 8192);
  gguf_metadata llama = keys_of("llama");  // llama.cpp ignores the window of early Mistral files
  llama["llama.attention.sliding_window"] = std::int64_t{4096};
  CHECK(mixers_of(shape_from_gguf_metadata(llama)).front() == m::full);
}

TEST_CASE("prediction blocks are counted in block_count and set apart") {
  gguf_metadata keys = keys_of("glm4moe");
  keys["glm4moe.nextn_predict_layers"] = std::int64_t{1};
  const model_shape shape = shape_from_gguf_metadata(keys);
  CHECK(shape.n_layers == 7);
  CHECK(shape.n_mtp_layers == 1);
}

TEST_CASE("experts: leading dense layers, steps, shared width, router function") {
  gguf_metadata keys = keys_of("deepseek2");
  keys["deepseek2.expert_count"] = std::int64_t{64};
  keys["deepseek2.expert_used_count"] = std::int64_t{6};
  keys["deepseek2.expert_shared_count"] = std::int64_t{2};
  keys["deepseek2.expert_feed_forward_length"] = std::int64_t{512};
  keys["deepseek2.leading_dense_block_count"] = std::int64_t{1};
  keys["deepseek2.expert_gating_func"] = std::int64_t{1};
  const model_shape shape = shape_from_gguf_metadata(keys);
  REQUIRE(shape.experts.has_value());
  CHECK(shape.experts->d_ff_shared == 1024);
  CHECK(shape.feed_forwards ==
        std::vector<run<feed_forward_kind>>{{feed_forward_kind::dense, 1}, {feed_forward_kind::moe, 7}});
  CHECK(shape.features.router_bias == false);

  gguf_metadata maverick = keys_of("llama4");
  maverick["llama4.expert_count"] = std::int64_t{128};
  maverick["llama4.expert_used_count"] = std::int64_t{1};
  maverick["llama4.expert_feed_forward_length"] = std::int64_t{512};
  maverick["llama4.interleave_moe_layer_step"] = std::int64_t{2};
  const auto blocks = make_architecture(shape_from_gguf_metadata(maverick)).layers;
  CHECK(blocks[0].feed_forward == feed_forward_kind::dense);
  CHECK(blocks[1].feed_forward == feed_forward_kind::moe);
}

TEST_CASE("bad files are errors that name the key") {
  gguf_metadata none;
  CHECK_THROWS_AS((void)shape_from_gguf_metadata(none), data_error);
  for (const char* key :
       {"llama.block_count", "llama.context_length", "llama.embedding_length", "tokenizer.ggml.tokens"}) {
    CAPTURE(key);
    gguf_metadata keys = keys_of("llama");
    keys.erase(key);
    CHECK_THROWS_AS((void)shape_from_gguf_metadata(keys), data_error);
  }
  gguf_metadata negative = keys_of("llama");
  negative["llama.block_count"] = std::int64_t{-1};
  CHECK_THROWS_AS((void)shape_from_gguf_metadata(negative), data_error);
  gguf_metadata huge = keys_of("llama");
  huge["llama.block_count"] = std::int64_t{2'000'000'000};
  CHECK_THROWS_AS((void)shape_from_gguf_metadata(huge), data_error);
  gguf_metadata text = keys_of("llama");
  text["llama.embedding_length"] = std::string{"wide"};
  CHECK_THROWS_AS((void)shape_from_gguf_metadata(text), data_error);
}
