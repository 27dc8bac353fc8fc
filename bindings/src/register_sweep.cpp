/// @file
/// Many estimates as columns of numbers. The grid is laid out in Python; here every cell is one estimate(), so that the
/// numbers are those of the scalar call. The loop runs without the interpreter's lock.

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/error.hpp>
#include <sizer/estimate.hpp>

#include "register.hpp"
#include "request.hpp"

namespace py = pybind11;

namespace sizer_python {
namespace {

using sizer::estimate_result;
using sizer::number;

struct integer_column {
  const char* name;
  std::int64_t (*read)(const estimate_result&);
};
struct real_column {
  const char* name;
  double (*read)(const estimate_result&);
};

constexpr auto integer_columns = std::to_array<integer_column>({
    {"weights_bytes", [](const estimate_result& e) { return number(e.memory.parts.weights); }},
    {"kv_cache_bytes", [](const estimate_result& e) { return number(e.memory.parts.kv_cache); }},
    {"recurrent_state_bytes", [](const estimate_result& e) { return number(e.memory.parts.recurrent_state); }},
    {"compute_buffer_bytes", [](const estimate_result& e) { return number(e.memory.parts.compute_buffer); }},
    {"overhead_bytes", [](const estimate_result& e) { return number(e.memory.parts.overhead); }},
    {"total_bytes", [](const estimate_result& e) { return number(e.memory.total()); }},
    {"available_bytes", [](const estimate_result& e) { return number(e.memory.available); }},
    {"headroom_bytes", [](const estimate_result& e) { return number(e.memory.headroom()); }},
});

constexpr auto real_columns = std::to_array<real_column>({
    {"decode_tokens_per_s", [](const estimate_result& e) { return number(e.decode.rate); }},
    {"decode_low", [](const estimate_result& e) { return number(e.decode.low); }},
    {"decode_high", [](const estimate_result& e) { return number(e.decode.high); }},
    {"decode_ceiling_tokens_per_s", [](const estimate_result& e) { return number(e.decode.ceiling); }},
    {"prefill_tokens_per_s", [](const estimate_result& e) { return number(e.prefill.rate); }},
    {"prefill_low", [](const estimate_result& e) { return number(e.prefill.low); }},
    {"prefill_high", [](const estimate_result& e) { return number(e.prefill.high); }},
    {"prefill_ceiling_tokens_per_s", [](const estimate_result& e) { return number(e.prefill.ceiling); }},
    {"ttft_s", [](const estimate_result& e) { return number(e.ttft); }},
    {"tpot_s", [](const estimate_result& e) { return number(e.tpot); }},
});

/// @param models, machines, requests  of equal length, one of each per cell
py::dict sweep(const std::vector<const sizer::model_entry*>& models,
               const std::vector<const sizer::machine_entry*>& machines, const std::vector<const request*>& requests) {
  const std::size_t cells = requests.size();
  if (models.size() != cells || machines.size() != cells) throw py::value_error("lists of different length");

  py::dict result;
  std::vector<std::int64_t*> integers;
  std::vector<double*> reals;
  for (const integer_column& column : integer_columns) {
    py::array_t<std::int64_t> array{static_cast<py::ssize_t>(cells)};
    integers.push_back(array.mutable_data());
    result[column.name] = std::move(array);
  }
  for (const real_column& column : real_columns) {
    py::array_t<double> array{static_cast<py::ssize_t>(cells)};
    reals.push_back(array.mutable_data());
    result[column.name] = std::move(array);
  }
  py::array_t<bool> fits{static_cast<py::ssize_t>(cells)};
  bool* const fits_data = fits.mutable_data();
  result["fits"] = std::move(fits);

  const py::gil_scoped_release unlocked;
  for (std::size_t i = 0; i < cells; ++i) {
    const question q = resolve(*requests[i], *models[i]);
    const estimate_result one =
        sizer::estimate(models[i]->architecture, q.loaded.weights, machines[i]->machine, q.work, q.engine);
    for (std::size_t c = 0; c < integers.size(); ++c) integers[c][i] = integer_columns[c].read(one);
    for (std::size_t c = 0; c < reals.size(); ++c) reals[c][i] = real_columns[c].read(one);
    fits_data[i] = one.memory.fits();
  }
  return result;
}

}  // namespace

void register_sweep(py::module_& m) {
  m.def("sweep", &sweep, py::arg("models"), py::arg("machines"), py::arg("requests"));
}

}  // namespace sizer_python
