#pragma once
/// @file
/// Values of the library as plain Python objects: numbers in base units, names as strings.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <pybind11/pybind11.h>

#include <sizer/sourced.hpp>
#include <sizer/units.hpp>

namespace sizer_python {

namespace py = pybind11;

[[nodiscard]] inline py::str text(std::string_view value) { return py::str{value.data(), value.size()}; }

/// A quantity as its number, absent as None.
template <class Quantity>
[[nodiscard]] py::object number_or_none(const std::optional<sizer::sourced<Quantity>>& figure) {
  if (!figure) return py::none();
  return py::cast(sizer::number(figure->value));
}
[[nodiscard]] inline py::object number_or_none(const std::optional<sizer::sourced<sizer::count>>& figure) {
  if (!figure) return py::none();
  return py::cast(figure->value.value());
}

/// Adds the parts of a pickled object: a version and the JSON of the entry, which the catalogue's reader checks again.
template <class Entry, class Read>
[[nodiscard]] auto pickle_as_json(Read read) {
  return py::pickle(
      [](const Entry& entry) { return py::make_tuple(1, to_json(entry)); },
      [read](const py::tuple& state) {
        if (state.size() != 2 || state[0].cast<int>() != 1) {
          throw py::value_error("pickled by another release of sizer, whose layout this one does not know");
        }
        return Entry(read(state[1].cast<std::string>(), "pickle"));
      });
}

/// Equal entries have equal ids and names.
[[nodiscard]] inline py::ssize_t hash_of(const std::string& id, const std::string& name) {
  return static_cast<py::ssize_t>(std::hash<std::string>{}(id + '\n' + name));
}

}  // namespace sizer_python
