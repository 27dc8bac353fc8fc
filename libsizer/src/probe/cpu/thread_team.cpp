/// @file
/// Threads on their own cores, timed together.

#include "thread_team.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>

#include <cstring>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <sizer/error.hpp>
#include <sizer/probe/kernels.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

void relax() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
  __asm__ volatile("yield");
#endif
}

/// Empty, or why not.
std::string pin_to([[maybe_unused]] int cpu) {
#if defined(__linux__)
  constexpr int most = 8192;
  cpu_set_t* const wanted = CPU_ALLOC(most);
  if (wanted == nullptr) return "out of memory";
  const std::size_t size = CPU_ALLOC_SIZE(most);
  CPU_ZERO_S(size, wanted);
  CPU_SET_S(static_cast<std::size_t>(cpu), size, wanted);
  const int failed = pthread_setaffinity_np(pthread_self(), size, wanted);
  CPU_FREE(wanted);
  return failed == 0 ? std::string{} : std::string{std::strerror(failed)};
#else
  return "this system has no call for it";
#endif
}

void add_once(std::vector<std::string>& remarks, const std::string& remark) {
  if (std::find(remarks.begin(), remarks.end(), remark) == remarks.end()) remarks.push_back(remark);
}

/// The threads of one run. Whatever happens, every thread reaches the end.
class team {
 public:
  team(std::int32_t threads, const std::vector<int>& cpus) : threads_{threads}, cpus_{cpus} {}

  void run(const std::function<void(std::int32_t)>& body, std::vector<std::string>& remarks) {
    std::vector<std::thread> all;
    all.reserve(static_cast<std::size_t>(threads_));
    // Nobody starts before all exist: with one missing, the others would wait for it at the first barrier.
    std::atomic<int> go{0};
    try {
      for (std::int32_t t = 0; t < threads_; ++t) {
        all.emplace_back([&, t] {
          while (go.load(std::memory_order_acquire) == 0) std::this_thread::yield();
          if (go.load(std::memory_order_acquire) < 0) return;
          pin(t);
          try {
            body(t);
          } catch (...) {
            const std::lock_guard<std::mutex> lock{mutex_};
            if (!thrown_) thrown_ = std::current_exception();
          }
        });
      }
    } catch (const std::system_error& e) {
      go.store(-1, std::memory_order_release);
      for (std::thread& one : all) one.join();
      throw error{"threads: the system refused thread " + std::to_string(all.size() + 1) + " of " +
                  std::to_string(threads_) + ": " + e.what()};
    }
    go.store(1, std::memory_order_release);
    for (std::thread& one : all) one.join();
    if (!refused_.empty()) add_once(remarks, "threads are not pinned: " + refused_);
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  void pin(std::int32_t t) {
    const auto at = static_cast<std::size_t>(t);
    std::string why;
    if (static_cast<std::size_t>(threads_) > cpus_.size()) {
      why = cpus_.empty() ? "not asked for, or not possible on this system" : "more threads than cores";
    } else {
      why = pin_to(cpus_[at]);
    }
    if (why.empty()) return;
    const std::lock_guard<std::mutex> lock{mutex_};
    refused_ = why;
  }

  std::int32_t threads_;
  const std::vector<int>& cpus_;
  std::mutex mutex_;
  std::exception_ptr thrown_;
  std::string refused_;
};

}  // namespace

void spin_barrier::wait() noexcept {
  const std::uint32_t round = round_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  // Long enough for threads that run; then the core is left to whom it was taken from.
  constexpr int patience = 20000;
  for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
    if (spins < patience) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
}

team_run run_team(std::int32_t threads, const std::vector<int>& cpus, const sampling& how,
                  const std::function<void(std::int32_t)>& before, const std::function<void(std::int32_t)>& work,
                  std::vector<std::string>& remarks) {
  using clock = std::chrono::steady_clock;
  team_run result;
  spin_barrier barrier{threads};
  std::atomic<bool> more{true};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr thrown;
  // Each thread's own: one that leaves the barrier first has begun before thread 0 could read a clock for all.
  std::vector<clock::time_point> starts(static_cast<std::size_t>(threads));
  const clock::time_point begin = clock::now();

  const auto guarded = [&](const std::function<void(std::int32_t)>& what, std::int32_t t) {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      what(t);
    } catch (...) {
      failed.store(true, std::memory_order_relaxed);
      const std::lock_guard<std::mutex> lock{mutex};
      if (!thrown) thrown = std::current_exception();
    }
  };
  const auto enough = [&] {
    const auto n = static_cast<std::int32_t>(result.samples.size());
    if (n >= how.most) return true;
    if (n < how.least) return false;
    if (std::chrono::duration<double>(clock::now() - begin).count() >= number(how.budget)) return true;
    return n % 5 == 0 && relative_spread(result.samples) < how.wanted_spread;
  };

  team{threads, cpus}.run(
      [&](std::int32_t t) {
        while (true) {
          if (before) guarded(before, t);
          barrier.wait();
          starts[static_cast<std::size_t>(t)] = clock::now();
          guarded(work, t);
          barrier.wait();
          if (t == 0) {
            const clock::time_point start = *std::min_element(starts.begin(), starts.end());
            const double time = std::chrono::duration<double>(clock::now() - start).count();
            if (result.discarded == 0) {
              result.discarded = 1;
            } else {
              result.samples.push_back(make_seconds(time));
            }
            more.store(!failed.load() && !enough(), std::memory_order_relaxed);
          }
          barrier.wait();
          if (!more.load(std::memory_order_relaxed)) return;
        }
      },
      remarks);
  if (thrown) std::rethrow_exception(thrown);
  return result;
}

void once_each(std::int32_t threads, const std::vector<int>& cpus, const std::function<void(std::int32_t)>& work,
               std::vector<std::string>& remarks) {
  team{threads, cpus}.run(work, remarks);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
