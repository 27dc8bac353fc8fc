#pragma once
/// @file
/// One layer of a compute graph as a list of tensors in the order they are computed, and what it takes from the arenas.
///
/// Lifetimes follow from the list: a tensor lives from its own line to the last line that reads it or a view of it. An
/// operation that may work in place takes over the block of its first operand that nobody else needs any more. When the
/// graph runs on two sides, each change of side starts a split; what a split reads from the other side is copied when
/// the split starts, all of it at once. Source: behaviour of ggml `src/ggml-alloc.c` and `src/ggml-backend.cpp`, read
/// at unslothai/llama.cpp@d32676d77426.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include <sizer/detail/count.hpp>
#include <sizer/error.hpp>
#include <sizer/memory/graph_arena.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Index of a tensor in a tape.
using tensor_id = std::int16_t;
inline constexpr tensor_id no_tensor = -1;

/// Where a tensor is computed. An operation without weights follows its neighbours.
enum class graph_side : std::uint8_t { device, host, follow };

/// Inputs of a graph, first in every tape. The full and the sliding-window cache have their own set.
inline constexpr tensor_id input_tokens = 0;
inline constexpr tensor_id input_embeddings = 1;
inline constexpr tensor_id input_positions = 2;
inline constexpr tensor_id input_state_rows = 3;
inline constexpr tensor_id input_attention_scale = 4;
inline constexpr tensor_id input_full_cache = 5;
inline constexpr tensor_id input_window_cache = 10;
inline constexpr tensor_id input_outputs = 15;
inline constexpr tensor_id input_no_state_rows =
    16;  ///< rows of states that only change place; empty in the worst case
inline constexpr tensor_id n_graph_inputs = 17;
/// Offset inside input_full_cache or input_window_cache.
inline constexpr tensor_id cache_k_rotation = 0;
inline constexpr tensor_id cache_v_rotation = 1;
inline constexpr tensor_id cache_k_index = 2;
inline constexpr tensor_id cache_v_index = 3;
inline constexpr tensor_id cache_mask = 4;

/// Tensors that cross from one layer into the next.
inline constexpr tensor_id tape_hidden = 2 * n_graph_inputs;       ///< the residual stream
inline constexpr tensor_id tape_carried = 2 * n_graph_inputs + 1;  ///< convolution history read ahead for a later layer
inline constexpr tensor_id tape_first = 2 * n_graph_inputs + 2;

/// No default values: a tape has room for many, and writes each before it is read.
struct graph_tensor {
  enum class kind : std::uint8_t { absent, input, cache, view, operation, store, copy };

  std::int64_t size;    ///< bytes
  std::int64_t offset;  ///< bytes from the start of its arena, while live
  std::array<tensor_id, 6> reads;
  std::uint8_t n_reads;
  kind what;
  graph_side side;
  compute_moment moment;
  bool in_place;
  bool live;
  bool carries_copy;   ///< the next layer reads the copy
  std::int16_t uses;   ///< reads still to come
  std::int16_t views;  ///< views still in use
  tensor_id root;      ///< of a view: whose memory it shows
  tensor_id copied;    ///< its copy on the other side

  [[nodiscard]] static graph_tensor make(kind what, std::int64_t size, graph_side side,
                                         compute_moment moment) noexcept {
    return {size, 0, {}, 0, what, side, moment, false, false, false, 0, 0, no_tensor, no_tensor};
  }
};

/// Which inputs the layers behind this one read (bit per input), and where.
struct later_readers {
  std::uint32_t host = 0;
  std::uint32_t device = 0;
};

/// Inputs that the last split of a layer copies for the layers that it reaches into, in that order.
struct input_list {
  std::array<tensor_id, n_graph_inputs + 1> ids{};
  std::size_t n = 0;

  void add(tensor_id input) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
      if (ids[i] == input) return;
    }
    ids[n++] = input;
  }
};

/// The tensors of one layer. Reused from layer to layer; holds no heap memory.
class graph_tape {
 public:
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only what has been made is read
  graph_tape() noexcept {
    for (tensor_id id = 0; id < tape_first; ++id) {
      at(id) = graph_tensor::make(graph_tensor::kind::absent, 0, graph_side::follow, compute_moment::nothing);
    }
  }

  compute_moment moment = compute_moment::nothing;  ///< given to the operations that follow

  /// An input of the graph, at its place on the host.
  void declare(tensor_id input, std::int64_t size, std::int64_t offset) noexcept {
    graph_tensor& tensor = at(input);
    tensor = graph_tensor::make(graph_tensor::kind::input, size, graph_side::host, compute_moment::inputs);
    tensor.offset = offset;
    tensor.live = size > 0;
  }
  [[nodiscard]] bool is_declared(tensor_id input) const noexcept {
    return at(input).what != graph_tensor::kind::absent;
  }

  /// A result that was copied for the next layer is known by its copy.
  [[nodiscard]] tensor_id carried_copy(tensor_id id) const noexcept {
    return id >= tape_first && at(id).copied != no_tensor && at(id).carries_copy ? at(id).copied : id;
  }
  /// A result of the last layer becomes an input of the next.
  void carry_over(tensor_id result, tensor_id slot) noexcept {
    at(slot) = at(carried_copy(result));
    at(slot).carries_copy = false;
    at(slot).what = graph_tensor::kind::input;
    at(slot).n_reads = 0;
    at(slot).copied = no_tensor;
  }

  /// Forgets the layer, keeps inputs, their copies and the crossing tensors.
  void clear() noexcept {
    n_ = tape_first;
    n_scheduled_ = 0;
  }

  [[nodiscard]] graph_tensor& at(tensor_id id) noexcept { return tensors_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] const graph_tensor& at(tensor_id id) const noexcept { return tensors_[static_cast<std::size_t>(id)]; }

  /// An operation of `size` bytes. `side`: where its weight or cache lives, `follow` without one.
  tensor_id operation(std::int64_t size, std::initializer_list<tensor_id> reads, graph_side side, bool in_place) {
    const tensor_id id = append(graph_tensor::kind::operation, size, reads, side);
    at(id).in_place = in_place;
    return id;
  }
  /// A matrix product, or any operation that cannot work in place.
  tensor_id make(std::int64_t size, std::initializer_list<tensor_id> reads, graph_side side = graph_side::follow) {
    return operation(size, reads, side, false);
  }
  /// An element-wise operation, as large as its first operand.
  tensor_id update(std::initializer_list<tensor_id> reads, graph_side side = graph_side::follow) {
    return operation(at(*reads.begin()).size, reads, side, true);
  }
  tensor_id view(tensor_id of) { return view(of, at(of).size); }
  tensor_id view(tensor_id of, std::int64_t size) {
    const tensor_id id = append(graph_tensor::kind::view, size, {of}, graph_side::follow);
    const graph_tensor& source = at(of);
    at(id).root = source.what == graph_tensor::kind::view ? source.root : of;
    return id;
  }
  /// A tensor that lives in a cache, outside the arenas.
  tensor_id cache(std::int64_t size, graph_side side) {
    const tensor_id id = append(graph_tensor::kind::cache, size, {}, side);
    return id;
  }
  /// A write into a cache on `side`; needs no memory of its own.
  void store(graph_side side, std::initializer_list<tensor_id> reads) {
    append(graph_tensor::kind::store, 0, reads, side);
  }

  /// Runs the layer: takes and gives memory of `arenas` (device, host).
  /// @param two_sides  some part runs on a device and some on the host
  /// @param before     side of the last bound operation before this layer
  /// @param after      side of the first bound operation after it
  /// @param kept       tensors that outlive the layer; `no_tensor` for none
  /// @param reached    inputs that layers behind this one read in its last split
  void run(std::array<graph_arena, 2>& arenas, bool two_sides, graph_side before, graph_side after,
           std::array<tensor_id, 2> kept, const later_readers& later, const input_list& reached) {
    if (two_sides) {
      bind(before, after);
      split(reached);
      count_reads(kept, later);
      for (std::size_t i = 0; i < n_scheduled_; ++i) compute(arenas, order_[i]);
    } else {
      run_on(arenas, graph_side::host, kept, later);
    }
  }

  /// Runs a layer of which every part is on one side and, on the device, every input has been copied.
  void run_on(std::array<graph_arena, 2>& arenas, graph_side side, std::array<tensor_id, 2> kept,
              const later_readers& later) {
    clear_counts(later);
    const bool on_device = side == graph_side::device;
    for (tensor_id id = tape_first; id < n_; ++id) {
      graph_tensor& tensor = at(id);
      tensor.side = side;
      if (tensor.what == graph_tensor::kind::view) ++at(tensor.root).views;
      for (std::size_t j = 0; j < tensor.n_reads; ++j) {
        tensor_id& read = tensor.reads[j];
        if (on_device && read < n_graph_inputs) read = at(read).copied;
        ++at(read).uses;
      }
    }
    keep(kept);
    for (tensor_id id = tape_first; id < n_; ++id) compute(arenas, id);
  }

  /// Bit per input that has a copy on the device.
  [[nodiscard]] std::uint32_t copied_inputs() const noexcept {
    std::uint32_t bits = 0;
    for (tensor_id id = 0; id < n_graph_inputs; ++id) {
      if (is_declared(id) && at(id).copied != no_tensor) bits |= 1U << id;
    }
    return bits;
  }
  /// Every declared input of the list has its copy.
  [[nodiscard]] bool all_copied(const input_list& inputs) const noexcept {
    for (std::size_t i = 0; i < inputs.n; ++i) {
      if (is_declared(inputs.ids[i]) && at(inputs.ids[i]).copied == no_tensor) return false;
    }
    return true;
  }

  [[nodiscard]] std::int16_t size() const noexcept { return n_; }

 private:
  static constexpr std::size_t most_tensors = 256;

  tensor_id append(graph_tensor::kind what, std::int64_t size, std::initializer_list<tensor_id> reads,
                   graph_side side) {
    if (static_cast<std::size_t>(n_) == most_tensors) {
      throw value_error{"model", "a layer of more than 256 operations", "a layer that llama.cpp runs"};
    }
    const tensor_id id = n_++;
    graph_tensor& added = at(id);
    added.size = size;
    std::uint8_t n = 0;
    for (const tensor_id read : reads) added.reads[n++] = read;
    added.n_reads = n;
    added.what = what;
    added.side = side;
    added.moment = moment;
    added.in_place = false;
    added.live = false;
    added.carries_copy = false;
    added.uses = 0;
    added.views = 0;
    added.root = no_tensor;
    added.copied = no_tensor;
    return id;
  }

  void schedule(tensor_id id) noexcept { order_[n_scheduled_++] = id; }

  [[nodiscard]] bool takes_part(tensor_id id) const noexcept {
    const graph_tensor::kind what = at(id).what;
    return what == graph_tensor::kind::operation || what == graph_tensor::kind::store;
  }

  /// Operations without weights go to the device when the nearest bound one before or after them is there.
  void bind(graph_side before, graph_side after) noexcept {
    std::array<bool, most_tensors> is_free{};
    graph_side nearest = before;
    for (tensor_id id = tape_first; id < n_; ++id) {
      if (!takes_part(id)) continue;
      if (at(id).side != graph_side::follow) {
        nearest = at(id).side;
      } else {
        is_free[static_cast<std::size_t>(id)] = true;
        at(id).side = nearest;
      }
    }
    nearest = after;
    for (tensor_id id = n_; id-- > tape_first;) {
      if (!takes_part(id)) continue;
      if (!is_free[static_cast<std::size_t>(id)]) {
        nearest = at(id).side;
      } else if (nearest == graph_side::device) {
        at(id).side = graph_side::device;
      }
    }
    for (tensor_id id = tape_first; id < n_; ++id) {
      if (at(id).what == graph_tensor::kind::view) at(id).side = at(at(id).root).side;
    }
  }

  tensor_id copy_of(tensor_id id, graph_side to) {
    tensor_id made = no_tensor;
    if (id < n_graph_inputs) {
      made = static_cast<tensor_id>(n_graph_inputs + id);
      at(made) = graph_tensor::make(graph_tensor::kind::copy, at(id).size, to, compute_moment::copies);
    } else {
      made = append(graph_tensor::kind::copy, at(id).size, {}, to);
      at(made).moment = compute_moment::copies;
    }
    at(made).reads[0] = id;
    at(made).n_reads = 1;
    at(id).copied = made;
    return made;
  }

  void split(const input_list& reached) {
    const tensor_id end = n_;  // copies are appended behind
    tensor_id from = tape_first;
    while (from < end) {
      graph_side side = graph_side::follow;
      tensor_id to = from;
      for (; to < end; ++to) {
        if (!takes_part(to)) continue;
        if (side == graph_side::follow) side = at(to).side;
        if (at(to).side != side) break;
      }
      for (tensor_id id = from; id < to; ++id) {
        if (!takes_part(id)) continue;
        for (std::size_t j = 0; j < at(id).n_reads; ++j) {
          const tensor_id read = at(id).reads[j];
          if (at(read).side == side) continue;
          if (at(read).copied == no_tensor) schedule(copy_of(read, side));
          at(id).reads[j] = at(read).copied;
        }
      }
      if (to == end && side == graph_side::device) {
        for (std::size_t i = 0; i < reached.n; ++i) {
          const tensor_id input = reached.ids[i];
          if (!is_declared(input) || at(input).copied != no_tensor) continue;
          schedule(copy_of(input, side));
          at(input).carries_copy = input >= tape_first;
        }
      }
      for (tensor_id id = from; id < to; ++id) {
        if (at(id).what != graph_tensor::kind::cache) schedule(id);
      }
      from = to;
    }
  }

  void clear_counts(const later_readers& later) noexcept {
    for (tensor_id id = 0; id < n_graph_inputs; ++id) {
      const bool device = (later.device >> id & 1U) != 0;
      const bool host = (later.host >> id & 1U) != 0 || (device && at(id).copied == no_tensor);
      at(id).uses = host ? 1 : 0;
      at(static_cast<tensor_id>(n_graph_inputs + id)).uses = device ? 1 : 0;
    }
    for (const tensor_id id : {tape_hidden, tape_carried}) {
      at(id).uses = 0;
      at(id).views = 0;
    }
  }
  void keep(std::array<tensor_id, 2> kept) noexcept {
    for (const tensor_id id : kept) {
      if (id != no_tensor) ++at(carried_copy(id)).uses;
    }
  }
  void count_reads(std::array<tensor_id, 2> kept, const later_readers& later) noexcept {
    clear_counts(later);
    for (std::size_t i = 0; i < n_scheduled_; ++i) {
      const graph_tensor& tensor = at(order_[i]);
      if (tensor.what == graph_tensor::kind::view) ++at(tensor.root).views;
      for (std::size_t j = 0; j < tensor.n_reads; ++j) ++at(tensor.reads[j]).uses;
    }
    keep(kept);
  }

  static void free_block(std::array<graph_arena, 2>& arenas, graph_tensor& tensor) {
    if (!tensor.live) return;
    tensor.live = false;
    arenas[static_cast<std::size_t>(tensor.side)].give(tensor.offset, tensor.size);
  }

  void release(std::array<graph_arena, 2>& arenas, tensor_id id) {
    graph_tensor& read = at(id);
    --read.uses;
    if (read.uses != 0 || read.views != 0) return;
    if (read.what == graph_tensor::kind::view) {
      graph_tensor& root = at(read.root);
      --root.views;
      if (root.uses == 0 && root.views == 0) free_block(arenas, root);
    } else {
      free_block(arenas, read);
    }
  }

  void compute(std::array<graph_arena, 2>& arenas, tensor_id id) {
    graph_tensor& tensor = at(id);
    if (tensor.what == graph_tensor::kind::copy) {  // the original is let go before its copy is placed
      release(arenas, tensor.reads[0]);
      tensor.offset = arenas[static_cast<std::size_t>(tensor.side)].take(tensor.size, tensor.moment);
      tensor.live = true;
      return;
    }
    if (tensor.what == graph_tensor::kind::operation) {
      tensor.live = true;
      bool reused = false;
      for (std::size_t j = 0; tensor.in_place && !reused && j < tensor.n_reads; ++j) {
        graph_tensor& operand = at(tensor.reads[j]);
        if (operand.what == graph_tensor::kind::view || !operand.live || operand.size != tensor.size) continue;
        if (operand.uses == 1 && operand.views == 0) {
          tensor.offset = operand.offset;
          tensor.side = operand.side;
          operand.live = false;
          reused = true;
        }
      }
      if (!reused) tensor.offset = arenas[static_cast<std::size_t>(tensor.side)].take(tensor.size, tensor.moment);
    }
    for (std::size_t j = 0; j < tensor.n_reads; ++j) release(arenas, tensor.reads[j]);
  }

  std::int16_t n_ = tape_first;
  std::size_t n_scheduled_ = 0;
  std::array<graph_tensor, most_tensors> tensors_;
  std::array<tensor_id, most_tensors + n_graph_inputs> order_;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
