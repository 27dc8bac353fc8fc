#pragma once
/// @file
/// Estimates as dicts whose keys are the public names.

#include <pybind11/pybind11.h>

#include <sizer/estimate.hpp>

namespace sizer_python {

[[nodiscard]] pybind11::dict to_python(const sizer::memory_breakdown& memory);
[[nodiscard]] pybind11::dict to_python(const sizer::pool_usage& pool);
[[nodiscard]] pybind11::dict to_python(const sizer::rate_estimate& rate);
/// memory, decode, decode_behind_prompt, prefill, ttft_s, tpot_s, assumptions and sources.
[[nodiscard]] pybind11::dict to_python(const sizer::estimate_result& result);

}  // namespace sizer_python
