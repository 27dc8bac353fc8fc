#pragma once
/// @file
/// The catalogue's JSON files as they were when the library was built, so that nothing has to be found at run time.
///
/// cmake/EmbedCatalogue.cmake writes the table; embedded.cpp gives it its form.

#include <cstddef>
#include <span>
#include <string_view>

namespace sizer {
inline namespace v0 {
namespace detail {

/// One file of data/.
struct embedded_file {
  std::string_view path;  ///< below data/, with '/': "hardware/nvidia/dgx-spark.json"
  std::string_view text;  ///< the whole file, ASCII
};

/// The files of data/hardware, data/models, data/engines and data/sources*.json, sorted by path inside each of these.
[[nodiscard]] std::span<const embedded_file> embedded_catalogue();

}  // namespace detail
}  // namespace v0
}  // namespace sizer
