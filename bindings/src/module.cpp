/// @file
/// The extension `sizer._core`: one register function a layer, in the order in which data flows. It is private; what
/// users call is in bindings/sizer/, which also checks the types of arguments.

#include <pybind11/pybind11.h>

#include <sizer/version.hpp>

#include "register.hpp"

#if PYBIND11_VERSION_HEX >= 0x020D0000
// All objects are immutable, so that nothing needs the interpreter's lock.
PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
#else
PYBIND11_MODULE(_core, m) {
#endif
  m.doc() = "Private compiled part of sizer. Use `import sizer`.";
  m.attr("__version__") = SIZER_VERSION;
  sizer_python::register_errors(m);
  sizer_python::register_model(m);
  sizer_python::register_hardware(m);
  sizer_python::register_catalogue(m);
  sizer_python::register_files(m);
  sizer_python::register_stores(m);
  sizer_python::register_probe(m);
  sizer_python::register_kernels(m);
  sizer_python::register_request(m);
  sizer_python::register_work(m);
  sizer_python::register_estimate(m);
  sizer_python::register_decide(m);
  sizer_python::register_plan(m);
  sizer_python::register_audit(m);
  sizer_python::register_calibration(m);
  sizer_python::register_sweep(m);
}
