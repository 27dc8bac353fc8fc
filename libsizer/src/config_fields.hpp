#pragma once
/// @file
/// A tolerant reader of configuration objects, private to the library: many keys, most of which nobody reads, and the
/// same thing under several names. A key whose value is null counts as not stated.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json_reader.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

/// The keys of an object, and behind them those of the object around it. Where several keys can mean a thing, they are
/// given in one text, separated by spaces, the first stated one counts.
class config_fields {
 public:
  /// @throws json_fault when the value is not an object
  explicit config_fields(json_node object) : inner_{std::move(object)} {
    if (!inner_.raw().is_object()) inner_.fail("an object");
  }
  /// The keys of `inner`; what it does not state is looked up in `outer`.
  config_fields(json_node inner, const config_fields& outer) : config_fields{std::move(inner)} {
    outer_ = outer.inner_;
  }

  [[nodiscard]] const json_node& node() const noexcept { return inner_; }
  /// The object around this one, or this one.
  [[nodiscard]] config_fields outermost() const { return config_fields{outer_ ? *outer_ : inner_}; }
  [[nodiscard]] bool nested() const noexcept { return outer_.has_value(); }

  [[nodiscard]] std::optional<json_node> find(std::string_view keys) const {
    while (!keys.empty()) {
      const std::size_t end = std::min(keys.find(' '), keys.size());
      const std::string_view key = keys.substr(0, end);
      if (auto node = look_up(inner_, key)) {
        if (!node->raw().is_null()) return node;
      } else if (outer_) {
        node = look_up(*outer_, key);
        if (node && !node->raw().is_null()) return node;
      }
      keys.remove_prefix(std::min(end + 1, keys.size()));
    }
    return std::nullopt;
  }
  [[nodiscard]] bool has(std::string_view keys) const { return find(keys).has_value(); }

  [[noreturn]] void missing(std::string_view keys) const {
    inner_.fail("no key '" + std::string{keys.substr(0, keys.find(' '))} + "'", "that key");
  }
  [[nodiscard]] json_node at(std::string_view keys) const {
    const auto node = find(keys);
    if (!node) missing(keys);
    return *node;
  }

  [[nodiscard]] std::optional<std::int32_t> integer(std::string_view keys, std::int64_t low = 0) const {
    const auto node = find(keys);
    if (!node) return std::nullopt;
    return whole(*node, low);
  }
  [[nodiscard]] std::int32_t integer_or(std::string_view keys, std::int32_t fallback, std::int64_t low = 0) const {
    return integer(keys, low).value_or(fallback);
  }
  [[nodiscard]] std::int32_t required(std::string_view keys) const { return whole(at(keys), 1); }

  /// One value, or a list of one per layer; equal values become one. Empty when not stated.
  [[nodiscard]] std::vector<std::int32_t> integers(std::string_view keys) const {
    const auto node = find(keys);
    if (!node) return {};
    if (!node->raw().is_array()) return {whole(*node)};
    std::vector<std::int32_t> values;
    for (const json_node& element : node->elements()) values.push_back(whole(element));
    if (values.empty()) node->fail("a number, or one number per layer");
    if (std::equal(values.begin() + 1, values.end(), values.begin())) values.erase(values.begin() + 1, values.end());
    return values;
  }
  /// One value, or a list of equal values.
  [[nodiscard]] std::optional<std::int32_t> uniform(std::string_view keys) const {
    const std::vector<std::int32_t> values = integers(keys);
    if (values.empty()) return std::nullopt;
    if (values.size() > 1) at(keys).fail("one value for all layers");
    return values.front();
  }

  [[nodiscard]] std::optional<bool> boolean(std::string_view keys) const {
    const auto node = find(keys);
    if (!node) return std::nullopt;
    return node->boolean();
  }
  [[nodiscard]] std::optional<double> real(std::string_view keys) const {
    const auto node = find(keys);
    if (!node) return std::nullopt;
    return node->real();
  }
  /// Empty when not stated.
  [[nodiscard]] std::string text(std::string_view keys) const {
    const auto node = find(keys);
    return node ? node->text() : std::string{};
  }
  [[nodiscard]] std::optional<config_fields> object(std::string_view keys) const {
    const auto node = find(keys);
    if (!node) return std::nullopt;
    return config_fields{*node};
  }

  [[nodiscard]] static std::int32_t whole(const json_node& node, std::int64_t low = 0) {
    return node.integer<std::int32_t>(low, std::numeric_limits<std::int32_t>::max());
  }

 private:
  [[nodiscard]] static std::optional<json_node> look_up(const json_node& object, std::string_view key) {
    const auto found = object.raw().find(key);
    if (found == object.raw().end()) return std::nullopt;
    return json_node{*found, pointer_to(object.pointer(), key), object.file()};
  }

  json_node inner_;
  std::optional<json_node> outer_;
};

}  // namespace detail
}  // namespace v0
}  // namespace sizer
