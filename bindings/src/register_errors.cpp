/// @file
/// C++ exceptions become the Python classes of sizer/_errors.py, with their fields.

#include <exception>
#include <string>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/error.hpp>
#include <sizer/probe/kernels.hpp>

#include "register.hpp"

namespace py = pybind11;

namespace sizer_python {
namespace {

/// Sets the Python error `sizer._errors.<name>(*arguments)`.
template <class... Arguments>
void raise(const char* name, const Arguments&... arguments) {
  const py::object type = py::module_::import("sizer._errors").attr(name);
  PyErr_SetObject(type.ptr(), type(arguments...).ptr());
}

void translate(std::exception_ptr thrown) {  // NOLINT(performance-unnecessary-value-param): pybind11 says so
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const sizer::value_error& e) {
    raise("InvalidValueError", e.field(), e.got(), e.expected());
  } catch (const sizer::explained_name_error& e) {
    raise("UnknownNameError", e.looked_up(), e.name(), e.nearest(), e.reason());
  } catch (const sizer::unknown_name_error& e) {
    raise("UnknownNameError", e.looked_up(), e.name(), e.nearest());
  } catch (const sizer::data_error& e) {
    raise("DataError", e.file(), e.where(), e.problem());
  } catch (const sizer::device_error& e) {
    raise("DeviceError", e.what(), e.lost());
  } catch (const sizer::error& e) {
    raise("SizerError", e.what());
  }
}

}  // namespace

void register_errors(py::module_&) { py::register_exception_translator(&translate); }

}  // namespace sizer_python
