#pragma once
/// @file
/// The 24 synthetic models that llama.cpp itself was run on, as architectures.

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <sizer/catalog/gguf_metadata.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/model/expand.hpp>

namespace sizer_test {

inline nlohmann::json read_json(const std::string& path) {
  std::ifstream file{path};
  if (!file) throw std::runtime_error{"cannot read " + path};
  return nlohmann::json::parse(file);
}

inline sizer::gguf_value gguf_value_of(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  std::vector<std::int64_t> numbers;
  for (const auto& element : value) {
    numbers.push_back(element.is_boolean() ? static_cast<std::int64_t>(element.get<bool>())
                                           : element.get<std::int64_t>());
  }
  return numbers;
}

/// The architecture of one entry of llamacpp_shapes.json, through the same reader that GGUF files go through.
inline sizer::architecture architecture_of(const nlohmann::json& entry) {
  sizer::gguf_metadata keys;
  keys["general.architecture"] = entry.at("gguf_architecture").get<std::string>();
  for (const auto& [key, value] : entry.at("gguf_hparams").items()) keys[key] = gguf_value_of(value);

  const nlohmann::json& shape = entry.at("shape");
  sizer::gguf_tensor_facts facts;
  facts.tied_embeddings = shape.value("tied_embeddings", false);
  if (shape.contains("qkv_bias")) facts.features.qkv_bias = shape.at("qkv_bias").get<bool>();
  if (shape.contains("qk_norm")) facts.features.qk_norm = shape.at("qk_norm").get<bool>();
  return sizer::make_architecture(sizer::shape_from_gguf_metadata(keys, facts));
}

/// All entries, by name.
inline std::map<std::string, sizer::architecture> llamacpp_architectures(const nlohmann::json& shapes) {
  std::map<std::string, sizer::architecture> models;
  for (const auto& [name, entry] : shapes.items()) models.emplace(name, architecture_of(entry));
  return models;
}

}  // namespace sizer_test
