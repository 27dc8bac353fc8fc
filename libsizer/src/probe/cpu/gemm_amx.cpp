/// @file
/// Products of bf16 and int8 with the tiles of AMX. CMake gives this file the flags; without them there are none.
///
/// A tile is 16 rows of 64 bytes. Two tiles of A and two of B make four of C, so each tile that is loaded is used
/// twice. Packed operands are tiles of 1 KiB, of A 16 rows, of B 16 columns, whose k lie in groups of 4 bytes side by
/// side. The tiles of a block of k come first for the first 16 rows, then for the next: a block lies in one piece,
/// since pieces a power of 2 apart would displace each other from the caches. Sources: Intel SDM volume 1, 18 (tiles);
/// Linux, Documentation/arch/x86/xstate.rst (permission).

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AMX_INT8__)
#include <immintrin.h>
#define SIZER_AMX 1
#endif

#include "kernel_table.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

bool amx_permitted() {
#if defined(__linux__) && defined(__x86_64__) && defined(SYS_arch_prctl)
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

#if defined(SIZER_AMX)
namespace {

constexpr size_t tile_bytes = 1024;
constexpr size_t tile_side = 16;

struct alignas(64) tile_configuration {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(tile_configuration) == 64);

struct bf16_tiles {
  using element = uint16_t;
  static constexpr size_t group = 2;
  static uint16_t element_of(float x) {  // to nearest even
    uint32_t bits = 0;
    memcpy(&bits, &x, sizeof bits);
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  }
  static void multiply_add() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
};
struct int8_tiles {
  using element = int8_t;
  static constexpr size_t group = 4;
  static int8_t element_of(float x) { return static_cast<int8_t>(x); }
  static void multiply_add() {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
};

// A block of B in the second cache: 512 KiB. Shallower blocks let the first cache keep the tiles of A, but C then comes
// and goes more often, which costs more.
constexpr size_t deep_tiles = 32;
constexpr size_t wide_tiles = 16;
static_assert(deep_tiles == 2 * tile_side, "a row of C is asked for with each step");

template <class Tiles>
void pack_a(const float* a, size_t m, size_t k, void* packed) {
  constexpr size_t deep = tile_side * Tiles::group;
  auto* to = static_cast<typename Tiles::element*>(packed);
  for (size_t start = 0; start < k; start += deep * deep_tiles) {
    const size_t end = k - start < deep * deep_tiles ? k : start + deep * deep_tiles;
    for (size_t row = 0; row < m; row += tile_side) {
      for (size_t i = start; i < end; i += deep) {
        for (size_t r = row; r < row + tile_side; ++r) {
          for (size_t j = i; j < i + deep; ++j) *to++ = Tiles::element_of(a[r * k + j]);
        }
      }
    }
  }
}

template <class Tiles>
void pack_b(const float* b_transposed, size_t n, size_t k, void* packed) {
  constexpr size_t deep = tile_side * Tiles::group;
  auto* to = static_cast<typename Tiles::element*>(packed);
  for (size_t start = 0; start < k; start += deep * deep_tiles) {
    const size_t end = k - start < deep * deep_tiles ? k : start + deep * deep_tiles;
    for (size_t column = 0; column < n; column += tile_side) {
      for (size_t i = start; i < end; i += Tiles::group) {
        for (size_t c = column; c < column + tile_side; ++c) {
          for (size_t g = 0; g < Tiles::group; ++g) *to++ = Tiles::element_of(b_transposed[c * k + i + g]);
        }
      }
    }
  }
}

template <class Tiles>
void multiply(const void* a, const void* b, void* c, size_t m, size_t n, size_t k) {
  const size_t k_tiles = k / (tile_side * Tiles::group);
  const size_t n_tiles = n / tile_side;
  const size_t m_tiles = m / tile_side;
  const tile_configuration configuration;
  _tile_loadconfig(&configuration);
  for (size_t n_block = 0; n_block < n_tiles; n_block += wide_tiles) {
    const size_t n_end = n_tiles - n_block < wide_tiles ? n_tiles : n_block + wide_tiles;
    for (size_t k_block = 0; k_block < k_tiles; k_block += deep_tiles) {
      const size_t deep = k_tiles - k_block < deep_tiles ? k_tiles - k_block : deep_tiles;
      const size_t panel_bytes = deep * tile_bytes;
      for (size_t i = 0; i < m_tiles; i += 2) {
        const char* const a0 = static_cast<const char*>(a) + k_block * m_tiles * tile_bytes + i * panel_bytes;
        for (size_t j = n_block; j < n_end; j += 2) {
          const char* const b0 = static_cast<const char*>(b) + k_block * n_tiles * tile_bytes + j * panel_bytes;
          char* const c0 = static_cast<char*>(c) + 4 * tile_side * (i * n + j);
          char* const c1 = c0 + 4 * tile_side * n;
          _tile_loadd(0, c0, 4 * n);
          _tile_loadd(1, c0 + 64, 4 * n);
          _tile_loadd(2, c1, 4 * n);
          _tile_loadd(3, c1 + 64, 4 * n);
          // Tile loads do not run far ahead by themselves: ask for B two steps before and for the next C meanwhile.
          const bool more = j + 2 < n_end;
          const char* const next_c = more ? c0 + 8 * tile_side : c0;
          for (size_t t = 0; t < deep; ++t) {
            const size_t soon = (t + 2 < deep ? t + 2 : t) * tile_bytes;
            for (size_t line = 0; line < tile_bytes; line += 64) {
              _mm_prefetch(b0 + soon + line, _MM_HINT_T0);
              _mm_prefetch(b0 + panel_bytes + soon + line, _MM_HINT_T0);
            }
            _mm_prefetch(next_c + 4 * n * t, _MM_HINT_T1);  // deep_tiles rows
            _mm_prefetch(next_c + 4 * n * t + 64, _MM_HINT_T1);
            _tile_loadd(4, a0 + t * tile_bytes, 64);
            _tile_loadd(6, b0 + t * tile_bytes, 64);
            _tile_loadd(7, b0 + panel_bytes + t * tile_bytes, 64);
            _tile_loadd(5, a0 + panel_bytes + t * tile_bytes, 64);
            Tiles::multiply_add();
          }
          _tile_stored(0, c0, 4 * n);
          _tile_stored(1, c0 + 64, 4 * n);
          _tile_stored(2, c1, 4 * n);
          _tile_stored(3, c1 + 64, 4 * n);
        }
      }
    }
  }
  _tile_release();
}

constexpr gemm_kernel bf16_kernel{"amx_bf16",          32, 32, 32, 2, 2, pack_a<bf16_tiles>, pack_b<bf16_tiles>,
                                  multiply<bf16_tiles>};
constexpr gemm_kernel int8_kernel{"amx_int8",          32, 32, 64, 1, 1, pack_a<int8_tiles>, pack_b<int8_tiles>,
                                  multiply<int8_tiles>};

}  // namespace

const gemm_kernel* gemm_amx_bf16() { return &bf16_kernel; }
const gemm_kernel* gemm_amx_int8() { return &int8_kernel; }
#else
const gemm_kernel* gemm_amx_bf16() { return nullptr; }
const gemm_kernel* gemm_amx_int8() { return nullptr; }
#endif

}  // namespace detail
}  // namespace v0
}  // namespace sizer
