#include <stdexcept>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <sizer/error.hpp>

using namespace sizer;

static_assert(std::is_base_of_v<std::runtime_error, error>);
static_assert(std::is_base_of_v<error, value_error>);
static_assert(std::is_base_of_v<error, unknown_name_error>);
static_assert(std::is_base_of_v<error, data_error>);

TEST_CASE("a value error names field, value and range, in parts and in its message") {
  const value_error e{"context", "-1", "1 to 262144"};
  CHECK(e.field() == "context");
  CHECK(e.got() == "-1");
  CHECK(e.expected() == "1 to 262144");
  CHECK(std::string{e.what()} == "context: got -1, expected 1 to 262144");
}

TEST_CASE("an unknown name comes with the nearest known ones, best first") {
  const unknown_name_error e{"model", "qwen3-coder", {"qwen3-coder-30b-a3b", "qwen3-8b"}};
  CHECK(e.looked_up() == "model");
  CHECK(e.name() == "qwen3-coder");
  CHECK(e.nearest().size() == 2);
  CHECK(std::string{e.what()} ==
        "model: got 'qwen3-coder', which is not known; nearest: qwen3-coder-30b-a3b, qwen3-8b");
}

TEST_CASE("an unknown name without a near one says only that") {
  const unknown_name_error e{"machine", "zzz", {}};
  CHECK(std::string{e.what()} == "machine: got 'zzz', which is not known");
}

TEST_CASE("a data error names file, place and problem") {
  const data_error e{"hardware/x.json", "/memory/0/capacity", "got 'GBB', expected GB or GiB"};
  CHECK(e.file() == "hardware/x.json");
  CHECK(e.where() == "/memory/0/capacity");
  CHECK(e.problem() == "got 'GBB', expected GB or GiB");
  CHECK(std::string{e.what()} == "hardware/x.json at /memory/0/capacity: got 'GBB', expected GB or GiB");
}

TEST_CASE("a data error about a whole file has no place") {
  const data_error e{"model.gguf", "", "not a GGUF file"};
  CHECK(std::string{e.what()} == "model.gguf: not a GGUF file");
}

TEST_CASE("every error is caught as sizer::error") {
  CHECK_THROWS_AS((throw value_error{"a", "b", "c"}), error);
  CHECK_THROWS_AS((throw unknown_name_error{"a", "b", {}}), error);
  CHECK_THROWS_AS((throw data_error{"a", "b", "c"}), error);
}
