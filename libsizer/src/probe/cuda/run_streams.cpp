/// @file
/// Kernels that only move data, and the chain of dependent accesses.

#include "probe/cuda/run_checks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

void cuda_device::run_read(const kernel_request& request, kernel_measurement& result) {
  const std::int64_t size = wanted_size(request, page, page, default_size());
  std::uint8_t* const from = main_memory(static_cast<std::size_t>(size));
  auto* const sum = counter_.as<unsigned long long>();
  constexpr std::uint64_t seed = 0x123456789abcdefull;
  const std::uint64_t vectors = vectors_of(size);
  check(launch_fill(site(), from, vectors, {stream_content::pattern, seed, {}, 0}), "launch of fill");
  pass what;
  what.enqueue = [&] { check(launch_read(site(), from, vectors, sum), "launch of read"); };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(size);
  result.moved = make_bytes(size * repeats);
  say_cache(size, result);

  fill_bytes(sum, 0, sizeof *sum);
  what.enqueue();
  unsigned long long got = 0;
  download(&got, sum, sizeof got);
  if (got != pattern_sum(2 * vectors, seed)) {
    throw error{"read on " + name_ + ": the sum of " + std::to_string(size) + " bytes is wrong"};
  }
  result.verified = true;
}

void cuda_device::run_copy(const kernel_request& request, kernel_measurement& result) {
  const std::int64_t size = wanted_size(request, 2 * page, 2 * page, default_size());
  const std::int64_t half = size / 2;
  std::uint8_t* const from = main_memory(static_cast<std::size_t>(size));
  std::uint8_t* const to = from + half;
  const stream_content content{stream_content::pattern, 77, {}, 0};
  check(launch_fill(site(), from, vectors_of(half), content), "launch of fill");
  pass what;
  what.enqueue = [&] { check(launch_copy(site(), to, from, vectors_of(half)), "launch of copy"); };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(size);
  result.moved = make_bytes(size * repeats);
  say_cache(size, result);
  result.remarks.emplace_back("whole lines are stored, so that none is fetched first");

  fill_bytes(to, spoiled, static_cast<std::size_t>(half));
  what.enqueue();
  verify_content(to, half, content, result);
}

void cuda_device::run_write(const kernel_request& request, kernel_measurement& result) {
  const std::int64_t size = wanted_size(request, page, page, default_size());
  std::uint8_t* const to = main_memory(static_cast<std::size_t>(size));
  const stream_content content{stream_content::constant, 0, {{0x3f800000u, 0x40000000u, 0x40400000u, 0x40800000u}}, 0};
  pass what;
  what.enqueue = [&] { check(launch_write(site(), to, vectors_of(size), content.value), "launch of write"); };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(size);
  result.moved = make_bytes(size * repeats);
  say_cache(size, result);
  result.remarks.emplace_back("whole lines are stored, so that none is fetched first");

  fill_bytes(to, spoiled, static_cast<std::size_t>(size));
  what.enqueue();
  verify_content(to, size, content, result);
}

void cuda_device::run_triad(const kernel_request& request, kernel_measurement& result) {
  const std::int64_t size = wanted_size(request, 3 * page, 3 * page, default_size());
  const std::int64_t third = size / 3;
  std::uint8_t* const a = main_memory(static_cast<std::size_t>(size));
  std::uint8_t* const b = a + third;
  std::uint8_t* const c = b + third;
  constexpr float s = 3.0f;
  constexpr std::uint64_t seed = 5;
  check(launch_fill(site(), b, vectors_of(third), {stream_content::units, seed, {}, 0}), "launch of fill");
  check(launch_fill(site(), c, vectors_of(third), {stream_content::units, seed + 1, {}, 0}), "launch of fill");
  pass what;
  what.enqueue = [&] { check(launch_triad(site(), a, b, c, s, vectors_of(third)), "launch of triad"); };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(size);
  result.moved = make_bytes(size * repeats);
  say_cache(size, result);

  fill_bytes(a, spoiled, static_cast<std::size_t>(third));
  what.enqueue();
  verify_content(a, third, {stream_content::triad, seed, {}, s}, result);
}

void cuda_device::run_latency(const kernel_request& request, kernel_measurement& result) {
  constexpr auto line = static_cast<std::int64_t>(chain_stride);
  const std::int64_t size = wanted_size(request, 64 * line, line, default_size());
  std::uint32_t bits = 0;
  while ((line << (bits + 1)) <= size && bits < 31) ++bits;  // slots are 32-bit numbers
  const std::int64_t used = line << bits;
  std::uint8_t* const slots = main_memory(static_cast<std::size_t>(used));
  check(launch_fill_chain(site(), slots, bits), "launch of fill");
  auto* const slot = counter_.as<std::uint32_t>();
  std::uint32_t begin = static_cast<std::uint32_t>(chain_slot(0, bits));
  check(cudaMemcpyAsync(slot, &begin, sizeof begin, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
  synchronise();
  constexpr std::uint32_t accesses = 4096;
  std::uint64_t done = 0;
  pass what;
  // Each launch goes on where the last one stopped, so that no slot is seen again before all others.
  what.enqueue = [&] {
    check(launch_chain(site(), slots, slot, accesses), "launch of latency");
    done += accesses;
  };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(used);
  result.events = accesses * repeats;
  say_cache(used, result);

  std::uint32_t got = 0;
  download(&got, slot, sizeof got);
  std::uint64_t state = 0;
  for (std::uint64_t i = 0; i < done; ++i) state = chain_next(state, bits);
  if (got != chain_slot(state, bits)) {
    throw error{"latency on " + name_ + ": the chain ends in slot " + std::to_string(got) + " and not in " +
                std::to_string(chain_slot(state, bits))};
  }
  result.verified = true;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
