#pragma once
/// @file
/// The readers and writers behind catalog/catalog.hpp, on parsed documents.

#include <string>
#include <vector>

#include <sizer/catalog/catalog.hpp>

#include "figures.hpp"
#include "json_reader.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

template <class Rules>
struct figure_reader {
  sourced<typename Rules::quantity> operator()(const json_node& node) const { return read_figure<Rules>(node); }
};

/// Reads a model shape and expands it. With `with_source`, the keys kind, source and note may stand beside the fields.
[[nodiscard]] architecture read_architecture(const json_node& node, bool with_source);
[[nodiscard]] ordered_json write_shape(const model_shape& shape);

[[nodiscard]] model_entry read_model(const json_node& node);
[[nodiscard]] machine_entry read_machine(const json_node& node);

/// What the microbenchmark left in a machine file (read_measured.cpp).
[[nodiscard]] std::vector<measured_rates> read_measured(const json_node& node);
[[nodiscard]] ordered_json write_measured(const std::vector<measured_rates>& measured);
/// What runs of the machine taught (read_calibration.cpp).
[[nodiscard]] machine_calibration read_calibration(const json_node& node);
[[nodiscard]] ordered_json write_calibration(const machine_calibration& own);

[[nodiscard]] compute_rates read_compute(const json_node& node);
[[nodiscard]] ordered_json write_compute(const compute_rates& rates);

/// An id: lower case letters, digits, and single dashes or dots between them.
[[nodiscard]] std::string read_id(const json_node& node);

/// The text of a file that the library writes: two spaces of indent, ASCII, a line feed at the end.
[[nodiscard]] inline std::string file_text(const ordered_json& object) {
  return object.dump(2, ' ', true, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
