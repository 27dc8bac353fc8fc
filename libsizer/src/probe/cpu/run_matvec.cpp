/// @file
/// Runs the products of a matrix in ggml's blocks with one vector: what decode does with weights.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cpu_run.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

struct f16_block {
  std::uint16_t values[32];
};
void fill_block(f16_block& block, std::uint64_t index) {
  for (std::uint64_t i = 0; i < 32; ++i) block.values[i] = float_to_half(scrambled_unit(index * 32 + i));
}
float weight_of(const f16_block& block, int i) { return half_to_float(block.values[i]); }

// Prime, so that neither rows nor the shares of threads repeat.
constexpr std::size_t pattern_blocks = 4093;

/// The vector, as floats and as the quantised dot products take it.
class test_vector {
 public:
  explicit test_vector(std::size_t columns)
      : values_(columns), q_(columns), scale_(columns / 32), scaled_sum_(columns / 32) {
    for (std::size_t i = 0; i < columns; ++i) values_[i] = scrambled_unit(i + 1000003);
    for (std::size_t b = 0; b < columns / 32; ++b) {
      float largest = 0;
      for (std::size_t i = 32 * b; i < 32 * b + 32; ++i) largest = std::max(largest, std::abs(values_[i]));
      scale_[b] = largest / 127.0f;
      std::int32_t sum = 0;
      for (std::size_t i = 32 * b; i < 32 * b + 32; ++i) {
        q_[i] = static_cast<std::int8_t>(largest > 0 ? std::lround(values_[i] / scale_[b]) : 0);
        sum += q_[i];
      }
      scaled_sum_[b] = scale_[b] * static_cast<float>(sum);
    }
  }
  [[nodiscard]] prepared_vector view() const { return {values_.data(), q_.data(), scale_.data(), scaled_sum_.data()}; }
  /// What a product multiplies with: the float, or the rounded value.
  [[nodiscard]] double at(std::size_t i, bool rounded) const {
    return rounded ? double{scale_[i / 32]} * static_cast<double>(q_[i]) : double{values_[i]};
  }

 private:
  std::vector<float> values_;
  std::vector<std::int8_t> q_;
  std::vector<float> scale_;
  std::vector<float> scaled_sum_;
};

using matvec_function = void (*)(const void*, const prepared_vector&, float*, size_t, size_t);

template <class Block>
void run_format(cpu_run& run, std::size_t weights_per_block, bool rounded, matvec_function multiply) {
  const std::size_t columns =
      run.request.shape.columns == 0 ? 4096 : static_cast<std::size_t>(run.request.shape.columns);
  if (columns % 256 != 0 || columns < 256 || columns > 1048576) {
    throw value_error{"columns", std::to_string(run.request.shape.columns), "a multiple of 256, 256 to 1048576"};
  }
  const std::size_t blocks = columns / weights_per_block;
  const std::size_t row_bytes = blocks * sizeof(Block);
  const std::size_t rows = run.working_set() / row_bytes;
  if (rows < static_cast<std::size_t>(run.threads)) {
    throw value_error{"working_set", std::to_string(run.working_set()) + " bytes",
                      "at least " + std::to_string(row_bytes * static_cast<std::size_t>(run.threads)) +
                          " bytes: a row for each thread"};
  }
  const std::size_t size = rows * row_bytes;
  run.result.working_set = make_bytes(static_cast<std::int64_t>(size));
  run.result.shape.columns = static_cast<std::int64_t>(columns);

  unsigned char* const matrix = run.memory(size);
  if (!run.arena.becomes(run.result.kernel + " " + std::to_string(size))) {
    std::vector<Block> pattern(pattern_blocks);
    for (std::size_t i = 0; i < pattern_blocks; ++i) fill_block(pattern[i], i);
    run.once([&](std::int32_t t) {
      const share mine = share_of(rows, t, run.threads);
      for (std::size_t at = mine.begin * blocks; at < mine.end * blocks;) {
        const std::size_t n = std::min(pattern_blocks - at % pattern_blocks, mine.end * blocks - at);
        std::memcpy(matrix + at * sizeof(Block), &pattern[at % pattern_blocks], n * sizeof(Block));
        at += n;
      }
    });
  }

  const test_vector x{columns};
  const prepared_vector view = x.view();
  std::vector<float> y(rows);
  const std::int64_t passes = run.passes();
  run.sample({}, [&](std::int32_t t) {
    const share mine = share_of(rows, t, run.threads);
    for (std::int64_t p = 0; p < passes; ++p) {
      multiply(matrix + mine.begin * row_bytes, view, y.data() + mine.begin, mine.size(), columns);
    }
  });

  double error = 0;
  const auto check = [&](std::size_t row) {
    double right = 0;
    double possible = 0;
    for (std::size_t b = 0; b < blocks; ++b) {
      Block block;
      std::memcpy(&block, matrix + row * row_bytes + b * sizeof(Block), sizeof(Block));
      for (std::size_t i = 0; i < weights_per_block; ++i) {
        const double term = double{weight_of(block, static_cast<int>(i))} * x.at(b * weights_per_block + i, rounded);
        right += term;
        possible += std::abs(term);
      }
    }
    error = std::max(error, std::abs(double{y[row]} - right) / possible);
  };
  for (std::int32_t t = 0; t < run.threads; ++t) {  // the ends of every thread's share
    const share mine = share_of(rows, t, run.threads);
    check(mine.begin);
    check(mine.end - 1);
  }
  for (std::uint64_t i = 0; i < 32; ++i) check(scrambled(i) % rows);
  run.verify(error, 1e-5, "rows of the product");
  run.result.moved = make_bytes(static_cast<std::int64_t>(size) * passes);
  run.result.operations =
      make_flop(2.0 * static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(passes));
}

}  // namespace

void run_matvec(cpu_run& run) {
  const std::string& name = run.result.kernel;
  if (name == "matvec_f16") run_format<f16_block>(run, 32, false, run.table.matvec_f16);
  if (name == "matvec_q8_0") run_format<q8_0_block>(run, 32, true, run.table.matvec_q8_0);
  if (name == "matvec_q4_0") run_format<q4_0_block>(run, 32, true, run.table.matvec_q4_0);
  if (name == "matvec_q4_k") run_format<q4_k_block>(run, 256, true, run.table.matvec_q4_k);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
