#pragma once
/// @file
/// Several models at once: which of them lies where, on one machine or on several, so that all stay loaded and their
/// requests take the least time together.
///
/// Each model goes to one device, to the host's cores, or over all that is free, on one of the machines. The models are
/// placed one after the other into what the others have left, the largest first, the quickest choice first; every
/// choice is tried, except where the times so far and the best that the remaining models could reach alone are already
/// no better than a solution. Choices are planned once for the same room. After most_placements plans the best solution
/// so far stands, and the result says that not all was tried.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sizer/decide/plan.hpp>
#include <sizer/decide/plan_request.hpp>
#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/placement/site.hpp>

namespace sizer {
inline namespace v0 {

/// Where the owner wants a model to run.
enum class resident_place { anywhere, devices, host };

/// One model that shall be there.
struct resident {
  const architecture* model = nullptr;
  plan_request request;
  resident_place place = resident_place::anywhere;
  double weight = 1;  ///< how much its time counts
};

/// Where a model ended.
struct resident_plan {
  std::size_t machine = 0;
  std::vector<std::size_t> sites;  ///< of the machine, in the order of plan.pools
  sizer::plan plan;
};

/// What lies on one site.
struct site_load {
  std::string name;
  bytes used{};
  bytes available{};
  bool available_known = true;
  [[nodiscard]] bytes left() const { return available - used; }
};

struct residents_result {
  bool together = false;             ///< all of them fit at the same time
  bool all_tried = true;             ///< false: the search stopped early, so that a better solution may exist
  std::vector<resident_plan> plans;  ///< by resident; together, or each alone on the machine that is quickest for it
  std::vector<std::vector<site_load>> loads;  ///< by machine and site; of all together
  std::vector<seconds> swap_in;               ///< by resident: its weights from RAM to the device
  double time = 0;                            ///< weighted seconds of one request to each
};

namespace detail {

/// Plans that the search makes at most; each takes a fraction of a millisecond to some milliseconds.
inline constexpr std::size_t most_placements = 4000;

class resident_search {
 public:
  resident_search(const std::vector<resident>& residents, const std::vector<machine>& machines)
      : residents_{residents}, machines_{machines} {
    for (const machine& m : machines) {
      sites_.push_back(sites_of(m));
      used_.emplace_back(sites_.back().size(), bytes{});
    }
    order_.resize(residents.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return size_of(a) > size_of(b); });
  }

  [[nodiscard]] residents_result run() {
    residents_result result;
    for (std::size_t i = 0; i < residents_.size(); ++i) {
      std::optional<resident_plan> alone;
      for_each_choice(i, [&](resident_plan choice) {
        if (!alone || choice.plan.request_time < alone->plan.request_time) alone = std::move(choice);
      });
      if (!alone) {
        throw value_error{"models", "model " + std::to_string(i + 1) + " fits nowhere",
                          "models of which each fits alone"};
      }
      alone_.push_back(std::move(*alone));
    }
    chosen_.resize(residents_.size());
    best_time_ = std::numeric_limits<double>::infinity();
    place(0, 0.0);
    result.together = best_time_ < std::numeric_limits<double>::infinity();
    result.all_tried = planned_.size() < most_placements;
    result.plans = result.together ? best_ : alone_;
    result.time = 0.0;
    for (std::size_t i = 0; i < residents_.size(); ++i) {
      result.time += residents_[i].weight * number(result.plans[i].plan.request_time);
    }
    for (std::size_t m = 0; m < machines_.size(); ++m) {
      std::vector<site_load> loads;
      for (const site& one : sites_[m]) loads.push_back({one.name, {}, one.available, one.available_known});
      result.loads.push_back(std::move(loads));
    }
    for (std::size_t i = 0; i < residents_.size(); ++i) {
      const resident_plan& chosen = result.plans[i];
      if (result.together) {
        for (std::size_t s = 0; s < chosen.sites.size(); ++s) {
          result.loads[chosen.machine][chosen.sites[s]].used += chosen.plan.pools[s].parts.total();
        }
      }
      const weights_by_type& weights = residents_[i].request.weights[chosen.plan.weights].weights;
      result.swap_in.push_back(real(weights.total) / host_to_device(machines_[chosen.machine]));
    }
    return result;
  }

 private:
  [[nodiscard]] std::int64_t size_of(std::size_t i) const {
    return number(residents_[i].request.weights.back().weights.total);
  }
  /// What a choice costs: its time, and a missed goal more than any time.
  [[nodiscard]] double cost(std::size_t i, const plan& p) const {
    constexpr double missed = 1e9;
    return residents_[i].weight * number(p.request_time) + (p.meets_goals() ? 0.0 : missed);
  }

  /// The machine that some of the sites make, with what is left on them.
  [[nodiscard]] machine part_of_machine(std::size_t m, const std::vector<std::size_t>& wanted) const {
    machine part = machines_[m];
    part.devices.clear();
    part.host_memory.reset();
    for (const std::size_t s : wanted) {
      const site& one = sites_[m][s];
      const bytes left = one.available - used_[m][s];
      if (one.is_host) {
        part.host_memory = machines_[m].host_memory;
        if (part.host_memory) part.host_memory->usable.value = left;
        for (const device& cores : machines_[m].devices) {
          if (cores.backend == backend::cpu && !part.devices.empty()) part.devices.push_back(cores);
        }
        continue;
      }
      device d = one.where.devices.front();
      d.memory.usable.value = left;
      part.devices.push_back(std::move(d));
    }
    if (part.devices.empty()) {  // the cores alone
      part = host_of(machines_[m]);
      part.devices.front().memory.usable.value = sites_[m].back().available - used_[m].back();
    }
    return part;
  }

  /// Calls `visit` with every way to put model i into what is left.
  template <class Visit>
  void for_each_choice(std::size_t i, Visit visit) {
    const resident& one = residents_[i];
    const auto attempt = [&](std::size_t m, std::vector<std::size_t> wanted, bool may_use_host) {
      plan_request asked = one.request;
      asked.may_use_host = asked.may_use_host && may_use_host;
      std::vector<std::int64_t> key{static_cast<std::int64_t>(i), static_cast<std::int64_t>(m), may_use_host ? 1 : 0};
      for (const std::size_t s : wanted) {
        if (sites_[m][s].available_known && sites_[m][s].available < used_[m][s]) return;
        key.push_back(static_cast<std::int64_t>(s));
        key.push_back(number(used_[m][s]));
      }
      auto known = planned_.find(key);
      if (known == planned_.end()) {
        if (planned_.size() >= most_placements) return;
        plan_result found = make_plan(*one.model, part_of_machine(m, wanted), asked);
        const bool usable = found.best && found.best->pools.size() == wanted.size();
        known = planned_.emplace(std::move(key), usable ? std::move(found.best) : std::nullopt).first;
      }
      if (known->second) visit({m, std::move(wanted), *known->second});
    };
    for (std::size_t m = 0; m < machines_.size(); ++m) {
      const std::vector<site>& sites = sites_[m];
      const std::size_t n_devices = device_sites(sites);
      const bool has_host = sites.back().is_host;
      const std::size_t host = sites.size() - 1;
      if (one.place != resident_place::host) {
        for (std::size_t d = 0; d < n_devices; ++d) {
          std::vector<std::size_t> wanted{d};
          if (has_host) wanted.push_back(host);
          attempt(m, std::move(wanted), false);
        }
        std::vector<std::size_t> all(sites.size());
        std::iota(all.begin(), all.end(), std::size_t{0});
        const bool spread = n_devices > 1 || (has_host && one.place == resident_place::anywhere);
        if (spread) attempt(m, std::move(all), one.place == resident_place::anywhere);
      }
      if (has_host && one.place != resident_place::devices) attempt(m, {host}, true);
    }
  }

  /// Whether two choices leave the same behind: equal machines in equal states, or equal devices of one machine.
  [[nodiscard]] bool same_room(const resident_plan& a, const resident_plan& b) const {
    if (a.sites.size() != b.sites.size() || a.plan.request_time != b.plan.request_time) return false;
    if (a.machine != b.machine) {
      return a.sites == b.sites && machines_[a.machine] == machines_[b.machine] && used_[a.machine] == used_[b.machine];
    }
    for (std::size_t k = 0; k < a.sites.size(); ++k) {
      const std::size_t x = a.sites[k];
      const std::size_t y = b.sites[k];
      if (used_[a.machine][x] != used_[a.machine][y]) return false;
      if (sites_[a.machine][x].where.devices != sites_[a.machine][y].where.devices) return false;
    }
    return true;
  }

  /// Places the n-th model of the order, and those behind it.
  void place(std::size_t n, double time) {
    if (n == order_.size()) {
      best_time_ = time;
      best_ = chosen_;
      return;
    }
    double least = 0.0;
    for (std::size_t k = n; k < order_.size(); ++k) least += cost(order_[k], alone_[order_[k]].plan);
    if (time + least >= best_time_) return;
    const std::size_t i = order_[n];
    std::vector<resident_plan> choices;
    for_each_choice(i, [&](resident_plan choice) { choices.push_back(std::move(choice)); });
    std::sort(choices.begin(), choices.end(),
              [](const resident_plan& a, const resident_plan& b) { return a.plan.request_time < b.plan.request_time; });
    for (resident_plan& choice : choices) {
      const auto use = [&](bool add) {
        for (std::size_t s = 0; s < choice.sites.size(); ++s) {
          bytes& used = used_[choice.machine][choice.sites[s]];
          const bytes amount = choice.plan.pools[s].parts.total();
          used = add ? used + amount : used - amount;
        }
      };
      const double with = time + cost(i, choice.plan);
      if (with >= best_time_) continue;
      use(true);
      chosen_[i] = choice;
      place(n + 1, with);
      use(false);
    }
  }

  const std::vector<resident>& residents_;
  const std::vector<machine>& machines_;
  std::vector<std::vector<site>> sites_;
  std::vector<std::vector<bytes>> used_;
  std::vector<std::size_t> order_;
  std::vector<resident_plan> alone_, chosen_, best_;
  std::map<std::vector<std::int64_t>, std::optional<plan>> planned_;  ///< by model, place, and what others use there
  double best_time_ = 0;
};

}  // namespace detail

/// Puts models on machines so that all stay loaded. When they do not fit together, each is planned alone and has to be
/// loaded when its turn comes.
/// @param residents  at least one, each with a request; at most 16
/// @param machines   at least one; a model lies on one of them
/// @throws value_error naming field, value and range, also when a model fits nowhere even alone
[[nodiscard]] inline residents_result place_residents(const std::vector<resident>& residents,
                                                      const std::vector<machine>& machines) {
  constexpr std::size_t most = 16;
  if (residents.empty() || residents.size() > most) {
    throw value_error{"models", std::to_string(residents.size()), "1 to " + std::to_string(most)};
  }
  if (machines.empty()) throw value_error{"hardware", "no machine", "at least one machine"};
  for (const resident& one : residents) {
    check(one.request);
    if (!(one.weight > 0.0)) throw value_error{"weight", std::to_string(one.weight), "above 0"};
  }
  return detail::resident_search{residents, machines}.run();
}

}  // namespace v0
}  // namespace sizer
