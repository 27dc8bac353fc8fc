#pragma once
/// @file
/// A checked reader over nlohmann-json, private to the library. It knows the file name and the JSON pointer of every
/// value, and refuses what nlohmann lets pass: a key given twice, a key nobody reads, deep nesting, very large files.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sizer/error.hpp>
#include <sizer/names.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

using json = nlohmann::json;

/// Largest file read. The largest catalogue file has some tens of kilobytes; more is a wrong file or an attack.
inline constexpr std::size_t largest_json_bytes = std::size_t{16} << 20U;
/// Deepest nesting read. The formats need 7 levels.
inline constexpr std::size_t deepest_json = 64;
/// Problems that `validate_json` lists before it stops collecting.
inline constexpr std::size_t most_problems = 100;

/// A data_error that keeps apart what was found and what is expected, so that it can be told again in other words.
class json_fault : public data_error {
 public:
  json_fault(const std::string& file, const std::string& pointer, std::string got, std::string expected)
      : data_error{file, pointer, "got " + got + ", expected " + expected},
        got_{std::move(got)},
        expected_{std::move(expected)} {}
  [[nodiscard]] const std::string& got() const noexcept { return got_; }
  [[nodiscard]] const std::string& expected() const noexcept { return expected_; }

 private:
  std::string got_;
  std::string expected_;
};

/// One file being read. With a list of problems, a bad field is noted there and reading goes on; without, it throws.
struct reading {
  std::string file;
  std::vector<std::string>* problems = nullptr;

  template <class Action>
  void attempt(Action&& action) const {
    if (problems == nullptr) {
      action();
      return;
    }
    try {
      action();
    } catch (const data_error& problem) {
      if (problems->size() < most_problems) problems->emplace_back(problem.what());
    }
  }
  /// True while nothing is wrong, so that checks across fields may trust their values.
  [[nodiscard]] bool clean() const noexcept { return problems == nullptr || problems->empty(); }
};

/// Text of a JSON file as an error message shows it: control characters escaped as JSON does, cut when it is long.
[[nodiscard]] inline std::string plain_text(std::string_view text) {
  constexpr std::size_t longest = 64;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string plain;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xC0U) == 0x80U;  // a character of UTF-8 stays whole
    if (plain.size() >= longest && !continues) return plain + "...";
    if (byte >= 0x20U && byte != 0x7FU) {
      plain += c;
    } else {
      plain.append("\\u00").append(1, digits[byte / 16U]).append(1, digits[byte % 16U]);
    }
  }
  return plain;
}

/// A key or index appended to a JSON pointer (RFC 6901 escapes), as plain_text shows it.
[[nodiscard]] inline std::string pointer_to(const std::string& parent, std::string_view key) {
  std::string pointer = parent + '/';
  for (const char c : plain_text(key)) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

/// Builds the document while nlohmann reports its events, and checks keys and depth on the way.
class checked_builder final : public nlohmann::json_sax<json> {
 public:
  explicit checked_builder(std::string file) : file_{std::move(file)} {}
  [[nodiscard]] json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& token) override {
    if (!std::isfinite(value)) throw json_fault{file_, place(), plain_text(token), "a finite number"};
    return add(value);
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (open_.back()->contains(name)) {
      throw json_fault{file_, pointer_to(place(), name), "the key '" + plain_text(name) + "' twice", "each key once"};
    }
    key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& problem) override {
    std::string text = problem.what();
    if (const auto end = text.find("] "); end != std::string::npos)
      text.erase(0, end + 2);  // nlohmann's own error number
    // It repeats what was read last, which may be long and no UTF-8.
    constexpr std::size_t longest = 200;
    if (text.size() > longest) text = text.substr(0, longest) + "...";
    for (char& c : text) c = c >= ' ' && c <= '~' ? c : '?';
    throw data_error{file_, "byte " + std::to_string(position), "not JSON: " + text};
  }

 private:
  template <class Value>
  bool add(Value&& value) {
    place_value(json(std::forward<Value>(value)));
    return true;
  }
  json* place_value(json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    json& slot = parent[key_];
    slot = std::move(value);
    return &slot;
  }
  bool open(json container) {
    if (open_.size() == deepest_json) {
      throw json_fault{file_, place(), "more than " + std::to_string(deepest_json) + " levels of nesting",
                       "at most " + std::to_string(deepest_json)};
    }
    names_.push_back(open_.empty() ? std::string{} : step());
    open_.push_back(place_value(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    names_.pop_back();
    return true;
  }
  [[nodiscard]] std::string step() const {
    return open_.back()->is_array() ? std::to_string(open_.back()->size()) : key_;
  }
  /// Pointer of the innermost open object or array.
  [[nodiscard]] std::string place() const {
    std::string pointer;
    for (std::size_t i = 1; i < names_.size(); ++i) pointer = pointer_to(pointer, names_[i]);
    return pointer;
  }

  std::string file_;
  json root_;
  std::vector<json*> open_;
  std::vector<std::string> names_;
  std::string key_;
};

/// Parses a whole file.
/// @throws data_error with the byte or the pointer of the fault
[[nodiscard]] inline json parse_json(std::string_view text, const std::string& file) {
  if (text.size() > largest_json_bytes) {
    throw json_fault{file, "", std::to_string(text.size()) + " bytes", "at most " + std::to_string(largest_json_bytes)};
  }
  // nlohmann takes a NUL for the end and would let anything behind it pass.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    throw data_error{file, "byte " + std::to_string(nul), "not JSON: got a NUL byte"};
  }
  checked_builder builder{file};
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

/// A value as an error message shows it: its JSON text, cut short.
[[nodiscard]] inline std::string shown(const json& value) {
  constexpr std::size_t longest = 60;  // one terminal line with the rest of the message
  if (value.is_object()) return "an object";
  if (value.is_array() && value.size() > 8) return "an array of " + std::to_string(value.size());
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > longest) text = text.substr(0, longest) + "...";
  return text;
}

/// "a, b, c" for messages.
template <class Names>
[[nodiscard]] std::string listed(const Names& names) {
  std::string text;
  for (const auto& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

class json_object;

/// A value in a file.
class json_node {
 public:
  json_node(const json& value, std::string pointer, const reading& file)
      : value_{&value}, pointer_{std::move(pointer)}, file_{&file} {}

  [[nodiscard]] const json& raw() const noexcept { return *value_; }
  [[nodiscard]] const std::string& pointer() const noexcept { return pointer_; }
  [[nodiscard]] const reading& file() const noexcept { return *file_; }

  [[noreturn]] void fail(const std::string& got, const std::string& expected) const {
    throw json_fault{file_->file, pointer_, got, expected};
  }
  [[noreturn]] void fail(const std::string& expected) const { fail(shown(*value_), expected); }

  [[nodiscard]] std::string text() const {
    if (!value_->is_string()) fail("a string");
    return value_->get<std::string>();
  }
  [[nodiscard]] std::string filled_text() const {
    std::string value = text();
    if (value.find_first_not_of(" \t\n\r") == std::string::npos) fail("a string with text in it");
    return value;
  }
  [[nodiscard]] bool boolean() const {
    if (!value_->is_boolean()) fail("true or false");
    return value_->get<bool>();
  }
  [[nodiscard]] double real() const {
    if (!value_->is_number()) fail("a number");
    return value_->get<double>();
  }
  /// An integer written without fraction or exponent, in [low, high].
  template <class Integer>
  [[nodiscard]] Integer integer(std::int64_t low, std::int64_t high) const {
    const bool fits =
        value_->is_number_integer() &&
        !(value_->is_number_unsigned() && value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX));
    if (!fits || value_->get<std::int64_t>() < low || value_->get<std::int64_t>() > high) {
      fail("an integer from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return static_cast<Integer>(value_->get<std::int64_t>());
  }
  [[nodiscard]] std::vector<json_node> elements() const {
    if (!value_->is_array()) fail("an array");
    std::vector<json_node> nodes;
    nodes.reserve(value_->size());
    for (const json& element : *value_) {
      nodes.emplace_back(element, pointer_to(pointer_, std::to_string(nodes.size())), *file_);
    }
    return nodes;
  }
  /// The texts of an array of strings.
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> values;
    for (const json_node& element : elements()) values.push_back(element.filled_text());
    return values;
  }

 private:
  const json* value_;
  std::string pointer_;
  const reading* file_;
};

/// An object whose keys are known: any other key is a fault that names the nearest known one.
class json_object {
 public:
  json_object(json_node node, std::initializer_list<std::string_view> keys)
      : json_object{std::move(node), std::span<const std::string_view>{keys.begin(), keys.size()}} {}
  json_object(json_node node, std::span<const std::string_view> keys) : node_{std::move(node)} {
    if (!node_.raw().is_object()) node_.fail("an object");
    for (const auto& [key, value] : node_.raw().items()) {
      bool known = false;
      for (const std::string_view candidate : keys) known = known || candidate == key;
      if (!known) node_.file().attempt([&, &name = key] { unknown(name, {keys.begin(), keys.end()}); });
    }
  }

  [[nodiscard]] const json_node& node() const noexcept { return node_; }
  [[nodiscard]] bool has(std::string_view key) const { return node_.raw().contains(key); }
  [[nodiscard]] json_node at(std::string_view key) const {
    const auto found = node_.raw().find(key);
    if (found == node_.raw().end()) node_.fail("no key '" + std::string{key} + "'", "that key");
    return {*found, pointer_to(node_.pointer(), key), node_.file()};
  }

  /// Reads a required key into `target` with `read(node)`.
  template <class Target, class Read>
  void field(std::string_view key, Target& target, Read&& read) const {
    node_.file().attempt([&] { target = read(at(key)); });
  }
  /// Reads a key that may be absent; `target` is then left as it is.
  template <class Target, class Read>
  void optional_field(std::string_view key, Target& target, Read&& read) const {
    if (has(key)) field(key, target, std::forward<Read>(read));
  }
  void text(std::string_view key, std::string& target) const {
    field(key, target, [](const json_node& n) { return n.filled_text(); });
  }
  void optional_text(std::string_view key, std::string& target) const {
    optional_field(key, target, [](const json_node& n) { return n.text(); });
  }

 private:
  [[noreturn]] void unknown(const std::string& key, const std::vector<std::string_view>& keys) const {
    const std::vector<std::string> nearest = nearest_names(key, std::span<const std::string_view>{keys}, 1);
    throw json_fault{node_.file().file, pointer_to(node_.pointer(), key), "the unknown key '" + plain_text(key) + "'",
                     nearest.empty() ? "one of " + listed(keys) : "'" + nearest.front() + "'?"};
  }

  json_node node_;
};

/// One of a fixed set of names, as the value it stands for. `table` is a range of pairs (name, value).
template <class Table>
[[nodiscard]] auto read_choice(const json_node& node, const Table& table) {
  const std::string got = node.text();
  std::vector<std::string_view> names;
  for (const auto& [name, value] : table) {
    if (name == got) return value;
    names.push_back(name);
  }
  node.fail("one of " + listed(names));
}

/// The name of a value in such a table.
template <class Table, class Value>
[[nodiscard]] std::string choice_name(const Table& table, Value wanted) {
  for (const auto& [name, value] : table) {
    if (value == wanted) return std::string{name};
  }
  return std::string{table.begin()->first};
}

/// Refuses any layout of a file but the one this library reads.
inline void read_schema_version(const json_object& file) {
  file.node().file().attempt([&] { (void)file.at("schema_version").integer<int>(1, 1); });
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
