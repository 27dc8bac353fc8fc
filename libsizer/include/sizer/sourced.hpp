#pragma once
/// @file
/// A figure is a value, its kind and its source. A number without a source does not enter the library's data.

#include <string>
#include <string_view>

#include <sizer/error.hpp>

namespace sizer {
inline namespace v0 {

/// How a figure came to be known, strongest first.
enum class figure_kind {
  measured,  ///< somebody ran it; the source says who and how
  standard,  ///< fixed by a standard (PCIe, DDR5)
  vendor,    ///< the maker's own sheet
  paper,     ///< a published paper
  derived,   ///< computed from other figures by a stated formula
  assumed    ///< believed, not verified; every report that uses it lists it
};

[[nodiscard]] constexpr std::string_view to_string(figure_kind kind) noexcept {
  switch (kind) {
    case figure_kind::measured: return "measured";
    case figure_kind::standard: return "standard";
    case figure_kind::vendor: return "vendor";
    case figure_kind::paper: return "paper";
    case figure_kind::derived: return "derived";
    case figure_kind::assumed: return "assumed";
  }
  return "assumed";
}

/// A value of type Quantity with its kind and the key of its source in data/sources.json.
template <class Quantity>
struct sourced {
  Quantity value{};
  figure_kind kind = figure_kind::assumed;
  std::string source;
  std::string note;  ///< how it was derived, why it was assumed, by which method it was measured

  friend bool operator==(const sourced&, const sourced&) = default;
};

}  // namespace v0
}  // namespace sizer
