// The weights that the tensors of a checkpoint hold, packed or not. The totals are published ones.

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <sizer/catalog/safetensors.hpp>
#include <sizer/units.hpp>

#include "../../support/safetensors_writer.hpp"

using namespace sizer;
using sizer_test::safetensors_writer;

namespace {

constexpr weight_part attention = weight_part::attention;
constexpr weight_part embedding = weight_part::embedding;
constexpr weight_part mtp = weight_part::mtp;
constexpr weight_part output = weight_part::output;
constexpr weight_part recurrent = weight_part::recurrent;
constexpr weight_part routed = weight_part::routed_expert;
constexpr tensor_use unused = tensor_use::unused;
constexpr tensor_use whole = tensor_use::whole;

std::vector<stored_tensor> stored(const safetensors_writer& writer, std::string_view quantization = "") {
  return stored_tensors({read_safetensors(*writer.source())}, quantization);
}

count parameters_of(const std::vector<stored_tensor>& tensors) {
  count total = 0;
  for (const stored_tensor& tensor : tensors) total += tensor.parameters;
  return total;
}
count bytes_of(const std::vector<stored_tensor>& tensors) {
  bytes total;
  for (const stored_tensor& tensor : tensors) total += tensor.size;
  return total.value();
}
count parameters_of(const std::vector<stored_tensor>& tensors, weight_part part) {
  count total = 0;
  for (const stored_tensor& tensor : tensors) total += tensor.role.part == part ? tensor.parameters : count{0};
  return total;
}
const stored_tensor& find(const std::vector<stored_tensor>& tensors, std::string_view name) {
  for (const stored_tensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  FAIL("no tensor " << name);
  return tensors.front();
}

/// A transformer as the families around Llama write it.
struct shape {
  std::int64_t n_layers, d, heads, kv_heads, head_dim, d_ff, vocab;
  bool tied_head = false;
  bool qkv_bias = false;
  bool qk_norm = false;
  std::int64_t n_experts = 0;
  std::int64_t mlx_bits = 0;  // 0: BF16
};

void add_matrix(safetensors_writer& file, const shape& s, const std::string& name, std::int64_t out, std::int64_t in) {
  if (s.mlx_bits == 0) return file.add(name + ".weight", "BF16", {out, in});
  file.add(name + ".weight", "U32", {out, in * s.mlx_bits / 32});
  file.add(name + ".scales", "BF16", {out, in / 64});
  file.add(name + ".biases", "BF16", {out, in / 64});
}

void add_block(safetensors_writer& file, const shape& s, const std::string& block) {
  const auto norm = [&](const std::string& name, std::int64_t n) { file.add(block + name + ".weight", "BF16", {n}); };
  const auto matrix = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    add_matrix(file, s, block + name, out, in);
  };
  norm("input_layernorm", s.d);
  norm("post_attention_layernorm", s.d);
  for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
    const std::int64_t out = (*name == 'q' ? s.heads : s.kv_heads) * s.head_dim;
    matrix("self_attn." + std::string{name}, out, s.d);
    if (s.qkv_bias) file.add(block + "self_attn." + name + ".bias", "BF16", {out});
  }
  matrix("self_attn.o_proj", s.d, s.heads * s.head_dim);
  if (s.qk_norm) norm("self_attn.q_norm", s.head_dim);
  if (s.qk_norm) norm("self_attn.k_norm", s.head_dim);
  if (s.n_experts == 0) {
    matrix("mlp.gate_proj", s.d_ff, s.d);
    matrix("mlp.up_proj", s.d_ff, s.d);
    matrix("mlp.down_proj", s.d, s.d_ff);
    return;
  }
  matrix("block_sparse_moe.gate", s.n_experts, s.d);
  for (std::int64_t e = 0; e < s.n_experts; ++e) {
    const std::string one = "block_sparse_moe.experts." + std::to_string(e);
    matrix(one + ".w1", s.d_ff, s.d);
    matrix(one + ".w3", s.d_ff, s.d);
    matrix(one + ".w2", s.d, s.d_ff);
  }
}

safetensors_writer transformer(const shape& s) {
  safetensors_writer file;
  add_matrix(file, s, "model.embed_tokens", s.vocab, s.d);
  for (std::int64_t i = 0; i < s.n_layers; ++i) add_block(file, s, "model.layers." + std::to_string(i) + ".");
  file.add("model.norm.weight", "BF16", {s.d});
  if (!s.tied_head) add_matrix(file, s, "lm_head", s.vocab, s.d);
  return file;
}

}  // namespace

TEST_CASE("shapes are turned round, dimensions beyond four are folded") {
  safetensors_writer file;
  file.add("a.weight", "F16", {2, 3});
  file.add("b.weight", "F32", {});
  file.add("c.weight", "F64", {7, 2, 3, 4, 5, 6});
  file.add("d.weight", "BF16", {3, 0});
  const auto tensors = stored(file);
  using four = std::array<std::int64_t, 4>;
  CHECK(find(tensors, "a.weight").ne == four{3, 2, 1, 1});
  CHECK(find(tensors, "a.weight").type == ggml_type::f16);
  CHECK(find(tensors, "b.weight").ne == four{1, 1, 1, 1});
  CHECK(find(tensors, "c.weight").ne == four{6, 5, 4, 42});
  CHECK(find(tensors, "c.weight").format == "F64");
  CHECK_FALSE(find(tensors, "c.weight").type.has_value());
  CHECK(find(tensors, "d.weight").ne == four{0, 3, 1, 1});
  CHECK(find(tensors, "d.weight").type == ggml_type::bf16);
}

TEST_CASE("published totals: plain checkpoints") {
  SUBCASE("Qwen2.5 0.5B") {
    const auto tensors = stored(transformer({24, 896, 14, 2, 64, 4864, 151936, true, true}));
    CHECK(parameters_of(tensors) == count{494'032'768});
    CHECK(parameters_of(tensors, embedding) == count{136'134'656});
    CHECK(bytes_of(tensors) == count{2 * 494'032'768});
  }
  SUBCASE("Llama 3.2 1B") {
    CHECK(parameters_of(stored(transformer({16, 2048, 32, 8, 64, 8192, 128256, true}))) == count{1'235'814'400});
  }
  SUBCASE("Devstral Small 2507: total_parameters and total_size of its index") {
    const auto tensors = stored(transformer({40, 5120, 32, 8, 128, 32768, 131072}));
    CHECK(tensors.size() == 363);
    CHECK(parameters_of(tensors) == count{23'572'403'200});
    CHECK(bytes_of(tensors) == count{47'144'806'400});
  }
  SUBCASE("WizardLM-2 8x22B: total_size of its index") {
    shape s{56, 6144, 48, 8, 128, 16384, 32000};
    s.n_experts = 8;
    const auto tensors = stored(transformer(s));
    CHECK(tensors.size() == 1739);
    CHECK(bytes_of(tensors) == count{281'241'268'224});
    CHECK(parameters_of(tensors, routed) == count{56} * 8 * 3 * 6144 * 16384);
  }
}

TEST_CASE("published totals: MLX packs weights into 32-bit integers") {
  // total_size of the index of Qwen3 14B in MLX 4-bit, and the parameters of the model it was made from
  shape s{40, 5120, 40, 8, 128, 17408, 151936};
  s.qk_norm = true;
  s.mlx_bits = 4;
  const auto tensors = stored(transformer(s), "MLX 4-bit");
  CHECK(tensors.size() == 1007);
  CHECK(bytes_of(tensors) == count{8'307'783'680});
  CHECK(parameters_of(tensors) == count{14'768'307'200});
  CHECK(find(tensors, "lm_head.scales").role.part == output);
  CHECK_FALSE(find(tensors, "lm_head.scales").type.has_value());
}

TEST_CASE("published totals: MiMo 7B with its prediction layer") {
  const shape s{36, 4096, 32, 8, 128, 11008, 151680, false, true};
  safetensors_writer file = transformer(s);
  const std::string head = "model.mtp_layers.0.";
  add_block(file, s, head);
  for (const char* name : {"final_layernorm", "hidden_layernorm", "token_layernorm"}) {
    file.add(head + name + ".weight", "BF16", {s.d});
  }
  file.add(head + "input_proj.weight", "BF16", {s.d, 2 * s.d});
  const auto tensors = stored(file);
  CHECK(tensors.size() == 451);
  CHECK(bytes_of(tensors) == count{15'666'819'072});
  CHECK(parameters_of(tensors, mtp) > count{200'000'000});
}

TEST_CASE("published totals: gpt-oss 20B packs two weights into a byte") {
  safetensors_writer file;
  constexpr std::int64_t d = 2880;
  for (int i = 0; i < 24; ++i) {
    const std::string block = "model.layers." + std::to_string(i) + ".";
    for (const char* name : {"input_layernorm", "post_attention_layernorm"}) {
      file.add(block + name + ".weight", "BF16", {d});
    }
    file.add(block + "self_attn.sinks", "BF16", {64});
    for (const auto& [name, out, in] :
         {std::tuple{"q_proj", std::int64_t{4096}, d}, {"k_proj", 512, d}, {"v_proj", 512, d}, {"o_proj", d, 4096}}) {
      file.add(block + "self_attn." + name + ".weight", "BF16", {out, in});
      file.add(block + "self_attn." + name + ".bias", "BF16", {out});
    }
    file.add(block + "mlp.router.weight", "BF16", {32, d});
    file.add(block + "mlp.router.bias", "BF16", {32});
    for (const auto& [name, out] : {std::pair{"gate_up_proj", 2 * d}, {"down_proj", d}}) {
      file.add(block + "mlp.experts." + name + "_blocks", "U8", {32, out, 90, 16});
      file.add(block + "mlp.experts." + name + "_scales", "U8", {32, out, 90});
      file.add(block + "mlp.experts." + name + "_bias", "BF16", {32, out});
    }
  }
  file.add("model.embed_tokens.weight", "BF16", {201088, d});
  file.add("lm_head.weight", "BF16", {201088, d});
  file.add("model.norm.weight", "BF16", {d});
  const auto tensors = stored(file, "MXFP4");
  CHECK(parameters_of(tensors) == count{20'914'757'184});
  CHECK(find(tensors, "model.layers.0.mlp.experts.down_proj_scales").parameters == count{0});
  CHECK(find(tensors, "model.layers.0.mlp.experts.down_proj_scales").role.part == routed);
}

TEST_CASE("GPTQ and AWQ: bits come from the packed zero points") {
  for (const std::int64_t bits : {2, 3, 4, 8}) {
    CAPTURE(bits);
    safetensors_writer gptq;
    gptq.add("model.layers.0.mlp.up_proj.qweight", "I32", {512 * bits / 32, 1024});
    gptq.add("model.layers.0.mlp.up_proj.qzeros", "I32", {4, 1024 * bits / 32});
    gptq.add("model.layers.0.mlp.up_proj.scales", "F16", {4, 1024});
    gptq.add("model.layers.0.mlp.up_proj.g_idx", "I32", {512});
    CHECK(parameters_of(stored(gptq, "GPTQ")) == count{512 * 1024});
    safetensors_writer awq;
    awq.add("model.layers.0.mlp.up_proj.qweight", "I32", {512, 1024 * bits / 32});
    awq.add("model.layers.0.mlp.up_proj.qzeros", "I32", {4, 1024 * bits / 32});
    awq.add("model.layers.0.mlp.up_proj.scales", "F16", {4, 1024});
    CHECK(parameters_of(stored(awq, "AWQ")) == count{512 * 1024});
  }
  safetensors_writer bare;
  bare.add("x.qweight", "I32", {64, 64});
  CHECK(parameters_of(stored(bare, "GPTQ")) == count{64 * 64 * 8});
  CHECK(parameters_of(stored(bare, "GPTQ 8-bit")) == count{64 * 64 * 4});
}

TEST_CASE("packed formats of single matrices hold the weights of the matrix") {
  struct part {
    const char* name;
    const char* dtype;
    std::vector<std::int64_t> shape;
  };
  struct packed_matrix {
    const char* quantization;
    std::vector<part> parts;
  };
  // every one a matrix of 64 x 128
  const std::vector<packed_matrix> matrices{
      {"", {{"weight", "BF16", {64, 128}}}},
      {"", {{"weight", "F4", {64, 128}}, {"weight_scale", "F8_E8M0", {64, 4}}}},
      {"FP8", {{"weight", "F8_E4M3", {64, 128}}, {"weight_scale_inv", "F32", {1, 1}}}},
      {"FP8", {{"weight", "F8_E4M3", {64, 128}}, {"weight_scale", "BF16", {64, 1}}, {"input_scale", "F32", {}}}},
      {"FP8", {{"weight", "F8_E4M3", {64, 128}}, {"qscale_weight", "BF16", {}}, {"qscale_act", "BF16", {}}}},
      {"FP8", {{"weight", "F8_E4M3", {64, 128}}, {"scale", "F8_E8M0", {1, 1}}}},
      {"FP8", {{"weight", "I8", {64, 64}}, {"scale", "F8_E8M0", {64, 4}}}},  // DeepSeek V4's experts
      {"NVFP4",
       {{"weight", "U8", {64, 64}},
        {"weight_scale", "F8_E4M3", {64, 8}},
        {"weight_scale_2", "F32", {}},
        {"input_scale", "F32", {}}}},
      {"MXFP4", {{"weight", "U8", {64, 64}}, {"weight_scale", "U8", {64, 4}}}},
      {"MXFP8", {{"weight", "U8", {64, 128}}, {"weight_scale", "U8", {64, 4}}}},
      {"compressed-tensors",
       {{"weight_packed", "I32", {64, 16}}, {"weight_scale", "BF16", {64, 4}}, {"weight_shape", "I64", {2}}}},
      {"compressed-tensors",
       {{"weight_packed", "I32", {64, 32}}, {"weight_scale", "BF16", {64, 4}}, {"weight_zero_point", "I32", {16, 4}}}},
      {"compressed-tensors 8-bit", {{"weight_packed", "I32", {64, 32}}, {"weight_scale", "BF16", {64, 1}}}},
      {"NVFP4",
       {{"weight_packed", "U8", {64, 64}}, {"weight_scale", "F8_E4M3", {64, 8}}, {"weight_global_scale", "F32", {1}}}},
      {"bitsandbytes 4-bit",
       {{"weight", "U8", {64 * 64, 1}},
        {"weight.absmax", "U8", {128}},
        {"weight.quant_map", "F32", {16}},
        {"weight.nested_absmax", "F32", {1}},
        {"weight.nested_quant_map", "F32", {256}},
        {"weight.quant_state.bitsandbytes__nf4", "U8", {82}}}},
      {"bitsandbytes 8-bit", {{"weight", "I8", {64, 128}}, {"SCB", "F32", {64}}, {"weight_format", "U8", {}}}},
      {"int8", {{"weight", "I8", {64, 128}}, {"weight_scale", "F32", {64, 1}}}},
      {"BitNet", {{"weight", "U8", {16, 128}}, {"weight_scale", "BF16", {1}}}},
      {"MLX 4-bit group 128", {{"weight", "U32", {64, 16}}, {"scales", "F16", {64, 1}}, {"biases", "F16", {64, 1}}}},
      {"MLX 8-bit", {{"weight", "U32", {64, 32}}, {"scales", "BF16", {64, 2}}, {"biases", "BF16", {64, 2}}}},
      {"MLX 3-bit", {{"weight", "U32", {64, 12}}, {"scales", "F16", {64, 2}}, {"biases", "F16", {64, 2}}}},
      {"MLX 4-bit", {{"weight", "U32", {64, 16}}, {"scales", "F16", {64, 4}}, {"biases", "F16", {64, 4}}}},
      {"MLX mxfp4", {{"weight", "U32", {64, 16}}, {"scales", "U8", {64, 4}}}},
      {"MLX mxfp8", {{"weight", "U32", {64, 32}}, {"scales", "U8", {64, 4}}}},
      {"MLX nvfp4", {{"weight", "U32", {64, 16}}, {"scales", "U8", {64, 8}}}},
  };
  for (const packed_matrix& matrix : matrices) {
    safetensors_writer file;
    std::string names;
    for (const part& p : matrix.parts) {
      file.add("model.layers.2.self_attn.k_proj." + std::string{p.name}, p.dtype, p.shape);
      names += std::string{p.name} + ' ' + p.dtype + ' ';
    }
    CAPTURE(matrix.quantization);
    CAPTURE(names);
    const auto tensors = stored(file, matrix.quantization);
    CHECK(parameters_of(tensors) == count{64 * 128});
    for (const stored_tensor& tensor : tensors) {
      CHECK(tensor.role == tensor_role{attention, whole, 2, true});
      CHECK(tensor.type.has_value() == (tensor.format == "BF16" && matrix.parts.size() == 1));
    }
  }
}

TEST_CASE("a checkpoint of MLX may mix widths") {
  safetensors_writer file;
  const auto add = [&](const std::string& name, std::int64_t bits) {
    file.add(name + ".weight", "U32", {64, 128 * bits / 32});
    file.add(name + ".scales", "F16", {64, 2});
    file.add(name + ".biases", "F16", {64, 2});
  };
  for (int i = 0; i < 4; ++i) add("model.layers." + std::to_string(i) + ".mlp.up_proj", 4);
  add("model.layers.0.mlp.down_proj", 6);
  add("lm_head", 8);
  for (const char* name : {"MLX 4-bit", "MLX-4BIT", "MLX mixed", "MLX 8-bit group 64"}) {
    CAPTURE(name);
    CHECK(parameters_of(stored(file, name)) == count{6 * 64 * 128});
  }
}

TEST_CASE("names like a scale's are weights where nothing is packed") {
  safetensors_writer file;
  file.add("model.layers.0.router.scale", "BF16", {8});
  file.add("model.layers.0.router.per_expert_scale", "BF16", {8});
  file.add("model.layers.0.mlp.biases", "BF16", {8});
  file.add("hc_head_scale", "F32", {1});
  CHECK(parameters_of(stored(file)) == count{25});
}

TEST_CASE("tables that are no weights hold no parameters") {
  safetensors_writer file;
  file.add("model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {64});
  file.add("h.0.attn.bias", "F32", {1, 1, 1024, 1024});
  file.add("transformer.h.0.attn.masked_bias", "F32", {});
  file.add("layers.0.ffn.gate.tid2eid", "I64", {129280, 6});
  file.add("position_ids", "I32", {1, 512});
  file.add("h.0.attn.bias_flag", "BOOL", {4});
  const auto tensors = stored(file);
  CHECK(parameters_of(tensors) == count{0});
  CHECK(find(tensors, "h.0.attn.bias").type == ggml_type::f32);
}

TEST_CASE("a block with a prediction head's tensors belongs to it, whatever else it has") {
  safetensors_writer file;
  for (const char* name : {"3.self_attn.q_proj.weight", "3.mlp.experts.0.up_proj.weight", "4.self_attn.q_proj.weight",
                           "4.mlp.experts.0.up_proj.weight", "4.eh_proj.weight", "4.input_layernorm.weight"}) {
    file.add("model.layers." + std::string{name}, "BF16", {8, 8});
  }
  for (const stored_tensor& tensor : stored(file)) {
    CAPTURE(tensor.name);
    CHECK((tensor.role.part == mtp) == (tensor.role.layer == 4));
    CHECK((tensor.role.use == unused) == (tensor.role.layer == 4));
  }
}

TEST_CASE("Kimi's linear attention takes its projections along") {
  safetensors_writer file;
  for (const char* name : {"0.self_attn.q_proj.weight", "0.self_attn.A_log", "1.self_attn.q_proj.weight"}) {
    file.add("model.layers." + std::string{name}, "BF16", {8});
  }
  const auto tensors = stored(file);
  CHECK(find(tensors, "model.layers.0.self_attn.q_proj.weight").role.part == recurrent);
  CHECK(find(tensors, "model.layers.1.self_attn.q_proj.weight").role.part == attention);
}
