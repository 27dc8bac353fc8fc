/// @file
/// Checkpoints of several safetensors files: the index, and files that must agree with it.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sizer/catalog/safetensors.hpp>
#include <sizer/error.hpp>

#include "safetensors_events.hpp"

namespace sizer {
inline namespace v0 {
namespace {

using detail::event_handler;
using detail::json_fault;
using detail::most_safetensors;
using detail::pointer_to;
using detail::printable;

/// Some three times the largest real index.
constexpr std::uint64_t largest_index = std::uint64_t{64} << 20U;
/// Headers of all files of a checkpoint. The largest real ones have some 30 MB.
constexpr std::int64_t largest_headers = std::int64_t{256} << 20;
constexpr std::size_t most_files = 100'000;
constexpr std::size_t longest_file_name = 255;

/// Collects an index.
class index_handler final : public event_handler {
 public:
  using event_handler::event_handler;

  /// @throws data_error when there is no map or a tensor is in it twice
  [[nodiscard]] safetensors_index index() {
    if (!has_map_) fail("", "no key 'weight_map'", "that key");
    std::sort(tensors_.begin(), tensors_.end());
    const auto twice = std::adjacent_find(tensors_.begin(), tensors_.end());
    if (twice != tensors_.end()) fail(map_place(*twice), "the tensor twice", "each name once");
    return {total_size_, {files_.begin(), files_.end()}, static_cast<std::int64_t>(tensors_.size())};
  }
  /// The tensors' names, sorted once index() was called.
  [[nodiscard]] const std::vector<std::string>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] std::string map_place(std::string_view tensor) const { return pointer_to("/weight_map", tensor); }

  bool number_unsigned(number_unsigned_t value) override {
    if (!at_total()) return scalar(std::to_string(value));
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) fail_total(std::to_string(value));
    total_size_ = static_cast<std::int64_t>(value);
    return true;
  }
  bool number_float(number_float_t value, const string_t& token) override {
    if (!at_total()) return scalar(token.substr(0, most_shown));
    constexpr double limit = 0x1p63;
    // Some writers sum the sizes in floating point.
    if (!(value >= 0.0 && value < limit) || value != std::floor(value)) fail_total(token);
    total_size_ = static_cast<std::int64_t>(value);
    return true;
  }
  bool string(string_t& value) override {
    if (place_ != place::map || skipping()) return event_handler::string(value);
    if (tensors_.size() == most_safetensors)
      fail("/weight_map", "more tensors", "at most " + std::to_string(most_safetensors));
    check_file_name(value);
    files_.insert(value);
    if (files_.size() > most_files) fail("/weight_map", "more files", "at most " + std::to_string(most_files));
    tensors_.push_back(std::move(key_));
    return true;
  }
  bool key(string_t& name) override {
    if (skipping()) return true;
    if (place_ == place::map && detail::has_control_character(name)) {
      fail(map_place(name), "a name with control characters", "a name without");
    }
    bool* const seen = place_ == place::top && name == "weight_map"        ? &has_map_
                       : place_ == place::top && name == "metadata"        ? &has_metadata_
                       : place_ == place::metadata && name == "total_size" ? &has_total_
                                                                           : nullptr;
    if (seen != nullptr && std::exchange(*seen, true)) fail("/" + name, "the key twice", "each key once");
    key_ = std::move(name);
    return true;
  }
  bool start_object(std::size_t) override {
    if (skipping() || place_ == place::metadata) return start_skip("an object");
    if (place_ == place::outside) {
      place_ = place::top;
    } else if (place_ == place::top && key_ == "weight_map") {
      place_ = place::map;
    } else if (place_ == place::top && key_ == "metadata") {
      place_ = place::metadata;
    } else {
      return start_skip("an object");
    }
    return true;
  }
  bool start_array(std::size_t) override { return start_skip("an array"); }
  bool end_object() override {
    if (skipping()) {
      skip_out();
    } else {
      place_ = place_ == place::top ? place::outside : place::top;
    }
    return true;
  }
  bool end_array() override {
    skip_out();
    return true;
  }

 private:
  enum class place : std::uint8_t { outside, top, metadata, map };

  [[nodiscard]] bool at_total() const noexcept {
    return !skipping() && place_ == place::metadata && key_ == "total_size";
  }
  [[noreturn]] void fail_total(const std::string& shown) const {
    fail("/metadata/total_size", shown, "a whole number from 0 to 2^63 - 1");
  }
  bool scalar(const std::string& shown) override {
    if (skipping()) return true;
    if (place_ == place::outside) fail("", shown, "an object");
    if (place_ == place::map) fail(map_place(key_), shown, "the name of a file");
    if (at_total()) fail_total(shown);
    if (place_ == place::top && key_ == "weight_map") fail("/weight_map", shown, "an object");
    return true;
  }
  bool start_skip(const char* shown) {
    scalar(shown);  // which throws where a container may not be
    skip_into();
    return true;
  }

  /// A name from the index is opened, so it must not lead anywhere else.
  void check_file_name(const std::string& name) const {
    const bool plain = !name.empty() && name.size() <= longest_file_name && name != "." && name != ".." &&
                       name.find_first_of("/\\:") == std::string::npos && !detail::has_control_character(name);
    if (!plain) fail(map_place(key_), "'" + name + "'", "the plain name of a file beside the index");
  }

  std::optional<std::int64_t> total_size_;
  std::vector<std::string> tensors_;
  std::set<std::string> files_;
  std::string key_;
  place place_ = place::outside;
  bool has_map_ = false;
  bool has_metadata_ = false;
  bool has_total_ = false;
};

/// The text of an index, read piece by piece: its stated size is no reason to allocate as much.
std::string read_whole(const byte_source& source) {
  constexpr std::size_t piece = std::size_t{1} << 20U;
  std::string text;
  while (true) {
    const std::size_t had = text.size();
    text.resize(had + piece);
    const std::size_t got = source.read(had, std::as_writable_bytes(std::span{text}.subspan(had)));
    text.resize(had + got);
    if (got == 0) return text;
    if (text.size() > largest_index) {
      throw json_fault{source.name(), "", "more than " + std::to_string(largest_index) + " bytes", "fewer"};
    }
  }
}

/// Opens a file that must be there.
safetensors_file read_part(const std::string& name, const std::string& wanted_by, const file_opener& open) {
  const auto source = open(name);
  if (source == nullptr) {
    throw data_error{wanted_by, "", "got no file '" + printable(name) + "', expected it beside this index"};
  }
  return read_safetensors(*source);
}

/// Index and files must speak of the same tensors.
void check_agreement(const index_handler& index, const std::string& index_name,
                     const std::vector<safetensors_file>& files) {
  struct row {
    const std::string* name;
    const safetensors_file* file;
  };
  std::vector<row> rows;
  rows.reserve(index.tensors().size());
  for (const safetensors_file& file : files) {
    for (const safetensors_tensor& tensor : file.tensors) rows.push_back({&tensor.name, &file});
  }
  std::sort(rows.begin(), rows.end(), [](const row& a, const row& b) { return *a.name < *b.name; });
  const auto twice =
      std::adjacent_find(rows.begin(), rows.end(), [](const row& a, const row& b) { return *a.name == *b.name; });
  if (twice != rows.end()) {
    throw json_fault{twice->file->name, pointer_to("", *twice->name),
                     "a tensor that '" + std::next(twice)->file->name + "' has too", "each tensor in one file"};
  }
  const std::vector<std::string>& named = index.tensors();
  for (std::size_t i = 0; i < std::max(rows.size(), named.size()); ++i) {
    const bool extra = i == named.size() || (i < rows.size() && *rows[i].name < named[i]);
    if (!extra && i < rows.size() && *rows[i].name == named[i]) continue;
    std::string counts = " (the files hold " + std::to_string(rows.size()) + " tensors and the index names ";
    counts += std::to_string(named.size()) + ")";
    if (extra) {
      std::string got = "a tensor that '";
      got.append(index_name).append("' does not name").append(counts);
      throw json_fault{rows[i].file->name, pointer_to("", *rows[i].name), got, "the tensors of the index"};
    }
    throw json_fault{index_name, index.map_place(named[i]), "a tensor that no file holds" + counts,
                     "the tensors of the files"};
  }
}

std::vector<safetensors_file> read_indexed(const byte_source& source, const file_opener& open) {
  std::string text = read_whole(source);
  index_handler handler{source.name()};
  read_events(text, source.name(), handler);
  text = {};  // the tensors' headers come next
  const safetensors_index index = handler.index();
  if (index.files.empty()) throw json_fault{source.name(), "/weight_map", "an empty map", "the model's tensors"};

  std::vector<safetensors_file> files;
  std::int64_t headers = 0;
  std::size_t n_tensors = 0;
  for (const std::string& name : index.files) {
    files.push_back(read_part(name, source.name(), open));
    headers += files.back().data_offset;
    n_tensors += files.back().tensors.size();
    if (headers > largest_headers || n_tensors > most_safetensors) {
      throw json_fault{
          files.back().name, "",
          std::to_string(headers) + " bytes of headers and " + std::to_string(n_tensors) + " tensors so far",
          "at most " + std::to_string(largest_headers) + " and " + std::to_string(most_safetensors)};
    }
  }
  check_agreement(handler, source.name(), files);
  return files;
}

}  // namespace

safetensors_index read_safetensors_index(std::string_view text, const std::string& file_name) {
  if (text.size() > largest_index) {
    throw json_fault{file_name, "", std::to_string(text.size()) + " bytes", "at most " + std::to_string(largest_index)};
  }
  index_handler handler{file_name};
  read_events(text, file_name, handler);
  return handler.index();
}

std::vector<safetensors_file> read_safetensors_checkpoint(const file_opener& open) {
  // "consolidated" is what Mistral calls the same in its own naming; repositories that have both hold the model twice.
  for (const std::string stem : {"model", "consolidated"}) {
    if (const auto index = open(stem + ".safetensors.index.json")) return read_indexed(*index, open);
    if (const auto file = open(stem + ".safetensors")) {
      std::vector<safetensors_file> files;
      files.push_back(read_safetensors(*file));
      return files;
    }
  }
  throw data_error{"model.safetensors", "",
                   "no such file, expected model.safetensors.index.json, model.safetensors or Mistral's "
                   "consolidated.safetensors"};
}

}  // namespace v0
}  // namespace sizer
