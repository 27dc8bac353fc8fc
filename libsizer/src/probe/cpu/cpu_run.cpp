/// @file
/// Memory, samples and verification of a run.

#include "cpu_run.hpp"

#include <algorithm>
#include <cstring>

namespace sizer {
inline namespace v0 {
namespace detail {

unsigned char* cpu_arena::take(std::size_t size, std::int32_t threads, const std::vector<int>& cpus,
                               std::vector<std::string>& remarks) {
  if (size > block_.size() || threads != touched_by_) {
    block_ = memory_block{};  // before the new one is asked for: both together may not fit
    holds_.clear();
    const memory_limit limit = largest_block();
    if (size > limit.bytes) {
      throw value_error{"working_set", std::to_string(size) + " bytes",
                        "at most " + std::to_string(limit.bytes) + " bytes, " + limit.because};
    }
    block_ = memory_block{size, huge_pages_};
    touched_by_ = threads;
    unsigned char* const data = block_.data();
    once_each(
        threads, cpus,
        [&](std::int32_t t) {
          const share mine = share_of(size, t, threads);
          std::memset(data + mine.begin, 0, mine.size());
        },
        remarks);
  }
  return block_.data();
}

bool cpu_arena::becomes(const std::string& what) {
  if (holds_ == what) return true;
  holds_ = what;
  return false;
}

std::int64_t cpu_run::passes() const {
  // At 100 GB/s a thread needs 0.7 ms for this much, from a cache or not.
  constexpr std::size_t long_enough = std::size_t{64} * 1024 * 1024;
  const std::size_t share = std::max<std::size_t>(working_set() / static_cast<std::size_t>(threads), 1);
  return static_cast<std::int64_t>((long_enough + share - 1) / share);
}

void cpu_run::sample(const std::function<void(std::int32_t)>& before, const std::function<void(std::int32_t)>& work) {
  const sampling how{request.budget, request.least_samples, request.most_samples, request.wanted_spread};
  team_run got = run_team(threads, cpus, how, before, work, result.remarks);
  result.samples = std::move(got.samples);
  result.discarded = got.discarded;
}

void cpu_run::verify(double error, double allowed, const std::string& what) {
  result.largest_error = std::max(result.largest_error, error);
  if (!(error <= allowed)) {  // also when it is not a number
    throw sizer::error{result.kernel + " (" + result.variant + "): wrong result: " + what + ", error " +
                       std::to_string(error) + " of the largest possible result; at most " + std::to_string(allowed) +
                       " is rounding"};
  }
  result.verified = true;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
