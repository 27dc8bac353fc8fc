#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "probe/blocks.hpp"
#include "probe/cpu/cpu_support.hpp"

using namespace sizer;
using detail::attention_part;
using detail::cpu_kernels;

namespace {

enum class kv_format { f16, q8_0 };

/// Keys or values in their format and as what they stand for.
struct cache_rows {
  std::vector<char> stored;
  std::vector<double> values;
};

struct attention_case {
  kv_format format = kv_format::f16;
  std::size_t tokens = 0;
  std::size_t kv_heads = 0;
  std::size_t group = 0;
  std::size_t head_dim = 0;
  cache_rows keys;
  cache_rows values;
  std::vector<float> queries;

  [[nodiscard]] std::size_t heads() const { return kv_heads * group; }
  [[nodiscard]] std::size_t row_bytes() const {
    return format == kv_format::f16 ? kv_heads * head_dim * 2 : kv_heads * head_dim / 32 * 34;
  }
};

struct attention_result {
  std::vector<float> largest;
  std::vector<float> sum;
  std::vector<float> weighted;
};

cache_rows filled(kv_format format, std::size_t count, std::uint64_t seed) {
  cache_rows rows;
  if (format == kv_format::f16) {
    rows.stored.resize(count * 2);
    for (std::size_t i = 0; i < count; ++i) {
      const float value = detail::scrambled_unit(seed + i);
      const std::uint16_t half = detail::float_to_half(value);
      std::memcpy(rows.stored.data() + 2 * i, &half, sizeof half);
      rows.values.push_back(static_cast<double>(value));
    }
    return rows;
  }
  rows.stored.resize(count / 32 * sizeof(detail::q8_0_block));
  for (std::size_t b = 0; b < count / 32; ++b) {
    detail::q8_0_block block{};
    detail::fill_block(block, seed + b);
    block.d = detail::float_to_half(detail::half_to_float(block.d) / 4);  // values below about 1
    std::memcpy(rows.stored.data() + b * sizeof block, &block, sizeof block);
    for (int i = 0; i < 32; ++i) rows.values.push_back(static_cast<double>(detail::weight_of(block, i)));
  }
  return rows;
}

attention_case make_case(kv_format format, std::size_t tokens, std::size_t kv_heads, std::size_t group,
                         std::size_t head_dim, float query_size = 0.3f) {
  attention_case made;
  made.format = format;
  made.tokens = tokens;
  made.kv_heads = kv_heads;
  made.group = group;
  made.head_dim = head_dim;
  made.keys = filled(format, tokens * kv_heads * head_dim, 1'000'000);
  made.values = filled(format, tokens * kv_heads * head_dim, 9'000'000);
  for (std::size_t i = 0; i < made.heads() * head_dim; ++i) {
    made.queries.push_back(query_size * detail::scrambled_unit(5'000'000 + i));
  }
  return made;
}

attention_result run(const cpu_kernels& kernels, const attention_case& of, std::size_t first, std::size_t tokens) {
  attention_result result;
  // Not zero: the kernel has to set all of it.
  result.largest.assign(of.heads(), 7);
  result.sum.assign(of.heads(), 7);
  result.weighted.assign(of.heads() * of.head_dim, 7);
  constexpr float mark = 42;
  std::vector<float> scratch(detail::attention_scratch + 1, std::numeric_limits<float>::quiet_NaN());
  scratch.back() = mark;
  attention_part part{};
  part.keys = of.keys.stored.data() + first * of.row_bytes();
  part.values = of.values.stored.data() + first * of.row_bytes();
  part.row_bytes = of.row_bytes();
  part.tokens = tokens;
  part.kv_heads = of.kv_heads;
  part.group = of.group;
  part.head_dim = of.head_dim;
  part.queries = of.queries.data();
  part.largest = result.largest.data();
  part.sum = result.sum.data();
  part.weighted = result.weighted.data();
  part.scratch = scratch.data();
  (of.format == kv_format::f16 ? kernels.attention_f16 : kernels.attention_q8_0)(part);
  CHECK(scratch.back() == mark);
  return result;
}

/// One result of those of several parts; each counts with exp(its largest - the largest).
attention_result merged(const attention_case& of, const std::vector<attention_result>& parts) {
  attention_result all;
  all.largest.assign(of.heads(), -std::numeric_limits<float>::infinity());
  all.sum.assign(of.heads(), 0);
  all.weighted.assign(of.heads() * of.head_dim, 0);
  for (const auto& part : parts) {
    for (std::size_t h = 0; h < of.heads(); ++h) all.largest[h] = std::max(all.largest[h], part.largest[h]);
  }
  for (const auto& part : parts) {
    for (std::size_t h = 0; h < of.heads(); ++h) {
      const float factor = std::exp(part.largest[h] - all.largest[h]);
      all.sum[h] += factor * part.sum[h];
      for (std::size_t i = h * of.head_dim; i < (h + 1) * of.head_dim; ++i) {
        all.weighted[i] += factor * part.weighted[i];
      }
    }
  }
  return all;
}

std::vector<double> reference(const attention_case& of) {
  std::vector<double> out;
  const std::size_t row = of.kv_heads * of.head_dim;
  for (std::size_t h = 0; h < of.heads(); ++h) {
    const std::size_t start = h / of.group * of.head_dim;
    std::vector<double> weights;
    for (std::size_t t = 0; t < of.tokens; ++t) {
      double score = 0;
      for (std::size_t i = 0; i < of.head_dim; ++i) {
        score += static_cast<double>(of.queries[h * of.head_dim + i]) * of.keys.values[t * row + start + i];
      }
      weights.push_back(score);
    }
    const double largest = *std::max_element(weights.begin(), weights.end());
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(weight - largest);
    for (std::size_t i = 0; i < of.head_dim; ++i) {
      double total = 0;
      for (std::size_t t = 0; t < of.tokens; ++t) total += weights[t] * of.values.values[t * row + start + i];
      out.push_back(total / sum);
    }
  }
  return out;
}

/// Largest difference of an element; infinite when one is not a number.
double difference(const attention_case& of, const attention_result& result, const std::vector<double>& expected) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto got = static_cast<double>(result.weighted[i]) / static_cast<double>(result.sum[i / of.head_dim]);
    if (!std::isfinite(got)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::abs(got - expected[i]));
  }
  return worst;
}

/// A score of size s has an error of some s x 2^-24, which is the relative error of its weight; values are below 1.
constexpr double tolerance = 5e-6;

template <class F>
void for_all(F f) {
  for (const cpu_kernels* kernels : detail::supported_cpu_kernels()) {
    for (const kv_format format : {kv_format::f16, kv_format::q8_0}) {
      CAPTURE(std::string{kernels->name});
      CAPTURE(static_cast<int>(format));
      f(*kernels, format);
    }
  }
}

}  // namespace

TEST_CASE("attention equals softmax of scores times values for every group and head size") {
  for_all([](const cpu_kernels& kernels, kv_format format) {
    const auto check = [&](std::size_t tokens, std::size_t kv_heads, std::size_t group, std::size_t head_dim) {
      CAPTURE(tokens);
      CAPTURE(group);
      CAPTURE(head_dim);
      const attention_case of = make_case(format, tokens, kv_heads, group, head_dim);
      CHECK(difference(of, run(kernels, of, 0, tokens), reference(of)) < tolerance);
    };
    for (std::size_t group = 1; group <= 8; ++group) check(77, 2, group, 128);
    for (std::size_t head_dim = 32; head_dim <= 256; head_dim += 32) {
      check(45, 3, 1, head_dim);
      check(45, 3, 5, head_dim);
    }
    check(300, 8, 4, 128);
    check(40, 1, 16, 64);
    check(40, 32, 16, 32);  // more heads than have their scores in the scratch at once
  });
}

TEST_CASE("attention takes every number of tokens") {
  for_all([](const cpu_kernels& kernels, kv_format format) {
    for (std::size_t tokens = 1; tokens <= 70; ++tokens) {
      CAPTURE(tokens);
      const attention_case of = make_case(format, tokens, 1, 3, 64);
      CHECK(difference(of, run(kernels, of, 0, tokens), reference(of)) < tolerance);
    }
  });
}

TEST_CASE("attention over parts merges to attention over all tokens") {
  for_all([](const cpu_kernels& kernels, kv_format format) {
    const attention_case of = make_case(format, 203, 4, 4, 96);
    std::vector<attention_result> parts;
    // The last but one is empty.
    const std::vector<std::size_t> borders{0, 1, 50, 64, 190, 190, 203};
    for (std::size_t i = 0; i + 1 < borders.size(); ++i) {
      parts.push_back(run(kernels, of, borders[i], borders[i + 1] - borders[i]));
    }
    const attention_result all = merged(of, parts);
    const attention_result whole = run(kernels, of, 0, of.tokens);
    CHECK(difference(of, all, reference(of)) < tolerance);
    for (std::size_t h = 0; h < of.heads(); ++h) {
      CHECK(static_cast<double>(all.largest[h]) == doctest::Approx(static_cast<double>(whole.largest[h])));
      CHECK(static_cast<double>(all.sum[h]) == doctest::Approx(static_cast<double>(whole.sum[h])).epsilon(1e-5));
    }
  });
}

TEST_CASE("attention over no tokens is nothing") {
  for_all([](const cpu_kernels& kernels, kv_format format) {
    const attention_case of = make_case(format, 1, 2, 4, 64);
    const attention_result none = run(kernels, of, 0, 0);
    for (const float largest : none.largest) CHECK(largest == -std::numeric_limits<float>::infinity());
    CHECK(std::all_of(none.sum.begin(), none.sum.end(), [](float x) { return x == 0; }));
    CHECK(std::all_of(none.weighted.begin(), none.weighted.end(), [](float x) { return x == 0; }));
  });
}

TEST_CASE("a token with a dominating score gives its value, wherever it stands") {
  for_all([](const cpu_kernels& kernels, kv_format format) {
    for (const std::size_t chosen : {0u, 31u, 32u, 63u, 99u}) {
      CAPTURE(chosen);
      attention_case of = make_case(format, 100, 1, 2, 64);
      // A query along one key, long enough that every other weight is 0 as a float.
      for (std::size_t i = 0; i < of.queries.size(); ++i) {
        of.queries[i] = 1000 * static_cast<float>(of.keys.values[chosen * of.head_dim + i % of.head_dim]);
      }
      const attention_result result = run(kernels, of, 0, of.tokens);
      for (std::size_t h = 0; h < of.heads(); ++h) {
        CHECK(result.sum[h] == 1);
        CHECK(static_cast<double>(result.largest[h]) > 100);
        for (std::size_t i = 0; i < of.head_dim; ++i) {
          CHECK(static_cast<double>(result.weighted[h * of.head_dim + i]) ==
                doctest::Approx(of.values.values[chosen * of.head_dim + i]));
        }
      }
    }
  });
}
