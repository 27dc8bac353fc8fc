/// @file
/// What runs of a machine left in its file.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "json_reader.hpp"
#include "readers.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// The excess of weights over full speed is below a hundredth in most classes: e^8 of it is a machine that reads at a
/// twentieth of its bandwidth. Beyond that it is another machine.
constexpr double largest_offset = 8.0;
constexpr double largest_factor = 100.0;
constexpr std::int64_t most_rows = 1'000'000;

double read_offset(const json_node& node) {
  const double value = node.real();
  if (!std::isfinite(value) || std::abs(value) > largest_offset) node.fail("a number from -8 to 8");
  return value;
}

double read_end(const json_node& node, double low, double high, const char* expected) {
  const double value = node.real();
  if (!std::isfinite(value) || value <= 0.0 || value < low || value > high) node.fail(expected);
  return value;
}

std::int32_t read_rows(const json_node& node) { return node.integer<std::int32_t>(0, most_rows); }

constexpr std::array<std::pair<const char*, double machine_calibration::*>, 9> offsets{{
    {"weights", &machine_calibration::weights},
    {"arithmetic", &machine_calibration::arithmetic},
    {"cache", &machine_calibration::cache},
    {"attention", &machine_calibration::attention},
    {"latency", &machine_calibration::latency},
    {"batch", &machine_calibration::batch},
    {"matrices", &machine_calibration::matrices},
    {"prefill_attention", &machine_calibration::prefill_attention},
    {"prefill_traffic", &machine_calibration::prefill_traffic},
}};
constexpr std::array<std::pair<const char*, double machine_calibration::*>, 4> ends{{
    {"decode_low", &machine_calibration::decode_low},
    {"decode_high", &machine_calibration::decode_high},
    {"prefill_low", &machine_calibration::prefill_low},
    {"prefill_high", &machine_calibration::prefill_high},
}};

}  // namespace

machine_calibration read_calibration(const json_node& node) {
  const json_object object{node,
                           {"weights", "arithmetic", "cache", "attention", "latency", "batch", "matrices",
                            "prefill_attention", "prefill_traffic", "decode_low", "decode_high", "prefill_low",
                            "prefill_high", "n_decode_rows", "n_prefill_rows", "engine", "note"}};
  machine_calibration own;
  for (const auto& [name, place] : offsets) object.optional_field(name, own.*place, read_offset);
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const bool lower = i % 2 == 0;
    object.optional_field(ends[i].first, own.*ends[i].second, [lower](const json_node& n) {
      return lower ? read_end(n, 0.0, 1.0, "a number above 0, at most 1")
                   : read_end(n, 1.0, largest_factor, "a number from 1 to 100");
    });
  }
  if ((own.decode_low > 0.0) != (own.decode_high > 0.0)) node.fail("both or neither of decode_low and decode_high");
  if ((own.prefill_low > 0.0) != (own.prefill_high > 0.0)) node.fail("both or neither of prefill_low and prefill_high");
  object.optional_field("n_decode_rows", own.n_decode_rows, read_rows);
  object.optional_field("n_prefill_rows", own.n_prefill_rows, read_rows);
  object.text("engine", own.engine);
  object.text("note", own.note);
  return own;
}

ordered_json write_calibration(const machine_calibration& own) {
  ordered_json object;
  for (const auto& [name, place] : offsets) {
    if (own.*place != 0.0) object[name] = own.*place;
  }
  for (const auto& [name, place] : ends) {
    if (own.*place > 0.0) object[name] = own.*place;
  }
  object["n_decode_rows"] = own.n_decode_rows;
  object["n_prefill_rows"] = own.n_prefill_rows;
  object["engine"] = own.engine;
  object["note"] = own.note;
  return object;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
