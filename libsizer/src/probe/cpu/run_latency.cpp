/// @file
/// Runs what is counted in events: accesses that depend on each other, and meetings of threads.

#include <atomic>
#include <bit>

#include "cpu_run.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

// x -> a x + c modulo 2^n visits every number once when a - 1 is a multiple of 4 and c is odd (Hull and Dobell, 1962).
constexpr std::uint64_t step_factor = 0x5851f42d4c957f2dull;
constexpr std::uint64_t step_add = 0x14057b7ef767814full;
constexpr std::size_t line = 64;

void run_chain(cpu_run& run) {
  const std::size_t lines = std::bit_floor(run.working_set() / line);
  if (lines < 16) throw value_error{"working_set", std::to_string(run.working_set()) + " bytes", "at least 1024 bytes"};
  const std::uint64_t mask = lines - 1;
  run.result.working_set = make_bytes(static_cast<std::int64_t>(lines * line));
  unsigned char* const data = run.memory(lines * line);
  const auto cell = [&](std::size_t i) { return reinterpret_cast<std::uint64_t*>(data + i * line); };
  run.arena.becomes({});
  run.once([&](std::int32_t t) {
    const share mine = share_of(lines, t, run.threads);
    for (std::size_t i = mine.begin; i < mine.end; ++i) *cell(i) = (i * step_factor + step_add) & mask;
  });

  constexpr std::int64_t steps = 100000;
  std::uint64_t at = 0;
  std::int64_t rounds = 0;
  run.sample({}, [&](std::int32_t t) {
    if (t != 0) return;
    for (std::int64_t s = 0; s < steps; ++s) at = *cell(at);
    ++rounds;
  });
  std::uint64_t right = 0;
  for (std::int64_t s = 0; s < steps * rounds; ++s) right = (right * step_factor + step_add) & mask;
  run.verify(at == right ? 0.0 : 1.0, 0.0, "the end of the chain");
  run.result.events = steps;
  run.result.remarks.emplace_back("one thread follows the chain; address translation is part of the time");
}

void run_barrier(cpu_run& run) {
  constexpr std::int64_t meetings = 2000;
  run.result.working_set = {};
  spin_barrier barrier{run.threads};
  std::atomic<std::int64_t> here{0};
  std::atomic<std::int64_t> wrong{0};
  run.sample({}, [&](std::int32_t) {
    for (std::int64_t m = 0; m < meetings; ++m) barrier.wait();
  });
  // That nobody leaves before all have come, outside of the timed loop.
  run.once([&](std::int32_t) {
    for (std::int64_t m = 0; m < 100; ++m) {
      here.fetch_add(1);
      barrier.wait();
      if (here.load() < (m + 1) * run.threads) wrong.fetch_add(1);
      barrier.wait();
    }
  });
  run.verify(wrong.load() == 0 ? 0.0 : 1.0, 0.0, "threads that left the barrier early");
  run.result.events = meetings;
}

}  // namespace

void run_latency(cpu_run& run) {
  if (run.result.kernel == "barrier") {
    run_barrier(run);
  } else {
    run_chain(run);
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
