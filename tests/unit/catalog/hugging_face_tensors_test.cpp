// Roles of tensors by name. The names are those of published checkpoints and of gguf-py/gguf/tensor_mapping.py
// (unslothai/llama.cpp@d32676d77426).

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/safetensors.hpp>

using namespace sizer;

namespace {

struct expected_role {
  std::string_view name;
  weight_part part;
  tensor_use use = tensor_use::whole;
  std::int32_t layer = -1;
};

void check_roles(const std::vector<expected_role>& rows) {
  for (const expected_role& row : rows) {
    CAPTURE(row.name);
    CHECK(role_of_hugging_face_tensor(row.name) == tensor_role{row.part, row.use, row.layer, true});
  }
}

constexpr weight_part attention = weight_part::attention;
constexpr weight_part dense = weight_part::dense;
constexpr weight_part embedding = weight_part::embedding;
constexpr weight_part mtp = weight_part::mtp;
constexpr weight_part output = weight_part::output;
constexpr weight_part recurrent = weight_part::recurrent;
constexpr weight_part routed = weight_part::routed_expert;
constexpr weight_part shared = weight_part::shared_expert;
constexpr weight_part vision = weight_part::vision;
constexpr tensor_use expert = tensor_use::expert;
constexpr tensor_use row = tensor_use::row;
constexpr tensor_use tied = tensor_use::tied;
constexpr tensor_use unused = tensor_use::unused;
constexpr tensor_use whole = tensor_use::whole;

}  // namespace

TEST_CASE("roles: embeddings and heads") {
  check_roles({
      {"model.embed_tokens.weight", embedding, tied},
      {"model.language_model.embed_tokens.weight", embedding, tied},
      {"language_model.model.embed_tokens.weight", embedding, tied},
      {"transformer.wte.weight", embedding, tied},
      {"transformer.word_embeddings.weight", embedding, tied},
      {"backbone.embeddings.weight", embedding, tied},
      {"gpt_neox.embed_in.weight", embedding, tied},
      {"tok_embeddings.weight", embedding, tied},
      {"embed.weight", embedding, tied},
      {"transformer.embedding.word_embeddings.weight", embedding, tied},
      {"model.transformer.wte.new_embedding", embedding, tied},
      {"wpe.weight", embedding, row},
      {"model.language_model.embed_tokens_per_layer.weight", embedding, row},
      {"lm_head.weight", output},
      {"language_model.lm_head.weight", output},
      {"lm_head.bias", output},
      {"output.weight", output},
      {"head.weight", output},
      {"embed_out.weight", output},
      {"model.norm.weight", output},
      {"norm.weight", output},
      {"transformer.ln_f.bias", output},
      {"backbone.norm_f.weight", output},
      {"model.embedding_norm.weight", output},
      {"transformer.encoder.final_layernorm.weight", output},
      {"word_embeddings_layernorm.weight", output},
      {"model.language_model.per_layer_model_projection.weight", dense},
      {"model.altup_projections.0.weight", dense},
      {"hc_head_fn", dense},
  });
}

TEST_CASE("roles: attention, feed-forward networks and norms") {
  check_roles({
      {"model.layers.3.self_attn.q_proj.weight", attention, whole, 3},
      {"model.language_model.layers.61.self_attn.kv_a_proj_with_mqa.weight_scale_inv", attention, whole, 61},
      {"model.layers.0.self_attn.indexer.weights_proj.weight", attention, whole, 0},
      {"model.layers.0.self_attn.sinks", attention, whole, 0},
      {"model.layers.0.self_attn.gate_proj.weight", attention, whole, 0},
      {"model.layers.0.input_layernorm.weight", attention, whole, 0},
      {"layers.5.attention.wq.weight", attention, whole, 5},
      {"layers.5.attention.wq.qscale_weight", attention, whole, 5},
      {"layers.5.attention_norm.weight", attention, whole, 5},
      {"layers.2.attn.compressor.wgate.weight", attention, whole, 2},
      {"layers.2.hc_attn_fn", attention, whole, 2},
      {"transformer.h.2.self_attention.query_key_value.weight", attention, whole, 2},
      {"transformer.h.2.ln_attn.bias", attention, whole, 2},
      {"h.11.attn.c_attn.weight", attention, whole, 11},
      {"model.transformer.blocks.4.att_proj.bias", attention, whole, 4},
      {"backbone.layers.7.mixer.o_proj.weight", attention, whole, 7},
      {"model.layers.7.attention.query_key_value.weight", attention, whole, 7},
      {"model.layers.9.self_attn.linear_attn.weight", attention, whole, 9},  // Nemotron's replaced attention
      {"model.layers.3.mlp.gate_proj.weight", dense, whole, 3},
      {"model.layers.3.post_attention_layernorm.weight", dense, whole, 3},
      {"model.layers.3.pre_feedforward_layernorm.weight", dense, whole, 3},
      {"model.layers.3.mlp.fc1.bias", dense, whole, 3},
      {"model.layers.3.feed_forward.w1.weight", dense, whole, 3},
      {"layers.5.feed_forward.w2.weight", dense, whole, 5},
      {"transformer.h.2.mlp.dense_h_to_4h.weight", dense, whole, 2},
      {"h.11.ln_2.bias", dense, whole, 11},
      {"backbone.layers.7.mixer.up_proj.weight", dense, whole, 7},
      {"model.language_model.layers.1.per_layer_input_gate.weight", dense, whole, 1},
      {"model.language_model.layers.1.altup.modality_router.weight", dense, whole, 1},
      {"model.language_model.layers.1.layer_scalar", dense, whole, 1},
  });
}

TEST_CASE("roles: experts and routers") {
  check_roles({
      {"model.layers.3.mlp.experts.7.down_proj.weight", routed, expert, 3},
      {"model.layers.3.mlp.experts.7.down_proj.weight_scale_inv", routed, expert, 3},
      {"model.layers.3.mlp.experts.gate_up_proj_blocks", routed, expert, 3},
      {"model.layers.3.mlp.experts.gate_up_proj_bias", routed, expert, 3},
      {"model.layers.3.block_sparse_moe.experts.0.w1.weight", routed, expert, 3},
      {"model.layers.3.block_sparse_moe.input_linear.weight", routed, expert, 3},
      {"layers.3.block_sparse_moe.w2", routed, expert, 3},
      {"language_model.model.layers.3.feed_forward.experts.gate_up_proj", routed, expert, 3},
      {"model.layers.3.mlp.switch_mlp.up_proj.weight", routed, expert, 3},
      {"model.layers.4.moe.gate_proj.weight", routed, expert, 4},
      {"model.language_model.layers.4.experts.down_proj", routed, expert, 4},
      {"layers.3.ffn.experts.11.w1.scale", routed, expert, 3},
      {"layers.3.experts.11.w1.weight", routed, expert, 3},
      {"backbone.layers.3.mixer.experts.5.up_proj.weight", routed, expert, 3},
      {"model.layers.3.mlp.shared_experts.up_proj.weight", shared, whole, 3},
      {"model.layers.3.mlp.shared_expert_gate.weight", shared, whole, 3},
      {"model.layers.3.feed_forward.shared_expert.up_proj.weight", shared, whole, 3},
      {"model.layers.3.shared_mlp.input_linear.weight", shared, whole, 3},
      {"model.layers.3.mlp.shared_mlp.up_proj.weight", shared, whole, 3},
      {"model.layers.3.share_expert.up_proj.weight", shared, whole, 3},
      {"backbone.layers.3.mixer.shared_experts.up_proj.weight", shared, whole, 3},
      {"model.layers.3.mlp.gate.weight", dense, whole, 3},
      {"model.layers.3.mlp.gate.e_score_correction_bias", dense, whole, 3},
      {"model.layers.3.mlp.experts.e_score_correction_bias", dense, whole, 3},
      {"model.layers.3.mlp.moe_statics.e_score_correction_bias", dense, whole, 3},
      {"model.layers.3.mlp.router.bias", dense, whole, 3},
      {"model.layers.3.block_sparse_moe.gate.weight", dense, whole, 3},
      {"model.layers.3.block_sparse_moe.router.layer.weight", dense, whole, 3},
      {"model.layers.3.moe.gate.weight", dense, whole, 3},
      {"model.layers.3.feed_forward.expert_bias", dense, whole, 3},
      {"backbone.layers.3.mixer.gate.weight", dense, whole, 3},
      {"backbone.layers.3.mixer.fc1_latent_proj.weight", dense, whole, 3},
      {"layers.0.ffn.gate.tid2eid", dense, whole, 0},
  });
}

TEST_CASE("roles: recurrent layers") {
  check_roles({
      {"model.language_model.layers.0.linear_attn.in_proj_qkv.weight", recurrent, whole, 0},
      {"model.layers.0.linear_attn.norm.weight", recurrent, whole, 0},
      {"backbone.layers.7.mixer.in_proj.weight", recurrent, whole, 7},
      {"backbone.layers.7.mixer.A_log", recurrent, whole, 7},
      {"backbone.layers.7.mixer.norm.weight", recurrent, whole, 7},
      {"model.layers.7.mamba.conv1d.bias", recurrent, whole, 7},
      {"model.layers.7.mamba.dt_layernorm.weight", recurrent, whole, 7},
      {"model.layers.7.conv.conv.weight", recurrent, whole, 7},
      {"model.layers.7.conv.in_proj.weight", recurrent, whole, 7},
      {"model.layers.7.self_attn.A_log", recurrent, whole, 7},
      {"model.layers.7.self_attn.f_a_proj.weight", recurrent, whole, 7},
      {"model.layers.layers.7.mixer.bcdt_proj.weight", recurrent, whole, 7},
  });
}

TEST_CASE("roles: multi-token prediction, images and sound") {
  check_roles({
      {"mtp.layers.0.self_attn.q_proj.weight", mtp, unused},
      {"mtp.fc.weight", mtp, unused},
      {"mtp.0.ffn.experts.3.w1.weight", mtp, unused},
      {"model.mtp_layers.0.input_proj.weight", mtp, unused},
      {"model.mtp.layers.0.mlp.up_proj.weight", mtp, unused},
      {"model.mtp_block.0.mlp.experts.1.up_proj.weight", mtp, unused},
      {"model.layers.61.eh_proj.weight", mtp, unused, 61},
      {"model.layers.61.embed_tokens.weight", mtp, unused, 61},
      {"model.layers.61.shared_head.head.weight", mtp, unused, 61},
      {"model.layers.45.transformer.shared_head.norm.weight", mtp, unused, 45},
      {"model.visual.blocks.0.attn.qkv.weight", vision, unused},
      {"visual.merger.mlp.0.weight", vision, unused},
      {"vision_tower.vision_model.encoder.layers.3.self_attn.q_proj.weight", vision, unused},
      {"model.vision_tower.timm_model.blocks.0.1.conv_exp.weight", vision, unused},
      {"multi_modal_projector.mm_input_projection_weight", vision, unused},
      {"mm_projector.proj.0.weight", vision, unused},
      {"model.embed_vision.embedding_projection.weight", vision, unused},
      {"model.audio_tower.conformer.0.attention.attn.q_proj.weight", vision, unused},
      {"vision_model.model.layers.0.mlp.fc1.weight", vision, unused},
      {"model.vision_backbone.image_projector.w1.weight", vision, unused},
  });
}

TEST_CASE("roles: an unknown name is guessed and says so") {
  const auto guess = [](std::string_view name) { return role_of_hugging_face_tensor(name); };
  CHECK(guess("model.layers.3.my_attn_thing.weight") == tensor_role{attention, whole, 3, false});
  CHECK(guess("model.layers.3.new_experts.w") == tensor_role{routed, expert, 3, false});
  CHECK(guess("decoder_stack.layers.3.self_attn.q_proj.weight") == tensor_role{attention, whole, 3, false});
  CHECK(guess("new_vision_thing.layers.3.self_attn.q_proj.weight") == tensor_role{vision, unused, -1, false});
  CHECK(guess("something") == tensor_role{dense, whole, -1, false});
  CHECK(guess("") == tensor_role{dense, whole, -1, false});
  CHECK(guess("...") == tensor_role{dense, whole, -1, false});
  CHECK(guess("model") == tensor_role{dense, whole, -1, false});
  CHECK(guess("model.layers.99999999999.self_attn.q_proj.weight").layer == -1);
  CHECK(guess("model.layers.-1.self_attn.q_proj.weight").layer == -1);
  CHECK(guess("model.layers.3").layer == -1);
  CHECK_FALSE(guess(std::string(1'000'000, '.')).known);
}
