#pragma once
/// @file
/// A figure object, `{"value": 936, "unit": "GB/s", "kind": "vendor", "source": "..."}`, as a sourced quantity and
/// back. Each quantity has its own exact set of units and a range outside which a number is a slip (a wrong unit, a
/// stray digit).

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sizer/sourced.hpp>
#include <sizer/units.hpp>

#include "json_reader.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

using ordered_json = nlohmann::ordered_json;

/// A unit as files spell it, and how many base units it is.
struct unit_scale {
  std::string_view name;
  double scale = 1.0;
};

// Rules of one quantity each: the type, its units, and the least and greatest value in base units. The first
// `n_written` units are those of the catalogue's own files (data/schema) and of what the library writes. The ranges
// leave at least a factor of ten around everything on sale or in a museum of AI hardware.

/// Memory and cache sizes: 1 kB (a scratchpad) to 1 PB (a rack).
struct memory_rules {
  using quantity = bytes;
  static constexpr std::array<unit_scale, 9> units{{{"GiB", 1073741824.0},
                                                    {"GB", 1e9},
                                                    {"MiB", 1048576.0},
                                                    {"MB", 1e6},
                                                    {"TiB", 1099511627776.0},
                                                    {"TB", 1e12},
                                                    {"KiB", 1024.0},
                                                    {"KB", 1e3},
                                                    {"B", 1.0}}};
  static constexpr std::size_t n_written = 4;
  static constexpr double low = 1e3;
  static constexpr double high = 1e15;
  static quantity make(double base) { return make_bytes(static_cast<std::int64_t>(std::llround(base))); }
};

/// Memory and link bandwidth: 1 MB/s (a slow network) to 1000 PB/s (the memory on a Cerebras wafer states 21 PB/s).
struct bandwidth_rules {
  using quantity = bytes_per_second;
  static constexpr std::array<unit_scale, 3> units{{{"GB/s", 1e9}, {"MB/s", 1e6}, {"TB/s", 1e12}}};
  static constexpr std::size_t n_written = 1;
  static constexpr double low = 1e6;
  static constexpr double high = 1e18;
  static quantity make(double base) { return make_bytes_per_second(base); }
};

/// Arithmetic rate of one device: 1 GFLOPS to 10 EFLOPS. TOPS counts integer operations, a multiply and an add being
/// two.
struct compute_rules {
  using quantity = flop_per_second;
  static constexpr std::array<unit_scale, 4> units{
      {{"TFLOPS", 1e12}, {"TOPS", 1e12}, {"GFLOPS", 1e9}, {"PFLOPS", 1e15}}};
  static constexpr std::size_t n_written = 1;
  static constexpr double low = 1e9;
  static constexpr double high = 1e19;
  static quantity make(double base) { return make_flop_per_second(base); }
};

/// Power of a device or a machine: 0.01 W (a board asleep) to 10 MW.
struct power_rules {
  using quantity = watts;
  static constexpr std::array<unit_scale, 2> units{{{"W", 1.0}, {"kW", 1e3}}};
  static constexpr std::size_t n_written = 1;
  static constexpr double low = 0.01;
  static constexpr double high = 1e7;
  static quantity make(double base) { return make_watts(base); }
};

/// Latency of a link: 0.1 ns to 1 minute.
struct time_rules {
  using quantity = seconds;
  static constexpr std::array<unit_scale, 4> units{{{"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}, {"ns", 1e-9}}};
  static constexpr std::size_t n_written = 2;
  static constexpr double low = 1e-10;
  static constexpr double high = 60.0;
  static quantity make(double base) { return make_seconds(base); }
};

/// Price of a machine: 1 USD to 1 billion USD.
struct money_rules {
  using quantity = dollars;
  static constexpr std::array<unit_scale, 1> units{{{"USD", 1.0}}};
  static constexpr std::size_t n_written = 1;
  static constexpr double low = 1.0;
  static constexpr double high = 1e9;
  static quantity make(double base) { return make_dollars(base); }
};

/// Parameters of a model: one to 10^15, the largest number that a double holds with a digit to spare.
struct parameter_rules {
  using quantity = count;
  static constexpr std::array<unit_scale, 1> units{{{"parameter", 1.0}}};
  static constexpr std::size_t n_written = 1;
  static constexpr double low = 1.0;
  static constexpr double high = 1e15;
  static quantity make(double base) { return count{std::llround(base)}; }
};

/// Width of a memory bus: 8 bits (one SPI flash) to 65536 (eight stacks of HBM4 are 16384).
struct bus_width_rules {
  using quantity = count;
  static constexpr std::array<unit_scale, 1> units{{{"bit", 1.0}}};
  static constexpr std::size_t n_written = 1;
  static constexpr double low = 8.0;
  static constexpr double high = 65536.0;
  static quantity make(double base) { return count{std::llround(base)}; }
};

/// Transfers per second of one memory pin: 100 MT/s (SDRAM) to 100000 MT/s. A plain number, in MT/s.
struct data_rate_rules {
  using quantity = double;
  static constexpr std::array<unit_scale, 1> units{{{"MT/s", 1.0}}};
  static constexpr std::size_t n_written = 1;
  static constexpr double low = 100.0;
  static constexpr double high = 1e5;
  static quantity make(double base) { return base; }
};

/// Names of figure kinds, in the order of the enum.
inline constexpr std::array<std::pair<std::string_view, figure_kind>, 6> figure_kinds{
    {{"measured", figure_kind::measured},
     {"standard", figure_kind::standard},
     {"vendor", figure_kind::vendor},
     {"paper", figure_kind::paper},
     {"derived", figure_kind::derived},
     {"assumed", figure_kind::assumed}}};

[[nodiscard]] inline std::string shown_number(double value) { return json(value).dump(); }

/// The value of a figure object in base units, checked against the rules of its quantity.
template <class Rules>
[[nodiscard]] typename Rules::quantity read_figure_value(const json_object& figure) {
  const json_node value = figure.at("value");
  const double number = value.real();
  const json_node unit = figure.at("unit");
  const std::string name = unit.text();
  std::vector<std::string_view> allowed;
  for (const unit_scale& candidate : Rules::units) {
    allowed.push_back(candidate.name);
    if (candidate.name != name) continue;
    const double base = number * candidate.scale;
    if (!std::isfinite(base) || base < Rules::low || base > Rules::high) {
      value.fail(shown_number(number) + " " + name, shown_number(Rules::low / candidate.scale) + " to " +
                                                        shown_number(Rules::high / candidate.scale) + " " + name);
    }
    return Rules::make(base);
  }
  unit.fail("the unit '" + name + "'", (allowed.size() == 1 ? "" : "one of ") + listed(allowed));
}

/// A date as YYYY, YYYY-MM or YYYY-MM-DD, as exact as it is known; the day within its month's longest length.
[[nodiscard]] inline std::string read_date(const json_node& node) {
  static constexpr std::array<int, 12> days{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  std::string date = node.text();
  bool good = date.size() == 4 || date.size() == 7 || date.size() == 10;
  for (std::size_t i = 0; i < date.size() && good; ++i) good = (i == 4 || i == 7) ? date[i] == '-' : is_digit(date[i]);
  if (good && date.size() >= 7) {
    const int month = (date[5] - '0') * 10 + (date[6] - '0');
    good = month >= 1 && month <= 12;
    if (good && date.size() == 10) {
      const int day = (date[8] - '0') * 10 + (date[9] - '0');
      good = day >= 1 && day <= days[static_cast<std::size_t>(month) - 1];
    }
  }
  if (!good) node.fail("a date YYYY, YYYY-MM or YYYY-MM-DD");
  return date;
}

/// The keys that say how a figure came to be, joined in this order into `sourced::note`.
inline constexpr std::array<std::string_view, 5> note_keys{"rule", "formula", "why", "method", "note"};

/// Reads kind, source and notes, the parts common to all figures. `as_printed`, `locator` and `retrieved` are checked
/// and stay in the file: they serve whoever verifies the entry, not the estimate.
template <class Quantity>
void read_provenance(const json_object& figure, sourced<Quantity>& result) {
  result.kind = read_choice(figure.at("kind"), figure_kinds);
  result.source = figure.at("source").filled_text();
  for (const std::string_view key : note_keys) {
    if (!figure.has(key)) continue;
    result.note += (result.note.empty() ? "" : "; ") + figure.at(key).filled_text();
  }
  if (result.kind == figure_kind::derived && result.note.empty()) {
    figure.node().fail("a derived figure without 'formula'", "how it follows from other figures");
  }
  if (result.kind == figure_kind::assumed && result.note.empty()) {
    figure.node().fail("an assumed figure without 'why'", "why it is assumed");
  }
  for (const std::string_view key : {"as_printed", "locator"}) {
    if (figure.has(key)) (void)figure.at(key).filled_text();
  }
  if (figure.has("retrieved")) (void)read_date(figure.at("retrieved"));
}

/// A whole figure from an object whose keys are checked already (a price has more of them).
template <class Rules>
[[nodiscard]] sourced<typename Rules::quantity> read_figure(const json_object& figure) {
  sourced<typename Rules::quantity> result;
  result.value = read_figure_value<Rules>(figure);
  read_provenance(figure, result);
  return result;
}
template <class Rules>
[[nodiscard]] sourced<typename Rules::quantity> read_figure(const json_node& node) {
  return read_figure<Rules>(json_object{node,
                                        {"value", "unit", "kind", "source", "as_printed", "locator", "note", "formula",
                                         "why", "method", "rule", "retrieved"}});
}

/// Writes a number of base units in one of the quantity's written units: the shortest text that reads back to the same
/// bits, or, if there is none, in any unit.
template <class Rules>
void write_value(ordered_json& figure, double base) {
  std::size_t shortest = std::string::npos;
  figure["value"] = base / Rules::units.front().scale;
  figure["unit"] = Rules::units.front().name;
  for (std::size_t i = 0; i < Rules::units.size(); ++i) {
    if (i >= Rules::n_written && shortest != std::string::npos) break;
    const auto& [name, scale] = Rules::units[i];
    const double near = base / scale;
    for (const double value : {near, std::nextafter(near, 0.0), std::nextafter(near, 2.0 * near)}) {
      const bool whole = std::trunc(value) == value && std::abs(value) < 1e15;  // written without ".0"
      const std::size_t length = shown_number(value).size() - (whole ? 2 : 0);
      if (!(Rules::make(value * scale) == Rules::make(base)) || length >= shortest) continue;
      shortest = length;
      if (whole) {
        figure["value"] = std::llround(value);
      } else {
        figure["value"] = value;
      }
      figure["unit"] = name;
    }
  }
}

/// The number inside any quantity that has rules, in base units.
[[nodiscard]] inline double base_number(const bytes& size) { return real(size).value(); }
[[nodiscard]] inline double base_number(const count& whole) { return whole.real(); }
[[nodiscard]] inline double base_number(double plain) { return plain; }
template <class Unit>
[[nodiscard]] double base_number(const boost::units::quantity<Unit, double>& rate) {
  return rate.value();
}

/// Gives a key of an object another name, if it is there.
inline void rename_key(ordered_json& object, const char* from, const char* to) {
  if (!object.contains(from)) return;
  object[to] = std::move(object[from]);
  object.erase(from);
}

/// A figure as an object that read_figure reads back to the same value.
template <class Rules>
[[nodiscard]] ordered_json write_figure(const sourced<typename Rules::quantity>& figure) {
  ordered_json object;
  write_value<Rules>(object, base_number(figure.value));
  object["kind"] = to_string(figure.kind);
  object["source"] = figure.source;
  if (!figure.note.empty()) {
    object[figure.kind == figure_kind::derived    ? "formula"
           : figure.kind == figure_kind::assumed  ? "why"
           : figure.kind == figure_kind::measured ? "method"
                                                  : "note"] = figure.note;
  }
  return object;
}
template <class Rules>
void write_figure(ordered_json& object, const char* key,
                  const std::optional<sourced<typename Rules::quantity>>& figure) {
  if (figure) object[key] = write_figure<Rules>(*figure);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
