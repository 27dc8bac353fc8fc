#include <sizer/memory/file_weights.hpp>
#include <sizer/model/expand.hpp>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;

namespace {

double sum(const bytes_per_type& table) {
  double total = 0.0;
  for (const bytes& one : table) total += real(one).value();
  return total;
}

}  // namespace

TEST_CASE("a dense file's weights are its recipe's, scaled to its size") {
  const architecture model = make_architecture(sizer_test::dense_shape());
  const quantization mix = find_quantization("Q4_K_M");
  const weights_by_type recipe = weights(model, mix);
  const bytes larger = make_bytes(number(recipe.total) / 10 * 11);
  for (const other_matrices others : {other_matrices::in_q8_0, other_matrices::as_recipe}) {
    const weights_by_type file = weights_of_file(model, mix, larger, others);
    CHECK(sum(file.read_by_type) / sum(recipe.read_by_type) == doctest::Approx(1.1).epsilon(1e-6));
  }
}

TEST_CASE("in a dynamic file of experts the other matrices are Q8_0 and the experts fill the rest") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  const quantization mix = find_quantization("Q4_K_M");
  const weights_by_type q8 = weights(model, find_quantization("Q8_0"));
  const weights_by_type recipe = weights(model, mix);
  const bytes size = recipe.total;
  const weights_by_type file = weights_of_file(model, mix, size, other_matrices::in_q8_0);
  CHECK(sum(file.read_by_type) == doctest::Approx(sum(q8.read_by_type)));
  const double others = real(q8.total).value() - real(q8.routed()).value();
  CHECK(sum(file.routed_by_type) == doctest::Approx(real(size).value() - others).epsilon(1e-6));
  // Scaled as a whole, a token reads less beside the experts and more of them.
  const weights_by_type whole = weights_of_file(model, mix, size, other_matrices::as_recipe);
  CHECK(sum(whole.read_by_type) < sum(file.read_by_type));
  CHECK(sum(whole.routed_by_type) > sum(file.routed_by_type));
}

TEST_CASE("a file that is too small for Q8_0 matrices is scaled as a whole, and none is refused") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  const quantization mix = find_quantization("Q4_K_M");
  const weights_by_type tiny = weights_of_file(model, mix, make_bytes(1'000'000), other_matrices::in_q8_0);
  CHECK(sum(tiny.read_by_type) < 1e6);
  CHECK_THROWS_AS((void)weights_of_file(model, mix, make_bytes(0), other_matrices::in_q8_0), value_error);
}
