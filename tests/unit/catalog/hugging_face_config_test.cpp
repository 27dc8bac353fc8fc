#include <sizer/catalog/hugging_face.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <sizer/error.hpp>
#include <sizer/model/expand.hpp>
#include <sizer/model/family.hpp>

using namespace sizer;
using nlohmann::json;

namespace {

hugging_face_config read(const json& config) { return read_hugging_face_config(config.dump(), "config.json"); }
model_shape shape_of(const json& config) { return read(config).shape; }

/// Eight plain layers.
json plain(const std::string& model_type) {
  return {{"model_type", model_type}, {"hidden_size", 1024},          {"num_hidden_layers", 8},
          {"num_attention_heads", 8}, {"num_key_value_heads", 2},     {"intermediate_size", 4096},
          {"vocab_size", 32000},      {"tie_word_embeddings", false}, {"max_position_embeddings", 8192}};
}

json with(json config, const json& changes) {
  config.update(changes);
  return config;
}
json without(json config, const std::string& key) {
  config.erase(key);
  return config;
}

std::string fault(const std::string& text) {
  try {
    (void)read_hugging_face_config(text, "config.json");
  } catch (const data_error& bad) {
    CHECK(bad.file() == "config.json");
    return bad.where() + ": " + bad.problem();
  }
  return "no error";
}
std::string fault(const json& config) { return fault(config.dump()); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
bool noted(const hugging_face_config& config, const std::string& part) {
  for (const std::string& note : config.notes) {
    if (contains(note, part)) return true;
  }
  return false;
}

/// One letter a layer: f full, s sliding, c chunked, l latent, m Mamba 1, n Mamba 2, d delta, k Kimi, v convolution,
/// b both, - none.
std::string mixers(const model_shape& shape) {
  std::string letters;
  for (const layer& block : make_architecture(shape).layers) {
    switch (block.mixer) {
      case mixer_kind::none: letters += '-'; break;
      case mixer_kind::full: letters += 'f'; break;
      case mixer_kind::sliding: letters += 's'; break;
      case mixer_kind::chunked: letters += 'c'; break;
      case mixer_kind::latent: letters += 'l'; break;
      case mixer_kind::mamba1: letters += 'm'; break;
      case mixer_kind::mamba2: letters += 'n'; break;
      case mixer_kind::gated_delta_net: letters += 'd'; break;
      case mixer_kind::kimi_delta: letters += 'k'; break;
      case mixer_kind::short_conv: letters += 'v'; break;
      case mixer_kind::full_and_mamba2: letters += 'b'; break;
    }
  }
  return letters;
}
/// d dense, e experts, - none.
std::string feeds(const model_shape& shape) {
  std::string letters;
  for (const layer& block : make_architecture(shape).layers) {
    letters += block.feed_forward == feed_forward_kind::dense ? 'd'
               : block.feed_forward == feed_forward_kind::moe ? 'e'
                                                              : '-';
  }
  return letters;
}

json layer_types(const std::string& letters) {
  json list = json::array();
  for (const char letter : letters) {
    list.push_back(letter == 'f'   ? "full_attention"
                   : letter == 's' ? "sliding_attention"
                   : letter == 'c' ? "chunked_attention"
                   : letter == 'v' ? "conv"
                   : letter == 'n' ? "mamba"
                   : letter == 'a' ? "attention"
                                   : "linear_attention");
  }
  return list;
}

const json experts{{"num_experts", 16}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 512}};
const json latent{{"kv_lora_rank", 512},
                  {"q_lora_rank", nullptr},
                  {"qk_rope_head_dim", 64},
                  {"qk_nope_head_dim", 128},
                  {"v_head_dim", 128}};
const json delta_net{{"linear_conv_kernel_dim", 4},
                     {"linear_key_head_dim", 128},
                     {"linear_num_key_heads", 4},
                     {"linear_num_value_heads", 8},
                     {"linear_value_head_dim", 128}};

}  // namespace

// ---- plain models ----

TEST_CASE("a plain model") {
  const hugging_face_config config = read(with(plain("llama"), {{"architectures", {"LlamaForCausalLM"}}}));
  CHECK(config.model_type == "llama");
  CHECK(config.architecture_name == "LlamaForCausalLM");
  CHECK(config.family_known);
  CHECK(config.quantization.empty());
  CHECK(!config.original_context);
  CHECK(config.n_mtp_layers == 0);
  CHECK(config.notes.empty());
  const model_shape& shape = config.shape;
  CHECK(shape.family == "llama");
  CHECK(shape.n_layers == 8);
  CHECK(shape.d_model == 1024);
  CHECK(shape.vocab_size == 32000);
  CHECK(shape.context_length == 8192);
  CHECK(!shape.tied_embeddings);
  CHECK(shape.d_ff == std::vector{4096});
  CHECK((shape.features == tensor_features{}));
  const layer block = make_architecture(shape).layers.front();
  CHECK(block.n_heads == 8);
  CHECK(block.n_kv_heads == 2);
  CHECK(block.head_dim_k == 128);
}

TEST_CASE("key-value heads that are not stated are as many as query heads") {
  CHECK(shape_of(without(plain("llama"), "num_key_value_heads")).n_kv_heads == std::vector{8});
  CHECK(shape_of(with(plain("llama"), {{"num_key_value_heads", nullptr}})).n_kv_heads == std::vector{8});
}

TEST_CASE("older names of the keys") {
  const model_shape gpt2 = shape_of({{"model_type", "gpt2"},
                                     {"n_embd", 768},
                                     {"n_layer", 12},
                                     {"n_head", 12},
                                     {"n_ctx", 1024},
                                     {"vocab_size", 50257}});
  CHECK(gpt2.n_layers == 12);
  CHECK(gpt2.d_ff == std::vector{3072});
  CHECK(gpt2.context_length == 1024);
  CHECK(gpt2.tied_embeddings);
  const model_shape chatglm = shape_of({{"model_type", "chatglm"},
                                        {"hidden_size", 4096},
                                        {"num_layers", 28},
                                        {"num_attention_heads", 32},
                                        {"multi_query_attention", true},
                                        {"multi_query_group_num", 2},
                                        {"kv_channels", 128},
                                        {"ffn_hidden_size", 13696},
                                        {"padded_vocab_size", 65024},
                                        {"seq_length", 8192}});
  CHECK(chatglm.n_kv_heads == std::vector{2});
  CHECK(chatglm.vocab_size == 65024);
  CHECK(chatglm.d_ff == std::vector{13696});
  const model_shape mpt = shape_of({{"model_type", "mpt"},
                                    {"d_model", 4096},
                                    {"n_layers", 32},
                                    {"n_heads", 32},
                                    {"expansion_ratio", 4},
                                    {"max_seq_len", 2048},
                                    {"vocab_size", 50432},
                                    {"attn_config", {{"kv_n_heads", 8}}}});
  CHECK(mpt.n_kv_heads == std::vector{8});
  CHECK(mpt.d_ff == std::vector{16384});
}

TEST_CASE("Falcon's heads: multi_query decides, unless the newer decoder states them") {
  const json falcon{{"model_type", "falcon"},
                    {"hidden_size", 4544},
                    {"num_hidden_layers", 2},
                    {"num_attention_heads", 71},
                    {"num_kv_heads", 71},
                    {"multi_query", true},
                    {"new_decoder_architecture", false},
                    {"vocab_size", 65024}};
  CHECK(shape_of(falcon).n_kv_heads == std::vector{1});
  CHECK(shape_of(falcon).context_length == 2048);
  CHECK(shape_of(falcon).d_ff == std::vector{4 * 4544});
  CHECK(shape_of(with(falcon, {{"multi_query", false}})).n_kv_heads == std::vector{71});
  const json newer = with(
      falcon,
      {{"num_attention_heads", 64}, {"hidden_size", 4096}, {"num_kv_heads", 8}, {"new_decoder_architecture", true}});
  CHECK(shape_of(newer).n_kv_heads == std::vector{8});
}

TEST_CASE("features are stated where the file contradicts the family, and only there") {
  CHECK((shape_of(with(plain("qwen3"), {{"attention_bias", false}})).features == tensor_features{}));
  const tensor_features biased =
      shape_of(with(plain("llama"), {{"attention_bias", true}, {"mlp_bias", true}})).features;
  CHECK(biased.qkv_bias == true);
  CHECK(biased.output_bias == true);
  CHECK(biased.feed_forward_bias == true);
  const tensor_features glm = shape_of(with(plain("glm4"), {{"attention_bias", true}})).features;
  CHECK(glm.qkv_bias == true);
  CHECK(!glm.output_bias);
  const json seed = with(plain("seed_oss"), {{"attention_bias", true}, {"attention_out_bias", false}});
  CHECK((shape_of(seed).features == tensor_features{}));
  CHECK(shape_of(with(plain("starcoder2"), {{"use_bias", false}})).features.feed_forward_bias == false);
  CHECK(shape_of(with(plain("stablelm"), {{"use_qkv_bias", true}})).features.qkv_bias == true);
  CHECK(shape_of(with(plain("cohere"), {{"use_qk_norm", true}})).features.qk_norm == true);
  // A norm without weights.
  CHECK(!shape_of(with(plain("llama4"), {{"use_qk_norm", true}, {"num_local_experts", 0}})).features.qk_norm);
}

TEST_CASE("a router's function tells whether it has a selection bias") {
  json config = with(with(plain("deepseek_v2"), latent), experts);
  CHECK(!shape_of(config).features.router_bias);
  CHECK(shape_of(with(config, {{"scoring_func", "softmax"}})).features.router_bias == false);
  CHECK(!shape_of(with(config, {{"scoring_func", "sigmoid"}})).features.router_bias);
  config = with(plain("qwen3_moe"), experts);
  CHECK(shape_of(with(config, {{"scoring_func", "sigmoid"}})).features.router_bias == true);
  config = with(plain("minimax_m2"), experts);
  CHECK(shape_of(with(config, {{"scoring_func", "sigmoid"}, {"use_routing_bias", false}})).features.router_bias ==
        false);
}

// ---- wrappers ----

TEST_CASE("the language model of a multimodal file") {
  const json inner = plain("llama");
  for (const char* const key : {"text_config", "llm_config", "lm_config", "language_config", "lfm"}) {
    const hugging_face_config config =
        read({{"model_type", "wrapper"}, {key, inner}, {"vision_config", json::object()}});
    CHECK(config.model_type == "llama");
    CHECK(config.shape == shape_of(inner));
    CHECK(noted(config, "encoders"));
  }
  const json omni{{"model_type", "qwen3_omni_moe"},
                  {"thinker_config", {{"text_config", with(plain("qwen3_omni_moe_text"), experts)}}}};
  CHECK(shape_of(omni).family == "qwen3vlmoe");
  // What the inner object leaves out, the outer one states.
  json outer{{"model_type", "llava"}, {"text_config", without(inner, "vocab_size")}, {"vocab_size", 32064}};
  CHECK(shape_of(outer).vocab_size == 32064);
  // A null inside is stated: nothing outside counts then.
  outer["text_config"]["sliding_window"] = nullptr;
  outer["sliding_window"] = 4096;
  CHECK(read(outer).notes.empty());
}

TEST_CASE("the outer object decides about tied embeddings") {
  json config{{"model_type", "qwen3_vl_moe"},
              {"tie_word_embeddings", false},
              {"text_config", with(with(plain("qwen3_vl_moe_text"), experts), {{"tie_word_embeddings", true}})}};
  CHECK(!shape_of(config).tied_embeddings);
  config.erase("tie_word_embeddings");
  CHECK(shape_of(config).tied_embeddings);
  config["text_config"].erase("tie_word_embeddings");
  CHECK(!shape_of(config).tied_embeddings);
  const hugging_face_config gemma = read(without(plain("gemma2"), "tie_word_embeddings"));
  CHECK(gemma.shape.tied_embeddings);
  CHECK(noted(gemma, "tie_word_embeddings"));
}

TEST_CASE("defaults of the class fill in what multimodal files leave out") {
  const json config{{"model_type", "gemma3"},
                    {"text_config",
                     {{"model_type", "gemma3_text"},
                      {"hidden_size", 2560},
                      {"intermediate_size", 10240},
                      {"num_hidden_layers", 34},
                      {"sliding_window", 1024}}}};
  const hugging_face_config read_config = read(config);
  CHECK(read_config.shape.n_heads == std::vector{8});
  CHECK(read_config.shape.n_kv_heads == std::vector{4});
  CHECK(read_config.shape.head_dim_k == 256);
  CHECK(read_config.shape.context_length == 131072);
  CHECK(read_config.shape.vocab_size == 262144);
  CHECK(noted(read_config, "num_attention_heads is not stated: 8"));
  const json llava{
      {"model_type", "llava"},
      {"text_config", {{"model_type", "llama"}, {"max_position_embeddings", 4096}, {"vocab_size", 32064}}}};
  CHECK(shape_of(llava).n_layers == 32);
  // Not in a file of the model itself.
  CHECK(contains(fault(without(plain("llama"), "num_hidden_layers")), "no key 'num_hidden_layers'"));
}

TEST_CASE("a wrapper's family counts where its language part has another") {
  json config{{"model_type", "mistral3"}, {"text_config", plain("mistral")}};
  CHECK(shape_of(config).family == "mistral3");
  config["text_config"]["model_type"] = "mistral4";
  config["text_config"].update(latent);
  config["text_config"].update(experts);
  CHECK(shape_of(config).family == "mistral4");
  CHECK(shape_of(with(plain("deepseek_ref"), {{"architectures", {"Qwen3ForCausalLM"}}})).family == "qwen3");
  CHECK(shape_of(with(with(plain("bailing_moe"), experts), {{"architectures", {"BailingMoeV2ForCausalLM"}}})).family ==
        "bailingmoe2");
}

// ---- windows ----

TEST_CASE("windows by the class's period, a stated one, a text or a list") {
  CHECK(mixers(shape_of(plain("gemma2"))) == "sfsfsfsf");
  CHECK(shape_of(plain("gemma2")).sliding_window == 4096);
  CHECK(shape_of(plain("gemma2")).mixers ==
        std::vector<run<mixer_kind>>{{mixer_kind::sliding, 1}, {mixer_kind::full, 1}});
  const json gemma3 = with(plain("gemma3_text"), {{"sliding_window", 512}});
  CHECK(mixers(shape_of(gemma3)) == "sssssfss");
  CHECK(mixers(shape_of(with(gemma3, {{"sliding_window_pattern", 4}}))) == "sssfsssf");
  CHECK(mixers(shape_of(with(gemma3, {{"_sliding_window_pattern", 2}}))) == "sfsfsfsf");
  CHECK(mixers(shape_of(with(gemma3, {{"sliding_window_pattern", 1}}))) == "ffffffff");
  CHECK(mixers(shape_of(with(gemma3, {{"layer_types", layer_types("ffffssss")}}))) == "ffffssss");
  const json exaone = with(plain("exaone4"), {{"sliding_window", 4096}, {"sliding_window_pattern", "LLG"}});
  CHECK(mixers(shape_of(exaone)) == "ssfssfss");
  CHECK(mixers(shape_of(with(exaone, {{"sliding_window", nullptr}}))) == "ffffffff");
  CHECK(mixers(shape_of(plain("cohere2"))) == "sssfsssf");
  CHECK(mixers(shape_of(plain("olmo2"))) == "ffffffff");
  CHECK(mixers(shape_of(with(plain("olmo3"), {{"sliding_window", 4096}}))) == "sssfsssf");
  const json mimo = with(plain("mimo_v2_flash"), {{"sliding_window", 128},
                                                  {"hybrid_layer_pattern", {0, 1, 1, 1, 0, 1, 1, 1}},
                                                  {"swa_num_key_value_heads", 4},
                                                  {"head_dim", 192},
                                                  {"v_head_dim", 128}});
  CHECK(mixers(shape_of(mimo)) == "fsssfsss");
  CHECK(make_architecture(shape_of(mimo)).layers[1].n_kv_heads == 4);
  CHECK(make_architecture(shape_of(mimo)).layers[0].head_dim_v == 128);
  CHECK(contains(fault(without(mimo, "hybrid_layer_pattern")), "no key 'hybrid_layer_pattern'"));
}

TEST_CASE("Llama 4 attends to chunks but for every fourth layer") {
  const json llama4 = with(plain("llama4_text"), {{"num_local_experts", 4},
                                                  {"num_experts_per_tok", 1},
                                                  {"intermediate_size_mlp", 8192},
                                                  {"interleave_moe_layer_step", 2}});
  CHECK(mixers(shape_of(llama4)) == "cccfcccf");
  CHECK(shape_of(llama4).sliding_window == 8192);
  CHECK(feeds(shape_of(llama4)) == "dededede");
  CHECK(shape_of(llama4).d_ff == std::vector{8192});
  CHECK(shape_of(llama4).experts->d_ff_expert == 4096);
  CHECK(shape_of(llama4).experts->d_ff_shared == 4096);
  CHECK(mixers(shape_of(with(llama4, {{"no_rope_layers", {1, 0, 1, 0, 1, 0, 1, 0}}}))) == "cfcfcfcf");
  CHECK(mixers(shape_of(with(llama4, {{"no_rope_layer_interval", 2}}))) == "cfcfcfcf");
  CHECK(mixers(shape_of(with(llama4, {{"layer_types", layer_types("ffffffff")}}))) == "ffffffff");
  CHECK(feeds(shape_of(with(llama4, {{"moe_layers", {0, 7}}}))) == "edddddde");
}

TEST_CASE("a window that llama.cpp does not use is noted, a window that the file switches off is not") {
  const hugging_face_config mistral = read(with(plain("mistral"), {{"sliding_window", 4096}}));
  CHECK(mixers(mistral.shape) == "ffffffff");
  CHECK(mistral.shape.sliding_window == 0);
  CHECK(noted(mistral, "sliding_window 4096 is not used"));
  CHECK(read(with(plain("qwen2"), {{"sliding_window", 4096}, {"use_sliding_window", false}})).notes.empty());
  CHECK(read(with(plain("phi3"), {{"sliding_window", 262144}})).notes.empty());
}

// ---- hybrids ----

TEST_CASE("Nemotron-H: a letter or a word a layer") {
  const json config = with(plain("nemotron_h"), {{"hybrid_override_pattern", "M-M*M-MM"},
                                                 {"ssm_state_size", 128},
                                                 {"conv_kernel", 4},
                                                 {"n_groups", 8},
                                                 {"mamba_num_heads", 16},
                                                 {"mamba_head_dim", 64},
                                                 {"head_dim", 128}});
  const model_shape dense = shape_of(config);
  CHECK(dense.family == "nemotron_h");
  CHECK(mixers(dense) == "n-nfn-nn");
  CHECK(feeds(dense) == "-d---d--");
  CHECK((dense.recurrent == recurrent_shape{4, 1024, 128, 8, 16}));
  const json with_experts = with(with(config, experts), {{"hybrid_override_pattern", "MEM*MEME"},
                                                         {"moe_shared_expert_intermediate_size", 1024},
                                                         {"n_shared_experts", 1},
                                                         {"moe_latent_size", 256}});
  const model_shape moe = shape_of(with_experts);
  CHECK(moe.family == "nemotron_h_moe");
  CHECK(feeds(moe) == "-e---e-e");
  CHECK((moe.experts == expert_shape{16, 2, 512, 1, 1024, 256}));
  // Experts that no layer has (defaults that newer transformers write out).
  CHECK(!shape_of(with(config, experts)).experts);
  const json words = {"mamba", "mlp", "mamba", "attention", "mamba", "moe", "mamba", "mamba"};
  json listed = without(with_experts, "hybrid_override_pattern");
  listed["layers_block_type"] = words;
  CHECK(feeds(shape_of(listed)) == "-d---e--");
  CHECK(shape_of(without(listed, "num_hidden_layers")).n_layers == 8);
  CHECK(contains(fault(with(config, {{"hybrid_override_pattern", "MMM"}})), "/hybrid_override_pattern"));
  CHECK(contains(fault(with(config, {{"hybrid_override_pattern", "MMMMMMMX"}})), R"("X")"));
}

TEST_CASE("Jamba: attention and experts by period and offset") {
  const json config = with(plain("jamba"), {{"num_experts", 4},
                                            {"num_experts_per_tok", 2},
                                            {"attn_layer_period", 4},
                                            {"attn_layer_offset", 1},
                                            {"expert_layer_period", 2},
                                            {"expert_layer_offset", 1},
                                            {"mamba_expand", 2},
                                            {"mamba_dt_rank", "auto"}});
  CHECK(mixers(shape_of(config)) == "mfmmmfmm");
  CHECK(feeds(shape_of(config)) == "dededede");
  CHECK((shape_of(config).recurrent == recurrent_shape{4, 2048, 16, 0, 64}));
  CHECK(shape_of(config).experts->d_ff_expert == 4096);
  CHECK(feeds(shape_of(with(config, {{"num_experts", 1}}))) == "dddddddd");
}

TEST_CASE("Granite 4 and Bamba: a list, indices or a period; without state space they are other families") {
  const json config = with(plain("granitemoehybrid"), {{"num_local_experts", 0},
                                                       {"shared_intermediate_size", 3072},
                                                       {"layer_types", layer_types("nnannnan")},
                                                       {"mamba_n_heads", 32},
                                                       {"mamba_d_head", 64},
                                                       {"mamba_d_state", 128},
                                                       {"mamba_n_groups", 1}});
  CHECK(mixers(shape_of(config)) == "nnfnnnfn");
  CHECK(shape_of(config).d_ff == std::vector{3072});
  CHECK((shape_of(config).recurrent == recurrent_shape{4, 2048, 128, 1, 32}));
  const model_shape attention_only = shape_of(with(config, {{"layer_types", layer_types("aaaaaaaa")}}));
  CHECK(attention_only.family == "granite");
  CHECK(!attention_only.recurrent);
  const json moe = with(config, {{"num_local_experts", 8}, {"num_experts_per_tok", 2}});
  CHECK((shape_of(moe).experts == expert_shape{8, 2, 4096, 1, 3072, 0}));
  const json bamba = without(with(plain("bamba"), {{"attn_layer_indices", {1, 5}}, {"mamba_n_heads", 32}}), "head_dim");
  CHECK(mixers(shape_of(bamba)) == "nfnnnfnn");
  CHECK(mixers(shape_of(with(without(bamba, "attn_layer_indices"),
                             {{"attn_layer_period", 4}, {"attn_layer_offset", 2}}))) == "nnfnnnfn");
}

TEST_CASE("Kimi Linear counts its layers from one") {
  const json linear{{"full_attn_layers", {4, 8}}, {"head_dim", 128}, {"num_heads", 8}, {"short_conv_kernel_size", 4}};
  json config = with(with(plain("kimi_linear"), latent), {{"linear_attn_config", linear}});
  CHECK(mixers(shape_of(config)) == "kkklkkkl");
  CHECK((shape_of(config).recurrent == recurrent_shape{4, 1024, 128, 0, 8}));
  config["linear_attn_config"]["full_attn_layers"] = {0};
  CHECK(contains(fault(config), "/linear_attn_config/full_attn_layers/0: got 0"));
  config["linear_attn_config"]["full_attn_layers"] = {9};
  CHECK(contains(fault(config), "expected an integer from 1 to 8"));
}

TEST_CASE("LFM2: convolutions by list or by index, and its own width") {
  const json config =
      with(plain("lfm2"),
           {{"full_attn_idxs", {2, 5}}, {"conv_L_cache", 3}, {"block_ff_dim", 6000}, {"block_multiple_of", 256}});
  CHECK(mixers(shape_of(config)) == "vvfvvfvv");
  CHECK(shape_of(config).d_ff == std::vector{4096});
  CHECK(shape_of(with(config, {{"block_auto_adjust_ff_dim", false}})).d_ff == std::vector{6000});
  CHECK(shape_of(with(config, {{"block_ffn_dim_multiplier", 1.5}})).d_ff == std::vector{6144});
  CHECK(mixers(shape_of(with(config, {{"layer_types", layer_types("fvvvvvvv")}}))) == "fvvvvvvv");
}

TEST_CASE("gated delta nets: every fourth layer attends, or as listed") {
  const json config =
      with(with(with(plain("qwen3_next"), experts), delta_net), {{"shared_expert_intermediate_size", 512}});
  CHECK(mixers(shape_of(config)) == "dddfdddf");
  CHECK(shape_of(config).mixers.size() == 2);
  CHECK((shape_of(config).recurrent == recurrent_shape{4, 1024, 128, 4, 8}));
  CHECK(shape_of(config).experts->n_shared_experts == 1);
  CHECK(mixers(shape_of(with(config, {{"full_attention_interval", 2}}))) == "dfdfdfdf");
  CHECK(mixers(shape_of(with(config, {{"layer_types", layer_types("fddddddd")}}))) == "fddddddd");
  CHECK(contains(fault(without(config, "linear_key_head_dim")), "no key 'linear_key_head_dim'"));
}

TEST_CASE("models of state-space layers alone") {
  const json mamba{{"model_type", "mamba"}, {"hidden_size", 2560}, {"num_hidden_layers", 2}, {"vocab_size", 50280}};
  CHECK((shape_of(mamba).recurrent == recurrent_shape{4, 5120, 16, 0, 160}));
  CHECK(feeds(shape_of(mamba)) == "--");
  CHECK(shape_of(mamba).context_length == 1048576);
  const json falcon = with(mamba, {{"model_type", "falcon_mamba"}, {"intermediate_size", 5120}, {"expand", 16}});
  CHECK(shape_of(falcon).recurrent->d_inner == 5120);
  const json spaces{{"d_model", 2560},
                    {"n_layer", 2},
                    {"vocab_size", 50277},
                    {"ssm_cfg", {{"layer", "Mamba2"}}},
                    {"attn_layer_idx", json::array()},
                    {"pad_vocab_size_multiple", 16},
                    {"tie_embeddings", true}};
  CHECK(shape_of(spaces).family == "mamba2");
  CHECK(shape_of(spaces).vocab_size == 50288);
  CHECK((shape_of(spaces).recurrent == recurrent_shape{4, 5120, 128, 1, 80}));
  CHECK(contains(fault(with(spaces, {{"attn_layer_idx", {1}}})), "/attn_layer_idx"));
  const json codestral{{"model_type", "mamba2"}, {"hidden_size", 4096}, {"num_hidden_layers", 2}, {"num_heads", 128},
                       {"head_dim", 64},         {"state_size", 128},   {"n_groups", 8},          {"expand", 2},
                       {"conv_kernel", 4},       {"vocab_size", 32768}};
  CHECK((shape_of(codestral).recurrent == recurrent_shape{4, 8192, 128, 8, 128}));
  const json h1 = with(plain("falcon_h1"), {{"mamba_d_ssm", 1536},
                                            {"mamba_n_heads", 24},
                                            {"mamba_d_head", 64},
                                            {"mamba_d_state", 256},
                                            {"mamba_n_groups", 2},
                                            {"mamba_d_conv", 4}});
  CHECK(mixers(shape_of(h1)) == "bbbbbbbb");
  CHECK((shape_of(h1).recurrent == recurrent_shape{4, 1536, 256, 2, 24}));
}

// ---- experts ----

TEST_CASE("which layers have experts") {
  const json qwen = with(plain("qwen3_moe"), experts);
  CHECK(feeds(shape_of(qwen)) == "eeeeeeee");
  CHECK(feeds(shape_of(with(qwen, {{"decoder_sparse_step", 2}, {"mlp_only_layers", {3}}}))) == "dedddede");
  const json deepseek = with(with(plain("deepseek_v3"), latent), experts);
  CHECK(feeds(shape_of(with(deepseek, {{"first_k_dense_replace", 3}}))) == "dddeeeee");
  CHECK(feeds(shape_of(with(deepseek, {{"first_k_dense_replace", 1}, {"moe_layer_freq", 2}}))) == "ddededed");
  CHECK(feeds(shape_of(with(deepseek, {{"moe_layer_freq", {0, 0, 1, 1, 1, 1, 1, 0}}}))) == "ddeeeeed");
  const json types = {"dense", "sparse", "sparse", "sparse", "sparse", "sparse", "sparse", "sparse"};
  CHECK(feeds(shape_of(with(deepseek, {{"mlp_layer_types", types}}))) == "deeeeeee");
  const json ernie = with(plain("ernie4_5_moe"), {{"moe_num_experts", 16},
                                                  {"moe_k", 2},
                                                  {"moe_intermediate_size", 512},
                                                  {"moe_num_shared_experts", 2},
                                                  {"moe_layer_start_index", 1},
                                                  {"moe_layer_interval", 1}});
  CHECK(feeds(shape_of(ernie)) == "deeeeeee");
  CHECK((shape_of(ernie).experts == expert_shape{16, 2, 512, 2, 1024, 0}));
  const json step = with(plain("step3p5"), {{"moe_num_experts", 16},
                                            {"moe_top_k", 2},
                                            {"moe_intermediate_size", 512},
                                            {"share_expert_dim", 512},
                                            {"moe_layers_enum", "3,4,5,6,7"},
                                            {"layer_types", layer_types("fsssfsss")},
                                            {"sliding_window", 512},
                                            {"num_attention_groups", 2},
                                            {"attention_other_setting", {{"num_attention_heads", 16}}}});
  CHECK(feeds(shape_of(step)) == "dddeeeee");
  CHECK(make_architecture(shape_of(step)).layers[1].n_heads == 16);
  CHECK(contains(fault(with(step, {{"moe_layers_enum", "3;4"}})), "layer numbers with commas"));
}

TEST_CASE("widths of experts and shared experts") {
  const json mixtral = with(plain("mixtral"), {{"num_local_experts", 8}, {"num_experts_per_tok", 2}});
  CHECK((shape_of(mixtral).experts == expert_shape{8, 2, 4096, 0, 0, 0}));
  const json hunyuan = with(plain("hunyuan_v1_moe"), {{"num_experts", 64},
                                                      {"moe_topk", json(std::vector<int>(8, 8))},
                                                      {"moe_intermediate_size", json(std::vector<int>(8, 3072))},
                                                      {"num_shared_expert", json(std::vector<int>(8, 1))}});
  CHECK((shape_of(hunyuan).experts == expert_shape{64, 8, 3072, 1, 4096, 0}));
  CHECK(contains(fault(with(hunyuan, {{"moe_topk", {8, 8, 8, 8, 8, 8, 8, 4}}})), "one value for all layers"));
  const json ling = with(with(plain("bailing_moe_v2"), experts),
                         {{"num_shared_experts", 2}, {"moe_shared_expert_intermediate_size", 512}});
  CHECK(shape_of(ling).experts->d_ff_shared == 1024);
  const json coder = with(with(plain("qwen3_moe"), experts), {{"shared_expert_intermediate_size", 0}});
  CHECK(shape_of(coder).experts->n_shared_experts == 0);
  const json gemma = with(with(plain("gemma4_text"), experts), {{"sliding_window", 512}, {"enable_moe_block", false}});
  CHECK(!shape_of(gemma).experts);
  CHECK(shape_of(with(gemma, {{"enable_moe_block", true}})).experts);
}

TEST_CASE("DeciLM: heads and width block by block") {
  const auto block = [](json heads, json factor) {
    return json{
        {"attention", {{"n_heads_in_group", std::move(heads)}, {"no_op", false}, {"replace_with_linear", false}}},
        {"ffn", {{"ffn_mult", std::move(factor)}, {"no_op", false}}}};
  };
  json config =
      with(plain("nemotron-nas"), {{"num_hidden_layers", 3},
                                   {"num_key_value_heads", nullptr},
                                   {"intermediate_size", nullptr},
                                   {"block_configs", {block(4, 5.25), block(nullptr, 1.3125), block(2, nullptr)}}});
  const model_shape shape = shape_of(config);
  CHECK(shape.family == "deci");
  CHECK(mixers(shape) == "f-f");
  CHECK(shape.n_kv_heads == std::vector{2, 0, 4});
  CHECK(shape.d_ff == std::vector{3584, 1024, 0});  // 2/3 of the multiple of 1024, rounded up to 256
  CHECK(feeds(shape) == "dd-");
  config["block_configs"][1]["attention"]["replace_with_linear"] = true;
  CHECK(noted(read(config), "matrices"));
  config["block_configs"][0]["attention"]["n_heads_in_group"] = 3;
  CHECK(contains(fault(config), "/block_configs/0/attention/n_heads_in_group: got 3, expected a divisor"));
  config["block_configs"].erase(0);
  CHECK(contains(fault(config), "/block_configs: got 2 blocks, expected one per layer (3)"));
}

// ---- other parts ----

TEST_CASE("latent attention, indexers and prediction blocks") {
  const json deepseek = with(with(plain("deepseek_v3"), latent), {{"num_nextn_predict_layers", 1}, {"head_dim", 64}});
  const hugging_face_config config = read(deepseek);
  CHECK((config.shape.latent == latent_shape{0, 512, 128, 64, 128}));
  CHECK(config.shape.head_dim_k == 0);
  CHECK(mixers(config.shape) == "llllllll");
  CHECK(config.n_mtp_layers == 1);
  CHECK(config.shape.n_mtp_layers == 0);
  CHECK(noted(config, "multi-token-prediction"));
  const json types = {"full", "full", "shared", "shared", "shared", "full", "shared", "shared"};
  const json glm =
      with(with(deepseek, experts),
           {{"model_type", "glm_moe_dsa"}, {"index_head_dim", 128}, {"index_n_heads", 32}, {"indexer_types", types}});
  CHECK(shape_of(glm).n_mtp_layers == 1);
  CHECK(shape_of(glm).indexer_head_dim == 128);
  CHECK(shape_of(glm).indexer_n_heads == 32);
  CHECK(shape_of(glm).indexer_n_layers == 3);
  CHECK(contains(fault(without(glm, "index_head_dim")), "no key 'index_head_dim'"));
  CHECK(contains(fault(without(deepseek, "v_head_dim")), "no key 'v_head_dim'"));
}

TEST_CASE("Gemma 4: other heads in full layers, shared caches, double widths, per-layer inputs") {
  const json config = with(plain("gemma4_text"), {{"layer_types", layer_types("sssfsssf")},
                                                  {"sliding_window", 512},
                                                  {"head_dim", 256},
                                                  {"global_head_dim", 512},
                                                  {"num_global_key_value_heads", 1},
                                                  {"num_kv_shared_layers", 3},
                                                  {"use_double_wide_mlp", true},
                                                  {"hidden_size_per_layer_input", 256}});
  const std::vector<layer> layers = make_architecture(shape_of(config)).layers;
  CHECK(layers[0].head_dim_k == 256);
  CHECK(layers[0].n_kv_heads == 2);
  CHECK(layers[3].head_dim_k == 512);
  CHECK(layers[3].head_dim_v == 512);
  CHECK(layers[3].n_kv_heads == 1);
  CHECK(layers[4].owns_kv_cache);
  CHECK(!layers[5].owns_kv_cache);
  CHECK(layers[4].d_ff == 4096);
  CHECK(layers[5].d_ff == 8192);
  CHECK(shape_of(config).per_layer_embedding == 256);
  CHECK(shape_of(with(config, {{"num_global_key_value_heads", nullptr}})).sliding_n_kv_heads == 0);
}

TEST_CASE("lists of one value per layer") {
  const json gemma = with(plain("gemma3n_text"), {{"intermediate_size", json(std::vector<int>(8, 4096))}});
  CHECK(shape_of(gemma).d_ff == std::vector{4096});
  const json laguna =
      with(plain("laguna"), {{"num_attention_heads_per_layer", {8, 16, 16, 16, 8, 16, 16, 16}}, {"head_dim", 128}});
  CHECK(make_architecture(shape_of(laguna)).layers[1].n_heads == 16);
}

// ---- context ----

TEST_CASE("the context that the model takes") {
  CHECK(shape_of(with(plain("cohere"), {{"model_max_length", 131072}})).context_length == 131072);
  CHECK(shape_of(with(plain("llama"), {{"model_max_length", 131072}})).context_length == 8192);
  json kimi = without(plain("llama"), "max_position_embeddings");
  CHECK(contains(fault(kimi), "no key 'max_position_embeddings'"));
  kimi["model_max_length"] = 1048576;
  CHECK(shape_of(kimi).context_length == 1048576);
  const json dynamic{{"rope_scaling", {{"type", "dynamic"}, {"alpha", 1000.0}, {"factor", 1.0}}}};
  const hugging_face_config hunyuan = read(with(plain("hunyuan_v1_dense"), dynamic));
  CHECK(hunyuan.shape.context_length == 262144);
  CHECK(noted(hunyuan, "states 8192"));
  CHECK(shape_of(with(plain("llama"), dynamic)).context_length == 8192);
}

TEST_CASE("the context before positions were stretched") {
  const auto original = [](const json& rope) {
    return read(with(plain("llama"), {{"max_position_embeddings", 131072}, {"rope_scaling", rope}})).original_context;
  };
  CHECK(original({{"type", "yarn"}, {"factor", 32.0}, {"original_max_position_embeddings", 4096}}) == 4096);
  CHECK(original({{"rope_type", "linear"}, {"factor", 4}, {"original_max_position_embeddings", 32768}}) == 32768);
  CHECK(original({{"rope_type", "longrope"}, {"original_max_position_embeddings", 4096}}) == 4096);
  CHECK(original({{"rope_type", "yarn"},
                  {"full_attention", nullptr},
                  {"factor", 8},
                  {"original_max_position_embeddings", 16384}}) == 16384);
  // Trained with it, not stretched with it.
  CHECK(!original({{"rope_type", "llama3"}, {"factor", 8.0}, {"original_max_position_embeddings", 8192}}));
  CHECK(!original({{"rope_type", "yarn"}, {"factor", 1.0}, {"original_max_position_embeddings", 4096}}));
  CHECK(!original({{"rope_type", "default"}}));
  CHECK(!original({{"rope_type", "linear"}, {"factor", 8.0}}));
  CHECK(!original(nullptr));
  const json phi = with(plain("phi3"), {{"max_position_embeddings", 131072},
                                        {"original_max_position_embeddings", 4096},
                                        {"rope_scaling", {{"type", "longrope"}}}});
  CHECK(read(phi).original_context == 4096);
  CHECK(!read(with(phi, {{"rope_scaling", nullptr}})).original_context);
  // The scaling reaches further than the file says.
  const hugging_face_config qwen =
      read(with(plain("qwen2"),
                {{"max_position_embeddings", 32768},
                 {"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}}}}));
  CHECK(!qwen.original_context);
  CHECK(noted(qwen, "131072"));
  // Nested by layer kind.
  const json laguna = with(
      plain("laguna"),
      {{"max_position_embeddings", 262144},
       {"rope_parameters", {{"full_attention", {{"rope_type", "yarn"}, {"original_max_position_embeddings", 8192}}}}}});
  CHECK(read(laguna).original_context == 8192);
}

// ---- quantisation ----

TEST_CASE("the number format of the weights") {
  const auto format = [](const json& more) { return read(with(plain("llama"), more)).quantization; };
  const auto config = [&](const json& part) {
    return format({{"torch_dtype", "bfloat16"}, {"quantization_config", part}});
  };
  CHECK(format(json::object()).empty());
  CHECK(format({{"torch_dtype", "bfloat16"}}) == "BF16");
  CHECK(format({{"dtype", "torch.float16"}}) == "F16");
  CHECK(format({{"torch_dtype", "float32"}}) == "F32");
  CHECK(format({{"torch_dtype", "auto"}}).empty());
  CHECK(format({{"torch_dtype", "bfloat16"}, {"quantization_config", nullptr}}) == "BF16");

  CHECK(config({{"quant_method", "awq"}, {"bits", 4}, {"group_size", 128}}) == "AWQ");
  CHECK(config({{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 128}}) == "GPTQ");
  CHECK(config({{"quant_method", "gptq"}, {"bits", 8}, {"group_size", 128}}) == "GPTQ 8-bit");
  CHECK(config({{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 32}}) == "GPTQ 4-bit group 32");
  CHECK(config({{"quant_method", "gptq"}, {"bits", 4}, {"group_size", -1}}) == "GPTQ 4-bit group -1");
  CHECK(config({{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}}) == "FP8");
  CHECK(config({{"quant_method", "fp8"}, {"weight_block_size", nullptr}}) == "FP8_TENSOR");
  CHECK(config({{"quant_method", "fbgemm_fp8"}}) == "FP8_TENSOR");
  CHECK(format({{"expert_dtype", "fp4"},
                {"quantization_config", {{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}}}}) ==
        "FP8 with FP4 experts");
  CHECK(config({{"quant_method", "mxfp4"}}) == "MXFP4");
  CHECK(config({{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"load_in_8bit", false}}) ==
        "bitsandbytes 4-bit");
  CHECK(config({{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}}) == "bitsandbytes 8-bit");
  CHECK(config({{"quant_method", "bitnet"}}) == "bitnet");
  CHECK(config({{"quant_method", "hqq"}, {"nbits", 3}}) == "hqq 3-bit");

  const auto packed = [&](const std::string& kind, const json& weights) {
    return config({{"quant_method", "compressed-tensors"},
                   {"format", kind},
                   {"config_groups", {{"group_0", {{"weights", weights}}}}}});
  };
  CHECK(packed("pack-quantized", {{"num_bits", 4}, {"type", "int"}}) == "compressed-tensors 4-bit");
  CHECK(packed("int-quantized", {{"num_bits", 8}, {"type", "int"}}) == "compressed-tensors 8-bit");
  CHECK(packed("float-quantized", {{"num_bits", 8}, {"type", "float"}, {"strategy", "channel"}}) == "FP8_TENSOR");
  CHECK(packed("float-quantized", {{"num_bits", 8}, {"type", "float"}, {"strategy", "block"}}) == "FP8");
  CHECK(packed("nvfp4-pack-quantized", {{"num_bits", 4}, {"type", "float"}, {"group_size", 16}}) == "NVFP4");
  CHECK(packed("mxfp4-pack-quantized", {{"num_bits", 4}, {"type", "float"}, {"group_size", 32}}) == "MXFP4");
  const json two{{"a", {{"weights", {{"num_bits", 4}, {"type", "int"}}}}},
                 {"b", {{"weights", {{"num_bits", 8}, {"type", "int"}}}}}};
  CHECK(config({{"quant_method", "compressed-tensors"}, {"config_groups", two}}) == "compressed-tensors mixed");

  CHECK(config({{"quant_method", "modelopt"}, {"quant_algo", "NVFP4"}}) == "NVFP4");
  CHECK(config({{"quant_algo", "FP8"}}) == "FP8_TENSOR");
  CHECK(config({{"quant_method", "modelopt"}, {"quantization", {{"quant_algo", "FP8_PB_WO"}}}}) == "FP8");
  CHECK(config({{"quant_method", "modelopt"}, {"quant_algo", "MIXED_PRECISION"}}) == "modelopt MIXED_PRECISION");

  const auto mlx = [&](const json& part) { return format({{"quantization", part}, {"quantization_config", part}}); };
  CHECK(mlx({{"group_size", 64}, {"bits", 4}}) == "MLX-4BIT");
  CHECK(mlx({{"group_size", 64}, {"bits", 8}, {"mode", "affine"}}) == "MLX-8BIT");
  CHECK(mlx({{"group_size", 32}, {"bits", 4}}) == "MLX 4-bit group 32");
  CHECK(mlx({{"group_size", 64}, {"bits", 3}}) == "MLX 3-bit");
  CHECK(mlx({{"group_size", 32}, {"bits", 4}, {"mode", "mxfp4"}}) == "MLX mxfp4 4-bit group 32");
  CHECK(mlx({{"group_size", 64}, {"bits", 4}, {"model.layers.0.mlp", {{"group_size", 64}, {"bits", 6}}}}) ==
        "MLX mixed");
  CHECK(format({{"quantization", "something else"}, {"torch_dtype", "bfloat16"}}) == "BF16");
  // Beside the language model, or in it.
  json inside = plain("kimi_k2");
  inside.update(latent);
  inside["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}};
  CHECK(read({{"model_type", "kimi_k25"}, {"text_config", inside}}).quantization == "FP8");
  inside.erase("quantization_config");
  CHECK(
      read({{"model_type", "kimi_k25"}, {"text_config", inside}, {"quantization_config", {{"quant_method", "mxfp4"}}}})
          .quantization == "MXFP4");
}

// ---- what is not known ----

TEST_CASE("an unknown model type is read by the usual keys") {
  const hugging_face_config config =
      read(with(plain("brand_new"),
                {{"architectures", {"BrandNewForCausalLM"}}, {"attention_bias", true}, {"use_qk_norm", true}}));
  CHECK(!config.family_known);
  CHECK(config.shape.family == "brand_new");
  CHECK(noted(config, "\"brand_new\" is not known"));
  CHECK(config.shape.features.qkv_bias == true);
  CHECK(config.shape.features.qk_norm == true);
  CHECK(make_architecture(config.shape).layers.size() == 8);
  // Latent attention, experts and listed windows are usual keys too.
  const json more = with(with(plain("brand_new"), latent), experts);
  CHECK(mixers(shape_of(more)) == "llllllll");
  CHECK(feeds(shape_of(more)) == "eeeeeeee");
  const json listed = with(plain("brand_new"), {{"sliding_window", 512}, {"layer_types", layer_types("sdffsdff")}});
  CHECK(mixers(shape_of(listed)) == "sfffsfff");
  CHECK(noted(read(with(plain("brand_new"), {{"sliding_window", 512}})), "sliding_window 512 is not used"));
  CHECK(shape_of(without(plain("x"), "model_type")).family == "unknown");
}

TEST_CASE("what is no language model is refused with what was expected") {
  const std::string expected = "causal language model";
  CHECK(contains(fault(json::array({1, 2})), expected));
  CHECK(contains(fault(json(nullptr)), expected));
  CHECK(contains(fault(json("text")), expected));
  CHECK(contains(fault(json::object()), expected));
  CHECK(contains(fault(json{{"_class_name", "UNet2DConditionModel"}, {"sample_size", 64}}), "diffusers"));
  CHECK(contains(fault(json{{"model_type", "clip"}, {"text_config", plain("clip_text_model")}}), "\"clip\""));
  CHECK(contains(fault(json{{"model_type", "siglip_vision_model"}, {"hidden_size", 1152}}), expected));
  CHECK(contains(fault(with(plain("t5"), {{"is_encoder_decoder", true}})), "encoder-decoder"));
  CHECK(contains(fault(with(plain("roberta"), {{"architectures", {"RobertaForMaskedLM"}}})), expected));
  CHECK(contains(fault(with(plain("new_thing"), {{"architectures", {"NewForImageClassification"}}})), expected));
  // A ranking head on a language model changes nothing in its layers.
  CHECK(fault(with(plain("qwen3"), {{"architectures", {"Qwen3ForSequenceClassification"}}})) == "no error");
}

TEST_CASE("a missing key is named") {
  for (const char* const key : {"hidden_size", "num_hidden_layers", "vocab_size", "num_attention_heads",
                                "intermediate_size", "max_position_embeddings"}) {
    CHECK(contains(fault(without(plain("llama"), key)), "no key '" + std::string{key} + "', expected that key"));
    CHECK(contains(fault(with(plain("unheard_of"), {{key, nullptr}})), "no key '" + std::string{key} + "'"));
  }
  json nested{{"model_type", "gemma3"}, {"text_config", without(plain("gemma3_text"), "hidden_size")}};
  CHECK(contains(fault(nested), "/text_config: got no key 'hidden_size'"));
}

// ---- hostile input ----

TEST_CASE("numbers out of range are refused with pointer, value and range") {
  const auto with_value = [](const std::string& key, const json& value) {
    return fault(with(plain("llama"), {{key, value}}));
  };
  CHECK(contains(with_value("num_hidden_layers", -1), "/num_hidden_layers: got -1"));
  CHECK(contains(with_value("num_hidden_layers", 0), "/num_hidden_layers: got 0"));
  CHECK(contains(with_value("num_hidden_layers", 4097), "from 1 to 4096"));
  CHECK(contains(with_value("num_hidden_layers", 8.5), "/num_hidden_layers: got 8.5"));
  CHECK(contains(with_value("num_hidden_layers", "8"), "/num_hidden_layers: got \"8\""));
  CHECK(contains(with_value("num_hidden_layers", true), "/num_hidden_layers: got true"));
  CHECK(contains(with_value("hidden_size", 0), "/hidden_size"));
  CHECK(contains(with_value("hidden_size", 2147483648), "/hidden_size: got 2147483648"));
  CHECK(contains(with_value("hidden_size", 2147483647), "d_model"));
  CHECK(contains(with_value("vocab_size", UINT64_MAX), "/vocab_size"));
  CHECK(contains(with_value("vocab_size", 0), "vocab_size"));
  CHECK(contains(with_value("num_attention_heads", 7), "multiple of n_heads"));
  CHECK(contains(with_value("num_key_value_heads", 3), "divisor"));
  CHECK(contains(with_value("num_key_value_heads", json::array()), "/num_key_value_heads"));
  CHECK(contains(with_value("num_key_value_heads", {2, 2, 1}), "n_kv_heads"));
  CHECK(contains(with_value("max_position_embeddings", 1e30), "/max_position_embeddings"));
  CHECK(contains(with_value("max_position_embeddings", 1073741825), "/max_position_embeddings"));
  CHECK(contains(with_value("model_type", std::string(101, 'x')), "/model_type"));
  CHECK(contains(with_value("architectures", "LlamaForCausalLM"), "/architectures"));
  CHECK(contains(with_value("rope_scaling", 3), "/rope_scaling"));
  CHECK(contains(with_value("text_config", 3), "/text_config: got 3, expected an object"));
  CHECK(contains(with_value("tie_word_embeddings", 1), "/tie_word_embeddings"));
}

TEST_CASE("products of stated numbers do not overflow") {
  CHECK(contains(fault(with(with(plain("qwen3_next"), delta_net),
                            {{"linear_num_value_heads", 100000}, {"linear_value_head_dim", 100000}})),
                 "/linear_value_head_dim"));
  CHECK(contains(fault(with(plain("mamba"),
                            {{"hidden_size", 2000000000}, {"expand", 2000000000}, {"intermediate_size", nullptr}})),
                 "/hidden_size"));
  CHECK(contains(fault(with(plain("falcon"), {{"hidden_size", 2000000000}, {"intermediate_size", nullptr}})),
                 "/hidden_size"));
  const json moe = with(with(plain("deepseek_v3"), latent), experts);
  CHECK(contains(fault(with(moe, {{"n_shared_experts", 2000000000}})), "product"));
  CHECK(contains(fault(with(plain("lfm2"), {{"block_ff_dim", 2147483647}, {"block_ffn_dim_multiplier", 999.0}})),
                 "product"));
  CHECK(contains(fault(with(plain("lfm2"), {{"block_ffn_dim_multiplier", 1e300}})), "/block_ffn_dim_multiplier"));
  CHECK(contains(fault(with(plain("mamba2"), {{"vocab_size", 2147483647}, {"pad_vocab_size_multiple", 2147483646}})),
                 "/vocab_size"));
}

TEST_CASE("a list of another length than the layers is refused") {
  const json gemma = with(plain("gemma3_text"), {{"sliding_window", 512}, {"layer_types", layer_types("ssf")}});
  CHECK(contains(fault(gemma), "/layer_types: got 3 values, expected one per layer (8)"));
  CHECK(contains(fault(with(gemma, {{"layer_types", layer_types("ssssssssssss")}})), "got 12 values"));
  CHECK(contains(fault(with(gemma, {{"layer_types", "full"}})), "/layer_types"));
  CHECK(contains(fault(with(gemma, {{"layer_types", {1, 2, 3, 4, 5, 6, 7, 8}}})), "/layer_types/0: got 1"));
  json odd = layer_types("ssssssss");
  odd[3] = "odd_attention";
  CHECK(contains(fault(with(gemma, {{"layer_types", odd}})), "/layer_types/3: got \"odd_attention\""));
  const json moe = with(plain("qwen3_moe"), experts);
  CHECK(contains(fault(with(moe, {{"mlp_only_layers", {8}}})), "/mlp_only_layers/0: got 8"));
  CHECK(contains(fault(with(moe, {{"mlp_layer_types", {"dense"}}})), "got 1 values"));
  CHECK(contains(fault(with(moe, {{"num_experts_per_tok", 17}})), "experts.n_experts_per_token"));
  // Prediction blocks may go on in the lists.
  const json step = with(gemma, {{"layer_types", layer_types("sssssssff")}, {"num_nextn_predict_layers", 1}});
  CHECK(mixers(shape_of(step)) == "sssssssf");
}

TEST_CASE("Python's Infinity and NaN are tolerated where nobody reads them, and only outside of texts") {
  std::string text = plain("llama").dump();
  text.pop_back();
  CHECK(fault(text + R"(, "time_step_limit": [0.0, Infinity], "a": -Infinity, "b": NaN})") == "no error");
  CHECK(fault(text + R"(, "a": "NaN \" Infinity", "b":Infinity})") == "no error");
  CHECK(contains(fault(text + R"(, "num_experts": NaN})"), "/num_experts: got \"NaN\""));
  CHECK(contains(fault(text + R"(, "sliding_window": -Infinity})"), "/sliding_window: got \"-Infinity\""));
  CHECK(contains(fault(text + ", \"a\": 1e999}"), "number overflow"));
  CHECK(contains(fault(text + ", \"a\": +Infinity}"), "not JSON"));
  CHECK(contains(fault(text + ", \"a\": Infinityx}"), "not JSON"));
  CHECK(contains(fault(text + ", NaN: 1}"), "no error"));  // a key that nobody reads
}

TEST_CASE("a file that is no JSON, too deep, or states a key twice is refused") {
  CHECK(contains(fault(std::string{}), "not JSON"));
  CHECK(contains(fault(std::string{"\xff\xfe{"}), "not JSON"));
  std::string text = plain("llama").dump();
  CHECK(contains(fault(text + "}"), "not JSON"));
  text.pop_back();
  CHECK(contains(fault(text + ", \"hidden_size\": 5}"), "twice"));
  CHECK(contains(fault(text + ", \"a\": " + std::string(100, '[') + std::string(100, ']') + "}"), "nesting"));
  CHECK(contains(fault(std::string(std::size_t{17} << 20U, ' ')), "at most"));
}

TEST_CASE("a file cut anywhere is refused") {
  json config = with(with(plain("qwen3_next"), delta_net), experts);
  config["rope_scaling"] = {{"type", "yarn"}, {"factor", 4.0}};
  const std::string text = config.dump();
  REQUIRE(fault(text) == "no error");
  for (std::size_t i = 0; i < text.size(); ++i) CHECK(fault(text.substr(0, i)) != "no error");
}

TEST_CASE("any value under any key gives a shape that holds or a data_error") {
  const json nemotron = with(with(plain("nemotron_h"), experts), {{"hybrid_override_pattern", "MEM*MEME"},
                                                                  {"mamba_num_heads", 16},
                                                                  {"mamba_head_dim", 64},
                                                                  {"n_shared_experts", 1}});
  const json linear{{"full_attn_layers", {4, 8}}, {"head_dim", 128}, {"num_heads", 8}, {"short_conv_kernel_size", 4}};
  const json rope{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 4096}};
  const std::vector<json> bases{
      with(plain("llama"), {{"rope_scaling", rope}, {"quantization_config", {{"quant_method", "gptq"}, {"bits", 4}}}}),
      with(plain("gemma4_text"), {{"layer_types", layer_types("sssfsssf")},
                                  {"sliding_window", 512},
                                  {"num_kv_shared_layers", 3},
                                  {"use_double_wide_mlp", true},
                                  {"num_global_key_value_heads", 1},
                                  {"hidden_size_per_layer_input", 64}}),
      with(with(with(plain("glm_moe_dsa"), latent), experts), {{"index_head_dim", 128},
                                                               {"index_n_heads", 8},
                                                               {"num_nextn_predict_layers", 1},
                                                               {"first_k_dense_replace", 1}}),
      nemotron,
      with(with(plain("qwen3_next"), delta_net), experts),
      with(with(plain("kimi_linear"), latent), {{"linear_attn_config", linear}}),
      with(plain("jamba"),
           {{"num_experts", 4}, {"num_experts_per_tok", 2}, {"mamba_dt_rank", 64}, {"attn_layer_period", 4}}),
      with(plain("lfm2"), {{"full_attn_idxs", {2, 5}}, {"block_ff_dim", 6000}, {"block_multiple_of", 256}}),
      with(plain("llama4_text"), {{"num_local_experts", 4},
                                  {"num_experts_per_tok", 1},
                                  {"interleave_moe_layer_step", 2},
                                  {"no_rope_layers", {1, 1, 1, 0, 1, 1, 1, 0}}}),
      with(plain("granitemoehybrid"), {{"layer_types", layer_types("nnannnan")}, {"mamba_n_heads", 32}}),
      {{"model_type", "gemma3"}, {"text_config", plain("gemma3_text")}, {"vision_config", json::object()}},
      with(plain("unheard_of"),
           {{"kv_lora_rank", 0}, {"sliding_window", 512}, {"layer_types", layer_types("ssssssff")}}),
  };
  const std::vector<json> values{nullptr,
                                 true,
                                 false,
                                 0,
                                 1,
                                 -1,
                                 2,
                                 3,
                                 7,
                                 255,
                                 2147483647,
                                 2147483648,
                                 INT64_MIN,
                                 UINT64_MAX,
                                 0.5,
                                 -1e300,
                                 "",
                                 "auto",
                                 "E*-M",
                                 "\xc3\xa9",
                                 json::array(),
                                 json::array({1}),
                                 json::array({nullptr}),
                                 json::array({json::array()}),
                                 json(std::vector<int>(8, 1)),
                                 json(std::vector<int>(8, -1)),
                                 json::object(),
                                 json{{"bits", -4}},
                                 json{{"attention", 1}}};
  int shapes = 0;
  int faults = 0;
  const auto attempt = [&](const json& config) {
    try {
      (void)make_architecture(shape_of(config));
      ++shapes;
    } catch (const data_error&) {
      ++faults;
    }
  };
  for (const json& base : bases) {
    REQUIRE(fault(base) == "no error");
    for (const auto& item : base.items()) {
      for (const json& value : values) {
        attempt(with(base, {{item.key(), value}}));
        if (!item.value().is_object()) continue;
        for (const auto& part : item.value().items()) {
          attempt(with(base, {{item.key(), with(item.value(), {{part.key(), value}})}}));
        }
      }
    }
  }
  CHECK(shapes > 100);
  CHECK(faults > 1000);
}
