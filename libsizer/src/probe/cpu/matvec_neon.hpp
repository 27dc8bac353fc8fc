/// @file
/// Matrix-vector products with NEON and the dot product of Armv8.2. Part of matvec.hpp; the same rules.

/// A half as a float in every lane.
static inline float32x4_t scale_at(const void* half) {
  uint16_t bits;
  memcpy(&bits, half, sizeof bits);
  return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits)));
}
/// Asks for weights that come a page later; the rows lie one after the other.
static inline void ask_ahead(const char* p, size_t bytes) {
  for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(p + 4096 + line);
}
/// 32 products of bytes in four sums.
static inline int32x4_t dot_32(int8x16_t w0, int8x16_t w1, const int8_t* x) {
  return vdotq_s32(vdotq_s32(vdupq_n_s32(0), w0, vld1q_s8(x)), w1, vld1q_s8(x + 16));
}
static inline int8x16_t low_nibbles(uint8x16_t q) { return vreinterpretq_s8_u8(vandq_u8(q, vdupq_n_u8(15))); }
static inline int8x16_t high_nibbles(uint8x16_t q) { return vreinterpretq_s8_u8(vshrq_n_u8(q, 4)); }

static void matvec_f16(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  const char* p = static_cast<const char*>(w);
  for (size_t row = 0; row < rows; ++row) {
    float32x4_t sum[8];
    for (float32x4_t& part : sum) part = vdupq_n_f32(0);
    for (size_t c = 0; c < columns; c += 32, p += 64) {
      ask_ahead(p, 64);
      for (int i = 0; i < 4; ++i) {
        const float16x8_t halves = vreinterpretq_f16_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(p) + 16 * i));
        const float* values = x.values + c + 8 * i;
        sum[2 * i] = vfmaq_f32(sum[2 * i], vcvt_f32_f16(vget_low_f16(halves)), vld1q_f32(values));
        sum[2 * i + 1] = vfmaq_f32(sum[2 * i + 1], vcvt_high_f32_f16(halves), vld1q_f32(values + 4));
      }
    }
    for (int i = 0; i < 4; ++i) sum[i] = vaddq_f32(sum[i], sum[i + 4]);
    y[row] = vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
  }
}

static void matvec_q8_0(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  const char* p = static_cast<const char*>(w);
  for (size_t row = 0; row < rows; ++row) {
    float32x4_t sum[4];
    for (float32x4_t& part : sum) part = vdupq_n_f32(0);
    for (size_t c = 0; c < columns; c += 128, p += 136) {
      ask_ahead(p, 136);
      for (int i = 0; i < 4; ++i) {
        const char* block = p + 34 * i;
        const int8_t* q = reinterpret_cast<const int8_t*>(block + 2);
        const int32x4_t dots = dot_32(vld1q_s8(q), vld1q_s8(q + 16), x.q + c + 32 * i);
        const float32x4_t scale = vmulq_n_f32(scale_at(block), x.scale[c / 32 + static_cast<size_t>(i)]);
        sum[i] = vfmaq_f32(sum[i], vcvtq_f32_s32(dots), scale);
      }
    }
    y[row] = vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
  }
}

static void matvec_q4_0(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  const char* p = static_cast<const char*>(w);
  const int8x16_t eight = vdupq_n_s8(8);
  for (size_t row = 0; row < rows; ++row) {
    float32x4_t sum[4];
    for (float32x4_t& part : sum) part = vdupq_n_f32(0);
    for (size_t c = 0; c < columns; c += 128, p += 72) {
      ask_ahead(p, 72);
      for (int i = 0; i < 4; ++i) {
        const char* block = p + 18 * i;
        const uint8x16_t q = vld1q_u8(reinterpret_cast<const uint8_t*>(block + 2));
        const int8x16_t low = vsubq_s8(low_nibbles(q), eight);
        const int8x16_t high = vsubq_s8(high_nibbles(q), eight);
        const int32x4_t dots = dot_32(low, high, x.q + c + 32 * i);
        const float32x4_t scale = vmulq_n_f32(scale_at(block), x.scale[c / 32 + static_cast<size_t>(i)]);
        sum[i] = vfmaq_f32(sum[i], vcvtq_f32_s32(dots), scale);
      }
    }
    y[row] = vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
  }
}

/// Four numbers of 6 bits, one in each byte.
static inline float32x4_t six_bits(uint32_t bytes) {
  const uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(words)));
}

static void matvec_q4_k(const void* w, const prepared_vector& x, float* y, size_t rows, size_t columns) {
  const char* p = static_cast<const char*>(w);
  for (size_t row = 0; row < rows; ++row) {
    float32x4_t sum[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
    float32x4_t minimums = vdupq_n_f32(0);
    for (size_t c = 0; c < columns; c += 256, p += 144) {
      ask_ahead(p, 144);
      uint32_t header[3];
      memcpy(header, p + 4, sizeof header);
      const float32x4_t d = scale_at(p);
      const float32x4_t dmin = scale_at(p + 2);
      const float* x_scale = x.scale + c / 32;
      const float* x_sum = x.scaled_sum + c / 32;
      // The first four sub-blocks' numbers lie whole; the others' are 4 bits and the upper two of the first four's.
      const uint32_t later_scales = (header[2] & 0x0f0f0f0fu) | (header[0] >> 2 & 0x30303030u);
      const uint32_t later_minimums = (header[2] >> 4 & 0x0f0f0f0fu) | (header[1] >> 2 & 0x30303030u);
      float32x4_t scale[2];
      scale[0] = vmulq_f32(vmulq_f32(d, six_bits(header[0] & 0x3f3f3f3fu)), vld1q_f32(x_scale));
      scale[1] = vmulq_f32(vmulq_f32(d, six_bits(later_scales)), vld1q_f32(x_scale + 4));
      minimums = vfmaq_f32(minimums, vmulq_f32(dmin, six_bits(header[1] & 0x3f3f3f3fu)), vld1q_f32(x_sum));
      minimums = vfmaq_f32(minimums, vmulq_f32(dmin, six_bits(later_minimums)), vld1q_f32(x_sum + 4));
      for (int i = 0; i < 2; ++i) {
        // 32 bytes with the sub-blocks 4 i and 4 i + 1, and 32 with the next two.
        const uint8_t* q = reinterpret_cast<const uint8_t*>(p) + 16 + 64 * i;
        const int8_t* xq = x.q + c + 128 * i;
        const uint8x16_t q0 = vld1q_u8(q);
        const uint8x16_t q1 = vld1q_u8(q + 16);
        const uint8x16_t q2 = vld1q_u8(q + 32);
        const uint8x16_t q3 = vld1q_u8(q + 48);
        const float32x4_t dots0 = vcvtq_f32_s32(dot_32(low_nibbles(q0), low_nibbles(q1), xq));
        const float32x4_t dots1 = vcvtq_f32_s32(dot_32(high_nibbles(q0), high_nibbles(q1), xq + 32));
        const float32x4_t dots2 = vcvtq_f32_s32(dot_32(low_nibbles(q2), low_nibbles(q3), xq + 64));
        const float32x4_t dots3 = vcvtq_f32_s32(dot_32(high_nibbles(q2), high_nibbles(q3), xq + 96));
        sum[0] = vfmaq_laneq_f32(sum[0], dots0, scale[i], 0);
        sum[1] = vfmaq_laneq_f32(sum[1], dots1, scale[i], 1);
        sum[0] = vfmaq_laneq_f32(sum[0], dots2, scale[i], 2);
        sum[1] = vfmaq_laneq_f32(sum[1], dots3, scale[i], 3);
      }
    }
    y[row] = vaddvq_f32(vsubq_f32(vaddq_f32(sum[0], sum[1]), minimums));
  }
}
