/// @file
/// A model from whatever lies at a path.

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sizer/catalog/load_model.hpp>
#include <sizer/error.hpp>

#include "loading.hpp"

namespace sizer {
inline namespace v0 {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string_view text) {
  std::string result{text};
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

struct folder_content {
  std::vector<std::string> models;      ///< GGUF files, one name for a split
  std::vector<std::string> companions;  ///< projectors and prediction heads, as llama.cpp's downloads name them
  bool config = false;
};

/// True for "-00002-of-00005.gguf": of a split, the first part stands for all.
bool is_later_part(std::string_view name) {
  const auto of = name.rfind("-of-");
  if (of == std::string_view::npos || of < 6 || name[of - 6] != '-') return false;
  const std::string_view number = name.substr(of - 5, 5);
  return std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }) && number != "00001";
}

folder_content content_of_folder(const fs::path& folder) {
  folder_content content;
  std::error_code problem;
  for (fs::directory_iterator at{folder, problem}, end; !problem && at != end; at.increment(problem)) {
    std::error_code unreadable;
    if (!at->is_regular_file(unreadable)) continue;
    const std::string name = at->path().filename().string();
    const std::string plain = lower(name);
    content.config = content.config || name == "config.json";
    if (!plain.ends_with(".gguf") || is_later_part(plain)) continue;
    const bool companion = plain.find("mmproj") != std::string::npos || plain.starts_with("mtp-");
    const bool ignored = plain.find("imatrix") != std::string::npos;
    if (!ignored) (companion ? content.companions : content.models).push_back(name);
  }
  if (problem) throw data_error{folder.string(), "", "cannot be read: " + problem.message()};
  std::sort(content.models.begin(), content.models.end());
  std::sort(content.companions.begin(), content.companions.end());
  return content;
}

/// Opens names given by the user as they are, and names beside the model inside its folder.
file_opener open_beside(const fs::path& folder) {
  return [inside = open_folder(folder.string())](const std::string& name) -> std::unique_ptr<byte_source> {
    return fs::path{name}.has_parent_path() ? open_file(name) : inside(name);
  };
}

model_entry load_gguf_beside(const fs::path& folder, const std::string& name, const load_options& options,
                             const catalogue& known) {
  load_options all = options;
  std::vector<std::string> counted;
  for (const std::string& one : options.projectors) counted.push_back(fs::path{one}.filename().string());
  for (const std::string& companion : content_of_folder(folder).companions) {
    if (companion == name || std::find(counted.begin(), counted.end(), companion) != counted.end()) continue;
    all.beside.push_back(companion);
  }
  // A companion that cannot be read must not keep the model from being sized.
  const file_opener open = open_beside(folder);
  model_entry entry;
  const std::vector<std::string> beside = std::exchange(all.beside, {});
  for (const std::string& companion : beside) {
    try {
      (void)read_gguf(*open(companion));
      all.beside.push_back(companion);
    } catch (const data_error&) {
    }
  }
  return load_gguf_model({name}, open, all, known);
}

}  // namespace

model_entry load_model(const std::string& path, const load_options& options, const catalogue& known) {
  const fs::path where{path};
  load_options named = options;
  if (named.name.empty()) named.name = path;
  std::error_code problem;
  if (!fs::exists(where, problem)) throw data_error{path, "", "no such file or folder"};
  const std::string name = where.filename().string();
  const fs::path folder = where.has_parent_path() ? where.parent_path() : fs::path{"."};

  if (fs::is_directory(where, problem)) {
    const folder_content content = content_of_folder(where);
    if (content.config) return load_checkpoint(open_folder(path), named, known);
    if (content.models.size() == 1) return load_gguf_beside(where, content.models.front(), named, known);
    if (content.models.empty()) {
      throw data_error{path, "", "got a folder without a model, expected a config.json or a .gguf file in it"};
    }
    std::string names;
    for (const std::string& one : content.models) names += (names.empty() ? "" : ", ") + one;
    throw data_error{path, "", "got a folder of several models, expected one; name the file: " + names};
  }
  if (lower(name).ends_with(".safetensors")) {
    // One file of a sharded checkpoint stands for all of it; any other name is the whole of it.
    const file_opener inside = open_folder(folder.string());
    if (name.find("-of-") != std::string::npos) return load_checkpoint(inside, named, known);
    return load_checkpoint(
        [&](const std::string& wanted) -> std::unique_ptr<byte_source> {
          if (wanted == "model.safetensors.index.json") return nullptr;
          return inside(wanted == "model.safetensors" ? name : wanted);
        },
        named, known);
  }
  if (lower(name).ends_with(".json")) {
    if (name == "config.json") return load_checkpoint(open_folder(folder.string()), named, known);
    const auto source = open_file(path);
    std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(source->size().value_or(0), 1U << 24U)), '\0');
    text.resize(source->read(0, std::as_writable_bytes(std::span{text})));
    return load_config(text, named, known);
  }
  return load_gguf_beside(folder, name, named, known);
}

}  // namespace v0
}  // namespace sizer
