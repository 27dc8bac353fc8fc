#pragma once
/// @file
/// Writes one layer of llama.cpp's compute graph on a tape: attention, feed-forward part and experts. The recurrent
/// mixers are in memory/recurrent_graph.hpp.
///
/// All sizes follow from the tokens of a micro-batch T and the model's widths; f32 unless said. What usually decides:
///   scores without flash attention   4 T x heads x cells
///   dense feed-forward part          3 x 4 T x d_ff  (gate, up and their product live together)
///   experts                          3 x 4 T x used x d_ff, then 4 T x used x (d_ff + d_model)
///   logits                           4 x outputs x vocabulary
/// Source: `src/llama-graph.cpp` and `src/models/*.cpp` of llama.cpp at unslothai/llama.cpp@d32676d77426 (2026-08).

#include <cstdint>

#include <sizer/detail/count.hpp>
#include <sizer/memory/graph_tape.hpp>
#include <sizer/memory/graph_traits.hpp>
#include <sizer/memory/llama_cpp_context.hpp>
#include <sizer/model/ggml_type.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// What does not change from layer to layer.
struct graph_frame {
  const architecture* model = nullptr;
  const llama_cpp_options* options = nullptr;
  llama_cpp_context context;
  family_traits tensors;
  graph_traits order;
  std::int64_t tokens = 0;     ///< T: tokens of a micro-batch, rounded up to a multiple of the slots
  std::int64_t outputs = 0;    ///< tokens whose logits are wanted
  bool two_sides = false;      ///< some part runs on a device and some on the host
  bool queries_first = false;  ///< q, k, v and not q, v, k: models with a sliding-window cache
  std::int64_t widest_v = 0;   ///< elements of the widest V row
};

/// What holds for one layer.
struct layer_frame {
  const layer* block = nullptr;
  std::int64_t index = 0;
  graph_side weights = graph_side::host;
  graph_side cache = graph_side::host;
  graph_side experts = graph_side::host;
  bool last = false;
  bool mixed = false;        ///< cache and weights on different sides: copies need the size of the cache
  bool reads_ahead = false;  ///< the convolution history of a later layer is read inside this layer
};

/// Bytes of `n` f32 elements.
[[nodiscard]] constexpr std::int64_t f32(count n) { return (n * 4).value(); }

[[nodiscard]] constexpr bool is_block_type(ggml_type type) noexcept { return info(type).block > 1; }

/// Quantised caches are rotated by a Hadamard matrix when a head is a multiple of 64 wide (llama.cpp pull request
/// 21038, 2026-04); the latent cache is not.
[[nodiscard]] constexpr bool rotates(ggml_type type, std::int32_t head_dim) noexcept {
  return is_block_type(type) && head_dim > 0 && head_dim % 64 == 0;
}

[[nodiscard]] constexpr bool uses_rope(const graph_frame& frame, const layer& block, std::int64_t index) noexcept {
  switch (frame.order.rope) {
    case rope_layers::all: return true;
    case rope_layers::none: return false;
    case rope_layers::windowed: return is_windowed(block.mixer) || frame.context.window_cells == 0;
    case rope_layers::three_of_four: return (index + 1) % 4 != 0;
  }
  return true;
}

class layer_graph {
 public:
  layer_graph(const graph_frame& frame, const layer_frame& at, graph_tape& tape) : f_{frame}, at_{at}, g_{tape} {}

  [[nodiscard]] const graph_frame& frame() const noexcept { return f_; }
  [[nodiscard]] const layer_frame& place() const noexcept { return at_; }
  [[nodiscard]] graph_tape& tape() noexcept { return g_; }
  [[nodiscard]] count tokens() const noexcept { return f_.tokens; }
  [[nodiscard]] count width() const noexcept { return f_.model->shape.d_model; }
  [[nodiscard]] std::int64_t hidden_size() const { return f32(tokens() * width()); }

  tensor_id multiply(std::int64_t size, tensor_id x) { return g_.make(size, {x}, at_.weights); }
  tensor_id scale(tensor_id x) { return g_.update({x}, at_.weights); }  ///< element-wise with a weight, in place

  tensor_id norm(tensor_id x, bool in_place) {
    return scale(g_.operation(g_.at(x).size, {x}, graph_side::follow, in_place));
  }
  tensor_id norm(tensor_id x) { return norm(x, !f_.order.layer_norm); }

  /// Keeps the wanted tokens of x.
  tensor_id wanted_rows(tensor_id x) {
    g_.moment = compute_moment::output_rows;
    return g_.make(f32(count{f_.outputs} * width()), {x, input_outputs});
  }

  struct queries_and_output {
    tensor_id output = no_tensor;   ///< attention result, before the output projection
    tensor_id queries = no_tensor;  ///< the whole query projection, whose second half is a gate
    tensor_id normed = no_tensor;
  };

  /// Projections, cache writes and attention itself.
  queries_and_output attention_core(tensor_id x) {
    const layer& b = *at_.block;
    const count q_width = count{b.n_heads} * b.head_dim_k;
    const bool fused = f_.tensors.fused_qkv;
    g_.moment = compute_moment::projections;
    tensor_id all = no_tensor;
    if (fused) all = multiply(f32(tokens() * (q_width + k_width() + v_width())), x);

    const bool in_query = f_.tensors.attention_gate == attention_gate_kind::in_query;
    const tensor_id projected = fused ? g_.view(all) : multiply(f32(tokens() * q_width * (in_query ? 2 : 1)), x);
    tensor_id q = heads(projected, f32(tokens() * q_width), fused, true);
    if (rotates_k()) q = g_.make(g_.at(q).size, {rotation(cache_k_rotation), g_.view(q)});

    tensor_id k = no_tensor;
    tensor_id v = no_tensor;
    if (b.owns_kv_cache) {
      if (f_.queries_first) {
        k = keys(x, all);
        v = values(x, all);
      } else {
        v = values(x, all);
        k = keys(x, all);
      }
    }
    return {attend(q, k, v), projected, x};
  }

  /// Gate and output projection.
  tensor_id attention_tail(const queries_and_output& a) {
    const layer& b = *at_.block;
    const std::int64_t size = f32(tokens() * b.n_heads * b.head_dim_v);
    tensor_id y = a.output;
    if (rotates_v()) y = g_.view(g_.make(size, {rotation(cache_v_rotation), y}));
    switch (f_.tensors.attention_gate) {
      case attention_gate_kind::none: break;
      case attention_gate_kind::in_query: y = gated(y, g_.make(size, {g_.view(a.queries)})); break;
      case attention_gate_kind::whole: y = gated(y, multiply(size, a.normed)); break;
      case attention_gate_kind::per_head: {
        const tensor_id gate = g_.update({multiply(f32(tokens() * b.n_heads), a.normed)});
        y = g_.view(g_.update({g_.view(y), g_.view(gate)}));
        break;
      }
    }
    g_.moment = compute_moment::attention_output;
    return multiply(hidden_size(), y);
  }

  /// Multi-head latent attention in its absorbed form: one key row per token, queries as wide as that row.
  tensor_id latent_attention(tensor_id x) {
    const layer& b = *at_.block;
    const latent_shape& m = *f_.model->shape.latent;
    const count heads_t = tokens() * b.n_heads;
    const std::int64_t row = f32(tokens() * (count{m.kv_lora_rank} + m.qk_rope_head_dim));
    const bool rope = uses_rope(f_, b, at_.index);

    g_.moment = compute_moment::projections;
    tensor_id q = x;
    if (m.q_lora_rank > 0) q = norm(multiply(f32(tokens() * m.q_lora_rank), x), true);
    q = multiply(f32(heads_t * (count{m.qk_nope_head_dim} + m.qk_rope_head_dim)), q);
    const tensor_id absorbed = multiply(f32(heads_t * m.kv_lora_rank), g_.view(q));
    const std::int64_t q_rope_size = f32(heads_t * m.qk_rope_head_dim);
    const tensor_id q_rope = rope ? g_.operation(q_rope_size, {g_.view(q), input_positions}, graph_side::follow, true)
                                  : g_.view(q, q_rope_size);
    const tensor_id queries =
        g_.make(f32(heads_t * (count{m.kv_lora_rank} + m.qk_rope_head_dim)), {g_.view(absorbed), q_rope});

    const tensor_id compressed = multiply(row, x);
    const tensor_id latent =
        scale(g_.operation(f32(tokens() * m.kv_lora_rank), {g_.view(compressed)}, graph_side::follow, true));
    const tensor_id latent_view = g_.view(latent);
    const std::int64_t k_rope_size = f32(tokens() * m.qk_rope_head_dim);
    const tensor_id k_rope =
        rope ? g_.operation(k_rope_size, {g_.view(compressed), input_positions}, graph_side::follow, true)
             : g_.view(compressed, k_rope_size);
    const tensor_id keys_row = g_.make(row, {latent_view, k_rope});
    g_.store(at_.cache, {g_.view(keys_row), cache_id(cache_k_index)});

    g_.moment = compute_moment::attention;
    const count cells = all_cells();
    const std::int64_t k_bytes = at_.mixed ? type_bytes_of(f_.options->type_k, b.head_dim_k, cells) : 0;
    const tensor_id k = g_.cache(k_bytes, at_.cache);
    tensor_id y = no_tensor;
    if (f_.options->flash_attention) {
      // the values are the first part of every key row: a strided view
      const std::int64_t v_bytes = at_.mixed ? type_bytes_of(f_.options->type_k, b.head_dim_k, cells - 1) +
                                                   type_bytes_of(f_.options->type_k, m.kv_lora_rank, 1)
                                             : 0;
      const tensor_id v = g_.cache(v_bytes, at_.cache);
      y = g_.make(f32(heads_t * m.kv_lora_rank), {g_.view(queries), k, v, cache_id(cache_mask)});
      y = multiply(f32(heads_t * m.v_head_dim), g_.view(y));
      y = g_.view(g_.make(g_.at(y).size, {g_.view(y)}));
    } else {
      // the values are copied out of the keys, transposed, every time
      const std::int64_t v_bytes = type_bytes_of(f_.options->type_k, m.kv_lora_rank, cells);
      const tensor_id v = g_.make(v_bytes, {g_.cache(v_bytes, at_.cache)});
      y = scores(g_.view(queries), k);
      y = g_.make(f32(heads_t * m.kv_lora_rank), {v, y});
      y = multiply(f32(heads_t * m.v_head_dim), y);
      y = g_.make(g_.at(y).size, {g_.view(y)});
    }
    g_.moment = compute_moment::attention_output;
    return multiply(hidden_size(), y);
  }

  tensor_id feed_forward(tensor_id x, count d_ff, count rows, bool gated_part, compute_moment moment) {
    g_.moment = moment;
    const std::int64_t size = f32(rows * d_ff);
    tensor_id y = no_tensor;
    if (!gated_part) {
      y = g_.update({multiply(size, x)});
    } else if (f_.tensors.fused_gate_up && moment == compute_moment::feed_forward) {
      y = g_.make(size, {multiply(f32(rows * d_ff * 2), x)});
    } else {
      const tensor_id gate = multiply(size, x);
      const tensor_id up = multiply(size, x);
      y = g_.make(size, {gate, up});
    }
    return multiply(f32(rows * width()), y);
  }

  /// Router and routed experts; `after` is called once their sum is in the graph.
  template <class After>
  tensor_id mixture(tensor_id x, count rows, After after) {
    const expert_shape& e = *f_.model->shape.experts;
    const count used = e.n_experts_per_token;
    const graph_traits& t = f_.order;
    g_.moment = compute_moment::expert_routing;
    const std::int64_t all_scores = f32(rows * e.n_experts);
    const std::int64_t used_scores = f32(rows * used);

    tensor_id logits = multiply(all_scores, x);
    if (f_.tensors.router_logit_bias) logits = scale(logits);
    const tensor_id odds = t.softmax_after_selection ? logits : g_.update({logits});
    tensor_id selection = t.weights_before_experts ? logits : odds;
    if (f_.tensors.router_bias) selection = scale(odds);
    // a strided view of the sorted scores: from its first to its last element
    const tensor_id chosen = g_.view(g_.make(all_scores, {selection}), f32((rows - 1) * e.n_experts + used));
    tensor_id w = g_.make(used_scores, {g_.view(odds), chosen});
    if (t.softmax_after_selection) w = g_.view(g_.update({g_.view(w)}));
    if (t.normalised_weights) {
      const tensor_id shown = g_.view(w);
      const tensor_id sum = g_.update({g_.make(f32(rows), {shown})});
      w = g_.view(g_.update({shown, sum}));
    }
    if (t.scaled_weights) w = g_.update({w});

    g_.moment = compute_moment::experts;
    const count inner = e.d_latent > 0 ? count{e.d_latent} : width();
    tensor_id in = e.d_latent > 0 ? g_.view(multiply(f32(rows * inner), x)) : g_.view(x);
    if (t.weights_before_experts) in = g_.update({g_.make(f32(rows * used * inner), {in}), w});
    const std::int64_t ff = f32(rows * used * e.d_ff_expert);
    const auto product = [&](std::int64_t size, tensor_id from) {
      const tensor_id made = g_.make(size, {from, chosen}, at_.experts);
      return f_.tensors.expert_bias ? g_.update({made, chosen}, at_.experts) : made;
    };
    tensor_id y = no_tensor;
    if (t.gated_experts) {
      const tensor_id gate = product(ff, in);
      const tensor_id up = product(ff, in);
      y = g_.make(ff, {gate, up});
    } else {
      y = g_.update({product(ff, in)});
    }
    y = product(f32(rows * used * inner), y);
    if (!t.weights_before_experts) y = g_.update({y, w});

    // sum over the used experts: the first sum is a new tensor, the others are added to it
    const std::int64_t out = f32(rows * inner);
    const tensor_id first = g_.view(y, out);
    tensor_id sum = used == count{1} ? g_.make(out, {first}) : g_.make(out, {first, g_.view(y, out)});
    if (used > count{2}) sum = g_.update({sum, g_.view(y, out)});
    if (e.d_latent > 0) sum = multiply(f32(rows * width()), sum);
    after();
    if (e.d_ff_shared > 0) {
      tensor_id shared =
          feed_forward(x, e.d_ff_shared, rows, f_.tensors.gated_feed_forward, compute_moment::shared_expert);
      if (f_.tensors.shared_expert_gate) shared = g_.update({shared, g_.update({multiply(f32(rows), x)})});
      sum = g_.update({sum, shared});
    }
    return sum;
  }

 private:
  [[nodiscard]] count k_width() const { return count{at_.block->n_kv_heads} * at_.block->head_dim_k; }
  [[nodiscard]] count v_width() const { return count{at_.block->n_kv_heads} * at_.block->head_dim_v; }
  [[nodiscard]] bool rotates_k() const noexcept { return rotates(f_.options->type_k, at_.block->head_dim_k); }
  [[nodiscard]] bool rotates_v() const noexcept { return rotates(f_.options->type_v, at_.block->head_dim_v); }
  [[nodiscard]] bool windowed() const noexcept { return is_windowed(at_.block->mixer); }
  /// Cells of one stream, and of all.
  [[nodiscard]] count cells() const noexcept { return windowed() ? f_.context.window_cells : f_.context.cells; }
  [[nodiscard]] count all_cells() const { return cells() * f_.context.n_streams; }
  [[nodiscard]] tensor_id cache_id(tensor_id which) const noexcept {
    return static_cast<tensor_id>((windowed() ? input_window_cache : input_full_cache) + which);
  }
  [[nodiscard]] tensor_id rotation(tensor_id which) const noexcept { return cache_id(which); }

  [[nodiscard]] static std::int64_t type_bytes_of(ggml_type type, count row, count rows) {
    return (type_bytes(type, row) * rows).value();
  }

  /// Queries or keys after projection: norm and rotation write a new tensor, once.
  tensor_id heads(tensor_id projected, std::int64_t size, bool is_view, bool queries) {
    tensor_id y = projected;
    bool fresh = false;
    const qk_norm_kind kind = f_.tensors.qk_norm;
    const bool in_query = queries && f_.tensors.attention_gate == attention_gate_kind::in_query;
    if (kind == qk_norm_kind::whole) {
      y = norm(y, !is_view);
    } else if (kind != qk_norm_kind::none) {
      y = scale(g_.operation(size, {g_.view(y)}, graph_side::follow, true));
      fresh = true;
    }
    if (uses_rope(f_, *at_.block, at_.index)) {
      y = g_.operation(size, {fresh ? y : g_.view(y), input_positions}, graph_side::follow, true);
      fresh = true;
    } else if (f_.order.rope == rope_layers::windowed && f_.order.weights_before_experts && queries) {
      y = g_.operation(size, {fresh ? y : g_.view(y), input_attention_scale}, graph_side::follow, true);
      fresh = true;
    }
    if (!fresh && in_query) y = g_.view(y, size);
    return y;
  }
  tensor_id keys(tensor_id x, tensor_id fused) {
    const std::int64_t size = f32(tokens() * k_width());
    const bool is_view = fused != no_tensor;
    tensor_id k = heads(is_view ? g_.view(fused, size) : multiply(size, x), size, is_view, false);
    if (rotates_k()) k = g_.make(size, {rotation(cache_k_rotation), g_.view(k)});
    return k;
  }
  tensor_id values(tensor_id x, tensor_id fused) {
    const std::int64_t size = f32(tokens() * v_width());
    tensor_id v = fused != no_tensor ? g_.view(fused, size) : multiply(size, x);
    if (f_.order.value_norm) v = g_.operation(size, {g_.view(v)}, graph_side::follow, true);
    if (rotates_v()) v = g_.make(size, {rotation(cache_v_rotation), g_.view(v)});
    return v;
  }
  tensor_id scores(tensor_id q, tensor_id k) {
    const tensor_id kq = g_.make(f32(tokens() * at_.block->n_heads * cells()), {k, q});
    return g_.update({kq, cache_id(cache_mask)});
  }
  tensor_id attend(tensor_id q, tensor_id k, tensor_id v) {
    const layer& b = *at_.block;
    if (k != no_tensor) {
      g_.store(at_.cache, {g_.view(k), cache_id(cache_k_index)});
      g_.store(at_.cache, {g_.view(v), cache_id(cache_v_index)});
    }
    const std::int64_t k_bytes = at_.mixed ? type_bytes_of(f_.options->type_k, k_width(), all_cells()) : 0;
    const std::int64_t v_bytes = at_.mixed ? type_bytes_of(f_.options->type_v, v_width(), all_cells()) : 0;
    const tensor_id k_all = g_.cache(k_bytes, at_.cache);
    const tensor_id v_all = g_.cache(v_bytes, at_.cache);
    g_.moment = compute_moment::attention;
    const std::int64_t size = f32(tokens() * b.n_heads * b.head_dim_v);
    const tensor_id q_view = g_.view(q);
    if (f_.options->flash_attention) return g_.view(g_.make(size, {q_view, k_all, v_all, cache_id(cache_mask)}));
    const tensor_id weighted = g_.make(size, {v_all, scores(q_view, k_all)});
    return g_.make(size, {g_.view(weighted)});
  }
  tensor_id gated(tensor_id y, tensor_id gate) { return g_.update({y, g_.update({gate})}); }

  const graph_frame& f_;
  const layer_frame& at_;
  graph_tape& g_;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
