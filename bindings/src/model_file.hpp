#pragma once
/// @file
/// The files of a model as plain Python objects, and back again for pickle.

#include <optional>

#include <pybind11/pybind11.h>

#include <sizer/catalog/catalog.hpp>

namespace sizer_python {

/// What a file says and what its tensors sum to; None for a model without one.
[[nodiscard]] pybind11::object file_to_python(const sizer::model_entry& model);
/// One tuple per tensor: name, format, shape, bytes, part, use, layer.
[[nodiscard]] pybind11::list tensors_to_python(const sizer::model_entry& model);

/// Everything of a file, for pickle; None for none.
[[nodiscard]] pybind11::object file_state(const std::optional<sizer::model_file>& file);
/// @param model  whose file it is; sums are made from its layers
[[nodiscard]] std::optional<sizer::model_file> file_from_state(const pybind11::object& state,
                                                               const sizer::architecture& model);

}  // namespace sizer_python
