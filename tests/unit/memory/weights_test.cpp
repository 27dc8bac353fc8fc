#include <doctest/doctest.h>

#include <cstdint>

#include <sizer/memory/gguf_file.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/expand.hpp>

using namespace sizer;

namespace {

architecture dense_model() {
  model_shape shape;
  shape.n_layers = 4;
  shape.d_model = 1024;
  shape.vocab_size = 32000;
  shape.context_length = 4096;
  shape.n_heads = {16};
  shape.n_kv_heads = {4};
  shape.d_ff = {4096};
  return make_architecture(shape);
}

architecture expert_model() {
  model_shape shape = dense_model().shape;
  shape.family = "qwen3moe";
  shape.n_mtp_layers = 1;
  shape.feed_forwards = {{feed_forward_kind::dense, 1}, {feed_forward_kind::moe, 3}};
  shape.experts = expert_shape{16, 2, 512, 1, 512, 0};
  return make_architecture(shape);
}

/// The sums that every result must keep.
void check_sums(const weights_by_type& w) {
  bytes by_type;
  for (const bytes& part : w.by_type) by_type += part;
  bytes by_part;
  for (const bytes& part : w.by_part) by_part += part;
  bytes layers;
  bytes routed;
  for (const layer_weights& layer : w.layers) {
    layers += layer.total;
    routed += layer.routed;
  }
  bytes routed_by_type = w.routed_packed;
  for (const bytes& part : w.routed_by_type) routed_by_type += part;
  CHECK(number(by_type + w.packed) == number(w.total));
  CHECK(number(by_part) == number(w.total));
  CHECK(layers <= w.total);
  CHECK(number(routed_by_type) == number(w.routed()));
  CHECK(w.active <= w.total);
  CHECK(w.active_parameters <= w.parameters);
  CHECK(number(w.output_head) > 0);
}

}  // namespace

TEST_CASE("parts, types and layers sum to the whole in every format") {
  for (const architecture& model : {dense_model(), expert_model()}) {
    for (const recipe_info& known : recipes) {
      CAPTURE(known.name);
      check_sums(weights(model, quantization{known.id, false, true}));
      check_sums(weights(model, quantization{known.id, true, false}));
    }
  }
}

TEST_CASE("what is not in a layer is the embedding and the head") {
  const weights_by_type w = weights(dense_model(), find_quantization("Q8_0"));
  bytes layers;
  for (const layer_weights& layer : w.layers) layers += layer.total;
  const bytes final_norm = make_bytes(1024 * 4);
  CHECK(number(w.total) == number(layers + w.token_embedding + w.output_head + final_norm));
  CHECK(number(w.row) == 1024 / 32 * 34);
}

TEST_CASE("tied embeddings are stored once, read whole, and are both table and head") {
  model_shape shape = dense_model().shape;
  shape.tied_embeddings = true;
  const weights_by_type w = weights(make_architecture(shape), find_quantization("F16"));
  CHECK(number(w.token_embedding) == 1024 * 32000 * 2);
  CHECK(number(w.output_head) == number(w.token_embedding));
  CHECK(number(w.active) == number(w.total));
}

TEST_CASE("a prediction block is stored and not read by plain decoding") {
  const architecture model = expert_model();
  const weights_by_type with = weights(model, find_quantization("Q8_0"));
  model_shape shape = model.shape;
  shape.n_mtp_layers = 0;
  const weights_by_type without = weights(make_architecture(shape), find_quantization("Q8_0"));
  CHECK(with.layers.size() == 5);
  CHECK(number(with.active) == number(without.active));
  CHECK(number(with.total) == number(without.total + with.part(weight_part::mtp)));
  CHECK(number(with.layers.back().total) == number(with.part(weight_part::mtp)));
}

TEST_CASE("packed formats: exact bytes of a 1024 x 4096 matrix") {
  tensor_group up;
  up.kind = tensor_kind::ffn_up;
  up.n_dims = 2;
  up.ne = {1024, 4096, 1};
  const auto size = [&](const char* name) {
    return number(detail::size_of(up, ggml_type::bf16, find_quantization(name)).whole);
  };
  constexpr std::int64_t columns = 1024;
  constexpr std::int64_t rows = 4096;
  constexpr std::int64_t n = columns * rows;
  CHECK(size("FP8") == n + n / 128 / 128 * 4);
  CHECK(size("FP8_TENSOR") == n + 4);
  CHECK(size("AWQ") == n / 2 + columns / 128 * rows * 2 + columns / 128 * (rows / 8) * 4);
  CHECK(size("GPTQ") == n / 2 + columns / 128 * rows * 2 + columns / 128 * (rows / 8) * 4 + columns * 4);
  CHECK(size("MLX-4BIT") == n / 2 + n / 64 * 4);
  CHECK(size("MLX-8BIT") == n + n / 64 * 4);
  CHECK(size("HF_BF16") == n * 2);
}

TEST_CASE("outside GGUF the head and the embedding stay in 16 bits, but not in MLX") {
  const architecture model = dense_model();
  CHECK(number(weights(model, find_quantization("FP8")).output_head) == 1024 * 32000 * 2);
  CHECK(number(weights(model, find_quantization("AWQ")).token_embedding) == 1024 * 32000 * 2);
  CHECK(number(weights(model, find_quantization("MLX-4BIT")).token_embedding) == 1024 * 32000 * 9 / 16);
}

TEST_CASE("shapes at the limit overflow loudly") {
  model_shape shape;
  shape.n_layers = 4096;
  shape.d_model = 16'777'216;
  shape.vocab_size = 16'777'216;
  shape.context_length = 1;
  shape.n_heads = {16'777'216};
  shape.n_kv_heads = {16'777'216};
  shape.head_dim_k = 16'777'216;
  shape.d_ff = {16'777'216};
  CHECK_THROWS_AS((void)weights(make_architecture(shape), find_quantization("F32")), value_error);
}

TEST_CASE("a tensor's name carries its layer") {
  CHECK(tensor_name(tensor_kind::attn_q, 7) == "blk.7.attn_q.weight");
  CHECK(tensor_name(tensor_kind::output, 7) == "output.weight");
}

TEST_CASE("the header of a file is its tokenizer") {
  CHECK(number(gguf_header_bytes(dense_model().shape)) == 32000 * 24);
  CHECK(gguf_file_bytes(dense_model(), find_quantization("F16")) >
        weights(dense_model(), find_quantization("F16")).total);
}
