#pragma once
/// @file
/// The factors of the speed model, what is known of each without any measurement, and the levels that make one up.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <sizer/engine/engine.hpp>
#include <sizer/hardware/generation.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/speed/level.hpp>
#include <sizer/speed/weight_format.hpp>

namespace sizer {
inline namespace v0 {

/// Engines that run the same kernels.
enum class kernel_family : std::uint8_t { llama_cpp, server, mlx };

[[nodiscard]] constexpr kernel_family kernels_of(engine_kind kind) noexcept {
  switch (kind) {
    case engine_kind::vllm: return kernel_family::server;
    case engine_kind::mlx: return kernel_family::mlx;
    default: return kernel_family::llama_cpp;
  }
}

/// Programs whose kernels or schedulers differ from those of their family.
enum class engine_program : std::uint8_t { llama_cpp, ik_llama_cpp, mlx, vllm, tensorrt_llm, deepspeed, sglang };

[[nodiscard]] constexpr engine_program program_of(const engine& runtime) noexcept {
  if (runtime.kind == engine_kind::mlx) return engine_program::mlx;
  if (runtime.kind == engine_kind::vllm) {
    switch (runtime.vllm.program) {
      case serving_engine::vllm: return engine_program::vllm;
      case serving_engine::tensorrt_llm: return engine_program::tensorrt_llm;
      case serving_engine::deepspeed: return engine_program::deepspeed;
      case serving_engine::sglang: return engine_program::sglang;
    }
  }
  return runtime.llama_cpp.fork == llama_cpp_fork::ik_llama_cpp ? engine_program::ik_llama_cpp
                                                                : engine_program::llama_cpp;
}

/// Links between devices, by how they move small messages.
enum class link_technology : std::uint8_t { pcie_host, pcie_peer, nvlink, fabric, fabric_modules, ethernet, network };
inline constexpr std::size_t n_link_technologies = 7;

/// llama.cpp computes a gated delta net in one kernel since then (March 2026).
inline constexpr std::int64_t fused_delta_net_build = 8250;

/// What the factors depend on.
struct speed_context {
  backend where = backend::other;
  device_class what = device_class::other;
  generation made = generation::unknown;
  kernel_family kernels = kernel_family::llama_cpp;
  engine_program program = engine_program::llama_cpp;
  std::int64_t build = current_llama_cpp_build;  ///< of llama.cpp
  bool old_build = false;                        ///< llama.cpp before September 2024
  bool flash_attention = true;

  /// llama.cpp as of 2026-08.
  static constexpr std::int64_t current_llama_cpp_build = 10250;
  /// Builds before these are told apart: September 2024 and December 2025.
  static constexpr std::int64_t first_new_build = 3700;
  static constexpr std::int64_t first_late_build = 7500;

  [[nodiscard]] constexpr bool middle_build() const noexcept {
    return kernels == kernel_family::llama_cpp && !old_build && build < first_late_build;
  }
  [[nodiscard]] constexpr bool is_amd() const noexcept {
    return what == device_class::amd_rdna || what == device_class::amd_cdna || what == device_class::amd_gcn ||
           what == device_class::amd_strix_halo || what == device_class::amd_apu;
  }
};

[[nodiscard]] inline speed_context context_of(const device& target, const engine& runtime) noexcept {
  speed_context c;
  c.where = target.backend;
  c.what = target.device_class;
  c.made = generation_of(target);
  c.kernels = kernels_of(runtime.kind);
  c.program = program_of(runtime);
  if (c.kernels == kernel_family::llama_cpp) {
    if (runtime.llama_cpp.build > 0) c.build = runtime.llama_cpp.build;
    c.old_build = c.build < speed_context::first_new_build;
    c.flash_attention = runtime.llama_cpp.flash_attention;
  }
  return c;
}

/// Backends whose kernels are alike enough to be one in the levels.
[[nodiscard]] constexpr backend kin_of(backend where) noexcept {
  if (where == backend::sycl) return backend::vulkan;
  if (where == backend::hpu) return backend::cuda;
  return where;
}

/// The factors. Shares of decode first, then those of prefill.
enum class speed_factor : std::uint8_t {
  weights_excess,
  unpacking,
  cpu_unpacking,
  cache_excess,
  attention,
  layer,
  moe_layer,
  recurrent_layer,
  unfused_delta_net,
  server_layer,
  server_moe_layer,
  server_step,
  eager_layer,
  server_products,
  columns,
  dense_products,
  routed_products,
  no_graph,
  logits,
  state_copy,
  prompt,
  row_sum,
  all_reduce,
  link_bytes,
  network_hop,
  hop,
  matrices,
  cpu_matrices,
  routed,
  thin,
  unpack_to_memory,
  prefill_attention,
  cpu_prefill_attention,
  scores,
  streamed,
  activations,
  recurrent_activations,
  unfused_prefill_delta_net,
  recurrent_token,
  operation
};
inline constexpr std::size_t n_speed_factors = 40;

[[nodiscard]] constexpr std::string_view to_string(speed_factor factor) noexcept {
  constexpr std::array<std::string_view, n_speed_factors> names{"weights_excess",
                                                                "unpacking",
                                                                "cpu_unpacking",
                                                                "cache_excess",
                                                                "attention",
                                                                "layer",
                                                                "moe_layer",
                                                                "recurrent_layer",
                                                                "unfused_delta_net",
                                                                "server_layer",
                                                                "server_moe_layer",
                                                                "server_step",
                                                                "eager_layer",
                                                                "server_products",
                                                                "columns",
                                                                "dense_products",
                                                                "routed_products",
                                                                "no_graph",
                                                                "logits",
                                                                "state_copy",
                                                                "prompt",
                                                                "row_sum",
                                                                "all_reduce",
                                                                "link_bytes",
                                                                "network_hop",
                                                                "hop",
                                                                "matrices",
                                                                "cpu_matrices",
                                                                "routed",
                                                                "thin",
                                                                "unpack_to_memory",
                                                                "prefill_attention",
                                                                "cpu_prefill_attention",
                                                                "scores",
                                                                "streamed",
                                                                "activations",
                                                                "recurrent_activations",
                                                                "unfused_prefill_delta_net",
                                                                "recurrent_token",
                                                                "operation"};
  return names[static_cast<std::size_t>(factor)];
}

/// What a level of a factor is common to.
enum class level_scope : std::uint8_t {
  all,
  backend,         ///< first: backend, SYCL counted as Vulkan and HPU as CUDA
  generation,      ///< first: backend, second: generation
  device_class,    ///< first: backend, second: device class
  family,          ///< first: kernel family
  program,         ///< first: engine program
  old_build,       ///< first: backend, or on_all
  middle_build,    ///< first: backend, or on_all
  age,             ///< first: backend, or on_all; the coefficient is the age in thousands of builds
  format,          ///< first: weight format
  format_backend,  ///< first: weight format, second: backend
  link,            ///< first: link technology
  latent,          ///< first: backend, or on_all: caches of latent attention
  windowed,        ///< attention in a window
  maker,           ///< AMD's devices
  several_devices,
  one_generation,  ///< first: generation, whatever the backend
  before_change    ///< first: a change of the engine that the factor explains, second: backend
};
inline constexpr std::size_t n_level_scopes = 18;
inline constexpr std::uint8_t on_all = 255;

[[nodiscard]] constexpr std::string_view to_string(level_scope scope) noexcept {
  constexpr std::array<std::string_view, n_level_scopes> names{
      "all",       "backend",      "generation", "device_class",    "family",         "program",
      "old_build", "middle_build", "age",        "format",          "format_backend", "link",
      "latent",    "windowed",     "maker",      "several_devices", "one_generation", "before_change"};
  return names[static_cast<std::size_t>(scope)];
}

template <class Enum>
constexpr std::uint8_t code(Enum value) noexcept {
  return static_cast<std::uint8_t>(value);
}

[[nodiscard]] constexpr level_key key_of(speed_factor factor, level_scope scope, std::uint8_t first = 0,
                                         std::uint8_t second = 0) noexcept {
  return {code(factor), code(scope), first, second};
}

/// "layer, device_class 0 3": for the comments of the fitted table.
[[nodiscard]] inline std::string to_string(const level_key& key) {
  std::string text{to_string(static_cast<speed_factor>(key.factor))};
  // cppcheck-suppress ignoredReturnValue
  text.append(", ").append(to_string(static_cast<level_scope>(key.scope)));
  return text + " " + std::to_string(key.first) + " " + std::to_string(key.second);
}

namespace detail {

/// How far levels may be pulled, scope by scope; 0: the factor has none of that scope.
struct level_widths {
  double all, backend, generation, device_class;
};

/// Levels of all devices, of the backend, of the generation and of the device class on it.
inline level_list device_levels(speed_factor factor, const speed_context& c, double centre,
                                const level_widths& widths) noexcept {
  level_list levels;
  levels.add(key_of(factor, level_scope::all), widths.all, centre);
  levels.add(key_of(factor, level_scope::backend, code(kin_of(c.where))), widths.backend);
  levels.add(key_of(factor, level_scope::generation, code(c.where), code(c.made)), widths.generation);
  levels.add(key_of(factor, level_scope::device_class, code(c.where), code(c.what)), widths.device_class);
  return levels;
}

inline level_list backend_levels(speed_factor factor, const speed_context& c, double centre, double all,
                                 double backend) noexcept {
  return device_levels(factor, c, centre, {all, backend, 0.0, 0.0});
}

/// What an engine adds; llama.cpp's kernels are the reference.
inline void add_engine_levels(level_list& levels, speed_factor factor, const speed_context& c, double width) noexcept {
  if (c.kernels != kernel_family::llama_cpp) {
    levels.add(key_of(factor, level_scope::family, code(c.kernels)), width);
  }
  const bool own = c.program == engine_program::ik_llama_cpp || c.program == engine_program::tensorrt_llm ||
                   c.program == engine_program::deepspeed || c.program == engine_program::sglang;
  if (own) levels.add(key_of(factor, level_scope::program, code(c.program)), width);
}

/// What the age of a build of llama.cpp adds.
inline void add_build_levels(level_list& levels, speed_factor factor, const speed_context& c, double old_width,
                             double middle_width) noexcept {
  if (c.old_build) levels.add(key_of(factor, level_scope::old_build, code(kin_of(c.where))), old_width);
  if (c.middle_build()) {
    levels.add(key_of(factor, level_scope::middle_build, on_all), middle_width);
    levels.add(key_of(factor, level_scope::middle_build, code(kin_of(c.where))), middle_width);
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
