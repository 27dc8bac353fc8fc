/// @file
/// The model of the catalogue, or of a user, as an immutable Python object.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/catalog/gguf_metadata.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/expand.hpp>

#include "convert.hpp"
#include "model_file.hpp"
#include "register.hpp"

namespace sizer_python {
namespace {

sizer::model_entry from_shape(std::string id, std::string name, std::string_view shape_json) {
  sizer::model_entry entry;
  entry.id = std::move(id);
  entry.name = std::move(name);
  entry.architecture = sizer::read_shape_json(shape_json);
  entry.architecture_kind = sizer::figure_kind::assumed;
  entry.architecture_source = "user";
  entry.architecture_note = "given by its shape";
  return entry;
}

/// A metadata value as GGUF has it. An array of anything but integers or booleans counts by its length only.
sizer::gguf_value gguf_value(const std::string& key, const py::handle& value) {
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::int_>(value)) return value.cast<std::int64_t>();
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (!py::isinstance<py::sequence>(value)) {
    throw sizer::value_error{key, py::str(py::type::of(value)), "a number, a bool, a string or a list"};
  }
  const auto items = py::reinterpret_borrow<py::sequence>(value);
  std::vector<std::int64_t> numbers;
  for (const py::handle& item : items) {
    if (!py::isinstance<py::int_>(item)) return sizer::gguf_array_length{static_cast<std::int64_t>(items.size())};
    numbers.push_back(item.cast<std::int64_t>());
  }
  return numbers;
}

sizer::model_entry from_gguf_metadata(std::string id, std::string name, const py::dict& metadata,
                                      std::optional<bool> tied_embeddings, std::optional<bool> qkv_bias,
                                      std::optional<bool> qk_norm) {
  sizer::gguf_metadata keys;
  for (const auto& [key, value] : metadata) {
    const auto text_key = key.cast<std::string>();
    keys[text_key] = gguf_value(text_key, value);
  }
  sizer::gguf_tensor_facts facts;
  facts.tied_embeddings = tied_embeddings;
  facts.features.qkv_bias = qkv_bias;
  facts.features.qk_norm = qk_norm;
  sizer::model_entry entry;
  entry.id = std::move(id);
  entry.name = std::move(name);
  entry.architecture = sizer::make_architecture(sizer::shape_from_gguf_metadata(keys, facts));
  entry.architecture_kind = sizer::figure_kind::assumed;
  entry.architecture_source = "user";
  entry.architecture_note = "given by its GGUF metadata";
  return entry;
}

py::list layers(const sizer::model_entry& entry) {
  py::list result;
  for (const sizer::layer& block : entry.architecture.layers) {
    py::dict one;
    one["mixer"] = text(to_string(block.mixer));
    one["feed_forward"] = text(to_string(block.feed_forward));
    one["owns_kv_cache"] = block.owns_kv_cache;
    one["n_heads"] = block.n_heads;
    one["n_kv_heads"] = block.n_kv_heads;
    one["head_dim_k"] = block.head_dim_k;
    one["head_dim_v"] = block.head_dim_v;
    one["d_ff"] = block.d_ff;
    result.append(std::move(one));
  }
  return result;
}

/// Weights that the shape implies: all of them, and those that one token uses.
py::tuple parameters_from_shape(const sizer::model_entry& entry) {
  const auto weights = sizer::weights(entry.architecture, sizer::quantization{.mix = sizer::recipe::f16});
  return py::make_tuple(weights.parameters.value(), weights.active_parameters.value());
}

}  // namespace

void register_model(py::module_& m) {
  using sizer::model_entry;
  py::class_<model_entry>(m, "Model")
      .def_static("from_json", &sizer::read_model_json, py::arg("text"), py::arg("file_name"))
      .def_static("from_shape", &from_shape, py::kw_only(), py::arg("id"), py::arg("name"), py::arg("shape_json"))
      .def_static("from_gguf_metadata", &from_gguf_metadata, py::kw_only(), py::arg("id"), py::arg("name"),
                  py::arg("metadata"), py::arg("tied_embeddings"), py::arg("qkv_bias"), py::arg("qk_norm"))
      .def("to_json", [](const model_entry& entry) { return to_json(entry); })
      .def("shape_json", [](const model_entry& entry) { return to_json(entry.architecture.shape); })
      .def("layers", &layers)
      .def("parameters_from_shape", &parameters_from_shape)
      .def_readonly("id", &model_entry::id)
      .def_readonly("name", &model_entry::name)
      .def_readonly("publisher", &model_entry::publisher)
      .def_readonly("license", &model_entry::license)
      .def_readonly("hf_repo", &model_entry::hf_repo)
      .def_readonly("released", &model_entry::released)
      .def_readonly("notes", &model_entry::notes)
      .def_readonly("native_quantization", &model_entry::native_quantization)
      .def_readonly("sizing_status", &model_entry::sizing_status)
      .def_readonly("sizing_note", &model_entry::sizing_note)
      .def_readonly("aliases", &model_entry::aliases)
      .def_readonly("parameters_label", &model_entry::parameters_label)
      .def_property_readonly("parameters_total",
                             [](const model_entry& entry) { return number_or_none(entry.parameters_total); })
      .def_property_readonly("parameters_active",
                             [](const model_entry& entry) { return number_or_none(entry.parameters_active); })
      .def_property_readonly("family", [](const model_entry& entry) { return entry.architecture.shape.family; })
      .def_property_readonly("n_layers", [](const model_entry& entry) { return entry.architecture.shape.n_layers; })
      .def_property_readonly("context_length",
                             [](const model_entry& entry) { return entry.architecture.shape.context_length; })
      .def_property_readonly("is_moe",
                             [](const model_entry& entry) { return entry.architecture.shape.experts.has_value(); })
      .def(
          "__eq__", [](const model_entry& a, const model_entry& b) { return a == b; }, py::is_operator())
      .def("__hash__", [](const model_entry& entry) { return hash_of(entry.id, entry.name); })
      .def(py::pickle(
          [](const model_entry& entry) { return py::make_tuple(2, to_json(entry), file_state(entry.file)); },
          [](const py::tuple& state) {
            if (state.size() != 3 || state[0].cast<int>() != 2) {
              throw py::value_error("pickled by another release of sizer, whose layout this one does not know");
            }
            model_entry entry = sizer::read_model_json(state[1].cast<std::string>(), "pickle");
            entry.file = file_from_state(state[2], entry.architecture);
            return entry;
          }));
}

}  // namespace sizer_python
