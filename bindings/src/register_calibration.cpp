/// @file
/// The fit of the speed model: rows and levels as a Python object that the scripts of bench/ fill, and the calibration
/// of one machine by its own rows.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/memory/file_weights.hpp>
#include <sizer/speed/calibration.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/factor.hpp>
#include <sizer/speed/interval.hpp>
#include <sizer/speed/machine_fit.hpp>
#include <sizer/speed/prefill.hpp>
#include <sizer/speed/share.hpp>

#include "convert.hpp"
#include "register.hpp"
#include "request.hpp"

namespace sizer_python {
namespace {

using sizer::calibration;
using sizer::level_values;
using sizer::number;

level_values to_values(const std::vector<double>& given) {
  return Eigen::Map<const level_values>{given.data(), static_cast<Eigen::Index>(given.size())};
}

/// A share as (excess, overlap, amount, levels with their coefficients).
using plain_share = std::tuple<bool, int, double, std::vector<std::pair<std::int32_t, double>>>;

std::size_t add_row(calibration& fit, const std::vector<plain_share>& shares, double seconds, double weight) {
  std::vector<sizer::time_share> row;
  row.reserve(shares.size());
  for (const auto& [excess, overlap, amount, levels] : shares) {
    if (overlap < 0 || overlap > static_cast<int>(sizer::share_overlap::cache_arithmetic))
      throw sizer::value_error{"overlap", std::to_string(overlap), "0 to 4"};
    sizer::time_share& share =
        row.emplace_back(sizer::time_share{excess ? sizer::share_kind::excess : sizer::share_kind::scale,
                                           static_cast<sizer::share_overlap>(overlap),
                                           amount,
                                           {}});
    for (const auto& [level, coefficient] : levels) share.levels.push_back({level, coefficient});
  }
  return fit.add_row(row, seconds, weight);
}

std::vector<double> solve(const calibration& fit, const std::vector<std::uint8_t>& used,
                          const std::vector<double>& start, double settled) {
  level_values found;
  {
    const py::gil_scoped_release unlocked;
    found = fit.fit(used, to_values(start), settled);
  }
  return {found.data(), found.data() + found.size()};
}

std::vector<double> seconds_of_rows(const calibration& fit, const std::vector<double>& values,
                                    const std::vector<std::size_t>& rows) {
  const level_values at = to_values(values);
  std::vector<double> seconds;
  seconds.reserve(rows.size());
  for (const std::size_t row : rows) seconds.push_back(fit.seconds_of(row, at));
  return seconds;
}

/// A row of a benchmark as the library answers it, and the shares that a fit is made from.
///
/// test        "tg" or "pp"
/// tokens      of the prompt, of a prefill
/// depth       cached before it (prefill), or on average while it runs (decode)
/// prompt, made  of an end-to-end rate of decode: its prompt's tokens and those of the answer; else 0
/// file_bytes  of a file whose mix only resembles the recipe; 0: the recipe itself
py::dict timed_row(const sizer::model_entry& model, const sizer::machine_entry& machine, const request& asked,
                   const std::string& test, double tokens, double depth, double prompt, double made,
                   std::int64_t file_bytes, bool others_in_q8_0) {
  const question q = resolve(asked, model);
  const sizer::architecture& shape = model.architecture;
  const sizer::machine& where = machine.machine;
  const auto mix =
      sizer::other_matrices{others_in_q8_0 ? sizer::other_matrices::in_q8_0 : sizer::other_matrices::as_recipe};
  const sizer::weights_by_type weights =
      file_bytes > 0 ? sizer::weights_of_file(shape, asked.quant.value(), sizer::make_bytes(file_bytes), mix)
                     : q.loaded.weights;
  const bool decode = test == "tg";
  const sizer::decode_run run{depth, static_cast<double>(q.work.batch), prompt, made};
  sizer::speed_shares shares;
  sizer::rate_estimate rate;
  if (decode) {
    shares = sizer::decode_shares(shape, weights, where, q.engine, run);
    rate = sizer::estimate_decode_at(shape, weights, where, q.engine, run);
  } else {
    shares = sizer::prefill_shares(shape, weights, where, q.engine, tokens, depth);
    sizer::workload work = q.work;
    work.prompt_tokens = static_cast<std::int64_t>(tokens);
    work.depth = static_cast<std::int64_t>(depth);
    rate = sizer::estimate_prefill(shape, weights, where, q.engine, work);
  }
  const sizer::device& target = where.devices.front();
  const sizer::interval_question spread{decode ? sizer::speed_test::decode : sizer::speed_test::prefill,
                                        sizer::context_of(target, q.engine),
                                        shape.shape.experts.has_value(),
                                        decode ? depth : depth + tokens / 2.0,
                                        run.batch,
                                        static_cast<double>(target.count),
                                        sizer::rare_share(weights),
                                        sizer::has_latent_attention(shape)};
  const auto features = sizer::interval_features(spread, 1);
  py::list plain;
  for (const sizer::speed_share& one : shares) {
    py::list levels;
    for (const sizer::level_part& level : one.levels) {
      levels.append(py::make_tuple(level.key.packed(), level.coefficient, level.centre, level.width));
    }
    plain.append(py::make_tuple(one.kind == sizer::share_kind::excess, static_cast<int>(one.overlap), one.amount,
                                std::move(levels), text(one.name)));
  }
  py::dict result;
  result["tokens_per_s"] = number(rate.rate);
  result["low"] = number(rate.low);
  result["high"] = number(rate.high);
  result["ceiling_tokens_per_s"] = number(rate.ceiling);
  result["produced"] = decode ? run.batch : tokens;
  result["shares"] = std::move(plain);
  result["features"] = std::vector<double>(features.begin(), features.end());
  result["backend"] = static_cast<int>(target.backend);
  result["device_class"] = static_cast<int>(target.device_class);
  result["moe"] = shape.shape.experts.has_value();
  sizer::device by_class = target;
  by_class.calibration.reset();  // of runs that are to be calibrated by, only what the class says counts
  const auto ends = sizer::interval_of(spread, by_class, q.engine);
  sizer::machine_row own{.shares = std::move(shares), .test = spread.test, .low = ends.low, .high = ends.high};
  own.least = (decode ? run.batch : tokens) / number(rate.ceiling);
  result["machine_row"] = std::move(own);
  result["weights_bytes"] = file_bytes > 0 ? file_bytes : number(weights.total);
  result["active_bytes"] = number(weights.active);
  return result;
}

constexpr std::array<std::tuple<const char*, double sizer::machine_calibration::*, sizer::speed_part>, 9>
    parts_of_a_machine{{
        {"weights", &sizer::machine_calibration::weights, sizer::speed_part::weights},
        {"arithmetic", &sizer::machine_calibration::arithmetic, sizer::speed_part::arithmetic},
        {"cache", &sizer::machine_calibration::cache, sizer::speed_part::cache},
        {"attention", &sizer::machine_calibration::attention, sizer::speed_part::attention},
        {"latency", &sizer::machine_calibration::latency, sizer::speed_part::latency},
        {"batch", &sizer::machine_calibration::batch, sizer::speed_part::batch},
        {"matrices", &sizer::machine_calibration::matrices, sizer::speed_part::matrices},
        {"prefill_attention", &sizer::machine_calibration::prefill_attention, sizer::speed_part::prefill_attention},
        {"prefill_traffic", &sizer::machine_calibration::prefill_traffic, sizer::speed_part::prefill_traffic},
    }};

/// The rows with what was measured, solved.
/// @param levels  of another fit than the library's, by key
py::dict calibrate(std::vector<sizer::machine_row> rows, const std::vector<double>& seconds,
                   const std::vector<std::int32_t>& series,
                   const std::optional<std::map<std::uint32_t, double>>& levels) {
  const auto expect = [&](const char* field, std::size_t got) {
    if (got != rows.size())
      throw sizer::value_error{field, std::to_string(got) + " values",
                               "one for each of " + std::to_string(rows.size())};
  };
  expect("seconds", seconds.size());
  expect("series", series.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].seconds = seconds[i];
    rows[i].series = series[i];
  }
  std::vector<sizer::level_value> own_levels;
  if (levels) {
    for (const auto& [key, value] : *levels) own_levels.push_back({key, value});
  }
  sizer::machine_fit fit;
  {
    const py::gil_scoped_release unlocked;
    fit = sizer::calibrate_machine(rows, levels ? sizer::level_table{own_levels} : sizer::fitted_levels);
  }
  const sizer::machine_calibration& own = fit.calibration;
  py::dict found;
  py::dict parts;
  for (const auto& [name, place, part] : parts_of_a_machine) {
    found[name] = own.*place;
    const auto at = static_cast<std::size_t>(part);
    parts[name] = py::make_tuple(fit.part_before[at], fit.part_after[at]);
  }
  found["decode_low"] = own.decode_low;
  found["decode_high"] = own.decode_high;
  found["prefill_low"] = own.prefill_low;
  found["prefill_high"] = own.prefill_high;
  found["n_decode_rows"] = own.n_decode_rows;
  found["n_prefill_rows"] = own.n_prefill_rows;
  py::dict result;
  result["calibration"] = std::move(found);
  result["parts"] = std::move(parts);
  result["before_s"] = fit.before;
  result["after_s"] = fit.after;
  result["held_out_s"] = fit.held_out;
  return result;
}

/// "layer, device_class 0 3"
std::string level_name(std::uint32_t packed) {
  const auto byte = [packed](unsigned shift) { return static_cast<std::uint8_t>(packed >> shift & 0xFFU); };
  return to_string(sizer::level_key{byte(24), byte(16), byte(8), byte(0)});
}

}  // namespace

void register_calibration(py::module_& m) {
  m.def("timed_row", &timed_row, py::arg("model"), py::arg("machine"), py::arg("request"), py::kw_only(),
        py::arg("test"), py::arg("tokens"), py::arg("depth"), py::arg("prompt"), py::arg("made"), py::arg("file_bytes"),
        py::arg("others_in_q8_0"));
  m.def("level_name", &level_name, py::arg("key"));
  const py::class_<sizer::machine_row> row{m, "MachineRow"};  // opaque: what timed_row gives, calibrate_machine takes
  m.def("calibrate_machine", &calibrate, py::arg("rows"), py::kw_only(), py::arg("seconds"), py::arg("series"),
        py::arg("levels") = py::none());
  py::class_<calibration>(m, "Calibration")
      .def(py::init<double>(), py::kw_only(), py::arg("tolerance"))
      .def("add_level", &calibration::add_level, py::kw_only(), py::arg("centre"), py::arg("width"))
      .def("add_row", &add_row, py::arg("shares"), py::kw_only(), py::arg("seconds"), py::arg("weight"))
      .def("fit", &solve, py::kw_only(), py::arg("used"), py::arg("start"), py::arg("settled"))
      .def("seconds", &seconds_of_rows, py::arg("levels"), py::arg("rows"))
      .def_property_readonly("n_rows", &calibration::n_rows)
      .def_property_readonly("n_levels", &calibration::n_levels);
}

}  // namespace sizer_python
