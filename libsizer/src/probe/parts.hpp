#pragma once
/// @file
/// The parts of a detection, each from the files of one tree.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/probe/detect.hpp>

#include "tree.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// What the control group of this process allows.
struct cgroup_limits {
  detected<bytes> memory;
  std::optional<bytes> held;  ///< by the group with that limit, without what the system would drop first
  detected<double> cpus;
};

[[nodiscard]] cgroup_limits detect_cgroup(const file_tree& files);
[[nodiscard]] detected_cpu detect_cpu(const file_tree& files);
[[nodiscard]] detected_memory detect_memory(const file_tree& files);
[[nodiscard]] detected_os detect_os(const file_tree& files);
[[nodiscard]] detected<std::string> detect_product(const file_tree& files);

/// Memory modules of an SMBIOS table (types 16 and 17). Bounded by the table; a broken structure ends the walk.
[[nodiscard]] std::vector<detected_dimm> parse_smbios_memory(std::string_view table);
/// The same from the properties that udev keeps of it.
[[nodiscard]] std::vector<detected_dimm> parse_udev_memory(std::string_view properties);
/// The channel that a module sits in, as its locators name it; empty when they name none.
[[nodiscard]] std::string channel_of(const detected_dimm& dimm);

/// NVIDIA's cards through NVML. A reason is added when there are none.
void detect_nvidia(const std::string& library, std::vector<detected_gpu>& gpus, std::vector<std::string>& reasons);
/// Cards with a driver of the kernel's DRM; those whose PCI address is in the list already are left out.
void detect_drm(const file_tree& files, std::vector<detected_gpu>& gpus, std::vector<std::string>& reasons);

/// All of an Apple machine; nothing when the tree is of another system.
[[nodiscard]] std::optional<detected_machine> detect_apple(const file_tree& files);

}  // namespace detail
}  // namespace v0
}  // namespace sizer
