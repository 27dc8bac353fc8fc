/// @file
/// Bounded reading of small files.

#include "tree.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

#include <sizer/error.hpp>

#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t largest_recording = std::size_t{16} * 1024 * 1024;
constexpr std::size_t most_names = 4096;
constexpr std::string_view header = "=== ";
// Of a program: system_profiler prints a few KiB, `sysctl -a` about 100 KiB.
constexpr std::size_t largest_output = std::size_t{1} * 1024 * 1024;

file_text read_front(const std::string& path, std::size_t most) {
  std::error_code problem;
  const auto status = std::filesystem::status(path, problem);
  if (status.type() == std::filesystem::file_type::not_found) return {false, {}, "there is no such file"};
  if (problem) return {false, {}, problem.message()};
  if (status.type() != std::filesystem::file_type::regular) return {false, {}, "it is not a file"};
  std::ifstream file{path, std::ios::binary};
  if (!file) return {false, {}, "it cannot be read without more rights"};
  std::string text(most, '\0');
  file.read(text.data(), static_cast<std::streamsize>(most));
  if (file.bad()) return {false, {}, "it cannot be read"};
  text.resize(static_cast<std::size_t>(file.gcount()));
  return {true, std::move(text), {}};
}

/// Pairs of hexadecimal digits; anything else between them is passed over.
std::string from_hex(std::string_view text) {
  std::string result;
  int high = -1;
  for (const char c : text) {
    const char l = lower(c);
    const int digit = is_digit(l) ? l - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      result += static_cast<char>(high * 16 + digit);
      high = -1;
    }
  }
  return result;
}

}  // namespace

file_tree::file_tree(const std::string& root) : root_{root.empty() ? "/" : root} {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(root_, ignored)) {
    const file_text recording = read_front(root_, largest_recording + 1);
    if (!recording.ok) throw data_error(root_, "", recording.problem);
    if (recording.text.size() > largest_recording) throw data_error(root_, "", "too large for a recorded machine");
    record(recording.text, root_);
    return;
  }
  if (!std::filesystem::is_directory(root_, ignored)) {
    throw data_error(root_, "", "got no folder and no recorded machine, expected one of them");
  }
  live_ = root_ == "/";
  if (root_.back() != '/') root_ += '/';
}

void file_tree::record(std::string_view text, const std::string& file_name) {
  recorded_ = true;
  std::string path;
  std::string body;
  bool hex = false;
  const auto finish = [&] {
    if (!path.empty()) files_[path] = hex ? from_hex(body) : body;
    body.clear();
  };
  each_line(text, [&](std::string_view line) {
    if (line.starts_with(header)) {
      finish();
      line.remove_prefix(header.size());
      hex = line.ends_with(" hex");
      if (hex) line.remove_suffix(4);
      path = trimmed(line);
    } else if (!path.empty()) {
      body += line;
      body += '\n';
    }
    return true;
  });
  finish();
  if (files_.empty()) throw data_error(file_name, "", "got no line '=== PATH', expected a recorded machine");
}

file_text file_tree::read(const std::string& path, std::size_t most) const {
  if (!recorded_) return read_front(root_ + path, most);
  const auto found_file = files_.find(path);
  if (found_file == files_.end()) return {false, {}, "there is no such file"};
  return {true, found_file->second.substr(0, most), {}};
}

std::string file_tree::line(const std::string& path) const {
  const file_text file = read(path, 4096);
  return std::string{trimmed(file.text)};
}

bool file_tree::exists(const std::string& path) const {
  if (recorded_) {
    const auto at = files_.lower_bound(path);
    return at != files_.end() && (at->first == path || at->first.starts_with(path + "/"));
  }
  std::error_code ignored;
  return std::filesystem::exists(root_ + path, ignored);
}

std::vector<std::string> file_tree::names(const std::string& folder) const {
  std::vector<std::string> result;
  if (recorded_) {
    const std::string start = folder + "/";
    for (auto at = files_.lower_bound(start); at != files_.end() && at->first.starts_with(start); ++at) {
      const std::string name = at->first.substr(start.size(), at->first.find('/', start.size()) - start.size());
      if (result.empty() || result.back() != name) result.push_back(name);
      if (result.size() == most_names) break;
    }
  } else {
    std::error_code problem;
    std::filesystem::directory_iterator at{root_ + folder, problem};
    while (!problem && at != std::filesystem::directory_iterator{} && result.size() < most_names) {
      result.push_back(at->path().filename().string());
      at.increment(problem);
    }
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

file_text file_tree::output(const std::string& name, [[maybe_unused]] const char* command_line) const {
  if (!live_) return read("commands/" + name, largest_output);
#ifdef __APPLE__
  // The command lines are constants with absolute paths.
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe{popen(command_line, "r"), &pclose};
  if (!pipe) return {false, {}, "the program cannot be started"};
  std::string text(largest_output, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe.get()));
  if (text.empty()) return {false, {}, "the program prints nothing"};
  return {true, std::move(text), {}};
#else
  return {false, {}, "not on this system"};
#endif
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
