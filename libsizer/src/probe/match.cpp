/// @file
/// Which machine of the catalogue this one is.

#include <sizer/probe/match.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "device_name.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

// Sizes that differ by less are one size: what firmware, driver and carve-outs keep is up to 8 % of a small memory.
constexpr double same_size = 0.12;
// Bandwidths that differ by less make a machine similar.
constexpr double similar_bandwidth = 0.15;

std::string gib(double size) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", size / 1073741824.0);
  return text;
}

std::string plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", value);
  return text;
}

bool close(double here, double there) { return std::abs(here - there) <= same_size * there; }

double size_of(const bytes& size) { return static_cast<double>(number(size)); }

/// The memory that a unified machine was sold with, as far as it shows.
double machine_memory(const detected_machine& here, const detected_gpu* gpu) {
  if (here.memory.dimms) {
    double sum = 0;
    for (const detected_dimm& one : *here.memory.dimms) sum += one.size ? size_of(*one.size) : 0;
    if (sum > 0) return sum;
  }
  double sum = here.memory.total ? size_of(*here.memory.total) : 0;
  const bool own = gpu != nullptr && gpu->unified.value.value_or(false) && gpu->vendor.value != "Apple";
  if (own && gpu->memory_total) sum += size_of(*gpu->memory_total);  // the carve-out is not in the system's total
  return sum;
}

/// The name that the catalogue would use.
std::string catalogue_name(const detected_gpu& gpu) {
  std::string name = gpu.name.value.value_or("");
  if (gpu.gpu_cores) name += " (" + std::to_string(*gpu.gpu_cores) + "-core GPU)";
  return name;
}

struct candidate {
  std::string id;
  int score = 0;
  bool exact = false;
  std::vector<std::string> differences;
};

/// Two words of the product's name in the entry's, beside those of its parts: "framework desktop", "evo x2".
bool names_product(const detected_machine& here, const machine_entry& entry) {
  if (!here.product) return false;
  const auto entry_words = name_words(entry.machine.name);
  int common = 0;
  for (const std::string& word : name_words(*here.product)) {
    static constexpr std::string_view parts[] = {"amd", "ryzen", "ai", "max", "series", "nvidia", "apple", "pro"};
    if (std::find(std::begin(parts), std::end(parts), word) != std::end(parts)) continue;
    common += std::find(entry_words.begin(), entry_words.end(), word) != entry_words.end() ? 1 : 0;
  }
  return common >= 2;
}

bool has_alias(const machine_entry& entry, const device_name& name) {
  return std::any_of(entry.aliases.begin(), entry.aliases.end(),
                     [&](const std::string& alias) { return same_device(parse_device_name(alias), name); });
}

candidate weigh_gpu(const detected_machine& here, const detected_gpu& gpu, std::int32_t count,
                    const machine_entry& entry, const device_name& name) {
  candidate result{entry.machine.id, 0, true, {}};
  const device& there = entry.machine.devices.front();
  const bool unified = there.memory.unified;
  const double size = unified ? machine_memory(here, &gpu) : gpu.memory_total ? size_of(*gpu.memory_total) : 0;
  const double sold = size_of(there.memory.sold.value);
  if (size <= 0) {
    result.exact = false;
    result.differences.push_back("the size of the memory is not known here: " + gpu.memory_total.reason);
  } else if (close(size, sold)) {
    result.score += 8;
  } else {
    result.score -= 8;
    result.exact = false;
    result.differences.push_back(gib(size) + " of memory here, " + gib(sold) + " in the entry");
  }
  if (there.count == count) {
    result.score += 4;
  } else {
    result.score += there.count == 1 ? 2 : -4;
    result.exact = false;
    result.differences.push_back(std::to_string(count) + " here, " + std::to_string(there.count) + " in the entry");
  }
  if (entry.machine.devices.size() > 1 || entry.machine.vendor == "generic") result.score -= 3;
  if (names_product(here, entry)) {
    result.score += 2;
  } else if (entry.machine.kind == "system" && here.product) {
    result.differences.push_back("the entry is " + entry.machine.name + ", this is " + *here.product);
  }
  result.score += has_alias(entry, name) ? 1 : 0;
  if (gpu.power_limit_w && there.tdp && *gpu.power_limit_w < 0.95 * number(there.tdp->value)) {
    result.differences.push_back("a power limit of " + plain(*gpu.power_limit_w) + " W here, " +
                                 plain(number(there.tdp->value)) + " W in the entry");
  }
  if (gpu.mig.value.value_or(false)) result.differences.emplace_back("MIG divides this card; the entry is all of it");
  if (gpu.virtualization.value == "vGPU") {
    result.differences.emplace_back("this is a vGPU, a share of the card; the entry is all of it");
  }
  return result;
}

std::vector<const machine_entry*> entries_of(const catalogue& known) {
  std::vector<const machine_entry*> entries;
  for (const std::string& id : known.machine_ids()) entries.push_back(&known.machine(id));
  return entries;
}

/// The best first; then by id.
void rank(std::vector<candidate>& list) {
  std::sort(list.begin(), list.end(), [](const candidate& a, const candidate& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
}

catalogue_match chosen(std::vector<candidate> list, std::ptrdiff_t gpu, std::string reason) {
  rank(list);
  catalogue_match match;
  match.id = list.front().id;
  match.certainty = list.front().exact ? match_certainty::same : match_certainty::same_device;
  match.differences = list.front().differences;
  match.gpu = gpu;
  match.reason = std::move(reason);
  for (std::size_t i = 1; i < list.size(); ++i) {
    if (list[i].score >= list.front().score - 2 && list[i].exact == list.front().exact) {
      match.alternatives.push_back(list[i].id);
    }
  }
  return match;
}

catalogue_match match_gpu(const detected_machine& here, std::size_t index,
                          const std::vector<const machine_entry*>& entries) {
  const detected_gpu& gpu = here.gpus[index];
  const device_name name = parse_device_name(catalogue_name(gpu));
  const auto count = static_cast<std::int32_t>(
      std::count_if(here.gpus.begin(), here.gpus.end(), [&](const auto& one) { return one.name == gpu.name; }));
  std::vector<candidate> list;
  for (const machine_entry* const entry : entries) {
    const device& there = entry->machine.devices.front();
    if (there.backend == backend::cpu) continue;
    if (same_device(parse_device_name(there.name), name)) list.push_back(weigh_gpu(here, gpu, count, *entry, name));
  }
  if (!list.empty()) {
    return chosen(std::move(list), static_cast<std::ptrdiff_t>(index), "by the name of the GPU, " + *gpu.name);
  }
  catalogue_match none;
  none.reason = "the catalogue has no GPU named '" + gpu.name.value.value_or("?") + "'";
  return none;
}

/// Whether the words of a name begin another: "raspberry pi 5" and "raspberry pi 5 model b rev 1.0".
bool begins(const std::vector<std::string>& start, const std::vector<std::string>& all) {
  return start.size() >= 2 && start.size() <= all.size() && std::equal(start.begin(), start.end(), all.begin());
}

candidate weigh_cpu(const detected_machine& here, const machine_entry& entry, std::int32_t times) {
  candidate result{entry.machine.id, 0, true, {}};
  const device& there = entry.machine.devices.front();
  const double size = machine_memory(here, nullptr);
  const double sold = size_of(there.memory.sold.value);
  if (size > 0 && close(size, sold)) {
    result.score += 2;
  } else {
    result.exact = false;
    result.differences.push_back((size > 0 ? gib(size) : std::string{"an unknown size"}) + " of memory here, " +
                                 gib(sold) + " in the entry");
  }
  const auto rate = entry.devices.empty() ? std::nullopt : entry.devices.front().memory.data_rate_mts;
  if (here.memory.data_rate_mts && rate) {
    const bool same = std::abs(*here.memory.data_rate_mts - rate->value) < 0.01 * rate->value;
    result.score += same ? 4 : -4;
    if (!same) {
      result.exact = false;
      result.differences.push_back("memory at " + plain(*here.memory.data_rate_mts) + " MT/s here, at " +
                                   plain(rate->value) + " MT/s in the entry");
    }
  } else if (!here.memory.data_rate_mts && there.memory.type.starts_with("DDR")) {
    result.exact = false;
    result.differences.push_back("the speed of the memory is not known here, the entry's is " + there.memory.type);
  }
  if (here.cpu.sockets && *here.cpu.sockets != times) {
    result.exact = false;
    result.score -= 2;
    result.differences.push_back(std::to_string(*here.cpu.sockets) + " sockets here, " + std::to_string(times) +
                                 " in the entry");
  }
  if (here.os.virtual_machine && *here.os.virtual_machine != "none") {
    result.exact = false;
    result.differences.emplace_back("this is a virtual machine, which shares the memory's bandwidth with others");
  }
  return result;
}

catalogue_match match_cpu(const detected_machine& here, const std::vector<const machine_entry*>& entries) {
  const device_name name = parse_device_name(here.cpu.model.value.value_or(""));
  const auto product = name_words(here.product.value.value_or(""));
  std::vector<candidate> list;
  std::size_t longest = 0;  // of a product's name: "raspberry pi 500" before "raspberry pi 5"
  for (const machine_entry* const entry : entries) {
    const device& there = entry->machine.devices.front();
    if (there.backend != backend::cpu) continue;
    const device_name other = parse_device_name(there.name);
    const auto start = name_words(there.name);
    if (begins(start, product)) {
      if (start.size() < longest) continue;
      if (start.size() > longest) list.clear();
      longest = start.size();
      list.push_back(weigh_cpu(here, *entry, 1));
    } else if (longest == 0 && same_device(other, name)) {
      list.push_back(weigh_cpu(here, *entry, other.times));
    }
  }
  if (!list.empty()) {
    const std::string by =
        longest > 0 ? "the name of the board, " + *here.product : "the name of the processor, " + *here.cpu.model;
    return chosen(std::move(list), -1, "by " + by);
  }
  catalogue_match none;
  const std::string called =
      here.cpu.model ? "'" + *here.cpu.model + "'" : "the processor (" + here.cpu.model.reason + ")";
  const auto bandwidth = memory_bandwidth(here.memory);
  if (!bandwidth) {
    none.reason = "the catalogue has no machine with " + called + "; " + bandwidth.reason;
    return none;
  }
  double nearest = similar_bandwidth;
  const machine_entry* best = nullptr;
  for (const machine_entry* const entry : entries) {
    const device& there = entry->machine.devices.front();
    if (there.backend != backend::cpu) continue;
    const double distance = std::abs(std::log(number(*bandwidth) / number(there.memory.bandwidth_spec.value)));
    if (distance >= nearest) continue;
    nearest = distance;
    best = entry;
  }
  if (best == nullptr) {
    none.reason = "the catalogue has no machine with " + called + ", and none of about the same memory bandwidth";
    return none;
  }
  catalogue_match match;
  match.id = best->machine.id;
  match.certainty = match_certainty::similar;
  match.reason = "by the memory bandwidth; the catalogue has no machine with " + called;
  match.differences.emplace_back("another processor");
  return match;
}

}  // namespace
}  // namespace detail

std::string_view to_string(match_certainty c) noexcept {
  switch (c) {
    case match_certainty::none: return "none";
    case match_certainty::similar: return "similar";
    case match_certainty::same_device: return "same device";
    case match_certainty::same: return "same";
  }
  return "none";
}

catalogue_match match_catalogue(const detected_machine& here, const catalogue& known) {
  const auto entries = detail::entries_of(known);
  catalogue_match best;
  double best_rate = 0;
  std::vector<std::string> left_out;
  std::ptrdiff_t by_bus = -1;
  for (std::size_t i = 0; i < here.gpus.size(); ++i) {
    const detected_gpu& gpu = here.gpus[i];
    const auto same_name = [&](const detected_gpu& one) { return one.name == gpu.name; };
    const auto first = std::find_if(here.gpus.begin(), here.gpus.end(), same_name);
    if (first != here.gpus.begin() + static_cast<std::ptrdiff_t>(i)) continue;
    if (gpu.memory_bus_bits && gpu.memory_clock_mhz && gpu.memory_total && by_bus < 0) {
      by_bus = static_cast<std::ptrdiff_t>(i);
    }
    if (!gpu.name) {
      left_out.push_back("a GPU of " + gpu.vendor.value.value_or("an unknown maker") +
                         " is left out: its name is not "
                         "known (" +
                         gpu.name.reason + ")");
      continue;
    }
    catalogue_match match = detail::match_gpu(here, i, entries);
    if (match.id.empty()) {
      left_out.push_back(*gpu.name + " is left out: " + match.reason);
      continue;
    }
    const device& there = known.machine(match.id).machine.devices.front();
    const double rate = number(there.memory.bandwidth_spec.value);
    if (rate > best_rate) {
      best_rate = rate;
      best = std::move(match);
    }
  }
  if (best.id.empty() && by_bus >= 0) {
    best.gpu = by_bus;
    best.reason = left_out.empty() ? "the catalogue has no such GPU" : left_out.front();
    return best;
  }
  if (best.id.empty()) {
    best = detail::match_cpu(here, entries);
    best.differences.insert(best.differences.end(), left_out.begin(), left_out.end());
  }
  return best;
}

}  // namespace v0
}  // namespace sizer
