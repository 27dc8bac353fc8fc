#include "embedded.hpp"

#include <deque>
#include <string>
#include <vector>

#include "embedded_table.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// The table with every file in one piece. Only a file longer than one literal is copied.
class joined_catalogue {
 public:
  joined_catalogue() {
    for (std::size_t g = 0; g < n_embedded_groups; ++g) {
      const embedded_group& group = *embedded_groups[g];
      for (std::size_t f = 0; f < group.n_files; ++f) {
        files_.push_back({group.files[f].path, text(group.files[f])});
      }
    }
  }

  [[nodiscard]] std::span<const embedded_file> files() const { return files_; }

 private:
  std::string_view text(const embedded_pieces& file) {
    if (file.n_pieces == 1) return file.pieces[0];
    std::string& whole = long_texts_.emplace_back();
    for (std::size_t p = 0; p < file.n_pieces; ++p) whole += file.pieces[p];
    return whole;
  }

  std::deque<std::string> long_texts_;  // a deque: the views into its strings outlive the next push
  std::vector<embedded_file> files_;
};

}  // namespace

std::span<const embedded_file> embedded_catalogue() {
  static const joined_catalogue catalogue;
  return catalogue.files();
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
