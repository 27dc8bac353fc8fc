/// @file
/// Memory: /proc/meminfo, the control group, huge pages, and the modules as far as the firmware's table is readable.

#include <algorithm>
#include <set>

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

// The tables of large servers have about 100 KiB.
constexpr std::size_t largest_table = std::size_t{1} * 1024 * 1024;

detected<bytes> meminfo_size(const file_text& meminfo, std::string_view key) {
  if (!meminfo.ok) return absent<bytes>("/proc/meminfo: " + meminfo.problem, "/proc/meminfo");
  const std::string_view text = value_of(meminfo.text, key);  // "24684084 kB", of 1024 bytes each
  const auto kib = whole_in(text.substr(0, text.find(' ')), 1, largest_size / 1024);
  if (!kib) return absent<bytes>("/proc/meminfo does not state it", "/proc/meminfo");
  return found(make_bytes(*kib * 1024), "/proc/meminfo");
}

detected<std::vector<bytes>> huge_pages(const file_tree& files) {
  std::vector<bytes> sizes;
  for (const std::string& name : files.names("sys/kernel/mm/hugepages")) {  // "hugepages-2048kB"
    constexpr std::string_view start = "hugepages-";
    if (!name.starts_with(start) || !name.ends_with("kB")) continue;
    const auto kib =
        whole_in(std::string_view{name}.substr(start.size(), name.size() - start.size() - 2), 1, largest_size / 1024);
    if (kib) sizes.push_back(make_bytes(*kib * 1024));
  }
  if (sizes.empty()) return absent<std::vector<bytes>>("the kernel offers none", "sysfs");
  std::sort(sizes.begin(), sizes.end());
  return found(std::move(sizes), "sysfs");
}

/// Modules from the firmware's table, which root may read, or from what udev keeps of it, which everybody may.
detected<std::vector<detected_dimm>> modules(const file_tree& files) {
  const file_text table = files.read("sys/firmware/dmi/tables/DMI", largest_table);
  if (table.ok) {
    auto list = parse_smbios_memory(table.text);
    if (!list.empty()) return found(std::move(list), "smbios");
  }
  const file_text udev = files.read("run/udev/data/+dmi:id", largest_table);
  if (udev.ok) {
    auto list = parse_udev_memory(udev.text);
    if (!list.empty()) return found(std::move(list), "udev");
  }
  return absent<std::vector<detected_dimm>>(
      table.ok ? "the firmware's table describes no memory modules"
               : "/sys/firmware/dmi/tables/DMI: " + table.problem + "; udev keeps no copy either",
      "smbios");
}

/// What the modules have in common: type, bus width, data rate.
void summarise(detected_memory& memory) {
  const std::string source = memory.dimms.source;
  if (!memory.dimms || memory.dimms->empty()) {
    const std::string why = "the memory modules are not readable: " + memory.dimms.reason;
    memory.type = absent<std::string>(why, source);
    memory.channels = absent<std::int32_t>(why, source);
    memory.bus_width_bits = absent<std::int32_t>(why, source);
    memory.data_rate_mts = absent<double>(why, source);
    return;
  }
  const std::vector<detected_dimm>& dimms = *memory.dimms;
  const bool same_type =
      std::all_of(dimms.begin(), dimms.end(), [&](const auto& one) { return one.type == dimms.front().type; });
  memory.type = same_type && !dimms.front().type.empty()
                    ? found(dimms.front().type, source)
                    : absent<std::string>("the modules state no common type", source);

  double slowest = 0;
  bool stated = true;
  for (const detected_dimm& one : dimms) {
    const auto rate = one.configured_mts ? one.configured_mts : one.rated_mts;
    stated = stated && rate;
    if (rate && (slowest == 0 || *rate < slowest)) slowest = *rate;
  }
  memory.data_rate_mts = stated ? found(slowest, source) : absent<double>("a module does not state its speed", source);

  // Soldered packages state the width of their own part of the bus; modules share a channel's 64 bits.
  const bool soldered = dimms.front().type.starts_with("LPDDR");
  std::set<std::string> channels;
  std::int64_t width = 0;
  bool known = true;
  for (const detected_dimm& one : dimms) {
    const std::string channel = channel_of(one);
    known = known && (soldered ? one.data_width_bits.has_value() : !channel.empty() || dimms.size() == 1);
    channels.insert(channel);
    width += soldered ? one.data_width_bits.value_or(0) : 0;
  }
  constexpr std::int64_t channel_bits = 64;
  // 12 channels on each of 8 sockets are 6144 bits.
  constexpr std::int64_t widest = 65536;
  if (!soldered) width = static_cast<std::int64_t>(channels.size()) * channel_bits;
  if (!known || width <= 0 || width > widest) {
    const std::string why = "the firmware does not name the channels of the modules";
    memory.channels = absent<std::int32_t>(why, source);
    memory.bus_width_bits = absent<std::int32_t>(why, source);
    return;
  }
  memory.bus_width_bits = found(static_cast<std::int32_t>(width), source);
  memory.channels = width % channel_bits == 0 ? found(static_cast<std::int32_t>(width / channel_bits), source)
                                              : absent<std::int32_t>("the bus is no multiple of 64 bits wide", source);
}

}  // namespace

detected_memory detect_memory(const file_tree& files) {
  detected_memory memory;
  const file_text meminfo = files.read("proc/meminfo");
  memory.total = meminfo_size(meminfo, "MemTotal");
  memory.available = meminfo_size(meminfo, "MemAvailable");
  memory.cgroup_limit = detect_cgroup(files).memory;
  memory.huge_page_sizes = huge_pages(files);
  memory.dimms = modules(files);
  summarise(memory);
  return memory;
}

}  // namespace detail

detected<bytes_per_second> memory_bandwidth(const detected_memory& memory) {
  if (!memory.bus_width_bits) return detail::absent<bytes_per_second>(memory.bus_width_bits.reason);
  if (!memory.data_rate_mts) return detail::absent<bytes_per_second>(memory.data_rate_mts.reason);
  const double rate = *memory.data_rate_mts * 1e6 * *memory.bus_width_bits / 8.0;
  return detail::found(make_bytes_per_second(rate), memory.dimms.source);
}

}  // namespace v0
}  // namespace sizer
