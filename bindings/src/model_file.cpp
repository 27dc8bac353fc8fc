/// @file
/// Model files as dicts whose keys are the public names.

#include "model_file.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/stl.h>

#include <sizer/model/ggml_type.hpp>

#include "convert.hpp"

namespace sizer_python {
namespace {

using sizer::number;

constexpr std::array<std::string_view, sizer::weight_part_count> part_names{
    "embedding", "output", "attention", "recurrent", "dense", "shared_expert", "routed_expert", "mtp", "vision"};
constexpr std::array<std::string_view, 5> use_names{"whole", "row", "tied", "expert", "unused"};

/// Names come out of files and need not be UTF-8.
py::str file_text(std::string_view value) {
  PyObject* decoded = PyUnicode_DecodeUTF8(value.data(), static_cast<py::ssize_t>(value.size()), "replace");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::list labels_to_python(const std::vector<sizer::context_label>& labels) {
  py::list result;
  for (const sizer::context_label& label : labels) {
    py::dict one;
    one["where"] = file_text(label.where);
    one["tokens"] = label.tokens;
    one["trained_tokens"] = label.trained;
    one["trained_by"] = file_text(label.trained_by);
    one["effect"] = label.caps() ? "caps" : "stretches";
    result.append(std::move(one));
  }
  return result;
}

py::dict parameters_to_python(const sizer::ollama_parameters& parameters) {
  py::dict result;
  if (parameters.num_ctx) result["num_ctx"] = *parameters.num_ctx;
  if (parameters.num_gpu) result["num_gpu"] = *parameters.num_gpu;
  if (parameters.num_batch) result["num_batch"] = *parameters.num_batch;
  return result;
}

}  // namespace

py::object file_to_python(const sizer::model_entry& model) {
  if (!model.file) return py::none();
  const sizer::model_file& file = *model.file;
  const sizer::weights_by_type& sums = file.weights;
  py::dict result;
  result["name"] = file_text(file.name);
  result["format"] = text(to_string(file.format));
  py::list parts;
  for (const std::string& part : file.parts) parts.append(file_text(part));
  result["parts"] = std::move(parts);
  result["file_bytes"] = number(file.size);
  result["quantization"] =
      file.quantization.empty() ? py::object{py::none()} : py::object{file_text(file.quantization)};
  result["n_tensors"] = file.tensors.size();
  result["tensor_bytes"] = number(sums.total);
  result["parameters"] = sums.parameters.value();
  result["active_parameters"] = sums.active_parameters.value();
  result["active_bytes"] = number(sums.active);
  result["bits_per_weight"] = sums.bits_per_weight();
  result["token_embedding_bytes"] = number(sums.token_embedding);
  result["output_head_bytes"] = number(sums.output_head);
  py::dict by_format;
  std::vector<std::pair<std::string, std::int64_t>> formats;
  for (const sizer::stored_tensor& tensor : file.tensors) {
    const auto known =
        std::find_if(formats.begin(), formats.end(), [&](const auto& f) { return f.first == tensor.format; });
    if (known == formats.end()) {
      formats.emplace_back(tensor.format, number(tensor.size));
    } else {
      known->second += number(tensor.size);
    }
  }
  std::sort(formats.begin(), formats.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [format, amount] : formats) by_format[file_text(format)] = amount;
  result["bytes_by_format"] = std::move(by_format);
  py::dict by_part;
  for (std::size_t i = 0; i < sums.by_part.size(); ++i) {
    if (number(sums.by_part[i]) != 0) by_part[text(part_names[i])] = number(sums.by_part[i]);
  }
  result["bytes_by_part"] = std::move(by_part);
  py::list layers;
  for (const sizer::layer_weights& layer : sums.layers) layers.append(number(layer.total));
  result["bytes_by_layer"] = std::move(layers);
  py::list companions;
  for (const sizer::companion_file& companion : file.companions) {
    py::dict one;
    one["role"] = file_text(companion.role);
    one["name"] = file_text(companion.name);
    one["tensor_bytes"] = number(companion.size);
    one["counted"] = companion.counted;
    companions.append(std::move(one));
  }
  result["companions"] = std::move(companions);
  result["stated_context"] = file.stated_context;
  result["context_labels"] = labels_to_python(file.labels);
  result["modelfile"] = parameters_to_python(file.parameters);
  py::list notes;
  for (const std::string& note : file.notes) notes.append(file_text(note));
  result["notes"] = std::move(notes);
  return result;
}

py::list tensors_to_python(const sizer::model_entry& model) {
  py::list result;
  if (!model.file) return result;
  for (const sizer::stored_tensor& tensor : model.file->tensors) {
    result.append(py::make_tuple(file_text(tensor.name), file_text(tensor.format),
                                 py::make_tuple(tensor.ne[0], tensor.ne[1], tensor.ne[2], tensor.ne[3]),
                                 number(tensor.size), text(part_names[static_cast<std::size_t>(tensor.role.part)]),
                                 text(use_names[static_cast<std::size_t>(tensor.role.use)]), tensor.role.layer));
  }
  return result;
}

py::object file_state(const std::optional<sizer::model_file>& file) {
  if (!file) return py::none();
  py::list tensors;
  for (const sizer::stored_tensor& t : file->tensors) {
    tensors.append(py::make_tuple(py::bytes(t.name), py::bytes(t.format), t.type ? static_cast<int>(*t.type) : -1, t.ne,
                                  number(t.size), t.parameters.value(), static_cast<int>(t.role.part),
                                  static_cast<int>(t.role.use), t.role.layer, t.role.known));
  }
  py::list labels;
  for (const auto& l : file->labels) {
    labels.append(py::make_tuple(py::bytes(l.where), l.tokens, l.trained, py::bytes(l.trained_by)));
  }
  py::list companions;
  for (const auto& c : file->companions) {
    companions.append(py::make_tuple(py::bytes(c.role), py::bytes(c.name), number(c.size), c.counted));
  }
  py::list parts;
  for (const auto& part : file->parts) parts.append(py::bytes(part));
  py::list notes;
  for (const auto& note : file->notes) notes.append(py::bytes(note));
  return py::make_tuple(py::bytes(file->name), static_cast<int>(file->format), parts, number(file->size),
                        py::bytes(file->quantization), tensors, companions, file->stated_context, labels,
                        file->from_ollama, file->parameters.num_ctx, file->parameters.num_gpu,
                        file->parameters.num_batch, notes);
}

std::optional<sizer::model_file> file_from_state(const py::object& state, const sizer::architecture& model) {
  if (state.is_none()) return std::nullopt;
  const auto all = state.cast<py::tuple>();
  if (all.size() != 14)
    throw py::value_error("pickled by another release of sizer, whose layout this one does not know");
  const auto index = [](const py::handle& value, std::size_t size) {
    const auto i = value.cast<std::size_t>();
    if (i >= size) throw py::value_error("not what pickle wrote");
    return i;
  };
  sizer::model_file file;
  file.name = all[0].cast<std::string>();
  file.format = static_cast<sizer::model_format>(index(all[1], 2));
  file.parts = all[2].cast<std::vector<std::string>>();
  file.size = sizer::make_bytes(all[3].cast<std::int64_t>());
  file.quantization = all[4].cast<std::string>();
  for (const py::handle& item : all[5]) {
    const auto row = item.cast<py::tuple>();
    sizer::stored_tensor tensor;
    tensor.name = row[0].cast<std::string>();
    tensor.format = row[1].cast<std::string>();
    if (row[2].cast<int>() >= 0) {
      tensor.type = static_cast<sizer::ggml_type>(index(row[2], sizer::ggml_types.size()));
    }
    tensor.ne = row[3].cast<std::array<std::int64_t, 4>>();
    tensor.size = sizer::make_bytes(row[4].cast<std::int64_t>());
    tensor.parameters = row[5].cast<std::int64_t>();
    tensor.role = {static_cast<sizer::weight_part>(index(row[6], part_names.size())),
                   static_cast<sizer::tensor_use>(index(row[7], use_names.size())), row[8].cast<std::int32_t>(),
                   row[9].cast<bool>()};
    file.tensors.push_back(std::move(tensor));
  }
  for (const py::handle& item : all[6]) {
    const auto row = item.cast<py::tuple>();
    file.companions.push_back({row[0].cast<std::string>(), row[1].cast<std::string>(),
                               sizer::make_bytes(row[2].cast<std::int64_t>()), row[3].cast<bool>()});
  }
  file.stated_context = all[7].cast<std::int64_t>();
  for (const py::handle& item : all[8]) {
    const auto row = item.cast<py::tuple>();
    file.labels.push_back({row[0].cast<std::string>(), row[1].cast<std::int64_t>(), row[2].cast<std::int64_t>(),
                           row[3].cast<std::string>()});
  }
  file.from_ollama = all[9].cast<bool>();
  file.parameters = {all[10].cast<std::optional<std::int64_t>>(), all[11].cast<std::optional<std::int64_t>>(),
                     all[12].cast<std::optional<std::int64_t>>()};
  file.notes = all[13].cast<std::vector<std::string>>();
  file.weights = sizer::weights(model, file.tensors);
  return file;
}

}  // namespace sizer_python
