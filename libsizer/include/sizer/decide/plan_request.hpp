#pragma once
/// @file
/// What a plan is asked for: what may be chosen, and what must be reached.

#include <cstdint>
#include <string>
#include <vector>

#include <sizer/engine/engine.hpp>
#include <sizer/error.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/ggml_type.hpp>
#include <sizer/units.hpp>
#include <sizer/workload.hpp>

namespace sizer {
inline namespace v0 {

/// What an owner wants of a machine. Zero: not asked for.
struct plan_goals {
  double min_decode = 0;  ///< tokens per second of one sequence, behind the prompt
  seconds max_ttft{};     ///< of the prompt
  bytes reserve{};        ///< memory of every device that stays free
  friend bool operator==(const plan_goals&, const plan_goals&) = default;
};

/// Of the plans that reach the goals: the best quality first, or the quickest.
enum class plan_preference { quality, speed };

/// Weights in one quantisation.
struct plan_weights {
  std::string name;  ///< "Q4_K_M"
  weights_by_type weights;
};

struct plan_request {
  /// What one sequence asks: context, prompt, answer and depth are of each sequence; `batch` of them decode together,
  /// and `parallel` hold a cache.
  workload work;
  sizer::engine engine;  ///< its options hold where the plan does not choose: context, slots, placement, types, ubatch
  std::vector<plan_weights> weights;   ///< to choose from, best quality first; at least one
  std::vector<ggml_type> kv_types;     ///< to choose from, best quality first; at least one
  std::vector<std::int64_t> ubatches;  ///< to choose from; at least one. Only llama.cpp and what wraps it
  bool may_use_host = true;            ///< blocks and experts may lie in the RAM beside cards
  bool only_stated_memory = false;     ///< but not in RAM whose size nobody stated, which would hold anything
  bool may_move_experts = true;        ///< experts may lie there without their block (Ollama cannot)
  plan_goals goals;
  plan_preference prefer = plan_preference::speed;
};

/// @throws value_error naming field, value and range
inline void check(const plan_request& asked) {
  if (asked.weights.empty()) throw value_error{"quant", "none", "at least one quantisation"};
  if (asked.kv_types.empty()) throw value_error{"kv_type", "none", "at least one type"};
  if (asked.ubatches.empty()) throw value_error{"ubatch", "none", "at least one size"};
  if (!(asked.goals.min_decode >= 0.0)) {
    throw value_error{"min_decode", std::to_string(asked.goals.min_decode), "0 or more tokens per second"};
  }
  if (!(number(asked.goals.max_ttft) >= 0.0)) {
    throw value_error{"max_ttft", std::to_string(number(asked.goals.max_ttft)), "0 or more seconds"};
  }
  if (number(asked.goals.reserve) < 0) {
    throw value_error{"reserve", std::to_string(number(asked.goals.reserve)), "0 or more bytes"};
  }
}

}  // namespace v0
}  // namespace sizer
