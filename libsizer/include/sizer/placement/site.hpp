#pragma once
/// @file
/// The memories of a machine that can hold a part of a model, each with what computes on it: every card, every linked
/// box with unified memory, and the RAM beside cards with the processor's cores.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sizer/hardware/machine.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// One memory and its processor.
struct site {
  std::string name;             ///< "NVIDIA GeForce RTX 3090", with "#2" where there are several; "host"
  sizer::machine where;         ///< a machine whose only device is this one
  bytes available{};            ///< what a model runtime may allocate here
  bool available_known = true;  ///< false: RAM beside a card whose owner stated none; it is taken to suffice
  bool is_host = false;
};

/// The host as a machine of its own: the stated host memory, or two channels of DDR5-5600 when the machine states none.
[[nodiscard]] inline machine host_of(const machine& where) {
  machine host;
  for (const device& other : where.devices) {  // a measured machine states its cores
    if (other.backend != backend::cpu) continue;
    host.devices.push_back(other);
    return host;
  }
  device cores;
  cores.name = "host";
  cores.backend = backend::cpu;
  cores.device_class = device_class::cpu_desktop;
  if (where.host_memory) {
    cores.memory = *where.host_memory;
  } else {
    constexpr double two_channels_of_ddr5_5600 = 89.6e9;  // 5600 MT/s x 8 bytes x 2
    cores.memory = where.devices.front().memory;
    cores.memory.bandwidth_measured.reset();  // by the device, not by the cores
    if (!cores.memory.unified) {
      cores.memory.bandwidth_spec = {make_bytes_per_second(two_channels_of_ddr5_5600), figure_kind::assumed, "",
                                     "the machine states no host memory; two channels of DDR5-5600"};
    }
  }
  host.devices.push_back(std::move(cores));
  return host;
}

/// Rate at which llama.cpp brings weights from host memory to a device: the device's own memory where both are one, or
/// 0.65 of the data rate of the stated link to the host, or else of PCIe 4.0 with 16 lanes (31.5 GB/s by the standard).
/// Pinned copies have been measured at 0.89 (tinygrad/open-gpu-kernel-modules issue 29: 56.3 of 63 GB/s on PCIe 5.0);
/// prefills with experts on the host imply 0.45 to 0.90 on five machines, 0.65 in the middle
/// (tests/golden/data/offload_speed.csv), most of them from files that are mapped and so not pinned.
[[nodiscard]] inline bytes_per_second host_to_device(const machine& where) {
  const device& target = where.devices.front();
  if (target.memory.unified) return target.memory.bandwidth_spec.value;
  constexpr double reached = 0.65;
  for (const link& one : where.links) {
    if (one.between == link_kind::host) return one.bandwidth.value * reached;
  }
  constexpr double pcie_4_x16 = 31.5e9;
  return make_bytes_per_second(pcie_4_x16 * reached);
}

/// The sites that a model can be spread over: devices in their order, every one of a count by itself, then the host,
/// if it has a memory of its own. Cores of a machine that has cards are its host.
[[nodiscard]] inline std::vector<site> sites_of(const machine& where) {
  std::vector<site> sites;
  bool has_card = false;
  for (const device& d : where.devices) has_card = has_card || d.backend != backend::cpu;
  bool shares_host = false;
  for (const device& d : where.devices) {
    if (has_card && d.backend == backend::cpu) continue;
    shares_host = shares_host || d.memory.unified || d.backend == backend::cpu;
    for (std::int32_t i = 0; i < d.count; ++i) {
      site one;
      one.name = d.count > 1 ? d.name + " #" + std::to_string(i + 1) : d.name;
      one.where = where;
      one.where.devices = {d};
      one.where.devices.front().count = 1;
      one.available = d.memory.usable.value;
      sites.push_back(std::move(one));
    }
  }
  if (shares_host) return sites;
  site host;
  host.name = "host";
  host.where = host_of(where);
  host.is_host = true;
  host.available_known = where.host_memory.has_value();
  if (host.available_known) host.available = where.host_memory->usable.value;
  sites.push_back(std::move(host));
  return sites;
}

/// Sites that are devices; the host is not counted.
[[nodiscard]] inline std::size_t device_sites(const std::vector<site>& sites) noexcept {
  return sites.empty() ? 0 : sites.size() - (sites.back().is_host ? 1 : 0);
}

}  // namespace v0
}  // namespace sizer
