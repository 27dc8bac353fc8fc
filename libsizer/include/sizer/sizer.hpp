#pragma once
/// @file
/// libsizer: what a language model needs on a machine, whether it fits, how fast it will be, and which machine to look
/// at.
///
/// Everything here is a pure function of values: an `architecture` (what the model is), a `machine` (what it runs on),
/// a `quantization`, an `engine` (whose allocation rules apply) and a `workload` give an `estimate_result`. Headers are
/// included below in the order in which data flows. The catalogue of known models and machines is a compiled part of
/// its own: <sizer/catalog/catalog.hpp>. Arrays over grids are in <sizer/sweep.hpp>, which brings in Eigen.

// IWYU pragma: begin_exports
#include <sizer/error.hpp>
#include <sizer/names.hpp>
#include <sizer/sourced.hpp>
#include <sizer/units.hpp>
#include <sizer/version.hpp>

#include <sizer/hardware/machine.hpp>

#include <sizer/model/architecture.hpp>
#include <sizer/model/expand.hpp>
#include <sizer/model/family.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/model/names.hpp>

#include <sizer/engine/engine.hpp>
#include <sizer/engine/llama_cpp.hpp>
#include <sizer/engine/runtime_overhead.hpp>
#include <sizer/workload.hpp>

#include <sizer/memory/breakdown.hpp>
#include <sizer/memory/engine_memory.hpp>
#include <sizer/memory/file_weights.hpp>
#include <sizer/memory/gguf_file.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/memory/stored_tensors.hpp>
#include <sizer/memory/weights.hpp>

#include <sizer/placement/block_choice.hpp>
#include <sizer/placement/placement.hpp>
#include <sizer/placement/site.hpp>

#include <sizer/speed/decode.hpp>
#include <sizer/speed/placed.hpp>
#include <sizer/speed/prefill.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/speed/roofline.hpp>

#include <sizer/estimate.hpp>

#include <sizer/decide/audit.hpp>
#include <sizer/decide/compare.hpp>
#include <sizer/decide/handover.hpp>
#include <sizer/decide/plan.hpp>
#include <sizer/decide/plan_limits.hpp>
#include <sizer/decide/residents.hpp>
#include <sizer/decide/solve.hpp>
#include <sizer/decide/speculative.hpp>
// IWYU pragma: end_exports
