#pragma once
/// @file
/// Matrix products through cuBLASLt, loaded while running: the library is half a gigabyte that a machine has or has
/// not.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

#include "probe/cuda/lane_math.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// The loaded library with a handle for the device that was current. Functions return a status, 0 when all is well.
class cublas_lt {
 public:
  /// Null with a reason where no release of the library can be used.
  [[nodiscard]] static std::unique_ptr<cublas_lt> load(std::string& reason);
  ~cublas_lt();
  cublas_lt(const cublas_lt&) = delete;
  cublas_lt& operator=(const cublas_lt&) = delete;
  cublas_lt(cublas_lt&&) = delete;
  cublas_lt& operator=(cublas_lt&&) = delete;

  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  /// "CUBLAS_STATUS_NOT_SUPPORTED (15)".
  [[nodiscard]] static std::string status_text(int status);

  /// D (m x n, columns one after the other) = A (m x k, rows) times B (columns): both with k elements in a row, the one
  /// layout that every type can take. D is as wide as the operands; BF16 for FP8, int32 for INT8.
  struct product {
    gemm_type type;
    std::int64_t m, n, k;
    const void* a;
    const void* b;
    void* d;
    void* workspace;
    std::size_t workspace_bytes;
    const float* one;  ///< 1 in the device's memory: the scale of FP8 operands
  };
  /// Layouts and the algorithms that the library proposes, best first. Kept until the next call.
  [[nodiscard]] int prepare(const product& p, int& algorithms);
  [[nodiscard]] int multiply(const product& p, int algorithm, cudaStream_t stream) const;

 private:
  struct functions;
  struct descriptors;
  cublas_lt();

  void* library_ = nullptr;
  void* handle_ = nullptr;
  std::string version_;
  std::unique_ptr<functions> call_;
  std::unique_ptr<descriptors> prepared_;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
