#pragma once
/// @file
/// The files that a model was read from: exact weights, companions, and labels that state another context than the one
/// it was trained for.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/ollama.hpp>
#include <sizer/engine/engine.hpp>
#include <sizer/memory/stored_tensors.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {

enum class model_format : std::uint8_t { gguf, safetensors };
[[nodiscard]] std::string_view to_string(model_format format) noexcept;

/// A context length that a file or a Modelfile states beside the one that the model was trained for.
struct context_label {
  std::string where;         ///< "qwen3moe.context_length of the file", "num_ctx of the Modelfile"
  std::int64_t tokens = 0;   ///< what it states
  std::int64_t trained = 0;  ///< what the model was trained for
  std::string trained_by;    ///< who says so: "qwen3-coder-30b-a3b in the catalogue"
  /// True: the label allows less than the model does. False: more.
  [[nodiscard]] bool caps() const noexcept { return tokens < trained; }
  friend bool operator==(const context_label&, const context_label&) = default;
};

/// Another file that a runtime may load beside a model.
struct companion_file {
  std::string role;  ///< "projector" (mmproj) or "draft" (multi-token prediction)
  std::string name;
  bytes size{};          ///< its tensors, exact
  bool counted = false;  ///< its tensors are among the model's
  friend bool operator==(const companion_file&, const companion_file&) = default;
};

/// The files of a model, and what they say.
struct model_file {
  std::string name;  ///< as the user named it
  model_format format = model_format::gguf;
  std::vector<std::string> parts;      ///< names of the files
  bytes size{};                        ///< of all parts, headers included; of what is counted beside them too
  std::string quantization;            ///< what the file calls itself ("Q4_K_M", "FP8"); empty: it does not say
  std::vector<stored_tensor> tensors;  ///< all of them; empty: the files hold none
  weights_by_type weights;             ///< their sums
  std::vector<companion_file> companions;
  std::int64_t stated_context = 0;    ///< tokens that the file states, capped or stretched as it may be
  std::vector<context_label> labels;  ///< empty: nothing states another context than the trained one
  bool from_ollama = false;           ///< out of Ollama's store or registry
  ollama_parameters parameters;       ///< of a Modelfile; what Ollama uses unless told otherwise
  std::vector<std::string> notes;     ///< what was taken for granted, one sentence each

  friend bool operator==(const model_file& a, const model_file& b) {
    // The sums follow from the tensors.
    return a.name == b.name && a.format == b.format && a.parts == b.parts && a.size == b.size &&
           a.quantization == b.quantization && a.tensors == b.tensors && a.companions == b.companions &&
           a.stated_context == b.stated_context && a.labels == b.labels && a.from_ollama == b.from_ollama &&
           a.parameters == b.parameters && a.notes == b.notes;
  }
};

/// Whether a runtime loads files of that format. vLLM takes GGUF too (its documentation calls that experimental).
[[nodiscard]] bool loads(engine_kind engine, model_format format) noexcept;

/// The runtime that the files were made for: Ollama for its own store, MLX for its packing, vLLM for other safetensors,
/// else llama.cpp.
[[nodiscard]] engine_kind usual_engine(const model_file& file) noexcept;

}  // namespace v0
}  // namespace sizer
