/// @file
/// Asks the processor. Sources: Intel SDM volume 1, 13.4 and volume 2, CPUID; Linux, Documentation/arch/arm64/
/// elf_hwcaps.rst and Documentation/arch/x86/xstate.rst.

#include "cpu_support.hpp"

#include <algorithm>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#define SIZER_ASK_X86 1
#endif
#if defined(__linux__)
#include <sched.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif
#endif

#include "probe/parts.hpp"
#include "probe/text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

struct instruction_sets {
  bool avx2 = false;    // with FMA and F16C
  bool avx512 = false;  // F, BW, DQ, VL, VNNI
  bool avx512_bf16 = false;
  bool amx_bf16 = false;
  bool amx_int8 = false;
  bool dot_product = false;  // Arm
};

#if defined(SIZER_ASK_X86)

/// Register states that the operating system saves (XCR0).
std::uint64_t saved_states() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<std::uint64_t>(high) << 32 | low;
}

instruction_sets ask() {
  instruction_sets has;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return has;
  const auto bit = [](unsigned word, int at) { return (word >> at & 1u) != 0; };
  const bool fma = bit(c, 12);
  const bool f16c = bit(c, 29);
  if (!bit(c, 27)) return has;  // OSXSAVE
  const std::uint64_t states = saved_states();
  const bool ymm = (states & 0x6u) == 0x6u;
  const bool zmm = (states & 0xe6u) == 0xe6u;
  const bool tiles = (states & 0x60000u) == 0x60000u;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return has;
  has.avx2 = ymm && fma && f16c && bit(b, 5);
  has.avx512 = zmm && has.avx2 && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31) && bit(c, 11);
  has.amx_bf16 = has.avx512 && tiles && bit(d, 24) && bit(d, 22);
  has.amx_int8 = has.avx512 && tiles && bit(d, 24) && bit(d, 25);
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) has.avx512_bf16 = has.avx512 && bit(a, 5);
  return has;
}

#else

instruction_sets ask() {
  instruction_sets has;
#if defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long asimd_dot_product = 1ul << 20;  // HWCAP_ASIMDDP
  has.dot_product = (getauxval(AT_HWCAP) & asimd_dot_product) != 0;
#elif defined(__aarch64__) && defined(__APPLE__)
  has.dot_product = true;  // every Apple chip that runs macOS
#endif
  return has;
}

#endif

const instruction_sets& here() {
  static const instruction_sets sets = ask();
  return sets;
}

}  // namespace

std::vector<const cpu_kernels*> supported_cpu_kernels() {
  std::vector<const cpu_kernels*> tables;
  const auto add = [&](bool runs, const cpu_kernels* table) {
    if (runs && table != nullptr) tables.push_back(table);
  };
  add(here().avx512, cpu_kernels_avx512());
  add(here().avx2, cpu_kernels_avx2());
  add(here().dot_product, cpu_kernels_neon());
  add(true, cpu_kernels_scalar());
  return tables;
}

std::vector<const gemm_kernel*> supported_gemm_kernels() {
  std::vector<const gemm_kernel*> kernels;
  const auto add = [&](bool runs, const gemm_kernel* kernel) {
    if (runs && kernel != nullptr) kernels.push_back(kernel);
  };
  const bool tiles = (here().amx_bf16 || here().amx_int8) && amx_permitted();
  add(here().amx_bf16 && tiles, gemm_amx_bf16());
  add(here().amx_int8 && tiles, gemm_amx_int8());
  add(here().avx512_bf16, gemm_avx512_bf16());
  return kernels;
}

std::string missing_gemm_reason(const std::string& type) {
  if ((here().amx_bf16 && type == "bf16") || (here().amx_int8 && type == "int8")) {
    return "the processor has AMX, but the operating system did not permit it, or this build does not know it";
  }
  return "no instructions for " + type + " products on this processor";
}

std::vector<int> cores_to_pin() {
  std::vector<int> chosen;
#if defined(__linux__)
  // Larger than any machine's, so that the call does not fail on one of more than 1,024 CPUs.
  constexpr int most = 8192;
  cpu_set_t* const allowed = CPU_ALLOC(most);
  if (allowed == nullptr) return chosen;
  const std::size_t size = CPU_ALLOC_SIZE(most);
  CPU_ZERO_S(size, allowed);
  if (sched_getaffinity(0, size, allowed) == 0) {
    const file_tree files{"/"};
    std::vector<std::string> seen;
    for (int cpu = 0; cpu < most; ++cpu) {
      if (!CPU_ISSET_S(static_cast<std::size_t>(cpu), size, allowed)) continue;
      const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
      std::string core = files.line(folder + "core_cpus_list");
      if (core.empty()) core = files.line(folder + "thread_siblings_list");
      if (!core.empty()) {
        if (std::find(seen.begin(), seen.end(), core) != seen.end()) continue;
        seen.push_back(core);
      }
      chosen.push_back(cpu);
    }
  }
  CPU_FREE(allowed);
#endif
  return chosen;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
