/// @file
/// Blocked matrix product around a product of one register. Included inside the namespace of an instruction set, as
/// simd.hpp is, and after it.
///
/// A Step has: lane_count; group, the consecutive k that one 32-bit word holds (1 float, 2 of 16 bits, 4 of 8 bits);
/// rows and columns, the registers of C that are worked on together; depth and width, the block of B that stays in the
/// second cache (in words and in registers); element, the type of an operand; sum, a register of C; and
/// start, multiply_add, add_to and element_of.
///
/// Packed A: for each `depth` words of k, panels of `rows` rows; in each, word after word along k, the rows' words side
/// by side. Packed B: panels of lane_count columns likewise. So a block lies in one piece: panels a power of 2 apart
/// would displace each other from the caches. For one block of B all of A passes; a panel of A stays in the first cache
/// meanwhile.

#if defined(__clang__)
#define SIZER_UNROLL_GEMM _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define SIZER_UNROLL_GEMM _Pragma("GCC unroll 16")
#else
#define SIZER_UNROLL_GEMM
#endif

static inline void ask_for(const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p, 0, 2);
#else
  (void)p;
#endif
}

/// Panels of `rows` rows of a matrix with k columns, a block of k after the other.
template <class Step>
static void pack_panels(const float* from, size_t count, size_t k, size_t rows, void* packed) {
  typename Step::element* to = static_cast<typename Step::element*>(packed);
  constexpr size_t block = Step::depth * Step::group;
  for (size_t start = 0; start < k; start += block) {
    const size_t end = k - start < block ? k : start + block;
    for (size_t r = 0; r < count; r += rows) {
      for (size_t i = start; i < end; i += Step::group) {
        for (size_t j = r; j < r + rows; ++j) {
          for (size_t g = 0; g < Step::group; ++g) *to++ = Step::element_of(from[j * k + i + g]);
        }
      }
    }
  }
}
template <class Step>
static void pack_rows(const float* a, size_t m, size_t k, void* packed) {
  pack_panels<Step>(a, m, k, Step::rows, packed);
}
template <class Step>
static void pack_columns(const float* b_transposed, size_t n, size_t k, void* packed) {
  pack_panels<Step>(b_transposed, n, k, Step::lane_count, packed);
}

/// Adds `words` words of k to Step::rows x Columns registers of C.
template <class Step, size_t Columns>
static inline void multiply_registers(const char* a, const char* b, size_t b_panel_bytes, const int32_t* correction,
                                      char* c, size_t c_row_bytes, size_t k_words, const char* ahead,
                                      size_t ahead_step) {
  constexpr size_t register_bytes = 4 * Step::lane_count;
  typename Step::sum sum[Step::rows][Columns];
  SIZER_UNROLL_GEMM
  for (size_t r = 0; r < Step::rows; ++r) {
    SIZER_UNROLL_GEMM
    for (size_t j = 0; j < Columns; ++j) sum[r][j] = Step::start(correction + j * Step::lane_count);
  }
  // C is wanted last, so it has time to come.
  for (size_t r = 0; r < Step::rows; ++r) {
    for (size_t j = 0; j < Columns; ++j) ask_for(c + r * c_row_bytes + j * register_bytes);
  }
  const char* column[Columns];
  SIZER_UNROLL_GEMM
  for (size_t j = 0; j < Columns; ++j) column[j] = b + j * b_panel_bytes;
  for (size_t w = 0; w < k_words; ++w) {
    ask_for(ahead);
    ahead += ahead_step;
    typename Step::operand right[Columns];
    SIZER_UNROLL_GEMM
    for (size_t j = 0; j < Columns; ++j) {
      right[j] = Step::load(column[j]);
      column[j] += register_bytes;
    }
    SIZER_UNROLL_GEMM
    for (size_t r = 0; r < Step::rows; ++r) {
      const typename Step::operand left = Step::repeat(a + 4 * r);
      SIZER_UNROLL_GEMM
      for (size_t j = 0; j < Columns; ++j) sum[r][j] = Step::multiply_add(left, right[j], sum[r][j]);
    }
    a += 4 * Step::rows;
  }
  SIZER_UNROLL_GEMM
  for (size_t r = 0; r < Step::rows; ++r) {
    SIZER_UNROLL_GEMM
    for (size_t j = 0; j < Columns; ++j) Step::add_to(c + r * c_row_bytes + j * register_bytes, sum[r][j]);
  }
}

/// ahead: the panel of A that comes next; each call asks for its share.
template <class Step, size_t Columns>
static inline void multiply_columns(const char* a, const char* b, size_t b_panel_bytes, const int32_t* correction,
                                    char* c, size_t c_row_bytes, size_t k_words, size_t panels, const char* ahead,
                                    size_t ahead_step) {
  constexpr size_t register_bytes = 4 * Step::lane_count;
  while (panels >= Columns) {
    multiply_registers<Step, Columns>(a, b, b_panel_bytes, correction, c, c_row_bytes, k_words, ahead, ahead_step);
    b += Columns * b_panel_bytes;
    c += Columns * register_bytes;
    correction += Columns * Step::lane_count;
    ahead += k_words * ahead_step;
    panels -= Columns;
  }
  if constexpr (Columns > 1) {
    if (panels > 0) {
      multiply_columns<Step, Columns - 1>(a, b, b_panel_bytes, correction, c, c_row_bytes, k_words, panels, ahead,
                                          ahead_step);
    }
  }
}

template <class Step>
static void multiply_blocked(const void* a, const void* b, void* c, size_t m, size_t n, size_t k) {
  const size_t all_words = k / Step::group;
  const size_t all_panels = n / Step::lane_count;
  constexpr size_t register_bytes = 4 * Step::lane_count;
  alignas(64) int32_t correction[Step::width * Step::lane_count];
  for (size_t panel = 0; panel < all_panels; panel += Step::width) {
    const size_t panels = all_panels - panel < Step::width ? all_panels - panel : Step::width;
    for (size_t word = 0; word < all_words; word += Step::depth) {
      const size_t k_words = all_words - word < Step::depth ? all_words - word : Step::depth;
      const size_t b_panel_bytes = k_words * register_bytes;
      const char* const b_block = static_cast<const char*>(b) + (word * all_panels + panel * k_words) * register_bytes;
      for (size_t j = 0; j < panels; ++j) {
        Step::correct(b_block + j * b_panel_bytes, k_words, correction + j * Step::lane_count);
      }
      for (size_t row = 0; row < m; row += Step::rows) {
        const char* const a_block = static_cast<const char*>(a) + 4 * (word * m + row * k_words);
        char* const c_block = static_cast<char*>(c) + 4 * (row * n + panel * Step::lane_count);
        const size_t calls = (panels + Step::columns - 1) / Step::columns;
        const char* const ahead = a_block + (row + Step::rows < m ? 4 * Step::rows * k_words : 0);
        multiply_columns<Step, Step::columns>(a_block, b_block, b_panel_bytes, correction, c_block, 4 * n, k_words,
                                              panels, ahead, (4 * Step::rows + calls - 1) / calls);
      }
    }
  }
}
