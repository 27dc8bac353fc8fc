#include <sizer/model/expand.hpp>
#include <sizer/sweep.hpp>

#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

TEST_CASE("a sweep holds the scalar estimates, cell by cell") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const machine card = sizer_test::card(24_GiB, 936_GB_per_s);
  const quantization quant = find_quantization("Q4_K_M");
  const workload request;
  const auto engine_for = [](const workload& work) { return make_engine(engine_kind::llama_cpp, work); };
  const std::array<std::int64_t, 3> contexts{4096, 32768, 131072};
  const std::array<std::int64_t, 2> batches{1, 8};
  const sweep_result grid = sweep(model, card, quant, request, engine_for, contexts, batches);
  REQUIRE(grid.total_bytes.rows() == 3);
  REQUIRE(grid.total_bytes.cols() == 2);
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    for (std::size_t j = 0; j < batches.size(); ++j) {
      workload work = request;
      work.context = contexts[i];
      work.batch = work.parallel = batches[j];
      const estimate_result one = estimate(model, card, quant, work, engine_for(work));
      const auto row = static_cast<Eigen::Index>(i);
      const auto column = static_cast<Eigen::Index>(j);
      CHECK(grid.total_bytes(row, column) == number(one.memory.total()));
      CHECK(grid.headroom_bytes(row, column) == number(one.memory.headroom()));
      CHECK(grid.decode_tokens_per_s(row, column) == number(one.decode.rate));
      CHECK(grid.prefill_tokens_per_s(row, column) == number(one.prefill.rate));
      CHECK(grid.ttft_s(row, column) == number(one.ttft));
    }
  }
}
