#pragma once
/// @file
/// What each translation unit of the extension adds to the module.

#include <pybind11/pybind11.h>

namespace sizer_python {

void register_errors(pybind11::module_& m);       ///< C++ exceptions as the classes of sizer/_errors.py
void register_model(pybind11::module_& m);        ///< Model
void register_hardware(pybind11::module_& m);     ///< Machine
void register_catalogue(pybind11::module_& m);    ///< Catalogue, validate_json, nearest_names
void register_files(pybind11::module_& m);        ///< load_model and its relatives, model_file
void register_stores(pybind11::module_& m);       ///< manifests and names of Ollama's store
void register_probe(pybind11::module_& m);        ///< DetectedMachine, detect_machine
void register_kernels(pybind11::module_& m);      ///< KernelDevice and what opens one
void register_request(pybind11::module_& m);      ///< Request, names of quantisations, engines and their options
void register_work(pybind11::module_& m);         ///< decode_work, prefill_work
void register_estimate(pybind11::module_& m);     ///< estimate
void register_decide(pybind11::module_& m);       ///< compare, largest_context, best_quantization
void register_plan(pybind11::module_& m);         ///< PlanWish, plan and what belongs to plans
void register_audit(pybind11::module_& m);        ///< roofline, verdicts
void register_calibration(pybind11::module_& m);  ///< Calibration, timed_row
void register_sweep(pybind11::module_& m);        ///< sweep

}  // namespace sizer_python
