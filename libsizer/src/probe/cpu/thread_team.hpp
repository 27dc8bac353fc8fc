#pragma once
/// @file
/// Threads that work side by side on their own cores, and the barrier at which they meet.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Threads meet here by spinning, as the compute threads of inference engines do; with more threads than cores they
/// give way to each other.
class spin_barrier {
 public:
  explicit spin_barrier(std::int32_t threads) : threads_{threads} {}
  void wait() noexcept;

 private:
  std::int32_t threads_;
  alignas(128) std::atomic<std::int32_t> arrived_{0};
  alignas(128) std::atomic<std::uint32_t> round_{0};
};

/// What one run of a team gave.
struct team_run {
  std::vector<seconds> samples;
  std::int32_t discarded = 0;
};

/// How long to sample.
struct sampling {
  seconds budget{};
  std::int32_t least = 1;
  std::int32_t most = 1;
  double wanted_spread = 0;
};

/// @param threads     of the team; the caller's thread is none of them
/// @param cpus        logical CPUs to pin them to, in order; with fewer than threads, none is pinned
/// @param before      work that is not timed, before each sample; may be empty
/// @param work        one sample's share of a thread (0 to threads - 1)
/// @param remarks     gets a sentence when pinning was refused
/// One sample is the time from the last thread's start to the last thread's end. The first sample is discarded.
/// An exception of `work` ends the run and is thrown again.
[[nodiscard]] team_run run_team(std::int32_t threads, const std::vector<int>& cpus, const sampling& how,
                                const std::function<void(std::int32_t)>& before,
                                const std::function<void(std::int32_t)>& work, std::vector<std::string>& remarks);

/// The same threads once, without a clock: first touch of memory.
void once_each(std::int32_t threads, const std::vector<int>& cpus, const std::function<void(std::int32_t)>& work,
               std::vector<std::string>& remarks);

}  // namespace detail
}  // namespace v0
}  // namespace sizer
