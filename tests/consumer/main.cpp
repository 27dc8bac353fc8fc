// What a program that uses libsizer looks like. Argument: the version it expects to have been built with.
#include <cstdint>
#include <cstdio>
#include <string_view>

#include <sizer/catalog/catalog.hpp>
#include <sizer/sizer.hpp>

int main(int argc, char** argv) {
  if (argc != 2 || std::string_view{argv[1]} != SIZER_VERSION) {
    std::printf("built with libsizer %s, expected %s\n", SIZER_VERSION, argc == 2 ? argv[1] : "one argument");
    return 1;
  }
  const sizer::catalogue& known = sizer::catalogue::embedded();
  sizer::workload request;
  request.context = 262'144;
  const sizer::estimate_result answer = sizer::estimate(
      known.model("qwen3-coder-30b-a3b").architecture, known.machine("dgx-spark").machine,
      sizer::find_quantization("Q4_K_M"), request, sizer::make_engine(sizer::engine_kind::llama_cpp, request));

  const std::int64_t kv_cache = sizer::number(answer.memory.parts.kv_cache);
  std::printf("libsizer %s: KV cache of 262144 tokens = %lld bytes, decode %.1f tokens/s\n", SIZER_VERSION,
              static_cast<long long>(kv_cache), sizer::number(answer.decode.rate));
  // 2 (K and V) x 48 layers x 4 heads x 128 elements x 2 bytes x 262144 tokens, as llama.cpp prints it: 24576 MiB.
  return kv_cache == 25'769'803'776 ? 0 : 1;
}
