#pragma once
/// @file
/// Enums of a machine under the names that files use, in the order of each enum.

#include <array>
#include <string_view>
#include <utility>

#include <sizer/hardware/machine.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

template <class Enum>
using named_value = std::pair<std::string_view, Enum>;

inline constexpr auto backend_names = std::to_array<named_value<backend>>({
    {"cuda", backend::cuda},
    {"rocm", backend::rocm},
    {"vulkan", backend::vulkan},
    {"metal", backend::metal},
    {"sycl", backend::sycl},
    {"cpu", backend::cpu},
    {"hpu", backend::hpu},
    {"other", backend::other},
});

inline constexpr auto device_class_names = std::to_array<named_value<device_class>>({
    {"nvidia_consumer", device_class::nvidia_consumer},
    {"nvidia_workstation", device_class::nvidia_workstation},
    {"nvidia_datacenter", device_class::nvidia_datacenter},
    {"nvidia_unified", device_class::nvidia_unified},
    {"nvidia_legacy", device_class::nvidia_legacy},
    {"nvidia_jetson", device_class::nvidia_jetson},
    {"apple_base", device_class::apple_base},
    {"apple_pro", device_class::apple_pro},
    {"apple_max", device_class::apple_max},
    {"apple_ultra", device_class::apple_ultra},
    {"amd_rdna", device_class::amd_rdna},
    {"amd_cdna", device_class::amd_cdna},
    {"amd_gcn", device_class::amd_gcn},
    {"amd_strix_halo", device_class::amd_strix_halo},
    {"amd_apu", device_class::amd_apu},
    {"intel_arc", device_class::intel_arc},
    {"intel_datacenter", device_class::intel_datacenter},
    {"intel_igpu", device_class::intel_igpu},
    {"qualcomm", device_class::qualcomm},
    {"cpu_desktop", device_class::cpu_desktop},
    {"cpu_server", device_class::cpu_server},
    {"cpu_sbc", device_class::cpu_sbc},
    {"other", device_class::other},
});

inline constexpr auto link_kind_names = std::to_array<named_value<link_kind>>({
    {"devices", link_kind::devices},
    {"host", link_kind::host},
    {"machines", link_kind::machines},
});

inline constexpr auto price_kind_names = std::to_array<named_value<price_kind>>({
    {"launch", price_kind::launch},
    {"street", price_kind::street},
    {"list", price_kind::list},
});

/// Whether entry i stands for the value i, so that a name is found by position.
template <class Names>
[[nodiscard]] constexpr bool in_enum_order(const Names& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (static_cast<std::size_t>(names[i].second) != i) return false;
  }
  return true;
}
static_assert(in_enum_order(backend_names) && in_enum_order(device_class_names) && in_enum_order(link_kind_names) &&
              in_enum_order(price_kind_names));

}  // namespace detail
}  // namespace v0
}  // namespace sizer
