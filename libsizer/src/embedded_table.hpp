#pragma once
/// @file
/// What the generated sources define: each file in pieces, because a compiler may refuse a long string literal (MSVC:
/// 16 KB for one, 64 KB for several joined at compile time).

#include <cstddef>
#include <string_view>

namespace sizer {
inline namespace v0 {
namespace detail {

struct embedded_pieces {
  std::string_view path;
  const std::string_view* pieces;
  std::size_t n_pieces;
};

struct embedded_group {
  const embedded_pieces* files;
  std::size_t n_files;
};

/// One entry per group in EmbedCatalogue.cmake. Pointers, so that the table is a constant whatever the order in which
/// the sources are initialised.
extern const embedded_group* const embedded_groups[];
extern const std::size_t n_embedded_groups;

}  // namespace detail
}  // namespace v0
}  // namespace sizer
