#pragma once
/// @file
/// How the devices of a machine talk to each other while a model runs over several of them.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/speed/factor.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Time of one sum over devices for a small message: the order of magnitude that NCCL and RCCL show on such links. In
/// decode the fit multiplies it.
constexpr double all_reduce_seconds(link_technology kind) noexcept {
  constexpr std::array<double, n_link_technologies> times{60e-6, 25e-6, 20e-6, 20e-6, 60e-6, 20e-6, 100e-6};
  return times[static_cast<std::size_t>(kind)];
}

struct device_link {
  link_technology kind = link_technology::pcie_host;
  double bandwidth = 11.3e9;  ///< bytes/s; of two copies through the host over PCIe 4.0, when nothing is stated
  bool joins_machines = false;

  /// What llama.cpp hands hidden rows over: between machines its own protocol (RPC), whatever carries it.
  [[nodiscard]] link_technology hop() const noexcept { return joins_machines ? link_technology::network : kind; }
};

/// The technology of a link, by the catalogue's name of it.
inline link_technology technology_of(const link& wire) noexcept {
  const std::string_view name = wire.name;
  const auto says = [name](std::string_view word) { return name.find(word) != std::string_view::npos; };
  if (says("network")) return link_technology::network;
  if (says("NVLink")) return link_technology::nvlink;
  if (says("Infinity")) {
    constexpr double full_mesh = 150e9;  // slower ones are the single links between modules
    return number(wire.bandwidth.value) >= full_mesh ? link_technology::fabric : link_technology::fabric_modules;
  }
  if (says("RoCE") || says("ConnectX") || says("Ethernet") || says("Thunderbolt") || says("USB"))
    return link_technology::ethernet;
  return says("no peer") ? link_technology::pcie_host : link_technology::pcie_peer;
}

/// The first link that joins all devices.
inline device_link link_between(const machine& where) noexcept {
  std::int32_t count = 0;
  for (const device& one : where.devices) count += one.backend == backend::cpu ? 0 : one.count;
  for (const link& wire : where.links) {
    if (wire.between == link_kind::host || number(wire.bandwidth.value) <= 0.0) continue;
    if (wire.max_linked && *wire.max_linked < count) continue;
    return {technology_of(wire), number(wire.bandwidth.value), wire.between == link_kind::machines};
  }
  return {};
}

inline double device_count(const device& target) noexcept { return static_cast<double>(std::max(target.count, 1)); }

/// Whether llama.cpp divides every matrix over its devices instead of giving each some layers.
inline bool splits_rows(const engine& runtime) noexcept {
  return runtime.is_llama_cpp() && runtime.llama_cpp.split_mode == split_mode::row;
}

/// How many devices work on one token at the same time. llama.cpp's default puts layers on devices in turn.
inline double concurrent_devices(const device& target, const engine& runtime) noexcept {
  return runtime.is_llama_cpp() && !splits_rows(runtime) ? 1.0 : device_count(target);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
