#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sizer/catalog/gguf.hpp>
#include <sizer/error.hpp>
#include <sizer/memory/tensor_kind.hpp>
#include <sizer/model/ggml_type.hpp>

#include "support/gguf_writer.hpp"

using namespace sizer;
using sizer_test::file_bytes;
using sizer_test::gguf_writer;

namespace {

gguf_file read(const gguf_writer& file, const std::string& name = "m.gguf") {
  const std::string content = file.bytes();
  return read_gguf(*open_memory(file_bytes(content), name));
}

gguf_content content_with(const std::string& key, const std::string& value) {
  gguf_writer file;
  return content_of(read(file.key(key, value).tensor("a", {4}, ggml_type::f32)));
}

/// Part `number` (from 0) of `n_parts`, with that tensor in it.
gguf_writer part(int number, int n_parts, const std::string& tensor, int n_tensors = 0) {
  gguf_writer file;
  file.key("split.no", static_cast<std::uint16_t>(number)).key("split.count", static_cast<std::uint16_t>(n_parts));
  if (n_tensors > 0) file.key("split.tensors.count", n_tensors);
  return file.tensor(tensor, {4}, ggml_type::f32);
}

using folder = std::map<std::string, gguf_writer>;

file_opener opener(const folder& files) {
  return [files](const std::string& name) -> std::unique_ptr<byte_source> {
    const auto found = files.find(name);
    if (found == files.end()) return nullptr;
    auto content = std::make_shared<std::string>(found->second.bytes());
    return open_callback(name, content->size(), [content](std::uint64_t offset, std::span<std::byte> out) {
      return open_memory(file_bytes(*content), "")->read(offset, out);
    });
  };
}

template <class Action>
std::string fault(Action&& action) {
  try {
    (void)action();
  } catch (const data_error& bad) {
    return bad.what();
  }
  return "no error";
}

std::vector<std::string> tensor_names(const std::vector<gguf_file>& parts) {
  std::vector<std::string> names;
  for (const stored_tensor& tensor : stored_tensors(parts)) names.push_back(tensor.name);
  return names;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct expected_role {
  std::string name;
  tensor_role role;
};

void check_roles(const std::vector<expected_role>& expected) {
  for (const expected_role& one : expected) {
    CAPTURE(one.name);
    const tensor_role got = role_of_gguf_tensor(one.name);
    CHECK(got.part == one.role.part);
    CHECK(got.use == one.role.use);
    CHECK(got.layer == one.role.layer);
    CHECK(got.known == one.role.known);
  }
}

using p = weight_part;
using u = tensor_use;

}  // namespace

TEST_CASE("what a file holds follows from its metadata") {
  CHECK(content_with("general.architecture", "llama") == gguf_content::model);
  CHECK(content_with("general.type", "model") == gguf_content::model);
  CHECK(content_with("general.type", "mmproj") == gguf_content::projector);
  CHECK(content_with("general.architecture", "clip") == gguf_content::projector);
  CHECK(content_with("general.type", "adapter") == gguf_content::adapter);
  CHECK(content_with("general.architecture", "controlvector") == gguf_content::adapter);
  CHECK(content_with("general.type", "imatrix") == gguf_content::calibration);
  gguf_writer vocabulary;
  CHECK(content_of(read(vocabulary.key("general.architecture", "llama"))) == gguf_content::vocabulary);
}

TEST_CASE("a prediction head is a draft only where none of the model's own blocks is beside it") {
  const auto with = [](const std::vector<std::string>& tensors, std::uint16_t n_parts = 1) {
    gguf_writer file;
    file.key("general.architecture", "glm4moe").key("split.count", n_parts);
    file.key("glm4moe.block_count", std::uint32_t{3}).key("glm4moe.nextn_predict_layers", std::uint32_t{1});
    for (const std::string& name : tensors) file.tensor(name, {4}, ggml_type::f32);
    return content_of(read(file));
  };
  CHECK(with({"blk.2.nextn.eh_proj.weight", "token_embd.weight"}) == gguf_content::draft);
  CHECK(with({"blk.2.nextn.eh_proj.weight", "blk.1.attn_q.weight"}) == gguf_content::model);
  CHECK(with({"blk.2.nextn.eh_proj.weight"}, 2) == gguf_content::model);  // a part of a split
}

TEST_CASE("the contents have names") {
  CHECK(to_string(gguf_content::model) == "model");
  CHECK(to_string(gguf_content::projector) == "projector");
  CHECK(to_string(gguf_content::draft) == "draft");
  CHECK(to_string(gguf_content::adapter) == "adapter");
  CHECK(to_string(gguf_content::vocabulary) == "vocabulary");
  CHECK(to_string(gguf_content::calibration) == "calibration");
}

TEST_CASE("tensors of a dense model have their roles") {
  check_roles({{"token_embd.weight", {p::embedding, u::tied, -1, true}},
               {"output.weight", {p::output, u::whole, -1, true}},
               {"output_norm.weight", {p::output, u::whole, -1, true}},
               {"per_layer_token_embd.weight", {p::embedding, u::row, -1, true}},
               {"blk.0.attn_q.weight", {p::attention, u::whole, 0, true}},
               {"blk.31.attn_output.weight", {p::attention, u::whole, 31, true}},
               {"blk.100.ffn_down.weight", {p::dense, u::whole, 100, true}}});
}

TEST_CASE("tensors of mixtures of experts have their roles") {
  check_roles({{"blk.3.ffn_gate_inp.weight", {p::dense, u::whole, 3, true}},
               {"blk.3.ffn_down_exps.weight", {p::routed_expert, u::expert, 3, true}},
               {"blk.3.ffn_gate_up_exps.weight", {p::routed_expert, u::expert, 3, true}},
               {"blk.3.ffn_up_shexp.weight", {p::shared_expert, u::whole, 3, true}},
               {"blk.3.ffn_up.7.weight", {p::routed_expert, u::expert, 3, false}},
               {"blk.3.nextn.eh_proj.weight", {p::mtp, u::unused, 3, true}}});
}

TEST_CASE("tensors of latent attention and recurrent layers have their roles") {
  check_roles({{"blk.1.attn_kv_a_mqa.weight", {p::attention, u::whole, 1, true}},
               {"blk.1.attn_k_b.weight", {p::attention, u::whole, 1, true}},
               {"blk.1.ssm_in.weight", {p::recurrent, u::whole, 1, true}},
               {"blk.1.ssm_a", {p::recurrent, u::whole, 1, true}},
               {"blk.1.shortconv.in_proj.weight", {p::recurrent, u::whole, 1, true}}});
}

TEST_CASE("the role of an unknown name is guessed from its pieces, and says so") {
  check_roles({{"blk.2.attn_new.weight", {p::attention, u::whole, 2, false}},
               {"blk.2.ffn_new_exps.weight", {p::routed_expert, u::expert, 2, false}},
               {"blk.2.ffn_new_shexp.weight", {p::shared_expert, u::whole, 2, false}},
               {"blk.2.ssm_new.weight", {p::recurrent, u::whole, 2, false}},
               {"blk.2.time_mix_new.weight", {p::recurrent, u::whole, 2, false}},
               {"blk.2.nextn.new.weight", {p::mtp, u::unused, 2, false}},
               {"blk.2.strange.weight", {p::dense, u::whole, 2, false}},
               {"blk.2.ffn_new", {p::dense, u::whole, 2, false}},
               {"v.blk.0.ln.weight", {p::vision, u::unused, -1, false}},
               {"mm.0.weight", {p::vision, u::unused, -1, false}},
               {"strange", {p::dense, u::whole, -1, false}}});
}

TEST_CASE("names that only look like blocks have no layer") {
  for (const std::string name : {"blk", "blk.", "blk.x.attn_q.weight", "blk.-1.attn_q.weight", "blk.1", "blk.1x.a",
                                 "blk.99999999999.attn_q.weight", "", "."}) {
    CAPTURE(name);
    CHECK(role_of_gguf_tensor(name).layer == -1);
    CHECK_FALSE(role_of_gguf_tensor(name).known);
  }
  CHECK(role_of_gguf_tensor("blk.2147483647.attn_q.weight").layer == 2147483647);
  CHECK_FALSE(role_of_gguf_tensor("blk.1.").known);
}

TEST_CASE("every tensor that the inventory knows has a known role") {
  for (const tensor_kind_info& kind : tensor_kinds) {
    std::string name{kind.name};
    if (const auto n = name.find(".N."); n != std::string::npos) name.replace(n, 3, ".5.");
    CAPTURE(name);
    const tensor_role role = role_of_gguf_tensor(name);
    CHECK(role.known);
    CHECK(role.part == kind.part);
    CHECK(role.layer == (name.starts_with("blk.") ? 5 : -1));
  }
}

TEST_CASE("stored tensors carry format, shape, bytes and weights") {
  gguf_writer file;
  file.tensor("blk.0.ffn_down_exps.weight", {256, 8, 4}, ggml_type::q6_k).raw_tensor("new", {5}, 999, 6720);
  file.n_data += 64;
  const auto tensors = stored_tensors({read(file)});
  REQUIRE(tensors.size() == 2);
  CHECK(tensors[0].name == "blk.0.ffn_down_exps.weight");
  CHECK(tensors[0].format == "Q6_K");
  CHECK(tensors[0].type == ggml_type::q6_k);
  CHECK(tensors[0].ne == std::array<std::int64_t, 4>{256, 8, 4, 1});
  CHECK(number(tensors[0].size) == 8 * 4 * 210);
  CHECK(tensors[0].parameters == count{256 * 8 * 4});
  CHECK(tensors[0].role == role_of_gguf_tensor(tensors[0].name));
  CHECK(tensors[1].format == "type 999");
  CHECK_FALSE(tensors[1].type);
  CHECK(number(tensors[1].size) == 64);
  CHECK(tensors[1].parameters == count{5});
}

TEST_CASE("a split is read from any of its parts, in order") {
  const folder files{{"m-00001-of-00003.gguf", part(0, 3, "a", 3)},
                     {"m-00002-of-00003.gguf", part(1, 3, "b")},
                     {"m-00003-of-00003.gguf", part(2, 3, "c")}};
  for (const auto& file : files) {
    CAPTURE(file.first);
    const auto parts = read_gguf_parts(file.first, opener(files));
    CHECK(tensor_names(parts) == std::vector<std::string>{"a", "b", "c"});
    CHECK(parts[1].name == "m-00002-of-00003.gguf");
  }
}

TEST_CASE("a file that is not split is one part, whatever it is called") {
  gguf_writer file;
  file.tensor("a", {4}, ggml_type::f32);
  for (const std::string name : {"m.gguf", "m-00001-of-00003.gguf"}) {
    CHECK(read_gguf_parts(name, opener({{name, file}})).size() == 1);
  }
  CHECK(read_gguf_parts("one", opener({{"one", part(0, 1, "a", 1)}})).size() == 1);
}

TEST_CASE("a part that is missing or renamed is named") {
  folder files{{"m-00001-of-00002.gguf", part(0, 2, "a")}};
  CHECK(contains(fault([&] { return read_gguf_parts("m-00001-of-00002.gguf", opener(files)); }),
                 "m-00002-of-00002.gguf: no such file; m-00001-of-00002.gguf is part 1 of 2 and all are needed"));
  CHECK(contains(fault([&] { return read_gguf_parts("other.gguf", opener(files)); }), "other.gguf: no such file"));
  files = {{"renamed.gguf", part(0, 2, "a")}};
  CHECK(contains(fault([&] { return read_gguf_parts("renamed.gguf", opener(files)); }),
                 "is part 1 of 2, expected a file name that ends in -00001-of-00002.gguf"));
  files = {{"m-00001-of-00002.gguf", part(1, 2, "a")}};
  CHECK(contains(fault([&] { return read_gguf_parts("m-00001-of-00002.gguf", opener(files)); }),
                 "expected a file name that ends in -00002-of-00002.gguf"));
}

TEST_CASE("a part of another split is refused at once") {
  int opened = 0;
  const file_opener any = [&](const std::string& name) {
    ++opened;
    return opener({{name, part(0, 50'000, "a")}})(name);
  };
  CHECK(contains(fault([&] { return read_gguf_parts("m-00001-of-50000.gguf", any); }),
                 "is part 1 of 50000, expected part 2 of 50000"));
  CHECK(opened == 2);
}

TEST_CASE("parts may be joined in any order and under any name") {
  std::vector<gguf_file> parts{read(part(2, 3, "c"), "z"), read(part(0, 3, "a", 3), "y"), read(part(1, 3, "b"), "x")};
  CHECK(tensor_names(join_gguf_parts(parts)) == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("parts that do not make up one model are refused") {
  const auto join = [](std::vector<gguf_file> parts) {
    return fault([&] { return join_gguf_parts(std::move(parts)); });
  };
  CHECK(contains(join({}), "got no file, expected at least one"));
  CHECK(contains(join({read(part(0, 2, "a"))}), "is part 1 of 2, expected part 1 of 1"));
  CHECK(contains(join({read(part(0, 2, "a")), read(part(0, 2, "b"))}), "is part 1 of 2, expected part 2 of 2"));
  CHECK(contains(join({read(part(0, 2, "a")), read(part(1, 3, "b"))}), "is part 2 of 3, expected part 2 of 2"));
  CHECK(contains(join({read(part(0, 2, "a")), read(part(1, 2, "a"))}), "tensor 'a': is in an earlier part too"));
  CHECK(contains(join({read(part(0, 2, "a", 9)), read(part(1, 2, "b"))}),
                 "got 9, expected the 2 tensors that the parts hold"));
}

TEST_CASE("split numbers out of range are refused") {
  const auto fault_of = [](const std::string& key, auto value) {
    gguf_writer file;
    file.key(key, value).tensor("a", {4}, ggml_type::f32);
    return fault([&] { return read_gguf_parts("m.gguf", opener({{"m.gguf", file}})); });
  };
  CHECK(contains(fault_of("split.count", std::int64_t{100'000}), "split.count: got 100000, expected at most 99999"));
  CHECK(contains(fault_of("split.count", std::int8_t{-1}), "split.count: got -1"));
  CHECK(contains(fault_of("split.count", true), "split.count: expected an integer"));
  CHECK(contains(fault_of("split.no", std::numeric_limits<std::int64_t>::max()), "split.no: got 9223372036854775807"));
  CHECK(contains(fault_of("split.no", std::numeric_limits<std::int64_t>::min()), "expected 0 to 99998"));
}
