#pragma once
/// @file
/// The nearest names of a list, for messages about a name that is not in it.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sizer_python {

/// At most `most` of the known names, best first; empty when none is alike.
[[nodiscard]] std::vector<std::string> nearest(std::string_view name, const std::vector<std::string>& known,
                                               std::size_t most);

}  // namespace sizer_python
