/// @file
/// Request, and the names that a request may use.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/error.hpp>

#include "convert.hpp"
#include "register.hpp"
#include "request.hpp"

namespace sizer_python {
namespace {

using optional_count = std::optional<std::int64_t>;

request make_request(std::optional<std::string_view> quant, optional_count context, std::string_view kv_type,
                     optional_count parallel, std::int64_t batch, optional_count prompt_tokens,
                     optional_count output_tokens, std::int64_t depth, std::optional<std::string_view> engine,
                     optional_count ubatch, bool flash_attention,
                     std::vector<std::pair<std::string, option_value>> options) {
  request asked;
  if (quant) asked.quant = sizer::find_quantization(*quant);
  asked.context = context;
  asked.kv_type = find_kv_type("kv_type", kv_type);
  asked.parallel = parallel;
  asked.batch = batch;
  asked.prompt_tokens = prompt_tokens;
  asked.output_tokens = output_tokens;
  asked.depth = depth;
  if (engine) asked.engine = sizer::find_engine(*engine);
  if (ubatch && *ubatch < 1) throw sizer::value_error{"ubatch", std::to_string(*ubatch), "1 or more"};
  asked.ubatch = ubatch;
  asked.flash_attention = flash_attention;
  asked.options = std::move(options);
  // Bad options are told here, before any model is looked at; where the model decides the engine, they wait for it.
  if (!asked.engine) return asked;
  sizer::engine trial;
  trial.kind = *asked.engine;
  for (const auto& [name, value] : asked.options) set_option(trial, name, value);
  return asked;
}

py::dict resolved(const request& asked, const sizer::model_entry& model) {
  const question q = resolve(asked, model);
  py::dict result;
  result["quant"] = q.loaded.quantization;
  result["weights_from_file"] = q.loaded.from_file;
  result["context"] = q.work.context;
  result["kv_type"] = kv_type_name(asked.kv_type);
  result["parallel"] = q.work.parallel;
  result["batch"] = q.work.batch;
  result["prompt_tokens"] = q.work.prompt_tokens;
  result["output_tokens"] = q.work.output_tokens;
  result["depth"] = q.work.depth;
  result["engine"] = text(to_string(q.engine.kind));
  result["ubatch"] = q.engine.llama_cpp.n_ubatch;
  result["flash_attention"] = q.engine.llama_cpp.flash_attention;
  return result;
}

std::vector<std::string> quantizations() {
  std::vector<std::string> names;
  for (const sizer::recipe_info& recipe : sizer::recipes) names.emplace_back(recipe.name);
  return names;
}

std::vector<std::string> engines() {
  std::vector<std::string> names;
  for (const auto kind : {sizer::engine_kind::llama_cpp, sizer::engine_kind::ollama, sizer::engine_kind::lm_studio,
                          sizer::engine_kind::vllm, sizer::engine_kind::mlx}) {
    names.emplace_back(to_string(kind));
  }
  return names;
}

std::vector<std::pair<std::string, std::string>> option_names(std::string_view engine) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const option_info& one : engine_options(sizer::find_engine(engine))) {
    names.emplace_back(std::string{one.name}, std::string{one.type});
  }
  return names;
}

}  // namespace

void register_request(py::module_& m) {
  py::class_<request>(m, "Request")
      .def(py::init(&make_request), py::kw_only(), py::arg("quant"), py::arg("context"), py::arg("kv_type"),
           py::arg("parallel"), py::arg("batch"), py::arg("prompt_tokens"), py::arg("output_tokens"), py::arg("depth"),
           py::arg("engine"), py::arg("ubatch"), py::arg("flash_attention"), py::arg("options"))
      .def("resolved", &resolved, py::arg("model"));
  m.def("quantizations", &quantizations);
  m.def("kv_types", &kv_type_names);
  m.def("engines", &engines);
  m.def("engine_options", &option_names, py::arg("engine"));
}

}  // namespace sizer_python
