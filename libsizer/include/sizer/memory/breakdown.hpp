#pragma once
/// @file
/// The bytes of a running model, part by part and pool by pool, and the verdict whether they fit.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/sourced.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// The parts a model's memory is made of. Nothing else is counted, so they sum to the total.
struct memory_parts {
  bytes weights{};
  bytes kv_cache{};
  bytes recurrent_state{};
  bytes compute_buffer{};
  bytes overhead{};

  [[nodiscard]] bytes total() const { return weights + kv_cache + recurrent_state + compute_buffer + overhead; }
  friend memory_parts operator+(const memory_parts& a, const memory_parts& b) {
    return {a.weights + b.weights, a.kv_cache + b.kv_cache, a.recurrent_state + b.recurrent_state,
            a.compute_buffer + b.compute_buffer, a.overhead + b.overhead};
  }
  friend bool operator==(const memory_parts&, const memory_parts&) = default;
};

/// One named piece of the overhead part.
struct overhead_line {
  std::string_view name;
  sourced<bytes> amount;
  friend bool operator==(const overhead_line&, const overhead_line&) = default;
};

/// What one memory pool holds.
struct pool_usage {
  std::string_view name;  ///< "device", "host" or "unified"
  memory_parts parts;
  bytes available{};            ///< what a model runtime may allocate there
  bool available_known = true;  ///< false: a card without a stated host; its RAM is taken to suffice

  [[nodiscard]] bytes headroom() const { return available - parts.total(); }
  [[nodiscard]] bool fits() const { return headroom() >= bytes{}; }
};

/// Memory of one estimate.
struct memory_breakdown {
  memory_parts parts;  ///< over all pools
  bytes available{};   ///< usable memory of the device pool, plus the host bytes that the runtime keeps in host RAM
  std::vector<pool_usage> pools;  ///< the device pool first
  std::vector<overhead_line> overhead;
  std::int64_t devices = 1;             ///< devices that share the device pool; 1 unless a model is split
  std::int64_t kv_cells = 0;            ///< cells (tokens) of the full-context cache, all streams
  std::int64_t kv_bytes_per_token = 0;  ///< bytes that one more token of context costs, all layers that grow
  std::string_view compute_moment;      ///< where the compute buffer peaks

  [[nodiscard]] bytes total() const { return parts.total(); }
  [[nodiscard]] bytes headroom() const { return available - total(); }
  [[nodiscard]] bool fits() const {
    for (const pool_usage& pool : pools) {
      if (!pool.fits()) return false;
    }
    return true;
  }
};

}  // namespace v0
}  // namespace sizer
