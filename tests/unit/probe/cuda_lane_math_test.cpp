// The CUDA kernels' arithmetic without a device: the loops over blocks, warps and lanes that the grid would be, the
// shuffles as exchanges between lanes that stand still together.

#include "probe/cuda/lane_math.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "probe/cuda/lane_attention.hpp"
#include "probe/cuda/lane_matvec.hpp"
#include "probe/cuda/reference.hpp"

using namespace sizer::detail;

namespace {

constexpr std::size_t lanes = warp_lanes;
using warp_floats = std::array<float, lanes>;

template <class Work>
void over_grid(std::uint64_t blocks, Work work) {
  for (std::uint64_t block = 0; block < blocks; ++block) {
    for (std::uint32_t thread = 0; thread < stream_threads; ++thread) work(place{block, blocks, thread});
  }
}

warp_floats shuffled_xor(const warp_floats& from, std::size_t offset) {
  warp_floats to{};
  for (std::size_t lane = 0; lane < lanes; ++lane) to[lane] = from[lane ^ offset];
  return to;
}

/// Memory on 16 bytes, as cudaMalloc gives it.
struct aligned_bytes {
  explicit aligned_bytes(std::size_t size) : vectors((size + 15) / 16) {}
  explicit aligned_bytes(const std::vector<std::uint8_t>& from) : aligned_bytes(from.size()) {
    if (!from.empty()) std::memcpy(vectors.data(), from.data(), from.size());
  }
  std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(vectors.data()); }
  std::vector<vector16> vectors;
};

// --- matrix times vector ---------------------------------------------------------------------------------------------

template <weight_format Format>
std::vector<float> emulated_matvec(const lane_matrix& w, const lane_vector& x, std::uint64_t warps) {
  std::vector<float> y(w.rows, std::numeric_limits<float>::quiet_NaN());
  for (std::uint64_t warp = 0; warp < warps; ++warp) {
    for (std::uint64_t group = warp; group < row_groups(Format, w.rows); group += warps) {
      constexpr auto rows = std::size_t{rows_at_once(Format)};
      std::array<warp_floats, rows> sums{};
      for (unsigned lane = 0; lane < warp_lanes; ++lane) {
        float sum[rows_at_once(Format)];
        lane_rows<Format>(w, x, group, lane, sum);
        for (std::size_t r = 0; r < rows; ++r) sums[r][lane] = sum[r];
      }
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t offset = lanes / 2; offset > 0; offset /= 2) {
          const warp_floats other = shuffled_xor(sums[r], offset);
          for (std::size_t lane = 0; lane < lanes; ++lane) sums[r][lane] += other[lane];
        }
        const std::uint64_t row = row_at(Format, group, static_cast<unsigned>(r));
        if (row < w.rows) {
          CHECK(std::isnan(y[row]));  // no other warp has had it
          y[row] = sums[r][0];
        }
      }
    }
  }
  return y;
}

template <weight_format Format>
void check_matvec(std::uint64_t rows, std::uint64_t columns, std::uint64_t warps) {
  CAPTURE(static_cast<int>(Format));
  CAPTURE(rows);
  CAPTURE(columns);
  REQUIRE(row_bytes(Format, columns) % 16 == 0);
  // Exactly as long as the matrix: the sanitizer sees a load behind it.
  aligned_bytes weights(rows * row_bytes(Format, columns));
  for (std::uint64_t i = 0; i < rows * columns / weights_in_block(Format); ++i) {
    fill_weights<Format>(weights.data(), i);
  }
  const host_vector x = make_host_vector(Format, columns);
  aligned_bytes low(x.low);
  aligned_bytes high(x.high);
  const lane_vector seen{x.values.data(), low.data(), high.data(), x.q.data(), x.scale.data(), x.sum16.data()};
  const std::vector<float> y = emulated_matvec<Format>({weights.data(), rows, columns}, seen, warps);
  double largest = 0;
  double error = 0;
  for (std::uint64_t row = 0; row < rows; ++row) {
    const double expected = reference_row(Format, x, columns, row);
    largest = std::max(largest, std::fabs(expected));
    error = std::max(error, std::fabs(static_cast<double>(y[row]) - expected));
  }
  REQUIRE(largest > 0.1);
  CHECK(error / largest < 2e-6);  // a lane adds up to columns / 32 floats, each rounded to 6e-8
}

// --- attention -------------------------------------------------------------------------------------------------------

/// What a warp holds, lane by lane.
template <cache_format Format, unsigned E, unsigned G>
struct emulated_warp {
  static constexpr unsigned tokens = tokens_at_once(G);
  static constexpr unsigned values = tokens * G;
  float query[warp_lanes][G][E];
  float sums[warp_lanes][G][E] = {};
  softmax_state state[warp_lanes];

  void step(const std::uint8_t* cache, const attention_layout& a, const attention_item& item, std::uint32_t first,
            std::uint32_t end) {
    const std::uint64_t to_values = a.depth * token_bytes(Format, a);
    std::vector<std::array<float, values>> scores(lanes);
    raw_elements<Format, E> of_values[warp_lanes][tokens];
    for (unsigned lane = 0; lane < warp_lanes; ++lane) {
      for (unsigned t = 0; t < tokens; ++t) {
        const std::uint32_t token = std::min(first + t, end - 1);
        const std::uint8_t* const row = cache + row_offset(Format, a, item.layer, token, item.head);
        float key[E];
        widen<Format, E>(load_elements<Format, E>(row, lane), key);
        part_of_scores<E, G>(query[lane], key, scores[lane].data() + t * G);
        of_values[lane][t] = load_elements<Format, E>(row + to_values, lane);
      }
    }
    for (unsigned half = values / 2; half > 0; half /= 2) {
      const auto before = scores;
      for (unsigned lane = 0; lane < warp_lanes; ++lane) {
        const auto& mine = before[lane];
        const auto& partner = before[lane ^ half];
        for (unsigned i = 0; i < half; ++i) {
          const auto low = i;
          const auto high = i + half;
          scores[lane][low] =
              kept(lane, half, mine[low], mine[high]) + given(lane ^ half, half, partner[low], partner[high]);
        }
      }
    }
    warp_floats score{};
    for (std::size_t lane = 0; lane < lanes; ++lane) score[lane] = scores[lane][0];
    for (std::size_t offset = values; offset < lanes; offset *= 2) {
      const warp_floats other = shuffled_xor(score, offset);
      for (std::size_t lane = 0; lane < lanes; ++lane) score[lane] += other[lane];
    }
    for (unsigned lane = 0; lane < warp_lanes; ++lane) {
      auto& mine = score[lane];
      mine = masked_score<G>(mine, lane, first, end);
    }
    warp_floats largest = score;
    for (std::size_t offset = G; offset < values; offset *= 2) {
      const warp_floats other = shuffled_xor(largest, offset);
      for (std::size_t lane = 0; lane < lanes; ++lane) largest[lane] = std::max(largest[lane], other[lane]);
    }
    std::array<softmax_step, lanes> steps{};
    for (std::size_t lane = 0; lane < lanes; ++lane) steps[lane] = advance(state[lane], score[lane], largest[lane]);
    for (unsigned lane = 0; lane < warp_lanes; ++lane) {
      for (unsigned j = 0; j < G; ++j) scale_by(sums[lane][j], steps[j].factor);
      for (unsigned t = 0; t < tokens; ++t) {
        float value[E];
        widen<Format, E>(of_values[lane][t], value);
        for (unsigned j = 0; j < G; ++j) {
          add_weighted(sums[lane][j], steps[t * G + j].weight, value);
        }
      }
    }
  }

  void sum_states() {
    for (std::size_t offset = G; offset < values; offset *= 2) {
      warp_floats sum{};
      for (std::size_t lane = 0; lane < lanes; ++lane) sum[lane] = state[lane].sum + state[lane ^ offset].sum;
      for (std::size_t lane = 0; lane < lanes; ++lane) state[lane].sum = sum[lane];
    }
  }
};

template <cache_format Format, unsigned E, unsigned G>
std::vector<float> emulated_attention(const attention_layout& a, const std::uint8_t* cache,
                                      const std::vector<float>& queries) {
  std::vector<softmax_state> states(attention_items(a) * G);
  std::vector<float> weighted(states.size() * a.head_dim);
  for (std::uint64_t index = 0; index < attention_items(a); ++index) {
    const attention_item item = item_at(a, index);
    REQUIRE(index_of(a, item) == index);
    emulated_warp<Format, E, G> warp;
    for (unsigned lane = 0; lane < warp_lanes; ++lane) {
      warp.state[lane] = {minus_infinity(), 0.0f};
      for (unsigned j = 0; j < G; ++j) {
        const std::uint32_t q = item.slot * G + j;
        for (unsigned e = 0; e < E; ++e) {
          warp.query[lane][j][e] =
              q < a.group ? queries[element_index(item.head * a.group + q, a.head_dim, lane, E) + e] : 0.0f;
        }
      }
    }
    const std::uint32_t end = end_token(a, item.split);
    for (std::uint32_t first = first_token(a, item.split); first < end; first += warp.tokens) {
      warp.step(cache, a, item, first, end);
    }
    warp.sum_states();
    for (unsigned lane = 0; lane < warp_lanes; ++lane) {
      if (lane < G) states[state_index(index, G, lane)] = warp.state[lane];
      for (unsigned j = 0; j < G; ++j) {
        float* const to = weighted.data() + element_index(state_index(index, G, j), a.head_dim, lane, E);
        std::copy(warp.sums[lane][j], warp.sums[lane][j] + E, to);
      }
    }
  }
  std::vector<float> result(std::size_t{a.layers} * a.kv_heads * a.group * a.head_dim);
  for (std::uint64_t index = 0; index < std::uint64_t{a.layers} * a.kv_heads * a.group; ++index) {
    for (unsigned lane = 0; lane < warp_lanes; ++lane) {
      merge_parts<E>(a, index, lane, states.data(), weighted.data(), result.data());
    }
  }
  return result;
}

template <cache_format Format, unsigned E, unsigned G>
void check_attention(std::uint32_t group, std::uint32_t depth, std::uint32_t chunk, std::uint32_t layers = 2,
                     std::uint32_t kv_heads = 3) {
  CAPTURE(static_cast<int>(Format));
  CAPTURE(E);
  CAPTURE(group);
  CAPTURE(depth);
  CAPTURE(chunk);
  attention_layout a{layers, depth, kv_heads, group, 32 * E, 1, chunk, (depth + chunk - 1) / chunk};
  REQUIRE(queries_at_once(group) == G);
  a.slots = (group + G - 1) / G;
  aligned_bytes cache(a.layers * layer_bytes(Format, a));
  const std::uint64_t in_block = Format == cache_format::f16 ? 8 : 32;
  for (std::uint64_t i = 0; i < std::uint64_t{2} * layers * depth * kv_heads * a.head_dim / in_block; ++i) {
    fill_cache<Format>(cache.data(), i);
  }
  const std::vector<float> result = emulated_attention<Format, E, G>(a, cache.data(), make_queries(Format, a));
  double largest = 0;
  double error = 0;
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    for (std::uint32_t head = 0; head < kv_heads; ++head) {
      const std::vector<double> expected = reference_attention(Format, a, layer, head);
      const std::size_t begin = (std::size_t{layer} * kv_heads + head) * expected.size();
      for (std::size_t i = 0; i < expected.size(); ++i) {
        largest = std::max(largest, std::fabs(expected[i]));
        error = std::max(error, std::fabs(static_cast<double>(result[begin + i]) - expected[i]));
      }
    }
  }
  REQUIRE(largest > 0.01);
  CHECK(error / largest < 2e-5);  // scores of up to 100 rounded to 2^-24 of themselves are in the exponent
}

}  // namespace

// --- streams ---------------------------------------------------------------------------------------------------------

TEST_CASE("streams touch every vector exactly once, whatever the grid") {
  for (const std::uint64_t vectors : {1ull, 255ull, 256ull, 1023ull, 1024ull, 1025ull, 5000ull, 8192ull, 10007ull}) {
    for (const std::uint64_t blocks : {1ull, 2ull, 3ull, 7ull, 40ull}) {
      std::vector<int> touched(vectors, 0);
      over_grid(blocks, [&](const place& at) {
        over_vectors(
            vectors, at,
            [&](std::uint64_t first) {
              for (std::uint32_t u = 0; u < vectors_in_flight; ++u) ++touched.at(first + u * stream_threads);
            },
            [&](std::uint64_t i) { ++touched.at(i); });
      });
      CHECK(std::count(touched.begin(), touched.end(), 1) == static_cast<std::ptrdiff_t>(vectors));
    }
  }
}

TEST_CASE("read, copy, write and triad give what the check expects, and the check finds one wrong bit") {
  constexpr std::uint64_t vectors = 3 * tile_vectors + 77;
  const stream_content pattern{stream_content::pattern, 12345, {}, 0};
  std::vector<vector16> from(vectors);
  const auto wrong = [&](const std::vector<vector16>& v, const stream_content& content) {
    std::uint64_t count = 0;
    over_grid(3, [&](const place& at) { count += mismatches_part(v.data(), content, v.size(), at); });
    return count;
  };
  over_grid(2, [&](const place& at) { fill_part(from.data(), pattern, vectors, at); });
  CHECK(wrong(from, pattern) == 0);

  std::uint64_t sum = 0;
  over_grid(5, [&](const place& at) { sum += read_part(from.data(), vectors, at); });
  CHECK(sum == pattern_sum(2 * vectors, 12345));
  std::uint64_t plain = 0;
  for (std::uint64_t i = 0; i < 2 * vectors; ++i) plain += pattern_word(i, 12345);
  CHECK(sum == plain);
  CHECK(pattern_sum(7, 5) == 21 * 0x9e3779b97f4a7c15ull + 35);

  std::vector<vector16> to(vectors);
  CHECK(wrong(to, pattern) == vectors);
  over_grid(4, [&](const place& at) { copy_part(to.data(), from.data(), vectors, at); });
  CHECK(wrong(to, pattern) == 0);
  to[vectors - 1].word[3] ^= 1u;
  to[0].word[0] ^= 0x80000000u;
  CHECK(wrong(to, pattern) == 2);

  const stream_content constant{stream_content::constant, 0, {{1, 2, 3, 4}}, 0};
  over_grid(4, [&](const place& at) { write_part(to.data(), constant.value, vectors, at); });
  CHECK(wrong(to, constant) == 0);

  std::vector<vector16> b(vectors);
  std::vector<vector16> c(vectors);
  over_grid(1, [&](const place& at) { fill_part(b.data(), {stream_content::units, 3, {}, 0}, vectors, at); });
  over_grid(1, [&](const place& at) { fill_part(c.data(), {stream_content::units, 4, {}, 0}, vectors, at); });
  over_grid(6, [&](const place& at) { triad_part(to.data(), b.data(), c.data(), 3.0f, vectors, at); });
  CHECK(wrong(to, {stream_content::triad, 3, {}, 3.0f}) == 0);
  CHECK(float_of(to[5].word[2]) == float_of(b[5].word[2]) + 3.0f * float_of(c[5].word[2]));
}

TEST_CASE("the random chain visits every slot before it returns, and its neighbours are far apart") {
  for (const std::uint32_t bits : {1u, 2u, 5u, 10u, 13u, 16u}) {
    const std::uint64_t count = std::uint64_t{1} << bits;
    std::vector<std::uint32_t> next(count, 0xffffffffu);
    for (std::uint64_t x = 0; x < count; ++x) {
      auto& slot = next.at(chain_slot(x, bits));
      CHECK(slot == 0xffffffffu);
      slot = static_cast<std::uint32_t>(chain_slot(chain_next(x, bits), bits));
    }
    std::uint32_t at = static_cast<std::uint32_t>(chain_slot(0, bits));
    const std::uint32_t begin = at;
    std::uint64_t steps = 0;
    std::uint64_t near = 0;
    do {
      const std::uint32_t to = next[at];
      near += (to > at ? to - at : at - to) < 8 ? 1u : 0u;
      at = to;
      ++steps;
    } while (at != begin && steps <= count);
    CHECK(steps == count);
    if (bits >= 10) CHECK(near < count / 32);
  }
}

// --- matrix times vector ---------------------------------------------------------------------------------------------

TEST_CASE("every format's matrix rows times a vector agree with a plain sum in double") {
  for (const std::uint64_t columns : {256ull, 512ull, 1280ull, 4096ull}) {
    for (const std::uint64_t rows : {1ull, 3ull, 8ull, 13ull}) {
      check_matvec<weight_format::f16>(rows, columns, 2);
      check_matvec<weight_format::q8_0>(rows, columns, 2);
      check_matvec<weight_format::q4_0>(rows, columns, 3);
      check_matvec<weight_format::q4_k>(rows, columns, 1);
    }
  }
}

TEST_CASE("a word that holds a scale belongs to the block of its first byte") {
  for (const std::uint32_t size : {18u, 34u}) {
    for (std::uint32_t v = 0; v < 40 * size; ++v) {
      const owners of = owners_of(v, size);
      CHECK(of.count >= 1);
      CHECK(of.count <= 4);
      for (std::uint32_t i = 0; i < 4; ++i) {
        const std::uint32_t owner = i < of.count ? of.first : of.second;
        CHECK(owner == (16 * v + 4 * i) / size);
        for (std::uint32_t byte = 16 * v + 4 * i; byte < 16 * v + 4 * i + 4; ++byte) {
          if (byte % size >= 2) CHECK(owner == byte / size);  // a weight, not a byte of a scale
        }
      }
    }
  }
}

TEST_CASE("scales of Q4_K from words are those from bytes") {
  for (std::uint64_t index = 0; index < 200; ++index) {
    q4_k_block block;
    fill_block(block, index);
    vector16 header;
    std::memcpy(&header, &block, sizeof header);
    for (std::uint32_t j = 0; j < 8; ++j) {
      const scale_and_minimum expected = q4_k_scale(block.scales, static_cast<int>(j));
      const pair_of_scales got = scales_of_pair(header, j / 2);
      CHECK(got.scale[j % 2] == expected.scale);
      CHECK(got.minimum[j % 2] == expected.minimum);
    }
  }
}

TEST_CASE("int8 products of four, and bytes as floats, have the right signs") {
  CHECK(dot_of_4(0x7f80ff01u, 0x02030405u, 10) == 10 + 127 * 2 - 128 * 3 - 1 * 4 + 1 * 5);
  for (int value = -128; value < 128; ++value) {
    const std::uint32_t word = static_cast<std::uint32_t>(value & 0xff) << 16;
    CHECK(byte_as_float(word ^ 0x80808080u, 2) == static_cast<float>(value));
    CHECK(byte_as_float(word ^ 0x80808080u, 1) == 0.0f);
  }
}

// --- attention -------------------------------------------------------------------------------------------------------

TEST_CASE("attention agrees with a plain softmax in double for groups, depths and parts that do not divide") {
  check_attention<cache_format::f16, 4, 1>(1, 101, 101);
  check_attention<cache_format::f16, 4, 1>(1, 333, 64);
  check_attention<cache_format::f16, 4, 4>(4, 333, 64);
  check_attention<cache_format::f16, 4, 4>(3, 127, 32);
  check_attention<cache_format::f16, 4, 4>(2, 1, 128);
  check_attention<cache_format::f16, 4, 8>(8, 333, 96);
  check_attention<cache_format::f16, 4, 8>(12, 99, 32);  // two slots, the second half empty
  check_attention<cache_format::f16, 2, 4>(4, 77, 32);
  check_attention<cache_format::f16, 8, 4>(4, 77, 32);
  check_attention<cache_format::f16, 8, 8>(16, 45, 32);
  check_attention<cache_format::q8_0, 4, 1>(1, 333, 64);
  check_attention<cache_format::q8_0, 4, 4>(4, 333, 64);
  check_attention<cache_format::q8_0, 4, 8>(8, 101, 32);
  check_attention<cache_format::q8_0, 2, 4>(4, 77, 32);
  check_attention<cache_format::q8_0, 2, 1>(1, 9, 32);
  check_attention<cache_format::q8_0, 8, 8>(8, 77, 32);
}

TEST_CASE("parts of the tokens cover every token once") {
  for (const std::uint32_t depth : {1u, 31u, 128u, 129u, 4096u, 100003u}) {
    for (const std::uint64_t warps : {1ull, 600ull, 100000ull}) {
      attention_layout a{3, depth, 8, 5, 128, 0, 0, 0};
      set_chunks(a, warps);
      CHECK(a.slots == 1);
      CHECK(a.chunk % 32 == 0);
      std::uint32_t at = 0;
      for (std::uint32_t split = 0; split < a.splits; ++split) {
        CHECK(first_token(a, split) == at);
        at = end_token(a, split);
        CHECK(at > first_token(a, split));
      }
      CHECK(at == depth);
    }
  }
}

TEST_CASE("the softmax keeps its sense at the extremes") {
  // Scores that overflow a float when taken to the power, in falling and in rising order.
  for (const float sign : {1.0f, -1.0f}) {
    softmax_state state{minus_infinity(), 0.0f};
    float weighted = 0;
    for (int i = 0; i < 5; ++i) {
      const float score = sign * 1000.0f * static_cast<float>(i - 2);
      const softmax_step step = advance(state, score, score);
      weighted = weighted * step.factor + step.weight * static_cast<float>(i);
    }
    CHECK(state.largest == 2000.0f);
    CHECK(state.sum == 1.0f);
    CHECK(weighted == (sign > 0 ? 4.0f : 0.0f));
  }
  // Nothing at all, then something: no NaN from infinity minus infinity.
  softmax_state state{minus_infinity(), 0.0f};
  const softmax_step nothing = advance(state, minus_infinity(), minus_infinity());
  CHECK(nothing.factor == 0.0f);
  CHECK(nothing.weight == 0.0f);
  CHECK(state.sum == 0.0f);
  (void)advance(state, -3.0f, -3.0f);
  CHECK(state.sum == 1.0f);
  // Equal scores share evenly.
  (void)advance(state, -3.0f, -3.0f);
  CHECK(state.sum == 2.0f);
}

// --- operands of matrix products -------------------------------------------------------------------------------------

TEST_CASE("operands of matrix products are exact in their types") {
  for (std::int32_t n = -16; n <= 16; ++n) {
    const std::uint8_t bits = e4m3_of_sixteenths(n);
    const int exponent = (bits >> 3) & 15;
    const double size = exponent == 0 ? (bits & 7) / 512.0 : (8 + (bits & 7)) * std::ldexp(1.0, exponent - 10);
    CHECK((bits & 0x80 ? -size : size) == n / 16.0);
  }
  for (std::int32_t n = -128; n <= 128; ++n) {
    CHECK(static_cast<double>(float_of(gemm_bits(gemm_type::bf16, n) << 16)) == n / 128.0);
    CHECK(static_cast<double>(half_to_float(static_cast<std::uint16_t>(gemm_bits(gemm_type::f16, n)))) == n / 128.0);
    CHECK(static_cast<double>(float_of(gemm_bits(gemm_type::f32, n))) == n / 128.0);
  }
  std::array<int, 3> least{};
  std::array<int, 3> most{};
  for (std::uint64_t i = 0; i < 20000; ++i) {
    std::size_t at = 0;
    for (const gemm_type type : {gemm_type::int8, gemm_type::fp8, gemm_type::f16}) {
      const std::int32_t n = gemm_whole(type, 1, i);
      least[at] = std::min(least[at], n);
      most[at] = std::max(most[at], n);
      ++at;
    }
  }
  CHECK(least == std::array<int, 3>{-127, -16, -128});
  CHECK(most == std::array<int, 3>{127, 16, 128});
  CHECK(gemm_bits(gemm_type::int8, -2) == 0xfeu);
}
