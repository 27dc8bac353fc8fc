/// @file
/// safetensors: an input that begins with '{' is an index, any other a file. The mark "%%%%" parts an input into an
/// index and its files, which are called "0", "1", ...

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/safetensors.hpp>

#include "fuzz/fuzz.hpp"

namespace {

using fuzz::expect;

// One of every way in which hugging_face_config names a packing, and names that it does not give.
constexpr std::array<std::string_view, 10> quantizations{
    "", "BF16", "FP8", "AWQ", "GPTQ", "MXFP4", "NVFP4", "bitsandbytes 4-bit", "MLX 4-bit", "MLX 999-bit"};

void check_stored(const std::vector<sizer::safetensors_file>& files) {
  for (const std::string_view quantization : quantizations) {
    const auto stored = fuzz::attempt([&] { return sizer::stored_tensors(files, quantization); });
    if (!stored) continue;
    std::int64_t listed = 0;
    std::int64_t kept = 0;
    for (const sizer::safetensors_file& file : files) listed += file.tensor_bytes();
    for (const sizer::stored_tensor& tensor : *stored) {
      kept += sizer::number(tensor.size);
      expect(tensor.parameters >= sizer::count{0}, "a tensor holds no fewer than 0 weights");
      expect(tensor.role.layer >= -1, "a tensor's block is a number from 0 on, or none");
    }
    expect(kept == listed, "every byte of the files is some tensor's");
  }
}

void check_file(const sizer::safetensors_file& file, std::string_view content) {
  std::int64_t end = 0;
  for (const sizer::safetensors_tensor& tensor : file.tensors) {
    expect(tensor.offset >= 0 && tensor.size >= 0, "a tensor has a place and a size");
    expect(std::all_of(tensor.shape.begin(), tensor.shape.end(), [](std::int64_t n) { return n >= 0; }),
           "a dimension is no less than 0");
    end = std::max(end, tensor.offset + tensor.size);
  }
  expect(end == file.tensor_bytes(), "the tensors follow each other");
  expect(file.data_offset + end == static_cast<std::int64_t>(content.size()), "the tensors fill the file");

  const auto memory = sizer::open_memory(fuzz::bytes_of(content), "f");
  const auto unsized = sizer::open_callback(
      "f", std::nullopt, [&](std::uint64_t at, std::span<std::byte> out) { return memory->read(at, out); });
  const auto again = fuzz::attempt([&] { return sizer::read_safetensors(*unsized); });
  expect(again && again->tensors == file.tensors, "a source of unknown size gives the same file");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> pieces = fuzz::cut(fuzz::text_of(data, size), "%%%%");
  const std::string_view first = pieces.front();
  if (!first.starts_with('{')) {
    const auto file =
        fuzz::attempt([&] { return sizer::read_safetensors(*sizer::open_memory(fuzz::bytes_of(first), "f")); });
    if (!file) return 0;
    check_file(*file, first);
    check_stored({*file});
    return 0;
  }
  const auto index = fuzz::attempt([&] { return sizer::read_safetensors_index(first, "index"); });
  if (!index) return 0;
  for (const std::string& name : index->files) {
    expect(
        !name.empty() && name.find_first_of("/\\:") == std::string::npos && name != ".." && fuzz::is_plain_text(name),
        "a name in an index is the plain name of a file beside it");
  }
  const auto open = [&](const std::string& name) -> std::unique_ptr<sizer::byte_source> {
    if (name == "model.safetensors.index.json") return sizer::open_memory(fuzz::bytes_of(first), name);
    for (std::size_t i = 1; i < pieces.size(); ++i) {
      if (name == std::to_string(i - 1)) return sizer::open_memory(fuzz::bytes_of(pieces[i]), name);
    }
    return nullptr;
  };
  const auto files = fuzz::attempt([&] { return sizer::read_safetensors_checkpoint(open); });
  if (files) check_stored(*files);
  return 0;
}
