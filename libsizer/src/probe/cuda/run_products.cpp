/// @file
/// Dense matrix products, through cuBLASLt.

#include <array>
#include <cstring>
#include <limits>

#include "probe/cuda/run_checks.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

namespace {

/// An element of the result as a number.
double result_of(gemm_type type, const std::uint8_t* from) {
  std::uint32_t word = 0;
  std::uint16_t half = 0;
  std::memcpy(&half, from, sizeof half);
  switch (type) {
    case gemm_type::f16: return static_cast<double>(half_to_float(half));
    case gemm_type::bf16:
    case gemm_type::fp8: return static_cast<double>(float_of(static_cast<std::uint32_t>(half) << 16));
    default: std::memcpy(&word, from, sizeof word);
  }
  return type == gemm_type::int8 ? static_cast<double>(static_cast<std::int32_t>(word))
                                 : static_cast<double>(float_of(word));
}
std::size_t result_bytes(gemm_type type) { return type == gemm_type::f32 || type == gemm_type::int8 ? 4 : 2; }

/// Rounding of the result's type and of the sums inside; exact for whole numbers.
double gemm_tolerance(gemm_type type) {
  switch (type) {
    case gemm_type::int8: return 0;
    case gemm_type::f32: return 1e-4;
    case gemm_type::f16: return 2e-3;   // 11 binary digits
    case gemm_type::bf16: return 1e-2;  // 8
    default: return 2e-2;               // 8, and Hopper's fast sums keep about 14
  }
}

}  // namespace

void cuda_device::run_gemm(const kernel_request& request, kernel_measurement& result, gemm_type type) {
  const std::int64_t side =
      multiprocessors_ >= 60 && type != gemm_type::f32 && largest() >= std::int64_t{2} << 30 ? 8192 : 4096;
  kernel_shape shape;
  shape.gemm_m = request.shape.gemm_m == 0 ? side : request.shape.gemm_m;
  shape.gemm_n = request.shape.gemm_n == 0 ? side : request.shape.gemm_n;
  shape.gemm_k = request.shape.gemm_k == 0 ? side : request.shape.gemm_k;
  check_range("gemm_m", shape.gemm_m, 16, 1 << 20, 16);
  check_range("gemm_n", shape.gemm_n, 16, 1 << 20, 16);
  // Sums of products of int8 stay whole numbers of 32 bits: 2^31 / 127^2 is 133 thousand.
  check_range("gemm_k", shape.gemm_k, 16, 1 << 17, 16);

  const auto aligned = [](std::size_t size) { return (size + 255) / 256 * 256; };
  const std::size_t width = gemm_bytes(type);
  const auto m = static_cast<std::size_t>(shape.gemm_m);
  const auto n = static_cast<std::size_t>(shape.gemm_n);
  const auto k = static_cast<std::size_t>(shape.gemm_k);
  const std::size_t a_bytes = aligned(m * k * width);
  const std::size_t b_bytes = aligned(n * k * width);
  const std::size_t d_bytes = aligned(m * n * result_bytes(type));
  constexpr std::size_t workspace = std::size_t{32} << 20;  // what NVIDIA asks for on Hopper and later
  const std::int64_t room = largest();
  if (static_cast<std::int64_t>(a_bytes + b_bytes + d_bytes + workspace) > room) {
    throw value_error{"gemm_m, gemm_n, gemm_k", std::to_string(a_bytes + b_bytes + d_bytes + workspace) + " bytes",
                      "at most " + std::to_string(room) + " bytes on " + name_};
  }
  std::uint8_t* const a = main_memory(a_bytes + b_bytes + d_bytes + workspace);
  std::uint8_t* const b = a + a_bytes;
  std::uint8_t* const d = b + b_bytes;
  check(launch_fill_operand(site(), type, 0, a, m * k), "launch of fill");
  check(launch_fill_operand(site(), type, 1, b, n * k), "launch of fill");
  const cuda_memory one = upload(std::vector<float>{1.0f});

  cublas_lt* const library = blas();
  if (library == nullptr) throw value_error{"kernel", request.kernel, "a cuBLASLt library: " + blas_reason_};
  const cublas_lt::product product{type, shape.gemm_m, shape.gemm_n, shape.gemm_k,   a, b,
                                   d,    d + d_bytes,  workspace,    one.as<float>()};
  int algorithms = 0;
  const int status = library->prepare(product, algorithms);
  if (status == 15 || (status == 0 && algorithms == 0)) {
    (void)cudaGetLastError();
    throw value_error{"kernel", request.kernel,
                      "one that cuBLASLt " + library->version() + " has for " + name_ + ", and it proposes none"};
  }
  check_blas(status, "cublasLtMatmulAlgoGetHeuristic");
  int chosen = 0;
  pass what;
  what.enqueue = [&] { check_blas(library->multiply(product, chosen, stream_), "cublasLtMatmul"); };
  // The library orders its proposals by a model; the clock knows better.
  double fastest = std::numeric_limits<double>::infinity();
  int best = -1;
  for (chosen = 0; chosen < algorithms; ++chosen) {
    if (library->multiply(product, chosen, stream_) != 0) {
      (void)cudaGetLastError();  // others may do; a lost device shows with the next call
      continue;
    }
    const double time = timed(what, 2);
    if (time < fastest) {
      fastest = time;
      best = chosen;
    }
  }
  if (best < 0) throw device_error{name_, "cublasLtMatmul: none of the proposed algorithms runs", false};
  chosen = best;
  const std::int64_t repeats = measure(request, what, result);
  result.working_set = make_bytes(static_cast<std::int64_t>(a_bytes + b_bytes + d_bytes));
  result.shape = shape;
  result.operations = make_flop(2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) *
                                static_cast<double>(repeats));
  result.remarks.push_back("cuBLASLt " + library->version() + ", the fastest of " + std::to_string(algorithms) +
                           " algorithms it proposes");
  if (type == gemm_type::fp8) result.remarks.emplace_back("E4M3 operands, fast accumulation, BF16 result");
  if (type == gemm_type::f16 || type == gemm_type::bf16) result.remarks.emplace_back("sums in FP32, result in 16 bits");

  fill_bytes(d, spoiled_nan, d_bytes);
  what.enqueue();
  double largest_result = 0;
  double error_found = 0;
  const double unit = static_cast<double>(gemm_unit(type)) * static_cast<double>(gemm_unit(type));
  for (std::uint64_t i = 0; i < 64; ++i) {
    const std::uint64_t at = sample_at(i, std::uint64_t{m} * n);
    const std::uint64_t row = at % m;
    const std::uint64_t column = at / m;
    std::array<std::uint8_t, 4> element{};
    download(element.data(), d + at * result_bytes(type), result_bytes(type));
    double expected = 0;
    for (std::uint64_t j = 0; j < k; ++j) {
      expected += static_cast<double>(gemm_whole(type, 0, row * k + j)) *
                  static_cast<double>(gemm_whole(type, 1, column * k + j));
    }
    compare(result_of(type, element.data()), expected / unit, largest_result, error_found);
  }
  judge(largest_result, error_found, gemm_tolerance(type), result);
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
