/// @file
/// What the stores of other programs say about a model: manifests and names.

#include <string>
#include <string_view>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/ollama.hpp>

#include "convert.hpp"
#include "register.hpp"

namespace sizer_python {
namespace {

py::list manifest(std::string_view json, const std::string& file_name) {
  py::list layers;
  for (const sizer::ollama_layer& layer : sizer::read_ollama_manifest(json, file_name).layers) {
    layers.append(py::make_tuple(layer.media_type, layer.digest, layer.size));
  }
  return layers;
}

/// Only what is stated.
py::dict parameters(std::string_view json, const std::string& file_name) {
  const sizer::ollama_parameters read = sizer::read_ollama_parameters(json, file_name);
  py::dict stated;
  if (read.num_ctx) stated["num_ctx"] = *read.num_ctx;
  if (read.num_gpu) stated["num_gpu"] = *read.num_gpu;
  if (read.num_batch) stated["num_batch"] = *read.num_batch;
  return stated;
}

py::dict name(std::string_view written) {
  const sizer::ollama_name parsed = sizer::parse_ollama_name(written);
  py::dict parts;
  parts["scheme"] = parsed.scheme;
  parts["host"] = parsed.host;
  parts["name_space"] = parsed.name_space;
  parts["model"] = parsed.model;
  parts["tag"] = parsed.tag;
  return parts;
}

}  // namespace

void register_stores(py::module_& m) {
  m.def("read_ollama_manifest", &manifest, py::arg("text"), py::arg("file_name"));
  m.def("read_ollama_parameters", &parameters, py::arg("text"), py::arg("file_name"));
  m.def("parse_ollama_name", &name, py::arg("text"));
}

}  // namespace sizer_python
