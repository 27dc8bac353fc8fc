#include <doctest/doctest.h>

#include <string>

#include <sizer/memory/quantization.hpp>

using namespace sizer;

TEST_CASE("every recipe is found by its own name, in any case") {
  for (const recipe_info& known : recipes) {
    CAPTURE(known.name);
    CHECK(find_quantization(known.name).mix == known.id);
    std::string lower{known.name};
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    CHECK(find_quantization(lower).mix == known.id);
  }
}

TEST_CASE("the few other names people type") {
  CHECK(find_quantization("fp16").mix == recipe::f16);
  CHECK(find_quantization("FP32").mix == recipe::f32);
  CHECK(find_quantization("mxfp4").mix == recipe::mxfp4_moe);
  CHECK(find_quantization("mlx-4bit").mix == recipe::mlx_4bit);
  CHECK_FALSE(find_quantization("Q4_0").importance_matrix);
  CHECK(find_quantization("iq4_xs+imatrix") == quantization{.mix = recipe::iq4_xs, .importance_matrix = true});
  CHECK(find_quantization("Q4_0").fused_qkv_as_value);
}

TEST_CASE("an unknown name is an error that names what was typed and the nearest ones") {
  for (const char* name : {"q4km", "4bit", "Q4_K", "", "Q9_0", "UD-Q4_K_XL"}) {
    CAPTURE(name);
    CHECK_THROWS_AS((void)find_quantization(name), unknown_name_error);
  }
  try {
    (void)find_quantization("q4km");
  } catch (const unknown_name_error& e) {
    CHECK(e.name() == "q4km");
    REQUIRE(e.nearest().size() == 3);
    CHECK(e.nearest().front() == "Q4_K_M");
  }
  CHECK_THROWS_AS((void)find_quantization(std::string(100000, 'x')), unknown_name_error);
}
