/// @file
/// GGUF files that the package `gguf` wrote: what its own reader found in each, and what the model is that was put in.
/// Every model among them is one that llama.cpp loads. Data: tests/reference/write_gguf_files.py.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/gguf.hpp>
#include <sizer/catalog/load_model.hpp>
#include <sizer/error.hpp>
#include <sizer/memory/kv_cache.hpp>

#include "support/csv.hpp"

namespace {

using namespace sizer;

const std::string data_dir = std::string{SIZER_TEST_DATA_DIR} + "/data/";
const std::string files_dir = data_dir + "gguf/";

std::vector<sizer_test::csv_row> rows() { return sizer_test::read_csv(data_dir + "gguf_files.csv"); }

/// Rows of files that hold a model, or the first part of one.
std::vector<sizer_test::csv_row> models() {
  std::vector<sizer_test::csv_row> chosen;
  for (const sizer_test::csv_row& row : rows()) {
    if (!row.at("layers").empty()) chosen.push_back(row);
  }
  return chosen;
}

sizer_test::csv_row row_of(std::string_view file) {
  for (const sizer_test::csv_row& row : rows()) {
    if (row.at("file") == file) return row;
  }
  FAIL("no such row");
  return {};
}

gguf_file read(const std::string& file) { return read_gguf(files_dir + file); }

model_entry load(const std::string& file, const load_options& options = {}) {
  return load_gguf_model({file}, open_folder(files_dir), options);
}

std::int64_t integer(const sizer_test::csv_row& row, const char* column) { return std::stoll(row.at(column)); }

std::vector<std::int64_t> integers(const std::string& text) {
  std::istringstream in{text};
  std::vector<std::int64_t> values;
  for (std::int64_t value = 0; in >> value;) values.push_back(value);
  return values;
}

std::string format_of(const gguf_tensor& tensor) {
  return tensor.type ? std::string{to_string(*tensor.type)} : std::to_string(tensor.type_id);
}

std::string types_text(const std::map<std::string, std::int64_t>& table) {
  std::string text;
  for (const auto& [name, n] : table) {
    if (n != 0) text += (text.empty() ? "" : " ") + name + ':' + std::to_string(n);
  }
  return text;
}

std::string types_text(const gguf_file& file) {
  std::map<std::string, std::int64_t> table;
  for (const gguf_tensor& tensor : file.tensors) table[format_of(tensor)] += tensor.size;
  return types_text(table);
}

/// The hash that the script makes of the tensor table.
std::string table_hash(const gguf_file& file) {
  std::string text;
  for (const gguf_tensor& tensor : file.tensors) {
    text += tensor.name + ' ' + format_of(tensor) + ' ';
    for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.n_dims); ++i) {
      text += (i == 0 ? "" : ",") + std::to_string(tensor.ne[i]);
    }
    text += ' ' + std::to_string(tensor.offset) + ' ' + std::to_string(tensor.size) + '\n';
  }
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  std::string shown;
  for (int shift = 60; shift >= 0; shift -= 4)
    shown += "0123456789abcdef"[(hash >> static_cast<unsigned>(shift)) & 15U];
  return shown;
}

/// A layer as the table writes it.
std::string layer_text(const layer& block) {
  std::string text{to_string(block.mixer)};
  if (has_attention(block.mixer)) {
    if (!block.owns_kv_cache) text += " reuses";
    for (const std::int32_t n : {block.n_heads, block.n_kv_heads, block.head_dim_k, block.head_dim_v}) {
      text += ' ' + std::to_string(n);
    }
  }
  text += ' ' + std::string{to_string(block.feed_forward)};
  if (block.feed_forward == feed_forward_kind::dense) text += ' ' + std::to_string(block.d_ff);
  return text;
}

std::string layers_text(const architecture& model) {
  std::string text;
  for (const layer& block : model.layers) text += (text.empty() ? "" : "; ") + layer_text(block);
  return text;
}

std::string experts_text(const model_shape& shape) {
  if (!shape.experts) return "";
  const expert_shape& moe = *shape.experts;
  return std::to_string(moe.n_experts) + ' ' + std::to_string(moe.n_experts_per_token) + ' ' +
         std::to_string(moe.d_ff_expert) + ' ' + std::to_string(moe.d_ff_shared);
}

bool says(const std::vector<std::string>& notes, std::string_view piece) {
  return std::any_of(notes.begin(), notes.end(),
                     [&](const std::string& note) { return note.find(piece) != std::string::npos; });
}

/// What a refused file is told; empty when it is not refused.
std::string refusal(const std::vector<std::string>& files, const load_options& options = {}) {
  try {
    (void)load_gguf_model(files, open_folder(files_dir), options);
    return "";
  } catch (const data_error& problem) {
    return problem.what();
  }
}

TEST_CASE("every header reads as gguf.GGUFReader reads it, to the byte") {
  int n_files = 0;
  for (const sizer_test::csv_row& row : rows()) {
    CAPTURE(row.at("file"));
    ++n_files;
    const gguf_file file = read(row.at("file"));
    CHECK(file.version == integer(row, "version"));
    CHECK((file.big_endian ? "big" : "little") == row.at("byte_order"));
    CHECK(file.alignment == integer(row, "alignment"));
    CHECK(file.data_offset == integer(row, "data_offset"));
    CHECK(static_cast<std::int64_t>(file.metadata.size()) == integer(row, "n_keys"));
    CHECK(static_cast<std::int64_t>(file.tensors.size()) == integer(row, "n_tensors"));
    CHECK(file.tensor_bytes() == integer(row, "tensor_bytes"));
    CHECK(types_text(file) == row.at("bytes_by_type"));
    CHECK(table_hash(file) == row.at("table"));
    // What a part holds is the whole's to say.
    if (row.at("content") != "part" && row.at("n_parts") != "3") {
      CHECK(to_string(content_of(file)) == row.at("content"));
    }
  }
  CHECK(n_files >= 40);
}

TEST_CASE("every model has the layers, heads, experts and context that were written into its file") {
  std::map<std::string, int> families;
  for (const sizer_test::csv_row& row : models()) {
    CAPTURE(row.at("file"));
    const model_entry entry = load(row.at("file"));
    const model_shape& shape = entry.architecture.shape;
    ++families[shape.family];
    CHECK(shape.family == row.at("architecture"));
    CHECK(layers_text(entry.architecture) == row.at("layers"));
    CHECK(shape.n_mtp_layers == integer(row, "mtp_layers"));
    CHECK(experts_text(shape) == row.at("experts"));
    CHECK(shape.context_length == integer(row, "context"));
    CHECK(entry.file->stated_context == integer(row, "context"));
    CHECK(shape.d_model == integer(row, "d_model"));
    CHECK(shape.vocab_size == integer(row, "vocab"));
    if (row.at("content") == "model") CHECK(shape.tied_embeddings == (integer(row, "tied") == 1));
    CHECK(static_cast<std::int64_t>(entry.file->parts.size()) == integer(row, "n_parts"));
    const bool scaled = read(row.at("file")).metadata.contains(shape.family + ".rope.scaling.original_context_length");
    if (!scaled) CHECK(entry.file->labels.empty());
  }
  CHECK(families.size() >= 27);
}

TEST_CASE("the weights of a file are its tensors: by format, by part, by block, and in all") {
  for (const sizer_test::csv_row& row : models()) {
    CAPTURE(row.at("file"));
    const model_entry entry = load(row.at("file"));
    const model_file& file = *entry.file;
    std::int64_t total = 0;
    std::int64_t file_bytes = 0;
    for (const std::string& part : file.parts) {
      total += integer(row_of(part.substr(part.find_last_of('/') + 1)), "tensor_bytes");
      file_bytes += *read_gguf(part).file_size;
    }
    CHECK(number(file.weights.total) == total);
    CHECK(number(file.size) == file_bytes);

    std::int64_t by_type = number(file.weights.packed);
    for (const bytes& amount : file.weights.by_type) by_type += number(amount);
    CHECK(by_type == total);
    std::int64_t by_part = 0;
    for (const bytes& amount : file.weights.by_part) by_part += number(amount);
    CHECK(by_part == total);

    std::vector<std::int64_t> blocks;
    for (const layer_weights& block : file.weights.layers) blocks.push_back(number(block.total));
    CHECK(blocks == integers(row.at("bytes_by_block")));
    CHECK(number(file.weights.routed()) == integer(row, "routed_bytes"));
    CHECK(number(file.weights.part(weight_part::shared_expert)) == integer(row, "shared_bytes"));
    CHECK(number(file.weights.part(weight_part::mtp)) == integer(row, "mtp_bytes"));
    CHECK(number(file.weights.part(weight_part::vision)) == 0);

    // Tables for the rotation (a few hundred bytes) are of no part.
    const auto guessed = std::count_if(file.tensors.begin(), file.tensors.end(), [](const stored_tensor& tensor) {
      return !tensor.role.known && !tensor.name.starts_with("rope_");
    });
    CHECK(guessed == integer(row, "guessed_tensors"));
    CHECK(number(file.weights.active) <= total);
  }
}

TEST_CASE("a multi-token-prediction block is weighed and not used by a token") {
  const weights_by_type w = load("glm4moe-mtp-q4_0.gguf").file->weights;
  const std::int64_t mtp = number(w.part(weight_part::mtp));
  CHECK(mtp == number(w.layers.back().total));
  // One of two experts and one row of the embedding are used, and nothing of the block.
  CHECK(number(w.active) == number(w.total) - mtp - number(w.routed()) / 2 - number(w.token_embedding - w.row));

  const gguf_file alone = read("mtp-glm4moe.gguf");
  CHECK(alone.tensor_bytes() == mtp);
  CHECK(content_of(alone) == gguf_content::draft);
  CHECK(refusal({"mtp-glm4moe.gguf"}).find("multi-token prediction") != std::string::npos);
}

TEST_CASE("a projector is counted when it is loaded with the model, listed when it lies beside, and no model") {
  const std::string name = "mmproj-gemma3-f16.gguf";
  const std::int64_t size = integer(row_of(name), "tensor_bytes");
  const weights_by_type plain = load("gemma3-bf16.gguf").file->weights;
  CHECK(refusal({name}).find("mmproj") != std::string::npos);

  load_options options;
  options.projectors = {name};
  const model_entry counted = load("gemma3-bf16.gguf", options);
  CHECK(number(counted.file->weights.total) == number(plain.total) + size);
  CHECK(number(counted.file->weights.part(weight_part::vision)) == size);
  CHECK(counted.file->weights.active == plain.active);
  REQUIRE(counted.file->companions.size() == 1);
  CHECK(counted.file->companions.front() == companion_file{"projector", name, make_bytes(size), true});

  const model_entry beside = load_model(files_dir + "gemma3-bf16.gguf");
  CHECK(beside.file->weights.total == plain.total);
  REQUIRE(beside.file->companions.size() == 2);
  CHECK(beside.file->companions.front() == companion_file{"projector", name, make_bytes(size), false});
  CHECK(beside.file->companions.back().role == "draft");

  options.projectors = {"mtp-glm4moe.gguf"};
  CHECK(refusal({"gemma3-bf16.gguf"}, options).find("expected a projector") != std::string::npos);
}

TEST_CASE("an unknown family has exact weights, an assumed shape, and a cache as wide as its keys and values") {
  for (const char* name : {"brandnew-q3_k.gguf", "every-format.gguf"}) {
    CAPTURE(name);
    const model_entry entry = load(name);
    CHECK(entry.architecture_kind == figure_kind::assumed);
    CHECK(entry.sizing_status == "partial");
    CHECK(says(entry.file->notes, "is not known"));
    CHECK(says(entry.file->notes, "what they are for is guessed"));

    llama_cpp_options options;
    options.n_ctx = 4096;
    const architecture& model = entry.architecture;
    const kv_cache_bytes cache = llama_cpp_kv_cache(model, options);
    CHECK(number(cache.total()) == 2 * cache.cells * integer(row_of(name), "kv_elements"));
  }
  CHECK(says(load("brandnew-q3_k.gguf").file->notes, "the KV cache follows the widths"));
  CHECK(load("qwen2-f16.gguf").architecture_kind == figure_kind::vendor);
  CHECK(load("qwen2-f16.gguf").file->notes.empty());
}

TEST_CASE("keys of every width and kind come out as they were put in") {
  const gguf_metadata keys = read("brandnew-q3_k.gguf").metadata;
  CHECK(keys.at("brandnew.block_count") == gguf_value{std::int64_t{3}});           // u64
  CHECK(keys.at("brandnew.context_length") == gguf_value{std::int64_t{65536}});    // i64
  CHECK(keys.at("brandnew.embedding_length") == gguf_value{std::int64_t{32}});     // u16
  CHECK(keys.at("brandnew.feed_forward_length") == gguf_value{std::int64_t{32}});  // u8
  CHECK(keys.at("brandnew.spin") == gguf_value{std::int64_t{-3}});                 // i8
  CHECK(keys.at("brandnew.bias") == gguf_value{std::int64_t{-300}});               // i16
  CHECK(keys.at("brandnew.phase") == gguf_value{std::int64_t{-70000}});            // i32
  CHECK(keys.at("brandnew.precision") == gguf_value{0.1});                         // f64
  CHECK(keys.at("brandnew.enabled") == gguf_value{true});
  CHECK(keys.at("brandnew.order") == gguf_value{std::vector<std::int64_t>{3, 1, 2}});
  CHECK(keys.at("brandnew.ratios") == gguf_value{gguf_array_length{2}});
  CHECK(keys.at("brandnew.names") == gguf_value{gguf_array_length{3}});
  CHECK(keys.at("tokenizer.ggml.tokens") == gguf_value{gguf_array_length{24}});
  CHECK(keys.at("tokenizer.ggml.merges") == gguf_value{gguf_array_length{1}});
  CHECK(keys.at("general.name") == gguf_value{std::string{"Tiny brandnew-q3_k"}});

  const gguf_metadata llama = read("llama-big-endian.gguf").metadata;
  CHECK(llama.at("llama.rope.freq_base") == gguf_value{500000.0});  // f32
  CHECK(llama.at("tokenizer.ggml.scores") == gguf_value{gguf_array_length{24}});
  CHECK(std::get<std::vector<std::int64_t>>(llama.at("tokenizer.ggml.token_type")).size() == 24);
}

TEST_CASE("byte order and version change nothing of the model") {
  const model_entry big = load("llama-big-endian.gguf");
  const model_entry second = load("llama-version-2.gguf");
  CHECK(big.architecture == second.architecture);
  CHECK(big.file->tensors == second.file->tensors);
  gguf_metadata keys = read("llama-big-endian.gguf").metadata;
  keys["general.name"] = "Tiny llama-version-2";
  CHECK(keys == read("llama-version-2.gguf").metadata);
}

TEST_CASE("a split model is found by any of its parts, and is whole or refused") {
  const auto part = [](int i) { return "qwen3moe-split-0000" + std::to_string(i) + "-of-00003.gguf"; };
  const model_entry first = load(part(1));
  for (const int i : {2, 3}) {
    const model_entry other = load(part(i));
    CHECK(other.architecture == first.architecture);
    CHECK(other.file->tensors == first.file->tensors);
    CHECK(other.file->parts == first.file->parts);
  }
  const model_entry listed = load_gguf_model({part(3), part(1), part(2)}, open_folder(files_dir));
  CHECK(listed.file->tensors == first.file->tensors);
  CHECK(refusal({part(1), part(2)}).find("split.count") != std::string::npos);
  CHECK(refusal({part(1), part(2), part(2)}).find("split.count") != std::string::npos);
  CHECK_FALSE(refusal({part(1), part(2), "llama-split-empty-first-00003-of-00003.gguf"}).empty());

  const file_opener without_last = [&](const std::string& name) -> std::unique_ptr<byte_source> {
    return name == part(3) ? nullptr : open_folder(files_dir)(name);
  };
  CHECK_THROWS_AS((void)load_gguf_model({part(1)}, without_last), data_error);
}

TEST_CASE("files that are no models say what they are") {
  CHECK(refusal({"lora-adapter.gguf"}).find("adapter") != std::string::npos);
  CHECK(refusal({"imatrix.gguf"}).find("importance matrix") != std::string::npos);
}

TEST_CASE("a vocabulary alone gives the shape; its weights are what the recipe says") {
  const model_entry entry = load("vocabulary-only.gguf");
  CHECK(entry.file->tensors.empty());
  CHECK(number(entry.file->weights.total) == 0);
  CHECK(says(entry.file->notes, "hold no tensors"));
  const loaded_weights weights = weights_for(entry, find_quantization("F16"), engine_kind::llama_cpp);
  CHECK_FALSE(weights.from_file);
  CHECK(number(weights.weights.total) > 0);
}

}  // namespace
