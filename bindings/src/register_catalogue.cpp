/// @file
/// Look-up by name, users' own files, and the check of a file.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/names.hpp>

#include "convert.hpp"
#include "nearest.hpp"
#include "register.hpp"

namespace sizer_python {
namespace {

py::object source(const sizer::catalogue& all, std::string_view key) {
  const auto found = all.source(key);
  if (!found) return py::none();
  py::dict result;
  result["title"] = found->title;
  result["publisher"] = found->publisher;
  result["date"] = found->date;
  result["url"] = found->url;
  return result;
}

py::dict validate(std::string_view json, std::string_view file_name) {
  const sizer::validation checked = sizer::validate_json(json, file_name);
  py::dict result;
  result["ok"] = checked.ok;
  result["what"] = checked.what;
  result["problems"] = checked.problems;
  return result;
}

}  // namespace

std::vector<std::string> nearest(std::string_view name, const std::vector<std::string>& known, std::size_t most) {
  const std::vector<std::string_view> views{known.begin(), known.end()};
  return sizer::nearest_names(name, std::span<const std::string_view>{views}, most);
}

void register_catalogue(py::module_& m) {
  using sizer::catalogue;
  py::class_<catalogue>(m, "Catalogue")
      .def_static("embedded", [] { return catalogue{catalogue::embedded()}; })
      .def("model", &catalogue::model, py::arg("name"))      // copies the entry
      .def("machine", &catalogue::machine, py::arg("name"))  // copies the entry
      .def("model_ids", &catalogue::model_ids)
      .def("machine_ids", &catalogue::machine_ids)
      .def("source", &source, py::arg("key"))
      .def("with_file", &catalogue::with_file, py::arg("path"));
  m.def("validate_json", &validate, py::arg("text"), py::arg("file_name"));
  m.def(
      "nearest_names",
      [](std::string_view name, const std::vector<std::string>& known) { return nearest(name, known, 3); },
      py::arg("name"), py::arg("known"));
}

}  // namespace sizer_python
