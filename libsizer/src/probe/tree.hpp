#pragma once
/// @file
/// The files that detection reads: those of the running system, of a folder laid out like it, or of one recording.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sizer {
inline namespace v0 {
namespace detail {

/// Contents of a file, or why there are none.
struct file_text {
  bool ok = false;
  std::string text;
  std::string problem;
};

/// A recording is a text in which a line "=== PATH" begins the file of that path, and "=== PATH hex" one whose bytes
/// are written as hexadecimal digits. Paths have no leading slash.
class file_tree {
 public:
  /// @throws data_error when `root` is a file that is no recording
  explicit file_tree(const std::string& root);

  /// At most `most` bytes from the front of a regular file.
  [[nodiscard]] file_text read(const std::string& path, std::size_t most = 65536) const;
  /// Text without blanks at the ends; empty when there is none.
  [[nodiscard]] std::string line(const std::string& path) const;
  [[nodiscard]] bool exists(const std::string& path) const;
  /// Names in a folder, sorted; at most 4096.
  [[nodiscard]] std::vector<std::string> names(const std::string& folder) const;
  /// Whether this is the system that runs, where programs may be asked too.
  [[nodiscard]] bool live() const noexcept { return live_; }
  /// What a program printed: of a recording, commands/NAME; live, the output of the command line, on macOS only.
  [[nodiscard]] file_text output(const std::string& name, const char* command_line) const;

 private:
  void record(std::string_view text, const std::string& file_name);

  std::string root_;  ///< with a slash at its end
  bool live_ = false;
  bool recorded_ = false;
  std::map<std::string, std::string, std::less<>> files_;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
