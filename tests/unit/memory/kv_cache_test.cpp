#include <sizer/memory/kv_cache.hpp>
#include <sizer/memory/recurrent_state.hpp>
#include <sizer/model/expand.hpp>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using sizer_test::dense_shape;
using sizer_test::expert_shape_30b;

namespace {

model_shape qwen3_6_27b() {
  model_shape shape = dense_shape();
  shape.family = "qwen35";
  shape.n_layers = 64;
  shape.d_model = 5120;
  shape.vocab_size = 248320;
  shape.context_length = 262144;
  shape.n_heads = {24};
  shape.n_kv_heads = {4};
  shape.head_dim_k = 256;
  shape.mixers = {{mixer_kind::gated_delta_net, 3}, {mixer_kind::full, 1}};
  shape.recurrent = recurrent_shape{4, 6144, 128, 16, 48};
  return shape;
}

model_shape gemma3_4b() {
  model_shape shape = dense_shape();
  shape.family = "gemma3";
  shape.n_layers = 34;
  shape.d_model = 2560;
  shape.n_heads = {8};
  shape.n_kv_heads = {4};
  shape.head_dim_k = 256;
  shape.mixers = {{mixer_kind::sliding, 5}, {mixer_kind::full, 1}};
  shape.sliding_window = 1024;
  return shape;
}

model_shape latent_model(std::int32_t n_layers) {
  model_shape shape = dense_shape();
  shape.family = "deepseek2";
  shape.n_layers = n_layers;
  shape.n_heads = {20};
  shape.n_kv_heads = {20};
  shape.mixers = {{mixer_kind::latent, 1}};
  shape.latent = latent_shape{768, 512, 192, 64, 256};
  return shape;
}

llama_cpp_options at(std::int64_t context) {
  llama_cpp_options options;
  options.n_ctx = context;
  return options;
}

constexpr std::int64_t mib = 1 << 20;

}  // namespace

// ollama issue 17037 and lmstudio-bug-tracker issue 1862 print the logs; Qwen3-Coder follows from its published shape.
TEST_CASE("KV cache of Qwen3-Coder-30B-A3B at its native context is 24 GiB") {
  CHECK(number(llama_cpp_kv_cache(make_architecture(expert_shape_30b()), at(262144)).total()) == 25'769'803'776);
}

TEST_CASE("Qwen3.6-27B keeps 16 of 64 layers' keys, and 598.50 MiB of state for four sequences") {
  llama_cpp_options options = at(262144);
  options.n_seq_max = 4;
  options.kv_unified = true;
  const architecture model = make_architecture(qwen3_6_27b());
  CHECK(number(llama_cpp_kv_cache(model, options).total()) == 16384 * mib);
  CHECK(number(llama_cpp_recurrent_state(model, options).total) * 2 == 1197 * mib);
}

TEST_CASE("Gemma 3 4B keeps five layers whole and 29 inside the window") {
  const kv_cache_bytes cache = llama_cpp_kv_cache(make_architecture(gemma3_4b()), at(131072));
  CHECK(number(cache.full) == 2560 * mib);
  CHECK(number(cache.windowed) == 174 * mib);
  CHECK(cache.window_cells == 1536);
  CHECK(cache.full_layers == 5);
}

TEST_CASE("latent attention keeps one row of 576 elements a layer and no V") {
  const architecture glm = make_architecture(latent_model(47));  // GLM-4.7-Flash: 54,144 B a token
  CHECK(number(llama_cpp_kv_cache(glm, at(1024)).total()) == 54'144 * 1024);
  llama_cpp_options old = at(512);
  old.latent_cache = latent_cache::keys_and_values;
  CHECK(number(llama_cpp_kv_cache(glm, old).total()) == std::int64_t{47} * (576 + 512) * 2 * 512);
  old.latent_cache = latent_cache::expanded;
  CHECK(number(llama_cpp_kv_cache(glm, old).total()) == std::int64_t{47} * 20 * (256 + 256) * 2 * 512);
}

TEST_CASE("a quantised cache is counted with its scales") {
  llama_cpp_options options = at(32768);
  const architecture model = make_architecture(dense_shape());
  const std::int64_t f16 = number(llama_cpp_kv_cache(model, options).total());
  options.type_k = options.type_v = ggml_type::q8_0;
  CHECK(number(llama_cpp_kv_cache(model, options).total()) == f16 / 2 * 34 / 32);
  options.type_k = options.type_v = ggml_type::q4_0;
  CHECK(number(llama_cpp_kv_cache(model, options).total()) == f16 / 2 * 18 / 32);
}

TEST_CASE("the context is padded to 256 cells, and again per slot") {
  const architecture model = make_architecture(dense_shape());
  CHECK(llama_cpp_kv_cache(model, at(5000)).cells == 5120);
  llama_cpp_options slots = at(4096);
  slots.n_seq_max = 10;  // the server's own log: -c 4096 -np 10 gives 10 x 512 cells
  CHECK(llama_cpp_kv_cache(model, slots).cells == 512);
  CHECK(llama_cpp_kv_cache(model, slots).n_streams == 10);
}

TEST_CASE("layers that share a cache own none") {
  model_shape shape = gemma3_4b();
  const std::int64_t before = number(llama_cpp_kv_cache(make_architecture(shape), at(8192)).total());
  shape.n_kv_shared_layers = 10;
  CHECK(number(llama_cpp_kv_cache(make_architecture(shape), at(8192)).total()) < before);
}

TEST_CASE("options that llama.cpp refuses are refused with a reason") {
  const architecture dense = make_architecture(dense_shape());
  llama_cpp_options options = at(4096);
  options.type_v = ggml_type::q8_0;
  options.flash_attention = false;
  CHECK_THROWS_AS(static_cast<void>(llama_cpp_kv_cache(dense, options)), value_error);

  llama_cpp_options mixed = at(4096);
  mixed.type_k = ggml_type::q8_0;
  CHECK_NOTHROW(static_cast<void>(llama_cpp_kv_cache(dense, mixed)));
  CHECK_THROWS_AS(static_cast<void>(llama_cpp_kv_cache(make_architecture(latent_model(4)), mixed)), value_error);

  CHECK_THROWS_AS(static_cast<void>(llama_cpp_kv_cache(dense, at(0))), value_error);
  CHECK_THROWS_AS(static_cast<void>(llama_cpp_kv_cache(dense, at(-5))), value_error);
}

TEST_CASE("a size beyond 64 bits is an error, not a small number") {
  model_shape shape = dense_shape();
  shape.n_layers = 4096;
  shape.n_heads = {16'000'000};
  shape.n_kv_heads = {16'000'000};
  shape.head_dim_k = 16'000'000;
  CHECK_THROWS_AS(static_cast<void>(llama_cpp_kv_cache(make_architecture(shape), at(1'000'000'000))), value_error);
}

TEST_CASE("layers on the host keep their cache there") {
  const architecture model = make_architecture(dense_shape());
  llama_cpp_options options = at(4096);
  options.n_gpu_layers = 17;  // the head and 16 of 32 layers
  const kv_cache_bytes cache = llama_cpp_kv_cache(model, options);
  CHECK(number(cache.on_device) * 2 == number(cache.total()));
  options.offload_kqv = false;
  CHECK(number(llama_cpp_kv_cache(model, options).on_device) == 0);
}
