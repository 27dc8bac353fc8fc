#include <string>

#include <doctest/doctest.h>

#include <sizer/version.hpp>

TEST_CASE("the version's text and numbers agree") {
  CHECK(std::string{SIZER_VERSION} == std::to_string(SIZER_VERSION_MAJOR) + "." + std::to_string(SIZER_VERSION_MINOR) +
                                          "." + std::to_string(SIZER_VERSION_PATCH));
}
