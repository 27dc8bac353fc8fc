#include <doctest/doctest.h>

#include <sizer/memory/recipe.hpp>

using namespace sizer;
using c = recipe_category;
using t = ggml_type;

namespace {

detail::recipe_model thirty_two_blocks() {
  detail::recipe_model model;
  model.gqa = 4;
  model.n_value = 32;
  model.n_blocks = 32;
  return model;
}

t wanted(recipe mix, const detail::recipe_model& model, c category, const detail::layer_position& at = {},
         bool importance_matrix = false) {
  return detail::wanted_type({mix, importance_matrix, true}, model, category, 4096, false, at);
}

}  // namespace

TEST_CASE("more bits: first and last eighth, and every third layer between") {
  int n = 0;
  for (int i = 0; i < 32; ++i) n += detail::more_bits(i, 32) ? 1 : 0;
  CHECK(detail::more_bits(0, 32));
  CHECK(detail::more_bits(3, 32));
  CHECK_FALSE(detail::more_bits(4, 32));
  CHECK(detail::more_bits(6, 32));
  CHECK(detail::more_bits(28, 32));
  CHECK(n == 16);
}

TEST_CASE("the head and tied embeddings get six bits, three-bit and smaller mixes five") {
  const detail::recipe_model model = thirty_two_blocks();
  CHECK(wanted(recipe::q4_0, model, c::output) == t::q6_k);
  CHECK(wanted(recipe::q8_0, model, c::output) == t::q8_0);
  CHECK(wanted(recipe::iq2_m, model, c::output) == t::q5_k);
  CHECK(wanted(recipe::iq3_xxs, model, c::output) == t::q5_k);
  CHECK(wanted(recipe::q4_k_m, model, c::token_embedding) == t::q4_k);
  CHECK(wanted(recipe::iq1_s, model, c::token_embedding) == t::q2_k);
  detail::recipe_model tied = model;
  tied.tied = true;
  CHECK(wanted(recipe::q4_k_m, tied, c::token_embedding) == t::q6_k);
  CHECK(detail::wanted_type({recipe::q4_k_m, false, true}, tied, c::token_embedding, 2880, false, {}) == t::q8_0);
}

TEST_CASE("an importance matrix takes the first-layer boosts away and gives Q4_0 one") {
  const detail::recipe_model model = thirty_two_blocks();
  CHECK(wanted(recipe::iq4_xs, model, c::ffn_down, {}, false) == t::q5_k);
  CHECK(wanted(recipe::iq4_xs, model, c::ffn_down, {}, true) == t::iq4_xs);
  CHECK(wanted(recipe::q4_0, model, c::ffn_down, {}, false) == t::q4_0);
  CHECK(wanted(recipe::q4_0, model, c::ffn_down, {}, true) == t::q4_1);
}

TEST_CASE("special cases: eight experts, Falcon, the model size that llama.cpp calls 70B") {
  detail::recipe_model mixtral = thirty_two_blocks();
  mixtral.n_experts = 8;
  CHECK(wanted(recipe::q4_k_m, mixtral, c::attention_v) == t::q8_0);
  CHECK(wanted(recipe::q4_k_m, mixtral, c::attention_k) == t::q8_0);
  CHECK(wanted(recipe::q4_k_m, mixtral, c::attention_output) == t::q5_k);
  detail::recipe_model falcon = thirty_two_blocks();
  falcon.falcon = true;
  CHECK(wanted(recipe::q4_k_m, falcon, c::output) == t::q8_0);
  CHECK(wanted(recipe::q4_k_s, falcon, c::ffn_down) == t::q4_k);
  detail::recipe_model large = thirty_two_blocks();
  large.called_70b = true;
  CHECK(wanted(recipe::q4_k_m, large, c::attention_v, {5, 5, 5, 5, 5}) == t::q5_k);
}

TEST_CASE("fused query, key and value: a value matrix since 2026-03-10, a rule of its own before") {
  const detail::recipe_model model = thirty_two_blocks();
  const detail::layer_position fifth{5, 5, 5, 5, 5};
  CHECK(detail::wanted_type({recipe::q4_k_m, false, true}, model, c::attention_qkv, 4096, false, fifth) == t::q4_k);
  CHECK(detail::wanted_type({recipe::q4_k_m, false, false}, model, c::attention_qkv, 4096, false, fifth) == t::q5_k);
}

TEST_CASE("a row that is no whole number of blocks falls back") {
  CHECK(detail::fallback_type(t::q4_k, 4096) == t::q4_k);
  CHECK(detail::fallback_type(t::q4_k, 2880) == t::q5_0);
  CHECK(detail::fallback_type(t::q5_k, 2880) == t::q5_1);
  CHECK(detail::fallback_type(t::q6_k, 2880) == t::q8_0);
  CHECK(detail::fallback_type(t::q2_k, 2880) == t::q4_0);
  CHECK(detail::fallback_type(t::iq4_xs, 2880) == t::iq4_nl);
  CHECK(detail::fallback_type(t::q4_k, 100) == t::f16);
}
