#pragma once
/// @file
/// What the loaders of model files share.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/load_model.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Text of a file as a name to show: valid UTF-8, no control characters, at most 200 bytes.
[[nodiscard]] std::string shown_name(std::string_view text);

/// An id made of a name: lower case letters and digits with single dashes between.
[[nodiscard]] std::string id_from(std::string_view name);

/// The last part of a path, URL or repository name, without ".gguf" and the like.
[[nodiscard]] std::string stem_of(std::string_view path);

/// Names by which the catalogue may know a model, best first.
using name_list = std::vector<std::string>;

/// What the files state of the context, for label_context.
struct context_statement {
  std::string where;  ///< of the statement
  std::int64_t tokens = 0;
  std::int64_t before_scaling = 0;  ///< context before RoPE scaling; 0: not stated
  std::string before_scaling_where;
};

/// Compares what the files state with what the model was trained for, notes each difference in `entry.file->labels`,
/// and lets the shape take the longer of the two.
void label_context(model_entry& entry, const context_statement& stated, const name_list& names, const catalogue& known);

/// Sets the entry's texts and the file's sums once shape and tensors are in place.
void finish(model_entry& entry, const std::string& name, const load_options& options);

}  // namespace detail
}  // namespace v0
}  // namespace sizer
