#pragma once
/// @file
/// Which ggml type each matrix gets: llama-quantize's mixes as rules.
/// Source: the type selection in `src/llama-quant.cpp`, read at unslothai/llama.cpp@d32676d77426 (an upstream tree of
/// 2026-08); rules stated in words in the project's notes, checked on 323 dry runs of the program itself.

#include <cstdint>

#include <sizer/memory/quantization.hpp>
#include <sizer/memory/tensor_kind.hpp>
#include <sizer/model/ggml_type.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// What the rules read of a model.
struct recipe_model {
  bool tied = false;  ///< no `output.weight`: the embedding is the head
  bool falcon = false;
  bool called_70b = false;  ///< llama.cpp names the model's size "70B"
  std::int32_t n_experts = 1;
  std::int32_t gqa = 1;       ///< query heads per key-value head in the first layer; 0 when it has none
  std::int32_t n_value = 0;   ///< value-like matrices in the model
  std::int32_t n_blocks = 0;  ///< blocks, multi-token-prediction blocks included
};

/// Where a matrix stands among those of its category, in file order.
struct layer_position {
  std::int32_t layer = 0;
  std::int32_t value = 0;
  std::int32_t gate = 0;
  std::int32_t up = 0;
  std::int32_t down = 0;
};

/// "more bits": the first and last eighth of the layers and every third between.
constexpr bool more_bits(std::int32_t i, std::int32_t n) noexcept {
  return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

constexpr bool is_value_like(recipe_category c) noexcept {
  return c == recipe_category::attention_v || c == recipe_category::attention_qkv ||
         c == recipe_category::attention_kv_b;
}

constexpr bool is_one_bit(recipe r) noexcept { return r == recipe::iq1_s || r == recipe::iq1_m; }
constexpr bool is_iq2_s_or_m(recipe r) noexcept { return r == recipe::iq2_s || r == recipe::iq2_m; }
constexpr bool is_iq2_xxs_or_xs(recipe r) noexcept { return r == recipe::iq2_xxs || r == recipe::iq2_xs; }
constexpr bool is_one_or_two_bits(recipe r) noexcept {
  return is_one_bit(r) || is_iq2_s_or_m(r) || is_iq2_xxs_or_xs(r);
}

constexpr ggml_type head_type(recipe r, const recipe_model& m, ggml_type base, std::int64_t row_length) noexcept {
  if (r == recipe::mxfp4_moe) return ggml_type::q8_0;
  if (m.falcon || row_length % info(base).block != 0) return ggml_type::q8_0;
  if (is_one_or_two_bits(r) || r == recipe::iq3_xxs) return ggml_type::q5_k;
  return base == ggml_type::q8_0 ? base : ggml_type::q6_k;
}

constexpr ggml_type embedding_type(recipe r, ggml_type base) noexcept {
  if (is_one_bit(r) || is_iq2_xxs_or_xs(r)) return ggml_type::q2_k;
  if (is_iq2_s_or_m(r) || r == recipe::iq3_xxs) return ggml_type::iq3_s;
  if (r == recipe::tq1_0 || r == recipe::tq2_0 || r == recipe::q2_0) return ggml_type::q4_k;
  return base;
}

constexpr ggml_type one_or_two_bits_type(recipe r, const recipe_model& m, ggml_type base, recipe_category c,
                                         const layer_position& at) noexcept {
  const ggml_type better = is_iq2_s_or_m(r) ? ggml_type::iq3_s : ggml_type::q2_k;
  if (is_value_like(c)) return m.gqa >= 4 || m.n_experts >= 4 ? ggml_type::q4_k : better;
  if (c == recipe_category::attention_k && m.n_experts == 8) return ggml_type::q4_k;
  if (c == recipe_category::ffn_down && at.down < m.n_blocks / 8) return better;
  if (c == recipe_category::attention_output) {
    if (m.n_experts == 8) return ggml_type::q5_k;
    if (is_one_bit(r)) return ggml_type::iq2_xxs;
    if (is_iq2_s_or_m(r)) return ggml_type::iq3_s;
  }
  return base;
}

constexpr ggml_type value_type(const quantization& q, const recipe_model& m, ggml_type base,
                               const layer_position& at) noexcept {
  using t = ggml_type;
  const bool grouped = m.gqa >= 4;
  t type = base;
  switch (q.mix) {
    case recipe::q2_k: type = grouped ? t::q4_k : t::q3_k; break;
    case recipe::q2_k_s:
    case recipe::iq3_xs:
    case recipe::iq3_s: type = grouped ? t::q4_k : base; break;
    case recipe::iq3_xxs: type = grouped ? t::q4_k : q.importance_matrix ? t::iq3_xxs : t::iq3_s; break;
    case recipe::iq3_m: type = t::q4_k; break;
    case recipe::q3_k_m: type = at.value < 2 ? t::q5_k : t::q4_k; break;
    case recipe::q3_k_l: type = t::q5_k; break;
    case recipe::iq4_nl:
    case recipe::iq4_xs: type = grouped ? t::q5_k : base; break;
    case recipe::q4_k_m:
    case recipe::q5_k_m: type = more_bits(at.value, m.n_value) ? t::q6_k : base; break;
    case recipe::q4_k_s: type = at.value < 4 ? t::q5_k : base; break;
    default: break;
  }
  if (m.called_70b && (type == t::q3_k || type == t::q4_k)) type = t::q5_k;
  return m.n_experts == 8 ? t::q8_0 : type;
}

constexpr ggml_type down_type(const quantization& q, const recipe_model& m, ggml_type base,
                              const layer_position& at) noexcept {
  using t = ggml_type;
  const std::int32_t i = m.n_experts > 1 ? at.layer : at.down;
  const std::int32_t n = m.n_blocks;
  const bool first_eighth = i < n / 8;
  const bool first_sixteenth = i < n / 16;
  const bool more = more_bits(i, n);
  switch (q.mix) {
    case recipe::q2_k: return t::q3_k;
    case recipe::q2_k_s: return first_eighth ? t::q4_k : base;
    case recipe::iq3_xxs: return q.importance_matrix ? base : first_eighth ? t::q4_k : t::q3_k;
    case recipe::q3_k_m: return first_sixteenth ? t::q5_k : !m.falcon || more ? t::q4_k : t::q3_k;
    case recipe::iq3_m: return first_eighth || (m.n_experts == 8 && more) ? t::q4_k : base;
    case recipe::q3_k_l: return m.falcon ? t::q4_k : t::q5_k;
    case recipe::q4_k_m:
      if (m.falcon) return first_sixteenth ? t::q6_k : more ? t::q5_k : t::q4_k;
      return more ? t::q6_k : base;
    case recipe::iq4_nl:
    case recipe::iq4_xs: return first_eighth && !q.importance_matrix ? t::q5_k : base;
    case recipe::q5_k_m: return more ? t::q6_k : base;
    case recipe::q4_k_s: return first_eighth && !m.falcon ? t::q5_k : base;
    case recipe::q4_0: return first_eighth && q.importance_matrix ? t::q4_1 : base;
    case recipe::q5_0: return first_eighth && q.importance_matrix ? t::q5_1 : base;
    default: return base;
  }
}

constexpr ggml_type attention_output_type(recipe r, const recipe_model& m, ggml_type base) noexcept {
  using t = ggml_type;
  if (m.falcon) return r == recipe::q3_k_l ? t::q4_k : base;
  if (m.n_experts == 8) {
    switch (r) {
      case recipe::q2_k:
      case recipe::q3_k_s:
      case recipe::q3_k_m:
      case recipe::q4_k_s:
      case recipe::q4_k_m:
      case recipe::iq3_xxs:
      case recipe::iq3_xs:
      case recipe::iq3_s:
      case recipe::iq3_m:
      case recipe::iq4_nl:
      case recipe::iq4_xs: return t::q5_k;
      default: return base;
    }
  }
  switch (r) {
    case recipe::q2_k: return t::q3_k;
    case recipe::iq3_xxs: return t::iq3_s;
    case recipe::q3_k_m:
    case recipe::iq3_m: return t::q4_k;
    case recipe::q3_k_l: return t::q5_k;
    default: return base;
  }
}

/// Fused query, key and value before 2026-03-10.
constexpr ggml_type old_fused_type(recipe r, ggml_type base) noexcept {
  switch (r) {
    case recipe::q3_k_m:
    case recipe::q3_k_l:
    case recipe::iq3_m: return ggml_type::q4_k;
    case recipe::q4_k_m: return ggml_type::q5_k;
    case recipe::q5_k_m: return ggml_type::q6_k;
    default: return base;
  }
}

constexpr ggml_type query_or_key_type(recipe r, const recipe_model& m, ggml_type base, recipe_category c) noexcept {
  if (c == recipe_category::attention_k && m.n_experts == 8) return ggml_type::q8_0;
  if (r == recipe::iq3_xs) return ggml_type::iq3_xxs;
  if (r == recipe::iq3_xxs) return ggml_type::iq2_s;
  return base;
}

constexpr ggml_type gate_or_up_type(recipe r, const recipe_model& m, ggml_type base, std::int32_t counted,
                                    std::int32_t layer) noexcept {
  if (r != recipe::iq3_xs) return base;
  const std::int32_t i = m.n_experts > 1 ? layer : counted;
  return i >= m.n_blocks / 8 && i < 7 * m.n_blocks / 8 ? ggml_type::iq3_xxs : base;
}

/// Type before the shape fallback.
constexpr ggml_type wanted_type(const quantization& q, const recipe_model& m, recipe_category c,
                                std::int64_t row_length, bool three_dimensional, const layer_position& at) noexcept {
  const ggml_type base = info(q.mix).base;
  if (c == recipe_category::output || (m.tied && c == recipe_category::token_embedding)) {
    return head_type(q.mix, m, base, row_length);
  }
  if (q.mix == recipe::mxfp4_moe) return three_dimensional ? ggml_type::mxfp4 : ggml_type::q8_0;
  if (c == recipe_category::token_embedding) return embedding_type(q.mix, base);

  const bool value_like = is_value_like(c) && (q.fused_qkv_as_value || c == recipe_category::attention_v);
  if (is_one_or_two_bits(q.mix)) {
    const recipe_category seen = is_value_like(c) && !value_like ? recipe_category::other : c;
    return one_or_two_bits_type(q.mix, m, base, seen, at);
  }
  if (value_like) return value_type(q, m, base, at);
  switch (c) {
    case recipe_category::attention_qkv: return old_fused_type(q.mix, base);
    case recipe_category::attention_q:
    case recipe_category::attention_k: return query_or_key_type(q.mix, m, base, c);
    case recipe_category::attention_output: return attention_output_type(q.mix, m, base);
    case recipe_category::ffn_down: return down_type(q, m, base, at);
    case recipe_category::ffn_gate: return gate_or_up_type(q.mix, m, base, at.gate, at.layer);
    case recipe_category::ffn_up: return gate_or_up_type(q.mix, m, base, at.up, at.layer);
    default: return base;
  }
}

/// What llama-quantize writes instead when a row is not a whole number of blocks.
constexpr ggml_type fallback_type(ggml_type type, std::int64_t row_length) noexcept {
  using t = ggml_type;
  if (row_length % info(type).block == 0) return type;
  t other = t::f16;
  switch (type) {
    case t::iq1_s:
    case t::iq1_m:
    case t::iq2_xxs:
    case t::iq2_xs:
    case t::iq2_s:
    case t::iq3_xxs:
    case t::iq3_s:
    case t::iq4_xs: other = t::iq4_nl; break;
    case t::q2_0:
    case t::q2_k:
    case t::q3_k:
    case t::tq1_0:
    case t::tq2_0: other = t::q4_0; break;
    case t::q4_k: other = t::q5_0; break;
    case t::q5_k: other = t::q5_1; break;
    case t::q6_k: other = t::q8_0; break;
    default: break;
  }
  return row_length % info(other).block == 0 ? other : t::f16;
}

/// True when the type of a matrix of that category depends on its layer.
constexpr bool varies_by_layer(const quantization& q, recipe_category c) noexcept {
  if (c == recipe_category::ffn_gate || c == recipe_category::ffn_up) return q.mix == recipe::iq3_xs;
  if (is_value_like(c)) {
    return q.mix == recipe::q3_k_m || q.mix == recipe::q4_k_m || q.mix == recipe::q5_k_m || q.mix == recipe::q4_k_s;
  }
  if (c != recipe_category::ffn_down) return false;
  switch (q.mix) {
    case recipe::q4_0:
    case recipe::q5_0: return q.importance_matrix;
    case recipe::q2_k_s:
    case recipe::q3_k_m:
    case recipe::q4_k_s:
    case recipe::q4_k_m:
    case recipe::q5_k_m:
    case recipe::iq3_xxs:
    case recipe::iq3_m:
    case recipe::iq4_nl:
    case recipe::iq4_xs: return true;
    default: return is_one_or_two_bits(q.mix);
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
