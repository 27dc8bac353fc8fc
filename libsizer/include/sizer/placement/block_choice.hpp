#pragma once
/// @file
/// How many blocks to put where, so that everything fits and the time is least: the search behind a plan, on plain
/// numbers.
///
/// Blocks are in a row: the first h on the host, then a run on each device in the order of the devices, the head with
/// the last device that is used. The routed experts of the first k blocks may lie on the host while the rest of the
/// block is on its device. For each k, h is found together with the runs by dynamic programming from the last block
/// backwards: what is best for blocks i.. on devices d.. does not depend on where the blocks before them lie. That is
/// exact, and takes devices x blocks^2 steps.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <sizer/placement/placement.hpp>

namespace sizer {
inline namespace v0 {

/// What blocks cost on one site.
struct site_cost {
  std::int64_t capacity = 0;            ///< bytes for blocks, caches, head and the fixed part
  std::int64_t fixed_bytes = 0;         ///< once the site is used
  double fixed_seconds = 0;             ///< once the site is used and is not the first device
  std::vector<double> seconds;          ///< of each block, whole
  std::vector<double> without_experts;  ///< of each block whose routed experts are elsewhere
  double head_seconds = 0;
  double most_seconds = std::numeric_limits<double>::infinity();  ///< of the blocks and the head on a device
};

/// The numbers of one question. `devices` in their order; a machine without a host of its own has no `host`.
struct block_problem {
  std::vector<std::int64_t> bytes;         ///< of each block with its cache
  std::vector<std::int64_t> expert_bytes;  ///< part of `bytes` in routed experts
  std::int64_t head_bytes = 0;
  std::vector<site_cost> devices;
  std::optional<site_cost> host;
  std::vector<double> experts_on_host;  ///< seconds of each block's routed experts there; empty: no experts to move
};

/// The best placement and its time.
struct block_choice {
  placement where;
  double seconds = std::numeric_limits<double>::infinity();
};

namespace detail {

class block_search {
 public:
  explicit block_search(const block_problem& problem) : p_{problem}, n_{problem.bytes.size()} {}

  /// The best with the experts of the first `k` blocks on the host.
  [[nodiscard]] block_choice with_experts_on_host(std::size_t k) {
    k_ = k;
    const std::size_t n_devices = p_.devices.size();
    constexpr double never = std::numeric_limits<double>::infinity();
    // best_[d][i]: blocks i.. and the head on devices d.., the head not yet placed; taken_[d][i]: blocks of device d.
    best_.assign((n_devices + 1) * (n_ + 1), never);
    taken_.assign((n_devices + 1) * (n_ + 1), -1);
    for (std::size_t d = n_devices; d-- > 0;) {
      for (std::size_t i = 0; i <= n_; ++i) fill(d, i);
    }
    block_choice best;
    double host_seconds = 0.0;
    std::int64_t host_bytes = p_.host ? p_.host->fixed_bytes : 0;
    for (std::size_t i = 0; i < k; ++i) {
      host_bytes += p_.expert_bytes[i];
      host_seconds += p_.experts_on_host[i];
    }
    for (std::size_t h = 0; h <= n_; ++h) {
      if (h > 0) {
        if (!p_.host) break;
        host_seconds += p_.host->seconds[h - 1] - (h <= k ? p_.experts_on_host[h - 1] : 0.0);
        host_bytes += p_.bytes[h - 1] - (h <= k ? p_.expert_bytes[h - 1] : 0);
      }
      if (p_.host && host_bytes > p_.host->capacity) break;
      const double seconds = host_seconds + best_[h];
      if (seconds < best.seconds) {
        best.seconds = seconds;
        best.where = placement_from(h);
      }
    }
    // Everything on the host, the head too.
    if (p_.host && host_bytes + p_.head_bytes <= p_.host->capacity && k == 0) {
      const double seconds = host_seconds + p_.host->head_seconds;
      if (seconds < best.seconds) {
        best.seconds = seconds;
        best.where.host_blocks = static_cast<std::int64_t>(n_);
        best.where.device_blocks.assign(n_devices, 0);
        best.where.n_cpu_moe = 0;
        best.where.head_device = -1;
      }
    }
    return best;
  }

 private:
  [[nodiscard]] std::size_t at(std::size_t d, std::size_t i) const noexcept { return d * (n_ + 1) + i; }

  /// Tries every number of blocks for device d that leaves the rest to the devices behind it.
  void fill(std::size_t d, std::size_t i) {
    const site_cost& device = p_.devices[d];
    double best = d + 1 < p_.devices.size() ? best_[at(d + 1, i)] : best_[at(d, i)];  // unused
    std::int64_t taken = best < std::numeric_limits<double>::infinity() ? 0 : -1;
    const double hop = d > 0 ? device.fixed_seconds : 0.0;
    double seconds = hop;
    std::int64_t used = device.fixed_bytes;
    for (std::size_t j = i; used <= device.capacity && seconds - hop <= device.most_seconds; ++j) {  // i..j-1 on d
      const double rest = d + 1 < p_.devices.size() ? best_[at(d + 1, j)] : std::numeric_limits<double>::infinity();
      if (j > i && seconds + rest < best) {
        best = seconds + rest;
        taken = static_cast<std::int64_t>(j - i);
      }
      // This device is the last: the head is here, with or without blocks.
      if (j == n_) {
        const bool in_time = seconds - hop + device.head_seconds <= device.most_seconds;
        if (in_time && used + p_.head_bytes <= device.capacity && seconds + device.head_seconds < best) {
          best = seconds + device.head_seconds;
          taken = static_cast<std::int64_t>(j - i) + last_;
        }
        break;
      }
      const bool moved = j < k_;
      used += p_.bytes[j] - (moved ? p_.expert_bytes[j] : 0);
      seconds += moved ? device.without_experts[j] : device.seconds[j];
    }
    best_[at(d, i)] = best;
    taken_[at(d, i)] = taken;
  }

  [[nodiscard]] placement placement_from(std::size_t h) const {
    placement where;
    where.host_blocks = static_cast<std::int64_t>(h);
    where.n_cpu_moe = static_cast<std::int64_t>(std::max(k_, h) == h ? 0 : k_);
    where.device_blocks.assign(p_.devices.size(), 0);
    std::size_t i = h;
    for (std::size_t d = 0; d < p_.devices.size(); ++d) {
      std::int64_t taken = taken_[at(d, i)];
      const bool last = taken >= last_;
      if (last) taken -= last_;
      where.device_blocks[d] = taken;
      i += static_cast<std::size_t>(taken);
      where.head_device = static_cast<std::int64_t>(d);
      if (last) break;
    }
    return where;
  }

  /// Added to the blocks of the device that also has the head.
  static constexpr std::int64_t last_ = std::int64_t{1} << 40;

  const block_problem& p_;
  std::size_t n_;
  std::size_t k_ = 0;
  std::vector<double> best_;
  std::vector<std::int64_t> taken_;
};

}  // namespace detail

/// Seconds of the blocks (and the head) that a placement puts on each device.
[[nodiscard]] inline std::vector<double> stage_seconds(const block_problem& problem, const placement& where) {
  std::vector<double> stages;
  auto block = static_cast<std::size_t>(where.host_blocks);
  for (std::size_t d = 0; d < where.device_blocks.size(); ++d) {
    const site_cost& device = problem.devices[d];
    double sum = where.head_device == static_cast<std::int64_t>(d) ? device.head_seconds : 0.0;
    for (std::int64_t n = 0; n < where.device_blocks[d]; ++n, ++block) {
      const bool moved = static_cast<std::int64_t>(block) < where.n_cpu_moe;
      sum += moved ? device.without_experts[block] : device.seconds[block];
    }
    stages.push_back(sum);
  }
  return stages;
}

/// The placement of least time that fits; empty when none does.
[[nodiscard]] inline std::optional<block_choice> choose_blocks(const block_problem& problem) {
  detail::block_search search{problem};
  block_choice best = search.with_experts_on_host(0);
  if (problem.host && !problem.experts_on_host.empty()) {
    for (std::size_t k = 1; k <= problem.bytes.size(); ++k) {
      if (problem.expert_bytes[k - 1] == 0) continue;  // the same as k - 1
      block_choice one = search.with_experts_on_host(k);
      if (one.seconds < best.seconds) best = std::move(one);
    }
  }
  if (best.seconds == std::numeric_limits<double>::infinity()) return std::nullopt;
  return best;
}

}  // namespace v0
}  // namespace sizer
