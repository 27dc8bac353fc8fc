#include <sizer/decide/handover.hpp>

#include <doctest/doctest.h>

#include <sizer/memory/quantization.hpp>
#include <sizer/model/expand.hpp>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

TEST_CASE("the cache of a prompt is sent once, and hides behind the prefill") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const weights_by_type sizes = weights(model, find_quantization("Q8_0"));
  const machine prefills = sizer_test::card(24_GiB, 936_GB_per_s);
  const machine decodes = sizer_test::card(48_GiB, 1500_GB_per_s);
  workload work;
  work.context = 32768;
  work.prompt_tokens = 16384;
  work.output_tokens = 100;
  const engine runtime = make_engine(engine_kind::llama_cpp, work);
  const handover h = hand_over(model, sizes, prefills, runtime, decodes, runtime, work, make_bytes_per_second(1.25e9));
  // 32 layers x 2 x 8 heads x 128 x 2 bytes x 16,384 tokens
  CHECK(number(h.sent) == 32LL * 2 * 8 * 128 * 2 * 16384);
  CHECK(number(h.transfer) == doctest::Approx(static_cast<double>(number(h.sent)) / 1.25e9));
  CHECK(h.ttft_overlapped < h.ttft);
  CHECK(h.ttft_overlapped >= h.prefill + h.decode_step);
  const handover quick =
      hand_over(model, sizes, prefills, runtime, decodes, runtime, work, make_bytes_per_second(1e12));
  CHECK(quick.ttft_overlapped < h.ttft_overlapped);
  CHECK_THROWS_AS((void)hand_over(model, sizes, prefills, runtime, decodes, runtime, work, make_bytes_per_second(0.0)),
                  value_error);
}
