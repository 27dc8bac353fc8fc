#include <sizer/catalog/ollama.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include <sizer/error.hpp>

using namespace sizer;

namespace {

const std::string digits(64, 'a');

std::string layer(const std::string& kind, const std::string& digest, const std::string& size) {
  return R"({"mediaType":"application/vnd.ollama.image.)" + kind + R"(","digest":")" + digest + R"(","size":)" + size +
         "}";
}
std::string manifest(const std::string& layers) {
  return R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",)"
         R"("config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"","size":0},"layers":[)" +
         layers + "]}";
}

std::string fault_of_manifest(const std::string& text) {
  try {
    (void)read_ollama_manifest(text, "m");
  } catch (const data_error& bad) {
    CHECK(bad.file() == "m");
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}
std::string fault_of_parameters(const std::string& text) {
  try {
    (void)read_ollama_parameters(text, "p");
  } catch (const data_error& bad) {
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}
std::string fault_of_name(std::string_view text) {
  try {
    (void)parse_ollama_name(text);
  } catch (const value_error& bad) {
    CHECK(bad.field() == "model");
    return bad.got();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a manifest lists blobs, and find gives the first of a kind") {
  const std::string one = "sha256:" + digits;
  const std::string two = "sha256-" + std::string(64, 'B');
  const ollama_manifest read = read_ollama_manifest(
      manifest(layer("model", one, "18556685856") + "," + layer("model", two, "7") + "," + layer("params", two, "0")),
      "m");
  REQUIRE(read.layers.size() == 3);
  CHECK(read.layers[0] == ollama_layer{"application/vnd.ollama.image.model", one, 18'556'685'856});
  CHECK(read.layers[1].digest == "sha256:" + std::string(64, 'B'));
  REQUIRE(read.find("model") == &read.layers[0]);
  CHECK(read.find("params") == &read.layers[2]);
  CHECK(read.find("projector") == nullptr);
  CHECK(read.find("") == nullptr);
  CHECK(read.find("application/vnd.ollama.image.model") == nullptr);
}

TEST_CASE("a manifest may leave out what is not needed, and may have no layers") {
  CHECK(read_ollama_manifest(R"({"layers":null})", "m").layers.empty());
  CHECK(read_ollama_manifest(R"({"layers":[],"annotations":{"a":1}})", "m").layers.empty());
  const std::string extra = R"({"layers":[{"mediaType":"x","digest":"sha256:)" + digits +
                            R"(","size":1,"from":"/a","name":"b/c","later":[1]}]})";
  CHECK(read_ollama_manifest(extra, "m").layers.size() == 1);
}

TEST_CASE("a manifest that is none names the place") {
  const std::string good = "sha256:" + digits;
  CHECK(contains(fault_of_manifest(""), "not JSON"));
  CHECK(contains(fault_of_manifest("[]"), "an object"));
  CHECK(contains(fault_of_manifest("{}"), "'layers'"));
  CHECK(contains(fault_of_manifest(R"({"manifests":[]})"), "'layers'"));
  CHECK(contains(fault_of_manifest(R"({"layers":{}})"), "/layers: got an object, expected an array"));
  CHECK(contains(fault_of_manifest(R"({"schemaVersion":1,"layers":[]})"), "/schemaVersion: got 1"));
  CHECK(contains(fault_of_manifest(R"({"layers":[],"layers":[]})"), "the key 'layers' twice"));
  CHECK(contains(fault_of_manifest(manifest("7")), "/layers/0: got 7, expected an object"));
  CHECK(contains(fault_of_manifest(manifest("{}")), "/layers/0: got no 'mediaType'"));
  CHECK(contains(fault_of_manifest(manifest(layer("model", good, "-1"))), "/layers/0/size: got -1"));
  CHECK(contains(fault_of_manifest(manifest(layer("model", good, "1.5"))), "/layers/0/size"));
  CHECK(contains(fault_of_manifest(manifest(layer("model", good, "9223372036854775808"))), "/layers/0/size"));
  const std::string most = layer("model", good, "9223372036854775807");
  CHECK(fault_of_manifest(manifest(most)) == "no error");
  CHECK(contains(fault_of_manifest(manifest(most + "," + layer("model", good, "1"))), "/layers/1: got layers of more"));
  std::string deep(100, '[');
  CHECK(contains(fault_of_manifest(R"({"layers":)" + deep), "levels of nesting"));
  CHECK(contains(fault_of_manifest(std::string(17U << 20U, ' ')), "bytes"));
}

TEST_CASE("a digest is sha256 and 64 hexadecimal digits, and never a path") {
  for (const std::string& bad :
       {std::string{}, std::string{"sha256:"}, "sha256:" + digits + "0", "sha256:" + digits.substr(1),
        "sha512:" + digits, "sha256_" + digits, "sha256:" + digits.substr(1) + "g", "sha256:" + digits.substr(1) + "/",
        std::string{"sha256:../../../../etc/passwd"}, "sha256:" + digits.substr(1) + "\\u0000"}) {
    CAPTURE(bad);
    CHECK(contains(fault_of_manifest(manifest(layer("model", bad, "1"))), "/layers/0/digest"));
  }
}

TEST_CASE("parameters that decide memory or speed are read, others are left") {
  const ollama_parameters read = read_ollama_parameters(
      R"({"num_ctx":131072,"num_gpu":0,"num_batch":1024.0,"stop":["<|im_end|>"],"temperature":0.7,"num_keep":24})",
      "p");
  CHECK(read.num_ctx == 131072);
  CHECK(read.num_gpu == 0);
  CHECK(read.num_batch == 1024);
  CHECK(read_ollama_parameters("{}", "p") == ollama_parameters{});
  CHECK(read_ollama_parameters("null", "p") == ollama_parameters{});
}

TEST_CASE("what leaves the choice to Ollama counts as not stated") {
  CHECK(read_ollama_parameters(R"({"num_ctx":0,"num_gpu":-1,"num_batch":0})", "p") == ollama_parameters{});
  CHECK(read_ollama_parameters(R"({"num_ctx":null,"num_gpu":-1.0})", "p") == ollama_parameters{});
}

TEST_CASE("parameters out of range name the key") {
  CHECK(contains(fault_of_parameters(R"({"num_ctx":-1})"), "/num_ctx: got -1"));
  CHECK(contains(fault_of_parameters(R"({"num_ctx":4096.5})"), "/num_ctx: got 4096.5"));
  CHECK(contains(fault_of_parameters(R"({"num_ctx":1e300})"), "/num_ctx"));
  CHECK(contains(fault_of_parameters(R"({"num_ctx":2147483648})"), "/num_ctx"));
  CHECK(contains(fault_of_parameters(R"({"num_ctx":18446744073709551615})"), "/num_ctx"));
  CHECK(contains(fault_of_parameters(R"({"num_ctx":"4096"})"), "/num_ctx"));
  CHECK(contains(fault_of_parameters(R"({"num_gpu":true})"), "/num_gpu"));
  CHECK(contains(fault_of_parameters(R"({"num_batch":[512]})"), "/num_batch"));
  CHECK(contains(fault_of_parameters(R"({"num_ctx":1,"num_ctx":2})"), "twice"));
  CHECK(contains(fault_of_parameters("[]"), "an object"));
  CHECK(contains(fault_of_parameters(""), "not JSON"));
}

TEST_CASE("a name gets Ollama's defaults") {
  CHECK(parse_ollama_name("qwen3-coder") ==
        ollama_name{"https", "registry.ollama.ai", "library", "qwen3-coder", "latest"});
  CHECK(parse_ollama_name("qwen3-coder:30b").tag == "30b");
  CHECK(parse_ollama_name("me/mine:Q4_K_M") == ollama_name{"https", "registry.ollama.ai", "me", "mine", "Q4_K_M"});
  CHECK(parse_ollama_name("hf.co/org/Some-Repo.v2-GGUF:Q8_0") ==
        ollama_name{"https", "hf.co", "org", "Some-Repo.v2-GGUF", "Q8_0"});
  CHECK(parse_ollama_name("localhost:5000/me/mine") == ollama_name{"https", "localhost:5000", "me", "mine", "latest"});
  CHECK(parse_ollama_name("http://10.0.0.1:5000/me/mine:x") == ollama_name{"http", "10.0.0.1:5000", "me", "mine", "x"});
  CHECK(parse_ollama_name("_x/_y:_z").name_space == "_x");
  CHECK(parse_ollama_name(std::string(80, 'm')).model.size() == 80);
}

TEST_CASE("a name that cannot be says which part") {
  CHECK(contains(fault_of_name(""), "the model"));
  CHECK(contains(fault_of_name(":x"), "the model"));
  CHECK(contains(fault_of_name("x:"), "the tag"));
  CHECK(contains(fault_of_name("/x"), "the namespace"));
  CHECK(contains(fault_of_name("a/"), "the model"));
  CHECK(contains(fault_of_name("a.b/x"), "the namespace \"a.b\" in"));
  CHECK(contains(fault_of_name("a/b/c/d"), "the host"));
  CHECK(contains(fault_of_name("//a/b"), "the host"));
  CHECK(contains(fault_of_name("x@sha256:" + digits), "the model"));
  CHECK(contains(fault_of_name(std::string(81, 'm')), "the model"));
  CHECK(contains(fault_of_name("x:" + std::string(81, 't')), "the tag"));
  CHECK(contains(fault_of_name(std::string(351, 'h') + "/a/b"), "the host"));
  CHECK(contains(fault_of_name("ftp://h/a/b"), "the scheme"));
  CHECK(contains(fault_of_name("://h/a/b"), "the scheme"));
  CHECK(contains(fault_of_name("https://x"), "the scheme"));
  CHECK(contains(fault_of_name("qwen 3"), "the model"));
  CHECK(contains(fault_of_name("qw\xc3\xa9n"), "\\u00e9"));
  CHECK(contains(fault_of_name("qw\xff"), "the model"));
}

TEST_CASE("no name leaves the folder of the store") {
  using namespace std::string_view_literals;
  for (const std::string_view bad : {"..",
                                     ".",
                                     "../x",
                                     "../../x",
                                     "a/..",
                                     "a/../b",
                                     "a/b/..",
                                     "../a/b",
                                     "x:..",
                                     "x:../y",
                                     "x:.hidden",
                                     ".x",
                                     "-x",
                                     "a/-x",
                                     "x:-f",
                                     "a\\b",
                                     "..\\..\\x",
                                     "C:"
                                     "\\x",
                                     "C:/x/y",
                                     "c:1/x/y",
                                     "c:/x",
                                     "h::1/a/b",
                                     "h:1:2/a/b",
                                     "h:x/a/b",
                                     "h:123456/a/b",
                                     "h:/a/b",
                                     "/etc/passwd",
                                     "~/x",
                                     "$HOME",
                                     "a/b\n",
                                     "%2e%2e/x"}) {
    CAPTURE(bad);
    CHECK(fault_of_name(bad) != "no error");
  }
  CHECK(fault_of_name("x\0y"sv) != "no error");
  CHECK(fault_of_name("x:\0"sv) != "no error");
}
