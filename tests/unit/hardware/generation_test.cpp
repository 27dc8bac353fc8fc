#include <sizer/hardware/generation.hpp>

#include <string>

#include <sizer/catalog/catalog.hpp>

#include <doctest/doctest.h>

using namespace sizer;

namespace {

generation of(const char* machine) {
  return generation_of(catalogue::embedded().machine(machine).machine.devices.front());
}

}  // namespace

TEST_CASE("generations follow from class, formats and memory") {
  CHECK(of("p40") == generation::pascal);
  CHECK(of("gtx-1660-super-6gb") == generation::pascal);  // Turing shaders without matrix units
  CHECK(of("v100-16gb-pcie") == generation::volta);
  CHECK(of("t4-16gb") == generation::turing);
  CHECK(of("rtx-2080-ti-11gb") == generation::turing);
  CHECK(of("rtx-3090") == generation::ampere);
  CHECK(of("a100-80gb-sxm") == generation::ampere);
  CHECK(of("rtx-4090") == generation::ada);
  CHECK(of("l40s-48gb") == generation::ada);
  CHECK(of("h100-80gb-sxm") == generation::hopper);
  CHECK(of("rtx-5090") == generation::blackwell);
  CHECK(of("b200-180gb-sxm") == generation::blackwell);
  CHECK(of("dgx-spark") == generation::gb10);
  CHECK(of("apple-m1-max-32c-64gb") == generation::apple_m1);
  CHECK(of("apple-m2-ultra-76c-192gb") == generation::apple_m2);
  CHECK(of("m3-ultra") == generation::apple_m3);
  CHECK(of("apple-m5-max-40c-64gb") == generation::apple_m5);
  CHECK(of("rx-580-8gb") == generation::gcn);
  CHECK(of("rx-6800-xt-16gb") == generation::rdna2);
  CHECK(of("rx-7900-xtx-24gb") == generation::rdna3);
  CHECK(of("strix-halo") == generation::rdna3);
  CHECK(of("radeon-ai-pro-r9700-32gb") == generation::rdna4);
  CHECK(of("instinct-mi250-128gb") == generation::cdna2);
  CHECK(of("mi300x") == generation::cdna3);
  CHECK(of("arc-b580-12gb") == generation::xe);
  CHECK(of("ryzen-9800x3d") == generation::cpu);
}

TEST_CASE("every generation has a name of its own") {
  for (std::size_t i = 0; i < n_generations; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      CHECK(to_string(static_cast<generation>(i)) != to_string(static_cast<generation>(j)));
    }
  }
}
