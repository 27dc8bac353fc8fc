/// @file
/// Byte sources over files, memory and callbacks.

#include <sizer/catalog/byte_source.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <system_error>
#include <utility>

#include <sizer/error.hpp>

namespace sizer {
inline namespace v0 {
namespace {

namespace fs = std::filesystem;

/// A path as text that an error message can carry.
std::string shown(const fs::path& path) { return path.string(); }

class file_source final : public byte_source {
 public:
  explicit file_source(const std::string& path) : name_{path} {
    std::error_code problem;
    const fs::file_status status = fs::status(path, problem);
    if (status.type() == fs::file_type::not_found) throw data_error{path, "", "no such file"};
    if (problem) throw data_error{path, "", "cannot be read: " + problem.message()};
    if (status.type() == fs::file_type::directory) throw data_error{path, "", "got a folder, expected a file"};
    // A pipe or a device could block for ever and has no size.
    if (status.type() != fs::file_type::regular) throw data_error{path, "", "got something that is no regular file"};
    size_ = fs::file_size(path, problem);
    if (problem) throw data_error{path, "", "cannot be read: " + problem.message()};
    // Readers ask for large pieces; a buffer between would only copy them once more.
    file_.rdbuf()->pubsetbuf(nullptr, 0);
    file_.open(path, std::ios::binary);
    if (!file_) throw data_error{path, "", "cannot be read: " + std::string{std::strerror(errno)}};
  }

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return size_; }
  [[nodiscard]] std::size_t read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset >= size_ || out.empty()) return 0;
    const std::lock_guard lock{mutex_};
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(offset));
    file_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
    if (file_.bad()) throw data_error{name_, "byte " + std::to_string(offset), "cannot be read"};
    return static_cast<std::size_t>(file_.gcount());
  }

 private:
  std::string name_;
  std::uint64_t size_ = 0;
  mutable std::mutex mutex_;
  mutable std::ifstream file_;
};

class memory_source final : public byte_source {
 public:
  memory_source(std::span<const std::byte> content, std::string name) : content_{content}, name_{std::move(name)} {}

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return content_.size(); }
  [[nodiscard]] std::size_t read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset >= content_.size()) return 0;
    const std::size_t n = std::min(out.size(), content_.size() - static_cast<std::size_t>(offset));
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
    return n;
  }

 private:
  std::span<const std::byte> content_;
  std::string name_;
};

class callback_source final : public byte_source {
 public:
  callback_source(std::string name, std::optional<std::uint64_t> size, read_callback read)
      : name_{std::move(name)}, size_{size}, read_{std::move(read)} {}

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return size_; }
  [[nodiscard]] std::size_t read(std::uint64_t offset, std::span<std::byte> out) const override {
    const std::size_t n = read_(offset, out);
    if (n > out.size()) {
      throw data_error{name_, "byte " + std::to_string(offset),
                       "got " + std::to_string(n) + " bytes, expected at most " + std::to_string(out.size())};
    }
    return n;
  }

 private:
  std::string name_;
  std::optional<std::uint64_t> size_;
  read_callback read_;
};

}  // namespace

std::unique_ptr<byte_source> open_file(const std::string& path) { return std::make_unique<file_source>(path); }

std::unique_ptr<byte_source> open_memory(std::span<const std::byte> content, std::string name) {
  return std::make_unique<memory_source>(content, std::move(name));
}

std::unique_ptr<byte_source> open_callback(std::string name, std::optional<std::uint64_t> size, read_callback read) {
  return std::make_unique<callback_source>(std::move(name), size, std::move(read));
}

file_opener open_folder(const std::string& path) {
  return [folder = fs::path{path}](const std::string& name) -> std::unique_ptr<byte_source> {
    const fs::path inside{name};
    // Names come out of files: "../../etc/passwd" must not leave the folder.
    const bool plain = !name.empty() && name.find('\0') == std::string::npos && inside.is_relative() &&
                       std::none_of(inside.begin(), inside.end(), [](const fs::path& step) { return step == ".."; });
    if (!plain)
      throw data_error{shown(folder), "", "got the file name '" + name + "', expected one inside this folder"};
    const fs::path whole = folder / inside;
    std::error_code problem;
    if (!fs::is_regular_file(whole, problem)) return nullptr;
    return open_file(whole.string());
  };
}

}  // namespace v0
}  // namespace sizer
