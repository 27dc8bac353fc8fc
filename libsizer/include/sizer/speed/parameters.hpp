#pragma once
/// @file
/// What measurements add to the physics: one value per (engine, backend, device class).
///
/// Every parameter is a ratio to a full-speed time, or a time per layer, so a value can be read and a better one put
/// in: `estimate_decode` and `estimate_prefill` take a `speed_parameters`, and the fitted table is only where the
/// default comes from. A calibration to one machine is another `speed_parameters`.
///
///   decode  t = sum_f weights_f / B (1 + weight_excess_f) + weight_flop_f / fp32 x weight_arithmetic_f
///             + kv / B (1 + kv_excess) + attention / fp32 x attention + rows x attention_row
///             + state / B (1 + state_excess)
///             + layers x layer + moe layers x moe_layer + recurrent layers x recurrent_layer
///             + matrix products of further sequences / matrix rate x batch
///   prefill t = sum_f matrices_f / F x gemm_f + routed_f / F x gemm_f x routed_gemm + small experts / F x small_expert
///             + attention / F x prefill_attention + streamed / B (1 + stream_excess)
///             + layer passes x prefill_layer + recurrent tokens x recurrent_token
///   with B the reachable bandwidth, F the dense matrix rate (speed/device_rates.hpp).

#include <cstddef>
#include <cstdint>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/speed/fitted_parameters.hpp>
#include <sizer/speed/fitted_record.hpp>
#include <sizer/speed/work.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

struct speed_parameters {
  per_format<double> weight_excess{};      ///< time above weight bytes / bandwidth, as a share of it
  per_format<double> weight_arithmetic{};  ///< time of unpacking and multiplying over its operations at the FP32 rate
  double kv_excess = 0;
  double latent_excess = 0;
  double state_excess = 0;
  double attention = 0;
  double latent_attention = 0;
  seconds attention_row{};  ///< of one query head and cached token, besides its operations
  seconds layer{};
  seconds moe_layer{};
  seconds recurrent_layer{};
  double batch = 1;
  double expert_overlap = 1;  ///< exponent, see decode_work_of

  per_format<double> gemm{};  ///< time over operations at the matrix rate, at least 1
  double routed_gemm = 1;
  double small_expert = 0;
  double prefill_attention = 1;
  double prefill_latent_attention = 1;
  double stream_excess = 0;
  seconds prefill_layer{};
  seconds recurrent_token{};

  seconds hop{};         ///< from one device to the next in a layer split
  seconds all_reduce{};  ///< one sum over devices in a tensor split, besides its bytes

  double decode_low = 0.5;  ///< the 80 % interval as factors of the point
  double decode_high = 1.5;
  double prefill_low = 0.5;
  double prefill_high = 1.5;

  std::int32_t n_decode_rows = 0;  ///< measurements of this engine, backend and class behind the values
  std::int32_t n_prefill_rows = 0;
  std::int32_t n_devices = 0;  ///< different devices among them

  /// True when the values are those of relatives.
  [[nodiscard]] constexpr bool assumed() const noexcept { return n_decode_rows == 0; }
  friend bool operator==(const speed_parameters&, const speed_parameters&) = default;
};

namespace detail {

inline speed_parameters expand(const fitted_record& record, const format_factors& formats) {
  speed_parameters p;
  for (std::size_t f = 0; f < n_weight_formats; ++f) {
    p.weight_excess[f] = record.excess * formats.excess[f];
    p.weight_arithmetic[f] = formats.arithmetic[f];
    p.gemm[f] = record.gemm * formats.gemm[f];
  }
  p.kv_excess = record.kv_excess;
  p.latent_excess = record.latent_excess;
  p.state_excess = record.excess;
  p.attention = record.attention;
  p.latent_attention = record.latent_attention;
  p.layer = make_seconds(record.layer);
  p.moe_layer = make_seconds(record.moe_layer);
  p.recurrent_layer = make_seconds(record.recurrent_layer);
  p.batch = record.batch;
  p.expert_overlap = fitted_expert_overlap;
  p.routed_gemm = record.routed_gemm;
  p.small_expert = record.small_expert;
  p.prefill_attention = record.prefill_attention;
  p.prefill_latent_attention = record.prefill_latent_attention;
  p.stream_excess = record.stream_excess;
  p.prefill_layer = make_seconds(record.prefill_layer);
  p.recurrent_token = make_seconds(record.recurrent_token);
  p.hop = make_seconds(fitted_hop_seconds);
  p.all_reduce = make_seconds(fitted_all_reduce_seconds);
  p.decode_low = record.decode_low;
  p.decode_high = record.decode_high;
  p.prefill_low = record.prefill_low;
  p.prefill_high = record.prefill_high;
  p.n_decode_rows = record.n_decode_rows;
  p.n_prefill_rows = record.n_prefill_rows;
  p.n_devices = record.n_devices;
  return p;
}

constexpr const format_factors& formats_for(backend where) noexcept {
  for (const format_factors& one : fitted_formats) {
    if (one.where == where) return one;
  }
  return fitted_formats.back();
}

constexpr const fitted_record* find_record(kernel_family kernels, backend where, device_class what) noexcept {
  for (const fitted_record& one : fitted_records) {
    if (one.kernels == kernels && one.where == where && one.what == what) return &one;
  }
  return nullptr;
}

}  // namespace detail

/// The library's fit for a device class. Without measurements of the class: the values of its backend, else those of
/// all (the last record of the table); `assumed()` says so.
[[nodiscard]] inline speed_parameters default_speed_parameters(backend where, device_class what, engine_kind engine) {
  const detail::kernel_family kernels = detail::kernels_of(engine);
  const detail::fitted_record* record = detail::find_record(kernels, where, what);
  if (record == nullptr) record = detail::find_record(kernels, where, device_class::other);
  if (record == nullptr) record = detail::find_record(detail::kernel_family::llama_cpp, where, what);
  if (record == nullptr) record = detail::find_record(detail::kernel_family::llama_cpp, where, device_class::other);
  if (record == nullptr) record = &detail::fitted_records.back();
  speed_parameters p = detail::expand(*record, detail::formats_for(record->where));
  if (record->kernels != kernels || record->where != where || record->what != what) {
    p.n_decode_rows = 0;
    p.n_prefill_rows = 0;
    p.n_devices = 0;
  }
  return p;
}

}  // namespace v0
}  // namespace sizer
