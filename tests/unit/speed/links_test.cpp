#include <sizer/speed/links.hpp>

#include <cstdint>

#include <sizer/model/expand.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/prefill.hpp>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

namespace {

machine cards(std::int32_t count, const char* name, double gb_per_s) {
  machine box = sizer_test::card(24_GiB, 936_GB_per_s);
  box.devices.front().count = count;
  sizer::link wire;
  wire.name = name;
  wire.bandwidth = {make_bytes_per_second(gb_per_s * 1e9), figure_kind::vendor, "sheet", ""};
  box.links = {wire};
  return box;
}

double decode(const machine& where, engine_kind kind, split_mode mode = split_mode::layer) {
  const architecture model = make_architecture(sizer_test::dense_shape());
  workload work;
  work.context = 8192;
  engine runtime = make_engine(kind, work);
  runtime.llama_cpp.split_mode = mode;
  return number(estimate_decode(model, weights(model, find_quantization("Q8_0")), where, runtime, work).rate);
}

}  // namespace

TEST_CASE("a link's technology follows from its name") {
  const auto kind = [](const char* name, double gb_per_s) {
    return detail::link_between(cards(2, name, gb_per_s)).kind;
  };
  CHECK(kind("NVLink3 bridge", 56) == link_technology::nvlink);
  CHECK(kind("Infinity Fabric mesh", 448) == link_technology::fabric);
  CHECK(kind("Infinity Fabric between modules", 50) == link_technology::fabric_modules);
  CHECK(kind("ConnectX-7 200 GbE RoCE", 25) == link_technology::ethernet);
  CHECK(kind("PCIe 4.0 x16 peer-to-peer", 31.5) == link_technology::pcie_peer);
  CHECK(kind("PCIe 4.0, no peer-to-peer", 11.3) == link_technology::pcie_host);
  CHECK(kind("network (RPC)", 5) == link_technology::network);
}

TEST_CASE("a bridge for two joins no four") {
  machine four = cards(4, "NVLink3 bridge", 56);
  four.links.front().max_linked = 2;
  CHECK(detail::link_between(four).kind == link_technology::pcie_host);
  machine two = cards(2, "NVLink3 bridge", 56);
  two.links.front().max_linked = 2;
  CHECK(detail::link_between(two).kind == link_technology::nvlink);
}

TEST_CASE("layers on two cards decode no faster than on one, rows and servers do") {
  const double one = decode(cards(1, "NVLink3 bridge", 56), engine_kind::llama_cpp);
  CHECK(decode(cards(2, "NVLink3 bridge", 56), engine_kind::llama_cpp) < one);
  const double server = decode(cards(1, "NVLink3 bridge", 56), engine_kind::vllm);
  CHECK(decode(cards(2, "NVLink3 bridge", 56), engine_kind::vllm) > server);
  CHECK(decode(cards(2, "NVLink3 bridge", 56), engine_kind::vllm) < 2 * server);
}

TEST_CASE("a slower link is never faster, and more devices talk longer") {
  const double fast = decode(cards(4, "NVLink", 300), engine_kind::vllm);
  CHECK(decode(cards(4, "NVLink", 3), engine_kind::vllm) < fast);
  CHECK(decode(cards(4, "network (RPC)", 5), engine_kind::llama_cpp) <
        decode(cards(4, "PCIe peer-to-peer", 31.5), engine_kind::llama_cpp));
  CHECK(decode(cards(4, "PCIe peer-to-peer", 31.5), engine_kind::llama_cpp) <
        decode(cards(2, "PCIe peer-to-peer", 31.5), engine_kind::llama_cpp));
}

TEST_CASE("ubatches follow each other over several cards, no faster than the ideal pipeline") {
  const machine four = cards(4, "PCIe peer-to-peer", 31.5);
  workload work;
  engine runtime = make_engine(engine_kind::llama_cpp, work);
  CHECK(detail::prefill_concurrency(four, runtime, 1) == 1.0);
  const double ideal = 4.0 * 4.0 / (4.0 + 4.0 - 1.0);
  const double got = detail::prefill_concurrency(four, runtime, 100);
  CHECK(got > 1.0);
  CHECK(got < ideal);
  runtime.llama_cpp.split_mode = split_mode::row;
  CHECK(detail::prefill_concurrency(four, runtime, 1) == 4.0);
}
