#pragma once
/// @file
/// Generation of a device's arithmetic units, told from its class and from the number formats that they know.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sizer/hardware/machine.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

/// Devices whose matrix units work alike.
enum class generation : std::uint8_t {
  unknown,
  pascal,  ///< and before: no matrix units
  volta,
  turing,
  ampere,
  ada,
  hopper,
  blackwell,
  gb10,  ///< Blackwell of the DGX Spark and its kin
  apple_m1,
  apple_m2,
  apple_m3,
  apple_m4,
  apple_m5,  ///< and later: matrix units beside the shaders
  gcn,
  rdna2,  ///< and before: no matrix units
  rdna3,
  rdna4,
  cdna2,  ///< and before
  cdna3,  ///< and later
  xe,
  cpu
};
inline constexpr std::size_t n_generations = 22;

[[nodiscard]] constexpr std::string_view to_string(generation which) noexcept {
  constexpr std::array<std::string_view, n_generations> names{
      "unknown", "pascal",   "volta",    "turing",   "ampere",   "ada",      "hopper", "blackwell",
      "gb10",    "apple_m1", "apple_m2", "apple_m3", "apple_m4", "apple_m5", "gcn",    "rdna2",
      "rdna3",   "rdna4",    "cdna2",    "cdna3",    "xe",       "cpu"};
  return names[static_cast<std::size_t>(which)];
}

namespace detail {

inline generation nvidia_generation(const device& target) noexcept {
  const compute_rates& can = target.compute;
  if (target.device_class == device_class::nvidia_unified) return generation::gb10;
  if (can.fp4) return generation::blackwell;
  if (can.fp8) return target.memory.type.starts_with("HBM") ? generation::hopper : generation::ada;
  if (can.bf16) return target.memory.type.starts_with("HBM3") ? generation::hopper : generation::ampere;
  if (!can.fp16 || !can.fp32) return generation::pascal;
  // Matrix units give at least four times the shaders' rate; GTX 16 cards have none, and their shaders are Turing's.
  if (number(can.fp16->value) < 4.0 * number(can.fp32->value)) return generation::pascal;
  return target.memory.type.starts_with("HBM") ? generation::volta : generation::turing;
}

/// "Apple M4 Max (40-core GPU)"
inline generation apple_generation(std::string_view name) noexcept {
  for (std::size_t i = 0; i + 1 < name.size(); ++i) {
    if (name[i] != 'M') continue;
    switch (name[i + 1]) {
      case '1': return generation::apple_m1;
      case '2': return generation::apple_m2;
      case '3': return generation::apple_m3;
      case '4': return generation::apple_m4;
      case '5':
      case '6':
      case '7': return generation::apple_m5;
      default: break;
    }
  }
  return generation::unknown;
}

}  // namespace detail

[[nodiscard]] inline generation generation_of(const device& target) noexcept {
  if (target.backend == backend::cpu) return generation::cpu;
  const compute_rates& can = target.compute;
  switch (target.device_class) {
    case device_class::nvidia_consumer:
    case device_class::nvidia_workstation:
    case device_class::nvidia_datacenter:
    case device_class::nvidia_unified:
    case device_class::nvidia_legacy:
    case device_class::nvidia_jetson: return detail::nvidia_generation(target);
    case device_class::apple_base:
    case device_class::apple_pro:
    case device_class::apple_max:
    case device_class::apple_ultra: return detail::apple_generation(target.name);
    case device_class::amd_rdna:
      if (can.fp8) return generation::rdna4;
      return can.bf16 ? generation::rdna3 : generation::rdna2;
    case device_class::amd_strix_halo: return generation::rdna3;
    case device_class::amd_apu:
      if (can.bf16) return generation::rdna3;
      return can.int8 ? generation::rdna2 : generation::gcn;
    case device_class::amd_gcn: return generation::gcn;
    case device_class::amd_cdna: return can.fp8 ? generation::cdna3 : generation::cdna2;
    case device_class::intel_arc:
    case device_class::intel_datacenter:
    case device_class::intel_igpu: return generation::xe;
    case device_class::cpu_desktop:
    case device_class::cpu_server:
    case device_class::cpu_sbc: return generation::cpu;
    case device_class::qualcomm:
    case device_class::other: break;
  }
  return generation::unknown;
}

}  // namespace v0
}  // namespace sizer
