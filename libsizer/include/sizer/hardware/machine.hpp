#pragma once
/// @file
/// What a machine is: devices that compute, the memory each reads, the links between them, power and dated prices.
/// Every figure carries its kind and source; what is not known is absent.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/model/ggml_type.hpp>
#include <sizer/sourced.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Software path that runs on a device.
enum class backend { cuda, rocm, vulkan, metal, sycl, cpu, hpu, other };

/// Devices that share speed parameters: the same memory technology and the same maker's software.
enum class device_class {
  nvidia_consumer,
  nvidia_workstation,
  nvidia_datacenter,
  nvidia_unified,
  nvidia_legacy,
  nvidia_jetson,
  apple_base,
  apple_pro,
  apple_max,
  apple_ultra,
  amd_rdna,
  amd_cdna,
  amd_gcn,
  amd_strix_halo,
  amd_apu,
  intel_arc,
  intel_datacenter,
  intel_igpu,
  qualcomm,
  cpu_desktop,
  cpu_server,
  cpu_sbc,
  other
};

/// The memory of one device.
struct memory_pool {
  std::string type;       ///< "GDDR6X", "LPDDR5X"
  bool unified = false;   ///< shared with the operating system and other processors
  sourced<bytes> sold;    ///< the size on the box
  sourced<bytes> usable;  ///< what a model runtime may allocate before its own overhead; the note names the rule
  sourced<bytes_per_second> bandwidth_spec;
  std::optional<sourced<bytes_per_second>> bandwidth_measured;
  friend bool operator==(const memory_pool&, const memory_pool&) = default;
};

/// Dense arithmetic rates of one device (no structured sparsity).
struct compute_rates {
  std::optional<sourced<flop_per_second>> fp32, fp16, bf16, fp8, int8, fp4;
  std::optional<sourced<flop_per_second>> bf16_measured;  ///< the best dense BF16 product that somebody measured
  friend bool operator==(const compute_rates&, const compute_rates&) = default;
};

/// A rate at which numbers of one type were worked through.
struct measured_rate {
  ggml_type type = ggml_type::f16;
  sourced<bytes_per_second> rate;  ///< bytes of the type's blocks
  friend bool operator==(const measured_rate&, const measured_rate&) = default;
};

/// Attention of one query head over one cached token after the other, the way engines without tiles do it: how long a
/// token takes, in the shape that it was measured in.
struct measured_row {
  ggml_type type = ggml_type::f16;
  std::int32_t head_dim = 128;
  std::int32_t kv_heads = 8;
  std::int32_t group = 4;  ///< query heads that share a key and value head
  sourced<seconds> time;   ///< of one query head and cached token, all threads together
  friend bool operator==(const measured_row&, const measured_row&) = default;
};

/// What the microbenchmark (probe/kernels.hpp) found on one device, in memory and not in a cache.
struct measured_rates {
  std::int32_t threads = 0;                             ///< CPU threads; 0 on a device without threads to count
  std::optional<sourced<bytes_per_second>> read, copy;  ///< plain traffic; copy counts both directions
  std::vector<measured_rate> weights;                   ///< matrix of that type times a vector
  std::vector<measured_rate> kv_cache;                  ///< decode attention over a cache of that type
  std::int32_t query_group = 1;                         ///< query heads for each key and value head, of kv_cache
  std::vector<measured_row> attention_rows;
  std::int32_t vector_halves = 0;           ///< 16-bit numbers in a register of the half arithmetic; 0: not known
  compute_rates matrix;                     ///< dense matrix products
  std::optional<sourced<seconds>> barrier;  ///< all threads meet once
  std::optional<sourced<seconds>> launch, graph_launch;  ///< of one kernel, alone and in a graph
  friend bool operator==(const measured_rates&, const measured_rates&) = default;
};

/// How runs of this very machine differ from what its class says: logarithms that are added to factors of the speed
/// model, and the 80 % intervals around the answers. Made by calibrate_machine (speed/machine_fit.hpp).
struct machine_calibration {
  double weights = 0, arithmetic = 0, cache = 0, attention = 0, latency = 0, batch = 0;  ///< decode
  double matrices = 0, prefill_attention = 0, prefill_traffic = 0;                       ///< prefill
  double decode_low = 0, decode_high = 0;  ///< factors of the point; 0: those of the class
  double prefill_low = 0, prefill_high = 0;
  std::int32_t n_decode_rows = 0, n_prefill_rows = 0;
  std::string engine;  ///< of the runs
  std::string note;    ///< what was measured, when
  friend bool operator==(const machine_calibration&, const machine_calibration&) = default;
};

struct device {
  std::string name;
  std::int32_t count = 1;  ///< identical devices
  sizer::backend backend = sizer::backend::other;
  sizer::device_class device_class = sizer::device_class::other;
  memory_pool memory;  ///< of one device
  compute_rates compute;
  std::optional<sourced<watts>> tdp;
  std::vector<measured_rates> measured;            ///< by rising number of threads; empty: nobody measured this device
  std::optional<machine_calibration> calibration;  ///< from runs of this machine
  friend bool operator==(const device&, const device&) = default;
};

enum class link_kind { devices, host, machines };

/// A connection; bandwidth per direction.
struct link {
  link_kind between = link_kind::devices;
  std::string name;
  sourced<bytes_per_second> bandwidth;
  std::optional<sourced<seconds>> latency;
  std::optional<std::int32_t> max_linked;  ///< devices that it joins at most; empty: all
  friend bool operator==(const link&, const link&) = default;
};

enum class price_kind { launch, street, list };

/// A price on a date (YYYY-MM or YYYY-MM-DD).
struct price {
  price_kind type = price_kind::launch;
  sourced<dollars> amount;
  std::string date;
  friend bool operator==(const price&, const price&) = default;
};

struct machine {
  std::string id;
  std::string name;
  std::string vendor;
  std::string kind;
  std::optional<std::int32_t> release_year;
  std::vector<device> devices;  ///< at least one; the first is the one that models are placed on
  std::optional<memory_pool> host_memory;
  std::vector<link> links;
  std::optional<sourced<watts>> load_power;
  std::optional<sourced<watts>> idle_power;
  std::vector<price> prices;
  std::string notes;
  friend bool operator==(const machine&, const machine&) = default;
};

/// The newest price, street before list before launch on the same date; empty with none.
[[nodiscard]] inline const price* current_price(const machine& m) noexcept {
  const price* best = nullptr;
  for (const price& p : m.prices) {
    const auto rank = [](const price& x) {
      return x.type == price_kind::street ? 2 : x.type == price_kind::list ? 1 : 0;
    };
    if (best == nullptr || p.date > best->date || (p.date == best->date && rank(p) > rank(*best))) best = &p;
  }
  return best;
}

}  // namespace v0
}  // namespace sizer
