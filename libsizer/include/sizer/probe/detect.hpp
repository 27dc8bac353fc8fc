#pragma once
/// @file
/// The machine that this runs on: processor, memory, graphics cards, operating system. Every field is a value with the
/// place it was read from, or the reason why it is absent. Nothing is written, changed or sent, and no root is needed.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// A value with its source ("/proc/cpuinfo", "nvml"), or the reason why there is none.
template <class T>
struct detected {
  std::optional<T> value;
  std::string source;  ///< where it was read, or was looked for
  std::string reason;  ///< why it is absent; empty with a value
  friend bool operator==(const detected&, const detected&) = default;

  [[nodiscard]] explicit operator bool() const noexcept { return value.has_value(); }
  [[nodiscard]] const T& operator*() const { return *value; }
  [[nodiscard]] const T* operator->() const { return &*value; }
};

/// Equal caches of one processor.
struct detected_cache {
  std::int32_t level = 0;
  std::string type;                       ///< "Data", "Instruction" or "Unified"
  bytes size{};                           ///< of one
  std::int32_t shared_by = 0;             ///< logical CPUs that share one
  std::optional<std::int32_t> instances;  ///< absent when not every CPU says which of them it uses
  friend bool operator==(const detected_cache&, const detected_cache&) = default;
};

struct detected_numa_node {
  std::int32_t id = 0;
  std::int32_t logical_cpus = 0;
  std::optional<bytes> memory;
  friend bool operator==(const detected_numa_node&, const detected_numa_node&) = default;
};

struct detected_cpu {
  detected<std::string> vendor;
  detected<std::string> model;
  detected<std::int32_t> sockets;
  detected<std::int32_t> physical_cores;
  detected<std::int32_t> logical_cpus;      ///< online
  detected<std::int32_t> usable_cpus;       ///< that this process may run on (affinity)
  detected<double> cpu_quota;               ///< CPUs' worth of time that the control group allows
  detected<std::vector<std::string>> simd;  ///< "avx2", "avx512_vnni", "neon", "sve", in a fixed order
  detected<std::vector<detected_cache>> caches;
  detected<std::vector<detected_numa_node>> numa_nodes;
  detected<double> base_mhz;
  detected<double> max_mhz;
  friend bool operator==(const detected_cpu&, const detected_cpu&) = default;
};

/// One memory module, or one soldered package.
struct detected_dimm {
  std::string locator;
  std::string bank;
  std::string type;  ///< "DDR5", "LPDDR5"
  std::optional<bytes> size;
  std::optional<std::int32_t> data_width_bits;
  std::optional<std::int32_t> rated_mts;       ///< million transfers per second it is sold for
  std::optional<std::int32_t> configured_mts;  ///< what it runs at
  friend bool operator==(const detected_dimm&, const detected_dimm&) = default;
};

struct detected_memory {
  detected<bytes> total;         ///< what the operating system manages
  detected<bytes> available;     ///< what is free for a new process now
  detected<bytes> cgroup_limit;  ///< of this process' control group
  detected<std::vector<bytes>> huge_page_sizes;
  detected<std::vector<detected_dimm>> dimms;
  detected<std::string> type;             ///< of all modules
  detected<std::int32_t> channels;        ///< of 64 bits each
  detected<std::int32_t> bus_width_bits;  ///< of all channels together
  detected<double> data_rate_mts;         ///< the slowest module's
  friend bool operator==(const detected_memory&, const detected_memory&) = default;
};

struct detected_pcie {
  std::int32_t generation = 0;
  std::int32_t width = 0;  ///< lanes
  friend bool operator==(const detected_pcie&, const detected_pcie&) = default;
};

struct detected_gpu {
  detected<std::string> vendor;   ///< "NVIDIA", "AMD", "Intel", "Apple"
  detected<std::string> name;     ///< as its driver or its maker's list writes it
  detected<std::string> backend;  ///< the software path that fits it: "cuda", "rocm", "vulkan", "sycl", "metal"
  detected<std::string> pci_address;
  detected<std::string> pci_id;  ///< vendor:device, hexadecimal
  detected<bytes> memory_total;
  detected<bytes> memory_used;
  detected<bytes> memory_reserved;  ///< that the driver keeps for itself
  detected<bool> unified;           ///< its memory is the machine's
  detected<std::string> driver_version;
  detected<std::string> cuda_version;  ///< the newest that the driver runs
  detected<std::string> compute_capability;
  detected<detected_pcie> pcie_current;  ///< an idle card lowers it
  detected<detected_pcie> pcie_max;
  detected<double> power_limit_w;
  detected<bool> display_attached;
  detected<bool> mig;
  detected<std::string> virtualization;  ///< "none", "pass-through", "vGPU", ...
  detected<std::int32_t> memory_bus_bits;
  detected<double> memory_clock_mhz;        ///< highest; two transfers a clock
  detected<bytes> gtt_total;                ///< AMD: host memory that the GPU may map
  detected<std::string> gfx_target;         ///< AMD: "gfx1151"
  detected<std::int32_t> gpu_cores;         ///< Apple
  detected<bytes> wired_limit;              ///< Apple: iogpu.wired_limit_mb
  detected<bytes> recommended_working_set;  ///< Apple: Metal's recommendedMaxWorkingSetSize
  friend bool operator==(const detected_gpu&, const detected_gpu&) = default;
};

struct detected_os {
  detected<std::string> name;  ///< "Debian GNU/Linux 12 (bookworm)"
  detected<std::string> kernel;
  detected<bool> wsl;
  detected<std::string> container;        ///< "none", "docker", "podman", ...
  detected<std::string> virtual_machine;  ///< "none", "kvm", "vmware", ...
  friend bool operator==(const detected_os&, const detected_os&) = default;
};

struct detected_machine {
  detected<std::string> product;  ///< what the maker calls the computer or board
  detected_cpu cpu;
  detected_memory memory;
  std::vector<detected_gpu> gpus;
  std::vector<std::string> gpu_reasons;  ///< of each way to find GPUs that found none, why
  detected_os os;
  friend bool operator==(const detected_machine&, const detected_machine&) = default;
};

/// Where to look.
struct detect_options {
  /// A folder that holds proc/, sys/, etc/ and commands/, or a file with all of them (tests/golden/data/machines). In
  /// commands/ lie the outputs of programs, `sysctl -a` in "commands/sysctl"; no program is started unless this is "/".
  std::string root = "/";
  /// NVIDIA's management library. Absent: libnvidia-ml.so.1 of the system when `root` is "/", and none otherwise.
  std::optional<std::string> nvml_library;
  friend bool operator==(const detect_options&, const detect_options&) = default;
};

/// Looks at the machine. What cannot be read becomes a reason; hostile contents of files never do worse than that.
/// @throws data_error when `root` is a file that is no recorded machine
[[nodiscard]] detected_machine detect_machine(const detect_options& options = {});

/// The bandwidth that the readable memory modules give, bus width x data rate / 8 (DDR: 64 bits a channel).
/// Source: JEDEC JESD79-5 (DDR5), and likewise for the other standards.
[[nodiscard]] detected<bytes_per_second> memory_bandwidth(const detected_memory& memory);

}  // namespace v0
}  // namespace sizer
