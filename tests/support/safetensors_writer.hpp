#pragma once
/// @file
/// Writes safetensors files for tests, with or without their data.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/catalog/byte_source.hpp>

namespace sizer_test {

/// Bytes that say they are more than they hold: a header whose data nobody wrote.
class sparse_source final : public sizer::byte_source {
 public:
  sparse_source(std::string content, std::optional<std::uint64_t> size, std::string name = "model.safetensors")
      : content_{std::move(content)}, size_{size}, name_{std::move(name)} {}
  explicit sparse_source(std::string content) : content_{std::move(content)}, size_{content_.size()} {}

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return size_; }
  [[nodiscard]] std::size_t read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset >= content_.size()) return 0;
    const auto rest = std::as_bytes(std::span{content_}).subspan(static_cast<std::size_t>(offset));
    const std::size_t n = std::min(out.size(), rest.size());
    std::copy_n(rest.begin(), n, out.begin());
    return n;
  }

 private:
  std::string content_;
  std::optional<std::uint64_t> size_;
  std::string name_ = "model.safetensors";
};

/// Length and header, as a file begins.
inline std::string safetensors_start(std::string_view header) {
  std::string start;
  for (unsigned shift = 0; shift < 64; shift += 8) start += static_cast<char>((header.size() >> shift) & 0xFFU);
  return start.append(header);
}

/// Puts tensors one behind the other.
class safetensors_writer {
 public:
  void add(const std::string& name, const std::string& dtype, const std::vector<std::int64_t>& shape) {
    std::int64_t bits = bits_of(dtype);
    std::string dimensions;
    for (const std::int64_t n : shape) {
      bits *= n;
      dimensions += (dimensions.empty() ? "" : ",") + std::to_string(n);
    }
    header_ += (header_.empty() ? "" : ",");
    header_ += '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":[)" + dimensions + R"(],"data_offsets":[)" +
               std::to_string(end_) + "," + std::to_string(end_ + bits / 8) + "]}";
    end_ += bits / 8;
  }
  [[nodiscard]] std::string start() const { return safetensors_start("{" + header_ + "}"); }
  /// A source of the size that the file would have with its data.
  [[nodiscard]] std::unique_ptr<sizer::byte_source> source(std::string name = "model.safetensors") const {
    std::string content = start();
    const std::uint64_t size = content.size() + static_cast<std::uint64_t>(end_);
    return std::make_unique<sparse_source>(std::move(content), size, std::move(name));
  }

 private:
  static std::int64_t bits_of(const std::string& dtype) {
    if (dtype == "F4") return 4;
    if (dtype.starts_with("F6_")) return 6;
    if (dtype.ends_with("64")) return 64;
    if (dtype.ends_with("32")) return 32;
    return dtype.ends_with("16") ? 16 : 8;
  }

  std::string header_;
  std::int64_t end_ = 0;
};

}  // namespace sizer_test
