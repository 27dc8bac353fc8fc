/// @file
/// Runs the kernels that only move data.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "cpu_run.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t page = 4096;
constexpr float triad_factor = 3.0f;

/// Words of the pattern that the memory is filled with.
constexpr std::size_t pattern_words = 8191;
const std::vector<std::uint64_t>& pattern() {
  static const std::vector<std::uint64_t> words = [] {
    std::vector<std::uint64_t> made(pattern_words);
    for (std::size_t i = 0; i < pattern_words; ++i) {
      // Two floats in [1, 2) each, so that arithmetic on them stays exact and no bit pattern is special.
      const auto half = [&](std::uint64_t index) { return 0x3f800000u | (scrambled(index) & 0x007fff00u); };
      made[i] = static_cast<std::uint64_t>(half(2 * i)) << 32 | half(2 * i + 1);
    }
    return made;
  }();
  return words;
}

/// Word i of the memory is word i modulo the pattern's length.
void fill(unsigned char* data, share words) {
  const std::vector<std::uint64_t>& source = pattern();
  std::size_t at = words.begin;
  while (at < words.end) {
    const std::size_t phase = at % pattern_words;
    const std::size_t n = std::min(pattern_words - phase, words.end - at);
    std::memcpy(data + at * 8, source.data() + phase, n * 8);
    at += n;
  }
}

std::uint64_t expected_sum(share words) {
  const std::vector<std::uint64_t>& source = pattern();
  std::uint64_t whole = 0;
  for (const std::uint64_t word : source) whole += word;
  std::uint64_t sum = whole * (words.size() / pattern_words);
  for (std::size_t i = 0; i < words.size() % pattern_words; ++i) sum += source[(words.begin + i) % pattern_words];
  return sum;
}

void fill_all(cpu_run& run, unsigned char* data, std::size_t size) {
  if (run.arena.becomes("pattern of " + std::to_string(size))) return;
  run.once([&](std::int32_t t) { fill(data, share_of(size / 8, t, run.threads)); });
}

/// Arrays of equal size, cut for the threads at pages.
struct arrays {
  unsigned char* data;
  std::size_t size;  ///< of one
  std::int32_t threads;
  [[nodiscard]] share bytes_of(std::int32_t t) const {
    const share pages = share_of(size / page, t, threads);
    return {pages.begin * page, pages.end * page};
  }
  [[nodiscard]] unsigned char* array(std::size_t i) const { return data + i * size; }
};

arrays take(cpu_run& run, std::size_t count) {
  const std::size_t size = run.working_set() / count / page * page;
  if (size < page * static_cast<std::size_t>(run.threads)) {
    throw value_error{"working_set", std::to_string(run.working_set()) + " bytes",
                      "at least " + std::to_string(count * page * static_cast<std::size_t>(run.threads)) +
                          " bytes: one page of 4,096 bytes for each thread and array"};
  }
  run.result.working_set = make_bytes(static_cast<std::int64_t>(size * count));
  return {run.memory(size * count), size, run.threads};
}

void run_read(cpu_run& run, bool flushed) {
  const arrays a = take(run, 1);
  fill_all(run, a.data, a.size);
  const std::int64_t passes = flushed ? 1 : run.passes();
  std::vector<std::uint64_t> right;
  for (std::int32_t t = 0; t < run.threads; ++t) {
    const share mine = a.bytes_of(t);
    right.push_back(expected_sum({mine.begin / 8, mine.end / 8}) * static_cast<std::uint64_t>(passes));
  }
  std::atomic<std::int64_t> wrong{0};
  const auto work = [&](std::int32_t t) {
    const share mine = a.bytes_of(t);
    std::uint64_t sum = 0;
    for (std::int64_t p = 0; p < passes; ++p) sum += run.table.read(a.data + mine.begin, mine.size());
    if (sum != right[static_cast<std::size_t>(t)]) wrong.fetch_add(1);
  };
  if (flushed) {
    run.sample([&](std::int32_t t) { run.table.flush(a.data + a.bytes_of(t).begin, a.bytes_of(t).size()); }, work);
    run.result.remarks.emplace_back("every cache line of the working set was flushed before each sample");
  } else {
    run.sample({}, work);
  }
  run.verify(wrong.load() == 0 ? 0.0 : 1.0, 0.0, "the sum of all words");
  run.result.moved = make_bytes(static_cast<std::int64_t>(a.size) * passes);
}

void run_copy(cpu_run& run) {
  const arrays a = take(run, 2);
  fill_all(run, a.data, a.size * 2);
  const std::int64_t passes = run.passes();
  run.arena.becomes({});
  run.sample({}, [&](std::int32_t t) {
    const share mine = a.bytes_of(t);
    for (std::int64_t p = 0; p < passes; ++p) {
      run.table.copy(a.array(1) + mine.begin, a.array(0) + mine.begin, mine.size());
    }
  });
  run.verify(std::memcmp(a.array(0), a.array(1), a.size) == 0 ? 0.0 : 1.0, 0.0, "the copy");
  run.result.moved = make_bytes(static_cast<std::int64_t>(2 * a.size) * passes);
}

void run_write(cpu_run& run) {
  const arrays a = take(run, 1);
  const std::int64_t passes = run.passes();
  run.arena.becomes({});
  std::vector<float> last(static_cast<std::size_t>(run.threads), 0.0f);
  run.sample({}, [&](std::int32_t t) {
    const share mine = a.bytes_of(t);
    float& value = last[static_cast<std::size_t>(t)];
    for (std::int64_t p = 0; p < passes; ++p) {
      value = value + 1.0f;
      run.table.write(a.data + mine.begin, value, mine.size());
    }
  });
  bool right = true;
  for (std::int32_t t = 0; t < run.threads; ++t) {
    const share mine = a.bytes_of(t);
    const auto* const begin = reinterpret_cast<const float*>(a.data + mine.begin);
    const float value = last[static_cast<std::size_t>(t)];
    right = right && std::all_of(begin, begin + mine.size() / sizeof(float),
                                 [value](float x) { return !(x < value) && !(x > value); });
  }
  run.verify(right ? 0.0 : 1.0, 0.0, "the value written");
  run.result.moved = make_bytes(static_cast<std::int64_t>(a.size) * passes);
}

void run_triad(cpu_run& run) {
  const arrays a = take(run, 3);
  fill_all(run, a.data, a.size * 3);
  const std::int64_t passes = run.passes();
  run.arena.becomes({});
  const auto floats = [&](std::size_t i) { return reinterpret_cast<float*>(a.array(i)); };
  run.sample({}, [&](std::int32_t t) {
    const share mine = a.bytes_of(t);
    const std::size_t begin = mine.begin / sizeof(float);
    for (std::int64_t p = 0; p < passes; ++p) {
      run.table.triad(floats(0) + begin, floats(1) + begin, floats(2) + begin, triad_factor,
                      mine.size() / sizeof(float));
    }
  });
  double error = 0;
  for (std::size_t i = 0; i < a.size / sizeof(float); ++i) {
    const double right = double{floats(1)[i]} + double{triad_factor} * double{floats(2)[i]};
    error = std::max(error, std::abs(double{floats(0)[i]} - right) / 8.0);
  }
  run.verify(error, 1e-6, "b + s c");
  run.result.moved = make_bytes(static_cast<std::int64_t>(3 * a.size) * passes);
  run.result.operations = make_flop(2.0 * static_cast<double>(a.size / sizeof(float)) * static_cast<double>(passes));
}

}  // namespace

void run_stream(cpu_run& run) {
  const std::string& name = run.result.kernel;
  if (name == "read" || name == "read_after_flush") {
    run_read(run, name != "read");
    return;
  }
  if (name == "copy") run_copy(run);
  if (name == "write") run_write(run);
  if (name == "triad") run_triad(run);
  run.result.remarks.emplace_back(run.table.streaming_stores
                                      ? "stores go past the caches"
                                      : "plain stores: what is written may be read first, which is not counted");
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
