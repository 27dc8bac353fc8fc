#include <algorithm>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include <sizer/model/expand.hpp>

using namespace sizer;

namespace {

/// A small dense model with grouped-query attention that every case starts from.
model_shape dense() {
  model_shape shape;
  shape.n_layers = 4;
  shape.d_model = 1024;
  shape.vocab_size = 32'000;
  shape.context_length = 8192;
  shape.n_heads = {16};
  shape.n_kv_heads = {4};
  shape.d_ff = {4096};
  return shape;
}

std::string refused_field(const model_shape& shape) {
  try {
    (void)make_architecture(shape);
  } catch (const value_error& e) {
    CHECK_FALSE(e.got().empty());
    CHECK_FALSE(e.expected().empty());
    return e.field();
  }
  return "(accepted)";
}

}  // namespace

TEST_CASE("a dense shape expands to one equal layer per block") {
  const architecture model = make_architecture(dense());
  REQUIRE(model.layers.size() == 4);
  for (const layer& block : model.layers) {
    CHECK(block == model.layers.front());
    CHECK(block.mixer == mixer_kind::full);
    CHECK(block.feed_forward == feed_forward_kind::dense);
    CHECK(block.owns_kv_cache);
    CHECK(block.n_heads == 16);
    CHECK(block.n_kv_heads == 4);
    CHECK(block.d_ff == 4096);
  }
}

TEST_CASE("the head width is d_model over heads unless it is stated") {
  model_shape shape = dense();
  CHECK(make_architecture(shape).layers[0].head_dim_k == 64);
  CHECK(make_architecture(shape).layers[0].head_dim_v == 64);
  shape.head_dim_k = 128;  // Qwen3: wider than the quotient
  CHECK(make_architecture(shape).layers[0].head_dim_k == 128);
  CHECK(make_architecture(shape).layers[0].head_dim_v == 128);
  shape.head_dim_v = 96;
  CHECK(make_architecture(shape).layers[0].head_dim_v == 96);
}

TEST_CASE("a short pattern repeats to the last layer and is cut there") {
  model_shape shape = dense();
  shape.n_layers = 8;
  shape.sliding_window = 512;
  shape.mixers = {{mixer_kind::sliding, 5}, {mixer_kind::full, 1}};  // Gemma 3
  const architecture model = make_architecture(shape);
  const auto full = std::count_if(model.layers.begin(), model.layers.end(),
                                  [](const layer& block) { return block.mixer == mixer_kind::full; });
  CHECK(full == 1);
  CHECK(model.layers[5].mixer == mixer_kind::full);
  CHECK(model.layers[7].mixer == mixer_kind::sliding);
}

TEST_CASE("leading dense layers come before the experts") {
  model_shape shape = dense();
  shape.feed_forwards = {{feed_forward_kind::dense, 1}, {feed_forward_kind::moe, 3}};
  shape.experts = expert_shape{.n_experts = 64, .n_experts_per_token = 6, .d_ff_expert = 512};
  const architecture model = make_architecture(shape);
  CHECK(model.layers[0].feed_forward == feed_forward_kind::dense);
  CHECK(model.layers[0].d_ff == 4096);
  for (std::size_t i = 1; i < 4; ++i) CHECK(model.layers[i].feed_forward == feed_forward_kind::moe);
}

TEST_CASE("latent attention caches one row of rank plus rope per token, whatever the heads") {
  model_shape shape = dense();
  shape.mixers = {{mixer_kind::latent, 1}};
  shape.latent = latent_shape{
      .q_lora_rank = 1536, .kv_lora_rank = 512, .qk_nope_head_dim = 128, .qk_rope_head_dim = 64, .v_head_dim = 128};
  const layer block = make_architecture(shape).layers[0];
  CHECK(block.n_kv_heads == 1);
  CHECK(block.head_dim_k == 576);
  CHECK(block.head_dim_v == 512);
}

TEST_CASE("sliding layers may have heads of their own") {
  model_shape shape = dense();
  shape.mixers = {{mixer_kind::sliding, 1}, {mixer_kind::full, 1}};
  shape.sliding_window = 1024;
  shape.sliding_n_heads = 8;
  shape.sliding_n_kv_heads = 8;
  shape.sliding_head_dim_k = 256;
  const architecture model = make_architecture(shape);
  CHECK(model.layers[0].n_kv_heads == 8);
  CHECK(model.layers[0].head_dim_k == 256);
  CHECK(model.layers[1].n_kv_heads == 4);
  CHECK(model.layers[1].head_dim_k == 64);
}

TEST_CASE("the last shared layers own no cache") {
  model_shape shape = dense();
  shape.n_kv_shared_layers = 2;
  const architecture model = make_architecture(shape);
  CHECK(model.layers[1].owns_kv_cache);
  CHECK_FALSE(model.layers[2].owns_kv_cache);
  CHECK_FALSE(model.layers[3].owns_kv_cache);
}

TEST_CASE("a recurrent layer owns no KV cache and no heads") {
  model_shape shape = dense();
  shape.mixers = {{mixer_kind::mamba2, 3}, {mixer_kind::full, 1}};
  shape.recurrent = recurrent_shape{.d_conv = 4, .d_inner = 2048, .d_state = 128, .n_groups = 1, .n_heads = 32};
  const architecture model = make_architecture(shape);
  CHECK_FALSE(model.layers[0].owns_kv_cache);
  CHECK(model.layers[0].n_heads == 0);
  CHECK(model.layers[3].owns_kv_cache);
}

TEST_CASE("per-layer values are taken layer by layer") {
  model_shape shape = dense();
  shape.n_heads = {16, 16, 8, 0};  // 0: attention pruned away
  shape.n_kv_heads = {4, 8, 8, 0};
  shape.head_dim_k = 64;
  shape.d_ff = {4096, 2048, 0, 1024};  // 0: feed-forward pruned away
  const architecture model = make_architecture(shape);
  CHECK(model.layers[1].n_kv_heads == 8);
  CHECK(model.layers[2].n_heads == 8);
  CHECK(model.layers[2].feed_forward == feed_forward_kind::none);
  CHECK(model.layers[3].mixer == mixer_kind::none);
  CHECK_FALSE(model.layers[3].owns_kv_cache);
}

TEST_CASE("expanding does not change the stated shape") {
  const model_shape shape = dense();
  CHECK(make_architecture(shape).shape == shape);
}

TEST_CASE("a shape that cannot be is refused by the name of its field") {
  const auto with = [](auto&& change) {
    model_shape shape = dense();
    change(shape);
    return refused_field(shape);
  };
  CHECK(refused_field(dense()) == "(accepted)");
  CHECK(with([](auto& s) { s.n_layers = 0; }) == "n_layers");
  CHECK(with([](auto& s) { s.n_layers = -3; }) == "n_layers");
  CHECK(with([](auto& s) { s.n_layers = 2'000'000'000; }) == "n_layers");
  CHECK(with([](auto& s) { s.d_model = 0; }) == "d_model");
  CHECK(with([](auto& s) { s.vocab_size = -1; }) == "vocab_size");
  CHECK(with([](auto& s) { s.context_length = 0; }) == "context_length");
  CHECK(with([](auto& s) { s.context_length = INT64_MAX; }) == "context_length");
  CHECK(with([](auto& s) { s.n_heads = {-1}; }) == "n_heads");
  CHECK(with([](auto& s) { s.n_kv_heads = {}; }) == "n_kv_heads");
  CHECK(with([](auto& s) { s.n_kv_heads = {32}; }) == "n_kv_heads");  // more than query heads
  CHECK(with([](auto& s) { s.n_kv_heads = {4, 4}; }) == "n_kv_heads");
  CHECK(with([](auto& s) { s.d_ff = {-1}; }) == "d_ff");
  CHECK(with([](auto& s) { s.n_heads = {7}; }) == "head_dim_k");  // 1024 / 7 is no width
  CHECK(with([](auto& s) { s.head_dim_v = -8; }) == "head_dim_v");
  CHECK(with([](auto& s) { s.n_kv_shared_layers = 4; }) == "n_kv_shared_layers");  // nobody left to share with
  CHECK(with([](auto& s) { s.mixers = {}; }) == "mixers");
  CHECK(with([](auto& s) { s.mixers = {{mixer_kind::full, 0}}; }) == "mixers");
  CHECK(with([](auto& s) { s.mixers = {{mixer_kind::sliding, 1}}; }) == "sliding_window");
  CHECK(with([](auto& s) { s.mixers = {{mixer_kind::latent, 1}}; }) == "latent");
  CHECK(with([](auto& s) { s.mixers = {{mixer_kind::mamba1, 1}}; }) == "recurrent");
  CHECK(with([](auto& s) { s.feed_forwards = {{feed_forward_kind::moe, 1}}; }) == "experts");
  CHECK(with([](auto& s) {
          s.feed_forwards = {{feed_forward_kind::moe, 1}};
          s.experts = expert_shape{.n_experts = 8, .n_experts_per_token = 9, .d_ff_expert = 64};
        }) == "experts.n_experts_per_token");
}

TEST_CASE("a refused value and its range are stated") {
  model_shape shape = dense();
  shape.n_layers = -3;
  CHECK_THROWS_WITH_AS((void)make_architecture(shape), "n_layers: got -3, expected 1 to 4096", value_error);
}

TEST_CASE("query heads share key heads evenly") {
  model_shape shape;
  shape.n_layers = 2;
  shape.d_model = 64;
  shape.vocab_size = 100;
  shape.context_length = 128;
  shape.n_heads = {8};
  shape.n_kv_heads = {3};
  shape.d_ff = {128};
  CHECK_THROWS_AS(static_cast<void>(make_architecture(shape)), value_error);
}
