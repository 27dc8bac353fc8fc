#include <sizer/speed/share.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <sizer/model/expand.hpp>
#include <sizer/speed/calibration.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/prefill.hpp>

#include <doctest/doctest.h>

#include "support/sample_models.hpp"

using namespace sizer;
using namespace sizer::literals;

namespace {

speed_share share(share_kind kind, share_overlap overlap, double amount, double z) {
  speed_share one{"part", bound_kind::memory, speed_part::weights, kind, overlap, amount, {}};
  one.levels.add(key_of(speed_factor::layer, level_scope::all), 1.0, z);
  return one;
}

machine card() {
  machine box = sizer_test::card(24_GiB, 936_GB_per_s);
  box.devices.front().compute.fp32 = {make_flop_per_second(35.6e12), figure_kind::vendor, "sheet", ""};
  box.devices.front().compute.fp16 = {make_flop_per_second(142e12), figure_kind::vendor, "sheet", ""};
  box.devices.front().compute.bf16 = {make_flop_per_second(71e12), figure_kind::vendor, "sheet", ""};
  return box;
}

double sum(const std::vector<double>& times) {
  double total = 0.0;
  for (const double time : times) total += time;
  return total;
}

}  // namespace

TEST_CASE("memory adds an excess to full speed, everything else multiplies") {
  const level_table none;
  CHECK(seconds_of(share(share_kind::excess, share_overlap::none, 2.0, std::log(0.25)), none) == doctest::Approx(2.5));
  CHECK(seconds_of(share(share_kind::scale, share_overlap::none, 2.0, std::log(0.25)), none) == doctest::Approx(0.5));
  // However fast a level claims the memory to be, reading takes its time at full speed.
  CHECK(seconds_of(share(share_kind::excess, share_overlap::none, 2.0, -25.0), none) >= 2.0);
}

TEST_CASE("a level of the table replaces the prior's centre, and a calibration of the machine is added") {
  const std::array<level_value, 1> table{{{key_of(speed_factor::layer, level_scope::all).packed(), std::log(3.0)}}};
  const speed_share one = share(share_kind::scale, share_overlap::none, 2.0, 0.0);
  CHECK(seconds_of(one, table) == doctest::Approx(6.0));
  machine_calibration own;
  own.weights = std::log(2.0);
  CHECK(seconds_of(one, table, &own) == doctest::Approx(12.0));
}

TEST_CASE("what overlaps takes no less than its longer side and no more than both") {
  for (const double arithmetic : {0.01, 0.5, 1.0, 2.0, 50.0}) {
    const speed_shares both{share(share_kind::scale, share_overlap::weights_memory, 1.0, 0.0),
                            share(share_kind::scale, share_overlap::weights_arithmetic, arithmetic, 0.0)};
    const double time = sum(times_of(both, {}));
    CHECK(time >= std::max(1.0, arithmetic) - 1e-12);
    CHECK(time <= 1.0 + arithmetic);
    const speed_shares apart{share(share_kind::scale, share_overlap::weights_memory, 1.0, 0.0),
                             share(share_kind::scale, share_overlap::cache_arithmetic, arithmetic, 0.0)};
    CHECK(sum(times_of(apart, {})) == doctest::Approx(1.0 + arithmetic));
  }
}

TEST_CASE("a fit and an estimate make the same time of the same shares") {
  const architecture model = make_architecture(sizer_test::expert_shape_30b());
  const weights_by_type sizes = weights(model, find_quantization("Q4_K_M"));
  for (const backend where : {backend::cuda, backend::vulkan, backend::metal, backend::cpu}) {
    machine box = card();
    box.devices.front().backend = where;
    workload work;
    work.context = 32768;
    const engine runtime = make_engine(engine_kind::llama_cpp, work);
    for (const speed_shares& shares : {decode_shares(model, sizes, box, runtime, {.depth = 8192, .batch = 4}),
                                       prefill_shares(model, sizes, box, runtime, 4096, 8192)}) {
      calibration fit{0.1};
      std::vector<time_share> row;
      std::vector<double> values;
      for (const speed_share& one : shares) {
        time_share plain{one.kind, one.overlap, one.amount, {}};
        for (const level_part& level : one.levels) {
          const level_value* found = find_level(fitted_levels, level.key);
          values.push_back(found != nullptr ? found->value : static_cast<double>(level.centre));
          plain.levels.push_back({fit.add_level(0.0, 1.0), static_cast<double>(level.coefficient)});
        }
        row.push_back(plain);
      }
      fit.add_row(row, 1.0, 1.0);
      const auto n = static_cast<Eigen::Index>(values.size());
      const level_values at = Eigen::Map<const level_values>(values.data(), n);
      CHECK(fit.seconds_of(0, at) == doctest::Approx(sum(times_of(shares, fitted_levels))).epsilon(1e-9));
    }
  }
}

TEST_CASE("no list of levels is longer than it can hold, and every share has one") {
  for (const model_shape& shape : {sizer_test::dense_shape(), sizer_test::expert_shape_30b()}) {
    const architecture model = make_architecture(shape);
    for (const char* quant : {"F16", "BF16", "Q8_0", "Q4_K_M", "Q2_K"}) {
      const weights_by_type sizes = weights(model, find_quantization(quant));
      for (const backend where : {backend::cuda, backend::rocm, backend::vulkan, backend::metal, backend::cpu}) {
        for (const std::int64_t build : {0, 2800, 7000}) {
          machine box = card();
          box.devices.front().backend = where;
          box.devices.front().count = 2;
          workload work;
          work.context = 32768;
          engine runtime = make_engine(engine_kind::llama_cpp, work);
          runtime.llama_cpp.build = build;
          for (const bool flash : {false, true}) {
            runtime.llama_cpp.flash_attention = flash;
            for (const speed_shares& shares : {decode_shares(model, sizes, box, runtime, {.depth = 100, .batch = 2}),
                                               prefill_shares(model, sizes, box, runtime, 512, 0)}) {
              for (const speed_share& one : shares) {
                CHECK(one.amount > 0.0);
                CHECK(one.levels.size() < level_list::capacity);
              }
            }
          }
        }
      }
    }
  }
}

TEST_CASE("a level has a name that says what it belongs to") {
  const level_key key = key_of(speed_factor::unpacking, level_scope::format_backend, 3, 2);
  CHECK(to_string(key) == "unpacking, format_backend 3 2");
  CHECK(to_string(static_cast<speed_factor>(n_speed_factors - 1)) == "operation");
  CHECK(to_string(static_cast<level_scope>(n_level_scopes - 1)) == "before_change");
}
