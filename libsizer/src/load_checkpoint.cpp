/// @file
/// A model as Hugging Face publishes it: config.json and safetensors files.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sizer/catalog/hugging_face.hpp>
#include <sizer/catalog/load_model.hpp>
#include <sizer/catalog/safetensors.hpp>
#include <sizer/error.hpp>
#include <sizer/model/expand.hpp>

#include "json_reader.hpp"
#include "loading.hpp"

namespace sizer {
inline namespace v0 {
namespace {

/// A small file of a repository as text; empty when it is not there.
std::optional<std::string> text_file(const file_opener& open, const std::string& name) {
  const auto source = open(name);
  if (source == nullptr) return std::nullopt;
  std::string text;
  std::vector<std::byte> block(std::size_t{64} << 10U);
  while (true) {
    const std::size_t n = source->read(text.size(), std::span{block});
    if (n == 0) return text;
    text.append(reinterpret_cast<const char*>(block.data()), n);
    if (text.size() > detail::largest_json_bytes) {
      throw data_error{source->name(), "",
                       "got more than " + std::to_string(detail::largest_json_bytes) + " bytes, expected less"};
    }
  }
}

model_entry entry_of(const hugging_face_config& config, const std::string& file_name) {
  model_entry entry;
  model_file& file = entry.file.emplace();
  file.format = model_format::safetensors;
  file.quantization = config.quantization;
  file.notes = config.notes;
  entry.architecture_kind = config.family_known ? figure_kind::vendor : figure_kind::assumed;
  if (!config.family_known) {
    entry.sizing_status = "partial";
    entry.sizing_note = "the model type '" + detail::shown_name(config.model_type) + "' is not known";
  }
  try {
    entry.architecture = make_architecture(config.shape);
  } catch (const value_error& problem) {
    throw data_error{file_name, problem.field(), "got " + problem.got() + ", expected " + problem.expected()};
  }
  return entry;
}

void label(model_entry& entry, const hugging_face_config& config, const catalogue& known) {
  detail::context_statement stated;
  stated.tokens = config.shape.context_length;
  stated.where = "max_position_embeddings of config.json";
  stated.before_scaling = config.original_context.value_or(0);
  stated.before_scaling_where = "original_max_position_embeddings of config.json";
  const std::string& name = entry.file->name;
  // "org/repo", then the folder's or repository's own name.
  detail::label_context(entry, stated, {name, detail::stem_of(name)}, known);
}

}  // namespace

model_entry load_config(std::string_view text, const load_options& options, const catalogue& known) {
  const std::string name = options.name.empty() ? "config.json" : options.name;
  const hugging_face_config config = read_hugging_face_config(text, name);
  model_entry entry = entry_of(config, name);
  detail::finish(entry, name, options);
  entry.native_quantization = config.quantization;
  label(entry, config, known);
  return entry;
}

model_entry load_checkpoint(const file_opener& open, const load_options& options, const catalogue& known) {
  const std::optional<std::string> text = text_file(open, "config.json");
  const std::string name = options.name.empty() ? "config.json" : options.name;
  if (!text) throw data_error{name, "", "no config.json, expected one beside the safetensors files"};
  if (!open("model.safetensors.index.json") && !open("model.safetensors") && !open("consolidated.safetensors") &&
      !open("consolidated.safetensors.index.json")) {
    return load_config(*text, options, known);
  }
  const hugging_face_config config = read_hugging_face_config(*text, name);
  model_entry entry = entry_of(config, name);
  model_file& file = *entry.file;
  const std::vector<safetensors_file> parts = read_safetensors_checkpoint(open);
  for (const safetensors_file& part : parts) {
    file.parts.push_back(part.name);
    file.size += make_bytes(part.file_size.value_or(part.data_offset + part.tensor_bytes()));
  }
  file.tensors = stored_tensors(parts, config.quantization);
  // What the checkpoint holds decides, not what the configuration says of it.
  const bool has_head = std::any_of(file.tensors.begin(), file.tensors.end(), [](const stored_tensor& tensor) {
    return tensor.role.part == weight_part::output && tensor.ne[1] > 1;
  });
  if (has_head && entry.architecture.shape.tied_embeddings) {
    entry.architecture.shape.tied_embeddings = false;
    file.notes.emplace_back("config.json ties the embeddings, the files hold a head of its own all the same");
  }
  detail::finish(entry, name, options);
  entry.native_quantization = config.quantization;
  label(entry, config, known);
  return entry;
}

}  // namespace v0
}  // namespace sizer
