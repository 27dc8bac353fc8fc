#pragma once
/// @file
/// What an engine makes of the rates that the microbenchmark measures. Written by bench/engine_efficiency.py; do
/// not edit.

#include <cstdint>

#include <sizer/speed/weight_format.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// llama.cpp on CPU cores.
struct engine_efficiency {
  per_format<double>
      weights;            ///< the engine's weights per second over those of the kernel of the same (or nearest) type
  double attention_row;   ///< the engine's time for a query head and cached token over that of attention_by_row
  double attention_rest;  ///< further operations, at the attention kernel's rate, for each element of a head that
                          ///< does not fill the engine's vectors
  double barriers;        ///< meetings of the threads in a layer
  double layer;           ///< further time of a layer (s)
  double low, high;       ///< the 80 % interval as factors of the point
  std::int32_t n_rows;    ///< measurements behind the values
};

// clang-format off
inline constexpr engine_efficiency llama_cpp_efficiency{
    // f32, f16, bf16, q8_0, q4_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4, iq_small, mxfp4, nvfp4, packed, bf16_experts
    {{0.776, 0.776, 0.776, 0.868, 1.026, 0.547, 0.547, 0.595,
      0.547, 0.547, 1.026, 0.547, 1.026, 1.026, 0.868, 0.776}},
    1.118,
    47.78,
    0,
    9.676e-05,
    0.933,
    1.106,
    52};
// clang-format on

}  // namespace detail
}  // namespace v0
}  // namespace sizer
