/// @file
/// The extension `sizer._cuda`: opens CUDA devices as the KernelDevice of `_core`. It links the CUDA runtime statically
/// and loads the driver when it is first asked, so that it imports where there is none.

#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/probe/kernels.hpp>

#include "probe/cuda/cuda.hpp"
#include "probe/cuda/kernels.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_cuda, m) {
  m.doc() = "CUDA devices for the microbenchmark.";
  // Has KernelDevice, and turns the library's exceptions into Python's for every extension of the process.
  py::module_::import("sizer._core");

  m.def(
      "devices",
      [] {
        sizer::device_list found;
        {
          const py::gil_scoped_release free;  // drivers may take seconds to wake a card
          found = sizer::list_cuda();
        }
        return std::make_pair(found.names, found.reason);
      },
      "Names of the CUDA devices, and the reason why there is none.");
  m.def(
      "open",
      [](std::int32_t index) {
        const py::gil_scoped_release free;
        return sizer::open_cuda(index);
      },
      py::arg("index"), "The device of that place in `devices()`.");

  std::istringstream text{sizer::detail::compiled_architectures()};
  py::list architectures;
  for (std::string one; text >> one;) architectures.append(one);
  m.attr("architectures") = py::tuple(architectures);
}
