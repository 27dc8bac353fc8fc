#pragma once
/// @file
/// Launchers of the CUDA kernels: everything that nvcc compiles is behind these functions. Each queues its work on a
/// stream and returns what the launch said; what the device says comes with the next synchronisation.

#include <cstddef>
#include <cstdint>
#include <string>

#include <cuda_runtime_api.h>

#include "probe/cuda/lane_attention.hpp"
#include "probe/cuda/lane_math.hpp"
#include "probe/cuda/lane_matvec.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// Where to queue, and how wide the device is: grids are its multiprocessors times the blocks that fit on one.
struct launch_site {
  cudaStream_t stream = nullptr;
  int multiprocessors = 0;
};

/// "13.0.88", and the architectures compiled in: "75 80 ... 120 120-virtual".
[[nodiscard]] std::string nvcc_version();
[[nodiscard]] std::string compiled_architectures();
/// Which binary the driver runs on the current device: 90 for sm_90. Fails where none suits.
[[nodiscard]] cudaError_t binary_architecture(int& architecture);

// --- kernels.cu: streams, chain, launches, operands ------------------------------------------------------------------

[[nodiscard]] cudaError_t launch_fill(const launch_site& on, void* to, std::uint64_t vectors,
                                      const stream_content& content);
/// Adds to *wrong how many vectors are not what they should be.
[[nodiscard]] cudaError_t launch_check(const launch_site& on, const void* from, std::uint64_t vectors,
                                       const stream_content& content, unsigned long long* wrong);
/// Adds to *sum the sum of the words.
[[nodiscard]] cudaError_t launch_read(const launch_site& on, const void* from, std::uint64_t vectors,
                                      unsigned long long* sum);
[[nodiscard]] cudaError_t launch_copy(const launch_site& on, void* to, const void* from, std::uint64_t vectors);
[[nodiscard]] cudaError_t launch_write(const launch_site& on, void* to, std::uint64_t vectors, const vector16& value);
[[nodiscard]] cudaError_t launch_triad(const launch_site& on, void* a, const void* b, const void* c, float s,
                                       std::uint64_t vectors);

[[nodiscard]] cudaError_t launch_fill_chain(const launch_site& on, void* slots, std::uint32_t bits);
/// Follows the chain from *slot and leaves the last slot there.
[[nodiscard]] cudaError_t launch_chain(const launch_site& on, const void* slots, std::uint32_t* slot,
                                       std::uint32_t accesses);

/// Nothing; with a counter, adds one to it.
[[nodiscard]] cudaError_t launch_empty(const launch_site& on, unsigned long long* counter);
/// Keeps the stream busy for about so long, so that what is queued behind starts without waiting for the host.
[[nodiscard]] cudaError_t launch_delay(const launch_site& on, std::uint64_t nanoseconds);

[[nodiscard]] cudaError_t launch_fill_operand(const launch_site& on, gemm_type type, std::uint32_t operand, void* to,
                                              std::uint64_t elements);

// --- kernels_model.cu: matrix-vector products and attention ----------------------------------------------------------

[[nodiscard]] cudaError_t launch_fill_weights(const launch_site& on, weight_format format, void* weights,
                                              std::uint64_t blocks);
[[nodiscard]] cudaError_t launch_matvec(const launch_site& on, weight_format format, const lane_matrix& w,
                                        const lane_vector& x, float* y);

[[nodiscard]] cudaError_t launch_fill_cache(const launch_site& on, cache_format format, void* cache,
                                            std::uint64_t blocks);
/// Warps of the attention kernel that the device runs at one time.
[[nodiscard]] cudaError_t attention_warps(const launch_site& on, cache_format format, const attention_layout& a,
                                          std::uint64_t& warps);
/// Two kernels: parts of the tokens, then the merge of the parts.
[[nodiscard]] cudaError_t launch_attention(const launch_site& on, cache_format format, const attention_layout& a,
                                           const void* cache, const float* queries, softmax_state* states,
                                           float* weighted, float* result);

}  // namespace detail
}  // namespace v0
}  // namespace sizer
