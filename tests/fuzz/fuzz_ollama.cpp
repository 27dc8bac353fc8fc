/// @file
/// Ollama's manifests ('m' first), parameters ('p') and names (anything else); the rest of the input is the text.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sizer/catalog/ollama.hpp>

#include "fuzz/fuzz.hpp"

namespace {

using fuzz::expect;

void check_name(const sizer::ollama_name& name) {
  for (const std::string_view part : {std::string_view{name.host}, std::string_view{name.name_space},
                                      std::string_view{name.model}, std::string_view{name.tag}}) {
    expect(!part.empty() && part.find_first_of("/\\ \"'%?#@") == std::string_view::npos && part.front() != '.' &&
               part.front() != '-' && fuzz::is_plain_text(part),
           "a part of a name is a plain path step");
  }
  const std::string whole = name.scheme + "://" + name.host + '/' + name.name_space + '/' + name.model + ':' + name.tag;
  expect(sizer::parse_ollama_name(whole) == name, "a name written out in full reads as itself");
}

void check_manifest(const sizer::ollama_manifest& manifest) {
  for (const sizer::ollama_layer& layer : manifest.layers) {
    expect(layer.size >= 0 && layer.digest.size() == 71 && layer.digest.starts_with("sha256:") &&
               layer.digest.find_first_not_of("0123456789abcdefABCDEF", 7) == std::string::npos,
           "a layer has a size and a digest");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  if (text.empty()) return 0;
  const char kind = text.front();
  text.remove_prefix(1);
  if (kind == 'm') {
    const auto manifest = fuzz::attempt([&] { return sizer::read_ollama_manifest(text, "manifest"); });
    if (manifest) check_manifest(*manifest);
  } else if (kind == 'p') {
    const auto parameters = fuzz::attempt([&] { return sizer::read_ollama_parameters(text, "params"); });
    if (parameters) {
      expect(parameters->num_ctx.value_or(1) > 0 && parameters->num_batch.value_or(1) > 0 &&
                 parameters->num_gpu.value_or(0) >= 0,
             "a stated parameter is in its range");
    }
  } else {
    const auto name = fuzz::attempt([&] { return sizer::parse_ollama_name(text); });
    if (name) check_name(*name);
  }
  return 0;
}
