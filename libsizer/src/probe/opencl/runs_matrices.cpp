/// @file
/// Matrix-vector products in ggml's blocks, attention over a cache of keys and values, dense products.

#include <algorithm>
#include <cmath>

#include "opencl_runs.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {
namespace {

// Far from the indices of the matrices, and equal on every device.
constexpr std::uint64_t vector_seed = std::uint64_t{1} << 48;
constexpr std::uint64_t second_seed = std::uint64_t{1} << 49;
// Sums of float in another order than the reference's.
constexpr double allowed_float = 1e-4;
// 16 products are summed as halves (2^-11 each); the sums grow with the root of the length, and so do the errors.
constexpr double allowed_half = 1e-2;

struct layout {
  format of;
  std::int64_t block_weights, block_bytes;
  const char* fill;
};

layout layout_of(std::string_view kernel) {
  if (kernel.ends_with("q8_0")) return {format::q8_0, 32, 34, "sizer_fill_q8_0"};
  if (kernel.ends_with("q4_0")) return {format::q4_0, 32, 18, "sizer_fill_q4_0"};
  if (kernel.ends_with("q4_k")) return {format::q4_k, 256, 144, "sizer_fill_q4_k"};
  return {format::f16, 1, 2, "sizer_fill_f16"};
}

/// `count` weights from weight `from` on, whole blocks.
void weights_of(format of, std::uint64_t from, std::uint64_t count, std::vector<float>& to) {
  to.resize(count);
  const auto blocks = [&](auto block, std::uint64_t weights) {
    for (std::uint64_t i = 0; i < count; i += weights) {
      fill_block(block, (from + i) / weights);
      for (std::uint64_t j = 0; j < weights; ++j) to[i + j] = weight_of(block, static_cast<int>(j));
    }
  };
  switch (of) {
    case format::f16:
      for (std::uint64_t i = 0; i < count; ++i) to[i] = scrambled_unit(from + i);
      break;
    case format::q8_0: blocks(q8_0_block{}, 32); break;
    case format::q4_0: blocks(q4_0_block{}, 32); break;
    case format::q4_k: blocks(q4_k_block{}, 256); break;
  }
}

void fill_blocks(session& on, handle data, const layout& as, std::int64_t size) {
  const std::string contents = as.fill + (" " + std::to_string(size));
  if (on.contents == contents) return;
  const auto blocks = static_cast<std::uint64_t>(size / as.block_bytes);
  const handle kernel = on.kernel({streams_source, {}}, as.fill);
  on.set(kernel, data, blocks);
  const session::grid grid = on.spread(blocks);
  on.run_once(on.launch(kernel, as.fill, grid.global, grid.local));
  on.contents = contents;
}

void fill_floats(session& on, handle to, std::uint64_t count, float scale) {
  const handle kernel = on.kernel({streams_source, {}}, "sizer_fill_f32");
  on.set(kernel, to, std::uint64_t{0}, count, vector_seed, scale);
  const session::grid grid = on.spread(count);
  on.run_once(on.launch(kernel, "sizer_fill_f32", grid.global, grid.local));
}

void need(std::int64_t size, std::int64_t least, const char* what) {
  if (size >= least) return;
  throw value_error{"working_set", std::to_string(size) + " bytes",
                    "at least " + std::to_string(least) + " bytes, " + what};
}

}  // namespace

program_key matvec_program(format of) {
  return {matvec_source, "-DSIZER_FORMAT=" + std::to_string(static_cast<int>(of))};
}

run_plan plan_matvec(session& on, const kernel_request& request, std::int64_t size) {
  run_plan plan;
  const layout as = layout_of(request.kernel);
  const std::int64_t columns = request.shape.columns == 0 ? 4096 : request.shape.columns;
  check_range("columns", columns, 256, 1 << 20, 256);
  const std::int64_t row_bytes = columns / as.block_weights * as.block_bytes;
  need(size, row_bytes, "a row");
  const std::int64_t rows = size / row_bytes;
  plan.shape.columns = columns;
  plan.working_set = plan.moved = rows * row_bytes;
  plan.operations = 2.0 * static_cast<double>(rows) * static_cast<double>(columns);
  plan.caches_matter = true;

  const handle data = on.memory(slot::data, static_cast<std::uint64_t>(plan.working_set));
  const auto length = static_cast<std::uint64_t>(columns);
  const handle x = on.memory(slot::small, (length + length / 32) * 4);
  const handle y = on.memory(slot::result, static_cast<std::uint64_t>(rows) * 4);
  fill_blocks(on, data, as, plan.working_set);
  std::vector<float> vector(length + length / 32);
  for (std::uint64_t i = 0; i < length; ++i) {
    vector[i] = scrambled_unit(vector_seed + i);
    vector[length + i / 32] += vector[i];
  }
  on.run_once(on.write(x, 0, vector.size() * 4, vector.data()));
  if (!on.pages().empty()) plan.remarks.push_back(on.pages());

  const handle kernel = on.kernel(matvec_program(as.of), "sizer_matvec");
  on.set(kernel, data, x, y, static_cast<std::uint64_t>(rows), static_cast<std::uint32_t>(columns));
  session::grid grid = on.spread(static_cast<std::uint64_t>(rows));
  if (!on.is_cpu()) {
    const auto groups = std::min<std::uint64_t>(static_cast<std::uint64_t>(rows), on.compute_units() * 64);
    grid = {static_cast<std::size_t>(groups) * session::lanes(), session::lanes()};
  }
  plan.pass = {on.launch(kernel, request.kernel.c_str(), grid.global, grid.local)};

  plan.verify = [&on, name = request.kernel, as, length, rows, y] {
    std::vector<float> got(static_cast<std::size_t>(rows));
    on.fetch(y, 0, got.size() * 4, got.data());
    comparison results;
    std::vector<float> row;
    for (std::uint64_t s = 0; s < 24; ++s) {
      const auto n = static_cast<std::uint64_t>(rows);
      const std::uint64_t r = s == 0 ? 0 : s == 1 ? n - 1 : scrambled(s) % n;
      weights_of(as.of, r * length, length, row);
      double sum = 0;
      for (std::uint64_t c = 0; c < length; ++c) sum += double{row[c]} * double{scrambled_unit(vector_seed + c)};
      results.add(double{got[r]}, sum);
    }
    return results.checked(on, name, allowed_float);
  };
  return plan;
}

kernel_shape attention_shape(kernel_shape shape) {
  const auto set = [](std::int64_t& field, std::int64_t value) { field = field == 0 ? value : field; };
  kernel_shape result;
  result.depth = shape.depth;
  result.head_dim = shape.head_dim;
  result.kv_heads = shape.kv_heads;
  result.group = shape.group;
  set(result.depth, 4096);
  set(result.head_dim, 128);
  set(result.kv_heads, 8);
  set(result.group, 4);
  return result;
}

program_key attention_program(format of, const kernel_shape& shape) {
  // On a GPU the scores of a tile lie in 16 KiB of local memory, which every device has; a CPU has its own.
  const std::int64_t pieces = shape.head_dim / 8;
  std::int64_t tile = 32;
  while (tile > 4 && tile * shape.group * pieces > 3840) tile /= 2;
  return {attention_source, "-DSIZER_FORMAT=" + std::to_string(static_cast<int>(of)) + " -DSIZER_HEAD_DIM=" +
                                std::to_string(shape.head_dim) + " -DSIZER_KV_HEADS=" + std::to_string(shape.kv_heads) +
                                " -DSIZER_GROUP=" + std::to_string(shape.group) +
                                " -DSIZER_TILE=" + std::to_string(tile)};
}

run_plan plan_attention(session& on, const kernel_request& request, std::int64_t size) {
  run_plan plan;
  const layout as = layout_of(request.kernel);
  const kernel_shape shape = plan.shape = attention_shape(request.shape);
  check_range("head_dim", shape.head_dim, 32, 256, 32);
  check_range("kv_heads", shape.kv_heads, 1, 128);
  check_range("group", shape.group, 1, 16);
  check_range("depth", shape.depth, 1, 1 << 20);
  // What one work-item of a CPU keeps on its stack.
  const std::int64_t heads = shape.kv_heads * shape.group;
  check_range("kv_heads x group x head_dim", heads * shape.head_dim, 1, 65536);
  const std::int64_t token_bytes = shape.kv_heads * shape.head_dim / as.block_weights * as.block_bytes;
  const std::int64_t layer_bytes = 2 * shape.depth * token_bytes;
  need(size, layer_bytes, "a layer");
  const std::int64_t layers = size / layer_bytes;
  plan.working_set = plan.moved = layers * layer_bytes;
  plan.operations = 4.0 * static_cast<double>(layers * shape.depth) * static_cast<double>(heads * shape.head_dim);
  plan.caches_matter = true;

  const handle data = on.memory(slot::data, static_cast<std::uint64_t>(plan.working_set));
  const auto outputs = static_cast<std::uint64_t>(layers * heads * shape.head_dim);
  const handle queries = on.memory(slot::small, outputs * 4);
  const handle result = on.memory(slot::result, outputs * 4);
  fill_blocks(on, data, as, plan.working_set);
  const float scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
  fill_floats(on, queries, outputs, scale);
  if (!on.pages().empty()) plan.remarks.push_back(on.pages());

  // Enough parts for every compute unit, of 128 tokens at least.
  const auto units = static_cast<std::int64_t>(on.compute_units());
  const std::int64_t wanted = on.is_cpu() ? units * 8 : units * 16;
  const std::int64_t there = on.is_cpu() ? layers : layers * shape.kv_heads;
  const std::int64_t splits =
      std::clamp<std::int64_t>((wanted + there - 1) / there, 1, std::max<std::int64_t>(shape.depth / 128, 1));
  const auto part_floats = static_cast<std::uint64_t>(layers * splits * heads * (shape.head_dim + 2));
  const handle parts = on.memory(slot::parts, part_floats * 4);
  const program_key program = attention_program(as.of, shape);
  const handle attention = on.kernel(program, "sizer_attention");
  const handle merge = on.kernel(program, "sizer_merge");
  const auto n_layers = static_cast<std::uint32_t>(layers);
  const auto n_splits = static_cast<std::uint32_t>(splits);
  on.set(attention, data, queries, parts, static_cast<std::uint32_t>(shape.depth), n_splits, n_layers);
  on.set(merge, parts, result, n_splits, n_layers);
  session::grid grid = on.spread(static_cast<std::uint64_t>(layers * splits));
  if (!on.is_cpu()) {
    grid = {static_cast<std::size_t>(layers * splits * shape.kv_heads) * session::lanes(), session::lanes()};
  }
  const session::grid all = on.spread(outputs);
  plan.pass = {on.launch(attention, request.kernel.c_str(), grid.global, grid.local),
               on.launch(merge, "sizer_merge", all.global, all.local)};

  plan.verify = [&on, name = request.kernel, as, shape, layers, heads, result, scale] {
    comparison results;
    std::vector<float> row;
    const auto dim = static_cast<std::uint64_t>(shape.head_dim);
    for (std::uint64_t s = 0; s < 6; ++s) {
      const auto n = static_cast<std::uint64_t>(layers * heads);
      const std::uint64_t head = s == 0 ? 0 : s == 1 ? n - 1 : scrambled(s) % n;
      const std::uint64_t layer = head / static_cast<std::uint64_t>(heads);
      const std::uint64_t kv = head % static_cast<std::uint64_t>(heads) / static_cast<std::uint64_t>(shape.group);
      const auto depth = static_cast<std::uint64_t>(shape.depth);
      const auto width = static_cast<std::uint64_t>(shape.kv_heads) * dim;
      const auto row_at = [&](bool value, std::uint64_t token) {
        weights_of(as.of, ((layer * 2 + (value ? 1 : 0)) * depth + token) * width + kv * dim, dim, row);
      };
      std::vector<double> score(depth);
      for (std::uint64_t t = 0; t < depth; ++t) {
        row_at(false, t);
        double dot = 0;
        for (std::uint64_t i = 0; i < dim; ++i) {
          dot += double{row[i]} * double{scale} * double{scrambled_unit(vector_seed + head * dim + i)};
        }
        score[t] = dot;
      }
      const double top = *std::max_element(score.begin(), score.end());
      double total = 0;
      std::vector<double> sum(dim);
      for (std::uint64_t t = 0; t < depth; ++t) {
        const double weight = std::exp(score[t] - top);
        total += weight;
        row_at(true, t);
        for (std::uint64_t i = 0; i < dim; ++i) sum[i] += weight * double{row[i]};
      }
      std::vector<float> got(dim);
      on.fetch(result, head * dim * 4, dim * 4, got.data());
      for (std::uint64_t i = 0; i < dim; ++i) results.add(double{got[i]}, sum[i] / total);
    }
    return results.checked(on, name, allowed_float);
  };
  return plan;
}

program_key gemm_program(bool halves) { return {gemm_source, halves ? "-DSIZER_HALF=1" : "-DSIZER_HALF=0"}; }

run_plan plan_gemm(session& on, const kernel_request& request, std::int64_t /*size*/) {
  run_plan plan;
  const bool halves = request.kernel == "gemm_f16";
  const std::int64_t usual = on.is_cpu() ? 2048 : 4096;
  const auto length = [&](const char* field, std::int64_t asked) {
    const std::int64_t value = asked == 0 ? usual : asked;
    check_range(field, value, 128, 32768, 128);
    return static_cast<std::uint64_t>(value);
  };
  const std::uint64_t m = length("gemm_m", request.shape.gemm_m);
  const std::uint64_t n = length("gemm_n", request.shape.gemm_n);
  const std::uint64_t k = length("gemm_k", request.shape.gemm_k);
  plan.shape.gemm_m = static_cast<std::int64_t>(m);
  plan.shape.gemm_n = static_cast<std::int64_t>(n);
  plan.shape.gemm_k = static_cast<std::int64_t>(k);
  const std::uint64_t element = halves ? 2 : 4;
  const std::uint64_t largest = on.number(device_info::largest_allocation);
  if ((m + n) * k * element > largest || m * n * 4 > largest) {
    throw value_error{"gemm_m, gemm_n, gemm_k",
                      std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k),
                      "matrices of at most " + std::to_string(largest) + " bytes, the device's largest allocation"};
  }
  plan.working_set = static_cast<std::int64_t>((m + n) * k * element + m * n * 4);
  plan.operations = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);

  const handle data = on.memory(slot::data, (m + n) * k * element);
  const handle c = on.memory(slot::result, m * n * 4);
  on.contents.clear();
  const program_key program = gemm_program(halves);
  const handle fill = on.kernel(program, "sizer_fill_panels");
  const auto fill_one = [&](std::uint32_t width, std::uint64_t count, std::uint64_t first, std::uint64_t from) {
    on.set(fill, data, width, static_cast<std::uint32_t>(k), count, first, from);
    const session::grid grid = on.spread(count);
    on.run_once(on.launch(fill, "sizer_fill_panels", grid.global, grid.local));
  };
  const std::uint64_t down = on.is_cpu() ? 8 : 128;
  const std::uint64_t across = on.is_cpu() ? 32 : 128;
  fill_one(static_cast<std::uint32_t>(down), m * k, 0, 0);
  fill_one(static_cast<std::uint32_t>(across), n * k, m * k, second_seed);

  const handle kernel = on.kernel(program, "sizer_gemm");
  on.set(kernel, data, data, c, static_cast<std::uint32_t>(m), static_cast<std::uint32_t>(n),
         static_cast<std::uint32_t>(k));
  session::grid grid = on.spread(m / down * (n / across));
  if (!on.is_cpu()) grid = {static_cast<std::size_t>(m / down * (n / across) * 256), 256};
  plan.pass = {on.launch(kernel, request.kernel.c_str(), grid.global, grid.local)};

  plan.verify = [&on, name = request.kernel, m, n, k, c, halves] {
    comparison results;
    for (std::uint64_t s = 0; s < 64; ++s) {
      const std::uint64_t row = s == 0 ? 0 : s == 1 ? m - 1 : scrambled(2 * s) % m;
      const std::uint64_t column = s == 0 ? 0 : s == 1 ? n - 1 : scrambled(2 * s + 1) % n;
      double sum = 0;
      for (std::uint64_t i = 0; i < k; ++i) {
        sum += double{scrambled_unit(row * k + i)} * double{scrambled_unit(second_seed + column * k + i)};
      }
      float got = 0;
      on.fetch(c, (row * n + column) * 4, sizeof got, &got);
      results.add(double{got}, sum);
    }
    return results.checked(on, name, halves ? allowed_half : allowed_float);
  };
  return plan;
}

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
