/// @file
/// Plans: one model on one machine, reverse questions, several models at once, speculative decoding, prefill elsewhere.
/// All run without the interpreter's lock.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <sizer/catalog/catalog.hpp>
#include <sizer/decide/handover.hpp>
#include <sizer/decide/plan.hpp>
#include <sizer/decide/plan_limits.hpp>
#include <sizer/decide/residents.hpp>
#include <sizer/decide/speculative.hpp>

#include "convert.hpp"
#include "convert_estimate.hpp"
#include "register.hpp"
#include "request.hpp"

namespace sizer_python {
namespace {

using sizer::number;

/// What a plan may choose and must reach, as the caller gave it.
struct plan_wish {
  request asked;
  std::vector<std::string> quants;  ///< best first; empty: what the model's files are
  std::vector<std::string> kv_types;
  std::vector<std::int64_t> ubatches;
  bool may_use_host = true;
  bool only_stated_memory = false;
  double min_decode = 0;
  double max_ttft = 0;
  std::int64_t reserve = 0;
  bool prefer_quality = false;
};

sizer::plan_request resolve_wish(const plan_wish& wish, const sizer::model_entry& model) {
  sizer::plan_request result;
  const auto add = [&](const request& asked) {
    question q = resolve(asked, model);
    result.work = q.work;
    result.engine = q.engine;
    result.weights.push_back({q.loaded.quantization, std::move(q.loaded.weights)});
  };
  if (wish.quants.empty()) add(wish.asked);
  for (const std::string& name : wish.quants) {
    request one = wish.asked;
    one.quant = sizer::find_quantization(name);
    add(one);
  }
  for (const std::string& name : wish.kv_types) result.kv_types.push_back(find_kv_type("kv_type", name));
  result.ubatches = wish.ubatches;
  result.may_use_host = wish.may_use_host;
  result.only_stated_memory = wish.only_stated_memory;
  result.may_move_experts = result.engine.kind != sizer::engine_kind::ollama;
  result.goals.min_decode = wish.min_decode;
  result.goals.max_ttft = sizer::make_seconds(wish.max_ttft);
  result.goals.reserve = sizer::make_bytes(wish.reserve);
  result.prefer = wish.prefer_quality ? sizer::plan_preference::quality : sizer::plan_preference::speed;
  return result;
}

/// Names of the sites of a plan's pools; those of the pools where the engine divides by itself.
py::list pools_to_python(const sizer::plan& p, const std::vector<std::string>& names) {
  py::list pools;
  for (std::size_t i = 0; i < p.pools.size(); ++i) {
    py::dict one = to_python(p.pools[i]);
    one["site"] = p.placed || p.pools.size() == names.size() ? names[i] : std::string{p.pools[i].name};
    pools.append(std::move(one));
  }
  return pools;
}

/// Bytes of blocks and experts that lie on the host.
std::int64_t bytes_on_host(const sizer::plan& p, const sizer::weights_by_type& weights) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; p.placed && i < weights.layers.size(); ++i) {
    const auto block = static_cast<std::int64_t>(i);
    if (block < p.where.host_blocks) {
      sum += number(weights.layers[i].total);
    } else if (block < p.where.n_cpu_moe) {
      sum += number(weights.layers[i].routed);
    }
  }
  return sum;
}

py::dict plan_to_python(const sizer::plan& p, const sizer::plan_request& asked, const std::vector<std::string>& names) {
  const sizer::llama_cpp_options& o = p.engine.llama_cpp;
  const sizer::plan_weights& chosen = asked.weights[p.weights];
  py::dict result;
  result["quant"] = chosen.name;
  result["weights_bytes"] = number(chosen.weights.total);
  result["engine"] = text(to_string(p.engine.kind));
  result["context"] = p.work.context;
  result["parallel"] = p.work.parallel;
  result["batch"] = p.work.batch;
  result["prompt_tokens"] = p.work.prompt_tokens;
  result["output_tokens"] = p.work.output_tokens;
  result["depth"] = p.work.depth;
  result["kv_type"] = kv_type_name(o.type_k);
  result["ubatch"] = o.n_ubatch;
  result["n_batch"] = o.n_batch;
  result["flash_attention"] = o.flash_attention;
  result["placed"] = p.placed;
  result["host_blocks"] = p.where.host_blocks;
  result["n_gpu_layers"] = p.placed ? py::object{py::int_(p.where.n_gpu_layers())} : py::object{py::none()};
  result["n_cpu_moe"] = p.where.n_cpu_moe;
  result["device_blocks"] = p.where.device_blocks;
  result["tensor_split"] = p.placed ? p.where.tensor_split() : std::vector<std::int64_t>{};
  result["split_mode"] = o.split_mode == sizer::split_mode::row ? "row" : "layer";
  result["host_bytes"] = bytes_on_host(p, chosen.weights);
  result["pools"] = pools_to_python(p, names);
  result["decode"] = to_python(p.decode);
  result["decode_behind_prompt"] = to_python(p.decode_behind_prompt);
  result["prefill"] = to_python(p.prefill);
  result["ttft_s"] = number(p.ttft);
  result["request_s"] = number(p.request_time);
  result["decode_of_one"] = p.decode_of_one();
  result["uses_host"] = p.uses_host();
  result["fits"] = p.fits;
  result["meets_decode"] = p.meets_decode;
  result["meets_ttft"] = p.meets_ttft;
  result["meets_goals"] = p.meets_goals();
  return result;
}

std::vector<std::string> names_of(const std::vector<sizer::site>& sites) {
  std::vector<std::string> names;
  for (const sizer::site& one : sites) names.push_back(one.name);
  return names;
}

py::dict make_plan(const sizer::model_entry& model, const sizer::machine_entry& machine, const plan_wish& wish) {
  sizer::plan_request asked;
  sizer::plan_result found;
  {
    const py::gil_scoped_release unlocked;
    asked = resolve_wish(wish, model);
    found = sizer::make_plan(model.architecture, machine.machine, asked);
  }
  py::dict result;
  result["examined"] = found.examined;
  result["passed_over"] = found.passed_over;
  result["context"] = asked.work.context;
  result["engine"] = text(to_string(asked.engine.kind));
  result["plan"] =
      found.best ? py::object{plan_to_python(*found.best, asked, names_of(found.sites))} : py::object{py::none()};
  return result;
}

std::optional<std::int64_t> planned_context(const sizer::model_entry& model, const sizer::machine_entry& machine,
                                            const plan_wish& wish) {
  const py::gil_scoped_release unlocked;
  return sizer::largest_planned_context(model.architecture, machine.machine, resolve_wish(wish, model));
}

std::int64_t most_users(const sizer::model_entry& model, const sizer::machine_entry& machine, const plan_wish& wish) {
  const py::gil_scoped_release unlocked;
  return sizer::most_users(model.architecture, machine.machine, resolve_wish(wish, model));
}

sizer::resident_place place_named(const std::string& name) {
  if (name == "anywhere") return sizer::resident_place::anywhere;
  if (name == "devices") return sizer::resident_place::devices;
  if (name == "host") return sizer::resident_place::host;
  throw sizer::unknown_name_error{"place", name, {"anywhere", "devices", "host"}};
}

py::dict place_residents(const std::vector<const sizer::model_entry*>& models, const std::vector<plan_wish>& wishes,
                         const std::vector<std::string>& places, const std::vector<double>& weights,
                         const std::vector<const sizer::machine_entry*>& machines) {
  std::vector<sizer::resident> residents;
  sizer::residents_result found;
  std::vector<std::vector<std::string>> names;
  {
    const py::gil_scoped_release unlocked;
    for (std::size_t i = 0; i < models.size(); ++i) {
      residents.push_back(
          {&models[i]->architecture, resolve_wish(wishes.at(i), *models[i]), place_named(places.at(i)), weights.at(i)});
    }
    std::vector<sizer::machine> plain;
    for (const sizer::machine_entry* entry : machines) {
      plain.push_back(entry->machine);
      names.push_back(names_of(sizer::sites_of(entry->machine)));
    }
    found = sizer::place_residents(residents, plain);
  }
  py::dict result;
  result["together"] = found.together;
  result["all_tried"] = found.all_tried;
  result["request_s"] = found.time;
  py::list plans;
  for (std::size_t i = 0; i < found.plans.size(); ++i) {
    const sizer::resident_plan& one = found.plans[i];
    std::vector<std::string> sites;
    for (const std::size_t s : one.sites) sites.push_back(names[one.machine][s]);
    py::dict plain = plan_to_python(one.plan, residents[i].request, sites);
    plain["machine_index"] = one.machine;
    plain["swap_in_s"] = number(found.swap_in[i]);
    plans.append(std::move(plain));
  }
  result["plans"] = std::move(plans);
  py::list loads;
  for (std::size_t m = 0; m < found.loads.size(); ++m) {
    for (const sizer::site_load& load : found.loads[m]) {
      py::dict one;
      one["machine_index"] = m;
      one["site"] = load.name;
      one["used_bytes"] = number(load.used);
      one["available_bytes"] = number(load.available);
      one["available_known"] = load.available_known;
      loads.append(std::move(one));
    }
  }
  result["loads"] = std::move(loads);
  return result;
}

py::dict to_python(const sizer::speculation& s) {
  py::dict result;
  result["draft_tokens"] = s.draft_tokens;
  result["acceptance"] = s.acceptance;
  result["tokens_per_cycle"] = s.tokens_per_cycle;
  result["draft_s"] = number(s.draft_time);
  result["check_s"] = number(s.check_time);
  result["plain_tokens_per_s"] = number(s.plain);
  result["tokens_per_s"] = number(s.rate);
  result["speedup"] = s.speedup();
  return result;
}

/// A draft beside a model that is placed around it. The draft lies on the first device.
py::dict speculate(const sizer::model_entry& model, const request& asked, const sizer::model_entry* draft,
                   const request* draft_asked, const sizer::machine_entry& machine, double acceptance,
                   std::int64_t draft_tokens) {
  sizer::speculation s;
  std::int64_t draft_weights = 0;
  std::int64_t draft_other = 0;
  sizer::plan_result found;
  {
    const py::gil_scoped_release unlocked;
    const question q = resolve(asked, model);
    const sizer::machine& where = machine.machine;
    sizer::machine first = where;
    first.devices.resize(1);
    first.devices.front().count = 1;
    const auto depth = static_cast<double>(q.work.depth);
    double one_guess = 0.0;
    sizer::plan_request wanted;
    wanted.work = q.work;
    wanted.engine = q.engine;
    wanted.weights = {{q.loaded.quantization, q.loaded.weights}};
    wanted.kv_types = {q.engine.llama_cpp.type_k};
    wanted.ubatches = {q.engine.llama_cpp.n_ubatch};
    if (draft != nullptr) {
      const question d = resolve(*draft_asked, *draft);
      const sizer::memory_breakdown memory =
          sizer::engine_memory(draft->architecture, d.loaded.weights, first, d.work, d.engine);
      draft_weights = number(memory.parts.weights);
      draft_other = number(memory.total()) - draft_weights;
      wanted.goals.reserve = memory.pools.front().parts.total();
      one_guess = number(sizer::estimate_decode_at(draft->architecture, d.loaded.weights, first, d.engine,
                                                   {.depth = depth, .batch = 1})
                             .time);
    }
    found = sizer::make_plan(model.architecture, where, wanted);
    const auto decode = [&](double at, double batch) {
      const sizer::decode_run run{.depth = at, .batch = batch};
      if (found.best && found.best->placed) {
        return number(sizer::placed_decode(model.architecture, q.loaded.weights, where, found.sites, found.best->where,
                                           found.best->engine, run)
                          .time);
      }
      return number(sizer::estimate_decode_at(model.architecture, q.loaded.weights, where, q.engine, run).time);
    };
    if (draft == nullptr) {
      one_guess = decode(0.0, 1.0) * sizer::mtp_share(model.architecture, q.loaded.weights);
      draft_weights = number(q.loaded.weights.part(sizer::weight_part::mtp));
    }
    s = sizer::speculate_with(decode, one_guess, depth, acceptance, draft_tokens);
  }
  py::dict result = to_python(s);
  result["draft_weights_bytes"] = draft_weights;
  result["draft_other_bytes"] = draft_other;
  result["fits"] = found.best.has_value();
  result["uses_host"] = found.best && found.best->uses_host();
  return result;
}

py::dict hand_over(const sizer::model_entry& model, const request& asked, const sizer::machine_entry& prefills,
                   const sizer::machine_entry& decodes, double bandwidth) {
  sizer::handover h;
  {
    const py::gil_scoped_release unlocked;
    const question q = resolve(asked, model);
    h = sizer::hand_over(model.architecture, q.loaded.weights, prefills.machine, q.engine, decodes.machine, q.engine,
                         q.work, sizer::make_bytes_per_second(bandwidth));
  }
  py::dict result;
  result["sent_bytes"] = number(h.sent);
  result["prefill_s"] = number(h.prefill);
  result["transfer_s"] = number(h.transfer);
  result["decode_step_s"] = number(h.decode_step);
  result["ttft_s"] = number(h.ttft);
  result["ttft_overlapped_s"] = number(h.ttft_overlapped);
  result["request_s"] = number(h.request_time);
  return result;
}

}  // namespace

void register_plan(py::module_& m) {
  py::class_<plan_wish>(m, "PlanWish")
      .def(py::init([](const request& asked, std::vector<std::string> quants, std::vector<std::string> kv_types,
                       std::vector<std::int64_t> ubatches, bool may_use_host, bool only_stated_memory,
                       double min_decode, double max_ttft, std::int64_t reserve, bool prefer_quality) {
             return plan_wish{asked,        std::move(quants),  std::move(kv_types), std::move(ubatches),
                              may_use_host, only_stated_memory, min_decode,          max_ttft,
                              reserve,      prefer_quality};
           }),
           py::kw_only(), py::arg("request"), py::arg("quants"), py::arg("kv_types"), py::arg("ubatches"),
           py::arg("may_use_host"), py::arg("only_stated_memory"), py::arg("min_decode"), py::arg("max_ttft"),
           py::arg("reserve"), py::arg("prefer_quality"));
  m.def(
      "runs_on",
      [](const std::string& engine, const sizer::machine_entry& machine) {
        return sizer::runs_on(sizer::find_engine(engine), machine.machine.devices.front().backend);
      },
      py::arg("engine"), py::arg("machine"));
  m.def("plan", &make_plan, py::arg("model"), py::arg("machine"), py::arg("wish"));
  m.def("planned_context", &planned_context, py::arg("model"), py::arg("machine"), py::arg("wish"));
  m.def("most_users", &most_users, py::arg("model"), py::arg("machine"), py::arg("wish"));
  m.def("place_residents", &place_residents, py::arg("models"), py::arg("wishes"), py::arg("places"),
        py::arg("weights"), py::arg("machines"));
  m.def("speculate", &speculate, py::arg("model"), py::arg("request"), py::arg("draft").none(true),
        py::arg("draft_request").none(true), py::arg("machine"), py::arg("acceptance"), py::arg("draft_tokens"));
  m.def("hand_over", &hand_over, py::arg("model"), py::arg("request"), py::arg("prefills"), py::arg("decodes"),
        py::arg("bandwidth"));
}

}  // namespace sizer_python
