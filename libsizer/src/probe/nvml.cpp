/// @file
/// NVIDIA's cards through NVML, loaded while running: a machine without a driver must not need the library.
///
/// The declarations are the ones that are called, with the layouts and numbers of the NVML API reference
/// (nvml.h, 12.x): https://docs.nvidia.com/deploy/nvml-api/. Functions keep their signature for good; a new one gets a
/// suffix.

#include <array>
#include <cstdint>
#include <memory>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

#if defined(_WIN32)

void detect_nvidia(const std::string&, std::vector<detected_gpu>&, std::vector<std::string>& reasons) {
  reasons.emplace_back("NVIDIA: not looked for on this system");
}

#else

namespace {

using device_handle = void*;
constexpr int success = 0;
constexpr int not_supported = 3;
// Boards have at most 16; more is a broken library.
constexpr unsigned most_devices = 256;

std::string error_text(int code) {
  switch (code) {
    case 1: return "NVML is not initialised";
    case 2: return "NVML refuses the question";
    case not_supported: return "the card does not support the question";
    case 4: return "it needs more rights";
    case 6: return "NVML does not find it";
    case 7: return "NVML's answer is too long";
    case 8: return "a power cable is missing";
    case 9: return "the driver is not loaded";
    case 10: return "the driver waits for the card too long";
    case 12: return "a part of NVML is missing";
    case 13: return "this NVML has no such function";
    case 15: return "the card has fallen off the bus";
    case 16: return "the card needs a reset";
    case 18: return "driver and library are of different releases (a reboot after an update is missing)";
    default: return "NVML reports error " + std::to_string(code);
  }
}

struct memory_v1 {
  unsigned long long total, free, used;
};
struct memory_v2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
struct pci_info {
  char legacy_id[16];
  unsigned domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
};

/// The loaded library; closed with it. Its own thread of calls.
class nvml {
 public:
  explicit nvml(const std::string& path) : handle_{dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)} {
    if (handle_ == nullptr) {
      const char* const why = dlerror();
      problem_ = why == nullptr ? "it cannot be loaded" : shown(why);
      return;
    }
    const auto [code, named] = call<>("nvmlInit_v2");
    initialised_ = code == success;
    if (!initialised_) problem_ = named ? error_text(code) : "the library has no nvmlInit_v2";
  }
  ~nvml() {
    if (initialised_) (void)call<>("nvmlShutdown");
    if (handle_ != nullptr) dlclose(handle_);
  }
  nvml(const nvml&) = delete;
  nvml& operator=(const nvml&) = delete;
  nvml(nvml&&) = delete;
  nvml& operator=(nvml&&) = delete;

  [[nodiscard]] bool ready() const noexcept { return initialised_; }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  struct result {
    int code = 13;
    bool named = false;  ///< whether the library has the function
  };

  /// Calls a function by name; error 13, "no such function", when the library lacks it.
  template <class... Arguments>
  [[nodiscard]] result call(const char* name, Arguments... arguments) const {
    void* const symbol = handle_ == nullptr ? nullptr : dlsym(handle_, name);
    if (symbol == nullptr) return {};
    const auto function = reinterpret_cast<int (*)(Arguments...)>(symbol);
    return {function(arguments...), true};
  }

 private:
  void* handle_;
  bool initialised_ = false;
  std::string problem_;
};

template <class T>
detected<T> refused(int code) {
  return absent<T>(error_text(code), "nvml");
}

detected<std::string> device_text(const nvml& library, const char* name, device_handle device) {
  std::array<char, 97> buffer{};
  const auto [code, _] = library.call(name, device, buffer.data(), static_cast<unsigned>(buffer.size() - 1));
  if (code != success) return refused<std::string>(code);
  const std::string text = shown(buffer.data());
  return text.empty() ? absent<std::string>("NVML gives an empty text", "nvml") : found(text, "nvml");
}

detected<unsigned> device_number(const nvml& library, const char* name, device_handle device) {
  unsigned value = 0;
  const auto [code, _] = library.call(name, device, &value);
  return code == success ? found(value, "nvml") : refused<unsigned>(code);
}

detected<bytes> size_of(unsigned long long value) {
  if (value > static_cast<unsigned long long>(largest_size)) return absent<bytes>("NVML gives an absurd size", "nvml");
  return found(make_bytes(static_cast<std::int64_t>(value)), "nvml");
}

void set_memory(const nvml& library, device_handle device, detected_gpu& gpu) {
  memory_v2 two{};
  two.version = static_cast<unsigned>(sizeof two) | 2U << 24U;  // nvmlMemory_v2
  if (library.call("nvmlDeviceGetMemoryInfo_v2", device, &two).code == success) {
    gpu.memory_total = size_of(two.total);
    gpu.memory_used = size_of(two.used);
    gpu.memory_reserved = size_of(two.reserved);
    return;
  }
  memory_v1 one{};
  const auto [code, _] = library.call("nvmlDeviceGetMemoryInfo", device, &one);
  gpu.memory_reserved = absent<bytes>("this driver does not state it", "nvml");
  if (code == success) {
    gpu.memory_total = size_of(one.total);
    gpu.memory_used = size_of(one.used);
    return;
  }
  gpu.memory_total = refused<bytes>(code);
  gpu.memory_used = refused<bytes>(code);
}

void set_pcie(const nvml& library, device_handle device, detected_gpu& gpu) {
  const auto link = [&](const char* generation_name, const char* width_name) {
    const auto generation = device_number(library, generation_name, device);
    const auto width = device_number(library, width_name, device);
    if (!generation) return absent<detected_pcie>(generation.reason, "nvml");
    if (!width) return absent<detected_pcie>(width.reason, "nvml");
    if (*generation < 1 || *generation > 16 || *width < 1 || *width > 64) {
      return absent<detected_pcie>("NVML gives an absurd link", "nvml");
    }
    return found(detected_pcie{static_cast<std::int32_t>(*generation), static_cast<std::int32_t>(*width)}, "nvml");
  };
  gpu.pcie_current = link("nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetCurrPcieLinkWidth");
  gpu.pcie_max = link("nvmlDeviceGetMaxPcieLinkGeneration", "nvmlDeviceGetMaxPcieLinkWidth");
}

detected<std::string> virtualization(const nvml& library, device_handle device) {
  const auto mode = device_number(library, "nvmlDeviceGetVirtualizationMode", device);
  if (!mode) return absent<std::string>(mode.reason, "nvml");
  constexpr std::array<std::string_view, 5> names{"none", "pass-through", "vGPU", "host of vGPUs", "host of vSGAs"};
  return *mode < names.size() ? found(std::string{names[*mode]}, "nvml")
                              : absent<std::string>("NVML gives an unknown mode", "nvml");
}

detected_gpu describe(const nvml& library, device_handle device) {
  detected_gpu gpu;
  gpu.vendor = found(std::string{"NVIDIA"}, "nvml");
  gpu.backend = found(std::string{"cuda"}, "nvml");
  gpu.name = device_text(library, "nvmlDeviceGetName", device);
  pci_info pci{};
  if (const auto [code, _] = library.call("nvmlDeviceGetPciInfo_v3", device, &pci); code == success) {
    pci.bus_id[sizeof pci.bus_id - 1] = '\0';
    std::string address = lowered(shown(pci.bus_id));  // "00000000:0b:00.0", elsewhere written with 4 digits
    if (address.size() == 16 && address.starts_with("0000")) address.erase(0, 4);
    gpu.pci_address = found(address, "nvml");
  } else {
    gpu.pci_address = refused<std::string>(code);
  }
  gpu.pci_id = absent<std::string>("NVML is asked for the name", "nvml");
  set_memory(library, device, gpu);
  set_pcie(library, device, gpu);
  int major = 0;
  int minor = 0;
  if (const auto [code, _] = library.call("nvmlDeviceGetCudaComputeCapability", device, &major, &minor);
      code == success) {
    gpu.compute_capability = found(std::to_string(major) + "." + std::to_string(minor), "nvml");
  } else {
    gpu.compute_capability = refused<std::string>(code);
  }
  const auto power = device_number(library, "nvmlDeviceGetPowerManagementLimit", device);  // milliwatts
  gpu.power_limit_w = power ? found(*power / 1000.0, "nvml") : absent<double>(power.reason, "nvml");
  const auto display = device_number(library, "nvmlDeviceGetDisplayMode", device);
  gpu.display_attached = display ? found(*display != 0, "nvml") : absent<bool>(display.reason, "nvml");
  unsigned current = 0;
  unsigned pending = 0;
  const auto [mig, _] = library.call("nvmlDeviceGetMigMode", device, &current, &pending);
  gpu.mig = mig == success ? found(current != 0, "nvml") : refused<bool>(mig);
  gpu.virtualization = virtualization(library, device);
  const auto width = device_number(library, "nvmlDeviceGetMemoryBusWidth", device);
  gpu.memory_bus_bits = width && *width > 0 && *width <= 65536
                            ? found(static_cast<std::int32_t>(*width), "nvml")
                            : absent<std::int32_t>(width ? "NVML gives an absurd width" : width.reason, "nvml");
  unsigned clock = 0;
  constexpr int memory_clock = 2;  // NVML_CLOCK_MEM
  const auto [clock_code, named] = library.call("nvmlDeviceGetMaxClockInfo", device, memory_clock, &clock);
  gpu.memory_clock_mhz =
      clock_code == success && clock > 0 ? found(static_cast<double>(clock), "nvml") : refused<double>(clock_code);
  // A GB10 or a Jetson has no memory of its own, and NVML then does not support the question.
  gpu.unified = gpu.memory_total ? found(false, "nvml") : absent<bool>(gpu.memory_total.reason, "nvml");
  if (!gpu.memory_total && gpu.memory_total.reason == error_text(not_supported)) gpu.unified = found(true, "nvml");
  gpu.gtt_total = absent<bytes>("of AMD only");
  gpu.gfx_target = absent<std::string>("of AMD only");
  gpu.gpu_cores = absent<std::int32_t>("of Apple only");
  gpu.wired_limit = absent<bytes>("of Apple only");
  gpu.recommended_working_set = absent<bytes>("of Apple only");
  return gpu;
}

detected<std::string> cuda_version(const nvml& library) {
  int version = 0;  // 12040 is 12.4
  const auto [code, _] = library.call("nvmlSystemGetCudaDriverVersion_v2", &version);
  if (code != success) return refused<std::string>(code);
  if (version < 1000 || version > 1'000'000) return absent<std::string>("NVML gives an absurd version", "nvml");
  return found(std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10), "nvml");
}

}  // namespace

void detect_nvidia(const std::string& library_path, std::vector<detected_gpu>& gpus,
                   std::vector<std::string>& reasons) {
  const nvml library{library_path};
  if (!library.ready()) {
    const bool named = library.problem().starts_with(library_path);  // the loader writes the name itself
    reasons.push_back("NVIDIA: " + (named ? "" : library_path + ": ") + library.problem());
    return;
  }
  std::array<char, 81> buffer{};
  const auto [driver_code, named] =
      library.call("nvmlSystemGetDriverVersion", buffer.data(), static_cast<unsigned>(buffer.size() - 1));
  const detected<std::string> driver =
      driver_code == success ? found(shown(buffer.data()), "nvml") : refused<std::string>(driver_code);
  unsigned count = 0;
  if (const auto [code, _] = library.call("nvmlDeviceGetCount_v2", &count); code != success) {
    reasons.push_back("NVIDIA: the number of cards: " + error_text(code));
    return;
  }
  if (count == 0) reasons.emplace_back("NVIDIA: the driver runs and has no card");
  if (count > most_devices) {
    reasons.push_back("NVIDIA: NVML counts " + std::to_string(count) + " cards, which is absurd");
    return;
  }
  const detected<std::string> cuda = cuda_version(library);
  for (unsigned i = 0; i < count; ++i) {
    device_handle device = nullptr;
    if (const auto [code, _] = library.call("nvmlDeviceGetHandleByIndex_v2", i, &device); code != success) {
      reasons.push_back("NVIDIA: card " + std::to_string(i) + ": " + error_text(code));
      continue;
    }
    gpus.push_back(describe(library, device));
    gpus.back().driver_version = driver;
    gpus.back().cuda_version = cuda;
  }
}

#endif

}  // namespace detail
}  // namespace v0
}  // namespace sizer
