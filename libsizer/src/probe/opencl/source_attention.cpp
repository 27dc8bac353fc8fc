#include "kernels_source.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace opencl {

const char* const attention_source = R"CL(
#define SIZER_HEADS (SIZER_KV_HEADS * SIZER_GROUP)
#define SIZER_PIECES (SIZER_HEAD_DIM / SIZER_WIDTH)
#if SIZER_FORMAT == 0
#define SIZER_HEAD_BYTES (SIZER_HEAD_DIM * 2)
#define SIZER_LOAD(row, piece) load_f16(row, piece)
#else
#define SIZER_HEAD_BYTES (SIZER_HEAD_DIM / 32 * 34)
#define SIZER_LOAD(row, piece) load_q8_0(row, piece)
#endif
#define SIZER_TOKEN_BYTES ((ulong)(SIZER_KV_HEADS * SIZER_HEAD_BYTES))
// A part of a layer's tokens leaves, for all heads: largest score, sum of exp(score - largest), weighted values.
#define SIZER_PART_FLOATS ((ulong)(SIZER_HEADS * (SIZER_HEAD_DIM + 2)))

#if SIZER_CPU

// Whole vectors of scores.
#undef SIZER_TILE
#define SIZER_TILE 32

// A work-item takes all heads of a part of the tokens, so that it reads on and on.
kernel void sizer_attention(global const uchar* cache, global const float* queries, global float* parts, uint depth,
                      uint splits, uint layers) {
  float score[SIZER_HEADS * SIZER_TILE];
  float largest[SIZER_HEADS], total[SIZER_HEADS];
  wide value[SIZER_HEADS * SIZER_PIECES];
  for (ulong item = SIZER_FIRST(layers * splits); item < SIZER_LAST(layers * splits); ++item) {
    const ulong layer = item / splits, split = item % splits;
    global const uchar* keys = cache + layer * 2 * depth * SIZER_TOKEN_BYTES;
    global const uchar* values = keys + depth * SIZER_TOKEN_BYTES;
    global const wide* query = (global const wide*)(queries + layer * SIZER_HEADS * SIZER_HEAD_DIM);
    const uint from = depth * split / splits, to = depth * (split + 1) / splits;
    for (uint i = 0; i < SIZER_HEADS * SIZER_PIECES; ++i) value[i] = 0;
    for (uint i = 0; i < SIZER_HEADS; ++i) {
      largest[i] = -INFINITY;
      total[i] = 0;
    }
    for (uint first = from; first < to; first += SIZER_TILE) {
      const uint tokens = min((uint)SIZER_TILE, to - first);
      for (uint t = 0; t < tokens; ++t) {
        global const uchar* row = keys + (first + t) * SIZER_TOKEN_BYTES;
        for (uint h = 0; h < SIZER_KV_HEADS; ++h) {
          wide dot[SIZER_GROUP];
#pragma unroll
          for (uint g = 0; g < SIZER_GROUP; ++g) dot[g] = 0;
#pragma unroll
          for (uint i = 0; i < SIZER_PIECES; ++i) {
            const wide key = SIZER_LOAD(row + h * SIZER_HEAD_BYTES, i);
#pragma unroll
            for (uint g = 0; g < SIZER_GROUP; ++g) {
              dot[g] = fma(key, query[(h * SIZER_GROUP + g) * SIZER_PIECES + i], dot[g]);
            }
          }
#pragma unroll
          for (uint g = 0; g < SIZER_GROUP; ++g) score[(h * SIZER_GROUP + g) * SIZER_TILE + t] = SIZER_SUM(dot[g]);
        }
      }
      for (uint q = 0; q < SIZER_HEADS; ++q) {
        float* mine = score + q * SIZER_TILE;
        for (uint t = tokens; t < SIZER_TILE; ++t) mine[t] = -INFINITY;
        float top = largest[q];
        for (uint t = 0; t < tokens; ++t) top = fmax(top, mine[t]);
        if (top > largest[q]) {
          const float shrink = exp(largest[q] - top);
          total[q] *= shrink;
          for (uint i = 0; i < SIZER_PIECES; ++i) value[q * SIZER_PIECES + i] *= shrink;
          largest[q] = top;
        }
        float16 sum = 0;
        for (uint t = 0; t < SIZER_TILE; t += 16) {
          const float16 weight = exp(vload16(0, mine + t) - top);
          vstore16(weight, 0, mine + t);
          sum += weight;
        }
        total[q] += sum16(sum);
      }
      for (uint t = 0; t < tokens; t += 4) {
        // Tokens past the end have weight 0; the row read for them is one that is there.
        global const uchar* row = values + (first + t) * SIZER_TOKEN_BYTES;
        const ulong one = t + 1 < tokens ? SIZER_TOKEN_BYTES : 0, two = t + 2 < tokens ? 2 * SIZER_TOKEN_BYTES : 0;
        const ulong three = t + 3 < tokens ? 3 * SIZER_TOKEN_BYTES : 0;
        for (uint h = 0; h < SIZER_KV_HEADS; ++h) {
          global const uchar* head = row + h * SIZER_HEAD_BYTES;
#pragma unroll
          for (uint i = 0; i < SIZER_PIECES; ++i) {
            const wide a = SIZER_LOAD(head, i), b = SIZER_LOAD(head + one, i);
            const wide c = SIZER_LOAD(head + two, i), d = SIZER_LOAD(head + three, i);
#pragma unroll
            for (uint g = 0; g < SIZER_GROUP; ++g) {
              const uint q = h * SIZER_GROUP + g;
              const float* weight = score + q * SIZER_TILE + t;
              wide sum = value[q * SIZER_PIECES + i];
              sum = fma(a, (wide)(weight[0]), sum);
              sum = fma(b, (wide)(weight[1]), sum);
              sum = fma(c, (wide)(weight[2]), sum);
              value[q * SIZER_PIECES + i] = fma(d, (wide)(weight[3]), sum);
            }
          }
        }
      }
    }
    global float* part = parts + item * SIZER_PART_FLOATS;
    for (uint q = 0; q < SIZER_HEADS; ++q) {
      part[q] = largest[q];
      part[SIZER_HEADS + q] = total[q];
      for (uint i = 0; i < SIZER_PIECES; ++i) {
        vstore16(value[q * SIZER_PIECES + i], q * SIZER_PIECES + i, part + 2 * SIZER_HEADS);
      }
    }
  }
}

#else

// A group takes one key and value head of a part of the tokens. A lane owns 8 elements of the head and every so manieth
// token: it keeps its part of the queries in registers, and neighbouring lanes read neighbouring 16 bytes.
#define SIZER_SUBSETS (SIZER_LANES / SIZER_PIECES)
#define SIZER_PADDED (SIZER_TILE * SIZER_GROUP + 1)
#if SIZER_PIECES * SIZER_PADDED > 8 * SIZER_LANES
#define SIZER_PARTIAL (SIZER_PIECES * SIZER_PADDED)
#else
#define SIZER_PARTIAL (8 * SIZER_LANES)
#endif
kernel SIZER_GROUP_OF(SIZER_LANES) void sizer_attention(global const uchar* cache, global const float* queries,
                                                  global float* parts, uint depth, uint splits, uint layers) {
  local float partial[SIZER_PARTIAL];
  local float score[SIZER_TILE * SIZER_GROUP];
  local float largest[SIZER_GROUP], shrink[SIZER_GROUP];
  const uint lane = get_local_id(0), piece = lane % SIZER_PIECES, subset = lane / SIZER_PIECES;
  const bool works = subset < SIZER_SUBSETS;
  const uint h = get_group_id(0) % SIZER_KV_HEADS;
  const ulong item = get_group_id(0) / SIZER_KV_HEADS;
  const ulong layer = item / splits, split = item % splits;
  global const uchar* keys = cache + layer * 2 * depth * SIZER_TOKEN_BYTES + h * SIZER_HEAD_BYTES;
  global const uchar* values = keys + depth * SIZER_TOKEN_BYTES;
  const uint from = depth * split / splits, to = depth * (split + 1) / splits;
  wide query[SIZER_GROUP], value[SIZER_GROUP];
  float total[SIZER_GROUP];
#pragma unroll
  for (uint g = 0; g < SIZER_GROUP; ++g) {
    query[g] = vload8(((layer * SIZER_KV_HEADS + h) * SIZER_GROUP + g) * SIZER_PIECES + piece, queries);
    value[g] = 0;
    total[g] = 0;
  }
  if (lane < SIZER_GROUP) largest[lane] = -INFINITY;
  for (uint first = from; first < to; first += SIZER_TILE) {
    const uint tokens = min((uint)SIZER_TILE, to - first);
    if (works) {
      for (uint t = subset; t < tokens; t += SIZER_SUBSETS) {
        const wide key = SIZER_LOAD(keys + (first + t) * SIZER_TOKEN_BYTES, piece);
#pragma unroll
        for (uint g = 0; g < SIZER_GROUP; ++g) {
          partial[piece * SIZER_PADDED + t * SIZER_GROUP + g] = SIZER_SUM(key * query[g]);
        }
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint s = lane; s < tokens * SIZER_GROUP; s += SIZER_LANES) {
      float sum = 0;
#pragma unroll
      for (uint i = 0; i < SIZER_PIECES; ++i) sum += partial[i * SIZER_PADDED + s];
      score[s] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane < SIZER_GROUP) {
      float top = largest[lane];
      for (uint t = 0; t < tokens; ++t) top = fmax(top, score[t * SIZER_GROUP + lane]);
      shrink[lane] = exp(largest[lane] - top);
      largest[lane] = top;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint s = lane; s < tokens * SIZER_GROUP; s += SIZER_LANES) {
      score[s] = exp(score[s] - largest[s % SIZER_GROUP]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint g = 0; g < SIZER_GROUP; ++g) {
      value[g] *= shrink[g];
      total[g] *= shrink[g];
    }
    if (works) {
      for (uint t = subset; t < tokens; t += SIZER_SUBSETS) {
        const wide row = SIZER_LOAD(values + (first + t) * SIZER_TOKEN_BYTES, piece);
#pragma unroll
        for (uint g = 0; g < SIZER_GROUP; ++g) {
          const float weight = score[t * SIZER_GROUP + g];
          total[g] += weight;
          value[g] = fma(row, (wide)(weight), value[g]);
        }
      }
    }
    // The next tile writes `partial`, which was last read two barriers ago, and `score` only after one more.
  }
  // The subsets of the tokens, summed a query head at a time.
  global float* part = parts + item * SIZER_PART_FLOATS;
  for (uint g = 0; g < SIZER_GROUP; ++g) {
    const uint q = h * SIZER_GROUP + g;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (works) vstore8(value[g], lane, partial);
    if (works && piece == 0) score[subset] = total[g];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (subset == 0) {
      wide sum = 0;
      for (uint s = 0; s < SIZER_SUBSETS; ++s) sum += vload8(s * SIZER_PIECES + piece, partial);
      vstore8(sum, q * SIZER_PIECES + piece, part + 2 * SIZER_HEADS);
    }
    if (lane == 0) {
      float sum = 0;
      for (uint s = 0; s < SIZER_SUBSETS; ++s) sum += score[s];
      part[q] = largest[g];
      part[SIZER_HEADS + q] = sum;
    }
  }
}

#endif

// Joins the parts of each layer.
kernel void sizer_merge(global const float* parts, global float* result, uint splits, uint layers) {
  const ulong count = (ulong)layers * SIZER_HEADS * SIZER_HEAD_DIM;
  for (ulong i = SIZER_FIRST(count); i < SIZER_LAST(count); i += SIZER_STEP) {
    const ulong layer = i / (SIZER_HEADS * SIZER_HEAD_DIM), inside = i % (SIZER_HEADS * SIZER_HEAD_DIM);
    const ulong q = inside / SIZER_HEAD_DIM;
    global const float* part = parts + layer * splits * SIZER_PART_FLOATS;
    float top = -INFINITY;
    for (uint s = 0; s < splits; ++s) top = fmax(top, part[s * SIZER_PART_FLOATS + q]);
    float sum = 0, total = 0;
    for (uint s = 0; s < splits; ++s, part += SIZER_PART_FLOATS) {
      const float weight = exp(part[q] - top);
      total += weight * part[SIZER_HEADS + q];
      sum += weight * part[2 * SIZER_HEADS + inside];
    }
    result[i] = sum / total;
  }
}
)CL";

}  // namespace opencl
}  // namespace detail
}  // namespace v0
}  // namespace sizer
