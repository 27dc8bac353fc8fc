/// @file
/// The machine that this runs on, as plain dicts: each field with value, source and reason.

#include <optional>
#include <string>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/error.hpp>
#include <sizer/probe/detect.hpp>
#include <sizer/probe/match.hpp>

#include "convert.hpp"
#include "register.hpp"

namespace sizer_python {
namespace {

template <class T>
py::object plain(const T& value) {
  return py::cast(value);
}
py::object plain(const sizer::bytes& value) { return py::cast(sizer::number(value)); }
template <class T>
py::object or_none(const std::optional<T>& value) {
  return value ? plain(*value) : py::none();
}

py::object plain(const sizer::detected_pcie& link) {
  py::dict result;
  result["generation"] = link.generation;
  result["width"] = link.width;
  return result;
}
py::object plain(const sizer::detected_cache& cache) {
  py::dict result;
  result["level"] = cache.level;
  result["type"] = cache.type;
  result["size_bytes"] = plain(cache.size);
  result["shared_by"] = cache.shared_by;
  result["instances"] = or_none(cache.instances);
  return result;
}
py::object plain(const sizer::detected_numa_node& node) {
  py::dict result;
  result["id"] = node.id;
  result["logical_cpus"] = node.logical_cpus;
  result["memory_bytes"] = or_none(node.memory);
  return result;
}
py::object plain(const sizer::detected_dimm& dimm) {
  py::dict result;
  result["locator"] = dimm.locator;
  result["bank"] = dimm.bank;
  result["type"] = dimm.type;
  result["size_bytes"] = or_none(dimm.size);
  result["data_width_bits"] = or_none(dimm.data_width_bits);
  result["rated_mts"] = or_none(dimm.rated_mts);
  result["configured_mts"] = or_none(dimm.configured_mts);
  return result;
}
template <class T>
py::object plain(const std::vector<T>& list) {
  py::list result;
  for (const T& one : list) result.append(plain(one));
  return result;
}

/// Adds fields by name.
struct fields {
  py::dict all;

  template <class T>
  fields& add(const char* name, const sizer::detected<T>& field) {
    py::dict fact;
    fact["value"] = field ? plain(*field) : py::none();
    fact["source"] = field.source.empty() ? py::object{py::none()} : py::cast(field.source);
    fact["reason"] = field.reason.empty() ? py::object{py::none()} : py::cast(field.reason);
    all[name] = std::move(fact);
    return *this;
  }
};

py::dict cpu(const sizer::detected_cpu& c) {
  return fields{}
      .add("vendor", c.vendor)
      .add("model", c.model)
      .add("sockets", c.sockets)
      .add("physical_cores", c.physical_cores)
      .add("logical_cpus", c.logical_cpus)
      .add("usable_cpus", c.usable_cpus)
      .add("cpu_quota", c.cpu_quota)
      .add("simd", c.simd)
      .add("caches", c.caches)
      .add("numa_nodes", c.numa_nodes)
      .add("base_mhz", c.base_mhz)
      .add("max_mhz", c.max_mhz)
      .all;
}

py::dict memory(const sizer::detected_memory& m) {
  return fields{}
      .add("total_bytes", m.total)
      .add("available_bytes", m.available)
      .add("cgroup_limit_bytes", m.cgroup_limit)
      .add("huge_page_sizes", m.huge_page_sizes)
      .add("dimms", m.dimms)
      .add("type", m.type)
      .add("channels", m.channels)
      .add("bus_width_bits", m.bus_width_bits)
      .add("data_rate_mts", m.data_rate_mts)
      .all;
}

py::dict gpu(const sizer::detected_gpu& g) {
  return fields{}
      .add("vendor", g.vendor)
      .add("name", g.name)
      .add("backend", g.backend)
      .add("pci_address", g.pci_address)
      .add("pci_id", g.pci_id)
      .add("memory_total_bytes", g.memory_total)
      .add("memory_used_bytes", g.memory_used)
      .add("memory_reserved_bytes", g.memory_reserved)
      .add("unified", g.unified)
      .add("driver_version", g.driver_version)
      .add("cuda_version", g.cuda_version)
      .add("compute_capability", g.compute_capability)
      .add("pcie_current", g.pcie_current)
      .add("pcie_max", g.pcie_max)
      .add("power_limit_w", g.power_limit_w)
      .add("display_attached", g.display_attached)
      .add("mig", g.mig)
      .add("virtualization", g.virtualization)
      .add("memory_bus_bits", g.memory_bus_bits)
      .add("memory_clock_mhz", g.memory_clock_mhz)
      .add("gtt_total_bytes", g.gtt_total)
      .add("gfx_target", g.gfx_target)
      .add("gpu_cores", g.gpu_cores)
      .add("wired_limit_bytes", g.wired_limit)
      .add("recommended_working_set_bytes", g.recommended_working_set)
      .all;
}

py::dict os(const sizer::detected_os& o) {
  return fields{}
      .add("name", o.name)
      .add("kernel", o.kernel)
      .add("wsl", o.wsl)
      .add("container", o.container)
      .add("virtual_machine", o.virtual_machine)
      .all;
}

/// Why no estimate can be made for the machine; None when one can.
py::object problem(const sizer::detected_machine& here, const sizer::catalogue_match& found,
                   const sizer::catalogue& known) {
  try {
    (void)to_machine(here, found, known);
    return py::none();
  } catch (const sizer::error& e) {
    return py::cast(std::string{e.what()});
  }
}

py::dict match(const sizer::detected_machine& here, const sizer::catalogue& known) {
  const sizer::catalogue_match found = sizer::match_catalogue(here, known);
  py::dict result;
  result["id"] = found.id.empty() ? py::object{py::none()} : py::cast(found.id);
  result["certainty"] = text(to_string(found.certainty));
  result["reason"] = found.reason;
  result["differences"] = found.differences;
  result["alternatives"] = found.alternatives;
  result["problem"] = problem(here, found, known);
  return result;
}

py::dict describe(const sizer::detected_machine& here) {
  py::dict result;
  fields product;
  product.add("product", here.product);
  result["product"] = product.all["product"];
  result["cpu"] = cpu(here.cpu);
  result["memory"] = memory(here.memory);
  py::list gpus;
  for (const sizer::detected_gpu& one : here.gpus) gpus.append(gpu(one));
  result["gpus"] = gpus;
  result["gpu_reasons"] = here.gpu_reasons;
  result["os"] = os(here.os);
  return result;
}

}  // namespace

void register_probe(py::module_& m) {
  using sizer::detected_machine;
  py::class_<detected_machine>(m, "DetectedMachine")
      .def("describe", &describe)
      .def("match", &match, py::arg("known"))
      .def(
          "machine",
          [](const detected_machine& here, const sizer::catalogue& known) {
            return to_machine(here, match_catalogue(here, known), known);
          },
          py::arg("known"));
  m.def(
      "detect_machine",
      [](std::string root, std::optional<std::string> nvml_library) {
        const py::gil_scoped_release free;  // drivers may take seconds to wake a card
        return sizer::detect_machine({std::move(root), std::move(nvml_library)});
      },
      py::arg("root"), py::arg("nvml_library"));
}

}  // namespace sizer_python
