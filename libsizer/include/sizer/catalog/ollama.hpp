#pragma once
/// @file
/// Ollama's store: manifests name the blobs that a model is made of.
/// Format: ollama/ollama `manifest/`, `types/model/name.go` and docs/modelfile; the OCI image manifest, schema 2.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sizer {
inline namespace v0 {

/// A blob of a manifest.
struct ollama_layer {
  std::string media_type;  ///< "application/vnd.ollama.image.model"
  std::string digest;      ///< "sha256:" and 64 hexadecimal digits, checked
  std::int64_t size = 0;   ///< bytes
  friend bool operator==(const ollama_layer&, const ollama_layer&) = default;
};

/// What a model is made of.
struct ollama_manifest {
  std::vector<ollama_layer> layers;
  /// The first blob of that kind ("model", "projector", "adapter", "draft", "params", "tensor"); null: none. A model of
  /// tensors is no GGUF file; one with neither runs on a server.
  [[nodiscard]] const ollama_layer* find(std::string_view kind) const noexcept;
  friend bool operator==(const ollama_manifest&, const ollama_manifest&) = default;
};

/// PARAMETER lines of a Modelfile that decide memory or speed. Absent: not stated, or left to Ollama (0; num_gpu: -1).
struct ollama_parameters {
  std::optional<std::int64_t> num_ctx;    ///< tokens of context
  std::optional<std::int64_t> num_gpu;    ///< layers on the device
  std::optional<std::int64_t> num_batch;  ///< tokens of a prompt batch
  friend bool operator==(const ollama_parameters&, const ollama_parameters&) = default;
};

/// A name in its parts: [scheme://][host/][namespace/]model[:tag], with Ollama's defaults filled in.
struct ollama_name {
  std::string scheme = "https";
  std::string host = "registry.ollama.ai";
  std::string name_space = "library";
  std::string model;
  std::string tag = "latest";
  friend bool operator==(const ollama_name&, const ollama_name&) = default;
};

/// @throws value_error naming the part that cannot be (also one that would leave the store's folder)
[[nodiscard]] ollama_name parse_ollama_name(std::string_view text);

/// @throws data_error naming the JSON pointer, the value got and what is expected
[[nodiscard]] ollama_manifest read_ollama_manifest(std::string_view text, const std::string& file_name);
/// Reads the "params" blob.
/// @throws data_error naming the JSON pointer, the value got and what is expected
[[nodiscard]] ollama_parameters read_ollama_parameters(std::string_view text, const std::string& file_name);

}  // namespace v0
}  // namespace sizer
