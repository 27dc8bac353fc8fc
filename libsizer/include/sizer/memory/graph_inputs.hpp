#pragma once
/// @file
/// The inputs of llama.cpp's compute graph (tokens, positions, cache indices, masks): their sizes, who reads them last
/// on which side, and which of them one split on the device copies for the layers behind it. Source:
/// `src/llama-graph.cpp` and `src/llama-kv-cache.cpp` of llama.cpp, `ggml/src/ggml-backend.cpp`, at
/// unslothai/llama.cpp@d32676d77426 (2026-08).

#include <algorithm>
#include <array>
#include <cstdint>

#include <sizer/memory/layer_graph.hpp>
#include <sizer/model/architecture.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

class graph_inputs {
 public:
  graph_inputs(const architecture& model, const llama_cpp_options& options, bool with_device) {
    f_.model = &model;
    f_.options = &options;
    f_.context = resolve(options, model);
    f_.tensors = traits_of(model.shape);
    f_.order = graph_traits_of(model.shape.family);
    f_.tokens = round_up(std::min(f_.context.n_ctx, f_.context.n_ubatch), options.n_seq_max).value();
    f_.outputs = std::min(f_.tokens, f_.context.n_outputs);
    n_layers_ = static_cast<std::int64_t>(model.layers.size());
    f_.two_sides = with_device && options.n_gpu_layers != 0;
    first_device_ = f_.two_sides ? std::min(first_device_layer(model, options), n_layers_) : n_layers_ + 1;
    survey();
  }

 protected:
  [[nodiscard]] const layer& block(std::int64_t i) const { return f_.model->layers[static_cast<std::size_t>(i)]; }
  /// Side of a layer's weights; n_layers_ is the output head, -1 the embedding.
  [[nodiscard]] graph_side side(std::int64_t i) const noexcept {
    return i >= first_device_ ? graph_side::device : graph_side::host;
  }
  [[nodiscard]] graph_side cache_side(std::int64_t i) const noexcept {
    return f_.options->offload_kqv ? side(i) : graph_side::host;
  }
  [[nodiscard]] static tensor_id cache_input_of(const layer& b, tensor_id which) noexcept {
    return static_cast<tensor_id>((is_windowed(b.mixer) ? input_window_cache : input_full_cache) + which);
  }

  /// Bits of what a layer reads; layers with equal bits read the same inputs.
  [[nodiscard]] std::uint32_t features(std::int64_t i) const noexcept {
    const layer& b = block(i);
    std::uint32_t bits = 0;
    if (has_attention(b.mixer)) {
      bits |= is_windowed(b.mixer) ? 1U : b.mixer == mixer_kind::latent ? 2U : 4U;
      bits |= uses_rope(f_, b, i) ? 8U : 16U;
    }
    if (is_recurrent(b.mixer)) bits |= 32U;
    return bits;
  }

  [[nodiscard]] static bool takes_history(mixer_kind mixer) noexcept {
    return mixer == mixer_kind::mamba1 || mixer == mixer_kind::mamba2 || mixer == mixer_kind::short_conv;
  }
  /// Convolution histories of Mamba and short convolutions are read as soon as nothing older is left to compute, which
  /// is inside an earlier layer: the next such layer after i, or -1.
  [[nodiscard]] std::int64_t read_ahead(std::int64_t i) const {
    for (std::int64_t j = i + 1; j < n_layers_; ++j) {
      if (takes_history(block(j).mixer)) return j;
      if (block(j).mixer != mixer_kind::none || block(j).feed_forward == feed_forward_kind::moe) return -1;
    }
    return -1;
  }

  /// What the layers behind layer i read. Changes at few layers only.
  [[nodiscard]] const later_readers& readers_after(std::int64_t i) noexcept {
    if (i < later_until_) return later_;
    later_ = {};
    later_until_ = n_layers_ + 2;
    for (std::size_t input = 0; input < n_graph_inputs; ++input) {
      if (last_[input].host > i) {
        later_.host |= 1U << input;
        later_until_ = std::min(later_until_, last_[input].host);
      }
      if (last_[input].device > i) {
        later_.device |= 1U << input;
        later_until_ = std::min(later_until_, last_[input].device);
      }
    }
    return later_;
  }

  /// What the last split of layer i copies for later layers. With every cache and weight of the device's layers on the
  /// device, that split reaches to the end of the graph; else to where the next layer turns to the host.
  [[nodiscard]] input_list reached_after(std::int64_t i) const noexcept {
    input_list list;
    if (!f_.two_sides || i < first_device_ - 1) return list;
    if (f_.options->offload_kqv && i + 1 >= f_.options->n_cpu_moe) return all_device_inputs_;
    if (i + 1 < n_layers_) {
      add_inputs_of(i + 1, !f_.options->offload_kqv, list);
      const bool picks_next = i + 2 == n_layers_ && f_.order.output_rows == output_rows_at::last_attention;
      if (picks_next && f_.options->offload_kqv) list.add(input_outputs);
    } else {
      list.add(input_outputs);
    }
    return list;
  }

  /// Inputs take their place before anything else, in the order the graph first reads them, and keep it to the last
  /// reader.
  void declare_inputs(graph_tape& tape, graph_arena& host) const {
    const auto declare = [&](tensor_id input, count size) {
      if (tape.is_declared(input)) return;
      tape.declare(input, size.value(), size == count{0} ? 0 : host.take(size.value(), compute_moment::inputs));
    };
    const count t = f_.tokens;
    const bool flash = f_.options->flash_attention;
    declare(input_tokens, t * 4);
    declare(input_embeddings, f32(t * f_.model->shape.d_model));
    for (std::size_t mark = 0; mark < n_landmarks_; ++mark) {
      const std::int64_t i = landmarks_[mark];
      const layer& b = block(i);
      if (has_attention(b.mixer)) {
        const bool latent = b.mixer == mixer_kind::latent;
        const bool rope = uses_rope(f_, b, i);
        if (f_.order.weights_before_experts && !rope) declare(input_attention_scale, t * 4);
        if (!latent && rotates(f_.options->type_k, b.head_dim_k)) {
          declare(cache_input_of(b, cache_k_rotation), rotation_elements(b.head_dim_k) * 4);
        }
        if (rope) declare(input_positions, t * 4 * f_.order.positions_per_token);
        if (!latent && rotates(f_.options->type_v, b.head_dim_v)) {
          declare(cache_input_of(b, cache_v_rotation), rotation_elements(64) * 4);
        }
        declare(cache_input_of(b, cache_k_index), t * 8);
        // without flash attention V is stored transposed, one index per element
        if (!latent) declare(cache_input_of(b, cache_v_index), t * 8 * (flash ? 1 : f_.widest_v));
        const count cells = is_windowed(b.mixer) ? f_.context.window_cells : f_.context.cells;
        declare(cache_input_of(b, cache_mask), t * cells * (flash ? 2 : 4));
      }
      if (is_recurrent(b.mixer)) {
        declare(input_state_rows, count{f_.options->n_seq_max} * 4);
        declare(input_no_state_rows, 0);
      }
    }
    declare(input_outputs, count{f_.outputs} * 4);
  }

  graph_frame f_;
  std::int64_t n_layers_ = 0;
  std::int64_t first_device_ = 0;  ///< first layer on the device
  input_list all_device_inputs_{};

 private:
  struct last_readers {
    std::int64_t host = -1;
    std::int64_t device = -1;
  };

  void reads(std::int64_t i, tensor_id input, graph_side where) noexcept {
    last_readers& last = last_[static_cast<std::size_t>(input)];
    std::int64_t& reader = where == graph_side::device ? last.device : last.host;
    reader = std::max(reader, i);
  }

  /// Inputs that layer i reads, for the survey of last readers.
  void note_readers(std::int64_t i) noexcept {
    const layer& b = block(i);
    if (has_attention(b.mixer)) {
      reads(i, uses_rope(f_, b, i) ? input_positions : input_attention_scale, side(i));
      for (const tensor_id which : {cache_k_rotation, cache_v_rotation, cache_mask}) {
        reads(i, cache_input_of(b, which), side(i));
      }
      for (const tensor_id which : {cache_k_index, cache_v_index}) reads(i, cache_input_of(b, which), cache_side(i));
    }
    if (is_recurrent(b.mixer)) {
      // a short convolution reads its history inside an earlier layer, and nothing else
      std::int64_t reader = i;
      if (b.mixer == mixer_kind::short_conv && i > 0) {
        --reader;
        while (reader > 0 && block(reader).mixer == mixer_kind::none &&
               block(reader).feed_forward != feed_forward_kind::moe) {
          --reader;
        }
      }
      for (const tensor_id input : {input_state_rows, input_no_state_rows}) reads(reader, input, side(i));
    }
  }

  /// One look at the layers: what they read first, and who is the last to read an input on either side.
  void survey() {
    std::uint32_t seen = 0;
    for (std::int64_t i = 0; i < n_layers_; ++i) {
      const layer& b = block(i);
      if (has_attention(b.mixer) && b.mixer != mixer_kind::latent) {
        f_.widest_v = std::max(f_.widest_v, std::int64_t{b.n_kv_heads} * b.head_dim_v);
      }
      const std::uint32_t bits = features(i);
      if ((bits & ~seen) == 0) continue;
      seen |= bits;
      landmarks_[n_landmarks_++] = i;
    }
    f_.queries_first = (seen & 1U) != 0;
    const auto last_of = [&](std::int64_t from, std::int64_t to) {
      std::uint32_t done = 0;
      for (std::int64_t i = to; i-- > from && done != seen;) {
        const std::uint32_t bits = features(i);
        if ((bits & ~done) == 0) continue;
        done |= bits;
        note_readers(i);
      }
    };
    const std::int64_t boundary = std::min(first_device_, n_layers_);
    last_of(0, boundary);
    last_of(boundary, n_layers_);
    const std::int64_t picks = f_.order.output_rows == output_rows_at::last_attention ? n_layers_ - 1 : n_layers_;
    reads(picks, input_outputs, side(picks));
    if (f_.two_sides) {
      std::uint32_t copied = 0;
      for (std::int64_t i = boundary; i < n_layers_ && copied != seen; ++i) {
        const std::uint32_t bits = features(i);
        if ((bits & ~copied) == 0) continue;
        copied |= bits;
        add_inputs_of(i, false, all_device_inputs_);
      }
      if (picks >= first_device_) all_device_inputs_.add(input_outputs);
      last_[input_state_rows].host = n_layers_ + 1;
    }
    last_[input_embeddings].host = n_layers_ + 1;  // reserved for callers that bring embeddings: nobody reads it
  }

  /// Adds the inputs that layer i reads on the device, in the order it reads them. `before_store`: only those in front
  /// of the cache write.
  void add_inputs_of(std::int64_t i, bool before_store, input_list& list) const noexcept {
    const layer& b = block(i);
    const auto add = [&](tensor_id input) { list.add(input); };
    const bool state_first = is_recurrent(b.mixer) && b.mixer != mixer_kind::full_and_mamba2;
    if (state_first && !before_store) {
      add(input_state_rows);
      add(input_no_state_rows);
    }
    if (has_attention(b.mixer)) {
      const bool latent = b.mixer == mixer_kind::latent;
      if (!latent) add(cache_input_of(b, cache_k_rotation));
      add(uses_rope(f_, b, i) ? input_positions : input_attention_scale);
      if (!latent) add(cache_input_of(b, cache_v_rotation));
      if (before_store) return;
      add(cache_input_of(b, cache_k_index));
      if (!latent) add(cache_input_of(b, cache_v_index));
      add(cache_input_of(b, cache_mask));
    }
    if (b.mixer == mixer_kind::full_and_mamba2) {
      add(input_state_rows);
      add(input_no_state_rows);
    }
  }

  /// Rotation of a quantised cache: the largest power of two that divides the head for keys, 64 for values.
  [[nodiscard]] static count rotation_elements(std::int32_t head_dim) noexcept {
    std::int64_t n = 64;
    while (head_dim % (n * 2) == 0) n *= 2;
    return count{n * n};
  }

  std::array<last_readers, n_graph_inputs> last_{};
  later_readers later_;
  std::int64_t later_until_ = -2;  ///< `later_` holds for the layers in front of this one
  std::size_t n_landmarks_ = 0;
  std::array<std::int64_t, 8> landmarks_{};  ///< layers that read something no layer before them reads
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
