/// @file
/// Stands in for NVIDIA's libnvidia-ml.so.1. FAKE_NVML says what it does:
///   1  two cards with recorded values: a GeForce RTX 3090 and an H100 (tests/golden/data/machines/README.md)
///   2  an old library: most functions are missing
///   3  functions that refuse, and answers that make no sense; the second card has fallen off the bus
///   4  a library whose driver is not loaded

#include <cstdint>
#include <cstring>

namespace {

constexpr int success = 0;

struct card {
  const char* name;
  const char* bus_id;
  std::uint64_t total, reserved, used;
  unsigned generation, max_generation, width, max_width, power_mw, bus_bits, memory_mhz;
  int major, minor;
  int mig;  ///< -1: not supported
  unsigned virtualization, display;
};

constexpr std::uint64_t mib = 1024 * 1024;
const card cards[] = {
    {"NVIDIA GeForce RTX 3090", "00000000:0B:00.0", 24576 * mib, 318 * mib, 1024 * mib, 1, 4, 8, 16, 290000, 384, 9751,
     8, 6, -1, 0, 1},
    {"NVIDIA H100 80GB HBM3", "00000000:0A:00.0", 81559 * mib, 551 * mib, 0, 5, 5, 16, 16, 700000, 5120, 2619, 9, 0, 0,
     1, 0},
};

[[maybe_unused]] const card& of(void* device) { return *static_cast<const card*>(device); }

}  // namespace

#define SIZER_NVML extern "C" __attribute__((visibility("default"))) int

#if FAKE_NVML == 4

SIZER_NVML nvmlInit_v2() { return 9; }

#else

SIZER_NVML nvmlInit_v2() { return success; }
SIZER_NVML nvmlShutdown() { return success; }

SIZER_NVML nvmlDeviceGetCount_v2(unsigned* count) {
  *count = FAKE_NVML == 2 ? 1 : 2;
  return success;
}

SIZER_NVML nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (FAKE_NVML == 3 && index == 1) return 15;
  *device = const_cast<card*>(&cards[index % 2]);
  return success;
}

SIZER_NVML nvmlDeviceGetName(void* device, char* name, unsigned length) {
#if FAKE_NVML == 3
  (void)device;
  std::memset(name, '\xff', length);  // no end, no ASCII
#else
  std::strncpy(name, of(device).name, length);
#endif
  return success;
}

#if FAKE_NVML != 2

SIZER_NVML nvmlSystemGetDriverVersion(char* version, unsigned length) {
  if (FAKE_NVML == 3) return 999;
  std::strncpy(version, "595.71.05", length);
  return success;
}
SIZER_NVML nvmlSystemGetCudaDriverVersion_v2(int* version) {
  *version = FAKE_NVML == 3 ? -5 : 13020;
  return success;
}

struct memory_v2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
SIZER_NVML nvmlDeviceGetMemoryInfo_v2(void* device, memory_v2* memory) {
  if (FAKE_NVML == 3) return 3;
  if (memory->version != (sizeof(memory_v2) | 2U << 24U)) return 2;
  memory->total = of(device).total;
  memory->reserved = of(device).reserved;
  memory->used = of(device).used;
  memory->free = memory->total - memory->reserved - memory->used;
  return success;
}
SIZER_NVML nvmlDeviceGetMemoryInfo(void*, void*) { return 3; }

struct pci_info {
  char legacy_id[16];
  unsigned domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
};
SIZER_NVML nvmlDeviceGetPciInfo_v3(void* device, pci_info* info) {
  if (FAKE_NVML == 3) {
    std::memset(info, 'x', sizeof *info);
  } else {
    std::strncpy(info->bus_id, of(device).bus_id, sizeof info->bus_id - 1);
  }
  return success;
}

SIZER_NVML nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor) {
  if (FAKE_NVML == 3) return 4;
  *major = of(device).major;
  *minor = of(device).minor;
  return success;
}

#define SIZER_NVML_NUMBER(function, member, absurd)         \
  SIZER_NVML function(void* device, unsigned* value) {      \
    *value = FAKE_NVML == 3 ? (absurd) : of(device).member; \
    return success;                                         \
  }
SIZER_NVML_NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, generation, 4000000000U)
SIZER_NVML_NUMBER(nvmlDeviceGetCurrPcieLinkWidth, width, 0U)
SIZER_NVML_NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, max_generation, 0U)
SIZER_NVML_NUMBER(nvmlDeviceGetMaxPcieLinkWidth, max_width, 4000000000U)
SIZER_NVML_NUMBER(nvmlDeviceGetMemoryBusWidth, bus_bits, 4000000000U)
SIZER_NVML_NUMBER(nvmlDeviceGetVirtualizationMode, virtualization, 77U)
SIZER_NVML_NUMBER(nvmlDeviceGetDisplayMode, display, 9U)

SIZER_NVML nvmlDeviceGetPowerManagementLimit(void* device, unsigned* milliwatts) {
  if (FAKE_NVML == 3) return 16;
  *milliwatts = of(device).power_mw;
  return success;
}
SIZER_NVML nvmlDeviceGetMaxClockInfo(void* device, int which, unsigned* mhz) {
  if (FAKE_NVML == 3 || which != 2) return 2;
  *mhz = of(device).memory_mhz;
  return success;
}
SIZER_NVML nvmlDeviceGetMigMode(void* device, unsigned* current, unsigned* pending) {
  if (FAKE_NVML == 3 || of(device).mig < 0) return 3;
  *current = *pending = static_cast<unsigned>(of(device).mig);
  return success;
}

#endif
#endif
