#pragma once
/// @file
/// One run of one kernel on the CPU: what the runners of the kernel families share.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sizer/probe/kernels.hpp>

#include "kernel_table.hpp"
#include "memory_block.hpp"
#include "thread_team.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// Memory that is kept from run to run, with what it was filled with.
class cpu_arena {
 public:
  explicit cpu_arena(bool huge_pages) : huge_pages_{huge_pages} {}

  /// At least `size` bytes, first touched by `threads` threads in equal shares.
  /// @throws value_error when that is more than `largest_block`
  unsigned char* take(std::size_t size, std::int32_t threads, const std::vector<int>& cpus,
                      std::vector<std::string>& remarks);
  /// Whether the block holds `what` already; it is taken to hold it from now on.
  bool becomes(const std::string& what);
  [[nodiscard]] std::string page_remark() const { return block_.page_remark(); }

 private:
  bool huge_pages_;
  memory_block block_;
  std::int32_t touched_by_ = 0;
  std::string holds_;
};

struct cpu_run {
  const cpu_kernels& table;
  const kernel_request& request;
  cpu_arena& arena;
  const std::vector<int>& cpus;
  std::int32_t threads;
  kernel_measurement result;  ///< variant, threads and working set are set

  [[nodiscard]] std::size_t working_set() const { return static_cast<std::size_t>(number(result.working_set)); }
  unsigned char* memory(std::size_t size) { return arena.take(size, threads, cpus, result.remarks); }
  /// Passes over a working set that make a sample long enough to time.
  [[nodiscard]] std::int64_t passes() const;
  void once(const std::function<void(std::int32_t)>& work) { once_each(threads, cpus, work, result.remarks); }
  void sample(const std::function<void(std::int32_t)>& before, const std::function<void(std::int32_t)>& work);
  /// Keeps the error, and ends the run when it is larger than `allowed`.
  /// @param error  relative to what the result could be
  void verify(double error, double allowed, const std::string& what);
};

/// Share t of `count` things among n threads: [begin, end).
struct share {
  std::size_t begin;
  std::size_t end;
  [[nodiscard]] std::size_t size() const { return end - begin; }
};
[[nodiscard]] inline share share_of(std::size_t count, std::int32_t t, std::int32_t n) {
  const auto all = static_cast<std::size_t>(n);
  const auto at = static_cast<std::size_t>(t);
  return {count / all * at + (count % all < at ? count % all : at),
          count / all * (at + 1) + (count % all < at + 1 ? count % all : at + 1)};
}

// The families. Each fills `run.result`.
void run_stream(cpu_run& run);     // read, copy, write, triad, read_after_flush
void run_latency(cpu_run& run);    // latency, barrier
void run_matvec(cpu_run& run);     // matvec_*
void run_attention(cpu_run& run);  // attention_*
void run_gemm(cpu_run& run, const gemm_kernel& kernel);

}  // namespace detail
}  // namespace v0
}  // namespace sizer
