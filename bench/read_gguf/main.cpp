// Reads the header of a GGUF file again and again: the time of every read, and the memory of one beyond its result.
//
//     sizer_read_gguf MODEL.gguf [READS]
//
// Prints one line a figure: read_ns for each read (from opening the file to the finished table), then peak_bytes (most
// bytes live during a read), result_bytes (live while the result is), beyond_result_bytes (the difference),
// allocations, tensors and keys.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>

#include <sizer/catalog/gguf.hpp>

namespace {

/// Every allocation of the program by operator new; the reader has no other.
struct allocations {
  std::size_t live = 0;
  std::size_t peak = 0;
  std::size_t count = 0;
};
allocations counted;

/// In front of every block: its size, and room that keeps the block aligned.
constexpr std::size_t prefix = alignof(std::max_align_t);
static_assert(prefix >= sizeof(std::size_t));

}  // namespace

void* operator new(std::size_t size) {
  void* const block = std::malloc(size + prefix);
  if (block == nullptr) throw std::bad_alloc{};
  *static_cast<std::size_t*>(block) = size;
  counted.live += size;
  counted.peak = std::max(counted.peak, counted.live);
  ++counted.count;
  return static_cast<std::byte*>(block) + prefix;
}

void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  void* const block = static_cast<std::byte*>(pointer) - prefix;
  counted.live -= *static_cast<std::size_t*>(block);
  std::free(block);
}

void operator delete(void* pointer, std::size_t) noexcept { operator delete(pointer); }

namespace {

void print(const char* name, std::size_t value) { std::printf("%s %zu\n", name, value); }

void measure(const std::string& path, int reads) {
  using clock = std::chrono::steady_clock;
  for (int i = 0; i < reads; ++i) {
    const auto start = clock::now();
    const sizer::gguf_file file = sizer::read_gguf(path);
    const auto end = clock::now();
    print("read_ns", static_cast<std::size_t>(std::chrono::nanoseconds{end - start}.count()));
  }
  const std::size_t before = counted.live;
  counted.peak = before;
  counted.count = 0;
  const sizer::gguf_file file = sizer::read_gguf(path);
  const std::size_t result = counted.live - before;
  print("peak_bytes", counted.peak - before);
  print("result_bytes", result);
  print("beyond_result_bytes", counted.peak - before - result);
  print("allocations", counted.count);
  print("tensors", file.tensors.size());
  print("keys", file.metadata.size());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2 || argc > 3) {
      std::fputs("usage: sizer_read_gguf MODEL.gguf [READS]\n", stderr);
      return 2;
    }
    measure(argv[1], argc == 3 ? std::max(std::atoi(argv[2]), 1) : 1);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
  return 0;
}
