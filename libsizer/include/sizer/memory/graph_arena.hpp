#pragma once
/// @file
/// The memory that a compute graph needs, as ggml's allocator hands it out.
///
/// A new tensor takes the smallest free block that holds it, else the endless block at the end; a tensor that is no
/// longer needed gives its block back, which joins a neighbour. The buffer is as large as the highest byte ever taken,
/// so holes left by earlier tensors count, and the order of the graph matters. Source: behaviour of ggml
/// `src/ggml-alloc.c`, read at unslothai/llama.cpp@d32676d77426 (2026-08).

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <sizer/error.hpp>

namespace sizer {
inline namespace v0 {

/// The parts of a graph, as a reader would name them.
enum class compute_moment : std::uint8_t {
  nothing,
  inputs,       ///< tokens, positions, masks, cache indices
  copies,       ///< values moved from one side to the other
  embedding,    ///< rows of the token embedding
  projections,  ///< query, key and value
  attention,    ///< scores and their product with the values
  attention_output,
  feed_forward,
  expert_routing,
  experts,
  shared_expert,
  recurrent_scan,
  short_convolution,
  output_rows,  ///< the tokens whose logits are wanted are picked out
  logits
};

[[nodiscard]] constexpr std::string_view to_string(compute_moment moment) noexcept {
  switch (moment) {
    case compute_moment::nothing: return "nothing";
    case compute_moment::inputs: return "inputs";
    case compute_moment::copies: return "copies between host and device";
    case compute_moment::embedding: return "token embedding";
    case compute_moment::projections: return "attention projections";
    case compute_moment::attention: return "attention";
    case compute_moment::attention_output: return "attention output";
    case compute_moment::feed_forward: return "feed-forward";
    case compute_moment::expert_routing: return "expert routing";
    case compute_moment::experts: return "experts";
    case compute_moment::shared_expert: return "shared expert";
    case compute_moment::recurrent_scan: return "recurrent scan";
    case compute_moment::short_convolution: return "short convolution";
    case compute_moment::output_rows: return "output rows";
    case compute_moment::logits: return "logits";
  }
  return "nothing";
}

namespace detail {

/// Every tensor starts on a multiple of this (byte): `TENSOR_ALIGNMENT` of ggml's CPU buffers.
inline constexpr std::int64_t tensor_alignment = 32;
/// Larger than any tensor that a machine could hold (byte); guards the sums below against overflow.
inline constexpr std::int64_t largest_tensor = std::int64_t{1} << 54;

[[nodiscard]] constexpr std::int64_t aligned(std::int64_t size) noexcept {
  return (size + tensor_alignment - 1) / tensor_alignment * tensor_alignment;
}

/// Free blocks in address order; the last one has no end.
class graph_arena {
 public:
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only the first n_free_ blocks are read
  graph_arena() noexcept { free_[0] = {0, endless}; }

  /// Places `size` bytes and returns their offset.
  /// @throws value_error on a tensor that no machine could hold
  std::int64_t take(std::int64_t size, compute_moment moment) {
    if (size > largest_tensor) {
      throw value_error{"compute buffer", std::to_string(size) + " bytes in one tensor", "at most 2^54 bytes"};
    }
    size = aligned(size);
    std::size_t best = n_free_ - 1;
    std::int64_t best_size = endless;
    for (std::size_t i = 0; i + 1 < n_free_; ++i) {
      if (free_[i].size >= size && free_[i].size <= best_size) {
        best = i;
        best_size = free_[i].size;
      }
    }
    block& from = free_[best];
    const std::int64_t offset = from.offset;
    from.offset += size;
    from.size -= size;
    if (from.size == 0) erase(best);
    if (offset + size > peak_) {
      peak_ = offset + size;
      peak_moment_ = moment;
    }
    return offset;
  }

  /// Frees `size` bytes at `offset`. An empty tensor leaves an empty block, which can keep neighbours apart, as in
  /// ggml.
  void give(std::int64_t offset, std::int64_t size) {
    size = aligned(size);
    for (std::size_t i = 0; i < n_free_; ++i) {
      block& here = free_[i];
      if (here.offset + here.size == offset) {
        here.size += size;
        if (i + 1 < n_free_ && here.offset + here.size == free_[i + 1].offset) {
          here.size += free_[i + 1].size;
          erase(i + 1);
        }
        return;
      }
      if (offset + size == here.offset) {
        here.offset = offset;
        here.size += size;
        if (i > 0 && free_[i - 1].offset + free_[i - 1].size == here.offset) {
          free_[i - 1].size += here.size;
          erase(i);
        }
        return;
      }
    }
    insert(offset, size);
  }

  [[nodiscard]] std::int64_t peak() const noexcept { return peak_; }
  [[nodiscard]] compute_moment peak_moment() const noexcept { return peak_moment_; }

 private:
  struct block {
    std::int64_t offset;
    std::int64_t size;
  };

 public:
  /// The free blocks at one moment. From equal blocks on, equal requests get equal places.
  class snapshot {
   public:
    [[nodiscard]] bool is_complete() const noexcept { return n_ <= most; }

   private:
    friend class graph_arena;
    static constexpr std::size_t most = 16;
    std::size_t n_;
    std::array<block, most> blocks_;
  };

  void save(snapshot& to) const noexcept {
    to.n_ = n_free_;
    for (std::size_t i = 0; i < std::min(n_free_, snapshot::most); ++i) to.blocks_[i] = free_[i];
  }
  [[nodiscard]] bool equals(const snapshot& other) const noexcept {
    if (n_free_ != other.n_ || !other.is_complete()) return false;
    for (std::size_t i = 0; i < n_free_; ++i) {
      if (free_[i].offset != other.blocks_[i].offset || free_[i].size != other.blocks_[i].size) return false;
    }
    return true;
  }
  /// Takes over complete blocks; the peak stays.
  void restore(const snapshot& from) noexcept {
    n_free_ = from.n_;
    for (std::size_t i = 0; i < n_free_; ++i) free_[i] = from.blocks_[i];
  }

 private:
  static constexpr std::int64_t endless = std::int64_t{1} << 61;
  /// More than any graph here leaves; ggml stops at 256.
  static constexpr std::size_t most_blocks = 48;

  void erase(std::size_t index) noexcept {
    for (std::size_t i = index; i + 1 < n_free_; ++i) free_[i] = free_[i + 1];
    --n_free_;
  }
  void insert(std::int64_t offset, std::int64_t size) noexcept {
    if (n_free_ == most_blocks) return;  // the hole is lost, which can only make the buffer larger
    std::size_t at = 0;
    while (at < n_free_ && free_[at].offset < offset) ++at;
    for (std::size_t i = n_free_; i > at; --i) free_[i] = free_[i - 1];
    free_[at] = {offset, size};
    ++n_free_;
  }

  std::size_t n_free_ = 1;
  std::int64_t peak_ = 0;
  compute_moment peak_moment_ = compute_moment::nothing;
  std::array<block, most_blocks> free_;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
