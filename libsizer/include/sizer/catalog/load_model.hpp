#pragma once
/// @file
/// From the files of a model to an entry like those of the catalogue, with exact weights.

#include <string>
#include <vector>

#include <sizer/catalog/byte_source.hpp>
#include <sizer/catalog/catalog.hpp>
#include <sizer/catalog/gguf.hpp>
#include <sizer/catalog/model_file.hpp>
#include <sizer/memory/quantization.hpp>

namespace sizer {
inline namespace v0 {

/// What is known of a model beside its files.
struct load_options {
  std::string name;                     ///< what the user called it; empty: the name of the first file
  std::vector<std::string> projectors;  ///< mmproj files that are loaded with the model: counted
  std::vector<std::string> beside;      ///< companion files that are not: listed
  bool from_ollama = false;
  ollama_parameters parameters;    ///< of a Modelfile
  std::vector<std::string> notes;  ///< added to those of the file
};

/// A model in GGUF.
/// @param files  one name, whose split parts are found by their names; or all parts, whatever they are called
/// @param known  says what a model of that name was trained for
/// @throws data_error
[[nodiscard]] model_entry load_gguf_model(const std::vector<std::string>& files, const file_opener& open,
                                          const load_options& options = {},
                                          const catalogue& known = catalogue::embedded());

/// A checkpoint of Hugging Face: `config.json`, and its safetensors files where they are there.
/// @throws data_error
[[nodiscard]] model_entry load_checkpoint(const file_opener& open, const load_options& options = {},
                                          const catalogue& known = catalogue::embedded());

/// A `config.json` alone: the shape, no weights.
/// @throws data_error
[[nodiscard]] model_entry load_config(std::string_view text, const load_options& options,
                                      const catalogue& known = catalogue::embedded());

/// Whatever lies at a path: a GGUF file, a safetensors file or its folder, a `config.json`, a folder with one GGUF
/// model in it. Companions beside a GGUF file are listed.
/// @throws data_error, also when a folder holds several models (it names them)
[[nodiscard]] model_entry load_model(const std::string& path, const load_options& options = {},
                                     const catalogue& known = catalogue::embedded());

/// The weights that a runtime would load: those of the model's files where there are some that it can load, otherwise
/// what the recipe gives.
struct loaded_weights {
  weights_by_type weights;
  std::string quantization;  ///< name to show
  bool from_file = false;
  std::vector<std::string> notes;  ///< what a reader of the estimate should know, one sentence each
};
/// @param quant   recipe; empty: what the file is, or else Q4_K_M
[[nodiscard]] loaded_weights weights_for(const model_entry& model, const std::optional<quantization>& quant,
                                         engine_kind engine);

}  // namespace v0
}  // namespace sizer
