/// @file
/// The machine of the catalogue, or of a user, as an immutable Python object.

#include <cstdint>
#include <string>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>

#include "convert.hpp"
#include "register.hpp"

namespace sizer_python {
namespace {

const sizer::device& first(const sizer::machine_entry& entry) { return entry.machine.devices.front(); }

py::object last_level_cache(const sizer::machine_entry& entry) {
  if (entry.devices.empty()) return py::none();
  return number_or_none(entry.devices.front().last_level_cache);
}

/// usd, date, type, kind and source; None without a price.
py::object price_or_none(const sizer::machine& machine) {
  const sizer::price* price = sizer::current_price(machine);
  if (price == nullptr) return py::none();
  py::dict result;
  result["usd"] = sizer::number(price->amount.value);
  result["date"] = price->date;
  result["type"] = text(to_string(price->type));
  result["kind"] = text(to_string(price->amount.kind));
  result["source"] = price->amount.source;
  return result;
}

}  // namespace

void register_hardware(py::module_& m) {
  using sizer::machine_entry;
  py::class_<machine_entry>(m, "Machine")
      .def_static("from_json", &sizer::read_machine_json, py::arg("text"), py::arg("file_name"))
      .def("to_json", [](const machine_entry& entry) { return to_json(entry); })
      .def_property_readonly("id", [](const machine_entry& e) { return e.machine.id; })
      .def_property_readonly("name", [](const machine_entry& e) { return e.machine.name; })
      .def_property_readonly("vendor", [](const machine_entry& e) { return e.machine.vendor; })
      .def_property_readonly("kind", [](const machine_entry& e) { return e.machine.kind; })
      .def_property_readonly("release_year", [](const machine_entry& e) { return e.machine.release_year; })
      .def_property_readonly("notes", [](const machine_entry& e) { return e.machine.notes; })
      .def_readonly("aliases", &machine_entry::aliases)
      .def_property_readonly("backend", [](const machine_entry& e) { return text(to_string(first(e).backend)); })
      .def_property_readonly("device_class",
                             [](const machine_entry& e) { return text(to_string(first(e).device_class)); })
      .def_property_readonly("device_name", [](const machine_entry& e) { return first(e).name; })
      .def_property_readonly("device_count", [](const machine_entry& e) { return first(e).count; })
      .def_property_readonly("unified", [](const machine_entry& e) { return first(e).memory.unified; })
      .def_property_readonly("memory_type", [](const machine_entry& e) { return first(e).memory.type; })
      .def_property_readonly("memory_bytes",
                             [](const machine_entry& e) { return sizer::number(first(e).memory.sold.value); })
      .def_property_readonly("usable_bytes",
                             [](const machine_entry& e) { return sizer::number(first(e).memory.usable.value); })
      .def_property_readonly("bandwidth_bytes_per_s",
                             [](const machine_entry& e) { return sizer::number(first(e).memory.bandwidth_spec.value); })
      .def_property_readonly("bandwidth_measured_bytes_per_s",
                             [](const machine_entry& e) { return number_or_none(first(e).memory.bandwidth_measured); })
      .def_property_readonly("last_level_cache_bytes", &last_level_cache)
      .def_property_readonly("price", [](const machine_entry& e) { return price_or_none(e.machine); })
      .def(
          "__eq__", [](const machine_entry& a, const machine_entry& b) { return a == b; }, py::is_operator())
      .def("__hash__", [](const machine_entry& e) { return hash_of(e.machine.id, e.machine.name); })
      .def(pickle_as_json<machine_entry>(&sizer::read_machine_json));
}

}  // namespace sizer_python
