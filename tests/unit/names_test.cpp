#include <sizer/names.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace sizer;

TEST_CASE("a name's normal form ignores case and separators, except between digits") {
  CHECK(normal_name("RTX 3090") == "rtx3090");
  CHECK(normal_name("rtx_3090") == normal_name("RTX-3090"));
  CHECK(normal_name("Qwen3.5 35B") == normal_name("qwen3-5-35b"));
  CHECK(normal_name("qwen3-5b") != normal_name("qwen35b"));
  CHECK(normal_name("Command R+") == normal_name("command-r-plus"));
  CHECK(normal_name("2\xC3\x97 RTX 3090") == normal_name("2x-rtx-3090"));
  CHECK(normal_name("  (a) / b ") == "ab");
  CHECK(normal_name("").empty());
  CHECK(normal_name("---").empty());
}

TEST_CASE("edit distance counts a swap of neighbours once") {
  CHECK(detail::edit_distance("qwen", "qwne") == 1);
  CHECK(detail::edit_distance("", "abc") == 3);
  CHECK(detail::edit_distance("abc", "abc") == 0);
  CHECK(detail::edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("the nearest names come best first, each id once") {
  const std::vector<known_name> known{{"rtx-3090-24gb", "rtx-3090-24gb"},
                                      {"rtx-3090", "rtx-3090-24gb"},
                                      {"rtx-4090-24gb", "rtx-4090-24gb"},
                                      {"dgx-spark", "dgx-spark"},
                                      {"qwen3-32b", "qwen3-32b"}};
  const std::span<const known_name> all{known};
  CHECK(nearest_names("rtx-3009", all) == std::vector<std::string>{"rtx-3090-24gb", "rtx-4090-24gb"});
  CHECK(nearest_names("3090", all).front() == "rtx-3090-24gb");
  CHECK(nearest_names("qwne3-32b", all).front() == "qwen3-32b");
  CHECK(nearest_names("rtx", all, 1).size() <= 1);
  CHECK(nearest_names("zzzz", all).empty());
  CHECK(nearest_names("", all).empty());
  CHECK(nearest_names(std::string(100'000, 'r'), all).empty());
}
