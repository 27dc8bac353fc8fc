#pragma once
/// @file
/// One CUDA device: what cuda_device.cpp (opening, facts, timing) and cuda_runs.cpp (one function a kernel) share.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cuda_runtime_api.h>

#include <sizer/probe/kernels.hpp>

#include "probe/cuda/cublas_lt.hpp"
#include "probe/cuda/kernels.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// Memory of a device or pinned memory of the host, given back with it. What giving back reports is of no use any more.
class cuda_memory {
 public:
  using release_function = cudaError_t (*)(void*);
  cuda_memory() = default;
  cuda_memory(void* at, std::size_t size, release_function release) : at_{at}, size_{size}, release_{release} {}
  ~cuda_memory() { reset(); }
  cuda_memory(cuda_memory&& other) noexcept { swap(other); }
  cuda_memory& operator=(cuda_memory&& other) noexcept {
    swap(other);
    return *this;
  }
  cuda_memory(const cuda_memory&) = delete;
  cuda_memory& operator=(const cuda_memory&) = delete;

  void reset() {
    if (at_ != nullptr) (void)release_(at_);
    at_ = nullptr;
    size_ = 0;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  template <class T = std::uint8_t>
  [[nodiscard]] T* as() const noexcept {
    return static_cast<T*>(at_);
  }

 private:
  void swap(cuda_memory& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(size_, other.size_);
    std::swap(release_, other.release_);
  }
  void* at_ = nullptr;
  std::size_t size_ = 0;
  release_function release_ = nullptr;
};

class cuda_device final : public kernel_device {
 public:
  explicit cuda_device(int ordinal);
  ~cuda_device() override;
  cuda_device(const cuda_device&) = delete;
  cuda_device& operator=(const cuda_device&) = delete;

  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string_view backend() const override { return "cuda"; }
  [[nodiscard]] std::vector<device_fact> facts() const override;
  [[nodiscard]] std::vector<kernel_info> kernels() const override;
  [[nodiscard]] bytes largest_working_set() const override;
  [[nodiscard]] bytes last_level_cache() const override { return make_bytes(l2_); }
  [[nodiscard]] kernel_measurement run(const kernel_request& request) override;

 private:
  /// What is timed: queues one pass on the stream.
  struct pass {
    std::function<void()> enqueue;
    int launches = 1;          ///< of one pass
    bool queued_ahead = true;  ///< behind a kernel that waits, so that launching is not in the time
    bool once = false;         ///< one pass is a sample
  };

  // cuda_device.cpp
  void check(cudaError_t code, const char* call) const;
  void check_blas(int status, const char* call) const;
  void use() const;
  [[nodiscard]] int attribute(cudaDeviceAttr which) const;
  [[nodiscard]] cublas_lt* blas() const;
  [[nodiscard]] int find_peer(std::string& reason) const;
  [[nodiscard]] launch_site site() const { return {stream_, multiprocessors_}; }

  [[nodiscard]] std::int64_t largest() const;
  [[nodiscard]] std::int64_t default_size() const;
  /// The working set asked for, or the default; at least and in steps of.
  [[nodiscard]] std::int64_t wanted_size(const kernel_request& request, std::int64_t least, std::int64_t step,
                                         std::int64_t usual) const;
  [[nodiscard]] cuda_memory allocate(std::size_t size, const char* field) const;
  [[nodiscard]] cuda_memory allocate_pinned(std::size_t size) const;
  template <class T>
  [[nodiscard]] cuda_memory upload(const std::vector<T>& values) const;
  /// The large block, kept from run to run.
  [[nodiscard]] std::uint8_t* main_memory(std::size_t size);
  void download(void* to, const void* from, std::size_t size) const;
  void fill_bytes(void* at, int value, std::size_t size) const;
  void synchronise() const;

  [[nodiscard]] double timed(const pass& what, int repeats) const;
  /// Warms up, samples; returns how many passes a sample has.
  std::int64_t measure(const kernel_request& request, const pass& what, kernel_measurement& result) const;
  void say_cache(std::int64_t size, kernel_measurement& result) const;

  // cuda_runs.cpp
  void run_read(const kernel_request& request, kernel_measurement& result);
  void run_copy(const kernel_request& request, kernel_measurement& result);
  void run_write(const kernel_request& request, kernel_measurement& result);
  void run_triad(const kernel_request& request, kernel_measurement& result);
  void run_latency(const kernel_request& request, kernel_measurement& result);
  void run_matvec(const kernel_request& request, kernel_measurement& result, weight_format format);
  void run_attention(const kernel_request& request, kernel_measurement& result, cache_format format);
  void run_gemm(const kernel_request& request, kernel_measurement& result, gemm_type type);
  void run_launch(const kernel_request& request, kernel_measurement& result, bool as_graph);
  void run_link(const kernel_request& request, kernel_measurement& result, bool to_device);
  void run_peer(const kernel_request& request, kernel_measurement& result);
  void verify_content(const void* at, std::int64_t size, const stream_content& content,
                      kernel_measurement& result) const;
  void compare(double got, double expected, double& largest, double& error) const;
  void judge(double largest, double error, double tolerance, kernel_measurement& result) const;

  int ordinal_;
  std::string name_;
  int major_ = 0;
  int minor_ = 0;
  int multiprocessors_ = 0;
  std::int64_t l2_ = 0;
  bool integrated_ = false;
  int binary_ = 0;
  mutable bool lost_ = false;
  mutable bool blas_tried_ = false;
  mutable std::unique_ptr<cublas_lt> blas_;
  mutable std::string blas_reason_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
  cuda_memory main_;
  cuda_memory counter_;  ///< one 64-bit number
};

template <class T>
cuda_memory cuda_device::upload(const std::vector<T>& values) const {
  cuda_memory block = allocate(values.empty() ? 16 : values.size() * sizeof(T), "shape");
  if (!values.empty()) {
    check(cudaMemcpyAsync(block.as(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, stream_),
          "cudaMemcpyAsync");
    synchronise();  // the vector may be gone afterwards
  }
  return block;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
