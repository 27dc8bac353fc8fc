/// @file
/// What a decode step does: matrix times vector, and attention over a cache.

#include <algorithm>
#include <cmath>

#include "probe/cuda/run_checks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

void cuda_device::run_matvec(const kernel_request& request, kernel_measurement& result, weight_format format) {
  const std::int64_t columns = request.shape.columns == 0 ? 4096 : request.shape.columns;
  check_range("columns", columns, 256, 1 << 20, 256);
  const auto row = static_cast<std::int64_t>(row_bytes(format, static_cast<std::uint64_t>(columns)));
  const std::int64_t size = wanted_size(request, row, row, std::max(default_size(), row));
  const lane_matrix w{main_memory(static_cast<std::size_t>(size)), static_cast<std::uint64_t>(size / row),
                      static_cast<std::uint64_t>(columns)};
  check(launch_fill_weights(site(), format, main_.as(), w.rows * w.columns / weights_in_block(format)),
        "launch of fill");
  const host_vector x = make_host_vector(format, w.columns);
  const cuda_memory values = upload(x.values);
  const cuda_memory low = upload(x.low);
  const cuda_memory high = upload(x.high);
  const cuda_memory q = upload(x.q);
  const cuda_memory scale = upload(x.scale);
  const cuda_memory sum16 = upload(x.sum16);
  const lane_vector seen{values.as<float>(),  low.as(),          high.as(),
                         q.as<std::int8_t>(), scale.as<float>(), sum16.as<float>()};
  const cuda_memory y = allocate(w.rows * sizeof(float), "working_set");
  pass what;
  what.enqueue = [&] { check(launch_matvec(site(), format, w, seen, y.as<float>()), "launch of matvec"); };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(size);
  result.shape.columns = columns;
  result.moved = make_bytes(size * repeats);
  result.operations =
      make_flop(2.0 * static_cast<double>(w.rows) * static_cast<double>(columns) * static_cast<double>(repeats));
  say_cache(size, result);
  if (format != weight_format::f16) result.remarks.emplace_back("vector as int8 in blocks of 32, products by dp4a");

  fill_bytes(y.as(), spoiled_nan, y.size());
  what.enqueue();
  std::vector<float> got(w.rows);
  download(got.data(), y.as(), y.size());
  double largest = 0;
  double error_found = 0;
  for (std::uint64_t i = 0; i < 64; ++i) {
    const std::uint64_t at = sample_at(i, w.rows);
    compare(static_cast<double>(got[at]), reference_row(format, x, w.columns, at), largest, error_found);
  }
  if (!std::all_of(got.begin(), got.end(), [](float one) { return std::isfinite(one); })) {
    throw error{result.kernel + " on " + name_ + ": a row has no result"};
  }
  judge(largest, error_found, 1e-4, result);
}

void cuda_device::run_attention(const kernel_request& request, kernel_measurement& result, cache_format format) {
  kernel_shape shape;
  const auto or_usual = [](std::int64_t value, std::int64_t usual) { return value == 0 ? usual : value; };
  shape.depth = or_usual(request.shape.depth, 4096);
  shape.head_dim = or_usual(request.shape.head_dim, 128);
  shape.kv_heads = or_usual(request.shape.kv_heads, 8);
  shape.group = or_usual(request.shape.group, 4);
  check_range("depth", shape.depth, 1, 1 << 24, 1);
  check_range("kv_heads", shape.kv_heads, 1, 1024, 1);
  check_range("group", shape.group, 1, 128, 1);
  if (shape.head_dim != 64 && shape.head_dim != 128 && shape.head_dim != 256) {
    throw value_error{"head_dim", std::to_string(shape.head_dim), "64, 128 or 256"};
  }
  attention_layout a{};
  a.depth = static_cast<std::uint32_t>(shape.depth);
  a.kv_heads = static_cast<std::uint32_t>(shape.kv_heads);
  a.group = static_cast<std::uint32_t>(shape.group);
  a.head_dim = static_cast<std::uint32_t>(shape.head_dim);
  const auto layer = static_cast<std::int64_t>(layer_bytes(format, a));
  const std::int64_t size = wanted_size(request, layer, layer, std::max(default_size(), layer));
  check_range("layers", size / layer, 1, 1 << 24, 1);
  a.layers = static_cast<std::uint32_t>(size / layer);
  std::uint64_t resident = 0;
  check(attention_warps(site(), format, a, resident), "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  set_chunks(a, resident);

  std::uint8_t* const cache = main_memory(static_cast<std::size_t>(size));
  const std::uint64_t in_block = format == cache_format::f16 ? 16 : sizeof(q8_0_block);
  check(launch_fill_cache(site(), format, cache, static_cast<std::uint64_t>(size) / in_block), "launch of fill");
  const cuda_memory queries = upload(make_queries(format, a));
  const std::uint64_t states = attention_items(a) * queries_at_once(a.group);
  const cuda_memory state = allocate(states * sizeof(softmax_state), "working_set");
  const cuda_memory weighted = allocate(states * a.head_dim * sizeof(float), "working_set");
  const std::size_t of_head = std::size_t{a.group} * a.head_dim;
  std::vector<float> got(std::size_t{a.layers} * a.kv_heads * of_head);
  const cuda_memory out = allocate(got.size() * sizeof(float), "working_set");
  pass what;
  what.launches = 2;
  what.enqueue = [&] {
    check(launch_attention(site(), format, a, cache, queries.as<float>(), state.as<softmax_state>(),
                           weighted.as<float>(), out.as<float>()),
          "launch of attention");
  };
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(size);
  result.shape = shape;
  result.moved = make_bytes(size * repeats);
  result.operations =
      make_flop(4.0 * static_cast<double>(a.layers) * static_cast<double>(a.depth) * static_cast<double>(a.kv_heads) *
                static_cast<double>(of_head) * static_cast<double>(repeats));
  say_cache(size, result);
  result.remarks.push_back("the caches of " + std::to_string(a.layers) + " layers in one launch, each in " +
                           std::to_string(a.splits) + " parts of " + std::to_string(a.chunk) +
                           " tokens, and a second launch that merges them");

  fill_bytes(out.as(), spoiled_nan, out.size());
  fill_bytes(state.as(), spoiled_nan, state.size());
  fill_bytes(weighted.as(), spoiled_nan, weighted.size());
  what.enqueue();
  download(got.data(), out.as(), out.size());
  if (!std::all_of(got.begin(), got.end(), [](float one) { return std::isfinite(one); })) {
    throw error{result.kernel + " on " + name_ + ": an element has no result"};
  }
  double largest = 0;
  double error_found = 0;
  // About a second of one processor core at most, and two heads at least.
  const std::uint64_t work = std::uint64_t{2} * a.depth * of_head;
  const std::uint64_t heads = std::clamp<std::uint64_t>((std::uint64_t{1} << 27) / work, 2, 8);
  for (std::uint64_t i = 0; i < heads; ++i) {
    const std::uint64_t at = sample_at(i, std::uint64_t{a.layers} * a.kv_heads);
    const std::vector<double> expected = reference_attention(format, a, static_cast<std::uint32_t>(at / a.kv_heads),
                                                             static_cast<std::uint32_t>(at % a.kv_heads));
    for (std::size_t e = 0; e < of_head; ++e) {
      compare(static_cast<double>(got[at * of_head + e]), expected[e], largest, error_found);
    }
  }
  judge(largest, error_found, 2e-4, result);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
