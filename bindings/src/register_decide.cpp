/// @file
/// One model on many machines, and the reverse questions about memory. The loops run without the interpreter's lock.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/decide/compare.hpp>
#include <sizer/decide/solve.hpp>

#include "convert.hpp"
#include "convert_estimate.hpp"
#include "register.hpp"
#include "request.hpp"

namespace sizer_python {
namespace {

using sizer::number;

py::list compare(const sizer::model_entry& model, const std::vector<const sizer::machine_entry*>& machines,
                 const request& asked) {
  std::vector<sizer::comparison_row> rows;
  sizer::engine_kind runtime{};
  {
    const py::gil_scoped_release unlocked;
    const question q = resolve(asked, model);
    runtime = q.engine.kind;
    std::vector<const sizer::machine*> plain;
    plain.reserve(machines.size());
    for (const sizer::machine_entry* entry : machines) plain.push_back(&entry->machine);
    rows = sizer::compare(model.architecture, q.loaded.weights, std::span<const sizer::machine* const>{plain}, q.work,
                          [&](const sizer::machine&) { return q.engine; });
  }
  py::list result;
  for (const sizer::comparison_row& row : rows) {
    py::dict one = to_python(row.estimate);
    one["index"] = row.machine;
    one["runs"] = sizer::runs_on(runtime, machines[row.machine]->machine.devices.front().backend);
    one["request_s"] = number(row.request_time);
    one["largest_context"] = row.largest_context;
    result.append(std::move(one));
  }
  return result;
}

std::optional<std::int64_t> largest_context(const sizer::model_entry& model, const sizer::machine_entry& machine,
                                            const request& asked) {
  const py::gil_scoped_release unlocked;
  const question q = resolve(asked, model);
  return sizer::largest_context(model.architecture, q.loaded.weights, machine.machine, q.work, q.engine);
}

std::optional<std::string> best_quantization(const sizer::model_entry& model, const sizer::machine_entry& machine,
                                             const request& asked, const std::vector<std::string>& candidates) {
  const py::gil_scoped_release unlocked;
  std::vector<sizer::quantization> quantizations;
  quantizations.reserve(candidates.size());
  for (const std::string& name : candidates) quantizations.push_back(sizer::find_quantization(name));
  const question q = resolve(asked, model);
  const auto best = sizer::best_quantization(model.architecture, machine.machine, q.work, q.engine,
                                             std::span<const sizer::quantization>{quantizations});
  if (!best) return std::nullopt;
  return std::string{to_string(*best)};
}

}  // namespace

void register_decide(py::module_& m) {
  m.def("compare", &compare, py::arg("model"), py::arg("machines"), py::arg("request"));
  m.def("largest_context", &largest_context, py::arg("model"), py::arg("machine"), py::arg("request"));
  m.def("best_quantization", &best_quantization, py::arg("model"), py::arg("machine"), py::arg("request"),
        py::arg("candidates"));
}

}  // namespace sizer_python
