#pragma once
/// @file
/// The catalogue's lists: machines that were never sold, and sources. And which kind of file a document is.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/catalog.hpp>

#include "json_reader.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

struct named_text {
  std::string file;
  std::string_view text;  ///< lives as long as the program (embedded data)
};

/// Why a name that sounds right has no entry.
struct not_sold_reason {
  std::string why;
  std::vector<std::string> nearest;
};

struct lists {
  std::map<std::string, not_sold_reason, std::less<>> not_sold;  ///< by normal name
  std::map<std::string, source_info, std::less<>> sources;       ///< by key
};

enum class file_kind { unknown, model, machine, not_sold, sources };

/// What a document is, by the keys at its top.
[[nodiscard]] file_kind kind_of(const json& document);

void read_not_sold(const json_node& node, lists& into);
void read_sources(const json_node& node, lists& into);
/// Reads embedded lists of either kind.
[[nodiscard]] lists read_lists(const std::vector<named_text>& files);

}  // namespace detail
}  // namespace v0
}  // namespace sizer
