/// @file
/// Lists of the catalogue, and `sizer validate`.

#include "read_lists.hpp"

#include "readers.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {

file_kind kind_of(const json& document) {
  if (!document.is_object()) return file_kind::unknown;
  if (document.contains("devices")) return file_kind::machine;
  if (document.contains("architecture")) return file_kind::model;
  if (document.contains("not_sold")) return file_kind::not_sold;
  // A file that lacks its main key is told by the others, so that the message can say which key is missing.
  for (const char* key : {"vendor", "host_memory", "links", "power"}) {
    if (document.contains(key)) return file_kind::machine;
  }
  for (const char* key : {"publisher", "hf_repo", "parameters", "sizing"}) {
    if (document.contains(key)) return file_kind::model;
  }
  // Sources are a plain map from key to source.
  bool all_titled = !document.empty();
  for (const json& value : document) all_titled = all_titled && value.is_object() && value.contains("title");
  return all_titled ? file_kind::sources : file_kind::unknown;
}

void read_not_sold(const json_node& node, lists& into) {
  const json_object file{node, {"schema_version", "not_sold", "notes"}};
  read_schema_version(file);
  node.file().attempt([&] {
    for (const json_node& element : file.at("not_sold").elements()) {
      node.file().attempt([&] {
        const json_object object{element, {"name", "aliases", "why", "nearest", "source"}};
        std::vector<std::string> names;
        object.optional_field("aliases", names, [](const json_node& n) { return n.texts(); });
        names.push_back(object.at("name").filled_text());
        not_sold_reason reason;
        object.text("why", reason.why);
        object.field("nearest", reason.nearest, [](const json_node& n) { return n.texts(); });
        (void)object.at("source").filled_text();
        for (const std::string& name : names) into.not_sold.insert_or_assign(normal_name(name), reason);
      });
    }
  });
}

void read_sources(const json_node& node, lists& into) {
  if (!node.raw().is_object()) node.fail("an object of sources by key");
  for (const auto& [name, value] : node.raw().items()) {
    const json_node entry{value, pointer_to(node.pointer(), name), node.file()};
    node.file().attempt([&, &key = name] {
      const json_object object{entry,
                               {"title", "publisher", "date", "url", "archived", "hash", "licence", "license",
                                "locator", "note", "retrieved", "kind"}};
      source_info source;
      object.text("title", source.title);
      object.optional_text("publisher", source.publisher);
      object.optional_text("date", source.date);
      object.optional_text("url", source.url);
      into.sources.insert_or_assign(key, std::move(source));
    });
  }
}

lists read_lists(const std::vector<named_text>& files) {
  lists all;
  for (const named_text& file : files) {
    const reading context{file.file, nullptr};
    const json document = parse_json(file.text, file.file);
    const json_node node{document, "", context};
    if (kind_of(document) == file_kind::not_sold) {
      read_not_sold(node, all);
    } else {
      read_sources(node, all);
    }
  }
  return all;
}

}  // namespace detail

validation validate_json(std::string_view text, std::string_view file_name) {
  validation result;
  result.what = "unknown";
  const detail::reading file{std::string{file_name}, &result.problems};
  file.attempt([&] {
    const detail::json document = detail::parse_json(text, file.file);
    const detail::json_node node{document, "", file};
    detail::lists ignored;
    switch (detail::kind_of(document)) {
      case detail::file_kind::model:
        result.what = "model";
        (void)detail::read_model(node);
        return;
      case detail::file_kind::machine:
        result.what = "hardware";
        (void)detail::read_machine(node);
        return;
      case detail::file_kind::not_sold:
        result.what = "not_sold";
        detail::read_not_sold(node, ignored);
        return;
      case detail::file_kind::sources:
        result.what = "sources";
        detail::read_sources(node, ignored);
        return;
      case detail::file_kind::unknown:
        node.fail("a model, hardware, a 'not_sold' list or sources by key with a 'title'");
    }
  });
  result.ok = result.problems.empty();
  return result;
}

}  // namespace v0
}  // namespace sizer
