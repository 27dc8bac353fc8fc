/// @file
/// config.json: what it says, the model with its layers, and the entry with its names.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <sizer/catalog/hugging_face.hpp>
#include <sizer/catalog/load_model.hpp>
#include <sizer/model/expand.hpp>

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto config = fuzz::attempt([&] { return sizer::read_hugging_face_config(text, "config.json"); });
  if (!config) return 0;
  for (const std::string& note : config->notes) fuzz::expect(fuzz::is_plain_text(note), "a note is plain text");
  fuzz::expect(fuzz::is_plain_text(config->quantization), "a quantisation's name is plain text");
  fuzz::expect(fuzz::is_plain_text(config->shape.family), "a family's name is plain text");
  const auto model = fuzz::attempt([&] { return sizer::make_architecture(config->shape); });
  if (!model) return 0;
  (void)fuzz::attempt([&] { return sizer::to_json(model->shape).size(); });
  (void)fuzz::attempt([&] {
    sizer::load_options options;
    options.name = "somebody/model";
    const sizer::model_entry entry = sizer::load_config(text, options);
    return sizer::weights_for(entry, std::nullopt, sizer::engine_kind::vllm).notes.size();
  });
  return 0;
}
