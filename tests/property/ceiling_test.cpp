// No estimate stands above what the machine's spec sheet allows: the whole catalogue, every model on every machine.

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/sizer.hpp>

using namespace sizer;

namespace {

struct setting {
  const char* quant;
  std::int64_t batch;
  bool deep;
};

constexpr std::array settings{setting{"Q4_K_M", 1, false}, setting{"Q8_0", 1, true}, setting{"BF16", 16, true}};

/// Seconds that the spec bandwidth needs for the bytes that every decode step must read, whatever the software: the
/// weights that a token touches (but for its row of the embedding, which the host may look up) and, per sequence, the
/// cache behind it. Written out here, apart from the speed model.
double least_step_seconds(const architecture& model, const weights_by_type& sizes, const device& target,
                          const workload& work, const llama_cpp_options& options) {
  double read = static_cast<double>(number(sizes.active - sizes.row));
  for (const layer& block : model.layers) {
    if (!has_attention(block.mixer)) continue;
    std::int64_t tokens = work.depth;
    if (is_windowed(block.mixer)) tokens = std::min<std::int64_t>(tokens, model.shape.sliding_window);
    if (model.shape.indexer_head_dim > 0) tokens = 0;  // sparse attention reads a part of the cache only
    const bytes row =
        kv_row_bytes(block, options.type_k, options.type_v, std::int64_t{block.n_kv_heads} * block.head_dim_v);
    // A chunk starts empty, so a chunked layer may have nothing to read.
    if (block.mixer == mixer_kind::chunked) tokens = 0;
    read += static_cast<double>(number(row)) * static_cast<double>(tokens) * static_cast<double>(work.batch);
  }
  return read / (number(target.memory.bandwidth_spec.value) * static_cast<double>(target.count));
}

}  // namespace

TEST_CASE("no decode estimate is above its ceiling, and no ceiling above the spec bandwidth") {
  const catalogue& all = catalogue::embedded();
  std::size_t walked = 0;
  std::size_t bad = 0;
  for (const std::string& model_id : all.model_ids()) {
    const architecture& model = all.model(model_id).architecture;
    for (const setting& s : settings) {
      const quantization quant = find_quantization(s.quant);
      const weights_by_type sizes = weights(model, quant);
      workload work;
      work.context = std::min<std::int64_t>(model.shape.context_length, 32768);
      work.batch = work.parallel = s.batch;
      work.depth = s.deep ? work.context / 2 : 0;
      work.prompt_tokens = std::min<std::int64_t>(2048, work.context - work.depth);
      work.output_tokens = 1;
      const engine runtime = make_engine(engine_kind::llama_cpp, work);
      for (const std::string& machine_id : all.machine_ids()) {
        const machine& target = all.machine(machine_id).machine;
        const estimate_result result = estimate(model, target, quant, work, runtime);
        ++walked;
        const double least = least_step_seconds(model, sizes, target.devices.front(), work, runtime.llama_cpp);
        const double most_tokens_per_s = static_cast<double>(s.batch) / least;
        const bool ordered = number(result.decode.low) > 0.0 && result.decode.low <= result.decode.rate &&
                             result.decode.rate <= result.decode.high && result.decode.high <= result.decode.ceiling &&
                             number(result.prefill.low) > 0.0 && result.prefill.low <= result.prefill.rate &&
                             result.prefill.rate <= result.prefill.high &&
                             result.prefill.high <= result.prefill.ceiling;
        const bool physical =
            number(result.decode.ceiling) <= most_tokens_per_s * (1.0 + 1e-9) || model.shape.indexer_head_dim > 0;
        if (ordered && physical && std::isfinite(number(result.ttft))) continue;
        if (++bad <= 10) {
          MESSAGE(model_id << " on " << machine_id << " " << std::string{s.quant} << " batch " << s.batch << ": decode "
                           << number(result.decode.rate) << " [" << number(result.decode.low) << ", "
                           << number(result.decode.high) << "] ceiling " << number(result.decode.ceiling) << " physics "
                           << most_tokens_per_s << "; prefill " << number(result.prefill.rate) << " ceiling "
                           << number(result.prefill.ceiling));
        }
      }
    }
  }
  MESSAGE(walked << " estimates walked");
  CHECK(walked >= 3 * 80 * 150);
  CHECK(bad == 0);
}
