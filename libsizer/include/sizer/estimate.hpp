#pragma once
/// @file
/// The main question: what a model needs on a machine, whether it fits, and how fast it decodes and prefills.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/memory/breakdown.hpp>
#include <sizer/memory/engine_memory.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/family.hpp>
#include <sizer/speed/device_rates.hpp>
#include <sizer/speed/fitted_levels.hpp>
#include <sizer/speed/interval.hpp>
#include <sizer/speed/level.hpp>
#include <sizer/speed/measured_cores.hpp>
#include <sizer/speed/placed.hpp>
#include <sizer/speed/rate.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

/// Something an estimate took for granted, for the report.
struct assumption {
  std::string what;  ///< "host memory", "bandwidth"
  std::string why;
  friend bool operator==(const assumption&, const assumption&) = default;
};

struct estimate_result {
  memory_breakdown memory;
  rate_estimate decode;                ///< at workload.depth, workload.batch sequences together
  rate_estimate decode_behind_prompt;  ///< the same at depth + prompt_tokens, where the answer is written
  rate_estimate prefill;               ///< of workload.prompt_tokens from workload.depth
  seconds ttft{};  ///< prefill of the prompt and one decode step after it; loading the model is not in it
  seconds tpot{};  ///< per output token of one sequence, at workload.depth
  std::vector<assumption> assumptions;
  std::vector<used_measurement> measurements;  ///< of this very machine, behind the speeds; empty without a profile
  std::vector<std::string> sources;            ///< keys of data/sources.json behind the machine's figures, each once
};

namespace detail {

inline void note(estimate_result& result, const char* what, figure_kind kind, const std::string& source,
                 const std::string& why) {
  if (kind == figure_kind::assumed) result.assumptions.push_back({what, why.empty() ? "no source found" : why});
  if (source.empty()) return;
  for (const std::string& known : result.sources) {
    if (known == source) return;
  }
  result.sources.push_back(source);
}

/// Says what runs of this very machine changed, or that they were of another engine.
inline void explain_calibration(estimate_result& result, const device& target, const engine& engine) {
  if (!target.calibration) return;
  const machine_calibration& own = *target.calibration;
  const std::string by = own.engine.empty() ? std::string{} : " of " + own.engine;
  if (calibration_of(target, engine) == nullptr) {
    result.assumptions.push_back({"calibration", "the machine is calibrated by runs" + by + "; not used for " +
                                                     std::string{to_string(engine.kind)}});
    return;
  }
  result.measurements.push_back({"speed", "calibrated by " + std::to_string(own.n_decode_rows) + " decode and " +
                                              std::to_string(own.n_prefill_rows) + " prefill runs" + by +
                                              " on this machine" + (own.note.empty() ? "" : " (" + own.note + ")")});
}

/// Lists what the figures of the machine rest on, and where the request leaves what is known.
inline void explain(estimate_result& result, const architecture& model, const machine& machine, const engine& engine) {
  const device& target = machine.devices.front();
  if (!runs_on(engine.kind, target.backend)) {
    result.assumptions.push_back(
        {"engine", std::string{to_string(engine.kind)} +
                       " does not run on this device; the figures are what its rules would give"});
  }
  for (std::size_t i = 1; i < machine.devices.size(); ++i) {
    if (machine.devices[i].backend == backend::cpu) continue;
    result.assumptions.push_back(
        {"devices", "the model lies on " + target.name + "; a plan spreads it over the machine's other devices too"});
    break;
  }
  if (find_family(model.shape.family) == nullptr) {
    result.assumptions.push_back(
        {"family", "'" + model.shape.family + "' is not known; optional tensors are those of a plain transformer"});
  }
  if (rates_of(target, cpu_threads(engine)).matrix_assumed) {
    result.assumptions.push_back({"compute rate", "none is stated for this device; taken from its memory bandwidth"});
  }
  note(result, "usable memory", target.memory.usable.kind, target.memory.usable.source, target.memory.usable.note);
  note(result, "memory bandwidth", target.memory.bandwidth_spec.kind, target.memory.bandwidth_spec.source,
       target.memory.bandwidth_spec.note);
  for (const overhead_line& line : result.memory.overhead) {
    note(result, "device context", line.amount.kind, line.amount.source, line.amount.note);
  }
  for (const pool_usage& pool : result.memory.pools) {
    if (!pool.available_known) {
      result.assumptions.push_back(
          {"host memory", "the machine is a card; the PC around it is taken to hold the host part"});
    }
  }
  const measured_rates* const measured = measured_with(target, cpu_threads(engine));
  if (target.backend == backend::cpu && measured != nullptr && engine.is_llama_cpp()) {
    const bool fitted = measured->vector_halves == fitted_vector_halves;
    result.assumptions.push_back(
        {"engine build",
         std::string{"llama.cpp compiled for the processor it runs on, as pip does; one for AVX2 alone ran "
                     "0.58 to 1.44 times as fast on a processor with AMX"} +
             (fitted ? "" : "; its share of the measured rates is known from that processor only")});
  }
  if (result.decode.parameters_assumed) {
    result.assumptions.push_back(
        {"speed", "no measurement of this device class and backend; parameters of its relatives"});
  }
}

}  // namespace detail

/// @param model    what runs
/// @param weights  its weights in one quantisation (memory/weights.hpp); the same for every machine
/// @param machine  where; its first device (all of its count)
/// @param request  context, batch, prompt; checked against the model's trained context
/// @param engine   the runtime and its options; its context and slots are those of the request unless set by its owner
/// @param table  values of the speed model's levels; another fit than the library's can be put in
/// @throws value_error naming field, value and range
[[nodiscard]] inline estimate_result estimate(const architecture& model, const weights_by_type& weights,
                                              const machine& machine, const workload& request, const engine& engine,
                                              level_table table = fitted_levels) {
  const workload work = checked(request, model.shape.context_length);
  if (machine.devices.empty()) throw value_error{"hardware", "no device", "at least one device"};

  estimate_result result;
  result.memory = engine_memory(model, weights, machine, work, engine);
  result.decode = placed_decode(model, weights, machine, engine, work, table);
  result.prefill = placed_prefill(model, weights, machine, engine, work, table);

  workload behind_prompt = work;
  behind_prompt.depth = work.depth + work.prompt_tokens;
  result.decode_behind_prompt =
      work.prompt_tokens == 0 ? result.decode : placed_decode(model, weights, machine, engine, behind_prompt, table);
  behind_prompt.batch = 1;
  const seconds first_token = work.batch == 1
                                  ? result.decode_behind_prompt.time
                                  : placed_decode(model, weights, machine, engine, behind_prompt, table).time;
  result.ttft = result.prefill.time + first_token;
  result.tpot = result.decode.time;
  detail::explain(result, model, machine, engine);
  result.measurements = measurements_behind(machine.devices.front(), engine, weights);
  detail::explain_calibration(result, machine.devices.front(), engine);
  if (uses_host(model, machine, engine)) {
    const bool stated = machine.host_memory.has_value() || machine.devices.front().memory.unified;
    result.assumptions.push_back(
        {"offload", std::string{"the host's cores run what lies in host memory"} +
                        (stated ? "" : "; the machine states none, so two channels of DDR5-5600 are taken")});
  }
  return result;
}

/// The same from a quantisation.
[[nodiscard]] inline estimate_result estimate(const architecture& model, const machine& machine,
                                              const quantization& quant, const workload& request,
                                              const engine& engine) {
  return estimate(model, weights(model, quant), machine, request, engine);
}

}  // namespace v0
}  // namespace sizer
