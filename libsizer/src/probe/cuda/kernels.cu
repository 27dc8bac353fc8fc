/// @file
/// Kernels that move bytes or nothing. The arithmetic is lane_math.hpp; here are only the indices of the grid.

#include "probe/cuda/kernels.hpp"

#include "probe/cuda/grid.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

__device__ place here() { return {blockIdx.x, gridDim.x, threadIdx.x}; }

/// Adds a number of every thread of the block to one in memory.
__device__ void add_to(unsigned long long* total, unsigned long long part) {
  for (int offset = warp_lanes / 2; offset > 0; offset /= 2) part += __shfl_xor_sync(whole_warp, part, offset);
  if (threadIdx.x % warp_lanes == 0 && part != 0) atomicAdd(total, part);
}

__global__ void __launch_bounds__(stream_threads)
    fill_kernel(vector16* to, std::uint64_t vectors, stream_content what) {
  fill_part(to, what, vectors, here());
}

__global__ void __launch_bounds__(stream_threads)
    check_kernel(const vector16* from, std::uint64_t vectors, stream_content what, unsigned long long* wrong) {
  add_to(wrong, mismatches_part(from, what, vectors, here()));
}

__global__ void __launch_bounds__(stream_threads)
    read_kernel(const vector16* from, std::uint64_t vectors, unsigned long long* sum) {
  add_to(sum, read_part(from, vectors, here()));
}

__global__ void __launch_bounds__(stream_threads)
    copy_kernel(vector16* __restrict__ to, const vector16* __restrict__ from, std::uint64_t vectors) {
  copy_part(to, from, vectors, here());
}

__global__ void __launch_bounds__(stream_threads) write_kernel(vector16* to, std::uint64_t vectors, vector16 value) {
  write_part(to, value, vectors, here());
}

__global__ void __launch_bounds__(stream_threads)
    triad_kernel(vector16* __restrict__ a, const vector16* __restrict__ b, const vector16* __restrict__ c, float s,
                 std::uint64_t vectors) {
  triad_part(a, b, c, s, vectors, here());
}

__global__ void __launch_bounds__(stream_threads) fill_chain_kernel(std::uint8_t* slots, std::uint32_t bits) {
  const std::uint64_t count = std::uint64_t{1} << bits;
  const place at = here();
  for (std::uint64_t x = at.block * stream_threads + at.thread; x < count; x += at.blocks * stream_threads) {
    *reinterpret_cast<std::uint32_t*>(slots + chain_slot(x, bits) * chain_stride) =
        static_cast<std::uint32_t>(chain_slot(chain_next(x, bits), bits));
  }
}

__global__ void chain_kernel(const std::uint8_t* slots, std::uint32_t* slot, std::uint32_t accesses) {
  std::uint32_t at = *slot;
  for (std::uint32_t i = 0; i < accesses; ++i) {
    // Past the first-level cache, which is too small to matter and adds its own time.
    at = __ldcg(reinterpret_cast<const unsigned*>(slots + at * chain_stride));
  }
  *slot = at;
}

__global__ void empty_kernel(unsigned long long* counter) {
  if (counter != nullptr) atomicAdd(counter, 1ull);
}

__device__ std::uint64_t device_nanoseconds() {
  std::uint64_t now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

__global__ void delay_kernel(std::uint64_t nanoseconds) {
  const std::uint64_t begin = device_nanoseconds();
  // The timer may advance in steps of a microsecond or more; the count ends the loop should it stand still.
  for (int i = 0; i < 100000 && device_nanoseconds() - begin < nanoseconds; ++i) __nanosleep(200);
}

__global__ void __launch_bounds__(stream_threads)
    fill_operand_kernel(gemm_type type, std::uint32_t operand, std::uint32_t* to, std::uint64_t words) {
  const std::uint32_t per_word = 4 / gemm_bytes(type);
  const std::uint32_t bits = 8 * gemm_bytes(type);
  const place at = here();
  for (std::uint64_t i = at.block * stream_threads + at.thread; i < words; i += at.blocks * stream_threads) {
    std::uint32_t word = 0;
    for (std::uint32_t e = 0; e < per_word; ++e) {
      word |= gemm_bits(type, gemm_whole(type, operand, i * per_word + e)) << (bits * e);
    }
    to[i] = word;
  }
}

/// Blocks for work of so many tiles: one round of the device, or fewer.
template <class Kernel>
cudaError_t stream_grid(const launch_site& on, Kernel kernel, std::uint64_t tiles, unsigned& blocks) {
  return resident_grid(on, kernel, stream_threads, tiles, blocks);
}

}  // namespace

std::string nvcc_version() {
  return std::to_string(__CUDACC_VER_MAJOR__) + "." + std::to_string(__CUDACC_VER_MINOR__) + "." +
         std::to_string(__CUDACC_VER_BUILD__);
}

std::string compiled_architectures() {
#if defined(SIZER_CUDA_ARCHITECTURES)
  return SIZER_CUDA_ARCHITECTURES;
#else
  return "";
#endif
}

cudaError_t binary_architecture(int& architecture) {
  cudaFuncAttributes attributes{};
  const cudaError_t code = cudaFuncGetAttributes(&attributes, empty_kernel);
  architecture = attributes.binaryVersion;
  return code;
}

cudaError_t launch_fill(const launch_site& on, void* to, std::uint64_t vectors, const stream_content& content) {
  unsigned blocks = 0;
  if (const auto code = stream_grid(on, fill_kernel, tiles_of(vectors), blocks); code != cudaSuccess) return code;
  fill_kernel<<<blocks, stream_threads, 0, on.stream>>>(static_cast<vector16*>(to), vectors, content);
  return cudaGetLastError();
}

cudaError_t launch_check(const launch_site& on, const void* from, std::uint64_t vectors, const stream_content& content,
                         unsigned long long* wrong) {
  unsigned blocks = 0;
  if (const auto code = stream_grid(on, check_kernel, tiles_of(vectors), blocks); code != cudaSuccess) return code;
  check_kernel<<<blocks, stream_threads, 0, on.stream>>>(static_cast<const vector16*>(from), vectors, content, wrong);
  return cudaGetLastError();
}

cudaError_t launch_read(const launch_site& on, const void* from, std::uint64_t vectors, unsigned long long* sum) {
  unsigned blocks = 0;
  if (const auto code = stream_grid(on, read_kernel, tiles_of(vectors), blocks); code != cudaSuccess) return code;
  read_kernel<<<blocks, stream_threads, 0, on.stream>>>(static_cast<const vector16*>(from), vectors, sum);
  return cudaGetLastError();
}

cudaError_t launch_copy(const launch_site& on, void* to, const void* from, std::uint64_t vectors) {
  unsigned blocks = 0;
  if (const auto code = stream_grid(on, copy_kernel, tiles_of(vectors), blocks); code != cudaSuccess) return code;
  copy_kernel<<<blocks, stream_threads, 0, on.stream>>>(static_cast<vector16*>(to), static_cast<const vector16*>(from),
                                                        vectors);
  return cudaGetLastError();
}

cudaError_t launch_write(const launch_site& on, void* to, std::uint64_t vectors, const vector16& value) {
  unsigned blocks = 0;
  if (const auto code = stream_grid(on, write_kernel, tiles_of(vectors), blocks); code != cudaSuccess) return code;
  write_kernel<<<blocks, stream_threads, 0, on.stream>>>(static_cast<vector16*>(to), vectors, value);
  return cudaGetLastError();
}

cudaError_t launch_triad(const launch_site& on, void* a, const void* b, const void* c, float s, std::uint64_t vectors) {
  unsigned blocks = 0;
  if (const auto code = stream_grid(on, triad_kernel, tiles_of(vectors), blocks); code != cudaSuccess) return code;
  triad_kernel<<<blocks, stream_threads, 0, on.stream>>>(static_cast<vector16*>(a), static_cast<const vector16*>(b),
                                                         static_cast<const vector16*>(c), s, vectors);
  return cudaGetLastError();
}

cudaError_t launch_fill_chain(const launch_site& on, void* slots, std::uint32_t bits) {
  unsigned blocks = 0;
  const std::uint64_t rounds = ((std::uint64_t{1} << bits) + stream_threads - 1) / stream_threads;
  if (const auto code = stream_grid(on, fill_chain_kernel, rounds, blocks); code != cudaSuccess) return code;
  fill_chain_kernel<<<blocks, stream_threads, 0, on.stream>>>(static_cast<std::uint8_t*>(slots), bits);
  return cudaGetLastError();
}

cudaError_t launch_chain(const launch_site& on, const void* slots, std::uint32_t* slot, std::uint32_t accesses) {
  chain_kernel<<<1, 1, 0, on.stream>>>(static_cast<const std::uint8_t*>(slots), slot, accesses);
  return cudaGetLastError();
}

cudaError_t launch_empty(const launch_site& on, unsigned long long* counter) {
  empty_kernel<<<1, 1, 0, on.stream>>>(counter);
  return cudaGetLastError();
}

cudaError_t launch_delay(const launch_site& on, std::uint64_t nanoseconds) {
  delay_kernel<<<1, 1, 0, on.stream>>>(nanoseconds);
  return cudaGetLastError();
}

cudaError_t launch_fill_operand(const launch_site& on, gemm_type type, std::uint32_t operand, void* to,
                                std::uint64_t elements) {
  unsigned blocks = 0;
  const std::uint64_t words = elements * gemm_bytes(type) / 4;
  const std::uint64_t rounds = (words + stream_threads - 1) / stream_threads;
  if (const auto code = stream_grid(on, fill_operand_kernel, rounds, blocks); code != cudaSuccess) return code;
  fill_operand_kernel<<<blocks, stream_threads, 0, on.stream>>>(type, operand, static_cast<std::uint32_t*>(to), words);
  return cudaGetLastError();
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
