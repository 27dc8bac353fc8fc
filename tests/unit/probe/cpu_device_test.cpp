#include <sizer/probe/kernels.hpp>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "probe/cpu/cpu_run.hpp"
#include "probe/cpu/cpu_support.hpp"
#include "probe/cpu/memory_block.hpp"
#include "probe/cpu/thread_team.hpp"

using namespace sizer;

namespace {

kernel_request small(const std::string& kernel) {
  kernel_request request;
  request.kernel = kernel;
  request.working_set = make_bytes(4 << 20);
  request.shape.depth = 100;
  request.shape.gemm_m = request.shape.gemm_n = request.shape.gemm_k = 64;
  request.budget = make_seconds(0.0);
  request.least_samples = request.most_samples = 3;
  return request;
}

std::vector<seconds> samples(std::initializer_list<double> values) {
  std::vector<seconds> all;
  for (const double value : values) all.push_back(make_seconds(value));
  return all;
}

}  // namespace

TEST_CASE("every kernel that the processor lists runs in every variant with 1, 2 and 3 threads, and is verified") {
  const std::unique_ptr<kernel_device> cpu = open_cpu();
  int runs = 0;
  for (const kernel_info& one : cpu->kernels()) {
    if (!one.reason.empty()) continue;
    for (const std::int32_t threads : {1, 2, 3}) {
      CAPTURE(one.name);
      CAPTURE(one.variant);
      kernel_request request = small(one.name);
      request.threads = threads;
      request.variant = one.variant == "any" ? "" : one.variant;
      const kernel_measurement m = cpu->run(request);
      CHECK(m.verified);
      CHECK(m.samples.size() == 3);
      CHECK(m.discarded == 1);
      CHECK(m.threads == threads);
      CHECK(number(median(m.samples)) > 0.0);
      CHECK((m.moved > make_bytes(0) || number(m.operations) > 0.0 || m.events > 0));
      ++runs;
    }
  }
  CHECK(runs >= 3 * 14);  // the plain C++ variant of each is always there
}

TEST_CASE("a kernel counts the bytes that its definition says") {
  const std::unique_ptr<kernel_device> cpu = open_cpu();
  for (const char* const name : {"read", "copy", "write", "triad", "matvec_q8_0", "matvec_q4_k", "attention_f16"}) {
    const kernel_measurement m = cpu->run(small(name));
    CAPTURE(name);
    const std::int64_t passes = number(m.moved) / number(m.working_set);
    CHECK(passes >= 1);
    CHECK(number(m.moved) == passes * number(m.working_set));
    CHECK(number(m.working_set) <= 4 << 20);
    CHECK(number(m.working_set) >= 3 << 20);
  }
  const kernel_measurement q4 = cpu->run(small("matvec_q4_0"));  // 18 bytes for 32 weights, 2 operations each
  CHECK(number(q4.operations) == doctest::Approx(static_cast<double>(number(q4.moved)) * 32 / 18 * 2));
}

TEST_CASE("a wrong request names the field, what was got and what is expected") {
  const std::unique_ptr<kernel_device> cpu = open_cpu();
  const auto refused = [&](auto change) -> std::string {
    kernel_request request = small("matvec_f16");
    change(request);
    try {
      (void)cpu->run(request);
    } catch (const sizer::error& e) {
      return e.what();
    }
    return "accepted";
  };
  CHECK(refused([](auto& r) {
          r.kernel = "matvec_q5";
        }).find("kernel: got 'matvec_q5', which is not known; nearest: matvec_q4") == 0);
  CHECK(refused([](auto& r) { r.variant = "avx9"; }).find("variant: got 'avx9'") == 0);
  CHECK(refused([](auto& r) { r.threads = -1; }) == "threads: got -1, expected 1 to 4096");
  CHECK(refused([](auto& r) { r.shape.columns = 100; }) ==
        "columns: got 100, expected a multiple of 256, 256 to 1048576");
  CHECK(refused([](auto& r) { r.working_set = make_bytes(10); }).find("working_set: got 10 bytes, expected at least") ==
        0);
  CHECK(refused([](auto& r) {
          r.working_set = make_bytes(std::int64_t{1} << 60);
        }).find("working_set: got 1152921504606846976 bytes, expected at most") == 0);
  CHECK(refused([](auto& r) { r.least_samples = 0; }).find("samples: got 0 to 3") == 0);
  CHECK(refused([](auto& r) { r.budget = make_seconds(std::nan("")); }).find("budget: got nan") == 0);
  CHECK_THROWS_WITH_AS((void)open_cpu({.threads = -2}), "threads: got -2, expected 0 to 4096", value_error);
}

TEST_CASE("more threads than cores run, and a remark says that they are not pinned") {
  const std::unique_ptr<kernel_device> cpu = open_cpu();
  kernel_request request = small("read");
  request.threads = static_cast<std::int32_t>(detail::cores_to_pin().size()) + 1;
  std::string all;
  for (const std::string& remark : cpu->run(request).remarks) all += remark + "\n";
  CHECK(all.find("threads are not pinned") != std::string::npos);
}

TEST_CASE("without huge pages a run says so and gives its figure") {
  const std::unique_ptr<kernel_device> cpu = open_cpu({.threads = 1, .huge_pages = false, .pin = false});
  const kernel_measurement m = cpu->run(small("read"));
  CHECK(m.verified);
  std::string all;
  for (const std::string& remark : m.remarks) all += remark + "\n";
  CHECK(all.find("huge pages: not asked for") != std::string::npos);
}

TEST_CASE("an error in one thread ends the run and reaches the caller, and nobody waits for ever") {
  std::vector<std::string> remarks;
  const detail::sampling how{make_seconds(10), 5, 5, 0};
  CHECK_THROWS_WITH_AS((void)detail::run_team(
                           3, {}, how, {},
                           [](std::int32_t t) {
                             if (t == 1) throw std::runtime_error{"thread 1"};
                           },
                           remarks),
                       "thread 1", std::runtime_error);
}

TEST_CASE("a sample lasts from the first thread's start to the last one's end") {
  std::vector<std::string> remarks;
  const detail::sampling how{make_seconds(0), 2, 2, 0};
  const detail::team_run run = detail::run_team(
      2, {}, how, {},
      [](std::int32_t t) {
        if (t == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      },
      remarks);
  REQUIRE(run.samples.size() == 2);
  for (const seconds& one : run.samples) CHECK(number(one) >= 0.02);
}

TEST_CASE("no thread leaves a barrier before all have come") {
  constexpr std::int32_t threads = 5;
  detail::spin_barrier barrier{threads};
  std::atomic<int> here{0};
  std::atomic<int> early{0};
  std::vector<std::string> remarks;
  detail::once_each(
      threads, {},
      [&](std::int32_t) {
        for (int round = 1; round <= 200; ++round) {
          here.fetch_add(1);
          barrier.wait();
          if (here.load() < round * threads) early.fetch_add(1);
          barrier.wait();
        }
      },
      remarks);
  CHECK(early.load() == 0);
}

TEST_CASE("shares cover everything once and differ by at most one") {
  for (const std::size_t count : {0u, 1u, 5u, 64u, 1000003u}) {
    for (const std::int32_t n : {1, 2, 7, 64}) {
      std::size_t next = 0;
      for (std::int32_t t = 0; t < n; ++t) {
        const detail::share mine = detail::share_of(count, t, n);
        CHECK(mine.begin == next);
        CHECK(mine.size() >= count / static_cast<std::size_t>(n));
        CHECK(mine.size() <= count / static_cast<std::size_t>(n) + 1);
        next = mine.end;
      }
      CHECK(next == count);
    }
  }
}

TEST_CASE("the median ignores outliers, and the spread is the median deviation over it") {
  CHECK(number(median(samples({}))) == 0.0);
  CHECK(number(median(samples({3}))) == 3.0);
  CHECK(number(median(samples({1, 2, 100}))) == 2.0);
  CHECK(number(median(samples({4, 1, 2, 100}))) == 3.0);
  CHECK(relative_spread(samples({5})) == 0.0);
  CHECK(relative_spread(samples({1, 2, 3, 4, 100})) == doctest::Approx(1.0 / 3));
}

TEST_CASE("the largest working set is less than what is free, and a block is on a huge page's boundary") {
  const detail::memory_limit limit = detail::largest_block();
  CHECK(limit.bytes > 0);
  CHECK_FALSE(limit.because.empty());
  const detail::memory_block block{1 << 20, true};
  CHECK(reinterpret_cast<std::uintptr_t>(block.data()) % (2 << 20) == 0);
}
