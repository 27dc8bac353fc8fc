#pragma once
/// @file
/// The records that speed/fitted_parameters.hpp is a table of. Only the fit (bench/fit_speed.py) writes them.

#include <cstdint>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/speed/work.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Engines that run the same kernels.
enum class kernel_family : std::uint8_t { llama_cpp, vllm, mlx };

constexpr kernel_family kernels_of(engine_kind kind) noexcept {
  switch (kind) {
    case engine_kind::vllm: return kernel_family::vllm;
    case engine_kind::mlx: return kernel_family::mlx;
    default: return kernel_family::llama_cpp;
  }
}

/// Kernels of a backend that a record of the table refers to.
struct format_factors {
  backend where;
  per_format<double> excess;      ///< weight_excess over that of q8_0
  per_format<double> arithmetic;  ///< weight_arithmetic
  per_format<double> gemm;        ///< gemm over that of q8_0
};

/// One line of the fitted table. device_class::other holds the backend's own values, for classes without measurements.
struct fitted_record {
  kernel_family kernels;
  backend where;
  device_class what;
  double excess, kv_excess, latent_excess, attention, latent_attention;
  double layer, moe_layer, recurrent_layer;  ///< seconds
  double batch;
  double gemm, routed_gemm, small_expert, prefill_attention, prefill_latent_attention, stream_excess;
  double prefill_layer, recurrent_token;  ///< seconds
  double decode_low, decode_high, prefill_low, prefill_high;
  std::int32_t n_decode_rows, n_prefill_rows, n_devices;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
