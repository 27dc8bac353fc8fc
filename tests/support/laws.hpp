#pragma once
/// @file
/// What property tests over the catalogue start from.

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <sizer/catalog/catalog.hpp>

namespace sizer_test {

template <class Property>
void check_law(const std::string& name, Property&& law) {
  CHECK_MESSAGE(rc::check(name, std::forward<Property>(law)), name);
}

/// Any model of the catalogue: every attention kind there is.
inline const sizer::architecture& any_model() {
  static const std::vector<std::string> ids = sizer::catalogue::embedded().model_ids();
  return sizer::catalogue::embedded().model(*rc::gen::elementOf(ids)).architecture;
}

inline const sizer::machine& any_machine() {
  static const std::vector<std::string> ids = sizer::catalogue::embedded().machine_ids();
  return sizer::catalogue::embedded().machine(*rc::gen::elementOf(ids)).machine;
}

}  // namespace sizer_test
