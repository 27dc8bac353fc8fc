#pragma once
/// @file
/// What one decode step and one prefill do: bytes moved and operations made, from the model, its weights and the
/// request. No device and no fitted number is in here.
///
/// Decode of one token for each of b sequences at depth d reads every matrix that is not an embedding table once, the
/// expected distinct experts E (1 - (1 - k/E)^b), each sequence's KV rows (all d, or the window), and reads and writes
/// each sequence's recurrent state. Prefill of n tokens multiplies every matrix with n columns (the output head with
/// one).

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sizer/engine/engine.hpp>
#include <sizer/memory/recurrent_state.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/units.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

/// Number formats whose kernels have one speed. Routed BF16 experts are apart: Vulkan has no fast kernel for them.
enum class weight_format : std::uint8_t {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4,
  iq_small,
  mxfp4,
  nvfp4,
  packed,
  bf16_experts
};
inline constexpr std::size_t n_weight_formats = 16;

[[nodiscard]] constexpr std::string_view to_string(weight_format format) noexcept {
  constexpr std::array<std::string_view, n_weight_formats> names{
      "f32",  "f16",  "bf16", "q8_0",     "q4_0",  "q2_k",  "q3_k",   "q4_k",
      "q5_k", "q6_k", "iq4",  "iq_small", "mxfp4", "nvfp4", "packed", "bf16_experts"};
  return names[static_cast<std::size_t>(format)];
}

/// The format group of a ggml type: blocks of 32 with one or two scales together, code books of 1 to 3 bits together.
[[nodiscard]] constexpr weight_format format_of(ggml_type type) noexcept {
  using t = ggml_type;
  switch (type) {
    case t::f32:
    case t::f64:
    case t::i8:
    case t::i16:
    case t::i32:
    case t::i64: return weight_format::f32;
    case t::f16: return weight_format::f16;
    case t::bf16: return weight_format::bf16;
    case t::q8_0:
    case t::q8_1:
    case t::q8_k: return weight_format::q8_0;
    case t::q4_0:
    case t::q4_1:
    case t::q5_0:
    case t::q5_1:
    case t::q1_0:
    case t::q2_0: return weight_format::q4_0;
    case t::q2_k: return weight_format::q2_k;
    case t::q3_k: return weight_format::q3_k;
    case t::q4_k: return weight_format::q4_k;
    case t::q5_k: return weight_format::q5_k;
    case t::q6_k: return weight_format::q6_k;
    case t::iq4_nl:
    case t::iq4_xs: return weight_format::iq4;
    case t::iq1_s:
    case t::iq1_m:
    case t::iq2_xxs:
    case t::iq2_xs:
    case t::iq2_s:
    case t::iq3_xxs:
    case t::iq3_s:
    case t::tq1_0:
    case t::tq2_0: return weight_format::iq_small;
    case t::mxfp4: return weight_format::mxfp4;
    case t::nvfp4: return weight_format::nvfp4;
  }
  return weight_format::f32;
}

template <class Value>
using per_format = std::array<Value, n_weight_formats>;

/// Distinct experts of a layer that `n_tokens` tokens are routed to, if each chose at random: E (1 - (1 -
/// k/E)^n_tokens).
[[nodiscard]] inline double expected_experts(const expert_shape& experts, double n_tokens) {
  const double all = experts.n_experts;
  const double used = experts.n_experts_per_token;
  return all * (1.0 - std::pow(1.0 - used / all, n_tokens));
}

/// One decode step of the whole batch.
struct decode_work {
  per_format<real_bytes> weights{};      ///< read from memory
  per_format<flop> weight_arithmetic{};  ///< unpack, multiply and add of one token: 2 per weight read
  real_bytes kv_cache{};                 ///< keys and values read
  real_bytes latent_cache{};             ///< compressed rows of latent attention (MLA) read
  real_bytes state{};                    ///< recurrent state read and written
  flop attention{};                      ///< scores and weighted values
  double attention_rows = 0;             ///< query heads x cached tokens, over all layers
  flop latent_attention{};               ///< the same in latent layers
  flop batch{};                          ///< matrix products of the sequences after the first
  double layers = 0;
  double moe_layers = 0;
  double recurrent_layers = 0;
  real_bytes least{};  ///< bytes that no implementation can avoid (every sequence uses the same experts)
  flop least_flop{};   ///< operations that no implementation can avoid
};

/// One prefill of one prompt.
struct prefill_work {
  per_format<flop> matrices{};  ///< matrices that every token uses
  per_format<flop> routed{};    ///< routed experts
  flop small_experts{};         ///< routed operations x 32 / tokens per expert and ubatch: the price of thin products
  flop attention{};
  flop latent_attention{};
  real_bytes streamed{};  ///< weights read from memory, once an ubatch
  double ubatches = 0;
  double layer_passes = 0;      ///< layers x ubatches
  double recurrent_tokens = 0;  ///< recurrent layers x tokens
};

namespace detail {

constexpr std::size_t index(weight_format f) noexcept { return static_cast<std::size_t>(f); }

/// Weights in `amount` bytes of a type. Packed formats outside ggml are taken as 1 byte a weight.
constexpr double weights_in(ggml_type type, double amount) noexcept {
  return amount * info(type).block / info(type).block_bytes;
}

/// Mixers and feed-forward parts, counted.
struct layer_counts {
  double moe = 0;
  double recurrent = 0;
};
inline layer_counts count_layers(const architecture& model) noexcept {
  layer_counts n;
  for (const layer& block : model.layers) {
    if (block.feed_forward == feed_forward_kind::moe) n.moe += 1;
    if (is_recurrent(block.mixer)) n.recurrent += 1;
  }
  return n;
}

/// Cached tokens that a layer of that kind attends to at depth d.
constexpr double attended(const layer& block, const model_shape& shape, double depth) noexcept {
  return is_windowed(block.mixer) && shape.sliding_window > 0
             ? std::min(depth, static_cast<double>(shape.sliding_window))
             : depth;
}

/// Bytes of one cached token in one layer, from the bytes of one key and one value element.
constexpr double kv_row(const layer& block, double k_element, double v_element) noexcept {
  const double heads = block.n_kv_heads;
  if (block.mixer == mixer_kind::latent)
    return heads * block.head_dim_k * k_element;  // values: the start of the same row
  return heads * (block.head_dim_k * k_element + block.head_dim_v * v_element);
}

/// Operations of one query token on one cached token in one layer: a dot product and a weighted sum for each head.
constexpr double attention_flop(const layer& block) noexcept {
  return 2.0 * block.n_heads * (static_cast<double>(block.head_dim_k) + block.head_dim_v);
}

/// The type of the output head, among those that are read whole: the one whose bits fit its bytes best.
inline ggml_type head_type(const weights_by_type& weights, double elements) noexcept {
  const double bits = 8.0 * real(weights.output_head).value() / std::max(elements, 1.0);
  ggml_type best = ggml_type::f32;
  for (const ggml_type_info& candidate : ggml_types) {
    const auto i = static_cast<std::size_t>(candidate.type);
    if (weights.read_by_type[i] == make_bytes(0)) continue;
    if (std::abs(bits_per_weight(candidate.type) - bits) < std::abs(bits_per_weight(best) - bits))
      best = candidate.type;
  }
  return best;
}

}  // namespace detail

/// @param depth           tokens cached by each sequence (a real number: the mean over a run)
/// @param batch           sequences decoded together
/// @param expert_overlap  exponent g: the batch spreads over the experts as batch^g independent tokens would
[[nodiscard]] inline decode_work decode_work_of(const architecture& model, const weights_by_type& weights, double depth,
                                                double batch, ggml_type type_k, ggml_type type_v,
                                                double expert_overlap) {
  decode_work work;
  double share = 0.0;      // of the routed experts read
  double one_token = 0.0;  // share that one token uses
  if (model.shape.experts) {
    const expert_shape& experts = *model.shape.experts;
    share = expected_experts(experts, std::pow(batch, expert_overlap)) / experts.n_experts;
    one_token = static_cast<double>(experts.n_experts_per_token) / experts.n_experts;
  }

  double read = 0.0;
  double least = 0.0;
  double token_flop = 0.0;  // matrix products of one token
  const auto add = [&](weight_format format, double amount, double elements) {
    work.weights[detail::index(format)] += real_bytes::from_value(amount);
    work.weight_arithmetic[detail::index(format)] += make_flop(2.0 * elements);
    read += amount;
  };
  for (const ggml_type_info& type : ggml_types) {
    const auto i = static_cast<std::size_t>(type.type);
    const double whole = real(weights.read_by_type[i]).value();
    const double routed = real(weights.routed_by_type[i]).value();
    if (whole > 0.0) {
      const double elements = detail::weights_in(type.type, whole);
      add(format_of(type.type), whole, elements);
      least += whole;
      token_flop += 2.0 * elements;
    }
    if (routed > 0.0) {
      const double elements = detail::weights_in(type.type, routed);
      add(type.type == ggml_type::bf16 ? weight_format::bf16_experts : format_of(type.type), routed * share,
          elements * share);
      least += routed * one_token;
      token_flop += 2.0 * elements * one_token;
    }
  }
  if (const double packed = real(weights.read_packed).value(); packed > 0.0) {
    add(weight_format::packed, packed, packed);
    least += packed;
    token_flop += 2.0 * packed;
  }
  if (const double packed = real(weights.routed_packed).value(); packed > 0.0) {
    add(weight_format::packed, packed * share, packed * share);
    least += packed * one_token;
    token_flop += 2.0 * packed * one_token;
  }

  double kv = 0.0;
  double latent = 0.0;
  double attention = 0.0;
  double attention_rows = 0.0;
  double latent_attention = 0.0;
  double state = 0.0;
  const double k_element = bits_per_weight(type_k) / 8.0;
  const double v_element = bits_per_weight(type_v) / 8.0;
  for (const layer& block : model.layers) {
    if (is_recurrent(block.mixer)) state += recurrent_elements(model, block.mixer).real() * 4.0;
    if (!has_attention(block.mixer)) continue;
    const double cells = detail::attended(block, model.shape, depth);
    const double bytes_read = cells * detail::kv_row(block, k_element, v_element);
    const double operations = cells * detail::attention_flop(block);
    (block.mixer == mixer_kind::latent ? latent : kv) += bytes_read;
    (block.mixer == mixer_kind::latent ? latent_attention : attention) += operations;
    attention_rows += cells * block.n_heads;
  }
  const detail::layer_counts n = detail::count_layers(model);
  work.kv_cache = real_bytes::from_value(kv * batch);
  work.latent_cache = real_bytes::from_value(latent * batch);
  work.state = real_bytes::from_value(2.0 * state * batch);
  work.attention = make_flop(attention * batch);
  work.attention_rows = attention_rows * batch;
  work.latent_attention = make_flop(latent_attention * batch);
  work.batch = make_flop(token_flop * (batch - 1.0));
  work.layers = static_cast<double>(model.layers.size());
  work.moe_layers = n.moe;
  work.recurrent_layers = n.recurrent;
  work.least = real_bytes::from_value(least + (kv + latent + 2.0 * state) * batch);
  work.least_flop = make_flop((token_flop + attention + latent_attention) * batch);
  return work;
}

/// @param n      prompt tokens
/// @param depth  tokens already cached when the prompt starts
[[nodiscard]] inline prefill_work prefill_work_of(const architecture& model, const weights_by_type& weights, double n,
                                                  double depth, double ubatch) {
  prefill_work work;
  if (n <= 0.0) return work;
  const double per_pass = std::clamp(ubatch, 1.0, n);
  work.ubatches = std::ceil(n / per_pass);

  double one_token = 0.0;
  double share = 0.0;
  double tokens_per_expert = 1.0;
  if (model.shape.experts) {
    const expert_shape& experts = *model.shape.experts;
    one_token = static_cast<double>(experts.n_experts_per_token) / experts.n_experts;
    share = expected_experts(experts, per_pass) / experts.n_experts;
    tokens_per_expert = per_pass * one_token;
  }

  const double head_elements = static_cast<double>(model.shape.d_model) * model.shape.vocab_size;
  const ggml_type head = detail::head_type(weights, head_elements);
  double streamed = 0.0;
  double routed_flop = 0.0;
  for (const ggml_type_info& type : ggml_types) {
    const auto i = static_cast<std::size_t>(type.type);
    double whole = real(weights.read_by_type[i]).value();
    const double routed = real(weights.routed_by_type[i]).value();
    if (type.type == head) whole = std::max(0.0, whole - real(weights.output_head).value());
    const double products = 2.0 * detail::weights_in(type.type, whole) * n;
    const double routed_products = 2.0 * detail::weights_in(type.type, routed) * one_token * n;
    work.matrices[detail::index(format_of(type.type))] += make_flop(products);
    work.routed[detail::index(type.type == ggml_type::bf16 ? weight_format::bf16_experts : format_of(type.type))] +=
        make_flop(routed_products);
    routed_flop += routed_products;
    streamed += whole + routed * share;
  }
  const double packed = real(weights.read_packed).value();
  const double routed_packed = real(weights.routed_packed).value();
  work.matrices[detail::index(weight_format::packed)] += make_flop(2.0 * packed * n);
  work.routed[detail::index(weight_format::packed)] += make_flop(2.0 * routed_packed * one_token * n);
  routed_flop += 2.0 * routed_packed * one_token * n;
  streamed += packed + routed_packed * share;
  constexpr double thin = 32.0;  // columns of a tile: the unit in which small_experts is counted, not a fitted number
  work.small_experts = make_flop(routed_flop * thin / std::max(tokens_per_expert, 1e-3));
  work.streamed = real_bytes::from_value(streamed * work.ubatches);

  double attention = 0.0;
  double latent = 0.0;
  for (const layer& block : model.layers) {
    if (!has_attention(block.mixer)) continue;
    const double operations = n * detail::attended(block, model.shape, depth + n / 2.0) * detail::attention_flop(block);
    (block.mixer == mixer_kind::latent ? latent : attention) += operations;
  }
  work.attention = make_flop(attention);
  work.latent_attention = make_flop(latent);
  const detail::layer_counts counted = detail::count_layers(model);
  work.layer_passes = static_cast<double>(model.layers.size()) * work.ubatches;
  work.recurrent_tokens = counted.recurrent * n;
  return work;
}

/// Tokens of one pass of the engine's prefill.
[[nodiscard]] inline double prefill_step(const engine& runtime) noexcept {
  switch (runtime.kind) {
    case engine_kind::vllm: return static_cast<double>(runtime.vllm.max_num_batched_tokens);
    case engine_kind::mlx: return static_cast<double>(runtime.mlx.prefill_step_size);
    default: return static_cast<double>(runtime.llama_cpp.n_ubatch);
  }
}

}  // namespace v0
}  // namespace sizer
