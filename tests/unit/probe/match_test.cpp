#include <sizer/probe/match.hpp>

#include <string>

#include <doctest/doctest.h>

#include <sizer/error.hpp>

#include "probe/device_name.hpp"
#include "probe/text.hpp"

using namespace sizer;

namespace {

const std::string folder = SIZER_TEST_DATA_DIR "/data/machines/";

const catalogue& known() { return catalogue::embedded(); }
detected_machine recorded(const std::string& name) { return detect_machine({folder + name + ".txt", std::nullopt}); }
machine_entry this_machine(const detected_machine& here) {
  const machine_entry entry = to_machine(here, match_catalogue(here, known()), known());
  CHECK(read_machine_json(to_json(entry), "this").machine.id == "this");  // it keeps the format
  return entry;
}

detected_gpu card(const std::string& name, double gib) {
  detected_gpu gpu;
  gpu.name = detail::found(name, "test");
  gpu.vendor = detail::found(std::string{"NVIDIA"}, "test");
  gpu.unified = detail::found(false, "test");
  if (gib > 0) gpu.memory_total = detail::found(make_bytes(static_cast<std::int64_t>(gib * 1073741824.0)), "test");
  return gpu;
}

std::string id_of(const std::string& name, double gib, std::int32_t count = 1) {
  detected_machine here;
  for (std::int32_t i = 0; i < count; ++i) here.gpus.push_back(card(name, gib));
  return match_catalogue(here, known()).id;
}

bool same(const char* a, const char* b) {
  return detail::same_device(detail::parse_device_name(a), detail::parse_device_name(b));
}

}  // namespace

TEST_CASE("names of devices are compared without trimmings") {
  CHECK(same("NVIDIA GeForce RTX 3090", "RTX 3090"));
  CHECK_FALSE(same("NVIDIA GeForce RTX 3090 Ti", "RTX 3090"));
  CHECK(same("AMD Ryzen 7 9800X3D 8-Core Processor", "Ryzen 7 9800X3D"));
  CHECK(same("AMD EPYC 7702 64-Core Processor", "EPYC 7452/7702"));
  CHECK(same("Intel(R) Xeon(R) Platinum 8480+", "Xeon Platinum 8480+"));
  CHECK(same("13th Gen Intel(R) Core(TM) i9-14900K", "Core i9-14900K"));
  CHECK(same("Radeon RX 7900 XT/7900 XTX/7900 GRE", "RX 7900 XTX"));
  CHECK_FALSE(same("Apple M4 Pro (16-core GPU)", "Apple M4 (16-core GPU)"));
  CHECK_FALSE(same("NVIDIA H100 PCIe", "H100 80GB SXM5"));
  CHECK(same("NVIDIA H100 80GB HBM3", "H100 80GB SXM5"));
  CHECK(detail::parse_device_name("2x Xeon Gold 6138").times == 2);
}

TEST_CASE("cards as drivers name them are found in the catalogue") {
  CHECK(id_of("NVIDIA GeForce RTX 3090", 24) == "rtx-3090-24gb");
  CHECK(id_of("NVIDIA GeForce RTX 3090", 24, 2) == "2x-rtx-3090");
  CHECK(id_of("NVIDIA GeForce RTX 3080", 12) == "rtx-3080-12gb");
  CHECK(id_of("NVIDIA GeForce RTX 3080", 10) == "rtx-3080-10gb");
  CHECK(id_of("NVIDIA GeForce RTX 4060 Ti", 16) == "rtx-4060-ti-16gb");
  CHECK(id_of("NVIDIA GeForce RTX 4070 Laptop GPU", 8) == "rtx-4070-laptop-8gb");
  CHECK(id_of("NVIDIA H100 80GB HBM3", 79.6) == "h100-80gb-sxm");
  CHECK(id_of("NVIDIA H100 PCIe", 79.6) == "h100-80gb-pcie");
  CHECK(id_of("NVIDIA H100 NVL", 93.6) == "h100-nvl-94gb");
  CHECK(id_of("NVIDIA A100-SXM4-80GB", 80) == "a100-80gb-sxm");
  CHECK(id_of("NVIDIA A100-PCIE-40GB", 40) == "a100-40gb-pcie");
  CHECK(id_of("Tesla T4", 15) == "t4-16gb");
  CHECK(id_of("Tesla V100-SXM2-32GB", 32) == "v100-32gb-sxm2");
  CHECK(id_of("NVIDIA RTX A6000", 48) == "rtx-a6000-48gb");
  CHECK(id_of("NVIDIA RTX 6000 Ada Generation", 48) == "rtx-6000-ada-48gb");
  CHECK(id_of("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 95.6) == "rtx-pro-6000-blackwell-96gb");
  CHECK(id_of("NVIDIA L4", 22.5) == "l4-24gb");
  CHECK(id_of("AMD Radeon RX 7900 XTX", 24) == "rx-7900-xtx-24gb");
  CHECK(id_of("Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M", 20) == "rx-7900-xt-20gb");
  CHECK(id_of("Intel Arc B580 Graphics", 12) == "arc-b580-12gb");
  CHECK(id_of("A card of the future", 24).empty());
}

TEST_CASE("a Spark has no memory of its own") {
  detected_machine here;
  here.gpus.push_back(card("NVIDIA GB10", 0));
  here.gpus.front().unified = detail::found(true, "nvml");
  here.memory.total = detail::found(make_bytes(128'525'000'000), "/proc/meminfo");
  const catalogue_match match = match_catalogue(here, known());
  CHECK(match.id == "dgx-spark-gb10-128gb");
  const machine_entry entry = this_machine(here);
  CHECK(number(entry.machine.devices.front().memory.usable.value) == 128'525'000'000);
}

TEST_CASE("Strix Halo: any of its boxes, usable memory as the driver gives it") {
  const detected_machine here = recorded("strix-halo");
  const catalogue_match match = match_catalogue(here, known());
  CHECK(match.id == "asus-rog-flow-z13-395-128gb");  // by the product's name
  CHECK(match.certainty == match_certainty::same);
  CHECK(match.alternatives.size() >= 3);
  const machine_entry entry = this_machine(here);
  const memory_pool& memory = entry.machine.devices.front().memory;
  CHECK(number(memory.usable.value) == std::int64_t{100} << 30);
  CHECK(memory.usable.kind == figure_kind::measured);
  CHECK(memory.usable.source == "detected");
  CHECK(number(memory.bandwidth_spec.value) == 256e9);
}

TEST_CASE("Apple: by name, cores and memory; the entry's rule where no limit is set") {
  detected_machine here = recorded("apple-m4-max");
  const catalogue_match match = match_catalogue(here, known());
  CHECK(match.id == "apple-m4-max-40c-64gb");
  CHECK(match.certainty == match_certainty::same);
  CHECK(this_machine(here).machine.devices.front().memory.usable ==
        known().machine(match.id).machine.devices.front().memory.usable);
  here.os.name = detail::found(std::string{"macOS 15.6"}, "sysctl");
  CHECK(number(this_machine(here).machine.devices.front().memory.usable.value) == std::int64_t{48} << 30);
  here.gpus.front().wired_limit = detail::found(make_bytes(std::int64_t{56} << 30), "sysctl");
  CHECK(number(this_machine(here).machine.devices.front().memory.usable.value) == std::int64_t{56} << 30);
}

TEST_CASE("a processor at another memory speed than its entry's takes the bandwidth of its modules") {
  const detected_machine here = recorded("ryzen-9800x3d");
  const catalogue_match match = match_catalogue(here, known());
  CHECK(match.id == "ryzen-7-9800x3d-ddr5-5200");
  CHECK(match.certainty == match_certainty::same_device);
  CHECK(match.differences.size() == 2);  // memory size, data rate
  const machine_entry entry = this_machine(here);
  const memory_pool& memory = entry.machine.devices.front().memory;
  CHECK(number(memory.bandwidth_spec.value) == doctest::Approx(96e9));
  CHECK(memory.bandwidth_spec.kind == figure_kind::derived);
  CHECK_FALSE(memory.bandwidth_measured);
  CHECK(number(memory.sold.value) == std::int64_t{32} << 30);
  CHECK(number(memory.usable.value) == 31'996'000LL * 1024);
  CHECK(memory.type == "DDR5-6000");
  CHECK(entry.machine.devices.front().compute.fp32);
  CHECK(entry.machine.prices.empty());
}

TEST_CASE("a processor that the catalogue lacks is like one of the same bandwidth, and says so") {
  detected_machine here = recorded("ryzen-9800x3d");
  here.cpu.model = detail::found(std::string{"AMD Ryzen 5 9999X 6-Core Processor"}, "test");
  const catalogue_match match = match_catalogue(here, known());
  CHECK(match.certainty == match_certainty::similar);
  const machine_entry entry = this_machine(here);
  CHECK(entry.machine.devices.front().name == "AMD Ryzen 5 9999X 6-Core Processor");
  CHECK(entry.machine.devices.front().device_class == device_class::cpu_desktop);
  CHECK(number(entry.machine.devices.front().memory.bandwidth_spec.value) == doctest::Approx(96e9));
}

TEST_CASE("without an entry and without modules there is no bandwidth, and the error says what to do") {
  const detected_machine here = recorded("epyc-9375f-two-sockets");
  const catalogue_match match = match_catalogue(here, known());
  CHECK(match.certainty == match_certainty::none);
  CHECK_FALSE(match.reason.empty());
  std::string message;
  try {
    (void)to_machine(here, match, known());
  } catch (const error& e) {
    message = e.what();
  }
  CHECK(message.find("AMD EPYC 9375F 32-Core Processor") != std::string::npos);
  CHECK(message.find("sizer hardware") != std::string::npos);
  CHECK(message.find("as root") != std::string::npos);
}

TEST_CASE("a board is found by its name, and a control group bounds the memory") {
  CHECK(match_catalogue(recorded("raspberry-pi-5"), known()).id == "raspberry-pi-5-8gb");
  const detected_machine box = recorded("container-cgroup-v2");
  CHECK(match_catalogue(box, known()).id == "xeon-8480plus-8ch-ddr5-4800");
  CHECK(number(this_machine(box).machine.devices.front().memory.usable.value) == 131'072'000);
}

TEST_CASE("a card brings the memory of its machine along, and the lanes of its slot") {
  detected_machine here = recorded("ryzen-9800x3d");
  detected_gpu gpu = card("NVIDIA GeForce RTX 3090", 24);
  gpu.memory_reserved = detail::found(make_bytes(std::int64_t{318} << 20), "nvml");
  gpu.pcie_max = detail::found(detected_pcie{4, 16}, "nvml");
  gpu.pcie_current = detail::found(detected_pcie{1, 8}, "nvml");
  here.gpus = {gpu, gpu};
  const machine_entry entry = this_machine(here);
  const machine& box = entry.machine;
  REQUIRE(box.devices.size() == 1);
  CHECK(box.devices.front().count == 2);
  CHECK(number(box.devices.front().memory.usable.value) == std::int64_t{24258} << 20);
  CHECK(number(box.devices.front().memory.bandwidth_spec.value) == 936e9);
  REQUIRE(box.host_memory);
  CHECK(number(box.host_memory->usable.value) == 31'996'000LL * 1024);
  CHECK(number(box.host_memory->bandwidth_spec.value) == doctest::Approx(96e9));
  bool slot = false;
  for (const sizer::link& one : box.links) {
    if (one.between != link_kind::host) continue;
    slot = true;
    CHECK(one.name == "PCIe 4.0 x8");
    CHECK(number(one.bandwidth.value) == doctest::Approx(15.754e9).epsilon(0.001));
  }
  CHECK(slot);
}

TEST_CASE("a card that the catalogue lacks goes by its bus") {
  detected_machine here = recorded("ryzen-9800x3d");
  detected_gpu gpu = card("NVIDIA GeForce RTX 9999", 24);
  gpu.memory_bus_bits = detail::found(std::int32_t{384}, "nvml");
  gpu.memory_clock_mhz = detail::found(9751.0, "nvml");
  here.gpus = {gpu};
  const catalogue_match match = match_catalogue(here, known());
  CHECK(match.id.empty());
  const machine_entry entry = this_machine(here);
  CHECK(number(entry.machine.devices.front().memory.bandwidth_spec.value) == doctest::Approx(936.1e9).epsilon(0.001));
  CHECK(entry.machine.devices.front().device_class == device_class::nvidia_consumer);
}

TEST_CASE("graphics that the catalogue lacks leave the processor") {
  detected_machine here = recorded("ryzen-9800x3d");
  here.gpus.push_back(card("AMD Radeon Graphics", 0.5));
  const catalogue_match match = match_catalogue(here, known());
  CHECK(match.id == "ryzen-7-9800x3d-ddr5-5200");
  CHECK(match.gpu == -1);
  CHECK(match.differences.back().find("left out") != std::string::npos);
}
