#include <sizer/catalog/gguf.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <sizer/catalog/byte_source.hpp>
#include <sizer/error.hpp>
#include <sizer/model/ggml_type.hpp>

#include "support/gguf_writer.hpp"

using namespace sizer;
using sizer_test::file_bytes;
using sizer_test::gguf_writer;

namespace {

gguf_file read(const std::string& content) { return read_gguf(*open_memory(file_bytes(content), "m.gguf")); }

/// A source that gives `piece` bytes at most at a time, and knows its size or does not.
std::unique_ptr<byte_source> callback_over(const std::string& content, bool knows_size, std::size_t piece) {
  const auto size = knows_size ? std::optional<std::uint64_t>{content.size()} : std::nullopt;
  return open_callback("m.gguf", size, [&content, piece](std::uint64_t offset, std::span<std::byte> out) {
    if (offset >= content.size()) return std::size_t{0};
    const std::size_t n = std::min({out.size(), piece, content.size() - static_cast<std::size_t>(offset)});
    std::copy_n(file_bytes(content).begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
    return n;
  });
}

void add_content(gguf_writer& file) {
  file.key("general.architecture", "llama").key("llama.block_count", std::uint32_t{2}).key("a", std::int8_t{-5});
  file.key("b", 0.25F).key("c", true).array("d", std::vector<std::int32_t>{3, -2, 1});
  file.array("tokenizer.ggml.tokens", std::vector<std::string>{"<s>", "", "word"});
  file.tensor("token_embd.weight", {64, 3}, ggml_type::q8_0).tensor("output_norm.weight", {64}, ggml_type::f32);
  file.tensor("x", {256, 2, 3, 5}, ggml_type::q4_k);
}

template <class Value>
Value value_of(const gguf_file& file, const std::string& key) {
  CAPTURE(key);
  REQUIRE(file.metadata.contains(key));
  const auto* value = std::get_if<Value>(&file.metadata.at(key));
  REQUIRE(value != nullptr);
  return *value;
}

template <class Number>
std::int64_t integer_read(Number value) {
  return value_of<std::int64_t>(read(gguf_writer{}.key("k", value).bytes()), "k");
}

}  // namespace

TEST_CASE("versions 2 and 3 in both byte orders give the same file") {
  gguf_writer plain;
  add_content(plain);
  const gguf_file expected = read(plain.bytes());
  CHECK(expected.version == 3);
  CHECK_FALSE(expected.big_endian);
  CHECK(expected.tensors.size() == 3);
  CHECK(expected.file_size == static_cast<std::int64_t>(plain.bytes().size()));
  for (const std::uint32_t version : {2U, 3U}) {
    for (const bool big_endian : {false, true}) {
      gguf_writer file{version, big_endian};
      add_content(file);
      const gguf_file got = read(file.bytes());
      CHECK(got.version == static_cast<std::int32_t>(version));
      CHECK(got.big_endian == big_endian);
      CHECK(got.metadata == expected.metadata);
      CHECK(got.tensors == expected.tensors);
      CHECK(got.data_offset == expected.data_offset);
      CHECK(got.file_size == expected.file_size);
    }
  }
}

TEST_CASE("a file on disk, memory and callbacks give the same") {
  gguf_writer file;
  add_content(file);
  const std::string content = file.bytes();
  const gguf_file expected = read(content);
  const auto path = std::filesystem::temp_directory_path() / "sizer_gguf_test.gguf";
  std::ofstream{path, std::ios::binary} << content;
  gguf_file from_disk = read_gguf(path.string());
  CHECK(from_disk.name == path.string());
  from_disk.name = expected.name;
  std::filesystem::remove(path);
  std::vector<gguf_file> others{from_disk};
  for (const bool knows_size : {true, false}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, content.size()}) {
      others.push_back(read_gguf(*callback_over(content, knows_size, piece)));
      CHECK(others.back().file_size.has_value() == knows_size);
    }
  }
  for (const gguf_file& other : others) {
    CHECK(other.name == expected.name);
    CHECK(other.metadata == expected.metadata);
    CHECK(other.tensors == expected.tensors);
    CHECK(other.data_offset == expected.data_offset);
  }
}

TEST_CASE("a callback that returns more than it was asked for is refused") {
  const auto source =
      open_callback("m.gguf", 4096, [](std::uint64_t, std::span<std::byte> out) { return out.size() + 1; });
  CHECK_THROWS_AS((void)read_gguf(*source), data_error);
}

TEST_CASE("what a callback throws comes out as it is") {
  const auto source = open_callback("m.gguf", {}, [](std::uint64_t, std::span<std::byte>) -> std::size_t { throw 5; });
  CHECK_THROWS_AS((void)read_gguf(*source), int);
}

TEST_CASE("only the header is read") {
  gguf_writer file;
  file.tensor("big", {1'048'576, 1024}, ggml_type::f32);  // 4 GiB
  const std::string header = file.header();
  const std::uint64_t size = 64 + header.size() + file.n_data;
  std::uint64_t furthest = 0;
  const auto source = open_callback("m.gguf", size, [&](std::uint64_t offset, std::span<std::byte> out) {
    furthest = std::max(furthest, offset + out.size());
    if (offset >= header.size()) return std::size_t{0};
    const std::size_t n = std::min(out.size(), header.size() - static_cast<std::size_t>(offset));
    std::copy_n(file_bytes(header).begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
    return n;
  });
  CHECK(read_gguf(*source).tensor_bytes() == std::int64_t{4} << 30);
  CHECK(furthest <= 1'000'000);
}

TEST_CASE("every integer width keeps its value at both ends") {
  CHECK(integer_read(std::uint8_t{255}) == 255);
  CHECK(integer_read(std::int8_t{-128}) == -128);
  CHECK(integer_read(std::uint16_t{65535}) == 65535);
  CHECK(integer_read(std::int16_t{-32768}) == -32768);
  CHECK(integer_read(std::uint32_t{4294967295}) == 4294967295);
  CHECK(integer_read(std::numeric_limits<std::int32_t>::min()) == -2147483648);
  CHECK(integer_read(std::uint64_t{9223372036854775807U}) == std::numeric_limits<std::int64_t>::max());
  CHECK(integer_read(std::numeric_limits<std::int64_t>::min()) == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("floating point numbers, booleans and texts keep their values") {
  gguf_writer file;
  file.key("f32", 0.1F).key("f64", 1e-300).key("yes", true).key("no", false).key("text", "a \xC3\xA9").key("none", "");
  const gguf_file got = read(file.bytes());
  CHECK(value_of<double>(got, "f32") == static_cast<double>(0.1F));
  CHECK(value_of<double>(got, "f64") == 1e-300);
  CHECK(value_of<bool>(got, "yes"));
  CHECK_FALSE(value_of<bool>(got, "no"));
  CHECK(value_of<std::string>(got, "text") == "a \xC3\xA9");
  CHECK(value_of<std::string>(got, "none").empty());
}

TEST_CASE("arrays of integers and booleans are kept up to 8192 values, all others as their length") {
  gguf_writer file;
  file.array("u8", std::vector<std::uint8_t>{0, 255}).array("i64", std::vector<std::int64_t>{-1, 5});
  file.array("bool", std::vector<bool>{true, false, true}).array("empty", std::vector<std::int32_t>{});
  file.array("most", std::vector<std::int32_t>(8192, 7)).array("more", std::vector<std::int32_t>(8193, 7));
  file.array("f32", std::vector<float>{1, 2}).array("text", std::vector<std::string>{"a", "b", "c"});
  const gguf_file got = read(file.key("after", true).bytes());
  using integers = std::vector<std::int64_t>;
  CHECK(value_of<integers>(got, "u8") == integers{0, 255});
  CHECK(value_of<integers>(got, "i64") == integers{-1, 5});
  CHECK(value_of<integers>(got, "bool") == integers{1, 0, 1});
  CHECK(value_of<integers>(got, "empty").empty());
  CHECK(value_of<integers>(got, "most") == integers(8192, 7));
  CHECK(value_of<gguf_array_length>(got, "more").length == 8193);
  CHECK(value_of<gguf_array_length>(got, "f32").length == 2);
  CHECK(value_of<gguf_array_length>(got, "text").length == 3);
  CHECK(value_of<bool>(got, "after"));
}

TEST_CASE("a string longer than 64 KiB is kept as its length") {
  gguf_writer file;
  file.key("kept", std::string(65536, 'a'))
      .key("long", std::string(65537, 'a'))
      .key("longer", std::string(600'000, 'a'));
  const std::string content = file.key("after", std::uint8_t{9}).bytes();
  for (const bool knows_size : {true, false}) {
    const gguf_file got = read_gguf(*callback_over(content, knows_size, 1000));
    CHECK(value_of<std::string>(got, "kept").size() == 65536);
    CHECK(value_of<gguf_array_length>(got, "long").length == 65537);
    CHECK(value_of<gguf_array_length>(got, "longer").length == 600'000);
    CHECK(value_of<std::int64_t>(got, "after") == 9);
  }
}

TEST_CASE("the data begin at a multiple of the file's alignment") {
  for (const std::uint64_t alignment : {1U, 8U, 32U, 64U, 4096U}) {
    CAPTURE(alignment);
    gguf_writer file;
    file.alignment = alignment;
    file.key("general.alignment", static_cast<std::uint32_t>(alignment));
    file.tensor("a", {3}, ggml_type::i8).tensor("b", {5}, ggml_type::f16);
    const gguf_file got = read(file.bytes());
    CHECK(got.alignment == static_cast<std::int64_t>(alignment));
    CHECK(got.data_offset % got.alignment == 0);
    CHECK(got.data_offset >= static_cast<std::int64_t>(file.header().size()));
    CHECK(got.data_offset < static_cast<std::int64_t>(file.header().size() + alignment));
    CHECK(got.tensors[1].offset == static_cast<std::int64_t>(std::max<std::uint64_t>(alignment, 3)));
  }
}

TEST_CASE("a tensor has the exact bytes of its type") {
  for (const ggml_type_info& layout : ggml_types) {
    CAPTURE(layout.name);
    gguf_writer file;
    const gguf_file got = read(file.tensor("t", {layout.block * 2, 3, 5, 7}, layout.type).bytes());
    REQUIRE(got.tensors.size() == 1);
    const gguf_tensor& tensor = got.tensors.front();
    CHECK(tensor.type == layout.type);
    CHECK(tensor.type_id == layout.id);
    CHECK(tensor.n_dims == 4);
    CHECK(tensor.ne == std::array<std::int64_t, 4>{layout.block * 2, 3, 5, 7});
    CHECK(tensor.size == std::int64_t{2} * 3 * 5 * 7 * layout.block_bytes);
    CHECK(got.tensor_bytes() == tensor.size);
  }
}

TEST_CASE("a tensor of unknown type has the room up to the next one, or to the end of the file") {
  gguf_writer file;
  file.raw_tensor("new", {100}, 999, 0).raw_tensor("known", {8}, 0, 96).raw_tensor("last", {5}, 998, 128);
  file.n_data = 200;
  const gguf_file got = read(file.bytes());
  CHECK_FALSE(got.tensors[0].type);
  CHECK(got.tensors[0].type_id == 999);
  CHECK(got.tensors[0].size == 96);
  CHECK(got.tensors[1].size == 32);
  CHECK(got.tensors[2].size == 72);
}

TEST_CASE("tensors may lie in another order than they are listed") {
  gguf_writer file;
  file.raw_tensor("second", {8}, 0, 32).raw_tensor("first", {8}, 0, 0);
  file.n_data = 64;
  const gguf_file got = read(file.bytes());
  CHECK(got.tensors[0].name == "second");
  CHECK(got.tensors[1].name == "first");
}

TEST_CASE("a file without keys and tensors is a file") {
  const gguf_file got = read(gguf_writer{}.bytes());
  CHECK(got.metadata.empty());
  CHECK(got.tensors.empty());
  CHECK(got.data_offset == 32);
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
TEST_CASE("a header of 20 MB with 150,000 tokens costs less than 2 MB beyond its result") {
  std::vector<std::string> tokens(150'000);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = std::to_string(i) + std::string(115, 't');
  gguf_writer file;
  const std::string content = file.array("tokenizer.ggml.tokens", tokens).key("after", true).bytes();
  tokens = {};
  REQUIRE(content.size() > 19'000'000);
  // Under a sanitizer, whose allocator keeps its own books, both are 0 and nothing is checked.
  const auto in_use = [] {
    const auto now = mallinfo2();
    return static_cast<std::int64_t>(now.uordblks) + static_cast<std::int64_t>(now.hblkhd);
  };
  const std::int64_t before = in_use();
  std::int64_t most = before;
  std::int64_t n_reads = 0;
  const auto source = open_callback("m.gguf", {}, [&](std::uint64_t offset, std::span<std::byte> out) {
    most = std::max(most, in_use());
    ++n_reads;
    if (offset >= content.size()) return std::size_t{0};
    const std::size_t n = std::min(out.size(), content.size() - static_cast<std::size_t>(offset));
    std::copy_n(file_bytes(content).begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
    return n;
  });
  const gguf_file got = read_gguf(*source);
  CHECK(value_of<gguf_array_length>(got, "tokenizer.ggml.tokens").length == 150'000);
  CHECK(value_of<bool>(got, "after"));
  CHECK(n_reads > 40);
  CHECK(most - before < 2'000'000);
}
#endif
