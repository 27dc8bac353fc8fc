/// @file
/// Matrix-vector products in plain C++, in loops that compilers vectorise. Part of matvec.hpp; the same rules.

/// Finite halves only, without a branch: the exponent's offset is put right by a factor, subnormal numbers included.
static inline float finite_half(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half & 0x8000u) << 16 | static_cast<uint32_t>(half & 0x7fffu) << 13;
  return __builtin_bit_cast(float, bits) * 0x1p112f;
}

static void matvec_f16(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  const uint16_t* p = static_cast<const uint16_t*>(w);
  for (size_t row = 0; row < rows; ++row, p += columns) {
    float sum[16] = {};
    for (size_t c = 0; c < columns; c += 16) {
      for (size_t i = 0; i < 16; ++i) sum[i] += finite_half(p[c + i]) * x.values[c + i];
    }
    float total = 0;
    for (const float part : sum) total += part;
    y[row] = total;
  }
}

static void matvec_q8_0(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  const q8_0_block* block = static_cast<const q8_0_block*>(w);
  for (size_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (size_t b = 0; b < columns / 32; ++b, ++block) {
      const int8_t* q = x.q + 32 * b;
      int32_t dot = 0;
      for (int i = 0; i < 32; ++i) {
        dot += static_cast<int16_t>(block->q[i]) * static_cast<int16_t>(q[i]);
      }
      sum += static_cast<float>(dot) * (half_to_float(block->d) * x.scale[b]);
    }
    y[row] = sum;
  }
}

static void matvec_q4_0(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  const q4_0_block* block = static_cast<const q4_0_block*>(w);
  for (size_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (size_t b = 0; b < columns / 32; ++b, ++block) {
      const int8_t* q = x.q + 32 * b;
      int32_t low = 0;
      int32_t high = 0;
      for (int i = 0; i < 16; ++i) {
        low += static_cast<int16_t>(block->q[i] & 15) * static_cast<int16_t>(q[i]);
        high += static_cast<int16_t>(block->q[i] >> 4) * static_cast<int16_t>(q[16 + i]);
      }
      sum += half_to_float(block->d) * (static_cast<float>(low + high) * x.scale[b] - 8 * x.scaled_sum[b]);
    }
    y[row] = sum;
  }
}

static void matvec_q4_k(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  const q4_k_block* block = static_cast<const q4_k_block*>(w);
  for (size_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (size_t b = 0; b < columns / 256; ++b, ++block) {
      float scaled = 0;
      float minimums = 0;
      for (int pair = 0; pair < 4; ++pair) {
        const uint8_t* nibbles = block->q + 32 * pair;
        const int8_t* q = x.q + 256 * b + 64 * pair;
        int32_t low = 0;
        int32_t high = 0;
        for (int i = 0; i < 32; ++i) {
          low += static_cast<int16_t>(nibbles[i] & 15) * static_cast<int16_t>(q[i]);
          high += static_cast<int16_t>(nibbles[i] >> 4) * static_cast<int16_t>(q[32 + i]);
        }
        const size_t at = 8 * b + 2 * static_cast<size_t>(pair);
        const scale_and_minimum even = q4_k_scale(block->scales, 2 * pair);
        const scale_and_minimum odd = q4_k_scale(block->scales, 2 * pair + 1);
        scaled += static_cast<float>(even.scale * low) * x.scale[at];
        scaled += static_cast<float>(odd.scale * high) * x.scale[at + 1];
        minimums += static_cast<float>(even.minimum) * x.scaled_sum[at];
        minimums += static_cast<float>(odd.minimum) * x.scaled_sum[at + 1];
      }
      sum += half_to_float(block->d) * scaled - half_to_float(block->dmin) * minimums;
    }
    y[row] = sum;
  }
}
