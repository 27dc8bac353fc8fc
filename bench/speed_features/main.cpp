// Reads data/measurements/speed.csv and prints, for each usable row, what the library makes of it: the full-speed times
// that the speed parameters multiply, and the library's own prediction. bench/fit_speed.py fits on it and reports with
// it, so that the formulas exist once.
//
//     sizer_speed_features data/measurements/speed.csv > features.csv

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/catalog.hpp>
#include <sizer/speed/decode.hpp>
#include <sizer/speed/prefill.hpp>

namespace {

using sizer::number;

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"') {
        fields.back() += c;
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  return fields;
}

/// The row's value in a column; its columns are those of the file's first line.
struct row {
  const std::map<std::string, std::size_t>& columns;
  std::vector<std::string> fields;
  [[nodiscard]] const std::string& operator[](const std::string& name) const { return fields.at(columns.at(name)); }
  [[nodiscard]] double real(const std::string& name) const { return std::strtod((*this)[name].c_str(), nullptr); }
  [[nodiscard]] bool has_flag(std::string_view flag) const {
    return (" " + (*this)["flags"] + " ").find(" " + std::string{flag} + " ") != std::string::npos;
  }
};

void scale(sizer::bytes& amount, double factor) {
  amount = sizer::make_bytes(static_cast<std::int64_t>(static_cast<double>(number(amount)) * factor));
}

/// Weights of a file whose mix is no recipe (unsloth's UD files and a few private types), from the nearest recipe and
/// the file's printed size: dense models are scaled; in mixtures of experts the other matrices are taken as Q8_0, as
/// they are in the UD files whose tensor lists are public, and the experts fill the rest.
sizer::weights_by_type weights_of_file(const sizer::architecture& model, sizer::quantization mix, double file_bytes) {
  sizer::weights_by_type base = sizer::weights(model, mix);
  const double total = static_cast<double>(number(base.total));
  const double routed = static_cast<double>(number(base.routed()));
  double whole_factor = file_bytes / total;
  double routed_factor = whole_factor;
  if (routed > 0.0) {
    const double others = total - routed;
    if (mix.mix == sizer::recipe::q8_0) {
      constexpr double widest = 16.0 / 8.5;  // BF16 over Q8_0
      whole_factor = std::min((file_bytes - routed) / others, widest);
      routed_factor = (file_bytes - others * whole_factor) / routed;
    } else {
      const sizer::weights_by_type at_q8 = sizer::weights(model, {.mix = sizer::recipe::q8_0});
      const double others_q8 = static_cast<double>(number(at_q8.total) - number(at_q8.routed()));
      base.read_by_type = at_q8.read_by_type;
      base.output_head = at_q8.output_head;
      whole_factor = 1.0;
      routed_factor = (file_bytes - others_q8) / routed;
    }
  }
  for (sizer::bytes& amount : base.read_by_type) scale(amount, whole_factor);
  for (sizer::bytes& amount : base.routed_by_type) scale(amount, routed_factor);
  scale(base.output_head, whole_factor);
  return base;
}

sizer::backend backend_named(std::string_view name) {
  if (name == "cuda") return sizer::backend::cuda;
  if (name == "rocm") return sizer::backend::rocm;
  if (name == "vulkan") return sizer::backend::vulkan;
  if (name == "metal") return sizer::backend::metal;
  if (name == "sycl") return sizer::backend::sycl;
  if (name == "cpu") return sizer::backend::cpu;
  if (name == "hpu") return sizer::backend::hpu;
  return sizer::backend::other;
}

sizer::engine_kind engine_named(std::string_view name) {
  if (name == "ollama") return sizer::engine_kind::ollama;
  if (name == "mlx") return sizer::engine_kind::mlx;
  if (name == "vllm" || name == "tensorrt-llm" || name == "deepspeed" || name == "sglang")
    return sizer::engine_kind::vllm;
  return sizer::engine_kind::llama_cpp;
}

constexpr std::array device_class_names{"nvidia_consumer",
                                        "nvidia_workstation",
                                        "nvidia_datacenter",
                                        "nvidia_unified",
                                        "nvidia_legacy",
                                        "nvidia_jetson",
                                        "apple_base",
                                        "apple_pro",
                                        "apple_max",
                                        "apple_ultra",
                                        "amd_rdna",
                                        "amd_cdna",
                                        "amd_gcn",
                                        "amd_strix_halo",
                                        "amd_apu",
                                        "intel_arc",
                                        "intel_datacenter",
                                        "intel_igpu",
                                        "qualcomm",
                                        "cpu_desktop",
                                        "cpu_server",
                                        "cpu_sbc",
                                        "other"};

void print(double value) { std::printf(",%.9g", value); }
void print(const sizer::per_format<double>& values) {
  for (const double value : values) print(value);
}
void print(const sizer::rate_estimate& rate) {
  print(number(rate.rate));
  print(number(rate.low));
  print(number(rate.high));
  print(number(rate.ceiling));
}

constexpr std::size_t n_decode_shares = 2 * sizer::n_weight_formats + 9;
constexpr std::size_t n_prefill_shares = 2 * sizer::n_weight_formats + 6;

void print_header() {
  std::printf("id,device_class,count,moe,rate,low,high,ceiling,active_bytes,file_bytes");
  for (std::size_t f = 0; f < sizer::n_weight_formats; ++f) {
    std::printf(",d_weights_%s", std::string{to_string(static_cast<sizer::weight_format>(f))}.c_str());
  }
  for (std::size_t f = 0; f < sizer::n_weight_formats; ++f) {
    std::printf(",d_arithmetic_%s", std::string{to_string(static_cast<sizer::weight_format>(f))}.c_str());
  }
  std::printf(",d_kv,d_latent,d_state,d_attention,d_latent_attention,d_batch,d_layers,d_moe_layers,d_recurrent_layers");
  for (std::size_t f = 0; f < sizer::n_weight_formats; ++f) {
    std::printf(",p_matrices_%s", std::string{to_string(static_cast<sizer::weight_format>(f))}.c_str());
  }
  for (std::size_t f = 0; f < sizer::n_weight_formats; ++f) {
    std::printf(",p_routed_%s", std::string{to_string(static_cast<sizer::weight_format>(f))}.c_str());
  }
  std::printf(",p_small_experts,p_attention,p_latent_attention,p_streamed,p_layer_passes,p_recurrent_tokens\n");
}

void print_features(const row& r) {
  const sizer::catalogue& known = sizer::catalogue::embedded();
  const sizer::model_entry& model = known.model(r["model"]);
  sizer::machine where = known.machine(r["hardware"]).machine;
  sizer::device& target = where.devices.front();
  target.backend = backend_named(r["backend"]);
  target.count = std::atoi(r["device_count"].c_str());

  std::string name = r["quant"];
  const double file_bytes = r.real("file_size_gib") * 1073741824.0;
  const bool approximate = name.starts_with('~');
  if (approximate) name.erase(0, 1);
  const sizer::quantization mix = sizer::find_quantization(name);
  const sizer::weights_by_type weights = approximate && file_bytes > 0.0
                                             ? weights_of_file(model.architecture, mix, file_bytes)
                                             : sizer::weights(model.architecture, mix);

  const bool decode = r["test"] == "tg";
  sizer::workload work;
  work.batch = std::atoi(r["batch"].c_str());
  work.parallel = work.batch;
  work.prompt_tokens = std::atoi(r["tokens"].c_str());
  work.depth = std::atoi(r["depth"].c_str());
  work.context = work.depth + work.prompt_tokens;
  sizer::engine runtime = sizer::make_engine(engine_named(r["engine"]), work);
  runtime.llama_cpp.n_ubatch = std::atoi(r["ubatch"].c_str());

  const sizer::speed_parameters p = sizer::default_speed_parameters(target.backend, target.device_class, runtime.kind);
  const sizer::device_rates rates = sizer::rates_of(target);
  std::printf("%s,%s,%d,%d", r["id"].c_str(), device_class_names[static_cast<std::size_t>(target.device_class)],
              target.count, model.architecture.shape.experts ? 1 : 0);
  const double batch = static_cast<double>(work.batch);
  print(decode ? sizer::estimate_decode_at(model.architecture, weights, where, runtime, r.real("mean_depth"), batch, p)
               : sizer::estimate_prefill(model.architecture, weights, where, runtime, work, p));
  print(sizer::real(weights.active).value());
  print(file_bytes > 0.0 ? file_bytes : sizer::real(weights.total).value());
  if (decode) {
    const sizer::decode_shares at =
        sizer::shares_of(sizer::decode_work_of(model.architecture, weights, r.real("mean_depth"), batch,
                                               sizer::ggml_type::f16, sizer::ggml_type::f16, p.expert_overlap),
                         rates);
    print(at.weights);
    print(at.arithmetic);
    for (const double value : {at.kv, at.latent, at.state, at.attention, at.latent_attention, at.batch, at.layers,
                               at.moe_layers, at.recurrent_layers})
      print(value);
    for (std::size_t i = 0; i < n_prefill_shares; ++i) std::printf(",");
  } else {
    for (std::size_t i = 0; i < n_decode_shares; ++i) std::printf(",");
    const sizer::prefill_shares at =
        sizer::shares_of(sizer::prefill_work_of(model.architecture, weights, static_cast<double>(work.prompt_tokens),
                                                static_cast<double>(work.depth), sizer::prefill_step(runtime)),
                         rates);
    print(at.matrices);
    print(at.routed);
    for (const double value :
         {at.small_experts, at.attention, at.latent_attention, at.streamed, at.layer_passes, at.recurrent_tokens})
      print(value);
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s speed.csv\n", argv[0]);
    return 2;
  }
  std::ifstream file{argv[1]};
  std::string line;
  if (!file || !std::getline(file, line)) {
    std::fprintf(stderr, "%s: cannot read it\n", argv[1]);
    return 3;
  }
  std::map<std::string, std::size_t> columns;
  for (const std::string& name : split(line)) columns.emplace(name, columns.size());
  print_header();
  int failures = 0;
  while (std::getline(file, line)) {
    const row r{columns, split(line)};
    const bool nameable = !r["model"].empty() && !r["hardware"].empty() && !r["quant"].empty();
    if (!nameable) continue;
    try {
      print_features(r);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", r["id"].c_str(), error.what());
      ++failures;
    }
  }
  return failures == 0 ? 0 : 3;
}
