/// @file
/// Runs one decode step's attention over the KV caches of many layers: scores, softmax, weighted sum. The threads share
/// the tokens of each layer, meet, and merge their parts.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu_run.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

// Prime, as in run_matvec.cpp. Blocks of 32 elements.
constexpr std::size_t pattern_blocks = 4093;

std::int64_t checked_size(const char* field, std::int64_t got, std::int64_t usual, std::int64_t least,
                          std::int64_t most, std::int64_t multiple_of) {
  if (got == 0) return usual;
  if (got < least || got > most || got % multiple_of != 0) {
    throw value_error{field, std::to_string(got),
                      (multiple_of > 1 ? "a multiple of " + std::to_string(multiple_of) + ", " : std::string{}) +
                          std::to_string(least) + " to " + std::to_string(most)};
  }
  return got;
}

/// One layer's sizes.
struct layer_sizes {
  std::size_t depth, head_dim, kv_heads, group;
  std::size_t row_bytes;
  [[nodiscard]] std::size_t queries() const { return kv_heads * group; }
  [[nodiscard]] std::size_t layer_bytes() const { return 2 * depth * row_bytes; }  // keys, then values
};

/// What one thread leaves of one layer.
struct partial_result {
  std::vector<float> largest, sum, weighted;
  explicit partial_result(const layer_sizes& sizes)
      : largest(sizes.queries()), sum(sizes.queries()), weighted(sizes.queries() * sizes.head_dim) {}
};

/// Query head h of a layer from the threads' parts.
void merge(const std::vector<partial_result>& parts, std::size_t h, std::size_t head_dim, float* out) {
  float largest = -std::numeric_limits<float>::infinity();
  for (const partial_result& part : parts) largest = std::max(largest, part.largest[h]);
  float sum = 0;
  std::fill(out, out + head_dim, 0.0f);
  for (const partial_result& part : parts) {
    if (!(part.sum[h] > 0)) continue;  // a thread without tokens
    const float weight = std::exp(part.largest[h] - largest);
    sum += weight * part.sum[h];
    for (std::size_t d = 0; d < head_dim; ++d) out[d] += weight * part.weighted[h * head_dim + d];
  }
  for (std::size_t d = 0; d < head_dim; ++d) out[d] /= sum;
}

/// Element d of a head in a row.
double element(const unsigned char* row, std::size_t i, bool q8_0) {
  if (!q8_0) {
    std::uint16_t half = 0;
    std::memcpy(&half, row + 2 * i, 2);
    return double{half_to_float(half)};
  }
  q8_0_block block;
  std::memcpy(&block, row + i / 32 * sizeof block, sizeof block);
  return double{weight_of(block, static_cast<int>(i % 32))};
}

void fill_blocks(unsigned char* data, share blocks, bool q8_0) {
  const std::size_t size = q8_0 ? sizeof(q8_0_block) : 64;
  std::vector<unsigned char> pattern(pattern_blocks * size);
  for (std::size_t b = 0; b < pattern_blocks; ++b) {
    unsigned char* const at = pattern.data() + b * size;
    if (q8_0) {
      q8_0_block block;
      fill_block(block, b);
      std::memcpy(at, &block, sizeof block);
    } else {
      for (std::uint64_t i = 0; i < 32; ++i) {
        const std::uint16_t half = float_to_half(scrambled_unit(b * 32 + i));
        std::memcpy(at + 2 * i, &half, 2);
      }
    }
  }
  for (std::size_t at = blocks.begin; at < blocks.end;) {
    const std::size_t n = std::min(pattern_blocks - at % pattern_blocks, blocks.end - at);
    std::memcpy(data + at * size, pattern.data() + at % pattern_blocks * size, n * size);
    at += n;
  }
}

}  // namespace

void run_attention(cpu_run& run) {
  const bool q8_0 = run.result.kernel.ends_with("q8_0");
  const bool by_row = run.result.kernel.starts_with("attention_by_row");
  const auto attend = by_row ? (q8_0 ? run.table.attention_by_row_q8_0 : run.table.attention_by_row_f16)
                             : (q8_0 ? run.table.attention_q8_0 : run.table.attention_f16);
  kernel_shape& shape = run.result.shape;
  const kernel_shape& asked = run.request.shape;
  shape.depth = checked_size("depth", asked.depth, 4096, 1, 16777216, 1);
  shape.head_dim = checked_size("head_dim", asked.head_dim, 128, 32, 256, 32);
  shape.kv_heads = checked_size("kv_heads", asked.kv_heads, 8, 1, 256, 1);
  shape.group = checked_size("group", asked.group, 4, 1, 64, 1);
  layer_sizes sizes{static_cast<std::size_t>(shape.depth), static_cast<std::size_t>(shape.head_dim),
                    static_cast<std::size_t>(shape.kv_heads), static_cast<std::size_t>(shape.group), 0};
  const std::size_t block_bytes = q8_0 ? sizeof(q8_0_block) : 64;
  sizes.row_bytes = sizes.kv_heads * sizes.head_dim / 32 * block_bytes;
  const std::size_t layers = run.working_set() / sizes.layer_bytes();
  if (layers == 0) {
    throw value_error{"working_set", std::to_string(run.working_set()) + " bytes",
                      "at least " + std::to_string(sizes.layer_bytes()) + " bytes: the cache of one layer"};
  }
  const std::size_t size = layers * sizes.layer_bytes();
  run.result.working_set = make_bytes(static_cast<std::int64_t>(size));

  unsigned char* const cache = run.memory(size);
  if (!run.arena.becomes(run.result.kernel + " " + std::to_string(size))) {
    run.once([&](std::int32_t t) { fill_blocks(cache, share_of(size / block_bytes, t, run.threads), q8_0); });
  }

  std::vector<float> queries(sizes.queries() * sizes.head_dim);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    queries[i] = scrambled_unit(i + 2000003) / std::sqrt(static_cast<float>(sizes.head_dim));
  }
  // Two of each, so that one barrier a layer is enough: who is a layer ahead writes into the other.
  const auto threads = static_cast<std::size_t>(run.threads);
  std::vector<std::vector<partial_result>> parts(2, std::vector<partial_result>(threads, partial_result{sizes}));
  std::vector<std::vector<float>> scratch(threads, std::vector<float>(attention_scratch));
  std::vector<float> out(layers * sizes.queries() * sizes.head_dim);
  spin_barrier barrier{run.threads};
  const std::int64_t passes = run.passes();
  run.sample({}, [&](std::int32_t t) {
    const auto me = static_cast<std::size_t>(t);
    const share tokens = share_of(sizes.depth, t, run.threads);
    const share heads = share_of(sizes.queries(), t, run.threads);
    for (std::size_t step = 0; step < layers * static_cast<std::size_t>(passes); ++step) {
      const std::size_t layer = step % layers;
      const unsigned char* const keys = cache + layer * sizes.layer_bytes();
      std::vector<partial_result>& now = parts[step % 2];
      attention_part part{};
      part.keys = keys + tokens.begin * sizes.row_bytes;
      part.values = keys + (sizes.depth + tokens.begin) * sizes.row_bytes;
      part.row_bytes = sizes.row_bytes;
      part.tokens = tokens.size();
      part.kv_heads = sizes.kv_heads;
      part.group = sizes.group;
      part.head_dim = sizes.head_dim;
      part.queries = queries.data();
      part.largest = now[me].largest.data();
      part.sum = now[me].sum.data();
      part.weighted = now[me].weighted.data();
      part.scratch = scratch[me].data();
      attend(part);
      barrier.wait();
      for (std::size_t h = heads.begin; h < heads.end; ++h) {
        merge(now, h, sizes.head_dim, out.data() + (layer * sizes.queries() + h) * sizes.head_dim);
      }
    }
  });

  double error = 0;
  const auto check = [&](std::size_t layer, std::size_t h) {
    const unsigned char* const keys = cache + layer * sizes.layer_bytes();
    const unsigned char* const values = keys + sizes.depth * sizes.row_bytes;
    const std::size_t first = h / sizes.group * sizes.head_dim;
    std::vector<double> scores(sizes.depth);
    for (std::size_t token = 0; token < sizes.depth; ++token) {
      for (std::size_t d = 0; d < sizes.head_dim; ++d) {
        // cppcheck-suppress constStatement
        scores[token] +=
            double{queries[h * sizes.head_dim + d]} * element(keys + token * sizes.row_bytes, first + d, q8_0);
      }
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double& score : scores) sum += score = std::exp(score - largest);
    double possible = 0;
    std::vector<double> right(sizes.head_dim);
    for (std::size_t token = 0; token < sizes.depth; ++token) {
      for (std::size_t d = 0; d < sizes.head_dim; ++d) {
        const double value = element(values + token * sizes.row_bytes, first + d, q8_0);
        right[d] += scores[token] / sum * value;
        possible = std::max(possible, std::abs(value));
      }
    }
    for (std::size_t d = 0; d < sizes.head_dim; ++d) {
      const float got = out[(layer * sizes.queries() + h) * sizes.head_dim + d];
      error = std::max(error, std::abs(double{got} - right[d]) / possible);
    }
  };
  check(0, 0);
  check(layers - 1, sizes.queries() - 1);
  check(layers / 2, sizes.queries() / 2);
  run.verify(error, 1e-5, "heads of the attention");
  const double products =
      4.0 * static_cast<double>(sizes.queries() * sizes.head_dim) * static_cast<double>(sizes.depth);
  run.result.moved = make_bytes(static_cast<std::int64_t>(size) * passes);
  // What the time of the loop without tiles follows: query heads x cached tokens.
  if (by_row) run.result.events = static_cast<std::int64_t>(sizes.queries() * sizes.depth * layers) * passes;
  run.result.operations = make_flop(products * static_cast<double>(layers) * static_cast<double>(passes));
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
