#include <sizer/decide/compare.hpp>
#include <sizer/decide/solve.hpp>
#include <sizer/model/expand.hpp>

#include <array>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;
using sizer_test::card;

namespace {

architecture llama_8b() { return make_architecture(sizer_test::dense_shape()); }

workload native_context(const architecture& model) {
  workload work;
  work.context = model.shape.context_length;
  return work;
}

}  // namespace

TEST_CASE("a larger card holds a longer context, up to the trained one") {
  const architecture model = llama_8b();
  const weights_by_type q8 = weights(model, find_quantization("Q8_0"));
  const workload work = native_context(model);
  const engine runtime = make_engine(engine_kind::llama_cpp, work);
  const auto on = [&](const bytes& memory) {
    return largest_context(model, q8, card(memory, 936_GB_per_s), work, runtime);
  };
  CHECK_FALSE(on(7_GiB).has_value());  // 7.43 GiB of weights on the card alone
  REQUIRE(on(12_GiB).has_value());
  REQUIRE(on(16_GiB).has_value());
  CHECK(*on(12_GiB) < *on(16_GiB));
  CHECK(*on(48_GiB) == 131072);
}

TEST_CASE("the best quantisation is the largest that fits") {
  const architecture model = llama_8b();
  workload work;
  work.context = 8192;
  const engine runtime = make_engine(engine_kind::llama_cpp, work);
  const std::array candidates{find_quantization("Q4_K_M"), find_quantization("F16"), find_quantization("Q8_0")};
  const auto on = [&](const bytes& memory) {
    return best_quantization(model, card(memory, 936_GB_per_s), work, runtime, candidates);
  };
  CHECK_FALSE(on(4_GiB).has_value());
  CHECK(on(8_GiB)->mix == recipe::q4_k_m);
  CHECK(on(12_GiB)->mix == recipe::q8_0);
  CHECK(on(24_GiB)->mix == recipe::f16);
}

TEST_CASE("a comparison puts machines that fit first, the quickest before the slower, then the nearest miss") {
  const architecture model = llama_8b();
  const std::array machines{card(4_GiB, 2000_GB_per_s), card(24_GiB, 300_GB_per_s), card(24_GiB, 900_GB_per_s),
                            card(5_GiB, 100_GB_per_s)};
  std::array<const machine*, 4> pointers{};
  for (std::size_t i = 0; i < machines.size(); ++i) pointers[i] = &machines[i];
  workload work;
  work.context = 16384;
  work.prompt_tokens = 4096;
  const auto rows = compare(model, pointers, find_quantization("Q4_K_M"), work,
                            [&](const machine&) { return make_engine(engine_kind::llama_cpp, work); });
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].machine == 2);
  CHECK(rows[1].machine == 1);
  CHECK(rows[2].machine == 3);
  CHECK(rows[3].machine == 0);
  CHECK(rows[0].request_time < rows[1].request_time);
}
