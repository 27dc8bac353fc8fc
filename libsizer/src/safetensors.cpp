/// @file
/// The header of a safetensors file.

#include <sizer/catalog/safetensors.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/error.hpp>
#include <sizer/units.hpp>

#include "safetensors_events.hpp"

namespace sizer {
inline namespace v0 {
namespace {

using detail::event_handler;
using detail::json_fault;
using detail::most_safetensors;
using detail::pointer_to;
using detail::printable;

/// What the reference implementation allows (safetensors/src/tensor.rs, MAX_HEADER_SIZE).
constexpr std::uint64_t largest_header = 100'000'000;
/// What NumPy and PyTorch allow.
constexpr std::size_t most_dimensions = 64;
/// Far above any model and far enough below 2^63 that sums and products of sizes stay in range.
constexpr std::int64_t largest_data = std::int64_t{1} << 56;

struct dtype_bits {
  std::string_view name;
  std::int64_t bits;
};
/// safetensors/src/tensor.rs, Dtype::bitsize, read at huggingface/safetensors@24b0b2857fef.
constexpr auto dtypes = std::to_array<dtype_bits>({
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},
    {"F8_E5M2", 8},     {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32}, {"F32", 32},
    {"C64", 64},        {"F64", 64},    {"I64", 64},    {"U64", 64},
});

/// Collects the tensors of one header.
class header_handler final : public event_handler {
 public:
  using event_handler::event_handler;

  [[nodiscard]] std::vector<safetensors_tensor> take() && { return std::move(tensors_); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == place::shape) {
      if (n_dims_ == most_dimensions) {
        fail(here("shape"), "more dimensions", "at most " + std::to_string(most_dimensions));
      }
      dims_[n_dims_++] = in_range(value, "shape");
      return true;
    }
    if (place_ == place::offsets) {
      if (n_offsets_ == offsets_.size()) fail(here("data_offsets"), "more numbers", "two, begin and end");
      offsets_[n_offsets_++] = in_range(value, "data_offsets");
      return true;
    }
    return scalar(std::to_string(value));
  }
  bool string(string_t& value) override {
    if (place_ == place::metadata && !skipping()) return true;
    if (place_ != place::tensor || skipping() || field_ != field::dtype) return event_handler::string(value);
    // Shown to people, so a text of any length and content will not do.
    constexpr std::size_t longest = 32;
    if (value.empty() || printable(value) != value || value.size() > longest) {
      fail(here("dtype"), value, "the name of a number format");
    }
    tensor_.dtype = value;
    return true;
  }
  bool key(string_t& name) override {
    if (skipping() || place_ == place::metadata) return true;
    if (place_ == place::tensor) {
      field_ = name == "dtype"          ? field::dtype
               : name == "shape"        ? field::shape
               : name == "data_offsets" ? field::offsets
                                        : field::other;
      if (field_ == field::other) return true;  // the reference passes over keys that it does not know
      const auto bit = 1U << static_cast<unsigned>(field_);
      if ((seen_ & bit) != 0) fail(here(name), "the key twice", "each key once");
      seen_ |= bit;
      return true;
    }
    names_metadata_ = name == "__metadata__";
    if (names_metadata_) {
      if (has_metadata_) fail("/__metadata__", "the key twice", "each key once");
      has_metadata_ = true;
      return true;
    }
    if (detail::has_control_character(name)) {
      fail(pointer_to("", name), "a name with control characters", "a name without");
    }
    if (tensors_.size() == most_safetensors) fail("", "more tensors", "at most " + std::to_string(most_safetensors));
    tensor_ = {};
    tensor_.name = name;
    n_dims_ = n_offsets_ = 0;
    seen_ = 0;
    return true;
  }
  bool start_object(std::size_t) override {
    if (!skipping() && place_ == place::outside) return go(place::header);
    if (!skipping() && place_ == place::header) return go(names_metadata_ ? place::metadata : place::tensor);
    return start_skip("an object");
  }
  bool start_array(std::size_t) override {
    if (!skipping() && place_ == place::tensor && field_ == field::shape) return go(place::shape);
    if (!skipping() && place_ == place::tensor && field_ == field::offsets) return go(place::offsets);
    return start_skip("an array");
  }
  bool end_object() override {
    if (skipping()) {
      skip_out();
    } else if (place_ == place::tensor) {
      finish_tensor();
      place_ = place::header;
    } else {
      place_ = place_ == place::metadata ? place::header : place::outside;
    }
    return true;
  }
  bool end_array() override {
    if (skipping()) {
      skip_out();
    } else {
      place_ = place::tensor;
    }
    return true;
  }

 private:
  enum class place : std::uint8_t { outside, header, metadata, tensor, shape, offsets };
  enum class field : std::uint8_t { dtype, shape, offsets, other };

  bool go(place next) {
    place_ = next;
    return true;
  }
  [[nodiscard]] std::string here() const { return pointer_to("", tensor_.name); }
  [[nodiscard]] std::string here(std::string_view key) const { return pointer_to(here(), key); }

  [[nodiscard]] std::int64_t in_range(number_unsigned_t value, std::string_view key) const {
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) {
      fail(here(key), std::to_string(value), "at most 2^63 - 1");
    }
    return static_cast<std::int64_t>(value);
  }

  /// A value where none of its kind belongs is a fault, unless it lies in a key that nobody reads.
  bool scalar(const std::string& shown) override {
    if (skipping()) return true;
    switch (place_) {
      case place::outside: fail("", shown, "an object of tensors");
      case place::header:
        if (names_metadata_ && shown == "null") return true;  // the reference takes it for none
        if (names_metadata_) fail("/__metadata__", shown, "an object of strings");
        fail(here(), shown, "an object with dtype, shape and data_offsets");
      case place::metadata: fail("/__metadata__", shown, "strings as values");
      case place::tensor: break;
      case place::shape: fail(here("shape"), shown, "integers from 0");
      case place::offsets: fail(here("data_offsets"), shown, "integers from 0");
    }
    if (field_ == field::other) return true;
    if (field_ == field::dtype) fail(here("dtype"), shown, "a string");
    fail(here(field_ == field::shape ? "shape" : "data_offsets"), shown, "an array of integers");
  }
  bool start_skip(const char* shown) {
    if (!skipping() && !(place_ == place::tensor && field_ == field::other)) scalar(shown);  // which throws
    skip_into();
    return true;
  }

  void finish_tensor() {
    constexpr unsigned all = 0b111;
    if (seen_ != all || n_offsets_ != offsets_.size()) {
      fail(here(), "an incomplete entry", "dtype, shape and data_offsets of two numbers");
    }
    const auto [begin, end] = offsets_;
    if (end < begin) {
      fail(here("data_offsets"), "an end of " + std::to_string(end), "at least the begin, " + std::to_string(begin));
    }
    if (end > largest_data) fail(here("data_offsets"), std::to_string(end), "at most 2^56");
    tensor_.shape.assign(dims_.begin(), dims_.begin() + static_cast<std::ptrdiff_t>(n_dims_));
    tensor_.offset = begin;
    tensor_.size = end - begin;
    check_size();
    tensors_.push_back(std::move(tensor_));
  }

  /// Shape and number format must give the bytes that the offsets leave. A format that came later than this library is
  /// taken at its offsets.
  void check_size() const {
    std::int64_t elements = 1;
    for (const std::int64_t n : tensor_.shape) {
      if (__builtin_mul_overflow(elements, n, &elements)) fail(here("shape"), "too many elements", "at most 2^63 - 1");
    }
    const auto* found = std::find_if(dtypes.begin(), dtypes.end(),
                                     [this](const dtype_bits& known) { return known.name == tensor_.dtype; });
    if (found == dtypes.end()) {
      if (elements / 8 > tensor_.size) fail(here("shape"), std::to_string(elements) + " elements", "one a bit at most");
      return;
    }
    std::int64_t bits = 0;
    if (__builtin_mul_overflow(elements, found->bits, &bits)) fail(here("shape"), "too many elements", "fewer");
    if (bits % 8 != 0 || bits / 8 != tensor_.size) {
      fail(here("data_offsets"), std::to_string(tensor_.size) + " bytes",
           std::to_string(bits / 8) + (bits % 8 == 0 ? "" : " and a part") + " for " + std::to_string(elements) +
               " of " + tensor_.dtype);
    }
  }

  std::vector<safetensors_tensor> tensors_;
  safetensors_tensor tensor_;
  std::array<std::int64_t, most_dimensions> dims_{};
  std::array<std::int64_t, 2> offsets_{};
  std::size_t n_dims_ = 0;
  std::size_t n_offsets_ = 0;
  unsigned seen_ = 0;  // one bit a field
  place place_ = place::outside;
  field field_ = field::other;
  bool names_metadata_ = false;
  bool has_metadata_ = false;
};

/// Numbers of the rows in the order of `less`. Sorting these instead of the rows keeps the file's order.
template <class Rows, class Less>
std::vector<std::uint32_t> order_of(const Rows& rows, Less less) {
  std::vector<std::uint32_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return less(rows[a], rows[b]); });
  return order;
}

void check_names(const safetensors_file& file) {
  const auto order = order_of(file.tensors, [](const auto& a, const auto& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const std::string& name = file.tensors[order[i]].name;
    if (name == file.tensors[order[i - 1]].name) {
      throw json_fault{file.name, pointer_to("", name), "the tensor twice", "each name once"};
    }
  }
}

/// The tensors must follow each other without holes, which the reference requires too: no two files in one.
void check_places(const safetensors_file& file) {
  const auto order = order_of(file.tensors, [](const auto& a, const auto& b) {
    return std::pair{a.offset, a.offset + a.size} < std::pair{b.offset, b.offset + b.size};
  });
  std::int64_t end = 0;
  for (const std::uint32_t i : order) {
    const safetensors_tensor& tensor = file.tensors[i];
    if (tensor.offset != end) {
      throw json_fault{file.name, pointer_to(pointer_to("", tensor.name), "data_offsets"),
                       "a begin of " + std::to_string(tensor.offset),
                       std::to_string(end) + ", where the tensor before it ends"};
    }
    end += tensor.size;
  }
  const std::int64_t whole = file.data_offset + end;
  if (file.file_size && *file.file_size != whole) {
    const bool cut = *file.file_size < whole;
    throw data_error{file.name, "",
                     "got a file of " + std::to_string(*file.file_size) + " bytes, expected the " +
                         std::to_string(whole) + " bytes that its header describes" +
                         (cut ? "; the file is not complete" : "")};
  }
}

}  // namespace

std::int64_t safetensors_file::tensor_bytes() const {
  count total = 0;
  for (const safetensors_tensor& tensor : tensors) total += tensor.size;
  return total.value();
}

safetensors_file read_safetensors(const byte_source& source) {
  safetensors_file file;
  file.name = source.name();
  if (const auto size = source.size()) {
    if (*size > static_cast<std::uint64_t>(INT64_MAX)) {
      throw json_fault{file.name, "", std::to_string(*size) + " bytes", "at most 2^63 - 1"};
    }
    file.file_size = static_cast<std::int64_t>(*size);
  }
  detail::byte_cursor in{source};
  const auto length = in.take<std::uint64_t>();
  // "version " of "version https://git-lfs.github.com/spec/v1", read as a number
  constexpr std::uint64_t git_lfs = 0x206E6F6973726576;
  if (length == git_lfs) in.fail_at(0, "got a Git LFS pointer, expected the file that it stands for");
  if (length > largest_header || length > in.left()) {
    in.fail_at(0, "got a header of " + std::to_string(length) + " bytes, expected at most " +
                      std::to_string(std::min(largest_header, in.left())));
  }
  file.data_offset = static_cast<std::int64_t>(sizeof(length) + length);
  {
    const std::string text = in.take_text(length);
    header_handler handler{file.name};
    read_events(text, file.name, handler);
    file.tensors = std::move(handler).take();
  }
  check_names(file);
  check_places(file);
  return file;
}

}  // namespace v0
}  // namespace sizer
