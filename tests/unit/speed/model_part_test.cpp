#include <sizer/speed/model_part.hpp>

#include <cstdint>

#include <doctest/doctest.h>

#include <sizer/memory/quantization.hpp>
#include <sizer/model/expand.hpp>

#include "support/sample_models.hpp"

using namespace sizer;

namespace {

double read_bytes(const weights_by_type& weights) {
  double sum = real(weights.read_packed).value() + real(weights.routed_packed).value();
  for (std::size_t i = 0; i < weights.read_by_type.size(); ++i) {
    sum += real(weights.read_by_type[i]).value() + real(weights.routed_by_type[i]).value();
  }
  return sum;
}

}  // namespace

TEST_CASE("parts that make up a model sum to its bytes and its layers") {
  for (const model_shape& shape : {sizer_test::dense_shape(), sizer_test::expert_shape_30b()}) {
    for (const char* quant : {"Q4_K_M", "BF16", "AWQ"}) {
      const architecture model = make_architecture(shape);
      const weights_by_type sizes = weights(model, find_quantization(quant));
      const std::int64_t n = shape.n_layers;
      const std::int64_t cut = n / 3;
      const model_part first = part_of(model, sizes, {.first = 0, .last = cut});
      const model_part rest = part_of(model, sizes, {.first = cut, .last = n, .experts_from = n, .head = true});
      const model_part experts = part_of(model, sizes, {.first = cut, .last = n, .always = false});
      CAPTURE(shape.family);
      CAPTURE(quant);
      CHECK(read_bytes(first.weights) + read_bytes(rest.weights) + read_bytes(experts.weights) ==
            doctest::Approx(read_bytes(sizes)).epsilon(1e-7));
      CHECK(first.architecture.layers.size() + rest.architecture.layers.size() == model.layers.size());
      CHECK(experts.architecture.layers.empty());
      CHECK(experts.weights.layers.size() == rest.weights.layers.size());
      CHECK(rest.weights.output_head == sizes.output_head);
      CHECK(first.weights.output_head == bytes{});
    }
  }
}

TEST_CASE("a part of caches has attention and no weights") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  const model_part part = cache_part_of(model, 10, 20);
  CHECK(part.architecture.layers.size() == 10);
  CHECK(read_bytes(part.weights) == 0.0);
  for (const layer& block : part.architecture.layers) CHECK(has_attention(block.mixer));
}
