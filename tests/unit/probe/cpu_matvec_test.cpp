#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "probe/blocks.hpp"
#include "probe/cpu/cpu_support.hpp"
#include "probe/cpu/kernel_table.hpp"

using namespace sizer::detail;

namespace {

enum class content {
  scrambled,
  largest,  ///< every bit of the nibbles, scales and minimums set; q = -127, and 127 in x
  smallest  ///< q = -128, nibbles, scales and minimums 0; the scale is the smallest half
};

/// A vector as the kernels take it. Its floats and its rounded values have nothing to do with each other, so that a
/// kernel that takes the wrong one is found.
struct test_vector {
  test_vector(std::size_t columns, content kind)
      : values(columns), q(columns), scale(columns / 32), scaled_sum(columns / 32) {
    for (std::size_t i = 0; i < columns; ++i) {
      values[i] = scrambled_unit(i + 5);
      const auto any = static_cast<int>(scrambled(i + 77) % 255u) - 127;
      q[i] = static_cast<std::int8_t>(kind == content::largest ? 127 : any);
    }
    for (std::size_t b = 0; b < columns / 32; ++b) {
      scale[b] = 0.5f + static_cast<float>(scrambled(b) % 1000u) / 1000.0f;
      int sum = 0;
      for (std::size_t i = 32 * b; i < 32 * b + 32; ++i) sum += q[i];
      scaled_sum[b] = scale[b] * static_cast<float>(sum);
    }
  }
  [[nodiscard]] prepared_vector view() const { return {values.data(), q.data(), scale.data(), scaled_sum.data()}; }
  [[nodiscard]] double rounded(std::size_t i) const { return double{scale[i / 32]} * q[i]; }

  std::vector<float> values;
  std::vector<std::int8_t> q;
  std::vector<float> scale;
  std::vector<float> scaled_sum;
};

struct f16_weight {
  std::uint16_t half;
};
void fill_block(f16_weight& weight, std::uint64_t index) { weight.half = float_to_half(scrambled_unit(index)); }

constexpr std::uint16_t smallest_half = 1;

void fill_extreme(f16_weight& weight, content kind) {
  weight.half = kind == content::largest ? std::uint16_t{0x7bff} : smallest_half;
}
void fill_extreme(q8_0_block& block, content kind) {
  std::fill(std::begin(block.q), std::end(block.q), static_cast<std::int8_t>(kind == content::largest ? -127 : -128));
  if (kind == content::smallest) block.d = smallest_half;
}
void fill_extreme(q4_0_block& block, content kind) {
  std::memset(block.q, kind == content::largest ? 0xff : 0, sizeof block.q);
  if (kind == content::smallest) block.d = smallest_half;
}
void fill_extreme(q4_k_block& block, content kind) {
  std::memset(block.scales, kind == content::largest ? 0xff : 0, sizeof block.scales);
  std::memset(block.q, kind == content::largest ? 0xff : 0, sizeof block.q);
  if (kind == content::smallest) block.d = block.dmin = smallest_half;
}

/// One product of a weight and an element of x, and how large the parts it is made of are.
struct term {
  double value;
  double size;
};
term term_of(const f16_weight& weight, int, const test_vector& x, std::size_t column) {
  const double value = double{half_to_float(weight.half)} * double{x.values[column]};
  return {value, std::abs(value)};
}
template <class Block>
term term_of(const Block& block, int i, const test_vector& x, std::size_t column) {
  const double value = double{weight_of(block, i)} * x.rounded(column);
  return {value, std::abs(value)};
}
term term_of(const q4_k_block& block, int i, const test_vector& x, std::size_t column) {
  // weight_of rounds the difference; scale and minimum are summed apart by the kernels, and their sizes count.
  const double value = double{weight_of(block, i)} * x.rounded(column);
  const double minimum = double{half_to_float(block.dmin)} * q4_k_scale(block.scales, i / 32).minimum;
  return {value, std::abs(value) + 2 * minimum * std::abs(x.rounded(column))};
}

using matvec_function = void (*)(const void*, const prepared_vector&, float*, std::size_t, std::size_t);

/// The largest error of any row, as a part of the sum of the sizes of its terms.
template <class Block>
double largest_error(matvec_function multiply, std::size_t weights, std::size_t rows, std::size_t columns,
                     content kind) {
  const test_vector x{columns, kind};
  const std::size_t per_row = columns / weights;
  std::vector<Block> matrix(rows * per_row);
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    fill_block(matrix[i], i);
    if (kind != content::scrambled) fill_extreme(matrix[i], kind);
  }
  constexpr float untouched = 12345.0f;
  std::vector<float> y(rows + 2, untouched);
  multiply(matrix.data(), x.view(), y.data() + 1, rows, columns);
  CHECK(y.front() == untouched);
  CHECK(y.back() == untouched);

  double largest = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    double sum = 0;
    double size = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      const term one = term_of(matrix[row * per_row + c / weights], static_cast<int>(c % weights), x, c);
      sum += one.value;
      size += one.size;
    }
    // Not std::max, which would drop a NaN.
    const double error = size > 0 ? std::abs(double{y[row + 1]} - sum) / size : std::abs(double{y[row + 1]});
    if (!(error <= largest)) largest = error;
  }
  return largest;
}

/// Float rounding: sums of whole numbers are exact, and a row adds some hundred floats in several partial sums.
constexpr double rounding = 1e-5;

void check_all(content kind, const std::vector<std::size_t>& all_rows, const std::vector<std::size_t>& all_columns) {
  for (const cpu_kernels* kernels : supported_cpu_kernels()) {
    REQUIRE(kernels != nullptr);
    for (const std::size_t rows : all_rows) {
      for (const std::size_t columns : all_columns) {
        const std::string where =
            std::string{kernels->name} + ", " + std::to_string(rows) + " rows, " + std::to_string(columns) + " columns";
        CAPTURE(where);
        CHECK(largest_error<f16_weight>(kernels->matvec_f16, 1, rows, columns, kind) < rounding);
        CHECK(largest_error<q8_0_block>(kernels->matvec_q8_0, 32, rows, columns, kind) < rounding);
        CHECK(largest_error<q4_0_block>(kernels->matvec_q4_0, 32, rows, columns, kind) < rounding);
        CHECK(largest_error<q4_k_block>(kernels->matvec_q4_k, 256, rows, columns, kind) < rounding);
      }
    }
  }
}

}  // namespace

TEST_CASE("matrix-vector products agree with the plain definition of the blocks on every instruction set") {
  check_all(content::scrambled, {1, 3, 4, 17}, {256, 512, 2816, 4096});
}

TEST_CASE("a matrix without rows writes nothing") { check_all(content::scrambled, {0}, {256, 4096}); }

TEST_CASE("the largest quantised numbers, scales and minimums overflow nothing") {
  check_all(content::largest, {1, 5}, {256, 4096});
}

TEST_CASE("subnormal scales and the most negative weights are multiplied exactly") {
  check_all(content::smallest, {1, 5}, {256, 4096});
}
