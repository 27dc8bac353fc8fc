/// @file
/// Kernels of decoding: matrix times vector in ggml's formats, attention over a cache. The arithmetic is
/// lane_matvec.hpp and lane_attention.hpp; here are the indices of the grid and the shuffles.

#include "probe/cuda/kernels.hpp"

#include "probe/cuda/grid.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr unsigned model_threads = 256;
constexpr unsigned model_warps = model_threads / warp_lanes;
/// Lanes hold queries, keys, values and sums in registers: smaller blocks leave fewer of them unused.
constexpr unsigned attention_threads = 128;

__device__ unsigned lane_here() { return threadIdx.x % warp_lanes; }
__device__ std::uint64_t warp_here() {
  return (static_cast<std::uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_lanes;
}

// --- matrix times vector ---------------------------------------------------------------------------------------------

template <weight_format Format>
__global__ void __launch_bounds__(model_threads) matvec_kernel(lane_matrix w, lane_vector x, float* __restrict__ y) {
  const std::uint64_t groups = row_groups(Format, w.rows);
  const std::uint64_t warps = static_cast<std::uint64_t>(gridDim.x) * model_warps;
  const unsigned lane = lane_here();
  for (std::uint64_t group = warp_here(); group < groups; group += warps) {
    float sum[rows_at_once(Format)];
    lane_rows<Format>(w, x, group, lane, sum);
    SIZER_UNROLL for (unsigned r = 0; r < rows_at_once(Format); ++r) {
      SIZER_UNROLL for (unsigned offset = warp_lanes / 2; offset > 0; offset /= 2) {
        sum[r] += __shfl_xor_sync(whole_warp, sum[r], offset);
      }
      if (lane == 0 && row_at(Format, group, r) < w.rows) y[row_at(Format, group, r)] = sum[r];
    }
  }
}

template <weight_format Format>
__global__ void fill_weights_kernel(std::uint8_t* weights, std::uint64_t blocks) {
  for (std::uint64_t i = static_cast<std::uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < blocks;
       i += static_cast<std::uint64_t>(gridDim.x) * blockDim.x) {
    fill_weights<Format>(weights, i);
  }
}

template <weight_format Format>
cudaError_t start_matvec(const launch_site& on, const lane_matrix& w, const lane_vector& x, float* y) {
  unsigned blocks = 0;
  const std::uint64_t work = (row_groups(Format, w.rows) + model_warps - 1) / model_warps;
  const cudaError_t code = resident_grid(on, matvec_kernel<Format>, model_threads, work, blocks);
  if (code != cudaSuccess) return code;
  matvec_kernel<Format><<<blocks, model_threads, 0, on.stream>>>(w, x, y);
  return cudaGetLastError();
}

template <weight_format Format>
cudaError_t start_fill_weights(const launch_site& on, std::uint8_t* weights, std::uint64_t count) {
  unsigned blocks = 0;
  const std::uint64_t work = (count + model_threads - 1) / model_threads;
  const cudaError_t code = resident_grid(on, fill_weights_kernel<Format>, model_threads, work, blocks);
  if (code != cudaSuccess) return code;
  fill_weights_kernel<Format><<<blocks, model_threads, 0, on.stream>>>(weights, count);
  return cudaGetLastError();
}

// --- attention -------------------------------------------------------------------------------------------------------

/// Sums the scores over the lanes and leaves one to each. Recursive, because the compiler does not unroll a loop that
/// halves, and the scores would lie in memory.
template <unsigned Half>
__device__ void spread(unsigned lane, float* scores) {
  if constexpr (Half > 0) {
    SIZER_UNROLL for (unsigned i = 0; i < Half; ++i) {
      const float mine = kept(lane, Half, scores[i], scores[i + Half]);
      scores[i] = mine + __shfl_xor_sync(whole_warp, given(lane, Half, scores[i], scores[i + Half]), Half);
    }
    spread<Half / 2>(lane, scores);
  }
}

/// One warp, one item. E elements a lane, G queries at once.
template <cache_format Format, unsigned E, unsigned G>
__global__ void __launch_bounds__(attention_threads)
    attention_kernel(attention_layout a, const std::uint8_t* __restrict__ cache, const float* __restrict__ queries,
                     softmax_state* __restrict__ states, float* __restrict__ weighted) {
  constexpr unsigned tokens = tokens_at_once(G);
  constexpr unsigned values = tokens * G;
  const std::uint64_t index = warp_here();
  if (index >= attention_items(a)) return;  // a whole warp, so that no shuffle waits for it
  const unsigned lane = lane_here();
  const attention_item item = item_at(a, index);

  float query[G][E];
  SIZER_UNROLL for (unsigned j = 0; j < G; ++j) {
    const std::uint32_t q = item.slot * G + j;
    SIZER_UNROLL for (unsigned e = 0; e < E; ++e) {
      query[j][e] = q < a.group ? queries[element_index(item.head * a.group + q, a.head_dim, lane, E) + e] : 0.0f;
    }
  }

  softmax_state state{minus_infinity(), 0.0f};
  float sums[G][E] = {};
  const std::uint32_t end = end_token(a, item.split);
  const std::uint64_t to_values = a.depth * token_bytes(Format, a);
  for (std::uint32_t first = first_token(a, item.split); first < end; first += tokens) {
    raw_elements<Format, E> keys[tokens];
    raw_elements<Format, E> of_values[tokens];
    SIZER_UNROLL for (unsigned t = 0; t < tokens; ++t) {
      const std::uint32_t token = min(first + t, end - 1);
      const std::uint8_t* const row = cache + row_offset(Format, a, item.layer, token, item.head);
      keys[t] = load_elements<Format, E>(row, lane);
      of_values[t] = load_elements<Format, E>(row + to_values, lane);
    }

    float scores[values];
    SIZER_UNROLL for (unsigned t = 0; t < tokens; ++t) {
      float key[E];
      widen<Format, E>(keys[t], key);
      part_of_scores<E, G>(query, key, scores + t * G);
    }
    spread<values / 2>(lane, scores);
    float score = scores[0];
    SIZER_UNROLL for (unsigned offset = values; offset < warp_lanes; offset *= 2) {
      score += __shfl_xor_sync(whole_warp, score, offset);
    }
    score = masked_score<G>(score, lane, first, end);

    float largest = score;
    SIZER_UNROLL for (unsigned offset = G; offset < values; offset *= 2) {
      largest = fmaxf(largest, __shfl_xor_sync(whole_warp, largest, offset));
    }
    const softmax_step step = advance(state, score, largest);

    SIZER_UNROLL for (unsigned j = 0; j < G; ++j) scale_by(sums[j], __shfl_sync(whole_warp, step.factor, j));
    SIZER_UNROLL for (unsigned t = 0; t < tokens; ++t) {
      float value[E];
      widen<Format, E>(of_values[t], value);
      SIZER_UNROLL for (unsigned j = 0; j < G; ++j) {
        add_weighted(sums[j], __shfl_sync(whole_warp, step.weight, t * G + j), value);
      }
    }
  }

  SIZER_UNROLL for (unsigned offset = G; offset < values; offset *= 2) {
    state.sum += __shfl_xor_sync(whole_warp, state.sum, offset);
  }
  if (lane < G) states[state_index(index, G, lane)] = state;
  SIZER_UNROLL for (unsigned j = 0; j < G; ++j) {
    float* const to = weighted + element_index(state_index(index, G, j), a.head_dim, lane, E);
    SIZER_UNROLL for (unsigned e = 0; e < E; ++e) to[e] = sums[j][e];
  }
}

template <unsigned E>
__global__ void __launch_bounds__(attention_threads)
    merge_kernel(attention_layout a, const softmax_state* __restrict__ states, const float* __restrict__ weighted,
                 float* __restrict__ result) {
  const std::uint64_t index = warp_here();
  if (index < std::uint64_t{a.layers} * a.kv_heads * a.group) {
    merge_parts<E>(a, index, lane_here(), states, weighted, result);
  }
}

template <cache_format Format>
__global__ void fill_cache_kernel(std::uint8_t* cache, std::uint64_t blocks) {
  for (std::uint64_t i = static_cast<std::uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < blocks;
       i += static_cast<std::uint64_t>(gridDim.x) * blockDim.x) {
    fill_cache<Format>(cache, i);
  }
}

unsigned blocks_for_warps(std::uint64_t warps) {
  constexpr std::uint64_t per_block = attention_threads / warp_lanes;
  return static_cast<unsigned>((warps + per_block - 1) / per_block);
}

using attention_function = void (*)(attention_layout, const std::uint8_t*, const float*, softmax_state*, float*);
using merge_function = void (*)(attention_layout, const softmax_state*, const float*, float*);

template <cache_format Format, unsigned E>
attention_function attention_for_group(std::uint32_t group) {
  switch (queries_at_once(group)) {
    case 1: return attention_kernel<Format, E, 1>;
    case 4: return attention_kernel<Format, E, 4>;
    default: return attention_kernel<Format, E, 8>;
  }
}
template <cache_format Format>
attention_function attention_for(const attention_layout& a) {
  switch (a.head_dim) {
    case 64: return attention_for_group<Format, 2>(a.group);
    case 128: return attention_for_group<Format, 4>(a.group);
    case 256: return attention_for_group<Format, 8>(a.group);
    default: return nullptr;
  }
}
attention_function attention_for(cache_format format, const attention_layout& a) {
  return format == cache_format::f16 ? attention_for<cache_format::f16>(a) : attention_for<cache_format::q8_0>(a);
}

}  // namespace

cudaError_t launch_fill_weights(const launch_site& on, weight_format format, void* weights, std::uint64_t blocks) {
  auto* const to = static_cast<std::uint8_t*>(weights);
  switch (format) {
    case weight_format::f16: return start_fill_weights<weight_format::f16>(on, to, blocks);
    case weight_format::q8_0: return start_fill_weights<weight_format::q8_0>(on, to, blocks);
    case weight_format::q4_0: return start_fill_weights<weight_format::q4_0>(on, to, blocks);
    default: return start_fill_weights<weight_format::q4_k>(on, to, blocks);
  }
}

cudaError_t launch_matvec(const launch_site& on, weight_format format, const lane_matrix& w, const lane_vector& x,
                          float* y) {
  switch (format) {
    case weight_format::f16: return start_matvec<weight_format::f16>(on, w, x, y);
    case weight_format::q8_0: return start_matvec<weight_format::q8_0>(on, w, x, y);
    case weight_format::q4_0: return start_matvec<weight_format::q4_0>(on, w, x, y);
    default: return start_matvec<weight_format::q4_k>(on, w, x, y);
  }
}

cudaError_t launch_fill_cache(const launch_site& on, cache_format format, void* cache, std::uint64_t blocks) {
  auto* const to = static_cast<std::uint8_t*>(cache);
  const auto kernel =
      format == cache_format::f16 ? fill_cache_kernel<cache_format::f16> : fill_cache_kernel<cache_format::q8_0>;
  unsigned grid = 0;
  const std::uint64_t work = (blocks + model_threads - 1) / model_threads;
  const cudaError_t code = resident_grid(on, kernel, model_threads, work, grid);
  if (code != cudaSuccess) return code;
  kernel<<<grid, model_threads, 0, on.stream>>>(to, blocks);
  return cudaGetLastError();
}

cudaError_t attention_warps(const launch_site& on, cache_format format, const attention_layout& a,
                            std::uint64_t& warps) {
  const attention_function kernel = attention_for(format, a);
  if (kernel == nullptr) return cudaErrorInvalidValue;
  unsigned blocks = 0;
  const cudaError_t code = resident_grid(on, kernel, attention_threads, ~std::uint64_t{0}, blocks);
  warps = std::uint64_t{blocks} * (attention_threads / warp_lanes);
  return code;
}

cudaError_t launch_attention(const launch_site& on, cache_format format, const attention_layout& a, const void* cache,
                             const float* queries, softmax_state* states, float* weighted, float* result) {
  const attention_function kernel = attention_for(format, a);
  if (kernel == nullptr) return cudaErrorInvalidValue;
  kernel<<<blocks_for_warps(attention_items(a)), attention_threads, 0, on.stream>>>(
      a, static_cast<const std::uint8_t*>(cache), queries, states, weighted);
  if (const auto code = cudaGetLastError(); code != cudaSuccess) return code;
  const merge_function merge = a.head_dim == 64    ? merge_kernel<2>
                               : a.head_dim == 128 ? merge_kernel<4>
                                                   : merge_kernel<8>;
  merge<<<blocks_for_warps(std::uint64_t{a.layers} * a.kv_heads * a.group), attention_threads, 0, on.stream>>>(
      a, states, weighted, result);
  return cudaGetLastError();
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
