#pragma once
/// @file
/// llama.cpp's compute graph, layer by layer, through ggml's allocator (memory/compute_buffer.hpp says what for).
/// Source: `src/llama-context.cpp`, `src/llama-graph.cpp` and `src/models/*.cpp` of llama.cpp at
/// unslothai/llama.cpp@d32676d77426 (2026-08).

#include <algorithm>
#include <array>
#include <cstdint>

#include <sizer/memory/graph_inputs.hpp>
#include <sizer/memory/layer_graph.hpp>
#include <sizer/memory/recurrent_graph.hpp>
#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Walks the layers of one model and keeps the two arenas.
class compute_graph : private graph_inputs {
 public:
  compute_graph(const architecture& model, const llama_cpp_options& options, bool with_device)
      : graph_inputs{model, options, with_device} {}

  void run() {
    declare_inputs(tape_, arenas_[1]);
    embed();
    for (std::int64_t i = 0; i < n_layers_; ++i) advance(i);
    head();
  }

  [[nodiscard]] const graph_arena& device() const noexcept { return arenas_[0]; }
  [[nodiscard]] const graph_arena& host() const noexcept { return arenas_[1]; }

 private:
  void embed() {
    tape_.clear();
    tape_.moment = compute_moment::embedding;
    const tensor_id x = tape_.make(f32(count{f_.tokens} * f_.model->shape.d_model), {input_tokens}, graph_side::host);
    tape_.run(arenas_, f_.two_sides, graph_side::host, side(0), {x, no_tensor}, readers_after(-1), input_list{});
    tape_.carry_over(x, tape_hidden);
  }

  /// What decides a layer's run, together with the free blocks it starts from.
  struct layer_key {  // NOLINT(cppcoreguidelines-pro-type-member-init): always made whole, but in seen_
    const layer* block;
    std::int64_t ahead;  ///< distance to the layer whose history is read ahead; -1: none
    bool rope;
    bool experts_on_host, next_experts_on_host;
    std::uint32_t copied;      ///< inputs that have a copy on the device
    std::uint32_t next_reads;  ///< what the next layer reads, where that decides what is copied
    graph_side side_before, side_here, side_after, side_ahead;
    later_readers later;
    std::int64_t hidden, carried;  ///< offsets

    [[nodiscard]] bool equals(const layer_key& o) const noexcept {
      return hidden == o.hidden && carried == o.carried && ahead == o.ahead && rope == o.rope &&
             experts_on_host == o.experts_on_host && next_experts_on_host == o.next_experts_on_host &&
             copied == o.copied && next_reads == o.next_reads && side_before == o.side_before &&
             side_here == o.side_here && side_after == o.side_after && side_ahead == o.side_ahead &&
             later.host == o.later.host && later.device == o.later.device && *block == *o.block;
    }
  };
  struct seen_layer {  // NOLINT(cppcoreguidelines-pro-type-member-init): clearing all of seen_ costs time
    layer_key key;
    std::array<graph_arena::snapshot, 2> before, after;
    graph_tensor hidden, carried;
    bool has_carried;
  };

  /// Runs layer i, or repeats what an equal layer did from the same free blocks.
  void advance(std::int64_t i) {
    const bool last = i == n_layers_ - 1;
    const std::int64_t ahead = read_ahead(i);
    const layer& b = block(i);
    const layer_key key{&b,
                        ahead < 0 ? -1 : ahead - i,
                        has_attention(b.mixer) && uses_rope(f_, b, i),
                        i < f_.options->n_cpu_moe,
                        i + 1 < f_.options->n_cpu_moe,
                        f_.two_sides ? tape_.copied_inputs() : 0U,
                        f_.two_sides && !last ? features(i + 1) : 0U,
                        side(i - 1),
                        side(i),
                        side(i + 1),
                        ahead < 0 ? graph_side::host : side(ahead),
                        readers_after(i),
                        tape_.at(tape_hidden).offset,
                        has_carried_ ? tape_.at(tape_carried).offset : -1};
    // The first layers bring the copies of the inputs: not to be repeated.
    const bool repeatable = !last && i > 0 && i + 2 != n_layers_ && side(i - 1) == side(i) && side(i) == side(i + 1);
    if (repeatable) {
      for (std::size_t s = n_seen_; s-- > 0;) {
        const seen_layer& done = seen_[s];
        if (!done.key.equals(key) || !arenas_[0].equals(done.before[0]) || !arenas_[1].equals(done.before[1])) continue;
        arenas_[0].restore(done.after[0]);
        arenas_[1].restore(done.after[1]);
        tape_.at(tape_hidden) = done.hidden;
        tape_.at(tape_carried) = done.carried;
        has_carried_ = done.has_carried;
        return;
      }
    }
    const bool remember = repeatable && n_seen_ < seen_.size();
    if (remember) {
      seen_[n_seen_].key = key;
      arenas_[0].save(seen_[n_seen_].before[0]);
      arenas_[1].save(seen_[n_seen_].before[1]);
    }
    run_layer(i, ahead, last);
    if (remember) {
      seen_layer& done = seen_[n_seen_];
      arenas_[0].save(done.after[0]);
      arenas_[1].save(done.after[1]);
      done.hidden = tape_.at(tape_hidden);
      done.carried = tape_.at(tape_carried);
      done.has_carried = has_carried_;
      if (done.before[0].is_complete() && done.before[1].is_complete() && done.after[0].is_complete() &&
          done.after[1].is_complete()) {
        ++n_seen_;
      }
    }
  }

  void run_layer(std::int64_t i, std::int64_t ahead, bool last) {
    const layer& b = block(i);
    layer_frame at;
    at.block = &b;
    at.index = i;
    at.weights = side(i);
    at.cache = cache_side(i);
    at.experts = i < f_.options->n_cpu_moe ? graph_side::host : side(i);
    const bool reads_elsewhere = ahead >= 0 && cache_side(ahead) != at.cache;
    at.mixed = at.cache != at.weights || reads_elsewhere;

    tape_.clear();
    layer_graph l{f_, at, tape_};
    const bool picks_rows = last && f_.order.output_rows == output_rows_at::last_attention;
    const bool experts = b.feed_forward == feed_forward_kind::moe;
    const bool summed_first = f_.order.residual_first;
    count rows = f_.tokens;

    tensor_id carried = has_carried_ ? tape_carried : no_tensor;
    tensor_id early_rows = no_tensor;
    // Called where everything so far has been put into the graph.
    const auto reached = [&] {
      if (ahead >= 0 && carried == no_tensor) {
        recurrent_graph next{l};
        carried = next.state_rows(history_elements(*f_.model, block(ahead).mixer), cache_side(ahead));
      }
      if (picks_rows && summed_first) early_rows = l.wanted_rows(tape_hidden);
    };
    const auto reached_mixer = [&] {
      if (!experts) reached();
    };
    const auto sum = [&](tensor_id residual, tensor_id y) {
      return summed_first ? tape_.update({residual, y}) : tape_.update({y, residual});
    };

    tensor_id history = no_tensor;
    if (takes_history(b.mixer)) {
      if (carried == no_tensor) {
        tape_.moment = compute_moment::recurrent_scan;
        recurrent_graph own{l};
        history = own.state_rows(history_elements(*f_.model, b.mixer), at.cache);
      } else {
        history = carried;
      }
      carried = no_tensor;
    }

    tensor_id x = tape_hidden;
    tensor_id y = no_tensor;
    tensor_id residual = tape_hidden;
    tape_.moment = compute_moment::projections;
    const tensor_id normed = f_.tensors.attn_norm && b.mixer != mixer_kind::none ? l.norm(x) : x;
    switch (b.mixer) {
      case mixer_kind::none: break;
      case mixer_kind::full:
      case mixer_kind::sliding:
      case mixer_kind::chunked: {
        const layer_graph::queries_and_output core = l.attention_core(normed);
        if (f_.order.parallel_block) {
          finish(i, parallel_feed_forward(l, core, normed, rows, picks_rows), no_tensor, ahead);
          return;
        }
        reached_mixer();
        y = l.attention_tail(core);
        break;
      }
      case mixer_kind::latent: y = l.latent_attention(normed); break;
      case mixer_kind::mamba1: y = recurrent_graph{l}.state_space(normed, history, false, reached_mixer); break;
      case mixer_kind::mamba2: y = recurrent_graph{l}.state_space(normed, history, true, reached_mixer); break;
      case mixer_kind::gated_delta_net: y = recurrent_graph{l}.gated_delta_net(normed); break;
      case mixer_kind::kimi_delta: y = recurrent_graph{l}.kimi_delta(normed); break;
      case mixer_kind::short_conv: y = recurrent_graph{l}.short_convolution(normed, history, reached_mixer); break;
      case mixer_kind::full_and_mamba2: {
        const layer_graph::queries_and_output core = l.attention_core(normed);
        recurrent_graph r{l};
        const tensor_id rows_read = r.state_rows(history_elements(*f_.model, b.mixer), at.cache);
        tensor_id attended = no_tensor;
        const tensor_id scanned = r.state_space(l.norm(x), rows_read, true, [&] { attended = l.attention_tail(core); });
        x = tape_.update({tape_.update({attended, scanned}), residual});
        if (picks_rows) {
          x = l.wanted_rows(x);
          rows = f_.outputs;
        }
        break;
      }
    }
    if (b.mixer != mixer_kind::none && b.mixer != mixer_kind::full_and_mamba2) {
      if (picks_rows) {
        y = l.wanted_rows(y);
        residual = early_rows != no_tensor ? early_rows : l.wanted_rows(residual);
        rows = f_.outputs;
      }
      if (f_.tensors.post_attention_norm && f_.tensors.ffn_norm) y = l.norm(y);
      x = sum(residual, y);
    }
    if (b.feed_forward != feed_forward_kind::none) {
      residual = x;
      tape_.moment = compute_moment::feed_forward;
      const bool has_norm = f_.tensors.ffn_norm || f_.tensors.post_attention_norm || b.mixer == mixer_kind::none;
      const bool only_after = f_.tensors.post_attention_norm && !f_.tensors.attn_norm;  // OLMo 2, EXAONE 4
      const tensor_id in = has_norm && !only_after ? l.norm(x) : x;
      if (experts) {
        y = l.mixture(in, rows, reached);
        if (f_.tensors.dense_beside_experts && b.d_ff > 0) {
          y = tape_.update({y, l.feed_forward(in, b.d_ff, rows, true, compute_moment::feed_forward)});
        }
      } else {
        y = l.feed_forward(in, b.d_ff, rows, f_.tensors.gated_feed_forward, compute_moment::feed_forward);
      }
      if (f_.tensors.post_ffw_norm) y = l.norm(y);
      x = sum(residual, y);
    }
    finish(i, x, carried, ahead);
  }

  /// Attention and feed-forward part side by side; the attention output is projected last.
  tensor_id parallel_feed_forward(layer_graph& l, const layer_graph::queries_and_output& core, tensor_id normed,
                                  count rows, bool picks_rows) {
    tensor_id residual = tape_hidden;
    if (picks_rows) {
      normed = l.wanted_rows(normed);
      rows = f_.outputs;
    }
    tensor_id y = l.feed_forward(normed, l.place().block->d_ff, rows, f_.tensors.gated_feed_forward,
                                 compute_moment::feed_forward);
    if (picks_rows) residual = l.wanted_rows(residual);
    y = tape_.update({y, residual});
    tensor_id attended = l.attention_tail(core);
    if (picks_rows) attended = l.wanted_rows(attended);
    return tape_.update({y, attended});
  }

  void finish(std::int64_t i, tensor_id x, tensor_id carried, std::int64_t ahead) {
    const graph_side here = side(i);
    const bool uniform = side(i - 1) == here && side(i + 1) == here && (ahead < 0 || side(ahead) == here) &&
                         f_.options->offload_kqv && i > f_.options->n_cpu_moe &&
                         (here == graph_side::host || tape_.all_copied(all_device_inputs_));
    if (f_.two_sides && uniform) {
      tape_.run_on(arenas_, here, {x, carried}, readers_after(i));
      hand_over(x, carried);
      return;
    }
    input_list reached = reached_after(i);
    // a history that was read ahead on the host is copied in the split that the next layer starts in
    if (!f_.options->offload_kqv && side(i + 1) == graph_side::device && carried >= tape_first) reached.add(carried);
    tape_.run(arenas_, f_.two_sides, side(i - 1), side(i + 1), {x, carried}, readers_after(i), reached);
    hand_over(x, carried);
  }

  void hand_over(tensor_id x, tensor_id carried) noexcept {
    tape_.carry_over(x, tape_hidden);
    if (carried != no_tensor && carried != tape_carried) tape_.carry_over(carried, tape_carried);
    tape_.at(tape_carried).copied = no_tensor;
    has_carried_ = carried != no_tensor;
  }

  void head() {
    layer_frame at;
    at.weights = side(n_layers_);
    at.cache = at.experts = at.weights;
    tape_.clear();
    layer_graph l{f_, at, tape_};
    tensor_id x = tape_hidden;
    tensor_id hidden = no_tensor;  // what a draft model would read is an output too, and stays
    if (f_.order.output_rows == output_rows_at::before_norm) {
      hidden = x;
      x = l.wanted_rows(x);
    }
    tape_.moment = compute_moment::output_rows;
    x = l.norm(x);
    if (f_.order.output_rows == output_rows_at::after_norm) {
      hidden = x;
      x = l.wanted_rows(x);
    }
    tape_.moment = compute_moment::logits;
    x = l.multiply(f32(count{f_.outputs} * f_.model->shape.vocab_size), x);
    tape_.run(arenas_, f_.two_sides, side(n_layers_ - 1), at.weights, {x, hidden}, readers_after(n_layers_),
              input_list{});
  }

  std::array<graph_arena, 2> arenas_;  ///< device, host
  graph_tape tape_;
  bool has_carried_ = false;  ///< a convolution history has been read ahead
  std::size_t n_seen_ = 0;
  std::array<seen_layer, 24> seen_;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
