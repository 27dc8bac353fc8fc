#pragma once
/// @file
/// Writes GGUF files for tests, and lies in them where a test asks for it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <sizer/model/ggml_type.hpp>

namespace sizer_test {

/// Types of metadata values, as the format numbers them.
enum class gguf_type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

/// Text as the bytes of a file.
inline std::span<const std::byte> file_bytes(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}

/// Bytes in the order of a file.
class byte_writer {
 public:
  explicit byte_writer(bool big_endian = false) : swap_{big_endian != (std::endian::native == std::endian::big)} {}

  template <class Number>
  requires std::is_arithmetic_v<Number> byte_writer& put(Number value) {
    auto raw = std::bit_cast<std::array<char, sizeof(Number)>>(value);
    if (swap_) std::reverse(raw.begin(), raw.end());
    content.append(raw.data(), raw.size());
    return *this;
  }
  /// @param length  what the file says of it; by default the truth
  byte_writer& put_text(std::string_view text, std::optional<std::uint64_t> length = {}) {
    put(length.value_or(text.size()));
    content += text;
    return *this;
  }

  std::string content;

 private:
  bool swap_;
};

/// A GGUF file under construction. The public members may be changed before `bytes()` to say what is not so.
class gguf_writer {
 public:
  explicit gguf_writer(std::uint32_t format = 3, bool big = false) : version{format}, big_endian{big} {}

  /// A value of the type of `value`: an integer, a floating point number, a boolean or a text.
  template <class Value>
  gguf_writer& key(std::string_view name, const Value& value) {
    byte_writer payload{big_endian};
    if constexpr (std::is_convertible_v<Value, std::string_view>) {
      return raw_key(name, gguf_type::text, payload.put_text(value).content);
    } else {
      return raw_key(name, type_of<Value>(), payload.put(value).content);
    }
  }
  template <class Value>
  gguf_writer& array(std::string_view name, const std::vector<Value>& values,
                     std::optional<std::uint64_t> length = {}) {
    byte_writer payload{big_endian};
    if constexpr (std::is_same_v<Value, std::string>) {
      payload.put(static_cast<std::uint32_t>(gguf_type::text)).put(length.value_or(values.size()));
      for (const std::string& value : values) payload.put_text(value);
    } else {
      payload.put(static_cast<std::uint32_t>(type_of<Value>())).put(length.value_or(values.size()));
      for (const Value value : values) payload.put(value);
    }
    return raw_key(name, gguf_type::array, payload.content);
  }
  /// A key whose value is written as it is given.
  gguf_writer& raw_key(std::string_view name, gguf_type type, std::string_view payload) {
    byte_writer out{big_endian};
    keys += out.put_text(name).put(static_cast<std::uint32_t>(type)).content.append(payload);
    ++n_keys;
    return *this;
  }

  /// The next tensor, behind the one before.
  gguf_writer& tensor(std::string_view name, const std::vector<std::int64_t>& ne, sizer::ggml_type type) {
    std::int64_t elements = 1;
    for (const std::int64_t n : ne) elements *= n;
    const sizer::ggml_type_info& layout = sizer::info(type);
    raw_tensor(name, ne, static_cast<std::uint32_t>(layout.id), n_data);
    n_data += static_cast<std::uint64_t>(elements / layout.block * layout.block_bytes);
    n_data += (alignment - n_data % alignment) % alignment;
    return *this;
  }
  /// A row of the tensor table as it is given.
  gguf_writer& raw_tensor(std::string_view name, const std::vector<std::int64_t>& ne, std::uint32_t type,
                          std::uint64_t offset, std::optional<std::uint32_t> n_dims = {}) {
    byte_writer out{big_endian};
    out.put_text(name).put(n_dims.value_or(static_cast<std::uint32_t>(ne.size())));
    for (const std::int64_t n : ne) out.put(n);
    tensors += out.put(type).put(offset).content;
    ++n_tensors;
    return *this;
  }

  /// All but the tensors' data.
  [[nodiscard]] std::string header() const {
    byte_writer out{big_endian};
    out.content = magic;
    return out.put(version).put(n_tensors).put(n_keys).content + keys + tensors;
  }
  /// The file, with zeros for data.
  [[nodiscard]] std::string bytes() const {
    std::string file = header();
    file.append((alignment - file.size() % alignment) % alignment, '\0');
    return file.append(n_data, '\0');
  }

  std::string magic = "GGUF";
  std::uint32_t version;
  bool big_endian;
  std::uint64_t alignment = 32;  ///< that the writer keeps; the key "general.alignment" is the caller's to write
  std::uint64_t n_keys = 0;
  std::uint64_t n_tensors = 0;
  std::uint64_t n_data = 0;  ///< bytes of data
  std::string keys;
  std::string tensors;

 private:
  template <class Value>
  static constexpr gguf_type type_of() {
    if (std::is_same_v<Value, bool>) return gguf_type::boolean;
    if (std::is_floating_point_v<Value>) return sizeof(Value) == 4 ? gguf_type::f32 : gguf_type::f64;
    constexpr bool has_sign = std::is_signed_v<Value>;
    switch (sizeof(Value)) {
      case 1: return has_sign ? gguf_type::i8 : gguf_type::u8;
      case 2: return has_sign ? gguf_type::i16 : gguf_type::u16;
      case 4: return has_sign ? gguf_type::i32 : gguf_type::u32;
      default: return has_sign ? gguf_type::i64 : gguf_type::u64;
    }
  }
};

}  // namespace sizer_test
