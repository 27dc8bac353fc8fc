#pragma once
/// @file
/// Shapes and a card that several tests start from.

#include <sizer/hardware/machine.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/units.hpp>

namespace sizer_test {

/// Llama 3.1 8B.
inline sizer::model_shape dense_shape() {
  sizer::model_shape shape;
  shape.n_layers = 32;
  shape.d_model = 4096;
  shape.vocab_size = 128256;
  shape.context_length = 131072;
  shape.n_heads = {32};
  shape.n_kv_heads = {8};
  shape.head_dim_k = 128;
  shape.d_ff = {14336};
  return shape;
}

/// Qwen3-Coder 30B-A3B.
inline sizer::model_shape expert_shape_30b() {
  sizer::model_shape shape = dense_shape();
  shape.family = "qwen3moe";
  shape.n_layers = 48;
  shape.d_model = 2048;
  shape.vocab_size = 151936;
  shape.context_length = 262144;
  shape.n_kv_heads = {4};
  shape.feed_forwards = {{sizer::feed_forward_kind::moe, 1}};
  shape.experts = sizer::expert_shape{128, 8, 768, 0, 0};
  return shape;
}

/// A machine of one card with an RTX 3090's arithmetic.
inline sizer::machine card(sizer::bytes memory, sizer::bytes_per_second bandwidth) {
  using namespace sizer::literals;
  sizer::machine m;
  sizer::device d;
  d.backend = sizer::backend::cuda;
  d.device_class = sizer::device_class::nvidia_consumer;
  d.memory.sold = d.memory.usable = {memory, sizer::figure_kind::vendor, "test", ""};
  d.memory.bandwidth_spec = {bandwidth, sizer::figure_kind::vendor, "test", ""};
  d.compute.fp32 = sizer::sourced<sizer::flop_per_second>{35.6_TFLOPS, sizer::figure_kind::vendor, "test", ""};
  d.compute.bf16 = sizer::sourced<sizer::flop_per_second>{71.0_TFLOPS, sizer::figure_kind::vendor, "test", ""};
  m.devices.push_back(d);
  return m;
}

}  // namespace sizer_test
