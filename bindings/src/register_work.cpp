/// @file
/// What one decode step and one prefill do, without any device: the features that fits of the speed model are made
/// from.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <pybind11/pybind11.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/speed/attention_row.hpp>
#include <sizer/speed/decode_work.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/prefill_work.hpp>
#include <sizer/speed/weight_format.hpp>
#include <sizer/workload.hpp>

#include "convert.hpp"
#include "register.hpp"
#include "request.hpp"

namespace sizer_python {
namespace {

using sizer::number;

/// Values by the name of the weight format, those that are not zero.
template <class Quantity>
py::dict by_format(const sizer::per_format<Quantity>& values) {
  py::dict result;
  for (std::size_t f = 0; f < values.size(); ++f) {
    if (number(values[f]) != 0.0) result[text(to_string(static_cast<sizer::weight_format>(f)))] = number(values[f]);
  }
  return result;
}

py::dict decode_work(const sizer::model_entry& model, const request& asked) {
  const question q = resolve(asked, model);
  const sizer::weights_by_type& weights = q.loaded.weights;
  // One token for each sequence as if each chose its experts at random: no fitted number is in the work.
  const auto batch = static_cast<double>(q.work.batch);
  const sizer::decode_work work = sizer::decode_work_of(model.architecture, weights, static_cast<double>(q.work.depth),
                                                        batch, q.engine.llama_cpp.type_k, q.engine.llama_cpp.type_v,
                                                        sizer::expert_share(model.architecture, batch));
  py::dict result;
  sizer::per_format<sizer::real_bytes> read{};
  sizer::per_format<sizer::flop> unpacked{};
  for (std::size_t f = 0; f < sizer::n_weight_formats; ++f) {
    read[f] = work.weights(f);
    unpacked[f] = work.matrix_products[f] + work.expert_products[f];
  }
  result["weights_bytes"] = by_format(read);
  result["weight_arithmetic_flop"] = by_format(unpacked);
  result["kv_cache_bytes"] = number(work.kv_cache);
  result["latent_cache_bytes"] = number(work.latent_cache);
  result["state_bytes"] = number(work.state);
  result["attention_flop"] = number(work.attention);
  result["latent_attention_flop"] = number(work.latent_attention);
  result["attention_rows"] = work.attention_rows;
  result["batch_flop"] = number(work.token_products) * static_cast<double>(q.work.batch - 1);
  result["layers"] = work.layers;
  result["moe_layers"] = work.moe_layers;
  result["recurrent_layers"] = work.recurrent_layers;
  result["least_bytes"] = number(work.least);
  result["least_flop"] = number(work.least_flop);
  return result;
}

py::dict prefill_work(const sizer::model_entry& model, const request& asked) {
  const question q = resolve(asked, model);
  const sizer::weights_by_type& weights = q.loaded.weights;
  const sizer::prefill_work work =
      sizer::prefill_work_of(model.architecture, weights, static_cast<double>(q.work.prompt_tokens),
                             static_cast<double>(q.work.depth), sizer::prefill_step(q.engine));
  py::dict result;
  result["matrices_flop"] = by_format(work.matrices);
  result["routed_flop"] = by_format(work.routed);
  result["tokens_per_expert"] = work.tokens_per_expert;
  result["attention_flop"] = number(work.attention);
  result["windowed_attention_flop"] = number(work.windowed_attention);
  result["latent_attention_flop"] = number(work.latent_attention);
  result["streamed_bytes"] = number(work.streamed);
  result["activations_bytes"] = number(work.activations);
  result["ubatches"] = work.passes;
  result["layer_passes"] = work.layer_passes;
  result["recurrent_tokens"] = work.recurrent_tokens;
  return result;
}

/// Seconds of one query head and cached token on a measured processor, the mean over the model's layers: of the loop
/// without tiles, and of what does not fill the engine's vectors. bench/engine_efficiency.py fits with it.
py::dict measured_row(const sizer::model_entry& model, const sizer::machine_entry& machine, const request& asked) {
  const question q = resolve(asked, model);
  const sizer::device& target = machine.machine.devices.at(0);
  const sizer::measured_rates* const measured = sizer::measured_with(target, sizer::cpu_threads(q.engine));
  if (measured == nullptr) throw sizer::value_error{"hardware", machine.machine.id, "a machine with measurements"};
  double loop = 0.0;
  double rest = 0.0;
  double heads = 0.0;
  const double reachable = number(sizer::rates_of(target, measured->threads).reachable);
  for (const sizer::layer& block : model.architecture.layers) {
    if (!has_attention(block.mixer)) continue;
    const auto parts = sizer::detail::row_parts_of(*measured, reachable, q.engine.llama_cpp.type_k, block);
    if (!parts) throw sizer::value_error{"hardware", machine.machine.id, "a profile with runs of attention_by_row"};
    loop += parts->loop * block.n_heads;
    rest += parts->rest * block.n_heads;
    heads += block.n_heads;
  }
  py::dict result;
  result["loop_s"] = heads > 0.0 ? loop / heads : 0.0;
  result["rest_s"] = heads > 0.0 ? rest / heads : 0.0;
  return result;
}

}  // namespace

void register_work(py::module_& m) {
  m.def("decode_work", &decode_work, py::arg("model"), py::arg("request"));
  m.def("measured_row", &measured_row, py::arg("model"), py::arg("machine"), py::arg("request"));
  m.def("prefill_work", &prefill_work, py::arg("model"), py::arg("request"));
}

}  // namespace sizer_python
