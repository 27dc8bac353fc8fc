#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "probe/blocks.hpp"
#include "probe/cpu/cpu_support.hpp"

using namespace sizer;
using detail::gemm_kernel;

namespace {

enum class element { f32, bf16, int8 };

struct named_kernel {
  const gemm_kernel* kernel;
  element type;
};

std::vector<named_kernel> kernels() {
  std::vector<named_kernel> all;
  const auto add = [&](const gemm_kernel* kernel, element type) {
    if (kernel != nullptr) all.push_back({kernel, type});
  };
  for (const detail::cpu_kernels* table : detail::supported_cpu_kernels()) {
    add(table->gemm_f32, element::f32);
    add(table->gemm_bf16, element::bf16);
    add(table->gemm_int8, element::int8);
  }
  for (const gemm_kernel* kernel : detail::supported_gemm_kernels()) {
    const bool whole = std::string{kernel->variant}.find("int8") != std::string::npos;
    add(kernel, whole ? element::int8 : element::bf16);
  }
  return all;
}

/// Numbers that the type holds exactly: multiples of 1/128 with 8 bits, or whole.
std::vector<float> numbers(element type, std::size_t count, std::uint64_t seed) {
  std::vector<float> made;
  for (std::size_t i = 0; i < count; ++i) {
    const auto whole = static_cast<float>(static_cast<int>(detail::scrambled(seed + i) % 255u) - 127);
    made.push_back(type == element::int8 ? whole : whole / 128);
  }
  return made;
}

/// Operands and results on 64 bytes, as the kernels are called.
struct aligned_bytes {
  explicit aligned_bytes(std::size_t size) : bytes(size + 64) {}
  [[nodiscard]] void* at() {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    return bytes.data() + (64 - address % 64) % 64;
  }
  std::vector<char> bytes;
};

/// What the product adds to a C that held `before` everywhere.
std::vector<double> added(const named_kernel& with, const std::vector<float>& a, const std::vector<float>& b,
                          std::size_t m, std::size_t n, std::size_t k, int before) {
  const gemm_kernel& kernel = *with.kernel;
  aligned_bytes left{m * k * kernel.a_bytes_per_element};
  aligned_bytes right{n * k * kernel.b_bytes_per_element};
  aligned_bytes product{4 * m * n};
  auto* const c = static_cast<char*>(product.at());
  const auto start = static_cast<std::int32_t>(before);
  const auto float_start = static_cast<float>(before);
  for (std::size_t i = 0; i < m * n; ++i) {
    if (with.type == element::int8) {
      std::memcpy(c + 4 * i, &start, 4);
    } else {
      std::memcpy(c + 4 * i, &float_start, 4);
    }
  }
  kernel.pack_a(a.data(), m, k, left.at());
  kernel.pack_b(b.data(), n, k, right.at());
  kernel.multiply(left.at(), right.at(), c, m, n, k);
  std::vector<double> result;
  for (std::size_t i = 0; i < m * n; ++i) {
    std::int32_t whole = 0;
    float number = 0;
    std::memcpy(&whole, c + 4 * i, 4);
    std::memcpy(&number, c + 4 * i, 4);
    result.push_back((with.type == element::int8 ? static_cast<double>(whole) : static_cast<double>(number)) - before);
  }
  return result;
}

double difference(const std::vector<double>& got, const std::vector<float>& a, const std::vector<float>& b,
                  std::size_t m, std::size_t n, std::size_t k) {
  double worst = 0;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t t = 0; t < k; ++t) {
        sum += static_cast<double>(a[i * k + t]) * static_cast<double>(b[j * k + t]);
      }
      worst = std::max(worst, std::abs(got[i * n + j] - sum));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("a matrix product adds A times B to C") {
  // In steps of the kernel: one step, a remainder in each direction, more k than one block holds.
  const std::vector<std::vector<std::size_t>> sizes{{1, 1, 1}, {3, 2, 5}, {5, 7, 40}, {2, 49, 9}, {4, 34, 20}};
  for (const named_kernel& with : kernels()) {
    CAPTURE(std::string{with.kernel->variant});
    CAPTURE(static_cast<int>(with.type));
    for (const auto& size : sizes) {
      const std::size_t m = size[0] * with.kernel->m_step;
      const std::size_t n = size[1] * with.kernel->n_step;
      const std::size_t k = size[2] * with.kernel->k_step;
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      const std::vector<float> a = numbers(with.type, m * k, 1);
      const std::vector<float> b = numbers(with.type, n * k, 1'000'000'000);
      const double worst = difference(added(with, a, b, m, n, k, 3), a, b, m, n, k);
      // Sums of k products below 1 in float: an error of k 2^-24 at most each; whole numbers are exact.
      CHECK(worst <= (with.type == element::int8 ? 0.0 : 1e-6 * static_cast<double>(k + 1)));
    }
  }
}

TEST_CASE("a matrix product goes on over several blocks of k") {
  for (const named_kernel& with : kernels()) {
    CAPTURE(std::string{with.kernel->variant});
    CAPTURE(static_cast<int>(with.type));
    const std::size_t m = with.kernel->m_step;
    const std::size_t n = 2 * with.kernel->n_step;
    const std::size_t k = 4992 / with.kernel->k_step * with.kernel->k_step;
    const std::vector<float> a = numbers(with.type, m * k, 1);
    const std::vector<float> b = numbers(with.type, n * k, 1'000'000'000);
    const double worst = difference(added(with, a, b, m, n, k, -2), a, b, m, n, k);
    CHECK(worst <= (with.type == element::int8 ? 0.0 : 1e-3));
  }
}

TEST_CASE("whole products are exact at the ends of the range") {
  for (const named_kernel& with : kernels()) {
    if (with.type != element::int8) continue;
    CAPTURE(std::string{with.kernel->variant});
    const std::size_t m = with.kernel->m_step;
    const std::size_t n = with.kernel->n_step;
    const std::size_t k = 32 * with.kernel->k_step;
    for (const float left : {-127.0f, 127.0f}) {
      for (const float right : {-127.0f, 127.0f}) {
        const std::vector<double> got =
            added(with, std::vector<float>(m * k, left), std::vector<float>(n * k, right), m, n, k, 0);
        const double expected = static_cast<double>(left) * static_cast<double>(right) * static_cast<double>(k);
        CHECK(std::all_of(got.begin(), got.end(), [&](double x) { return x == expected; }));
      }
    }
  }
}
