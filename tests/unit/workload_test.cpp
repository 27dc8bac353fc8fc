#include <sizer/workload.hpp>

#include <string>

#include <doctest/doctest.h>

using namespace sizer;

namespace {
std::string field_refused(const workload& work) {
  try {
    static_cast<void>(checked(work, 131072));
  } catch (const value_error& error) {
    return error.field();
  }
  return "";
}
}  // namespace

TEST_CASE("no context means the model's own") { CHECK(checked(workload{}, 131072).context == 131072); }

TEST_CASE("counts that cannot be are refused by name") {
  workload work;
  work.context = 4096;
  CHECK(field_refused(work).empty());
  CHECK(field_refused({.context = 131073}) == "context");
  CHECK(field_refused({.context = -1}) == "context");
  CHECK(field_refused({.context = 4096, .parallel = 0}) == "parallel");
  CHECK(field_refused({.context = 4096, .parallel = 2, .batch = 3}) == "batch");
  CHECK(field_refused({.context = 4096, .prompt_tokens = 4097}) == "prompt_tokens");
  CHECK(field_refused({.context = 4096, .prompt_tokens = 1, .depth = 4096}) == "prompt_tokens");
  CHECK(field_refused({.context = 4096, .depth = -1}) == "depth");
}
