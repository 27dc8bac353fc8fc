#include <sizer/model/expand.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/roofline.hpp>

#include <cstdint>
#include <limits>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;
using sizer_test::dense_shape;
using sizer_test::expert_shape_30b;

namespace {

machine card(double gb_per_s) { return sizer_test::card(24_GiB, make_bytes_per_second(gb_per_s * 1e9)); }

weights_by_type sized(const architecture& model, const char* quant = "Q4_K_M") {
  return weights(model, find_quantization(quant));
}

}  // namespace

TEST_CASE("the ceiling is the bandwidth over the weights of a token, without the row of its embedding") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = sized(model);
  const roofline roof = roofline_ceiling(model, sizes, card(936));
  const auto read = static_cast<double>(number(sizes.active - sizes.row));
  CHECK(roof.bound == bound_kind::memory);
  CHECK(number(roof.bytes_per_token) == doctest::Approx(read));
  CHECK(number(roof.bandwidth) == doctest::Approx(936e9));
  CHECK(number(roof.ceiling) == doctest::Approx(936e9 / read));
  CHECK(number(roof.step) == doctest::Approx(read / 936e9));
}

TEST_CASE("a cached token adds the bytes of its keys and values") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = sized(model);
  const double empty = number(roofline_ceiling(model, sizes, card(936)).bytes_per_token);
  const double row = 32.0 * 2 * 8 * 128;  // layers x (K and V) x heads x dimensions
  CHECK(number(roofline_ceiling(model, sizes, card(936), 1000.0).bytes_per_token) - empty ==
        doctest::Approx(1000.0 * row * 2));
  const double q8 =
      number(roofline_ceiling(model, sizes, card(936), 1000.0, 1.0, ggml_type::q8_0, ggml_type::q8_0).bytes_per_token);
  CHECK(q8 - empty == doctest::Approx(1000.0 * row * 1.0625));
}

TEST_CASE("a batch reads the weights once, until the arithmetic is the limit") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = sized(model);
  const roofline one = roofline_ceiling(model, sizes, card(936));
  const roofline four = roofline_ceiling(model, sizes, card(936), 0.0, 4.0);
  CHECK(number(four.ceiling) == doctest::Approx(4.0 * number(one.ceiling)));
  const roofline many = roofline_ceiling(model, sizes, card(936), 0.0, 4096.0);
  CHECK(many.bound == bound_kind::compute);
  CHECK(number(many.ceiling) == doctest::Approx(number(many.arithmetic) / number(many.flop_per_token)));
}

TEST_CASE("devices that divide every layer add up; llama.cpp's take turns") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = sized(model);
  machine four = card(936);
  four.devices.front().count = 4;
  workload work;
  work.context = 4096;
  const double one = number(roofline_ceiling(model, sizes, card(936)).ceiling);
  CHECK(number(roofline_ceiling(model, sizes, four, make_engine(engine_kind::llama_cpp, work)).ceiling) ==
        doctest::Approx(one));
  CHECK(number(roofline_ceiling(model, sizes, four, make_engine(engine_kind::vllm, work)).ceiling) ==
        doctest::Approx(4.0 * one));
}

TEST_CASE("it is the ceiling of the estimates") {
  for (const model_shape& shape : {dense_shape(), expert_shape_30b()}) {
    const architecture model = make_architecture(shape);
    const weights_by_type sizes = sized(model);
    for (const std::int64_t depth : {0, 30000}) {
      for (const std::int64_t batch : {1, 8}) {
        workload work;
        work.context = shape.context_length;
        work.depth = depth;
        work.batch = work.parallel = batch;
        const engine runtime = make_engine(engine_kind::llama_cpp, work);
        const roofline roof =
            roofline_ceiling(model, sizes, card(936), runtime, static_cast<double>(depth), static_cast<double>(batch));
        CHECK(number(roof.ceiling) ==
              doctest::Approx(number(estimate_decode(model, sizes, card(936), runtime, work).ceiling)));
      }
    }
  }
}

TEST_CASE("wrong counts are named") {
  const architecture model = make_architecture(dense_shape());
  const weights_by_type sizes = sized(model);
  CHECK_THROWS_AS((void)roofline_ceiling(model, sizes, machine{}), value_error);
  CHECK_THROWS_AS((void)roofline_ceiling(model, sizes, card(936), -1.0), value_error);
  CHECK_THROWS_AS((void)roofline_ceiling(model, sizes, card(936), 0.0, 0.0), value_error);
  CHECK_THROWS_AS((void)roofline_ceiling(model, sizes, card(936), std::numeric_limits<double>::infinity()),
                  value_error);
}
