#include <doctest/doctest.h>

#include <sizer/model/family.hpp>
#include <sizer/model/names.hpp>

using namespace sizer;

TEST_CASE("family names are unique and found") {
  for (const family_traits& known : families) {
    CAPTURE(known.name);
    REQUIRE(find_family(known.name) != nullptr);
    CHECK(find_family(known.name) == &known);
  }
  CHECK(find_family("no-such-family") == nullptr);
}

TEST_CASE("what a shape states overrides what its family implies") {
  model_shape shape;
  shape.family = "qwen2";
  CHECK(traits_of(shape).qkv_bias);
  shape.features.qkv_bias = false;
  CHECK_FALSE(traits_of(shape).qkv_bias);
  shape.features.qk_norm = true;
  CHECK(traits_of(shape).qk_norm == qk_norm_kind::head);
  shape.family = "olmo2";
  CHECK(traits_of(shape).qk_norm == qk_norm_kind::whole);
  shape.features.qk_norm = false;
  CHECK(traits_of(shape).qk_norm == qk_norm_kind::none);
}

TEST_CASE("an unknown family is the plain block") {
  model_shape shape;
  shape.family = "of-tomorrow";
  const family_traits traits = traits_of(shape);
  CHECK(traits.attn_norm);
  CHECK(traits.gated_feed_forward);
  CHECK_FALSE(traits.qkv_bias);
}

TEST_CASE("the table of names has each field once") {
  for (const field_names& row : model_field_names) {
    CAPTURE(row.field);
    CHECK(find_model_field(row.field) == &row);
  }
  static_assert(gguf_key("n_layers") == "block_count");
}
