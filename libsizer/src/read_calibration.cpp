/// @file
/// What runs of a machine left in its file.

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "json_reader.hpp"
#include "readers.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// A factor of e^4 either way is no calibration of a class but another machine.
constexpr double largest_offset = 4.0;
constexpr double largest_factor = 100.0;
constexpr std::int64_t most_rows = 1'000'000;

double read_offset(const json_node& node) {
  const double value = node.real();
  if (!std::isfinite(value) || std::abs(value) > largest_offset) node.fail("a number from -4 to 4");
  return value;
}

double read_factor(const json_node& node) {
  const double value = node.real();
  if (!std::isfinite(value) || value <= 0.0 || value > largest_factor) node.fail("a number above 0, at most 100");
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
  for (const auto& [name, place] : ends) object.optional_field(name, own.*place, read_factor);
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
