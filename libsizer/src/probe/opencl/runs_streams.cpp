/// @file
/// Streams over the memory, empty kernels and copies over the link.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>

#include "opencl_runs.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {
namespace {

constexpr std::int64_t page = 4096;

program_key streams() { return {streams_source, {}}; }

std::uint64_t wide_bytes(const session& on) { return on.is_cpu() ? 64 : 16; }

/// Word i of fill_words.
std::uint32_t word_at(std::uint64_t i) { return static_cast<std::uint32_t>(i) * 0x9e3779b9U; }
/// Sum of the first n of them, modulo 2^32.
std::uint32_t sum_of_words(std::uint64_t n) {
  const std::uint64_t pairs = n % 2 == 0 ? n / 2 * (n - 1) : (n - 1) / 2 * n;
  return static_cast<std::uint32_t>(pairs) * 0x9e3779b9U;
}

void launch_now(session& on, const char* name, session::grid grid) {
  on.run_once(on.launch(on.kernel(streams(), name), name, grid.global, grid.local));
}

void fill_words(session& on, handle data, std::int64_t size) {
  const auto count = static_cast<std::uint64_t>(size) / 4;
  on.contents.clear();
  on.set(on.kernel(streams(), "sizer_fill_words"), data, count);
  launch_now(on, "sizer_fill_words", on.spread(count));
}

struct reading {
  command pass;
  std::size_t items;
};

/// Sums `size` bytes from `offset` on into the small memory, a sum a work-item.
reading reader(session& on, handle data, std::int64_t offset, std::int64_t size) {
  const std::uint64_t first = static_cast<std::uint64_t>(offset) / wide_bytes(on);
  const std::uint64_t count = static_cast<std::uint64_t>(size) / wide_bytes(on);
  const session::grid grid = on.spread(count);
  const handle sums = on.memory(slot::small, grid.global * 4);
  const handle kernel = on.kernel(streams(), "sizer_read");
  on.set(kernel, data, first, count, sums);
  return {on.launch(kernel, "sizer_read", grid.global, grid.local), grid.global};
}

std::uint32_t sum_of(session& on, std::size_t items) {
  std::vector<std::uint32_t> sums(items);
  on.fetch(on.memory(slot::small, items * 4), 0, items * 4, sums.data());
  std::uint32_t sum = 0;
  for (const std::uint32_t one : sums) sum += one;
  return sum;
}

std::uint32_t sum_on_device(session& on, handle data, std::int64_t offset, std::int64_t size) {
  const reading all = reader(on, data, offset, size);
  on.run_once(all.pass);
  return sum_of(on, all.items);
}

void set_words(session& on, handle data, std::int64_t offset, std::int64_t size, std::uint32_t word) {
  const std::uint64_t first = static_cast<std::uint64_t>(offset) / wide_bytes(on);
  const std::uint64_t count = static_cast<std::uint64_t>(size) / wide_bytes(on);
  on.contents.clear();
  on.set(on.kernel(streams(), "sizer_write"), data, first, count, word);
  launch_now(on, "sizer_write", on.spread(count));
}

void check_sum(const session& on, const std::string& kernel, std::uint32_t got, std::uint32_t want) {
  if (got == want) return;
  refuse_results(on, kernel, "the words add up to " + std::to_string(got) + ", not to " + std::to_string(want));
}

/// Runs of 64 words at the ends and at places in between; `want` gives word i.
template <class Word, class Want>
void each_sample(session& on, handle data, std::int64_t offset, std::int64_t words, const Want& want) {
  constexpr std::int64_t length = 64;
  for (std::int64_t s = 0; s < 32; ++s) {
    const std::int64_t last = words - length;
    const std::int64_t at = s == 0   ? 0
                            : s == 1 ? last
                                     : static_cast<std::int64_t>(scrambled(static_cast<std::uint64_t>(s))) % (last + 1);
    std::array<Word, length> got{};
    on.fetch(data, static_cast<std::uint64_t>(offset + 4 * at), sizeof got, got.data());
    for (std::int64_t i = 0; i < length; ++i) want(at + i, got[static_cast<std::size_t>(i)]);
  }
}

void check_words(session& on, const std::string& kernel, handle data, std::int64_t offset, std::int64_t words,
                 const std::function<std::uint32_t(std::uint64_t)>& want) {
  each_sample<std::uint32_t>(on, data, offset, words, [&](std::int64_t i, std::uint32_t got) {
    const std::uint32_t right = want(static_cast<std::uint64_t>(i));
    if (got == right) return;
    refuse_results(on, kernel,
                   "word " + std::to_string(i) + " is " + std::to_string(got) + ", not " + std::to_string(right));
  });
}

/// `size` in whole pages for each of `parts`; a remark where the device's stores go through its caches.
run_plan stream_plan(session& on, std::int64_t size, std::int64_t parts, bool stores) {
  run_plan plan;
  if (size < parts * page) {
    throw value_error{"working_set", std::to_string(size) + " bytes",
                      "at least " + std::to_string(parts * page) + " bytes"};
  }
  plan.working_set = size / (parts * page) * (parts * page);
  plan.moved = plan.working_set;
  plan.caches_matter = true;
  if (!on.pages().empty()) plan.remarks.push_back(on.pages());
  if (stores && on.is_cpu()) {
    const handle answer = on.memory(slot::small, 4);
    on.set(on.kernel(streams(), "sizer_streams"), answer);
    launch_now(on, "sizer_streams", {1, 1});
    std::uint32_t streamed = 0;
    on.fetch(answer, 0, sizeof streamed, &streamed);
    plan.remarks.emplace_back(streamed != 0 ? "stores bypass the caches"
                                            : "stores go through the caches: what is written may be read before");
  }
  return plan;
}

}  // namespace

run_plan plan_read(session& on, const kernel_request& request, std::int64_t size) {
  const handle data = on.memory(slot::data, static_cast<std::uint64_t>(size));
  run_plan plan = stream_plan(on, size, 1, false);
  fill_words(on, data, plan.working_set);
  const reading all = reader(on, data, 0, plan.working_set);
  plan.pass = {all.pass};
  plan.verify = [&on, kernel = request.kernel, size = plan.working_set, items = all.items] {
    check_sum(on, kernel, sum_of(on, items), sum_of_words(static_cast<std::uint64_t>(size) / 4));
    return 0.0;
  };
  return plan;
}

run_plan plan_copy(session& on, const kernel_request& request, std::int64_t size) {
  const handle data = on.memory(slot::data, static_cast<std::uint64_t>(size));
  run_plan plan = stream_plan(on, size, 2, true);
  const std::int64_t half = plan.working_set / 2;
  fill_words(on, data, half);
  set_words(on, data, half, half, 0);
  const std::uint64_t count = static_cast<std::uint64_t>(half) / wide_bytes(on);
  const session::grid grid = on.spread(count);
  const handle kernel = on.kernel(streams(), "sizer_copy");
  on.set(kernel, data, data, count);
  plan.pass = {on.launch(kernel, "sizer_copy", grid.global, grid.local)};
  plan.verify = [&on, name = request.kernel, data, half] {
    const std::uint64_t words = static_cast<std::uint64_t>(half) / 4;
    check_sum(on, name, sum_on_device(on, data, half, half), sum_of_words(words));
    check_words(on, name, data, half, half / 4, word_at);
    return 0.0;
  };
  return plan;
}

run_plan plan_write(session& on, const kernel_request& request, std::int64_t size) {
  const handle data = on.memory(slot::data, static_cast<std::uint64_t>(size));
  run_plan plan = stream_plan(on, size, 1, true);
  fill_words(on, data, plan.working_set);
  constexpr std::uint32_t word = 0x3fa12345U;
  const std::uint64_t count = static_cast<std::uint64_t>(plan.working_set) / wide_bytes(on);
  const session::grid grid = on.spread(count);
  const handle kernel = on.kernel(streams(), "sizer_write");
  on.set(kernel, data, std::uint64_t{0}, count, word);
  plan.pass = {on.launch(kernel, "sizer_write", grid.global, grid.local)};
  plan.verify = [&on, name = request.kernel, data, size = plan.working_set] {
    check_sum(on, name, sum_on_device(on, data, 0, size), static_cast<std::uint32_t>(size / 4) * word);
    check_words(on, name, data, 0, size / 4, [](std::uint64_t) { return word; });
    return 0.0;
  };
  return plan;
}

run_plan plan_triad(session& on, const kernel_request& request, std::int64_t size) {
  const handle data = on.memory(slot::data, static_cast<std::uint64_t>(size));
  run_plan plan = stream_plan(on, size, 3, true);
  const std::int64_t each = plan.working_set / 3;
  constexpr float s = 3.0F;
  set_words(on, data, 0, each, 0);
  const std::uint64_t floats = static_cast<std::uint64_t>(each) / 4;
  on.set(on.kernel(streams(), "sizer_fill_f32"), data, floats, 2 * floats, std::uint64_t{0}, 1.0F);
  launch_now(on, "sizer_fill_f32", on.spread(2 * floats));
  const std::uint64_t count = static_cast<std::uint64_t>(each) / wide_bytes(on);
  const session::grid grid = on.spread(count);
  const handle kernel = on.kernel(streams(), "sizer_triad");
  on.set(kernel, data, data, data, count, s);
  plan.pass = {on.launch(kernel, "sizer_triad", grid.global, grid.local)};
  plan.operations = 2.0 * static_cast<double>(floats);
  plan.verify = [&on, name = request.kernel, data, floats] {
    comparison results;
    each_sample<float>(on, data, 0, static_cast<std::int64_t>(floats), [&](std::int64_t i, float got) {
      const auto at = static_cast<std::uint64_t>(i);
      results.add(double{got}, double{scrambled_unit(at)} + double{s} * double{scrambled_unit(floats + at)});
    });
    return results.checked(on, name, 1e-6);
  };
  return plan;
}

run_plan plan_launch(session& on, const kernel_request& request, std::int64_t /*size*/) {
  run_plan plan;
  const handle counter = on.memory(slot::small, 4);
  const handle kernel = on.kernel(streams(), "sizer_empty");
  on.set(kernel, counter);
  const std::uint32_t none = 0;
  on.run_once(on.write(counter, 0, sizeof none, &none));
  // Not quite empty: each adds one, so that it shows when a launch was lost.
  const auto launched = std::make_shared<std::uint32_t>(0);
  const command launch = on.launch(kernel, "sizer_empty", 1, 1);
  plan.pass = {[launch, launched](handle* event) {
    launch(event);
    ++*launched;
  }};
  plan.events = 1;
  plan.host_clock = true;
  plan.remarks.emplace_back("by the host's clock, from the first call until the last kernel has ended");
  plan.verify = [&on, name = request.kernel, counter, launched] {
    std::uint32_t counted = 0;
    on.fetch(counter, 0, sizeof counted, &counted);
    if (counted != *launched) {
      refuse_results(on, name, std::to_string(counted) + " of " + std::to_string(*launched) + " kernels ran");
    }
    return 0.0;
  };
  return plan;
}

namespace {

// The host's side of a copy; more is copied in turns.
constexpr std::int64_t most_staging = std::int64_t{256} << 20;

run_plan link_plan(session& on, std::int64_t size) {
  run_plan plan = stream_plan(on, size, 1, false);
  plan.caches_matter = false;
  plan.remarks.clear();
  if (on.is_cpu() || on.number(device_info::shares_host_memory) != 0) {
    plan.remarks.emplace_back("the device shares the host's memory: this is a copy within it");
  }
  return plan;
}

}  // namespace

run_plan plan_host_to_device(session& on, const kernel_request& request, std::int64_t size) {
  const handle data = on.memory(slot::data, static_cast<std::uint64_t>(size));
  run_plan plan = link_plan(on, size);
  const std::int64_t turn = std::min(plan.working_set, most_staging);
  auto* const from = static_cast<std::uint32_t*>(on.staging(static_cast<std::uint64_t>(turn)));
  for (std::int64_t i = 0; i < turn / 4; ++i) from[i] = word_at(static_cast<std::uint64_t>(i));
  set_words(on, data, 0, plan.working_set, 0);
  std::uint32_t sum = 0;
  for (std::int64_t at = 0; at < plan.working_set; at += turn) {
    const std::int64_t part = std::min(turn, plan.working_set - at);
    plan.pass.push_back(on.write(data, static_cast<std::uint64_t>(at), static_cast<std::uint64_t>(part), from));
    sum += sum_of_words(static_cast<std::uint64_t>(part) / 4);
  }
  plan.verify = [&on, name = request.kernel, data, all = plan.working_set, sum, turn] {
    check_sum(on, name, sum_on_device(on, data, 0, all), sum);
    check_words(on, name, data, 0, all / 4,
                [turn](std::uint64_t i) { return word_at(i % (static_cast<std::uint64_t>(turn) / 4)); });
    return 0.0;
  };
  return plan;
}

run_plan plan_device_to_host(session& on, const kernel_request& request, std::int64_t size) {
  const handle data = on.memory(slot::data, static_cast<std::uint64_t>(size));
  run_plan plan = link_plan(on, size);
  const std::int64_t turn = std::min(plan.working_set, most_staging);
  auto* const to = static_cast<std::uint32_t*>(on.staging(static_cast<std::uint64_t>(turn)));
  std::memset(to, 0, static_cast<std::size_t>(turn));
  fill_words(on, data, plan.working_set);
  std::int64_t last = 0;
  for (std::int64_t at = 0; at < plan.working_set; at += turn) {
    const std::int64_t part = std::min(turn, plan.working_set - at);
    plan.pass.push_back(on.read(data, static_cast<std::uint64_t>(at), static_cast<std::uint64_t>(part), to));
    last = at;
  }
  plan.verify = [&on, name = request.kernel, to, last, words = (plan.working_set - last) / 4] {
    for (std::int64_t i = 0; i < words; ++i) {
      const std::uint32_t want = word_at(static_cast<std::uint64_t>(last / 4 + i));
      if (to[i] != want) {
        refuse_results(on, name,
                       "word " + std::to_string(i) + " is " + std::to_string(to[i]) + ", not " + std::to_string(want));
      }
    }
    return 0.0;
  };
  return plan;
}

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
