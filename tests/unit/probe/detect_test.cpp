#include <sizer/probe/detect.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include <sizer/error.hpp>

#include "probe/parts.hpp"
#include "probe/text.hpp"

using namespace sizer;

namespace {

const std::string folder = SIZER_TEST_DATA_DIR "/data/machines/";

detected_machine recorded(const std::string& name) { return detect_machine({folder + name + ".txt", std::nullopt}); }

/// A name that no other run of the tests uses.
std::filesystem::path temporary_file() {
  return std::filesystem::temp_directory_path() / ("sizer_detect_" + std::to_string(std::random_device{}()) + ".txt");
}

/// A machine of a text that is written here.
detected_machine written(const std::string& text) {
  const auto path = temporary_file();
  std::ofstream{path, std::ios::binary} << text;
  const detected_machine here = detect_machine({path.string(), std::nullopt});
  std::filesystem::remove(path);
  return here;
}

std::string contents(const std::string& name) {
  std::ifstream file{folder + name + ".txt", std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class T>
bool has(const detected<std::vector<T>>& list, const T& one) {
  return list && std::find(list->begin(), list->end(), one) != list->end();
}

}  // namespace

TEST_CASE("a desktop: topology, caches, SIMD and the modules of the firmware's table") {
  const detected_machine here = recorded("ryzen-9800x3d");
  CHECK(here.product.value == "ASUSTeK COMPUTER INC. TUF GAMING B850-PLUS WIFI");
  CHECK(here.cpu.vendor.value == "AuthenticAMD");
  CHECK(here.cpu.model.value == "AMD Ryzen 7 9800X3D 8-Core Processor");
  CHECK(here.cpu.sockets.value == 1);
  CHECK(here.cpu.physical_cores.value == 8);
  CHECK(here.cpu.logical_cpus.value == 16);
  CHECK(here.cpu.usable_cpus.value == 16);
  CHECK_FALSE(here.cpu.cpu_quota);
  CHECK(here.cpu.max_mhz.value == 5200.0);
  CHECK(here.cpu.base_mhz.value == 4700.0);
  CHECK(has(here.cpu.simd, std::string{"avx512_bf16"}));
  CHECK(has(here.cpu.simd, std::string{"sse4.2"}));
  CHECK_FALSE(has(here.cpu.simd, std::string{"amx_tile"}));
  REQUIRE(here.cpu.caches);
  REQUIRE(here.cpu.caches->size() == 4);
  CHECK(here.cpu.caches->back() == detected_cache{3, "Unified", make_bytes(96 << 20), 16, 1});
  CHECK(here.cpu.caches->front().instances == 8);
  REQUIRE(here.cpu.numa_nodes);
  CHECK(here.cpu.numa_nodes->size() == 1);
  REQUIRE(here.memory.dimms);
  CHECK(here.memory.dimms->size() == 2);  // of four slots
  CHECK(here.memory.dimms->front().rated_mts == 4800);
  CHECK(here.memory.type.value == "DDR5");
  CHECK(here.memory.channels.value == 2);
  CHECK(here.memory.data_rate_mts.value == 6000.0);
  CHECK(number(*memory_bandwidth(here.memory)) == doctest::Approx(96e9));
  CHECK(here.memory.cgroup_limit.reason == "no control group limits the memory");
  CHECK(here.memory.huge_page_sizes->size() == 2);
  CHECK(here.gpus.empty());
  CHECK_FALSE(here.gpu_reasons.empty());
  CHECK(here.os.virtual_machine.value == "none");
  CHECK(here.os.container.value == "none");
  CHECK(here.os.wsl.value == false);
}

TEST_CASE("a server: two sockets and two NUMA nodes, and the reason why the modules are not known") {
  const detected_machine here = recorded("epyc-9375f-two-sockets");
  CHECK(here.cpu.sockets.value == 2);
  CHECK(here.cpu.physical_cores.value == 64);
  REQUIRE(here.cpu.numa_nodes);
  REQUIRE(here.cpu.numa_nodes->size() == 2);
  CHECK(here.cpu.numa_nodes->at(1).logical_cpus == 32);
  CHECK(number(*here.cpu.numa_nodes->at(1).memory) == std::int64_t{774'028} << 20);
  CHECK_FALSE(here.memory.dimms);
  CHECK(here.memory.dimms.reason.find("there is no such file") != std::string::npos);
  CHECK_FALSE(memory_bandwidth(here.memory));
  CHECK_FALSE(here.cpu.max_mhz);
  CHECK_FALSE(here.cpu.max_mhz.reason.empty());
}

TEST_CASE("an Arm board: names of parts and of the board") {
  const detected_machine here = recorded("raspberry-pi-5");
  CHECK(here.product.value == "Raspberry Pi 5 Model B Rev 1.0");
  CHECK(here.cpu.vendor.value == "ARM");
  CHECK(here.cpu.model.value == "Cortex-A76");
  CHECK(here.cpu.physical_cores.value == 4);
  CHECK(has(here.cpu.simd, std::string{"neon"}));
  CHECK(has(here.cpu.simd, std::string{"dotprod"}));
  CHECK(here.os.virtual_machine.value == "none");
}

TEST_CASE("Strix Halo: VRAM and GTT, target, soldered memory of 256 bits") {
  const detected_machine here = recorded("strix-halo");
  REQUIRE(here.gpus.size() == 1);
  const detected_gpu& gpu = here.gpus.front();
  CHECK(gpu.vendor.value == "AMD");
  CHECK(gpu.name.value == "AMD Radeon 8060S Graphics");
  CHECK(gpu.backend.value == "vulkan");
  CHECK(gpu.pci_address.value == "0000:c3:00.0");
  CHECK(gpu.gfx_target.value == "gfx1151");
  CHECK(gpu.unified.value == true);
  CHECK(number(*gpu.memory_total) == std::int64_t{4} << 30);
  CHECK(number(*gpu.gtt_total) == std::int64_t{96} << 30);
  CHECK(gpu.pcie_max.value == detected_pcie{4, 16});
  CHECK(gpu.display_attached.value == true);
  CHECK_FALSE(gpu.cuda_version);
  CHECK(here.memory.bus_width_bits.value == 256);
  CHECK(number(*memory_bandwidth(here.memory)) == doctest::Approx(256e9));
}

TEST_CASE("WSL, containers and virtual machines are told apart") {
  const detected_machine windows = recorded("wsl");
  CHECK(windows.os.wsl.value == true);
  CHECK(windows.os.virtual_machine.value == "hyper-v");
  CHECK(windows.cpu.physical_cores.value == 8);
  CHECK_FALSE(windows.memory.dimms);

  const detected_machine box = recorded("container-cgroup-v2");
  CHECK(box.os.container.value == "docker");
  CHECK(number(*box.memory.cgroup_limit) == 131'072'000);  // of the group above its own
  CHECK(box.memory.cgroup_limit.source == "cgroup v2");
  CHECK(box.cpu.cpu_quota.value == 2.5);
  CHECK(box.cpu.usable_cpus.value == 4);
  CHECK(box.cpu.logical_cpus.value == 112);

  const detected_machine vm = recorded("virtual-machine");
  CHECK(vm.os.virtual_machine.value == "of a kind that does not name itself");
  CHECK(vm.memory.cgroup_limit.source == "cgroup v1");
  CHECK(number(*vm.memory.cgroup_limit) == 24'000'000'000);
  CHECK(has(vm.cpu.simd, std::string{"amx_int8"}));
  REQUIRE(vm.cpu.caches);
  CHECK_FALSE(vm.cpu.caches->back().instances);  // not every CPU says which caches it uses
}

TEST_CASE("macOS: sysctl and system_profiler") {
  const detected_machine here = recorded("apple-m4-max");
  CHECK(here.os.name.value == "macOS 26.4");
  CHECK(here.cpu.model.value == "Apple M4 Max");
  CHECK(here.cpu.vendor.value == "Apple");
  CHECK(here.cpu.physical_cores.value == 16);
  CHECK(number(*here.memory.total) == std::int64_t{64} << 30);
  REQUIRE(here.gpus.size() == 1);
  CHECK(here.gpus.front().gpu_cores.value == 40);
  CHECK(here.gpus.front().backend.value == "metal");
  CHECK_FALSE(here.gpus.front().wired_limit);
  CHECK_FALSE(here.gpus.front().recommended_working_set.reason.empty());
}

TEST_CASE("modules are read from udev's copy of the table where the table is closed") {
  const detected_machine here = written(
      "=== run/udev/data/+dmi:id\nE:MEMORY_DEVICE_0_PRESENT=0\nE:MEMORY_DEVICE_1_SIZE=8589934592\n"
      "E:MEMORY_DEVICE_1_LOCATOR=ChannelA-DIMM0\nE:MEMORY_DEVICE_1_BANK_LOCATOR=BANK 0\n"
      "E:MEMORY_DEVICE_1_TYPE=DDR4\nE:MEMORY_DEVICE_1_SPEED_MTS=2667\n"
      "E:MEMORY_DEVICE_1_CONFIGURED_SPEED_MTS=2400\nE:MEMORY_DEVICE_2_SIZE=8589934592\n"
      "E:MEMORY_DEVICE_2_LOCATOR=ChannelB-DIMM0\nE:MEMORY_DEVICE_2_TYPE=DDR4\nE:MEMORY_DEVICE_2_SPEED_MTS=2400\n");
  CHECK(here.memory.dimms.source == "udev");
  CHECK(here.memory.channels.value == 2);
  CHECK(here.memory.data_rate_mts.value == 2400.0);
  CHECK(number(*memory_bandwidth(here.memory)) == doctest::Approx(38.4e9));
}

TEST_CASE("channels are found in the ways that firmware writes them") {
  const auto channel = [](const char* locator, const char* bank) {
    detected_dimm dimm;
    dimm.locator = locator;
    dimm.bank = bank;
    return detail::channel_of(dimm);
  };
  CHECK(channel("DIMM 1", "P0 CHANNEL A") == "p0 channel a");
  CHECK(channel("Controller1-ChannelA-DIMM0", "BANK 2") == "controller1 channel a");
  CHECK(channel("Controller0-DIMMA2", "BANK 0") == "controller0 channel a");
  CHECK(channel("DIMM_B2", "BANK 3") == "channel b");
  CHECK(channel("CPU2_DIMM_A1", "NODE 2") != channel("CPU1_DIMM_A1", "NODE 1"));
  CHECK(channel("PROC 2 DIMM 12", "Not Specified").empty());
}

TEST_CASE("a card without a list of names or a driver says so") {
  const detected_machine here = written(
      "=== sys/bus/pci/devices/0000:01:00.0/class\n0x030000\n"
      "=== sys/bus/pci/devices/0000:01:00.0/uevent\nPCI_ID=10DE:2204\nPCI_SLOT_NAME=0000:01:00.0\n"
      "=== sys/class/drm/card0/device/uevent\nDRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n"
      "=== sys/class/drm/card0/device/mem_info_vram_total\n25753026560\n"
      "=== usr/share/misc/pci.ids\n1002  Advanced Micro Devices\n"
      "\t744c  Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]\n"
      "=== sys/class/drm/card1/device/uevent\nDRIVER=ast\nPCI_ID=1A03:2000\nPCI_SLOT_NAME=0000:04:00.0\n");
  REQUIRE(here.gpus.size() == 2);
  CHECK(here.gpus[0].name.value == "Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M");
  CHECK(here.gpus[0].backend.value == "rocm");
  CHECK(here.gpus[1].vendor.value == "NVIDIA");
  CHECK(here.gpus[1].memory_total.reason == "no driver is loaded for the card");
  CHECK_FALSE(here.gpus[1].name);
}

TEST_CASE("every absent field has a reason, also on a machine that shows nothing") {
  const detected_machine here = written("=== nothing\n");
  CHECK_FALSE(here.product.reason.empty());
  CHECK_FALSE(here.cpu.model.reason.empty());
  CHECK_FALSE(here.cpu.caches.reason.empty());
  CHECK_FALSE(here.memory.total.reason.empty());
  CHECK_FALSE(here.memory.cgroup_limit.reason.empty());
  CHECK_FALSE(here.os.wsl.reason.empty());
  CHECK_FALSE(here.gpu_reasons.empty());
}

TEST_CASE("garbled files never do worse than leave fields absent") {
  CHECK_THROWS_AS((void)detect_machine({folder + "no-such-machine", std::nullopt}), data_error);
  const auto path = temporary_file();
  std::ofstream{path} << "no recording\n";
  CHECK_THROWS_AS((void)detect_machine({path.string(), std::nullopt}), data_error);
  std::filesystem::remove(path);

  std::mt19937 random{4};  // NOLINT: the same bytes each time
  for (const char* const name : {"ryzen-9800x3d", "strix-halo", "virtual-machine", "apple-m4-max", "raspberry-pi-5"}) {
    const std::string text = contents(name);
    for (int round = 0; round < 12; ++round) {
      std::string broken = text;
      for (int i = 0; i < 200; ++i) {
        const std::size_t at = random() % broken.size();
        switch (random() % 4) {
          case 0: broken[at] = static_cast<char>(random() % 256); break;
          case 1: broken[at] = '9'; break;
          case 2: broken.erase(at, random() % 8); break;
          default: broken.insert(at, random() % 2 == 0 ? "-" : "99999999999"); break;
        }
      }
      broken += "\n=== kept\n";
      const detected_machine here = written(broken);
      (void)memory_bandwidth(here.memory);
    }
  }
}

TEST_CASE("an SMBIOS table that breaks off or lies about its lengths ends the walk") {
  const detail::file_tree files{folder + "ryzen-9800x3d.txt"};
  const std::string table = files.read("sys/firmware/dmi/tables/DMI").text;
  REQUIRE(detail::parse_smbios_memory(table).size() == 2);
  for (std::size_t size = 0; size < table.size(); ++size) {
    CHECK(detail::parse_smbios_memory(table.substr(0, size)).size() <= 2);
    std::string lying = table;
    lying[size] = '\xff';
    (void)detail::parse_smbios_memory(lying);
    lying[size] = '\0';
    (void)detail::parse_smbios_memory(lying);
  }
}

TEST_CASE("this machine can be looked at") {
  const detected_machine here = detect_machine();
  CHECK((here.cpu.model || !here.cpu.model.reason.empty()));
  CHECK((here.memory.total || !here.memory.total.reason.empty()));
}

#ifdef SIZER_FAKE_NVML

namespace {

detected_machine with_nvml(const std::string& kind) {
  return detect_machine({folder + "ryzen-9800x3d.txt", std::string{SIZER_FAKE_NVML} + kind + ".so"});
}

}  // namespace

TEST_CASE("NVML: the values of an RTX 3090 and an H100") {
  const detected_machine here = with_nvml("cards");
  REQUIRE(here.gpus.size() == 2);
  const detected_gpu& consumer = here.gpus[0];
  CHECK(consumer.name.value == "NVIDIA GeForce RTX 3090");
  CHECK(consumer.pci_address.value == "0000:0b:00.0");
  CHECK(number(*consumer.memory_total) == std::int64_t{24576} << 20);
  CHECK(number(*consumer.memory_reserved) == std::int64_t{318} << 20);
  CHECK(consumer.unified.value == false);
  CHECK(consumer.driver_version.value == "595.71.05");
  CHECK(consumer.cuda_version.value == "13.2");
  CHECK(consumer.compute_capability.value == "8.6");
  CHECK(consumer.pcie_current.value == detected_pcie{1, 8});
  CHECK(consumer.pcie_max.value == detected_pcie{4, 16});
  CHECK(consumer.power_limit_w.value == 290.0);
  CHECK(consumer.display_attached.value == true);
  CHECK(consumer.mig.reason == "the card does not support the question");
  const detected_gpu& server = here.gpus[1];
  CHECK(server.mig.value == false);
  CHECK(server.virtualization.value == "pass-through");
  CHECK(server.memory_bus_bits.value == 5120);
}

TEST_CASE("NVML: a library that lacks functions leaves reasons") {
  const detected_machine here = with_nvml("bare");
  REQUIRE(here.gpus.size() == 1);
  CHECK(here.gpus[0].name.value == "NVIDIA GeForce RTX 3090");
  CHECK(here.gpus[0].memory_total.reason == "this NVML has no such function");
  CHECK(here.gpus[0].driver_version.reason == "this NVML has no such function");
}

TEST_CASE("NVML: errors and absurd answers leave reasons; memory that is not supported is the machine's") {
  const detected_machine here = with_nvml("failing");
  REQUIRE(here.gpus.size() == 1);
  const detected_gpu& gpu = here.gpus[0];
  CHECK(gpu.unified.value == true);
  CHECK(gpu.power_limit_w.reason == "the card needs a reset");
  CHECK(gpu.compute_capability.reason == "it needs more rights");
  CHECK_FALSE(gpu.pcie_current);
  CHECK_FALSE(gpu.memory_bus_bits);
  CHECK_FALSE(gpu.virtualization);
  CHECK_FALSE(gpu.cuda_version);
  CHECK(here.gpu_reasons.front() == "NVIDIA: card 1: the card has fallen off the bus");
}

TEST_CASE("NVML: no driver and no library are reasons") {
  CHECK(with_nvml("no_driver").gpu_reasons.front().find("the driver is not loaded") != std::string::npos);
  CHECK(with_nvml("missing").gpu_reasons.front().find("cannot open shared object file") != std::string::npos);
}

#endif

TEST_CASE("of a control group's memory, only what its processes hold counts as used, and files in memory do not") {
  const auto held_in = [](const std::string& text) {
    const auto path = temporary_file();
    std::ofstream{path, std::ios::binary} << text;
    const detail::cgroup_limits limits = detail::detect_cgroup(detail::file_tree{path.string()});
    std::filesystem::remove(path);
    REQUIRE(limits.memory);
    CHECK(number(*limits.memory) == 900'000'000);
    return limits.held ? number(*limits.held) : -1;
  };
  CHECK(held_in("=== proc/self/cgroup\n0::/box\n=== sys/fs/cgroup/box/memory.max\n900000000\n"
                "=== sys/fs/cgroup/box/memory.stat\nanon 4096000\nfile 800000000\n") == 4'096'000);
  CHECK(held_in("=== proc/self/cgroup\n5:memory:/box\n"
                "=== sys/fs/cgroup/memory/box/memory.limit_in_bytes\n900000000\n"
                "=== sys/fs/cgroup/memory/box/memory.stat\ncache 800000000\ntotal_rss 8192000\n") == 8'192'000);
  CHECK(held_in("=== proc/self/cgroup\n0::/box\n=== sys/fs/cgroup/box/memory.max\n900000000\n") == -1);
}
