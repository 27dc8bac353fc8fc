/// @file
/// Models from files: paths on this machine, and whatever a Python callback reaches.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/load_model.hpp>
#include <sizer/error.hpp>

#include "model_file.hpp"
#include "register.hpp"

namespace py = pybind11;

namespace sizer_python {
namespace {

/// A source over an object with `name`, `size` (int or None) and `read(offset, length) -> bytes`.
std::unique_ptr<sizer::byte_source> source_over(py::object file) {
  auto name = py::str(file.attr("name")).cast<std::string>();
  const auto size = file.attr("size").cast<std::optional<std::uint64_t>>();
  const py::object read = file.attr("read");
  return sizer::open_callback(
      std::move(name), size, [read](std::uint64_t offset, std::span<std::byte> out) -> std::size_t {
        const auto got = read(offset, out.size()).cast<py::bytes>();
        char* data = nullptr;
        py::ssize_t length = 0;
        if (PyBytes_AsStringAndSize(got.ptr(), &data, &length) != 0) throw py::error_already_set();
        const auto n = std::min(out.size(), static_cast<std::size_t>(length));
        std::copy_n(reinterpret_cast<const std::byte*>(data), n, out.begin());
        return static_cast<std::size_t>(length);  // more than asked for is an error that the source tells
      });
}

/// An opener over a Python function: name -> such an object, or None.
sizer::file_opener opener_over(const py::function& open) {
  return [open](const std::string& name) -> std::unique_ptr<sizer::byte_source> {
    py::object file = open(name);
    if (file.is_none()) return nullptr;
    return source_over(std::move(file));
  };
}

sizer::load_options options_of(std::string name, std::vector<std::string> projectors, std::vector<std::string> beside,
                               const std::optional<py::dict>& modelfile) {
  sizer::load_options options;
  options.name = std::move(name);
  options.projectors = std::move(projectors);
  options.beside = std::move(beside);
  if (!modelfile) return options;
  options.from_ollama = true;
  const auto value = [&](const char* key) {
    return modelfile->contains(key) ? (*modelfile)[key].cast<std::optional<std::int64_t>>() : std::nullopt;
  };
  options.parameters = {value("num_ctx"), value("num_gpu"), value("num_batch")};
  return options;
}

sizer::model_entry from_path(const std::string& path, std::string name, std::vector<std::string> projectors,
                             const sizer::catalogue& known) {
  const sizer::load_options options = options_of(std::move(name), std::move(projectors), {}, std::nullopt);
  const py::gil_scoped_release unlocked;
  return sizer::load_model(path, options, known);
}

/// @param open  None: the names are paths on this machine
sizer::model_entry from_gguf(const std::vector<std::string>& files, const std::optional<py::function>& open,
                             std::string name, std::vector<std::string> projectors, std::vector<std::string> beside,
                             const std::optional<py::dict>& modelfile, std::vector<std::string> notes,
                             const sizer::catalogue& known) {
  sizer::load_options options = options_of(std::move(name), std::move(projectors), std::move(beside), modelfile);
  options.notes = std::move(notes);
  return sizer::load_gguf_model(files, open ? opener_over(*open) : sizer::file_opener{sizer::open_file}, options,
                                known);
}

/// Parts that a GGUF file says its model has; 1 for a whole one.
std::int64_t split_count(const std::string& path) {
  const sizer::gguf_file file = sizer::read_gguf(path);
  const auto found = file.metadata.find("split.count");
  const auto* value = found == file.metadata.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  return value == nullptr || *value < 1 ? 1 : *value;
}

sizer::model_entry from_checkpoint(const py::function& open, std::string name, const sizer::catalogue& known) {
  return sizer::load_checkpoint(opener_over(open), options_of(std::move(name), {}, {}, std::nullopt), known);
}

}  // namespace

void register_files(py::module_& m) {
  m.def("load_model", &from_path, py::kw_only(), py::arg("path"), py::arg("name"), py::arg("projectors"),
        py::arg("known"));
  m.def("load_gguf_model", &from_gguf, py::kw_only(), py::arg("files"), py::arg("open"), py::arg("name"),
        py::arg("projectors"), py::arg("beside"), py::arg("modelfile"), py::arg("notes"), py::arg("known"));
  m.def("gguf_split_count", &split_count, py::arg("path"));
  m.def("load_checkpoint", &from_checkpoint, py::kw_only(), py::arg("open"), py::arg("name"), py::arg("known"));
  m.def("model_file", &file_to_python, py::arg("model"));
  m.def("model_tensors", &tensors_to_python, py::arg("model"));
}

}  // namespace sizer_python
