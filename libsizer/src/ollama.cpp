#include <sizer/catalog/ollama.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sizer/error.hpp>

#include "json_reader.hpp"

namespace sizer {
inline namespace v0 {
namespace {

using detail::json;
using detail::json_node;

// --- names
// ------------------------------------------------------------------------------------------------------------

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// What a part of a name may be: letters, digits and '_', and behind the first character also those of `inside`. No
/// part can then be "..", hold a path separator or begin like an option. Source: ollama types/model/name.go.
struct part_rule {
  std::string_view what;
  std::size_t longest;
  std::string_view inside;

  [[nodiscard]] bool allows(std::string_view part) const noexcept {
    if (part.empty() || part.size() > longest || inside.find(part.front()) != std::string_view::npos) return false;
    return std::all_of(part.begin(), part.end(), [this](char c) {
      return is_letter(c) || is_digit(c) || c == '_' || inside.find(c) != std::string_view::npos;
    });
  }
  [[nodiscard]] std::string expected() const {
    std::string text = "1 to " + std::to_string(longest) + " letters, digits, '_'";
    for (const char c : inside) text.append(", '").append(1, c).append("'");
    return text + ", beginning with a letter, a digit or '_'";
  }
};

constexpr part_rule host_rule{"host", 350, "-.:"};
constexpr part_rule name_space_rule{"namespace", 80, "-"};
constexpr part_rule model_rule{"model", 80, "-."};
constexpr part_rule tag_rule{"tag", 80, "-."};

/// Any text as a message may show it: quoted, ASCII, short.
std::string quoted(std::string_view text) { return detail::shown(json(std::string{text})); }

[[noreturn]] void fail_part(std::string_view what, std::string_view part, std::string_view whole,
                            const std::string& expected) {
  std::string got = "the " + std::string{what} + ' ' + quoted(part);
  if (part != whole) got += " in " + quoted(whole);
  throw value_error{"model", got, expected};
}

std::string checked_part(const part_rule& rule, std::string_view part, std::string_view whole) {
  if (!rule.allows(part)) fail_part(rule.what, part, whole, rule.expected());
  return std::string{part};
}

/// A host, with a port or without. "c:" is a drive elsewhere, so that a port needs digits and a host two characters.
std::string checked_host(std::string_view part, std::string_view whole) {
  std::string host = checked_part(host_rule, part, whole);
  const std::size_t colon = host.find(':');
  if (colon == std::string::npos) return host;
  const std::string_view port = std::string_view{host}.substr(colon + 1);
  constexpr std::size_t longest_port = 5;  // 65535
  if (colon < 2 || port.empty() || port.size() > longest_port || !std::all_of(port.begin(), port.end(), is_digit)) {
    fail_part(host_rule.what, part, whole, "a host, or a host and the number of a port: registry.example:5000");
  }
  return host;
}

/// Takes what follows the last `separator` off `rest`; empty when there is none.
std::optional<std::string_view> take_last(std::string_view& rest, char separator) {
  const std::size_t at = rest.rfind(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view last = rest.substr(at + 1);
  rest = rest.substr(0, at);
  return last;
}

// --- JSON
// -------------------------------------------------------------------------------------------------------------

/// A key of an object whose other keys do not matter: a later Ollama may write more.
std::optional<json_node> find_key(const json_node& object, std::string_view key) {
  if (!object.raw().is_object()) object.fail("an object");
  const auto found = object.raw().find(key);
  if (found == object.raw().end() || found->is_null()) return std::nullopt;
  return json_node{*found, detail::pointer_to(object.pointer(), key), object.file()};
}

json_node required_key(const json_node& object, std::string_view key) {
  std::optional<json_node> found = find_key(object, key);
  if (!found) object.fail("no '" + std::string{key} + "'", "that key");
  return *std::move(found);
}

constexpr std::string_view media_type_of_ollama = "application/vnd.ollama.image.";

/// "sha256:" and the digits. Ollama takes a dash for the colon, as its files have it.
std::string read_digest(const json_node& node) {
  constexpr std::string_view algorithm = "sha256";
  constexpr std::size_t digits = 64;
  std::string digest = node.text();
  const std::string_view hex = std::string_view{digest}.substr(std::min(digest.size(), algorithm.size() + 1));
  const bool good = hex.size() == digits && digest.starts_with(algorithm) &&
                    (digest[algorithm.size()] == ':' || digest[algorithm.size()] == '-') &&
                    std::all_of(hex.begin(), hex.end(),
                                [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
  if (!good) node.fail("'sha256:' and 64 hexadecimal digits");
  digest[algorithm.size()] = ':';
  return digest;
}

ollama_layer read_layer(const json_node& node) {
  ollama_layer layer;
  layer.media_type = required_key(node, "mediaType").filled_text();
  layer.digest = read_digest(required_key(node, "digest"));
  layer.size = required_key(node, "size").integer<std::int64_t>(0, std::numeric_limits<std::int64_t>::max());
  return layer;
}

/// An option of Ollama's API. It takes numbers with a decimal point for integers too; a fraction means nothing here.
std::optional<std::int64_t> read_option(const json_node& options, std::string_view key, std::int64_t low) {
  constexpr std::int64_t high = std::numeric_limits<std::int32_t>::max();  // llama.cpp keeps them in 32 bits
  const std::optional<json_node> node = find_key(options, key);
  if (!node) return std::nullopt;
  if (!node->raw().is_number_float()) return node->integer<std::int64_t>(low, high);
  const double number = node->real();
  if (number != std::trunc(number) || number < static_cast<double>(low) || number > static_cast<double>(high)) {
    node->fail("an integer from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return static_cast<std::int64_t>(number);
}

}  // namespace

const ollama_layer* ollama_manifest::find(std::string_view kind) const noexcept {
  for (const ollama_layer& layer : layers) {
    const std::string_view type = layer.media_type;
    if (type.starts_with(media_type_of_ollama) && type.substr(media_type_of_ollama.size()) == kind) return &layer;
  }
  return nullptr;
}

ollama_name parse_ollama_name(std::string_view text) {
  constexpr std::string_view scheme_end = "://";
  ollama_name name;
  std::string_view rest = text;
  const std::size_t scheme = rest.find(scheme_end);
  if (scheme != std::string_view::npos) {
    name.scheme = rest.substr(0, scheme);
    if (name.scheme != "https" && name.scheme != "http") fail_part("scheme", name.scheme, text, "https or http");
    rest.remove_prefix(scheme + scheme_end.size());
  }
  // A tag has no slash and a host has no place behind one, so that the last colon tells which of them it belongs to.
  const std::size_t colon = rest.rfind(':');
  const std::size_t slash = rest.rfind('/');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    name.tag = checked_part(tag_rule, *take_last(rest, ':'), text);
  }
  const auto model = take_last(rest, '/');
  name.model = checked_part(model_rule, model.value_or(rest), text);
  if (model) {
    const auto name_space = take_last(rest, '/');
    name.name_space = checked_part(name_space_rule, name_space.value_or(rest), text);
    if (name_space) {
      name.host = checked_host(rest, text);
      return name;
    }
  }
  if (scheme != std::string_view::npos) {
    fail_part("scheme", name.scheme, text, name.scheme + "://host/namespace/model:tag");
  }
  return name;
}

ollama_manifest read_ollama_manifest(std::string_view text, const std::string& file_name) {
  const detail::reading file{file_name, nullptr};
  const json document = detail::parse_json(text, file_name);
  const json_node root{document, "", file};
  if (const auto version = find_key(root, "schemaVersion")) (void)version->integer<int>(2, 2);
  ollama_manifest manifest;
  // A model that runs on somebody's server has no layers: Ollama writes null.
  if (root.raw().is_object() && !root.raw().contains("layers")) root.fail("no 'layers'", "the layers of a model");
  if (const auto layers = find_key(root, "layers")) {
    std::int64_t total = 0;
    for (const json_node& node : layers->elements()) {
      manifest.layers.push_back(read_layer(node));
      const std::int64_t size = manifest.layers.back().size;
      if (size > std::numeric_limits<std::int64_t>::max() - total) {
        node.fail("layers of more than 2^63 bytes together", "less");
      }
      total += size;
    }
  }
  return manifest;
}

ollama_parameters read_ollama_parameters(std::string_view text, const std::string& file_name) {
  const detail::reading file{file_name, nullptr};
  const json document = detail::parse_json(text, file_name);
  const json_node root{document, "", file};
  if (root.raw().is_null()) return {};
  ollama_parameters parameters;
  // 0 tokens and fewer than 0 layers ask Ollama to choose (server/routes.go, llm/llama_server.go).
  const auto chosen = [](std::optional<std::int64_t> value, std::int64_t least) {
    return value && *value >= least ? value : std::nullopt;
  };
  parameters.num_ctx = chosen(read_option(root, "num_ctx", 0), 1);
  parameters.num_gpu = chosen(read_option(root, "num_gpu", std::numeric_limits<std::int32_t>::min()), 0);
  parameters.num_batch = chosen(read_option(root, "num_batch", 0), 1);
  return parameters;
}

}  // namespace v0
}  // namespace sizer
