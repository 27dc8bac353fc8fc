/// @file
/// The GGUF reader: one pass over the header.

#include <sizer/catalog/gguf.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <sizer/error.hpp>

#include "byte_cursor.hpp"

namespace sizer {
inline namespace v0 {
namespace {

using detail::byte_cursor;
using detail::printable;

// Limits far above real files (some 60 keys, 1,200 tensors, names of 40 characters), so that a hostile header costs a
// small multiple of its own bytes.
constexpr std::uint64_t most_keys = 65'536;
constexpr std::uint64_t most_tensors = 1'048'576;
constexpr std::uint64_t longest_name = 1'024;
constexpr std::uint64_t longest_header = std::uint64_t{256} << 20U;  // the largest vocabularies take some 30 MB
constexpr std::uint64_t longest_text_kept = 65'536;
constexpr std::uint64_t longest_array_kept = 8'192;  // per-layer lists have one value a layer

// The smallest that an entry can be: a key of one character with a one-byte value, a tensor of one dimension.
constexpr std::uint64_t least_key_bytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t least_tensor_bytes = 8 + 1 + 4 + 8 + 4 + 8;

enum class value_type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };
constexpr std::uint32_t value_type_count = 13;

/// Bytes of a value; 0 for what has no fixed size.
constexpr std::uint64_t width(value_type type) {
  switch (type) {
    case value_type::u8:
    case value_type::i8:
    case value_type::boolean: return 1;
    case value_type::u16:
    case value_type::i16: return 2;
    case value_type::u32:
    case value_type::i32:
    case value_type::f32: return 4;
    case value_type::u64:
    case value_type::i64:
    case value_type::f64: return 8;
    case value_type::text:
    case value_type::array: return 0;
  }
  return 0;
}

constexpr bool is_integer(value_type type) {
  return type != value_type::f32 && type != value_type::f64 && type != value_type::text && type != value_type::array;
}

/// Reads one header.
class header_reader {
 public:
  explicit header_reader(const byte_source& source) : in_{source} {
    file_.name = source.name();
    if (const auto size = source.size()) {
      if (*size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        in_.fail_at(0, "got a file of " + std::to_string(*size) + " bytes, expected at most 2^63 - 1");
      }
      file_.file_size = static_cast<std::int64_t>(*size);
    }
  }

  [[nodiscard]] gguf_file read() && {
    read_start();
    const std::uint64_t n_tensors = read_count("tensors", least_tensor_bytes, most_tensors);
    const std::uint64_t n_keys = read_count("metadata keys", least_key_bytes, most_keys);
    for (std::uint64_t i = 0; i < n_keys; ++i) read_key();
    check_family();
    read_alignment();
    for (std::uint64_t i = 0; i < n_tensors; ++i) read_tensor();
    check_names();
    const std::uint64_t end = in_.position();
    const auto step = static_cast<std::uint64_t>(file_.alignment);
    const std::uint64_t padding = (step - end % step) % step;
    file_.data_offset = static_cast<std::int64_t>(end + padding);
    place_tensors();
    return std::move(file_);
  }

 private:
  void read_start() {
    const std::string magic = in_.take_text(4);
    if (magic != "GGUF") {
      in_.fail_at(0, "got '" + printable(magic) + "', expected 'GGUF', the first four bytes of a GGUF file");
    }
    auto version = in_.take<std::uint32_t>();
    // A small number whose low half is empty was written the other way round.
    if ((version & 0xFFFFU) == 0 && version != 0) {
      file_.big_endian = true;
      in_.swap_bytes(true);
      version = (version >> 24U) | ((version >> 8U) & 0xFF00U);
    }
    if (version < 2 || version > 3) in_.fail_at(4, "got version " + std::to_string(version) + ", expected 2 or 3");
    file_.version = static_cast<std::int32_t>(version);
  }

  std::uint64_t read_count(const char* what, std::uint64_t least_bytes, std::uint64_t most) {
    const std::uint64_t place = in_.position();
    const auto n = in_.take<std::uint64_t>();
    const std::uint64_t room = std::min(in_.left() / least_bytes, most);
    if (n > room) {
      in_.fail_at(place, "got " + std::to_string(n) + ' ' + what + ", expected at most " + std::to_string(room) +
                             (room < most ? ", for which the file has bytes" : ""));
    }
    return n;
  }

  std::uint64_t read_length(const char* what, std::uint64_t most) {
    const std::uint64_t place = in_.position();
    const auto n = in_.take<std::uint64_t>();
    const std::uint64_t room = std::min(in_.left(), most);
    if (n > room) {
      in_.fail_at(place, std::string{"got "} + what + " of " + std::to_string(n) + " bytes, expected at most " +
                             std::to_string(room));
    }
    return n;
  }

  std::string read_name(const char* what) {
    const std::uint64_t place = in_.position();
    const std::uint64_t n = read_length(what, longest_name);
    if (n == 0) in_.fail_at(place, std::string{"got "} + what + " of 0 bytes, expected at least 1");
    return in_.take_text(n);
  }

  /// A server that sends without end must not be read without end.
  void check_length() const {
    if (in_.position() <= longest_header) return;
    in_.fail("the header goes on here, expected at most " + std::to_string(longest_header) + " bytes");
  }

  void skip_text() {
    check_length();
    const std::uint64_t n = read_length("a string", std::numeric_limits<std::uint64_t>::max());
    in_.skip(n);
  }

  value_type read_type(const std::string& key) {
    const std::uint64_t place = in_.position();
    const auto type = in_.take<std::uint32_t>();
    if (type >= value_type_count) {
      in_.fail_at(place,
                  "the value of '" + printable(key) + "' has type " + std::to_string(type) + ", expected 0 to 12");
    }
    return static_cast<value_type>(type);
  }

  std::int64_t read_integer(value_type type, const std::string& key) {
    switch (type) {
      case value_type::u8: return in_.take<std::uint8_t>();
      case value_type::i8: return in_.take<std::int8_t>();
      case value_type::u16: return in_.take<std::uint16_t>();
      case value_type::i16: return in_.take<std::int16_t>();
      case value_type::u32: return in_.take<std::uint32_t>();
      case value_type::i32: return in_.take<std::int32_t>();
      case value_type::u64: {
        const std::uint64_t place = in_.position();
        const auto value = in_.take<std::uint64_t>();
        if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
          in_.fail_at(place, "'" + printable(key) + "': got " + std::to_string(value) + ", expected at most 2^63 - 1");
        }
        return static_cast<std::int64_t>(value);
      }
      case value_type::i64: return in_.take<std::int64_t>();
      default: return read_boolean(key) ? 1 : 0;
    }
  }

  bool read_boolean(const std::string& key) {
    const std::uint64_t place = in_.position();
    const auto value = in_.take<std::uint8_t>();
    if (value > 1) {
      in_.fail_at(place, "'" + printable(key) + "': got " + std::to_string(value) + ", expected 0 or 1, a boolean");
    }
    return value == 1;
  }

  gguf_value read_text(const std::string& key) {
    const std::uint64_t n =
        read_length(("'" + printable(key) + "'").c_str(), std::numeric_limits<std::uint64_t>::max());
    if (n > longest_text_kept) {
      in_.skip(n);
      return gguf_array_length{static_cast<std::int64_t>(n)};
    }
    return in_.take_text(n);
  }

  gguf_value read_array(const std::string& key) {
    const value_type type = read_type(key);
    const std::uint64_t place = in_.position();
    if (type == value_type::array)
      in_.fail_at(place, "'" + printable(key) + "' is an array of arrays, expected values");
    const auto n = in_.take<std::uint64_t>();
    const std::uint64_t each = type == value_type::text ? 8 : width(type);  // a string has at least its length
    if (n > in_.left() / each) {
      in_.fail_at(place, "'" + printable(key) + "': got an array of " + std::to_string(n) +
                             " values, expected at most " + std::to_string(in_.left() / each));
    }
    const gguf_array_length length{static_cast<std::int64_t>(n)};
    if (type == value_type::text) {
      for (std::uint64_t i = 0; i < n; ++i) skip_text();
      return length;
    }
    if (!is_integer(type) || n > longest_array_kept) {
      in_.skip(n * each);
      return length;
    }
    std::vector<std::int64_t> values;
    values.reserve(static_cast<std::size_t>(n));
    for (std::uint64_t i = 0; i < n; ++i) values.push_back(read_integer(type, key));
    return values;
  }

  gguf_value read_value(value_type type, const std::string& key) {
    if (type == value_type::text) return read_text(key);
    if (type == value_type::array) return read_array(key);
    if (type == value_type::boolean) return read_boolean(key);
    if (type == value_type::f32) return static_cast<double>(in_.take<float>());
    if (type == value_type::f64) return in_.take<double>();
    return read_integer(type, key);
  }

  void read_key() {
    check_length();
    const std::uint64_t place = in_.position();
    std::string key = read_name("a key");
    gguf_value value = read_value(read_type(key), key);
    const auto [where, is_new] = file_.metadata.try_emplace(std::move(key), std::move(value));
    if (!is_new) in_.fail_at(place, "got the key '" + printable(where->first) + "' twice, expected each key once");
  }

  /// The family is part of most keys, so of most messages too.
  void check_family() const {
    constexpr std::size_t longest = 64;
    const auto found = file_.metadata.find("general.architecture");
    if (found == file_.metadata.end()) return;
    const auto* value = std::get_if<std::string>(&found->second);
    if (value == nullptr || value->size() > longest || printable(*value) != *value) {
      throw data_error{file_.name, "general.architecture",
                       (value == nullptr ? std::string{"got no string"} : "got '" + printable(*value) + "'") +
                           ", expected a name of at most 64 letters"};
    }
  }

  void read_alignment() {
    const auto found = file_.metadata.find("general.alignment");
    if (found == file_.metadata.end()) return;
    const auto* value = std::get_if<std::int64_t>(&found->second);
    constexpr std::int64_t largest = std::int64_t{1} << 30;
    if (value == nullptr || *value < 1 || *value > largest || (*value & (*value - 1)) != 0) {
      throw data_error{file_.name, "general.alignment",
                       (value == nullptr ? "got no integer" : "got " + std::to_string(*value)) +
                           std::string{", expected a power of two up to 2^30"}};
    }
    file_.alignment = *value;
  }

  [[noreturn]] void fail_tensor(const gguf_tensor& tensor, const std::string& problem) const {
    throw data_error{file_.name, "tensor '" + printable(tensor.name) + "'", problem};
  }

  void read_tensor() {
    check_length();
    gguf_tensor tensor;
    tensor.name = read_name("a tensor name");
    const auto n_dims = in_.take<std::uint32_t>();
    if (n_dims < 1 || n_dims > tensor.ne.size()) {
      fail_tensor(tensor, "got " + std::to_string(n_dims) + " dimensions, expected 1 to 4");
    }
    tensor.n_dims = static_cast<std::int32_t>(n_dims);
    std::int64_t elements = 1;
    for (std::uint32_t i = 0; i < n_dims; ++i) {
      tensor.ne[i] = in_.take<std::int64_t>();
      // 2^62 bytes are beyond any file, so an element count above it is a lie; below it no product of ours overflows.
      if (tensor.ne[i] < 1 || __builtin_mul_overflow(elements, tensor.ne[i], &elements) ||
          elements > std::numeric_limits<std::int64_t>::max() / 16) {
        fail_tensor(tensor, "got dimension " + std::to_string(i) + " of " + std::to_string(tensor.ne[i]) +
                                ", expected at least 1 and a product below 2^59");
      }
    }
    const auto type_id = in_.take<std::uint32_t>();
    const std::uint64_t place = in_.position();
    const auto offset = in_.take<std::uint64_t>();
    if (type_id > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) {
      fail_tensor(tensor, "got number format " + std::to_string(type_id) + ", expected a small number");
    }
    tensor.type_id = static_cast<std::int32_t>(type_id);
    tensor.type = find_ggml_type(std::int64_t{tensor.type_id});
    if (tensor.type) {
      const ggml_type_info& layout = info(*tensor.type);
      if (tensor.ne[0] % layout.block != 0) {
        fail_tensor(tensor, "got rows of " + std::to_string(tensor.ne[0]) + " weights, expected a multiple of " +
                                std::to_string(layout.block) + ", the block of " + std::string{layout.name});
      }
      if (__builtin_mul_overflow(elements / layout.block, std::int64_t{layout.block_bytes}, &tensor.size)) {
        fail_tensor(tensor, "got " + std::to_string(elements) + " weights, expected what fits 2^63 bytes");
      }
    }
    if (offset % static_cast<std::uint64_t>(file_.alignment) != 0 ||
        offset > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      in_.fail_at(place, "tensor '" + printable(tensor.name) + "': got the offset " + std::to_string(offset) +
                             ", expected a multiple of " + std::to_string(file_.alignment) + " below 2^63");
    }
    tensor.offset = static_cast<std::int64_t>(offset);
    file_.tensors.push_back(std::move(tensor));
  }

  void check_names() const {
    std::unordered_set<std::string_view> seen;
    seen.reserve(file_.tensors.size());
    for (const gguf_tensor& tensor : file_.tensors) {
      if (!seen.insert(tensor.name).second) fail_tensor(tensor, "is there twice, expected each name once");
    }
  }

  /// Checks that tensors lie apart and inside the file, and gives those of unknown format the room they have.
  void place_tensors() {
    std::vector<gguf_tensor*> order;
    order.reserve(file_.tensors.size());
    for (gguf_tensor& tensor : file_.tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
    for (std::size_t i = 0; i < order.size(); ++i) {
      gguf_tensor& tensor = *order[i];
      const gguf_tensor* next = i + 1 < order.size() ? order[i + 1] : nullptr;
      if (!tensor.type) {
        if (next != nullptr) {
          tensor.size = next->offset - tensor.offset;
        } else if (file_.file_size && *file_.file_size - file_.data_offset >= tensor.offset) {
          tensor.size = *file_.file_size - file_.data_offset - tensor.offset;
        }
        if (tensor.size == 0) {
          fail_tensor(tensor, "got the number format " + std::to_string(tensor.type_id) +
                                  ", which is not known, and no " + "other tensor tells its size");
        }
      }
      std::int64_t end = 0;
      if (__builtin_add_overflow(tensor.offset, tensor.size, &end) ||
          end > std::numeric_limits<std::int64_t>::max() - file_.data_offset) {
        fail_tensor(tensor, "got the offset " + std::to_string(tensor.offset) + " and " + std::to_string(tensor.size) +
                                " bytes, expected an end below 2^63");
      }
      if (next != nullptr && next->offset < end) {
        fail_tensor(*next, "got the offset " + std::to_string(next->offset) + ", inside the tensor '" +
                               printable(tensor.name) + "' that ends at " + std::to_string(end));
      }
      if (file_.file_size && file_.data_offset + end > *file_.file_size) {
        fail_tensor(tensor, "ends at byte " + std::to_string(file_.data_offset + end) + " of a file of " +
                                std::to_string(*file_.file_size) + " bytes; it is cut short, or its header lies");
      }
    }
  }

  byte_cursor in_;
  gguf_file file_;
};

}  // namespace

std::int64_t gguf_file::tensor_bytes() const {
  count sum = 0;
  for (const gguf_tensor& tensor : tensors) sum += tensor.size;
  return sum.value();
}

gguf_file read_gguf(const byte_source& source) { return header_reader{source}.read(); }

gguf_file read_gguf(const std::string& path) { return read_gguf(*open_file(path)); }

}  // namespace v0
}  // namespace sizer
