/// @file
/// Runs a fuzz target over the files of folders: for compilers without libFuzzer and for the normal test run. A target
/// ends the program when a promise is broken; here it also fails when an input costs more memory than it may.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace {

/// What an input may cost: a reader's buffers, and so many times its own bytes. JSON values are the dearest: "0," is
/// two bytes of a file and a value of 16 in a vector that grows by doubling, once in the document and once in the list
/// made of it.
constexpr std::size_t buffers = std::size_t{4} << 20U;
constexpr std::size_t times_its_size = 64;

std::size_t in_use = 0;
std::size_t most_in_use = 0;

/// Every allocation begins with its size, in room that keeps the alignment.
constexpr std::size_t room = alignof(std::max_align_t);

}  // namespace

void* operator new(std::size_t size) {
  auto* start = size > SIZE_MAX - room ? nullptr : static_cast<std::byte*>(std::malloc(size + room));
  if (start == nullptr) throw std::bad_alloc{};
  new (start) std::size_t{size};
  in_use += size;
  most_in_use = std::max(most_in_use, in_use);
  return start + room;
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  auto* start = static_cast<std::byte*>(memory) - room;
  in_use -= *std::launder(reinterpret_cast<std::size_t*>(start));
  std::free(start);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    for (const auto& file : std::filesystem::recursive_directory_iterator{argv[i]}) {
      if (file.is_regular_file()) files.push_back(file.path());
    }
  }
  std::sort(files.begin(), files.end());
  double dearest = 0;
  bool failed = files.empty();
  for (const auto& file : files) {
    std::printf("%s\n", file.string().c_str());
    std::fflush(stdout);  // the last name is the one that ended the program
    std::ifstream in{file, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
    LLVMFuzzerTestOneInput(data, text.size());  // what is made once, such as the catalogue, is made here
    const std::size_t before = in_use;
    most_in_use = in_use;
    LLVMFuzzerTestOneInput(data, text.size());
    const std::size_t cost = most_in_use - before;
    dearest = std::max(dearest, static_cast<double>(cost));
    if (cost > buffers + times_its_size * text.size()) {
      std::printf("%s: cost %zu bytes of memory at a time, expected at most %zu for a file of %zu\n",
                  file.string().c_str(), cost, buffers + times_its_size * text.size(), text.size());
      failed = true;
    }
  }
  std::printf("%zu inputs replayed, at most %.0f kB of memory each%s\n", files.size(), dearest / 1e3,
              failed ? ": FAILED" : "");
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
