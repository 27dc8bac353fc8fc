/// @file
/// The roofline, and verdicts on claims.

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/decide/audit.hpp>
#include <sizer/speed/roofline.hpp>

#include "convert.hpp"
#include "register.hpp"
#include "request.hpp"

namespace sizer_python {
namespace {

using sizer::number;

py::dict roofline(const sizer::model_entry& model, const sizer::machine_entry& machine, const request& asked) {
  sizer::roofline roof;
  {
    const py::gil_scoped_release unlocked;
    const question q = resolve(asked, model);
    roof = sizer::roofline_ceiling(model.architecture, q.loaded.weights, machine.machine, q.engine,
                                   static_cast<double>(q.work.depth), static_cast<double>(q.work.batch));
  }
  py::dict result;
  result["tokens_per_s"] = number(roof.ceiling);
  result["step_s"] = number(roof.step);
  result["bytes_per_token"] = number(roof.bytes_per_token);
  result["flop_per_token"] = number(roof.flop_per_token);
  result["bandwidth_bytes_per_s"] = number(roof.bandwidth);
  result["flop_per_s"] = number(roof.arithmetic);
  result["bound"] = text(to_string(roof.bound));
  return result;
}

/// Plain numbers of any unit: which one it is, the caller knows.
std::string judge_amount(double low, double high, double expected_low, double expected_high,
                         const std::optional<double>& limit, bool more_is_better, double tolerance) {
  const sizer::amount_limits<double> known{{expected_low, expected_high}, limit};
  return std::string{to_string(
      sizer::judge_amount({low, high}, known, more_is_better ? sizer::better::more : sizer::better::less, tolerance))};
}

std::string judge_fit(bool claimed, bool fits) { return std::string{to_string(sizer::judge_fit(claimed, fits))}; }

std::vector<std::string> verdicts() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < sizer::n_verdicts; ++i) names.emplace_back(to_string(static_cast<sizer::verdict>(i)));
  return names;
}

sizer::verdict verdict_named(const std::string& name) {
  for (std::size_t i = 0; i < sizer::n_verdicts; ++i) {
    const auto one = static_cast<sizer::verdict>(i);
    if (to_string(one) == name) return one;
  }
  throw std::invalid_argument{"no verdict: " + name};
}

std::string more_favourable(const std::string& a, const std::string& b) {
  return std::string{to_string(sizer::more_favourable(verdict_named(a), verdict_named(b)))};
}

}  // namespace

void register_audit(py::module_& m) {
  m.def("roofline", &roofline, py::arg("model"), py::arg("machine"), py::arg("request"));
  m.def("judge_amount", &judge_amount, py::arg("low"), py::arg("high"), py::arg("expected_low"),
        py::arg("expected_high"), py::arg("limit"), py::arg("more_is_better"), py::arg("tolerance"));
  m.def("judge_fit", &judge_fit, py::arg("claimed"), py::arg("fits"));
  m.def("verdicts", &verdicts);
  m.def("more_favourable", &more_favourable, py::arg("a"), py::arg("b"));
}

}  // namespace sizer_python
