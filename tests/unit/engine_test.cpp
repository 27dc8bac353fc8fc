#include <sizer/engine/engine.hpp>

#include <doctest/doctest.h>

using namespace sizer;

TEST_CASE("engines are found by the names people type, and no others") {
  CHECK(find_engine("llama.cpp") == engine_kind::llama_cpp);
  CHECK(find_engine("lmstudio") == engine_kind::lm_studio);
  CHECK_THROWS_AS(static_cast<void>(find_engine("tgi")), unknown_name_error);
}

TEST_CASE("Ollama gives every slot the whole context, llama-server shares it") {
  workload work;
  work.context = 8192;
  work.parallel = 4;
  CHECK(make_engine(engine_kind::llama_cpp, work).llama_cpp.n_ctx == 8192);
  CHECK(make_engine(engine_kind::ollama, work).llama_cpp.n_ctx == 32768);
  CHECK(make_engine(engine_kind::llama_cpp, work).llama_cpp.n_outputs_max == 4);
}
