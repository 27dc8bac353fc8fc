/// @file
/// Devices with microbenchmark kernels. Plain dicts come back; sizer/_measure/ makes records of them.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/probe/kernels.hpp>

#include "convert.hpp"
#include "register.hpp"

namespace sizer_python {
namespace {

using sizer::kernel_device;

/// Sizes by name; 0 stays out.
struct shape_field {
  const char* name;
  std::int64_t sizer::kernel_shape::*at;
};
constexpr shape_field shape_fields[] = {
    {"columns", &sizer::kernel_shape::columns},   {"depth", &sizer::kernel_shape::depth},
    {"head_dim", &sizer::kernel_shape::head_dim}, {"kv_heads", &sizer::kernel_shape::kv_heads},
    {"group", &sizer::kernel_shape::group},       {"gemm_m", &sizer::kernel_shape::gemm_m},
    {"gemm_n", &sizer::kernel_shape::gemm_n},     {"gemm_k", &sizer::kernel_shape::gemm_k}};

py::dict plain(const sizer::kernel_measurement& m) {
  py::dict shape;
  for (const shape_field& field : shape_fields) {
    if (m.shape.*field.at != 0) shape[field.name] = m.shape.*field.at;
  }
  py::list samples;
  for (const sizer::seconds& one : m.samples) samples.append(sizer::number(one));
  py::dict result;
  result["kernel"] = m.kernel;
  result["variant"] = m.variant;
  result["threads"] = m.threads;
  result["working_set_bytes"] = sizer::number(m.working_set);
  result["shape"] = shape;
  result["moved_bytes"] = sizer::number(m.moved);
  result["operations"] = sizer::number(m.operations);
  result["events"] = m.events;
  result["samples_s"] = samples;
  result["median_s"] = sizer::number(sizer::median(m.samples));
  result["spread"] = sizer::relative_spread(m.samples);
  result["discarded"] = m.discarded;
  result["verified"] = m.verified;
  result["largest_error"] = m.largest_error;
  result["remarks"] = m.remarks;
  return result;
}

/// A device is not for several threads at once, and its runs leave the interpreter to the others.
py::dict run(kernel_device& device, const std::string& kernel, std::int64_t working_set_bytes, std::int32_t threads,
             const std::vector<std::pair<std::string, std::int64_t>>& shape, double budget_s,
             std::int32_t least_samples, std::int32_t most_samples, double wanted_spread, const std::string& variant) {
  sizer::kernel_request request;
  request.kernel = kernel;
  request.working_set = sizer::make_bytes(working_set_bytes);
  request.threads = threads;
  request.budget = sizer::make_seconds(budget_s);
  request.least_samples = least_samples;
  request.most_samples = most_samples;
  request.wanted_spread = wanted_spread;
  request.variant = variant;
  for (const auto& [name, value] : shape) {
    std::vector<std::string> known;
    bool found = false;
    for (const shape_field& field : shape_fields) {
      known.emplace_back(field.name);
      if (name != field.name) continue;
      request.shape.*field.at = value;
      found = true;
    }
    if (!found) throw sizer::unknown_name_error{"shape", name, known};
  }
  sizer::kernel_measurement result;
  {
    const py::gil_scoped_release free;
    result = device.run(request);
  }
  return plain(result);
}

py::list kernels(const kernel_device& device) {
  py::list all;
  for (const sizer::kernel_info& one : device.kernels()) {
    py::dict info;
    info["name"] = one.name;
    info["variant"] = one.variant;
    info["reason"] = one.reason.empty() ? py::object{py::none()} : py::cast(one.reason);
    all.append(info);
  }
  return all;
}

py::dict facts(const kernel_device& device) {
  py::dict all;
  for (const sizer::device_fact& one : device.facts()) all[py::str{one.name}] = one.value;
  return all;
}

}  // namespace

void register_kernels(py::module_& m) {
  py::class_<kernel_device, std::unique_ptr<kernel_device>>(m, "KernelDevice")
      .def_property_readonly("name", &kernel_device::name)
      .def_property_readonly("backend", [](const kernel_device& d) { return text(d.backend()); })
      .def_property_readonly("largest_working_set_bytes",
                             [](const kernel_device& d) { return sizer::number(d.largest_working_set()); })
      .def_property_readonly("last_level_cache_bytes",
                             [](const kernel_device& d) { return sizer::number(d.last_level_cache()); })
      .def("facts", &facts)
      .def("kernels", &kernels)
      .def("run", &run, py::kw_only(), py::arg("kernel"), py::arg("working_set_bytes"), py::arg("threads"),
           py::arg("shape"), py::arg("budget_s"), py::arg("least_samples"), py::arg("most_samples"),
           py::arg("wanted_spread"), py::arg("variant"));
  m.attr("unstable_spread") = sizer::unstable_spread;
#if defined(SIZER_CUDA_REASON)
  m.attr("cuda_reason") = SIZER_CUDA_REASON;
#else
  m.attr("cuda_reason") = "";
#endif
  m.def(
      "open_cpu",
      [](std::int32_t threads, bool huge_pages, bool pin) {
        return sizer::open_cpu({threads, huge_pages, pin});
      },
      py::kw_only(), py::arg("threads"), py::arg("huge_pages"), py::arg("pin"));
  m.def(
      "list_opencl",
      [](const std::string& library) {
        const sizer::device_list found = sizer::list_opencl(library);
        return std::pair{found.names, found.reason};
      },
      py::arg("library"));
  m.def(
      "open_opencl", [](std::int32_t index, const std::string& library) { return sizer::open_opencl(index, library); },
      py::arg("index"), py::arg("library"));
}

}  // namespace sizer_python
