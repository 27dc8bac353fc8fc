/// @file
/// GGUF: the header of the first file over memory and through a source of unknown size, then the model of all files.
/// The mark "FUGG" parts an input into files: those of a split, or a model and a projector.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <sizer/catalog/gguf.hpp>
#include <sizer/catalog/load_model.hpp>

#include "fuzz/fuzz.hpp"

namespace {

using fuzz::expect;

void check_file(const sizer::gguf_file& file, std::size_t size) {
  std::int64_t sum = 0;
  for (const sizer::gguf_tensor& tensor : file.tensors) {
    expect(!tensor.name.empty() && tensor.size >= 0 && tensor.offset >= 0, "a tensor has a name, a place and a size");
    expect(file.data_offset + tensor.offset + tensor.size <= static_cast<std::int64_t>(size),
           "a tensor lies in the file");
    sum += tensor.size;
  }
  expect(sum == file.tensor_bytes(), "the tensors' bytes are their sum");
  expect(file.data_offset % file.alignment == 0, "the data begin at a multiple of the alignment");
}

/// A source that does not know its size must give the same, but for what only the size tells.
void check_without_size(const sizer::gguf_file& file, std::string_view content) {
  const auto memory = sizer::open_memory(fuzz::bytes_of(content), "f.gguf");
  const auto source = sizer::open_callback("f.gguf", std::nullopt, [&](std::uint64_t offset, std::span<std::byte> out) {
    return memory->read(offset, out);
  });
  auto again = fuzz::attempt([&] { return sizer::read_gguf(*source); });
  const bool known = std::all_of(file.tensors.begin(), file.tensors.end(), [](const auto& t) { return t.type; });
  if (!again) {
    expect(!known, "a file that reads with its size known reads without");
    return;
  }
  again->file_size = file.file_size;
  expect(again->tensors == file.tensors && again->data_offset == file.data_offset &&
             again->metadata.size() == file.metadata.size(),
         "a source of unknown size gives the same file");
}

std::int64_t integer_of(const sizer::gguf_file& file, std::string_view key, std::int64_t otherwise) {
  const auto found = file.metadata.find(key);
  const auto* value = found == file.metadata.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  return value == nullptr ? otherwise : *value;
}

std::string part_name(std::int64_t number, std::int64_t n_parts) {
  const auto five = [](std::int64_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return "f-" + five(number) + "-of-" + five(n_parts) + ".gguf";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> files = fuzz::cut(fuzz::text_of(data, size), "FUGG");
  const auto first =
      fuzz::attempt([&] { return sizer::read_gguf(*sizer::open_memory(fuzz::bytes_of(files.front()), "f.gguf")); });
  if (!first) {
    // The header may lie in a way that only a file of known size shows.
    const auto source = sizer::open_callback("f.gguf", std::nullopt, [&](std::uint64_t at, std::span<std::byte> out) {
      return sizer::open_memory(fuzz::bytes_of(files.front()), "f.gguf")->read(at, out);
    });
    (void)fuzz::attempt([&] { return sizer::read_gguf(*source); });
    return 0;
  }
  check_file(*first, files.front().size());
  check_without_size(*first, files.front());

  const std::int64_t n_parts = integer_of(*first, "split.count", 1);
  const bool split = n_parts > 1 && n_parts < 100'000;
  const std::int64_t number = std::clamp<std::int64_t>(integer_of(*first, "split.no", 0), 0, 99'998);
  const std::string name = split ? part_name(number + 1, n_parts) : "f.gguf";
  const auto open = [&](const std::string& wanted) -> std::unique_ptr<sizer::byte_source> {
    std::size_t index = 0;
    if (wanted != name) {
      index = 1;
      if (split) {
        while (index < files.size() && wanted != part_name(static_cast<std::int64_t>(index) + 1, n_parts)) ++index;
      }
    }
    if (index >= files.size()) return nullptr;
    return sizer::open_memory(fuzz::bytes_of(files[index]), wanted);
  };
  (void)fuzz::attempt([&] {
    sizer::load_options options;
    if (!split && files.size() > 1) options.projectors = {"p.gguf"};
    if (!split && files.size() > 2) options.beside = {"p.gguf"};
    const sizer::model_entry model = sizer::load_gguf_model({name}, open, options);
    // What loads can be sized by any runtime, and written.
    for (const auto engine : {sizer::engine_kind::llama_cpp, sizer::engine_kind::mlx}) {
      (void)sizer::weights_for(model, std::nullopt, engine);
    }
    expect(fuzz::is_plain_text(model.name) && fuzz::is_plain_text(model.id), "a model's name is plain text");
    return sizer::to_json(model.architecture.shape).size();
  });
  return 0;
}
