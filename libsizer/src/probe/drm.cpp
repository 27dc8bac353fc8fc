/// @file
/// Graphics cards as the kernel shows them: /sys/class/drm, /sys/class/kfd, and cards on the PCI bus without a driver.
/// Sources: Linux, Documentation/gpu/amdgpu/driver-misc.rst (mem_info_*), Documentation/ABI/testing/sysfs-bus-pci
/// (current_link_*), drivers/gpu/drm/amd/amdkfd/kfd_topology.c (location_id, gfx_target_version), Documentation/ABI/
/// testing/sysfs-driver-intel-xe* (VRAM of a tile).

#include <algorithm>
#include <array>

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t largest_list = std::size_t{8} * 1024 * 1024;
constexpr std::int64_t amd = 0x1002;
constexpr std::int64_t nvidia = 0x10de;
constexpr std::int64_t intel = 0x8086;

std::string vendor_name(std::int64_t vendor) { return vendor == amd ? "AMD" : vendor == nvidia ? "NVIDIA" : "Intel"; }

/// What identifies a card on its bus.
struct pci_place {
  std::string address;
  std::int64_t vendor = 0;
  std::int64_t device = 0;
  std::string driver;
};

/// "DRIVER=amdgpu\nPCI_ID=1002:1586\nPCI_SLOT_NAME=0000:c3:00.0".
std::optional<pci_place> place_of(std::string_view uevent) {
  const std::string_view id = value_of(uevent, "PCI_ID", '=');
  const std::size_t colon = id.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto vendor = whole(id.substr(0, colon), 16);
  const auto device = whole(id.substr(colon + 1), 16);
  if (!vendor || !device || *device < 0 || *device > 0xFFFF) return std::nullopt;
  pci_place place;
  place.vendor = *vendor;
  place.device = *device;
  place.address = lowered(shown(value_of(uevent, "PCI_SLOT_NAME", '=')));
  place.driver = shown(value_of(uevent, "DRIVER", '='));
  return place;
}

std::string hex4(std::int64_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(4, '0');
  for (std::size_t i = 4; i-- > 0; value /= 16) text[i] = digits[static_cast<std::size_t>(value % 16)];
  return text;
}

/// A line "1586,\tC1,\tAMD Radeon 8060S Graphics" of libdrm's list.
std::string amdgpu_name(const file_tree& files, std::int64_t device, std::string_view revision) {
  const auto number = whole(revision, 16);
  if (!number) return {};
  std::string name;
  const file_text list = files.read("usr/share/libdrm/amdgpu.ids", largest_list);
  each_line(list.text, [&](std::string_view line) {
    const std::size_t first = line.find(',');
    const std::size_t second = line.find(',', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) return true;
    if (whole(line.substr(0, first), 16) != device) return true;
    if (whole(line.substr(first + 1, second - first - 1), 16) != *number) return true;
    name = shown(line.substr(second + 1));
    return false;
  });
  return name;
}

/// "\t744c  Navi 31 [Radeon RX 7900 XT/7900 XTX]" below "1002  Advanced Micro Devices": what stands in the brackets.
std::string pci_ids_name(const file_tree& files, std::int64_t vendor, std::int64_t device) {
  std::string name;
  for (const char* const path : {"usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"}) {
    const file_text list = files.read(path, largest_list);
    bool inside = false;
    each_line(list.text, [&](std::string_view line) {
      if (line.empty() || line.front() == '#') return true;
      if (line.front() != '\t') {
        inside = whole(line.substr(0, 4), 16) == vendor;
      } else if (inside && line.size() > 6 && line[1] != '\t' && whole(line.substr(1, 4), 16) == device) {
        std::string_view text = trimmed(line.substr(5));
        const std::size_t open = text.find('[');
        const std::size_t close = text.rfind(']');
        if (open != std::string_view::npos && close != std::string_view::npos && close > open + 1) {
          text = text.substr(open + 1, close - open - 1);
        }
        name = shown(text);
        return false;
      }
      return true;
    });
    if (!name.empty()) break;
  }
  return name;
}

detected<bytes> size_file(const file_tree& files, const std::string& path) {
  const file_text file = files.read(path);
  if (!file.ok) return absent<bytes>(path.substr(path.rfind('/') + 1) + ": " + file.problem, "sysfs");
  const auto value = whole_in(file.text, 0, largest_size);
  return value ? found(make_bytes(*value), "sysfs") : absent<bytes>("sysfs gives no number", "sysfs");
}

/// "16.0 GT/s PCIe" and "16". Rates of a lane by generation: PCI-SIG, PCI Express Base Specification.
detected<detected_pcie> pcie(const file_tree& files, const std::string& folder, const std::string& which) {
  const auto rate = leading_real(files.line(folder + which + "_link_speed"));
  const auto width = whole_in(files.line(folder + which + "_link_width"), 1, 64);
  if (!rate || !width) return absent<detected_pcie>("sysfs states no link", "sysfs");
  constexpr std::array<double, 7> rates{2.5, 5, 8, 16, 32, 64, 128};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    if (*rate == rates[i]) {
      return found(detected_pcie{static_cast<std::int32_t>(i + 1), static_cast<std::int32_t>(*width)}, "sysfs");
    }
  }
  return absent<detected_pcie>("sysfs states an unknown rate", "sysfs");
}

/// 110501 is gfx1151: major, minor and stepping, the last two as hexadecimal digits.
std::string gfx_name(std::int64_t version) {
  constexpr std::string_view digits = "0123456789abcdef";
  const std::int64_t minor = version / 100 % 100;
  const std::int64_t step = version % 100;
  if (version < 10000 || version > 999999 || minor > 15 || step > 15) return {};
  return "gfx" + std::to_string(version / 10000) + digits[static_cast<std::size_t>(minor)] +
         digits[static_cast<std::size_t>(step)];
}

/// The compute driver's node of the card at this address: location_id is bus x 256 + device x 8 + function.
detected<std::string> gfx_target(const file_tree& files, std::string_view address) {
  const std::string nodes = "sys/class/kfd/kfd/topology/nodes";
  const auto part = [&](std::size_t at, std::size_t n) {
    return address.size() == 12 ? whole(address.substr(at, n), 16) : std::nullopt;
  };
  const auto bus = part(5, 2);
  const auto device = part(8, 2);
  const auto function = part(11, 1);
  bool any = false;
  for (const std::string& name : files.names(nodes)) {
    const file_text properties = files.read(nodes + "/" + name + "/properties");
    any = any || properties.ok;
    const auto location = whole(value_of(properties.text, "location_id", ' '));
    if (!location || !bus || !device || !function || *location != *bus * 256 + *device * 8 + *function) continue;
    const std::string target = gfx_name(whole(value_of(properties.text, "gfx_target_version", ' ')).value_or(0));
    if (!target.empty()) return found(target, "kfd");
  }
  return absent<std::string>(any ? "the compute driver lists no such card" : "the compute driver (kfd) is not loaded",
                             "kfd");
}

/// Processors with graphics: their memory is the machine's. Sources: LLVM, AMDGPUUsage.rst ("APU" in the table of
/// processors), and for machines without kfd libdrm's amdgpu.ids.
bool is_apu(const detected<std::string>& target, std::int64_t device) {
  constexpr std::array<std::string_view, 14> targets{"gfx801",  "gfx902",  "gfx909",  "gfx90c",  "gfx1013",
                                                     "gfx1033", "gfx1035", "gfx1036", "gfx1037", "gfx1103",
                                                     "gfx1150", "gfx1151", "gfx1152", "gfx1153"};
  constexpr std::array<std::int64_t, 14> devices{0x1586, 0x150e, 0x15bf, 0x15c8, 0x1900, 0x1901, 0x1681,
                                                 0x164e, 0x13c0, 0x1114, 0x163f, 0x1638, 0x1636, 0x164c};
  if (target && std::find(targets.begin(), targets.end(), *target) != targets.end()) return true;
  return std::find(devices.begin(), devices.end(), device) != devices.end();
}

/// The fields that a kind of card does not have.
void fill_reasons(detected_gpu& gpu) {
  const std::string why = "this driver does not state it";
  const auto fill = [](auto& field, const std::string& reason) {
    if (!field && field.reason.empty()) field.reason = reason;
  };
  fill(gpu.name, "no list of names has it");
  fill(gpu.backend, why);
  fill(gpu.pci_address, why);
  fill(gpu.pci_id, why);
  fill(gpu.memory_total, why);
  fill(gpu.memory_used, why);
  fill(gpu.memory_reserved, why);
  fill(gpu.unified, why);
  fill(gpu.driver_version, "the driver is a part of the kernel");
  fill(gpu.cuda_version, "of NVIDIA only");
  fill(gpu.compute_capability, "of NVIDIA only");
  fill(gpu.pcie_current, why);
  fill(gpu.pcie_max, why);
  fill(gpu.power_limit_w, why);
  fill(gpu.display_attached, why);
  fill(gpu.mig, "of NVIDIA only");
  fill(gpu.virtualization, why);
  fill(gpu.memory_bus_bits, why);
  fill(gpu.memory_clock_mhz, why);
  fill(gpu.gtt_total, "of AMD only");
  fill(gpu.gfx_target, "of AMD only");
  fill(gpu.gpu_cores, "of Apple only");
  fill(gpu.wired_limit, "of Apple only");
  fill(gpu.recommended_working_set, "of Apple only");
}

void set_amd(const file_tree& files, const std::string& folder, const pci_place& place, detected_gpu& gpu) {
  std::string name = amdgpu_name(files, place.device, files.line(folder + "revision"));
  std::string source = "amdgpu.ids";
  if (name.empty()) {
    name = shown(files.line(folder + "product_name"));
    source = "sysfs";
  }
  if (!name.empty()) gpu.name = found(std::move(name), std::move(source));
  gpu.memory_total = size_file(files, folder + "mem_info_vram_total");
  gpu.memory_used = size_file(files, folder + "mem_info_vram_used");
  gpu.gtt_total = size_file(files, folder + "mem_info_gtt_total");
  gpu.gfx_target = gfx_target(files, place.address);
  const bool apu = is_apu(gpu.gfx_target, place.device);
  gpu.unified = found(apu, gpu.gfx_target ? "kfd" : "pci id");
  gpu.backend = found(std::string{apu ? "vulkan" : "rocm"}, "by the kind of card");
  for (const std::string& one : files.names(folder + "hwmon")) {
    const auto cap = whole_in(files.line(folder + "hwmon/" + one + "/power1_cap"), 1, 100'000'000'000);
    if (cap) gpu.power_limit_w = found(static_cast<double>(*cap) / 1e6, "hwmon");  // microwatts
  }
}

void set_intel(const file_tree& files, const std::string& card, const pci_place& place, detected_gpu& gpu) {
  gpu.backend = found(std::string{"sycl"}, "by the kind of card");
  const std::string folder = card + "device/";
  detected<bytes> size = size_file(files, folder + "tile0/physical_vram_size_bytes");  // xe
  if (!size) size = size_file(files, card + "lmem_total_bytes");                       // i915
  // Processors' graphics sit at device 2 of the first bus.
  const bool integrated = place.address.ends_with(":00:02.0") && !size;
  gpu.unified = found(integrated, "pci address");
  gpu.memory_total = integrated ? absent<bytes>("it uses the machine's memory", "sysfs") : size;
}

detected_gpu describe(const file_tree& files, const std::string& card, const pci_place& place) {
  const std::string folder = card + "device/";
  detected_gpu gpu;
  gpu.vendor = found(vendor_name(place.vendor), "pci id");
  gpu.pci_address = found(place.address, "sysfs");
  gpu.pci_id = found(hex4(place.vendor) + ":" + hex4(place.device), "sysfs");
  if (place.vendor == amd) set_amd(files, folder, place, gpu);
  if (place.vendor == intel) set_intel(files, card, place, gpu);
  if (place.vendor == nvidia) {
    gpu.unified = absent<bool>("NVML is missing", "sysfs");
    gpu.memory_total = absent<bytes>("NVML is missing, and the kernel does not state it", "sysfs");
    gpu.backend = found(std::string{place.driver == "nvidia" ? "cuda" : "vulkan"}, "driver " + place.driver);
  }
  if (!gpu.name) {
    std::string name = pci_ids_name(files, place.vendor, place.device);
    if (!name.empty()) gpu.name = found(std::move(name), "pci.ids");
  }
  const std::string version = shown(files.line("sys/module/" + place.driver + "/version"));
  if (!place.driver.empty() && !version.empty()) gpu.driver_version = found(version, "sysfs");
  gpu.pcie_current = pcie(files, folder, "current");
  gpu.pcie_max = pcie(files, folder, "max");
  return gpu;
}

detected<bool> display_attached(const file_tree& files, const std::vector<std::string>& names,
                                const std::string& card) {
  bool any = false;
  for (const std::string& name : names) {
    if (!name.starts_with(card + "-")) continue;
    any = true;
    if (files.line("sys/class/drm/" + name + "/status") == "connected") return found(true, "sysfs");
  }
  return any ? found(false, "sysfs") : absent<bool>("the card has no connectors", "sysfs");
}

}  // namespace

void detect_drm(const file_tree& files, std::vector<detected_gpu>& gpus, std::vector<std::string>& reasons) {
  const std::size_t before = gpus.size();
  const auto known = [&](const std::string& address) {
    return std::any_of(gpus.begin(), gpus.end(), [&](const auto& one) { return one.pci_address.value == address; });
  };
  const auto maker_known = [](std::int64_t vendor) { return vendor == amd || vendor == nvidia || vendor == intel; };
  const std::vector<std::string> names = files.names("sys/class/drm");
  for (const std::string& name : names) {
    if (!name.starts_with("card") || !whole_in(std::string_view{name}.substr(4), 0, 4096)) continue;
    const std::string card = "sys/class/drm/" + name + "/";
    const auto place = place_of(files.read(card + "device/uevent").text);
    if (!place || known(place->address)) continue;
    if (!maker_known(place->vendor)) {
      reasons.push_back(name + ": its maker (PCI " + hex4(place->vendor & 0xFFFF) + ") makes none that runs models");
      continue;
    }
    detected_gpu gpu = describe(files, card, *place);
    gpu.display_attached = display_attached(files, names, name);
    fill_reasons(gpu);
    gpus.push_back(std::move(gpu));
  }
  for (const std::string& address : files.names("sys/bus/pci/devices")) {
    const std::string folder = "sys/bus/pci/devices/" + address + "/";
    const auto kind = whole(files.line(folder + "class"), 16);
    constexpr std::int64_t display_class = 0x03;  // PCI Code and ID Assignment: display controllers
    if (!kind || *kind >> 16 != display_class || known(lowered(address))) continue;
    auto place = place_of(files.read(folder + "uevent").text);
    if (!place || !maker_known(place->vendor)) continue;
    detected_gpu gpu = describe(files, "", *place);
    gpu.memory_total = absent<bytes>(place->driver.empty() ? "no driver is loaded for the card"
                                                           : "its driver is '" + place->driver + "', which tells none",
                                     "sysfs");
    gpu.pcie_current = pcie(files, folder, "current");
    gpu.pcie_max = pcie(files, folder, "max");
    fill_reasons(gpu);
    gpus.push_back(std::move(gpu));
  }
  if (gpus.size() == before) reasons.emplace_back("AMD, Intel: the kernel lists no further graphics card");
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
