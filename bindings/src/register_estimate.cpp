/// @file
/// One estimate.

#include <string_view>
#include <utility>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/estimate.hpp>

#include "convert.hpp"
#include "convert_estimate.hpp"
#include "register.hpp"
#include "request.hpp"

namespace sizer_python {
namespace {

using sizer::number;

void add_parts(py::dict& result, const sizer::memory_parts& parts) {
  result["weights_bytes"] = number(parts.weights);
  result["kv_cache_bytes"] = number(parts.kv_cache);
  result["recurrent_state_bytes"] = number(parts.recurrent_state);
  result["compute_buffer_bytes"] = number(parts.compute_buffer);
  result["overhead_bytes"] = number(parts.overhead);
  result["total_bytes"] = number(parts.total());
}

py::dict line_to_python(const sizer::overhead_line& line) {
  py::dict result;
  result["name"] = text(line.name);
  result["amount_bytes"] = number(line.amount.value);
  result["kind"] = text(to_string(line.amount.kind));
  result["source"] = line.amount.source;
  result["note"] = line.amount.note;
  return result;
}

/// What the files of the model left open.
void add_assumptions(sizer::estimate_result& result, const sizer::model_entry& model,
                     const sizer::loaded_weights& loaded) {
  for (const std::string& note : loaded.notes) result.assumptions.push_back({"weights", note});
  if (!model.file) return;
  for (const std::string& note : model.file->notes) result.assumptions.push_back({"model file", note});
  for (const sizer::companion_file& companion : model.file->companions) {
    if (companion.counted) continue;
    result.assumptions.push_back({companion.role, companion.name + " (" + std::to_string(number(companion.size)) +
                                                      " bytes of tensors) lies beside the model and is not counted"});
  }
}

py::dict estimate(const sizer::model_entry& model, const sizer::machine_entry& machine, const request& asked) {
  sizer::estimate_result result;
  {
    const py::gil_scoped_release unlocked;
    const question q = resolve(asked, model);
    result = sizer::estimate(model.architecture, q.loaded.weights, machine.machine, q.work, q.engine);
    add_assumptions(result, model, q.loaded);
  }
  return to_python(result);
}

}  // namespace

py::dict to_python(const sizer::pool_usage& pool) {
  py::dict result;
  result["name"] = text(pool.name);
  add_parts(result, pool.parts);
  result["available_bytes"] = number(pool.available);
  result["available_known"] = pool.available_known;
  result["headroom_bytes"] = number(pool.headroom());
  result["fits"] = pool.fits();
  return result;
}

py::dict to_python(const sizer::memory_breakdown& memory) {
  py::dict result;
  add_parts(result, memory.parts);
  result["available_bytes"] = number(memory.available);
  result["headroom_bytes"] = number(memory.headroom());
  result["fits"] = memory.fits();
  py::list pools;
  for (const sizer::pool_usage& pool : memory.pools) pools.append(to_python(pool));
  result["pools"] = std::move(pools);
  py::list lines;
  for (const sizer::overhead_line& line : memory.overhead) lines.append(line_to_python(line));
  result["overhead_lines"] = std::move(lines);
  result["devices"] = memory.devices;
  result["kv_cells"] = memory.kv_cells;
  result["kv_bytes_per_token"] = memory.kv_bytes_per_token;
  result["compute_moment"] = text(memory.compute_moment);
  return result;
}

py::dict to_python(const sizer::rate_estimate& rate) {
  py::dict result;
  result["tokens_per_s"] = number(rate.rate);
  result["low"] = number(rate.low);
  result["high"] = number(rate.high);
  result["ceiling_tokens_per_s"] = number(rate.ceiling);
  result["bound"] = text(to_string(rate.bound));
  result["time_s"] = number(rate.time);
  py::list terms;
  for (const sizer::time_term& term : rate.terms) {
    py::dict one;
    one["name"] = text(term.name);
    one["seconds"] = number(term.time);
    one["bound"] = text(to_string(term.kind));
    terms.append(std::move(one));
  }
  result["terms"] = std::move(terms);
  result["parameters_assumed"] = rate.parameters_assumed;
  return result;
}

py::dict to_python(const sizer::estimate_result& result) {
  py::dict plain;
  plain["memory"] = to_python(result.memory);
  plain["decode"] = to_python(result.decode);
  plain["decode_behind_prompt"] = to_python(result.decode_behind_prompt);
  plain["prefill"] = to_python(result.prefill);
  plain["ttft_s"] = number(result.ttft);
  plain["tpot_s"] = number(result.tpot);
  py::list assumptions;
  for (const sizer::assumption& one : result.assumptions) {
    py::dict entry;
    entry["what"] = one.what;
    entry["why"] = one.why;
    assumptions.append(std::move(entry));
  }
  plain["assumptions"] = std::move(assumptions);
  py::list measurements;
  for (const sizer::used_measurement& one : result.measurements) {
    py::dict entry;
    entry["what"] = one.what;
    entry["measured"] = one.from;
    measurements.append(std::move(entry));
  }
  plain["measurements"] = std::move(measurements);
  plain["sources"] = py::cast(result.sources);
  return plain;
}

void register_estimate(py::module_& m) {
  m.def("estimate", &estimate, py::arg("model"), py::arg("machine"), py::arg("request"));
}

}  // namespace sizer_python
