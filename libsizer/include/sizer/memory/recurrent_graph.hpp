#pragma once
/// @file
/// Writes the recurrent mixers of llama.cpp's compute graph on a tape: Mamba 1 and 2, gated delta net, Kimi delta
/// attention, gated short convolution. Each reads its convolution history and state rows out of the cache, runs the
/// micro-batch through them and writes the last ones back.
/// Source: `src/models/mamba-base.cpp`, `delta-net-base.cpp`, `qwen3next.cpp`, `qwen35.cpp`, `kimi-linear.cpp`,
/// `lfm2.cpp` of llama.cpp at unslothai/llama.cpp@d32676d77426 (2026-08); the fused gated-delta-net kernel is used
/// where it exists.

#include <array>
#include <cstdint>

#include <sizer/memory/layer_graph.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// f32 elements of one sequence's convolution history in a layer.
[[nodiscard]] inline count history_elements(const architecture& model, mixer_kind mixer) {
  const recurrent_shape& r = *model.shape.recurrent;
  const count steps = r.d_conv - 1;
  switch (mixer) {
    case mixer_kind::short_conv: return steps * model.shape.d_model;
    case mixer_kind::mamba1: return steps * r.d_inner;
    case mixer_kind::kimi_delta: return steps * r.d_inner * 3;
    default: return steps * (count{r.d_inner} + count{2} * r.n_groups * r.d_state);
  }
}

class recurrent_graph {
 public:
  explicit recurrent_graph(layer_graph& layer)
      : l_{layer}, g_{layer.tape()}, f_{layer.frame()}, at_{layer.place()}, r_{*f_.model->shape.recurrent} {}

  /// Rows of a cache for the sequences of the batch, on the cache's side.
  tensor_id state_rows(count elements_per_sequence, graph_side side) {
    const std::int64_t size = f32(elements_per_sequence * slots());
    const std::int64_t all = f32(elements_per_sequence * f_.context.state_copies);
    g_.store(side, {});  // a cleared state is written first
    const tensor_id cache = g_.cache(all, side);
    const tensor_id rows = g_.make(size, {cache, input_state_rows});
    g_.store(side, {g_.make(0, {cache, moved_rows()})});  // rows that only change place: none in the worst case
    return rows;
  }

  /// Mamba 1 or 2. `history`: rows already read; `after_store` is called once the new state is written.
  template <class AfterStore>
  tensor_id state_space(tensor_id x, tensor_id history, bool second, AfterStore after_store) {
    g_.moment = compute_moment::recurrent_scan;
    const count t = l_.tokens();
    const count inner = r_.d_inner;
    const count channels = second ? inner + count{2} * r_.n_groups * r_.d_state : inner;
    const std::int64_t inner_size = f32(t * inner);
    const std::int64_t state = f32(count{r_.d_state} * inner * slots());
    const count projected = second ? inner + channels + r_.n_heads : inner * 2;

    const tensor_id in = l_.multiply(f32(t * projected), g_.view(x));
    const tensor_id padded = convolution_input(history, in, channels);
    g_.store(at_.cache, {});
    tensor_id convolved = l_.multiply(f32(t * channels), padded);
    convolved = g_.update({l_.scale(convolved)});

    tensor_id scan = no_tensor;
    const std::int64_t scan_size = f32(t * inner + count{r_.d_state} * inner * slots());
    if (second) {
      const tensor_id dt = l_.scale(g_.make(f32(t * r_.n_heads), {g_.view(in)}));
      const tensor_id shown = g_.view(convolved);
      const tensor_id b = g_.view(convolved);
      const tensor_id c = g_.view(convolved);
      scan = g_.make(scan_size, {g_.cache(state, at_.cache), shown, dt, b, c, input_state_rows}, at_.weights);
      convolved = shown;
    } else {
      const tensor_id parameters = l_.multiply(f32(t * (count{r_.n_heads} + count{2} * r_.d_state)), convolved);
      tensor_id step = g_.view(parameters);
      tensor_id b = g_.view(parameters);
      tensor_id c = g_.view(parameters);
      if (f_.tensors.mamba_inner_norms) {
        step = inner_norm(step, t * r_.n_heads);
        b = inner_norm(b, t * r_.d_state);
        c = inner_norm(c, t * r_.d_state);
      }
      const tensor_id dt = l_.scale(l_.multiply(inner_size, step));
      scan =
          g_.make(scan_size, {g_.cache(state, at_.cache), g_.view(convolved), dt, b, c, input_state_rows}, at_.weights);
    }
    g_.store(at_.cache, {g_.make(0, {g_.cache(state, at_.cache), moved_rows()})});
    g_.store(at_.cache, {g_.view(scan, state)});
    after_store();

    g_.moment = compute_moment::recurrent_scan;
    const tensor_id z = g_.make(inner_size, {g_.view(in)});
    const tensor_id skip = g_.operation(inner_size, {convolved}, at_.weights, true);
    const tensor_id sum = g_.operation(inner_size, {g_.view(scan), skip}, graph_side::follow, true);
    tensor_id y = g_.make(inner_size, {z, sum});
    if (second && f_.tensors.mamba_norm) {
      y = g_.view(l_.scale(g_.operation(inner_size, {g_.view(y)}, graph_side::follow, true)));
    }
    return g_.view(l_.multiply(l_.hidden_size(), y));
  }

  /// Gated delta net (Qwen3-Next, Qwen3.5).
  tensor_id gated_delta_net(tensor_id x) {
    g_.moment = compute_moment::recurrent_scan;
    const count t = l_.tokens();
    const count inner = r_.d_inner;
    const count key = count{r_.n_groups} * r_.d_state;
    const count channels = inner + key * 2;
    const std::int64_t inner_size = f32(t * inner);
    const bool fused_rates = f_.tensors.delta_ba_fused;

    const tensor_id history = state_rows(history_elements(*f_.model, mixer_kind::gated_delta_net), at_.cache);
    const tensor_id in = l_.multiply(f32(t * channels), x);
    const tensor_id padded = convolution_input(history, in, channels);
    const tensor_id state = state_rows(count{r_.d_state} * inner, at_.cache);
    const tensor_id convolved = g_.update({l_.multiply(f32(t * channels), padded)});

    const auto unit_heads = [&] {
      tensor_id y = g_.make(f32(t * key), {g_.view(convolved)});
      if (f_.order.repeats_keys && r_.n_groups != r_.n_heads) {
        y = g_.view(g_.make(f32(t * r_.n_heads * r_.d_state), {g_.view(y)}));
      }
      return y;
    };
    const tensor_id q = unit_heads();
    const tensor_id k = unit_heads();

    const std::int64_t rates = f32(t * r_.n_heads);
    tensor_id decay = no_tensor;
    tensor_id beta = no_tensor;
    if (fused_rates) {
      const tensor_id both = l_.multiply(rates * 2, x);
      decay = l_.scale(g_.make(rates, {g_.view(both)}));
      decay = l_.scale(g_.update({decay}));
      beta = g_.view(g_.update({g_.make(rates, {g_.view(both)})}));
    } else {
      decay = g_.operation(rates, {g_.view(l_.multiply(rates, x))}, at_.weights, true);
      decay = l_.scale(g_.update({decay}));
      beta = g_.operation(rates, {g_.view(l_.multiply(rates, x))}, graph_side::follow, true);
    }
    const count snapshots = f_.context.state_copies;  // slots x (1 + roll-back copies)
    const tensor_id v = g_.view(convolved);
    const tensor_id decay_view = g_.view(decay);
    const tensor_id scan =
        g_.make(f32(t * inner + count{r_.d_state} * inner * snapshots), {q, k, v, decay_view, beta, g_.view(state)});
    g_.store(at_.cache, {g_.view(scan, f32(count{r_.d_state} * inner * snapshots))});

    tensor_id y = l_.scale(g_.operation(inner_size, {g_.view(scan)}, graph_side::follow, true));
    const tensor_id z = l_.multiply(inner_size, x);
    const tensor_id gate = g_.operation(inner_size, {g_.view(z)}, graph_side::follow, true);
    y = g_.update({y, gate});
    return g_.view(l_.multiply(l_.hidden_size(), g_.view(y)));
  }

  /// Kimi delta attention: three convolutions, decay and gate through narrow projections.
  tensor_id kimi_delta(tensor_id x) {
    g_.moment = compute_moment::recurrent_scan;
    const count t = l_.tokens();
    const count inner = r_.d_inner;
    const count heads = inner / r_.d_state;
    const std::int64_t inner_size = f32(t * inner);

    const tensor_id history = state_rows(history_elements(*f_.model, mixer_kind::kimi_delta), at_.cache);
    std::array<tensor_id, 3> padded{};
    for (tensor_id& p : padded) p = convolution_input(history, l_.multiply(inner_size, x), inner);
    const tensor_id state = state_rows(count{r_.d_state} * inner, at_.cache);
    std::array<tensor_id, 3> qkv{};
    for (std::size_t i = 0; i < 3; ++i) {
      const tensor_id convolved = l_.multiply(inner_size, padded[i]);
      const tensor_id active = g_.operation(inner_size, {g_.view(convolved)}, graph_side::follow, true);
      qkv[i] = i < 2 ? g_.make(inner_size, {g_.view(active)}) : g_.view(active);
    }
    tensor_id decay = l_.multiply(inner_size, l_.multiply(f32(t * r_.d_state), x));
    decay = g_.update({l_.scale(decay)});
    decay = g_.operation(inner_size, {g_.view(decay)}, at_.weights, true);
    const tensor_id rates = l_.multiply(f32(t * heads), x);
    const tensor_id beta = g_.operation(g_.at(rates).size, {g_.view(rates)}, graph_side::follow, true);
    const tensor_id decay_view = g_.view(decay);
    const tensor_id scan = g_.make(f32(t * inner + count{r_.d_state} * inner * slots()),
                                   {qkv[0], qkv[1], qkv[2], decay_view, beta, g_.view(state)});
    g_.store(at_.cache, {g_.view(scan, f32(count{r_.d_state} * inner * slots()))});

    const tensor_id out = g_.make(inner_size, {g_.view(scan)});
    tensor_id y = l_.scale(g_.operation(inner_size, {g_.view(out)}, graph_side::follow, true));
    tensor_id gate = l_.multiply(inner_size, l_.multiply(f32(t * r_.d_state), g_.view(x)));
    gate = g_.operation(inner_size, {g_.view(gate)}, graph_side::follow, true);
    y = g_.update({y, gate});
    return l_.multiply(l_.hidden_size(), g_.make(inner_size, {y}));
  }

  /// Gated short convolution (LFM2).
  template <class AfterStore>
  tensor_id short_convolution(tensor_id x, tensor_id history, AfterStore after_store) {
    g_.moment = compute_moment::short_convolution;
    const std::int64_t size = l_.hidden_size();
    const tensor_id in = l_.multiply(size * 3, g_.view(x));
    const tensor_id b = g_.view(in);
    const tensor_id gated = g_.operation(size, {b, g_.view(in)}, graph_side::follow, true);
    const tensor_id padded = convolution_input(history, gated, l_.width());
    after_store();
    g_.moment = compute_moment::short_convolution;
    const tensor_id convolved = l_.multiply(size, padded);
    const tensor_id y = g_.operation(size, {g_.view(in), convolved}, graph_side::follow, true);
    return g_.view(l_.multiply(size, y));
  }

 private:
  /// Indices of the states that only change place: an empty part of the same input, copied on its own.
  [[nodiscard]] tensor_id moved_rows() const noexcept { return f_.two_sides ? input_no_state_rows : input_state_rows; }
  [[nodiscard]] count slots() const noexcept { return f_.options->n_seq_max; }

  tensor_id inner_norm(tensor_id of, count elements) {
    return l_.scale(g_.operation(f32(elements), {of}, graph_side::follow, true));
  }

  /// History in front of the new columns, and the last columns back into the cache.
  tensor_id convolution_input(tensor_id history, tensor_id in, count channels) {
    const count steps = r_.d_conv - 1;
    const count columns = steps + l_.tokens() / slots();
    const tensor_id padded = g_.make(f32(columns * channels * slots()), {g_.view(history), g_.view(in)});
    // a strided view: from its first to its last element
    const count reach = (steps - 1) + (channels - 1) * columns + (slots() - 1) * columns * channels + 1;
    g_.store(at_.cache, {g_.view(padded, f32(reach))});
    return padded;
  }

  layer_graph& l_;
  graph_tape& g_;
  const graph_frame& f_;
  const layer_frame& at_;
  const recurrent_shape& r_;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
