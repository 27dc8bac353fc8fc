/// @file
/// A machine that estimates can be made for, from what was detected and what the catalogue adds.

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <sizer/error.hpp>
#include <sizer/probe/match.hpp>

#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

const std::string source_key = "detected";

sourced<bytes> measured(const bytes& size, std::string note) {
  return {size, figure_kind::measured, source_key, std::move(note)};
}

bytes lower_of(const bytes& a, const bytes& b) { return number(b) < number(a) ? b : a; }

/// What models may use of the machine's memory: all that the system manages, or the control group's share of it.
std::optional<sourced<bytes>> machine_usable(const detected_machine& here) {
  if (!here.memory.total) return std::nullopt;
  std::string note = "total that the operating system manages, for models and all else";
  bytes usable = *here.memory.total;
  if (here.memory.cgroup_limit && number(*here.memory.cgroup_limit) < number(usable)) {
    usable = *here.memory.cgroup_limit;
    note = "limit of the control group of this process";
  }
  if (number(usable) < 1000) return std::nullopt;
  return measured(usable, std::move(note));
}

bytes modules_size(const detected_memory& memory) {
  std::int64_t sum = 0;
  if (memory.dimms) {
    for (const detected_dimm& one : *memory.dimms) {
      const std::int64_t size = one.size ? number(*one.size) : 0;
      if (size < largest_size && sum < largest_size) sum += size;
    }
  }
  return make_bytes(sum);
}

/// The memory beside a card, or of a processor. The bandwidth must be set by the caller.
memory_pool machine_pool(const detected_machine& here, const sourced<bytes>& usable) {
  memory_pool pool;
  pool.type = here.memory.type.value.value_or("not stated");
  if (here.memory.data_rate_mts && here.memory.type) {
    char rate[32];
    std::snprintf(rate, sizeof rate, "-%.0f", *here.memory.data_rate_mts);
    pool.type += rate;
  }
  pool.usable = usable;
  const bytes modules = modules_size(here.memory);
  pool.sold = number(modules) >= number(usable.value)
                  ? measured(modules, "sum of the memory modules")
                  : measured(here.memory.total.value.value_or(usable.value), "total that the operating system manages");
  if (number(pool.sold.value) < number(usable.value)) pool.sold = usable;
  return pool;
}

std::optional<sourced<bytes_per_second>> modules_bandwidth(const detected_memory& memory) {
  const auto rate = memory_bandwidth(memory);
  // The limits of a machine file; a table with other numbers is garbled.
  if (!rate || number(*rate) < 1e6 || number(*rate) > 1e17) return std::nullopt;
  char note[96];
  std::snprintf(note, sizeof note, "%d bit x %.0f MT/s / 8, of the memory modules", *memory.bus_width_bits,
                *memory.data_rate_mts);
  return sourced<bytes_per_second>{*rate, figure_kind::derived, source_key, note};
}

bool is_server(const detected_machine& here) {
  const std::string model = lowered(here.cpu.model.value.value_or(""));
  for (const std::string_view sign : {"epyc", "xeon", "threadripper", "neoverse", "ampere", "altra"}) {
    if (model.find(sign) != std::string::npos) return true;
  }
  return here.cpu.sockets.value.value_or(1) > 1 || here.memory.channels.value.value_or(2) > 4;
}

[[noreturn]] void no_bandwidth(const std::string& of, const std::string& why) {
  throw error(
      "hardware: the memory bandwidth of this machine (" + of + ") is not known: " + why +
      ". Measure it (`sizer measure`, then `--on sizer-profile.json`), name a machine of `sizer hardware` that is "
      "like it, describe it with sizer.Hardware(...), or run `sizer detect` as root, who may read the memory "
      "modules");
}

machine_entry cpu_machine(const detected_machine& here, const catalogue_match& match, const catalogue& known) {
  const std::string name = here.cpu.model.value.value_or("processor of an unknown name");
  const auto usable = machine_usable(here);
  if (!usable) throw error("hardware: the size of this machine's memory is not known: " + here.memory.total.reason);
  machine_entry entry;
  const bool same = match.certainty >= match_certainty::same_device;
  if (same) entry = known.machine(match.id);
  device part = same ? entry.machine.devices.front() : device{};
  device_details details = same && !entry.devices.empty() ? entry.devices.front() : device_details{};
  if (!same) {
    part.name = name;
    part.backend = backend::cpu;
    part.device_class = is_server(here) ? device_class::cpu_server : device_class::cpu_desktop;
    entry.machine.vendor = here.cpu.vendor.value.value_or("unknown");
    entry.machine.kind = "cpu";
  }
  memory_pool pool = machine_pool(here, *usable);
  pool.unified = part.memory.unified;
  const auto modules = modules_bandwidth(here.memory);
  const auto entry_rate = details.memory.data_rate_mts;
  const bool other_rate = entry_rate && here.memory.data_rate_mts &&
                          std::abs(*here.memory.data_rate_mts - entry_rate->value) >= 0.01 * entry_rate->value;
  if (same && !(modules && other_rate)) {
    pool.bandwidth_spec = part.memory.bandwidth_spec;
    pool.bandwidth_measured = part.memory.bandwidth_measured;
    if (!here.memory.type) pool.type = part.memory.type;
  } else if (modules) {
    pool.bandwidth_spec = *modules;
    details.memory = {};
  } else {
    no_bandwidth(name, match.reason);
  }
  details.memory.usable_before_macos_26.reset();
  details.memory.usable_windows.reset();
  part.memory = std::move(pool);
  const std::string part_name = part.name;
  entry.machine.devices = {std::move(part)};
  entry.devices = {std::move(details)};
  entry.machine.host_memory.reset();
  entry.host_memory.reset();
  entry.machine.name = "this machine (" + part_name + ")";
  return entry;
}

/// Lanes' rate by generation, one direction. Source: PCI-SIG, PCI Express Base Specification (line code included).
double lane_rate(std::int32_t generation) {
  switch (generation) {
    case 1: return 0.25e9;
    case 2: return 0.5e9;
    case 3: return 8e9 * 128 / 130 / 8;
    case 4: return 16e9 * 128 / 130 / 8;
    case 5: return 32e9 * 128 / 130 / 8;
    case 6: return 64e9 * 236 / 256 / 8;
    default: return 0;
  }
}

/// The link to the host as this slot has it: an idle card lowers the generation, and a slot may have fewer lanes.
void set_host_link(const detected_gpu& gpu, machine_entry& entry) {
  if (!gpu.pcie_max) return;
  const std::int32_t width = gpu.pcie_current ? gpu.pcie_current->width : gpu.pcie_max->width;
  const double rate = lane_rate(gpu.pcie_max->generation) * width;
  if (rate <= 0) return;
  link host;
  host.between = link_kind::host;
  host.name = "PCIe " + std::to_string(gpu.pcie_max->generation) + ".0 x" + std::to_string(width);
  host.bandwidth = {make_bytes_per_second(rate), figure_kind::derived, source_key,
                    "rate of a lane x lanes of the slot"};
  std::vector<link>& links = entry.machine.links;
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (links[i].between != link_kind::host) continue;
    links[i] = host;
    return;
  }
  links.push_back(host);
}

/// What the driver gives to programs.
std::optional<sourced<bytes>> gpu_usable(const detected_machine& here, const detected_gpu& gpu, const device& part) {
  if (gpu.vendor.value == "Apple") {
    if (gpu.recommended_working_set) return measured(*gpu.recommended_working_set, "recommendedMaxWorkingSetSize");
    if (gpu.wired_limit) return measured(*gpu.wired_limit, "iogpu.wired_limit_mb");
    return std::nullopt;  // the entry's rule
  }
  if (gpu.vendor.value == "AMD" && gpu.unified.value.value_or(false)) {
    if (!gpu.memory_total || !gpu.gtt_total) return std::nullopt;
    const bytes both = make_bytes(number(*gpu.memory_total) + number(*gpu.gtt_total));
    return measured(both, "VRAM + GTT that the driver reports");
  }
  if (part.memory.unified || gpu.unified.value.value_or(false)) return machine_usable(here);
  if (!gpu.memory_total) return std::nullopt;
  if (gpu.memory_reserved && number(*gpu.memory_reserved) < number(*gpu.memory_total)) {
    return measured(make_bytes(number(*gpu.memory_total) - number(*gpu.memory_reserved)),
                    "total without the driver's reserve, as the driver reports them");
  }
  return measured(
      lower_of(*gpu.memory_total, number(part.memory.usable.value) > 0 ? part.memory.usable.value : *gpu.memory_total),
      "total that the driver reports");
}

device_class class_of(const detected_gpu& gpu) {
  const std::string name = lowered(gpu.name.value.value_or(""));
  const double capability = leading_real(gpu.compute_capability.value.value_or("")).value_or(0);
  if (capability > 0 && capability < 7.5) return device_class::nvidia_legacy;  // before Turing
  if (name.find("geforce") != std::string::npos) return device_class::nvidia_consumer;
  if (name.find("rtx") != std::string::npos || name.find("quadro") != std::string::npos) {
    return device_class::nvidia_workstation;
  }
  return device_class::nvidia_datacenter;
}

/// A card that the catalogue does not have, by its bus: two transfers a clock.
machine_entry unknown_gpu(const detected_gpu& gpu) {
  const double rate = *gpu.memory_clock_mhz * 1e6 * 2 * *gpu.memory_bus_bits / 8;
  if (rate < 1e6 || rate > 1e17) no_bandwidth(gpu.name.value.value_or("GPU"), "the driver reports an absurd bus");
  char note[96];
  std::snprintf(note, sizeof note, "2 x %.0f MHz x %d bit / 8", *gpu.memory_clock_mhz, *gpu.memory_bus_bits);
  device part;
  part.name = gpu.name.value.value_or("GPU of an unknown name");
  part.backend = backend::cuda;
  part.device_class = class_of(gpu);
  part.memory.type = "not stated";
  part.memory.sold = measured(*gpu.memory_total, "total that the driver reports");
  part.memory.usable = part.memory.sold;
  part.memory.bandwidth_spec = {make_bytes_per_second(rate), figure_kind::derived, source_key, note};
  machine_entry entry;
  entry.machine.vendor = gpu.vendor.value.value_or("unknown");
  entry.machine.kind = "gpu";
  entry.machine.devices.push_back(std::move(part));
  entry.devices.emplace_back();
  return entry;
}

machine_entry gpu_machine(const detected_machine& here, const catalogue_match& match, const catalogue& known) {
  const detected_gpu& gpu = here.gpus.at(static_cast<std::size_t>(match.gpu));
  machine_entry entry = match.id.empty() ? unknown_gpu(gpu) : known.machine(match.id);
  device part = entry.machine.devices.front();
  device_details details = entry.devices.empty() ? device_details{} : entry.devices.front();
  part.count = static_cast<std::int32_t>(std::max<std::ptrdiff_t>(
      1, std::count_if(here.gpus.begin(), here.gpus.end(), [&](const auto& one) { return one.name == gpu.name; })));
  const bool unified = part.memory.unified;
  if (const auto usable = gpu_usable(here, gpu, part); usable && number(usable->value) >= 1000) {
    part.memory.usable = *usable;
    const auto sold = static_cast<double>(number(part.memory.sold.value));
    const auto size = static_cast<double>(unified ? number(here.memory.total.value.value_or(usable->value))
                                                  : number(gpu.memory_total.value.value_or(usable->value)));
    // Another size than the entry's was sold; of a unified memory the carve-out may be missing in the total.
    if (number(usable->value) > number(part.memory.sold.value) || size < (unified ? 0.7 : 0.88) * sold) {
      const bytes modules = modules_size(here.memory);
      const bool by_modules = unified && number(modules) >= number(usable->value);
      part.memory.sold = by_modules ? measured(modules, "sum of the memory modules")
                                    : measured(unified ? usable->value : gpu.memory_total.value.value_or(usable->value),
                                               "as detected");
      if (number(part.memory.sold.value) < number(part.memory.usable.value)) part.memory.sold = part.memory.usable;
    }
  } else if (gpu.vendor.value == "Apple" && details.memory.usable_before_macos_26 && here.os.name) {
    const auto version =
        leading_real(std::string_view{*here.os.name}.substr(std::min<std::size_t>(6, here.os.name->size())));
    if (version && *version < 26) part.memory.usable = *details.memory.usable_before_macos_26;
  }
  details.memory.usable_before_macos_26.reset();
  details.memory.usable_windows.reset();
  if (gpu.power_limit_w && *gpu.power_limit_w >= 1) {
    part.tdp =
        sourced<watts>{make_watts(*gpu.power_limit_w), figure_kind::measured, source_key, "power limit of the driver"};
  }
  const std::string name = (part.count > 1 ? std::to_string(part.count) + " x " : "") + part.name;
  if (part.count > 1) entry.machine.kind = "multi";
  entry.machine.devices = {std::move(part)};
  entry.devices = {std::move(details)};
  entry.machine.name = "this machine (" + name + ")";
  if (!unified) {
    entry.machine.host_memory.reset();
    entry.host_memory.reset();
    set_host_link(gpu, entry);
    if (const auto usable = machine_usable(here)) {
      memory_pool host = machine_pool(here, *usable);
      std::optional<sourced<bytes_per_second>> rate = modules_bandwidth(here.memory);
      if (!rate) {
        detected_machine without = here;
        without.gpus.clear();
        const catalogue_match cpu = match_catalogue(without, known);
        if (cpu.certainty >= match_certainty::same_device) {
          const memory_pool& there = known.machine(cpu.id).machine.devices.front().memory;
          rate = there.bandwidth_spec;
          host.bandwidth_measured = there.bandwidth_measured;
          host.type = there.type;
        }
      }
      if (rate) {
        host.bandwidth_spec = *rate;
        entry.machine.host_memory = std::move(host);
        entry.host_memory.emplace();
      } else {
        entry.machine.notes += std::string{entry.machine.notes.empty() ? "" : "; "} +
                               "host memory left out, because its bandwidth is not known";
      }
    }
  }
  return entry;
}

}  // namespace
}  // namespace detail

machine_entry to_machine(const detected_machine& here, const catalogue_match& match, const catalogue& known) {
  const bool by_gpu = match.gpu >= 0 && match.gpu < static_cast<std::ptrdiff_t>(here.gpus.size());
  machine_entry entry = by_gpu ? detail::gpu_machine(here, match, known) : detail::cpu_machine(here, match, known);
  entry.machine.id = "this";
  entry.aliases.clear();
  entry.claims.clear();
  entry.machine.prices.clear();  // it is here already
  entry.machine.release_year.reset();
  return entry;
}

}  // namespace v0
}  // namespace sizer
