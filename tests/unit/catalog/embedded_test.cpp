#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "embedded.hpp"

namespace {

std::string file_text(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

TEST_CASE("the library carries every file of the data folders, byte for byte") {
  const std::filesystem::path data = SIZER_DATA_DIR;
  std::set<std::string> embedded;
  for (const auto& file : sizer::detail::embedded_catalogue()) {
    CAPTURE(file.path);
    CHECK(embedded.insert(std::string{file.path}).second);
    const bool same = file.text == file_text(data / file.path);  // a comparison in CHECK would print both files
    CHECK(same);
  }

  std::set<std::string> on_disk;
  for (const char* folder : {"hardware", "models", "engines"}) {
    if (!std::filesystem::exists(data / folder)) continue;  // an empty folder does not come with a clone
    for (const auto& entry : std::filesystem::recursive_directory_iterator{data / folder}) {
      if (entry.path().extension() == ".json") on_disk.insert(entry.path().lexically_relative(data).generic_string());
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator{data}) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("sources") && name.ends_with(".json")) on_disk.insert(name);
  }
  CHECK(on_disk.size() > 100);
  CHECK(embedded == on_disk);
}

TEST_CASE("a file longer than one string literal is embedded whole") {
  const auto files = sizer::detail::embedded_catalogue();
  const auto longest = std::max_element(files.begin(), files.end(),
                                        [](const auto& a, const auto& b) { return a.text.size() < b.text.size(); });
  REQUIRE(longest != files.end());
  CHECK(longest->text.size() > 12'000);
  CHECK(longest->text.find_last_not_of(" \n") != std::string_view::npos);
  CHECK(longest->text[longest->text.find_last_not_of(" \n")] == '}');
}

TEST_CASE("the table is made once") {
  CHECK(sizer::detail::embedded_catalogue().data() == sizer::detail::embedded_catalogue().data());
}
