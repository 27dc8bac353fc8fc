/// @file
/// What all model files have in common: names, the check of the context's label, and the choice of weights.

#include <sizer/catalog/load_model.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <sizer/error.hpp>

#include "loading.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// 262144 as "262,144".
std::string grouped(std::int64_t n) {
  std::string digits = std::to_string(n);
  for (std::ptrdiff_t i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3) {
    digits.insert(static_cast<std::size_t>(i), ",");
  }
  return digits;
}

/// The fields that tell a model from others of its family; the context is what is in question.
bool same_size(const model_shape& a, const model_shape& b) {
  const auto experts = [](const model_shape& s) { return s.experts ? s.experts->n_experts : 0; };
  return a.family == b.family && a.n_layers == b.n_layers && a.d_model == b.d_model && a.n_heads == b.n_heads &&
         a.n_kv_heads == b.n_kv_heads && experts(a) == experts(b);
}

struct trained_context {
  std::int64_t tokens = 0;
  std::string by;
};

/// What the catalogue says that a model of one of these names was trained for.
std::optional<trained_context> by_name(const model_shape& shape, const name_list& names, const catalogue& known) {
  for (const std::string& name : names) {
    const model_entry* entry = name.empty() ? nullptr : known.find_model(name);
    if (entry == nullptr || !same_size(entry->architecture.shape, shape)) continue;
    return trained_context{entry->architecture.shape.context_length, "'" + entry->id + "' in the catalogue"};
  }
  return std::nullopt;
}

/// Families whose publishers stretched the positions themselves before the release (the model cards of DeepSeek-V2 and
/// V3, Kimi K2, gpt-oss and Phi-3): there, the context before the scaling says nothing about a label.
bool released_scaled(const model_shape& shape) {
  constexpr auto families = std::to_array<std::string_view>({"deepseek2", "deepseek32", "gpt-oss", "phi3", "phimoe"});
  return std::find(families.begin(), families.end(), shape.family) != families.end();
}

/// The same by the shape alone, where all models of the catalogue that have it agree.
std::optional<trained_context> by_shape(const model_shape& shape, const catalogue& known) {
  std::optional<trained_context> found;
  for (const std::string& id : known.model_ids()) {
    const model_shape& other = known.model(id).architecture.shape;
    if (!same_size(other, shape) || other.vocab_size != shape.vocab_size || other.d_ff != shape.d_ff) continue;
    if (found && found->tokens != other.context_length) return std::nullopt;
    if (!found) found = trained_context{other.context_length, "'" + id + "' in the catalogue, a model of this shape"};
  }
  return found;
}

}  // namespace

std::string shown_name(std::string_view text) {
  constexpr std::size_t longest = 200;
  std::string plain;
  for (const char c : text.substr(0, longest)) plain += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
  // nlohmann replaces what is no UTF-8 when it writes, and what it wrote it reads.
  return nlohmann::json::parse(nlohmann::json(plain).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
      .get<std::string>();
}

std::string id_from(std::string_view name) {
  constexpr std::size_t longest = 128;
  std::string id;
  for (const char c : name) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9')) {
      id += lower;
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
    if (id.size() == longest) break;
  }
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id.empty() ? "model-file" : id;
}

std::string stem_of(std::string_view path) {
  while (!path.empty() && (path.back() == '/' || path.back() == '\\')) path.remove_suffix(1);
  if (const auto slash = path.find_last_of("/\\"); slash != std::string_view::npos) path.remove_prefix(slash + 1);
  if (const auto query = path.find('?'); query != std::string_view::npos) path = path.substr(0, query);
  for (const std::string_view ending : {".gguf", ".safetensors", ".json"}) {
    if (path.ends_with(ending)) path.remove_suffix(ending.size());
  }
  return std::string{path};
}

void label_context(model_entry& entry, const context_statement& stated, const name_list& names,
                   const catalogue& known) {
  model_shape& shape = entry.architecture.shape;
  model_file& file = *entry.file;
  file.stated_context = stated.tokens;
  auto trained = by_name(shape, names, known);
  if (!trained) trained = by_shape(shape, known);
  if (!trained && stated.before_scaling > 0 && stated.before_scaling < stated.tokens && !released_scaled(shape)) {
    trained = trained_context{stated.before_scaling, stated.before_scaling_where};
  }
  if (!trained) trained = trained_context{stated.tokens, stated.where};
  if (stated.tokens != trained->tokens) {
    file.labels.push_back({stated.where, stated.tokens, trained->tokens, trained->by});
  }
  const auto modelfile = file.parameters.num_ctx;
  if (modelfile && *modelfile != trained->tokens) {
    file.labels.push_back({"num_ctx of the Modelfile", *modelfile, trained->tokens, trained->by});
  }
  shape.context_length = std::max(stated.tokens, trained->tokens);
}

void finish(model_entry& entry, const std::string& name, const load_options& options) {
  model_file& file = *entry.file;
  file.name = options.name.empty() ? name : options.name;
  file.from_ollama = options.from_ollama;
  file.parameters = options.parameters;
  file.notes.insert(file.notes.end(), options.notes.begin(), options.notes.end());
  if (entry.name.empty()) entry.name = shown_name(stem_of(file.name));
  entry.id = id_from(entry.name);
  entry.architecture_source = "file";
  if (entry.architecture_note.empty()) entry.architecture_note = "read from " + shown_name(file.name);
  file.weights = weights(entry.architecture, file.tensors);

  count guessed = 0;
  bytes guessed_bytes{};
  for (const stored_tensor& tensor : file.tensors) {
    if (tensor.role.known) continue;
    guessed += 1;
    guessed_bytes += tensor.size;
  }
  if (guessed > count{0}) {
    file.notes.push_back(grouped(guessed.value()) + " tensors (" + grouped(number(guessed_bytes)) +
                         " bytes) have names of no known kind; what they are for is guessed, their bytes are exact");
  }
  if (file.tensors.empty()) {
    file.notes.emplace_back("the files hold no tensors; the weights are what the quantisation's recipe gives");
  }
}

}  // namespace detail

std::string_view to_string(model_format format) noexcept {
  return format == model_format::gguf ? "gguf" : "safetensors";
}

namespace {

/// A quantisation to show for files that do not name theirs: the number format with the most bytes.
std::string most_bytes(const model_file& file) {
  const bytes_per_type& by_type = file.weights.by_type;
  const auto largest = std::max_element(by_type.begin(), by_type.end());
  if (*largest <= file.weights.packed) return "as in the file";
  return "mostly " + std::string{ggml_types[static_cast<std::size_t>(largest - by_type.begin())].name};
}

}  // namespace

bool loads(engine_kind engine, model_format format) noexcept {
  const bool llama_cpp =
      engine == engine_kind::llama_cpp || engine == engine_kind::ollama || engine == engine_kind::lm_studio;
  if (format == model_format::gguf) return engine != engine_kind::mlx;
  return !llama_cpp;
}

engine_kind usual_engine(const model_file& file) noexcept {
  if (file.from_ollama) return engine_kind::ollama;
  if (file.format == model_format::gguf || file.tensors.empty()) return engine_kind::llama_cpp;
  return file.quantization.starts_with("MLX") ? engine_kind::mlx : engine_kind::vllm;
}

loaded_weights weights_for(const model_entry& model, const std::optional<quantization>& quant, engine_kind engine) {
  loaded_weights result;
  const bool has_file = model.file && !model.file->tensors.empty();
  if (has_file && loads(engine, model.file->format)) {
    const model_file& file = *model.file;
    result.weights = file.weights;
    result.from_file = true;
    result.quantization = file.quantization.empty() ? most_bytes(file) : file.quantization;
    if (quant && to_string(*quant) != file.quantization) {
      result.notes.push_back(std::string{to_string(*quant)} + " was asked for; the file's own tensors count (" +
                             result.quantization + ")");
    }
    return result;
  }
  const quantization recipe = quant.value_or(quantization{});
  result.weights = weights(model.architecture, recipe);
  result.quantization = std::string{to_string(recipe)};
  if (has_file) {
    result.notes.push_back(std::string{to_string(engine)} + " does not load " +
                           std::string{to_string(model.file->format)} + "; sized as " + result.quantization +
                           " by its recipe");
  }
  return result;
}

}  // namespace v0
}  // namespace sizer
