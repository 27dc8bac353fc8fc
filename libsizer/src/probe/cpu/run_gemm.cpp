/// @file
/// Runs dense matrix products, one for each thread side by side: the arithmetic rate that prefill can use.

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "cpu_run.hpp"
#include "probe/blocks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t largest_side = 16384;

std::size_t side(const char* field, std::int64_t got, std::size_t usual, std::size_t step) {
  const std::size_t wanted = got == 0 ? usual : static_cast<std::size_t>(std::max<std::int64_t>(got, 0));
  if (wanted == 0 || wanted > largest_side) {
    throw value_error{field, std::to_string(got), "1 to " + std::to_string(largest_side)};
  }
  return (wanted + step - 1) / step * step;
}

constexpr std::size_t round_to_line(std::size_t size) { return (size + 63) / 64 * 64; }

}  // namespace

void run_gemm(cpu_run& run, const gemm_kernel& kernel) {
  const bool whole_numbers = run.result.kernel == "gemm_int8";
  kernel_shape& shape = run.result.shape;
  const std::size_t m = side("gemm_m", run.request.shape.gemm_m, 256, kernel.m_step);
  const std::size_t n = side("gemm_n", run.request.shape.gemm_n, 1024, kernel.n_step);
  const std::size_t k = side("gemm_k", run.request.shape.gemm_k, 2048, kernel.k_step);
  shape.gemm_m = static_cast<std::int64_t>(m);
  shape.gemm_n = static_cast<std::int64_t>(n);
  shape.gemm_k = static_cast<std::int64_t>(k);

  // Exact in every format: sixteenths of whole numbers below 64 for floats, whole numbers for int8.
  const auto value = [&](std::uint64_t index) {
    const auto number = static_cast<float>(static_cast<std::int32_t>(scrambled(index) % 127u) - 63);
    return whole_numbers ? number : number / 16.0f;
  };
  std::vector<float> a(m * k);
  std::vector<float> b(n * k);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = value(i);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = value(i + 3000017);

  const std::size_t a_size = round_to_line(m * k * kernel.a_bytes_per_element);
  const std::size_t b_size = round_to_line(n * k * kernel.b_bytes_per_element);
  const std::size_t c_size = round_to_line(m * n * 4);
  const std::size_t each = a_size + b_size + c_size;
  const auto threads = static_cast<std::size_t>(run.threads);
  run.result.working_set = make_bytes(static_cast<std::int64_t>(each * threads));
  unsigned char* const data = run.memory(each * threads);
  run.arena.becomes({});
  const auto place = [&](std::int32_t t) { return data + static_cast<std::size_t>(t) * each; };
  run.once([&](std::int32_t t) {
    kernel.pack_a(a.data(), m, k, place(t));
    kernel.pack_b(b.data(), n, k, place(t) + a_size);
  });
  run.sample(
      [&](std::int32_t t) { std::fill_n(place(t) + a_size + b_size, c_size, static_cast<unsigned char>(0)); },
      [&](std::int32_t t) { kernel.multiply(place(t), place(t) + a_size, place(t) + a_size + b_size, m, n, k); });

  double error = 0;
  for (std::int32_t t = 0; t < run.threads; ++t) {
    const unsigned char* const c = place(t) + a_size + b_size;
    for (std::uint64_t i = 0; i < 256; ++i) {
      const std::size_t row = scrambled(2 * i) % m;
      const std::size_t column = scrambled(2 * i + 1) % n;
      double right = 0;
      double possible = 0;
      for (std::size_t l = 0; l < k; ++l) {
        const double term = double{a[row * k + l]} * double{b[column * k + l]};
        right += term;
        possible += std::abs(term);
      }
      const unsigned char* const at = c + 4 * (row * n + column);
      const double got = whole_numbers ? static_cast<double>(*reinterpret_cast<const std::int32_t*>(at))
                                       : double{*reinterpret_cast<const float*>(at)};
      error = std::max(error, std::abs(got - right) / possible);
    }
  }
  run.verify(error, whole_numbers ? 0.0 : 1e-5, "elements of the product");
  run.result.operations = make_flop(2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) *
                                    static_cast<double>(threads));
  run.result.moved = {};
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
