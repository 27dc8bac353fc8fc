#include <sizer/placement/block_choice.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sizer;

namespace {

constexpr double never = std::numeric_limits<double>::infinity();

/// Time of one way to put the blocks, from the definitions alone; infinite when it does not fit.
double seconds_of(const block_problem& p, std::size_t on_host, const std::vector<std::size_t>& counts,
                  std::size_t head_device, std::size_t moved) {
  double seconds = 0.0;
  std::int64_t host_bytes = p.host ? p.host->fixed_bytes : 0;
  for (std::size_t i = 0; i < on_host; ++i) {
    seconds += p.host->seconds[i];
    host_bytes += p.bytes[i];
  }
  std::size_t block = on_host;
  for (std::size_t d = 0; d < counts.size(); ++d) {
    const bool head = d == head_device;
    if (counts[d] == 0 && !head) continue;
    std::int64_t used = p.devices[d].fixed_bytes;
    if (d > 0) seconds += p.devices[d].fixed_seconds;
    for (std::size_t n = 0; n < counts[d]; ++n, ++block) {
      const bool expert_on_host = block < moved;
      used += p.bytes[block] - (expert_on_host ? p.expert_bytes[block] : 0);
      seconds +=
          expert_on_host ? p.devices[d].without_experts[block] + p.experts_on_host[block] : p.devices[d].seconds[block];
      if (expert_on_host) host_bytes += p.expert_bytes[block];
    }
    if (head) {
      used += p.head_bytes;
      seconds += p.devices[d].head_seconds;
    }
    if (used > p.devices[d].capacity) return never;
  }
  if (head_device == counts.size()) {
    host_bytes += p.head_bytes;
    seconds += p.host->head_seconds;
  }
  if (p.host && host_bytes > p.host->capacity) return never;
  return seconds;
}

/// Every way there is.
double brute_force(const block_problem& p) {
  const std::size_t n = p.bytes.size();
  const std::size_t n_devices = p.devices.size();
  double best = never;
  for (std::size_t on_host = 0; on_host <= (p.host ? n : 0); ++on_host) {
    std::vector<std::size_t> counts(n_devices, 0);
    const auto visit = [&](const auto& self, std::size_t d, std::size_t left) -> void {
      if (d + 1 == n_devices) {
        counts[d] = left;
        std::size_t last_used = 0;
        for (std::size_t i = 0; i < n_devices; ++i) {
          if (counts[i] > 0) last_used = i;
        }
        const std::size_t most_moved = p.host && !p.experts_on_host.empty() ? n : 0;
        for (std::size_t moved = 0; moved <= most_moved; ++moved) {
          // the head: behind the last block, on that device or on a later one
          for (std::size_t head = on_host == n ? 0 : last_used; head < n_devices; ++head) {
            best = std::min(best, seconds_of(p, on_host, counts, head, moved));
          }
        }
        if (on_host == n) best = std::min(best, seconds_of(p, on_host, counts, n_devices, 0));
        return;
      }
      for (std::size_t take = 0; take <= left; ++take) {
        counts[d] = take;
        self(self, d + 1, left - take);
      }
    };
    visit(visit, 0, n - on_host);
  }
  return best;
}

block_problem random_problem(std::mt19937& random) {
  const auto whole = [&](int low, int high) { return std::uniform_int_distribution<int>{low, high}(random); };
  const auto real = [&](double low, double high) { return std::uniform_real_distribution<double>{low, high}(random); };
  block_problem p;
  const auto n = static_cast<std::size_t>(whole(1, 7));
  const bool experts = whole(0, 1) == 1;
  for (std::size_t i = 0; i < n; ++i) {
    p.bytes.push_back(whole(5, 30));
    p.expert_bytes.push_back(experts && whole(0, 3) > 0 ? whole(0, static_cast<int>(p.bytes.back())) : 0);
  }
  p.head_bytes = whole(0, 15);
  const auto site = [&](bool host) {
    site_cost cost;
    cost.capacity = whole(0, 120);
    cost.fixed_bytes = whole(0, 10);
    cost.fixed_seconds = host ? 0.0 : real(0.0, 0.3);
    cost.head_seconds = real(0.1, 1.0);
    for (std::size_t i = 0; i < n; ++i) {
      cost.seconds.push_back(real(0.1, 1.0) * (host ? 5.0 : 1.0));
      cost.without_experts.push_back(cost.seconds.back() * real(0.2, 1.0));
    }
    return cost;
  };
  const int n_devices = whole(1, 3);
  for (int d = 0; d < n_devices; ++d) p.devices.push_back(site(false));
  if (whole(0, 3) > 0) {
    p.host = site(true);
    p.host->capacity += 60;
    if (experts) {
      for (std::size_t i = 0; i < n; ++i) p.experts_on_host.push_back(p.expert_bytes[i] == 0 ? 0.0 : real(0.1, 3.0));
      for (site_cost& device : p.devices) {  // nothing to move: the block is whole
        for (std::size_t i = 0; i < n; ++i) {
          if (p.expert_bytes[i] == 0) device.without_experts[i] = device.seconds[i];
        }
      }
    }
  }
  return p;
}

}  // namespace

TEST_CASE("the choice of blocks is as good as trying everything, on 400 random problems") {
  std::mt19937 random{20261121};
  int solved = 0;
  for (int round = 0; round < 400; ++round) {
    const block_problem problem = random_problem(random);
    const double best = brute_force(problem);
    const auto choice = choose_blocks(problem);
    CAPTURE(round);
    REQUIRE(choice.has_value() == (best < never));
    if (!choice) continue;
    ++solved;
    CHECK(choice->seconds == doctest::Approx(best).epsilon(1e-12));
    // and it is a placement that costs what it says
    std::vector<std::size_t> counts(choice->where.device_blocks.begin(), choice->where.device_blocks.end());
    const std::size_t head =
        choice->where.head_device < 0 ? counts.size() : static_cast<std::size_t>(choice->where.head_device);
    CHECK(seconds_of(problem, static_cast<std::size_t>(choice->where.host_blocks), counts, head,
                     static_cast<std::size_t>(choice->where.n_cpu_moe)) == doctest::Approx(best).epsilon(1e-12));
  }
  CHECK(solved > 200);
}

TEST_CASE("more memory on a device never makes the best slower") {
  std::mt19937 random{7};
  for (int round = 0; round < 100; ++round) {
    block_problem problem = random_problem(random);
    const auto before = choose_blocks(problem);
    problem.devices.front().capacity += 25;
    const auto after = choose_blocks(problem);
    if (!before) continue;
    REQUIRE(after.has_value());
    CHECK(after->seconds <= before->seconds + 1e-12);
  }
}
