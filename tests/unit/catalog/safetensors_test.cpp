#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sizer/catalog/safetensors.hpp>
#include <sizer/error.hpp>

#include "../../support/safetensors_writer.hpp"

using namespace sizer;
using sizer_test::safetensors_start;
using sizer_test::safetensors_writer;
using sizer_test::sparse_source;

namespace {

/// A file of that header and so many bytes of data.
safetensors_file read_header(const std::string& header, std::size_t n_data = 0) {
  return read_safetensors(sparse_source{safetensors_start(header) + std::string(n_data, '\0')});
}

/// What reading says; empty: nothing.
std::string fault_of(const std::string& header, std::size_t n_data = 0) {
  try {
    (void)read_header(header, n_data);
  } catch (const data_error& problem) {
    return problem.what();
  }
  return {};
}

std::string index_fault(const std::string& text) {
  try {
    (void)read_safetensors_index(text, "index");
  } catch (const data_error& problem) {
    return problem.what();
  }
  return {};
}

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("'" << part << "' is not in '" << text << "'");
  return found;
}

/// Files beside each other in memory.
struct folder {
  std::map<std::string, std::string> texts;
  std::map<std::string, safetensors_writer> files;

  [[nodiscard]] std::unique_ptr<byte_source> operator()(const std::string& name) const {
    if (const auto text = texts.find(name); text != texts.end()) {
      return std::make_unique<sparse_source>(text->second, text->second.size(), name);
    }
    const auto file = files.find(name);
    return file == files.end() ? nullptr : file->second.source(name);
  }
};

std::string checkpoint_fault(const folder& files) {
  try {
    (void)read_safetensors_checkpoint(files);
  } catch (const data_error& problem) {
    return problem.what();
  }
  return {};
}

folder two_parts() {
  folder files;
  files.texts["model.safetensors.index.json"] = R"({"metadata":{"total_size":24},"weight_map":{"a":"m-1.safetensors",)"
                                                R"("b":"m-2.safetensors","c":"m-2.safetensors"}})";
  files.files["m-1.safetensors"].add("a", "F16", {2, 4});
  files.files["m-2.safetensors"].add("b", "F16", {2});
  files.files["m-2.safetensors"].add("c", "F32", {});
  return files;
}

const std::string one_tensor = R"({"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}})";

}  // namespace

TEST_CASE("a header gives names, formats, shapes and places") {
  const safetensors_file file =
      read_header(R"( {"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
                  R"("a/b~c":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}})"
                  "  \n",
                  16);
  CHECK(file.name == "model.safetensors");
  CHECK(file.file_size == file.data_offset + 16);
  CHECK(file.tensor_bytes() == 16);
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors[0] == safetensors_tensor{"b", "BF16", {2, 3}, 4, 12});  // in the order of the file
  CHECK(file.tensors[1] == safetensors_tensor{"a/b~c", "F32", {}, 0, 4});
}

TEST_CASE("what the reference implementation takes, this reader takes") {
  CHECK(read_header("{}").tensors.empty());
  CHECK(read_header("{}\r \t\n").tensors.empty());
  CHECK(read_header("\t\n{}\r ").tensors.empty());
  CHECK(read_header(R"({"__metadata__":null})").tensors.empty());
  CHECK(read_header(R"({"test":{"dtype":"I32","shape":[2,0],"data_offsets":[0, 0]}})").tensors[0].size == 0);
  CHECK(read_header(R"({"f":{"dtype":"F4","shape":[1,2],"data_offsets":[0,1]}})", 1).tensors[0].size == 1);
  CHECK(read_header(R"({"f":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}})", 3).tensors[0].size == 3);
  CHECK(read_header(R"({"t":{"dtype":"U8","shape":[1],"more":{"x":[1,{"y":null}]},"z":1.5,"data_offsets":[0,1]}})", 1)
            .tensors.size() == 1);
}

TEST_CASE("a number format that came later is taken at its offsets") {
  const safetensors_file file = read_header(R"({"t":{"dtype":"F3_NEW","shape":[8,4],"data_offsets":[0,12]}})", 12);
  CHECK(file.tensors[0].size == 12);
  CHECK(has(fault_of(R"({"t":{"dtype":"F3_NEW","shape":[800],"data_offsets":[0,12]}})", 12), "one a bit at most"));
  CHECK(has(fault_of(R"({"t":{"dtype":"F\u001b[31m","shape":[8],"data_offsets":[0,12]}})", 12), "a number format"));
}

TEST_CASE("without a known size the header alone is read") {
  const safetensors_file file = read_safetensors(sparse_source{safetensors_start(one_tensor), std::nullopt});
  CHECK_FALSE(file.file_size.has_value());
  CHECK(file.tensor_bytes() == 16);
}

TEST_CASE("a file that ends anywhere is a fault that names the file") {
  const std::string whole = safetensors_start(one_tensor) + std::string(16, '\0');
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(read_safetensors(sparse_source{whole.substr(0, n)}), const data_error&);
    if (n < whole.size() - 16) {  // within the header
      CHECK_THROWS_AS(read_safetensors(sparse_source{whole.substr(0, n), whole.size()}), const data_error&);
      CHECK_THROWS_AS(read_safetensors(sparse_source{whole.substr(0, n), std::nullopt}), const data_error&);
    }
  }
  CHECK_THROWS_AS(read_safetensors(sparse_source{whole + "bogus"}), const data_error&);
  CHECK(has(fault_of(one_tensor, 15),
            "got a file of 83 bytes, expected the 84 bytes that its header describes; the file is not"));
}

TEST_CASE("a length of the header that cannot be is no reason to allocate") {
  for (const std::uint64_t n :
       {std::uint64_t{100'000'001}, std::uint64_t{1} << 63U, UINT64_MAX, UINT64_MAX - 7, std::uint64_t{99'999'999}}) {
    std::string start;
    for (unsigned shift = 0; shift < 64; shift += 8) start += static_cast<char>((n >> shift) & 0xFFU);
    CHECK_THROWS_AS(read_safetensors(sparse_source{start + "{}"}), const data_error&);
    CHECK_THROWS_AS(read_safetensors(sparse_source{start + "{}", std::nullopt}), const data_error&);
    CHECK_THROWS_AS(read_safetensors(sparse_source{start + "{}", UINT64_MAX}), const data_error&);
  }
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
  try {
    (void)read_safetensors(sparse_source{pointer});
    FAIL("a Git LFS pointer was read");
  } catch (const data_error& problem) {
    CHECK(has(problem.what(), "Git LFS pointer"));
  }
}

TEST_CASE("tensors must lie in the file, apart from each other and without holes") {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  CHECK(fault_of(two("[0,4]", "[4,8]"), 8).empty());
  CHECK(fault_of(two("[4,8]", "[0,4]"), 8).empty());
  CHECK(has(fault_of(two("[0,4]", "[0,4]"), 8), "/b/data_offsets: got a begin of 0, expected 4"));
  CHECK(has(fault_of(two("[0,4]", "[2,6]"), 8), "expected 4"));
  CHECK(has(fault_of(two("[0,4]", "[5,9]"), 9), "got a begin of 5, expected 4"));
  CHECK(has(fault_of(two("[1,5]", "[5,9]"), 9), "got a begin of 1, expected 0"));
  CHECK(has(fault_of(two("[0,4]", "[4,8]"), 7), "not complete"));
  CHECK(has(fault_of(two("[0,4]", "[8,4]"), 8), "got an end of 4, expected at least the begin, 8"));
  CHECK(has(fault_of(two("[0,4]", "[4,7]"), 7), "got 3 bytes, expected 4 for 4 of U8"));
}

TEST_CASE("numbers that are no sizes are faults at their place") {
  const auto with = [](const std::string& shape, const std::string& offsets) {
    return fault_of(R"({"t":{"dtype":"I32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", 16);
  };
  CHECK(with("[2,2]", "[0,16]").empty());
  CHECK(has(with("[-1,2]", "[0,16]"), "/t/shape: got -1, expected integers from 0"));
  CHECK(has(with("[-0]", "[0,0]"), "/t/shape"));
  CHECK(has(with("[2.0,2]", "[0,16]"), "/t/shape: got 2.0"));
  CHECK(has(with("[2,2]", "[0,1.6e1]"), "/t/data_offsets: got 1.6e1"));
  CHECK(has(with("[2,2]", "[0,16,16]"), "expected two, begin and end"));
  CHECK(has(with("[2,2]", "[16]"), "incomplete entry"));
  CHECK(has(with("[[2],2]", "[0,16]"), "/t/shape: got an array"));
  CHECK(has(with("[{}]", "[0,16]"), "/t/shape: got an object"));
  CHECK(has(with("null", "[0,16]"), "/t/shape: got null, expected an array of integers"));
  CHECK(has(with("[NaN]", "[0,16]"), "not JSON"));
  CHECK(has(with("[1e999]", "[0,16]"), "not JSON"));
  CHECK(has(with("[2,18446744073709551614]", "[0,16]"), "at most 2^63 - 1"));
  CHECK(has(with("[2,99999999999999999999]", "[0,16]"), "/t/shape"));
  CHECK(has(with("[4,9223372036854775807]", "[0,16]"), "too many elements"));
  CHECK(has(with("[9223372036854775807]", "[0,16]"), "too many elements"));
  CHECK(has(with("[2,2]", "[0,9223372036854775807]"), "at most 2^56"));
  CHECK(has(fault_of(R"({"t":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1), "1 and a part for 3 of F4"));
  std::string deep = "[1";
  for (int i = 1; i < 65; ++i) deep += ",1";
  CHECK(has(with(deep + "]", "[0,4]"), "got more dimensions, expected at most 64"));
}

TEST_CASE("a header that is something else is a fault") {
  for (const std::string text : {"",
                                 " ",
                                 "[]",
                                 "1",
                                 "null",
                                 "\"x\"",
                                 "{",
                                 "{}x",
                                 "{}{}",
                                 "{\"a\"}",
                                 "{\"a\":1}",
                                 "{\"a\":null}",
                                 "{\"a\":[]}",
                                 "{\"a\":{}}",
                                 "{\"a\":{\"dtype\":\"U8\"}}",
                                 "{\"__metadata__\":1}",
                                 "{\"__metadata__\":[]}",
                                 "{\"__metadata__\":{\"a\":1}}",
                                 "{\"__metadata__\":{\"a\":{}}}",
                                 "{\"__metadata__\":{\"a\":null}}",
                                 "{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,0]}}",
                                 "{\"\\u0000\":{}}",
                                 "{\"a\nb\":{}}",
                                 "\xFF\xFE",
                                 "{\"\xFF\":{}}",
                                 "{/**/}",
                                 "{\"__metadata__\":{},\"__metadata__\":{}}"}) {
    CAPTURE(text);
    CHECK_FALSE(fault_of(text).empty());
  }
  CHECK(has(fault_of(std::string{"{}\0{}", 5}), "NUL"));
  CHECK(has(fault_of(R"({"\u001b[31m":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
            "at /\\u001b[31m: got a name with control characters"));
}

TEST_CASE("names come once") {
  const std::string entry = R"("t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK(fault_of("{" + entry + "}").empty());
  CHECK(has(fault_of("{" + entry + "," + entry + "}"), "at /t: got the tensor twice"));
  CHECK(has(fault_of(R"({"t":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})"), "got the key twice"));
}

TEST_CASE("nesting is limited where nobody looks too") {
  const auto nested = [](int n) {
    const auto depth = static_cast<std::size_t>(n);
    return R"({"t":{"x":)" + std::string(depth, '[') + std::string(depth, ']') +
           R"(,"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  };
  CHECK(fault_of(nested(60)).empty());
  CHECK(has(fault_of(nested(100)), "levels of nesting"));
  CHECK(has(fault_of(nested(100'000)), "levels of nesting"));
}

TEST_CASE("a fault never prints what a file hides in it") {
  const std::string long_name(100'000, 'n');
  for (const std::string& text :
       {fault_of("{\"" + long_name + "\":1}"), fault_of("{\"" + long_name), fault_of("{\"a\":\"" + long_name + "\"}"),
        fault_of("{\"\xC3\xA9\":1}"), fault_of("{\"\xC3"), fault_of("\x1B[31m")}) {
    CHECK(text.size() < 400);
    for (const char c : text) CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7F));
  }
}

TEST_CASE("many small entries are read or refused") {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    header += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  CHECK(read_header(header + "}").tensors.size() == 100'000);
}

TEST_CASE("an index names files and counts tensors") {
  const safetensors_index index =
      read_safetensors_index(R"({"metadata":{"total_size":12345678901,"total_parameters":1,"x":{"y":[1]}},)"
                             R"("weight_map":{"b":"2.st","a":"1.st","c":"2.st"},"more":[1]})",
                             "index");
  CHECK(index == safetensors_index{12345678901, {"1.st", "2.st"}, 3});
  CHECK(read_safetensors_index(R"({"metadata":{"total_size":1.6e10},"weight_map":{}})", "i").total_size == 16000000000);
  CHECK_FALSE(read_safetensors_index(R"({"metadata":{},"weight_map":{}})", "i").total_size.has_value());
  CHECK_FALSE(read_safetensors_index(R"({"metadata":null,"weight_map":{}})", "i").total_size.has_value());
}

TEST_CASE("an index that lies is a fault") {
  for (const std::string size : {"-1", "1.5", "1e30", "-1.0", "\"1\"", "null", "[]", "18446744073709551615"}) {
    CAPTURE(size);
    CHECK(has(index_fault(R"({"metadata":{"total_size":)" + size + R"(},"weight_map":{}})"), "/metadata/total_size"));
  }
  for (const std::string text :
       {"", "[]", "{}", "{\"weight_map\":[]}", "{\"weight_map\":null}", "{\"weight_map\":1}",
        "{\"weight_map\":{\"a\":1}}", "{\"weight_map\":{\"a\":{}}}", "{\"weight_map\":{\"a\":[]}}",
        "{\"weight_map\":{},\"weight_map\":{}}", "{\"weight_map\":{}} {}"}) {
    CAPTURE(text);
    CHECK_FALSE(index_fault(text).empty());
  }
  CHECK(has(index_fault(R"({"weight_map":{"a":"x","a":"y"}})"), "/weight_map/a: got the tensor twice"));
}

TEST_CASE("an index cannot name a file elsewhere") {
  for (const std::string name : {"../x", "..", ".", "", "/etc/passwd", "a/b", "a\\\\b", "C:x", "a\\u0000b", "a\\nb"}) {
    CAPTURE(name);
    CHECK(has(index_fault(R"({"weight_map":{"a":")" + name + "\"}}"), "the plain name of a file beside the index"));
  }
  CHECK(has(index_fault(R"({"weight_map":{"a":")" + std::string(300, 'x') + "\"}}"), "plain name"));
  CHECK(index_fault(R"({"weight_map":{"a":"a..b"}})").empty());
}

TEST_CASE("a checkpoint is all files of its index") {
  const std::vector<safetensors_file> files = read_safetensors_checkpoint(two_parts());
  REQUIRE(files.size() == 2);
  CHECK(files[0].name == "m-1.safetensors");
  CHECK(files[0].tensor_bytes() + files[1].tensor_bytes() == 24);
}

TEST_CASE("a checkpoint is one file, in Hugging Face's or Mistral's naming") {
  folder files;
  CHECK(has(checkpoint_fault(files), "expected model.safetensors.index.json, model.safetensors"));
  files.files["consolidated.safetensors"].add("layers.0.attention.wq.weight", "BF16", {4, 4});
  CHECK(read_safetensors_checkpoint(files).at(0).name == "consolidated.safetensors");
  files.files["model.safetensors"].add("model.norm.weight", "BF16", {4});
  CHECK(read_safetensors_checkpoint(files).at(0).name == "model.safetensors");
  files.texts["model.safetensors.index.json"] = R"({"weight_map":{"a":"m"}})";
  files.files["m"].add("a", "F32", {1});
  CHECK(read_safetensors_checkpoint(files).at(0).name == "m");
}

TEST_CASE("index and files must speak of the same tensors") {
  folder files = two_parts();
  files.files.erase("m-2.safetensors");
  CHECK(has(checkpoint_fault(files), "got no file 'm-2.safetensors'"));

  files = two_parts();
  files.files["m-1.safetensors"].add("d", "U8", {1});
  CHECK(has(checkpoint_fault(files),
            "at /d: got a tensor that 'model.safetensors.index.json' does not name (the files hold 4"));

  files = two_parts();
  files.files["m-2.safetensors"] = {};
  files.files["m-2.safetensors"].add("b", "F16", {2});
  CHECK(has(checkpoint_fault(files),
            "/weight_map/c: got a tensor that no file holds (the files hold 2 tensors and the index names 3)"));

  files = two_parts();
  files.files["m-2.safetensors"] = {};
  files.files["m-2.safetensors"].add("b", "F16", {2});
  files.files["m-2.safetensors"].add("x", "F16", {2});
  CHECK(has(checkpoint_fault(files), "/weight_map/c"));

  files = two_parts();
  files.files["m-2.safetensors"].add("a", "F16", {2});
  CHECK(has(checkpoint_fault(files), "got a tensor that 'm-2.safetensors' has too"));

  files = two_parts();
  files.texts["model.safetensors.index.json"] = R"({"weight_map":{}})";
  CHECK(has(checkpoint_fault(files), "got an empty map"));
}

TEST_CASE("an index larger than any real one is refused") {
  folder files;
  files.texts["model.safetensors.index.json"] = "{" + std::string(std::size_t{65} << 20U, ' ');
  CHECK(has(checkpoint_fault(files), "got more than 67108864 bytes"));
  CHECK_THROWS_AS(read_safetensors_index(files.texts["model.safetensors.index.json"], "i"), const data_error&);
}
