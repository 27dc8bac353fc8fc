/// @file
/// Model files: data/schema/model.schema.json.

#include <array>

#include "readers.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::array<std::string_view, 2> sizing_states{"complete", "partial"};

void read_sizing(const json_node& node, model_entry& entry) {
  const json_object object{node, {"status", "why"}};
  object.field("status", entry.sizing_status, [](const json_node& n) {
    std::string status = n.text();
    if (status != sizing_states[0] && status != sizing_states[1]) n.fail("one of " + listed(sizing_states));
    return status;
  });
  object.optional_text("why", entry.sizing_note);
  if (entry.sizing_status == "partial" && entry.sizing_note.empty()) {
    node.file().attempt([&] { node.fail("status 'partial' without 'why'", "what is missing or assumed"); });
  }
}

void read_parameters(const json_node& node, model_entry& entry) {
  const json_object object{node, {"total", "active", "label"}};
  const auto read = [](const json_node& n) { return read_figure<parameter_rules>(n); };
  object.optional_field("total", entry.parameters_total, read);
  object.optional_field("active", entry.parameters_active, read);
  object.optional_text("label", entry.parameters_label);
  if (entry.parameters_total && entry.parameters_active &&
      entry.parameters_active->value > entry.parameters_total->value) {
    node.file().attempt([&] {
      object.at("active").fail(std::to_string(entry.parameters_active->value.value()) + " parameters",
                               "at most 'total', " + std::to_string(entry.parameters_total->value.value()));
    });
  }
}

/// Kind, source and note of the "architecture" object; the fields beside them are read_architecture's.
void read_architecture_source(const json_node& node, model_entry& entry) {
  if (!node.raw().is_object()) return;  // read_architecture says so
  const json& object = node.raw();
  const auto at = [&](const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) node.fail("no key '" + std::string{key} + "'", "that key");
    return json_node{*found, pointer_to(node.pointer(), key), node.file()};
  };
  node.file().attempt([&] { entry.architecture_kind = read_choice(at("kind"), figure_kinds); });
  node.file().attempt([&] { entry.architecture_source = at("source").filled_text(); });
  if (object.contains("note")) node.file().attempt([&] { entry.architecture_note = at("note").text(); });
}

}  // namespace

model_entry read_model(const json_node& node) {
  const json_object object{node,
                           {"schema_version", "id", "name", "aliases", "publisher", "license", "hf_repo", "released",
                            "architecture", "parameters", "native_quantization", "sizing", "notes"}};
  read_schema_version(object);
  model_entry entry;
  object.field("id", entry.id, read_id);
  object.text("name", entry.name);
  object.optional_field("aliases", entry.aliases, [](const json_node& n) { return n.texts(); });
  object.optional_text("publisher", entry.publisher);
  object.optional_text("license", entry.license);
  object.optional_text("hf_repo", entry.hf_repo);
  object.optional_field("released", entry.released, read_date);
  object.optional_text("native_quantization", entry.native_quantization);
  object.optional_text("notes", entry.notes);
  node.file().attempt([&] {
    if (object.has("sizing")) read_sizing(object.at("sizing"), entry);
  });
  node.file().attempt([&] {
    if (object.has("parameters")) read_parameters(object.at("parameters"), entry);
  });
  node.file().attempt([&] {
    const json_node shape = object.at("architecture");
    read_architecture_source(shape, entry);
    entry.architecture = read_architecture(shape, true);
  });
  return entry;
}

}  // namespace detail

model_entry read_model_json(std::string_view text, std::string_view file_name) {
  const detail::reading file{std::string{file_name}, nullptr};
  const detail::json document = detail::parse_json(text, file.file);
  return detail::read_model({document, "", file});
}

std::string to_json(const model_entry& entry) {
  detail::ordered_json object;
  object["schema_version"] = 1;
  object["id"] = entry.id;
  object["name"] = entry.name;
  object["aliases"] = entry.aliases;
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  text("publisher", entry.publisher);
  text("license", entry.license);
  text("hf_repo", entry.hf_repo);
  text("released", entry.released);

  detail::ordered_json shape;
  shape["kind"] = to_string(entry.architecture_kind);
  shape["source"] = entry.architecture_source;
  shape["note"] = entry.architecture_note;
  shape.update(detail::write_shape(entry.architecture.shape));
  object["architecture"] = std::move(shape);

  detail::ordered_json parameters = detail::ordered_json::object();
  detail::write_figure<detail::parameter_rules>(parameters, "total", entry.parameters_total);
  detail::write_figure<detail::parameter_rules>(parameters, "active", entry.parameters_active);
  for (detail::ordered_json& figure : parameters) {  // of a number of parameters, the schema calls any remark a note
    for (const char* key : {"formula", "why", "method"}) detail::rename_key(figure, key, "note");
  }
  if (!entry.parameters_label.empty()) parameters["label"] = entry.parameters_label;
  if (!parameters.empty()) object["parameters"] = std::move(parameters);

  text("native_quantization", entry.native_quantization);
  object["sizing"]["status"] = entry.sizing_status;
  if (!entry.sizing_note.empty()) object["sizing"]["why"] = entry.sizing_note;
  text("notes", entry.notes);
  return detail::file_text(object);
}

}  // namespace v0
}  // namespace sizer
