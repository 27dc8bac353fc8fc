/// @file
/// The processor: /proc/cpuinfo and /sys/devices/system (Linux, Documentation/ABI/stable/sysfs-devices-system-cpu).
///
/// hwloc would give the same tree on Linux. It is left out: linked into a static library it would become a requirement
/// of every consumer, and what is read here are a dozen files.

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t largest_cpuinfo = std::size_t{8} * 1024 * 1024;
const std::string cpus_folder = "sys/devices/system/cpu/";

/// Flags of x86 and features of Arm, and the name that is reported. Source: Linux, arch/x86/include/asm/cpufeatures.h
/// and Documentation/arch/arm64/elf_hwcaps.rst.
constexpr std::array<std::pair<std::string_view, std::string_view>, 25> simd_names{{
    {"sse4_2", "sse4.2"},
    {"avx", "avx"},
    {"f16c", "f16c"},
    {"fma", "fma"},
    {"avx2", "avx2"},
    {"avx_vnni", "avx_vnni"},
    {"avx512f", "avx512f"},
    {"avx512bw", "avx512bw"},
    {"avx512vl", "avx512vl"},
    {"avx512_vnni", "avx512_vnni"},
    {"avx512_bf16", "avx512_bf16"},
    {"avx512_fp16", "avx512_fp16"},
    {"amx_tile", "amx_tile"},
    {"amx_int8", "amx_int8"},
    {"amx_bf16", "amx_bf16"},
    {"asimd", "neon"},
    {"asimdhp", "fp16"},
    {"asimddp", "dotprod"},
    {"i8mm", "i8mm"},
    {"bf16", "bf16"},
    {"sve", "sve"},
    {"sve2", "sve2"},
    {"sme", "sme"},
    {"sme2", "sme2"},
    {"vsx", "vsx"},
}};

/// Arm's processors have numbers and no names. Source: util-linux, sys-utils/lscpu-arm.c.
struct arm_part {
  std::int64_t implementer;
  std::int64_t part;
  std::string_view name;
};
constexpr std::array<arm_part, 20> arm_parts{{
    {0x41, 0xd03, "Cortex-A53"},  {0x41, 0xd04, "Cortex-A35"},  {0x41, 0xd05, "Cortex-A55"},
    {0x41, 0xd07, "Cortex-A57"},  {0x41, 0xd08, "Cortex-A72"},  {0x41, 0xd09, "Cortex-A73"},
    {0x41, 0xd0a, "Cortex-A75"},  {0x41, 0xd0b, "Cortex-A76"},  {0x41, 0xd0c, "Neoverse-N1"},
    {0x41, 0xd40, "Neoverse-V1"}, {0x41, 0xd41, "Cortex-A78"},  {0x41, 0xd42, "Cortex-A78AE"},
    {0x41, 0xd49, "Neoverse-N2"}, {0x41, 0xd4f, "Neoverse-V2"}, {0x41, 0xd81, "Cortex-A720"},
    {0x41, 0xd85, "Cortex-X925"}, {0x41, 0xd87, "Cortex-A725"}, {0xc0, 0xac3, "Ampere-1"},
    {0xc0, 0xac4, "Ampere-1a"},   {0x51, 0x001, "Oryon"},
}};

std::string_view arm_implementer(std::int64_t code) {
  switch (code) {
    case 0x41: return "ARM";
    case 0x46: return "FUJITSU";
    case 0x48: return "HiSilicon";
    case 0x4e: return "NVIDIA";
    case 0x51: return "Qualcomm";
    case 0x61: return "Apple";
    case 0xc0: return "Ampere";
    default: return "";
  }
}

/// What /proc/cpuinfo says, one block a logical CPU.
struct cpuinfo {
  std::string vendor;
  std::string model;
  std::vector<std::string_view> flags;
  std::int32_t logical = 0;
  std::set<std::string, std::less<>> packages;
  std::set<std::pair<std::string, std::string>> cores;
  std::int64_t implementer = -1;
  std::set<std::int64_t> parts;
};

cpuinfo parse_cpuinfo(std::string_view text) {
  cpuinfo info;
  std::string package;
  each_line(text, [&](std::string_view line) {
    const std::size_t at = line.find(':');
    if (at == std::string_view::npos) return true;
    const std::string_view key = trimmed(line.substr(0, at));
    const std::string_view value = trimmed(line.substr(at + 1));
    if (key == "processor" && whole(value) && info.logical < most_cpus) {
      ++info.logical;
      package.clear();
    } else if (key == "vendor_id" && info.vendor.empty()) {
      info.vendor = shown(value);
    } else if (key == "model name" && info.model.empty()) {
      info.model = shown(value);
    } else if ((key == "flags" || key == "Features") && info.flags.empty()) {
      info.flags = words(value);
    } else if (key == "physical id") {
      package = value.substr(0, 16);
      info.packages.insert(package);
    } else if (key == "core id") {
      info.cores.emplace(package, value.substr(0, 16));
    } else if (key == "CPU implementer") {
      info.implementer = whole(value, 16).value_or(-1);
    } else if (key == "CPU part") {
      info.parts.insert(whole(value, 16).value_or(-1));
    }
    return true;
  });
  return info;
}

/// Names of Arm's parts, the larger number (the larger core) first.
std::string arm_model(const cpuinfo& info) {
  std::string model;
  for (auto part = info.parts.rbegin(); part != info.parts.rend(); ++part) {
    for (const arm_part& known : arm_parts) {
      if (known.implementer == info.implementer && known.part == *part) {
        model += (model.empty() ? "" : " + ") + std::string{known.name};
      }
    }
  }
  return model;
}

std::vector<std::int32_t> online(const file_tree& files, const cpuinfo& info) {
  if (auto list = cpu_list(files.line(cpus_folder + "online"))) return *std::move(list);
  std::vector<std::int32_t> list;
  for (std::int32_t i = 0; i < info.logical; ++i) list.push_back(i);
  return list;
}

void set_topology(const file_tree& files, const cpuinfo& info, const std::vector<std::int32_t>& cpus,
                  detected_cpu& cpu) {
  std::set<std::string> packages;
  std::set<std::string> cores;
  bool complete = !cpus.empty();
  for (const std::int32_t number : cpus) {
    const std::string folder = cpus_folder + "cpu" + std::to_string(number) + "/topology/";
    const std::string package = files.line(folder + "physical_package_id");
    std::string core = files.line(folder + "core_cpus_list");
    if (core.empty()) core = files.line(folder + "thread_siblings_list");
    complete = complete && whole(package) && cpu_list(core);
    if (!complete) break;
    packages.insert(package);
    cores.insert(core);
  }
  const auto size = [](const auto& set) { return static_cast<std::int32_t>(set.size()); };
  if (complete) {
    cpu.sockets = found(size(packages), "sysfs");
    cpu.physical_cores = found(size(cores), "sysfs");
  } else if (!info.cores.empty() && !info.packages.empty()) {
    cpu.sockets = found(size(info.packages), "/proc/cpuinfo");
    cpu.physical_cores = found(size(info.cores), "/proc/cpuinfo");
  } else {
    cpu.sockets = absent<std::int32_t>("neither sysfs nor /proc/cpuinfo tells the topology", "sysfs");
    cpu.physical_cores = absent<std::int32_t>("neither sysfs nor /proc/cpuinfo tells the topology", "sysfs");
  }
}

/// "32K", "1024K", "96M".
std::optional<bytes> cache_size(std::string_view text) {
  text = trimmed(text);
  std::int64_t scale = 1;
  if (text.ends_with('K')) scale = 1024;
  if (text.ends_with('M')) scale = 1024 * 1024;
  if (scale != 1) text.remove_suffix(1);
  const auto value = whole_in(text, 1, largest_size / scale);
  if (!value) return std::nullopt;
  return make_bytes(*value * scale);
}

detected<std::vector<detected_cache>> caches(const file_tree& files, const std::vector<std::int32_t>& cpus) {
  using kind = std::tuple<std::int64_t, std::string, std::int64_t>;  // level, type, size
  std::map<kind, std::set<std::string>> lists;
  bool complete = true;
  for (const std::int32_t number : cpus) {
    const std::string folder = cpus_folder + "cpu" + std::to_string(number) + "/cache";
    bool any = false;
    for (const std::string& name : files.names(folder)) {
      if (!name.starts_with("index")) continue;
      const std::string place = folder + "/" + name + "/";
      const auto level = whole_in(files.line(place + "level"), 1, 9);
      const auto size = cache_size(files.line(place + "size"));
      const std::string shared = files.line(place + "shared_cpu_list");
      if (!level || !size || !cpu_list(shared)) continue;
      any = true;
      lists[{*level, shown(files.line(place + "type")), size->value().value()}].insert(shared);
    }
    complete = complete && any;
  }
  if (lists.empty()) return absent<std::vector<detected_cache>>("the kernel lists no caches", "sysfs");
  std::vector<detected_cache> result;
  for (const auto& [what, shared] : lists) {
    detected_cache one;
    one.level = static_cast<std::int32_t>(std::get<0>(what));
    one.type = std::get<1>(what);
    one.size = make_bytes(std::get<2>(what));
    one.shared_by = static_cast<std::int32_t>(cpu_list(*shared.begin())->size());
    if (complete) one.instances = static_cast<std::int32_t>(shared.size());
    result.push_back(std::move(one));
  }
  return found(std::move(result), "sysfs");
}

detected<std::vector<detected_numa_node>> numa(const file_tree& files) {
  const std::string folder = "sys/devices/system/node";
  std::vector<detected_numa_node> nodes;
  for (const std::string& name : files.names(folder)) {
    const auto id = name.starts_with("node") ? whole_in(name.substr(4), 0, most_cpus) : std::nullopt;
    if (!id) continue;
    detected_numa_node node;
    node.id = static_cast<std::int32_t>(*id);
    // A node may have memory and no CPUs.
    if (const auto list = cpu_list(files.line(folder + "/" + name + "/cpulist"))) {
      node.logical_cpus = static_cast<std::int32_t>(list->size());
    }
    const std::string meminfo = files.read(folder + "/" + name + "/meminfo").text;
    const std::string_view size = value_of(meminfo, "Node " + std::to_string(*id) + " MemTotal");
    const auto kib = whole_in(size.substr(0, size.find(' ')), 0, largest_size / 1024);
    if (kib) node.memory = make_bytes(*kib * 1024);
    nodes.push_back(std::move(node));
  }
  if (nodes.empty()) return absent<std::vector<detected_numa_node>>("the kernel lists no NUMA nodes", "sysfs");
  std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return found(std::move(nodes), "sysfs");
}

void set_clocks(const file_tree& files, const std::vector<std::int32_t>& cpus, detected_cpu& cpu) {
  // More than this is a garbled file: the record under liquid helium is 9.1 GHz.
  constexpr std::int64_t most_khz = 100'000'000;
  std::int64_t highest = 0;
  for (const std::int32_t number : cpus) {
    const std::string file = cpus_folder + "cpu" + std::to_string(number) + "/cpufreq/cpuinfo_max_freq";
    highest = std::max(highest, whole_in(files.line(file), 1, most_khz).value_or(0));
  }
  const std::string first = cpus_folder + "cpu0/";
  cpu.max_mhz = highest > 0
                    ? found(static_cast<double>(highest) / 1000.0, "sysfs")
                    : absent<double>("the kernel has no cpufreq driver here, as in most virtual machines", "sysfs");
  if (const auto khz = whole_in(files.line(first + "cpufreq/base_frequency"), 1, most_khz)) {
    cpu.base_mhz = found(static_cast<double>(*khz) / 1000.0, "sysfs");
  } else if (const auto mhz = whole_in(files.line(first + "acpi_cppc/nominal_freq"), 1, most_khz / 1000)) {
    cpu.base_mhz = found(static_cast<double>(*mhz), "sysfs");
  } else {
    cpu.base_mhz = absent<double>("neither cpufreq, ACPI CPPC nor the model name states it", "sysfs");
    const std::size_t at = cpu.model ? cpu.model->rfind('@') : std::string::npos;
    if (at != std::string::npos && cpu.model->ends_with("GHz")) {
      if (const auto ghz = leading_real(std::string_view{*cpu.model}.substr(at + 1))) {
        cpu.base_mhz = found(*ghz * 1000.0, "/proc/cpuinfo");
      }
    }
  }
}

}  // namespace

detected_cpu detect_cpu(const file_tree& files) {
  detected_cpu cpu;
  const file_text file = files.read("proc/cpuinfo", largest_cpuinfo);
  const cpuinfo info = parse_cpuinfo(file.text);
  const std::string why = file.ok ? "/proc/cpuinfo does not state it" : "/proc/cpuinfo: " + file.problem;
  const auto text = [&](std::string value) {
    return value.empty() ? absent<std::string>(why, "/proc/cpuinfo") : found(std::move(value), "/proc/cpuinfo");
  };
  cpu.vendor = text(!info.vendor.empty() ? info.vendor : std::string{arm_implementer(info.implementer)});
  cpu.model = text(!info.model.empty() ? info.model : arm_model(info));
  const std::vector<std::int32_t> cpus = online(files, info);
  cpu.logical_cpus = cpus.empty() ? absent<std::int32_t>(why, "/proc/cpuinfo")
                                  : found(static_cast<std::int32_t>(cpus.size()), "sysfs");
  if (const auto allowed = cpu_list(value_of(files.read("proc/self/status").text, "Cpus_allowed_list"))) {
    // The mask may name CPUs that the machine does not have.
    const auto usable = std::count_if(allowed->begin(), allowed->end(), [&](std::int32_t one) {
      return cpus.empty() || std::binary_search(cpus.begin(), cpus.end(), one);
    });
    cpu.usable_cpus = found(static_cast<std::int32_t>(usable), "/proc/self/status");
  } else {
    cpu.usable_cpus = absent<std::int32_t>("/proc/self/status does not state it", "/proc/self/status");
  }
  std::vector<std::string> simd;
  for (const auto& [flag, name] : simd_names) {
    if (std::find(info.flags.begin(), info.flags.end(), flag) != info.flags.end()) simd.emplace_back(name);
  }
  cpu.simd = info.flags.empty() ? absent<std::vector<std::string>>(why, "/proc/cpuinfo")
                                : found(std::move(simd), "/proc/cpuinfo");
  set_topology(files, info, cpus, cpu);
  cpu.caches = caches(files, cpus);
  cpu.numa_nodes = numa(files);
  set_clocks(files, cpus, cpu);
  return cpu;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
