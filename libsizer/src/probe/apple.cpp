/// @file
/// macOS: `sysctl -a` and `system_profiler SPDisplaysDataType`, as text. Sources: Apple, man 3 sysctl, "Determining
/// instruction set characteristics" (hw.optional.arm.FEAT_*).

#include <array>
#include <utility>

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 13> features{{
    {"hw.optional.sse4_2", "sse4.2"},
    {"hw.optional.avx1_0", "avx"},
    {"hw.optional.f16c", "f16c"},
    {"hw.optional.fma", "fma"},
    {"hw.optional.avx2_0", "avx2"},
    {"hw.optional.avx512f", "avx512f"},
    {"hw.optional.avx512bw", "avx512bw"},
    {"hw.optional.AdvSIMD", "neon"},
    {"hw.optional.arm.FEAT_FP16", "fp16"},
    {"hw.optional.arm.FEAT_DotProd", "dotprod"},
    {"hw.optional.arm.FEAT_I8MM", "i8mm"},
    {"hw.optional.arm.FEAT_BF16", "bf16"},
    {"hw.optional.arm.FEAT_SME", "sme"},
}};

/// The values of `sysctl -a`, "hw.memsize: 68719476736".
struct kernel_state {
  std::string_view text;

  [[nodiscard]] detected<std::string> word(std::string_view key) const {
    const std::string value = shown(value_of(text, key));
    if (value.empty()) return absent<std::string>(std::string{key} + " is not set", "sysctl");
    return found(value, "sysctl");
  }
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, std::int64_t high) const {
    return whole_in(value_of(text, key), 0, high);
  }
  [[nodiscard]] detected<std::int32_t> count(std::string_view key) const {
    const auto value = integer(key, most_cpus);
    return value ? found(static_cast<std::int32_t>(*value), "sysctl")
                 : absent<std::int32_t>(std::string{key} + " is not set", "sysctl");
  }
};

detected_cpu cpu_of(const kernel_state& state) {
  detected_cpu cpu;
  cpu.model = state.word("machdep.cpu.brand_string");
  cpu.vendor = state.word("machdep.cpu.vendor");
  if (!cpu.vendor && cpu.model && cpu.model->starts_with("Apple")) cpu.vendor = found(std::string{"Apple"}, "sysctl");
  cpu.sockets = state.count("hw.packages");
  cpu.physical_cores = state.count("hw.physicalcpu");
  cpu.logical_cpus = state.count("hw.logicalcpu");
  cpu.usable_cpus = cpu.logical_cpus;
  cpu.cpu_quota = absent<double>("macOS has no control groups", "sysctl");
  std::vector<std::string> simd;
  for (const auto& [key, name] : features) {
    if (state.integer(key, 1) == 1) simd.emplace_back(name);
  }
  cpu.simd = found(std::move(simd), "sysctl");
  std::vector<detected_cache> caches;
  const auto cache = [&](std::string_view key, std::int32_t level, const char* type, std::string_view shared) {
    const auto size = state.integer(key, largest_size);
    if (!size || *size == 0) return;
    const auto by = static_cast<std::int32_t>(state.integer(shared, most_cpus).value_or(1));
    caches.push_back({level, type, make_bytes(*size), by, std::nullopt});
  };
  cache("hw.perflevel0.l1dcachesize", 1, "Data", "");
  cache("hw.perflevel0.l1icachesize", 1, "Instruction", "");
  cache("hw.perflevel0.l2cachesize", 2, "Unified", "hw.perflevel0.cpusperl2");
  cpu.caches = caches.empty() ? absent<std::vector<detected_cache>>("sysctl lists none", "sysctl")
                              : found(std::move(caches), "sysctl");
  cpu.numa_nodes = absent<std::vector<detected_numa_node>>("macOS has one node", "sysctl");
  cpu.base_mhz = absent<double>("macOS does not state it", "sysctl");
  cpu.max_mhz = absent<double>("macOS does not state it", "sysctl");
  return cpu;
}

detected_memory memory_of(const kernel_state& state) {
  detected_memory memory;
  const auto size = state.integer("hw.memsize", largest_size);
  memory.total = size ? found(make_bytes(*size), "sysctl") : absent<bytes>("hw.memsize is not set", "sysctl");
  memory.available = absent<bytes>("macOS does not state it", "sysctl");
  memory.cgroup_limit = absent<bytes>("macOS has no control groups", "sysctl");
  memory.huge_page_sizes = absent<std::vector<bytes>>("macOS has none to ask for", "sysctl");
  const std::string why = "macOS does not state it; the catalogue has it by the name of the chip";
  memory.dimms = absent<std::vector<detected_dimm>>(why);
  memory.type = absent<std::string>(why);
  memory.channels = absent<std::int32_t>(why);
  memory.bus_width_bits = absent<std::int32_t>(why);
  memory.data_rate_mts = absent<double>(why);
  return memory;
}

detected_gpu gpu_of(const file_text& profile, const kernel_state& state, const detected_memory& memory) {
  detected_gpu gpu;
  const std::string chip = shown(value_of(profile.text, "Chipset Model"));
  const auto cores = whole_in(value_of(profile.text, "Total Number of Cores"), 1, 4096);
  gpu.gpu_cores = cores ? found(static_cast<std::int32_t>(*cores), "system_profiler")
                        : absent<std::int32_t>("system_profiler does not state them", "system_profiler");
  gpu.name = chip.empty() ? absent<std::string>("system_profiler does not state it", "system_profiler")
                          : found(chip, "system_profiler");
  const bool apple = chip.starts_with("Apple");
  gpu.vendor = apple ? found(std::string{"Apple"}, "system_profiler")
                     : absent<std::string>("the chip is none of Apple's", "system_profiler");
  gpu.backend = found(std::string{"metal"}, "by the kind of card");
  gpu.unified = apple ? found(true, "by the kind of card") : absent<bool>("the chip is none of Apple's");
  gpu.memory_total = apple ? memory.total : absent<bytes>("system_profiler is not read for it");
  gpu.display_attached = profile.ok ? found(profile.text.find("Displays:") != std::string::npos &&
                                                profile.text.find("Resolution:") != std::string::npos,
                                            "system_profiler")
                                    : absent<bool>(profile.problem, "system_profiler");
  // In MiB; 0 is "the default", which Metal knows and sysctl does not tell.
  const auto wired = state.integer("iogpu.wired_limit_mb", largest_size / 1048576);
  gpu.wired_limit = wired && *wired > 0 ? found(make_bytes(*wired * 1048576), "sysctl")
                                        : absent<bytes>("iogpu.wired_limit_mb is at its default", "sysctl");
  gpu.recommended_working_set =
      absent<bytes>("it takes a call of the Metal framework, which this library does not link", "metal");
  gpu.driver_version = absent<std::string>("the driver is a part of macOS");
  const std::string none = "not of an Apple chip";
  gpu.pci_address = absent<std::string>(none);
  gpu.pci_id = absent<std::string>(none);
  gpu.memory_used = absent<bytes>("macOS does not state it");
  gpu.memory_reserved = absent<bytes>("macOS does not state it");
  gpu.cuda_version = absent<std::string>("of NVIDIA only");
  gpu.compute_capability = absent<std::string>("of NVIDIA only");
  gpu.pcie_current = absent<detected_pcie>(none);
  gpu.pcie_max = absent<detected_pcie>(none);
  gpu.power_limit_w = absent<double>("macOS does not state it");
  gpu.mig = absent<bool>("of NVIDIA only");
  gpu.virtualization = absent<std::string>("macOS does not state it");
  gpu.memory_bus_bits = absent<std::int32_t>("macOS does not state it");
  gpu.memory_clock_mhz = absent<double>("macOS does not state it");
  gpu.gtt_total = absent<bytes>("of AMD only");
  gpu.gfx_target = absent<std::string>("of AMD only");
  return gpu;
}

}  // namespace

std::optional<detected_machine> detect_apple(const file_tree& files) {
  const file_text kernel = files.output("sysctl", "/usr/sbin/sysctl -a 2>/dev/null");
  if (!kernel.ok || value_of(kernel.text, "kern.ostype") != "Darwin") return std::nullopt;
  const kernel_state state{kernel.text};
  detected_machine here;
  here.product = state.word("hw.model");
  here.cpu = cpu_of(state);
  here.memory = memory_of(state);
  const file_text profile = files.output("system_profiler", "/usr/sbin/system_profiler SPDisplaysDataType 2>/dev/null");
  if (profile.ok) {
    here.gpus.push_back(gpu_of(profile, state, here.memory));
  } else {
    here.gpu_reasons.push_back("Apple: system_profiler: " + profile.problem);
  }
  const auto version = state.word("kern.osproductversion");
  here.os.name = version ? found("macOS " + *version, "sysctl") : absent<std::string>(version.reason, "sysctl");
  here.os.kernel = state.word("kern.osrelease");
  here.os.wsl = found(false, "sysctl");
  here.os.container = found(std::string{"none"}, "macOS");
  here.os.virtual_machine =
      found(std::string{state.integer("kern.hv_vmm_present", 1) == 1 ? "of a kind that does not name itself" : "none"},
            "sysctl");
  return here;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
