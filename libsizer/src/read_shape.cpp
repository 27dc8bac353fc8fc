/// @file
/// The shape of a model as JSON: the fields of model_shape by name.

#include <algorithm>
#include <array>
#include <limits>

#include <sizer/model/expand.hpp>

#include "readers.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

template <class Struct>
struct integer_field {
  std::string_view name;
  std::int32_t Struct::*member;
};

constexpr std::array<integer_field<model_shape>, 16> shape_integers{
    {{"n_layers", &model_shape::n_layers},
     {"n_mtp_layers", &model_shape::n_mtp_layers},
     {"d_model", &model_shape::d_model},
     {"vocab_size", &model_shape::vocab_size},
     {"head_dim_k", &model_shape::head_dim_k},
     {"head_dim_v", &model_shape::head_dim_v},
     {"sliding_n_heads", &model_shape::sliding_n_heads},
     {"sliding_n_kv_heads", &model_shape::sliding_n_kv_heads},
     {"sliding_head_dim_k", &model_shape::sliding_head_dim_k},
     {"sliding_head_dim_v", &model_shape::sliding_head_dim_v},
     {"sliding_window", &model_shape::sliding_window},
     {"n_kv_shared_layers", &model_shape::n_kv_shared_layers},
     {"indexer_head_dim", &model_shape::indexer_head_dim},
     {"indexer_n_heads", &model_shape::indexer_n_heads},
     {"indexer_n_layers", &model_shape::indexer_n_layers},
     {"per_layer_embedding", &model_shape::per_layer_embedding}}};

struct list_field {
  std::string_view name;
  std::vector<std::int32_t> model_shape::*member;
};
constexpr std::array<list_field, 3> shape_lists{
    {{"n_heads", &model_shape::n_heads}, {"n_kv_heads", &model_shape::n_kv_heads}, {"d_ff", &model_shape::d_ff}}};

constexpr std::array<integer_field<latent_shape>, 5> latent_fields{
    {{"q_lora_rank", &latent_shape::q_lora_rank},
     {"kv_lora_rank", &latent_shape::kv_lora_rank},
     {"qk_nope_head_dim", &latent_shape::qk_nope_head_dim},
     {"qk_rope_head_dim", &latent_shape::qk_rope_head_dim},
     {"v_head_dim", &latent_shape::v_head_dim}}};

constexpr std::array<integer_field<expert_shape>, 6> expert_fields{
    {{"n_experts", &expert_shape::n_experts},
     {"n_experts_per_token", &expert_shape::n_experts_per_token},
     {"d_ff_expert", &expert_shape::d_ff_expert},
     {"n_shared_experts", &expert_shape::n_shared_experts},
     {"d_ff_shared", &expert_shape::d_ff_shared},
     {"d_latent", &expert_shape::d_latent}}};

constexpr std::array<integer_field<recurrent_shape>, 5> recurrent_fields{{{"d_conv", &recurrent_shape::d_conv},
                                                                          {"d_inner", &recurrent_shape::d_inner},
                                                                          {"d_state", &recurrent_shape::d_state},
                                                                          {"n_groups", &recurrent_shape::n_groups},
                                                                          {"n_heads", &recurrent_shape::n_heads}}};

struct feature_field {
  std::string_view name;
  std::optional<bool> tensor_features::*member;
};
constexpr std::array<feature_field, 7> feature_fields{{{"qkv_bias", &tensor_features::qkv_bias},
                                                       {"output_bias", &tensor_features::output_bias},
                                                       {"feed_forward_bias", &tensor_features::feed_forward_bias},
                                                       {"qk_norm", &tensor_features::qk_norm},
                                                       {"gated_feed_forward", &tensor_features::gated_feed_forward},
                                                       {"router_bias", &tensor_features::router_bias},
                                                       {"mtp_own_embeddings", &tensor_features::mtp_own_embeddings}}};

/// Fields of a shape that are read one by one.
constexpr std::array<std::string_view, 9> single_keys{"family",  "context_length", "tied_embeddings",
                                                      "mixers",  "feed_forwards",  "latent",
                                                      "experts", "recurrent",      "features"};

/// Converts to anything, to count the fields of an aggregate.
struct any_value {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor): never called
};
template <class Aggregate, class... Values>
constexpr std::size_t field_count() {
  if constexpr (requires { Aggregate{Values{}..., any_value{}}; }) {
    return field_count<Aggregate, Values..., any_value>();
  } else {
    return sizeof...(Values);
  }
}
// A field that the structs gain must join the tables, or files would lose it without a word.
static_assert(field_count<latent_shape>() == latent_fields.size());
static_assert(field_count<expert_shape>() == expert_fields.size());
static_assert(field_count<recurrent_shape>() == recurrent_fields.size());
static_assert(field_count<tensor_features>() == feature_fields.size());
static_assert(field_count<model_shape>() == shape_integers.size() + shape_lists.size() + single_keys.size());

/// (name, value) pairs of an enum whose values run from zero, by its own to_string.
template <class Kind, std::size_t Count>
constexpr std::array<std::pair<std::string_view, Kind>, Count> names_of() {
  std::array<std::pair<std::string_view, Kind>, Count> names{};
  for (std::size_t i = 0; i < Count; ++i) names[i] = {to_string(static_cast<Kind>(i)), static_cast<Kind>(i)};
  return names;
}
constexpr auto mixer_names = names_of<mixer_kind, static_cast<std::size_t>(mixer_kind::full_and_mamba2) + 1>();
constexpr auto feed_forward_names = names_of<feed_forward_kind, static_cast<std::size_t>(feed_forward_kind::moe) + 1>();

std::int32_t whole(const json_node& node) {
  return node.integer<std::int32_t>(0, std::numeric_limits<std::int32_t>::max());
}

template <class Struct, std::size_t Count>
std::optional<Struct> read_part(const json_node& node, const std::array<integer_field<Struct>, Count>& fields) {
  std::vector<std::string_view> keys;
  for (const auto& field : fields) keys.push_back(field.name);
  const json_object object{node, std::span<const std::string_view>{keys}};
  Struct part;
  for (const auto& field : fields) object.optional_field(field.name, part.*field.member, whole);
  return part;
}

/// Writes the fields that are not zero: absent and zero are the same to read_part.
template <class Struct, std::size_t Count>
ordered_json write_part(const Struct& part, const std::array<integer_field<Struct>, Count>& fields) {
  ordered_json object = ordered_json::object();
  for (const auto& field : fields) {
    if (part.*field.member != 0) object[std::string{field.name}] = part.*field.member;
  }
  return object;
}

tensor_features read_features(const json_node& node) {
  std::vector<std::string_view> keys;
  for (const feature_field& field : feature_fields) keys.push_back(field.name);
  const json_object object{node, std::span<const std::string_view>{keys}};
  tensor_features features;
  for (const feature_field& field : feature_fields) {
    object.optional_field(field.name, features.*field.member, [](const json_node& n) { return n.boolean(); });
  }
  return features;
}

/// One value for all layers, or an array of one per layer.
std::vector<std::int32_t> read_list(const json_node& node) {
  if (!node.raw().is_array()) return {whole(node)};
  std::vector<std::int32_t> values;
  for (const json_node& element : node.elements()) values.push_back(whole(element));
  if (values.empty()) node.fail("a number, or one number per layer");
  return values;
}

/// [["sliding", 5], ["full", 1]]
template <class Kind, class Names>
std::vector<run<Kind>> read_pattern(const json_node& node, const Names& names) {
  std::vector<run<Kind>> pattern;
  for (const json_node& element : node.elements()) {
    const std::vector<json_node> pair = element.elements();
    if (pair.size() != 2) element.fail("a pair [kind, number of layers]");
    pattern.push_back({read_choice(pair[0], names), pair[1].template integer<std::int32_t>(1, largest_layer_count)});
  }
  if (pattern.empty()) node.fail("at least one pair [kind, number of layers]");
  return pattern;
}

template <class Kind>
ordered_json write_pattern(const std::vector<run<Kind>>& pattern) {
  ordered_json runs = ordered_json::array();
  for (const run<Kind>& part : pattern)
    runs.push_back(ordered_json::array({std::string{to_string(part.kind)}, part.count}));
  return runs;
}

std::vector<std::string_view> shape_keys(bool with_source) {
  std::vector<std::string_view> keys{single_keys.begin(), single_keys.end()};
  for (const auto& field : shape_integers) keys.push_back(field.name);
  for (const auto& field : shape_lists) keys.push_back(field.name);
  if (with_source) keys.insert(keys.end(), {"kind", "source", "note"});
  return keys;
}

}  // namespace

architecture read_architecture(const json_node& node, bool with_source) {
  const std::vector<std::string_view> keys = shape_keys(with_source);
  const json_object object{node, std::span<const std::string_view>{keys}};
  model_shape shape;
  object.optional_field("family", shape.family, [](const json_node& n) { return n.filled_text(); });
  for (const auto& field : shape_integers) object.optional_field(field.name, shape.*field.member, whole);
  object.optional_field("context_length", shape.context_length,
                        [](const json_node& n) { return n.integer<std::int64_t>(1, largest_context); });
  object.optional_field("tied_embeddings", shape.tied_embeddings, [](const json_node& n) { return n.boolean(); });
  for (const list_field& field : shape_lists) object.optional_field(field.name, shape.*field.member, read_list);
  object.optional_field("mixers", shape.mixers,
                        [](const json_node& n) { return read_pattern<mixer_kind>(n, mixer_names); });
  object.optional_field("feed_forwards", shape.feed_forwards,
                        [](const json_node& n) { return read_pattern<feed_forward_kind>(n, feed_forward_names); });
  object.optional_field("latent", shape.latent, [](const json_node& n) { return read_part(n, latent_fields); });
  object.optional_field("experts", shape.experts, [](const json_node& n) { return read_part(n, expert_fields); });
  object.optional_field("recurrent", shape.recurrent,
                        [](const json_node& n) { return read_part(n, recurrent_fields); });
  object.optional_field("features", shape.features, read_features);

  architecture model;
  if (!node.file().clean()) return model;
  node.file().attempt([&] {
    try {
      model = make_architecture(std::move(shape));
    } catch (const value_error& wrong) {
      std::string field = wrong.field();
      std::replace(field.begin(), field.end(), '.', '/');
      throw json_fault{node.file().file, node.pointer() + '/' + field, wrong.got(), wrong.expected()};
    }
  });
  return model;
}

ordered_json write_shape(const model_shape& shape) {
  ordered_json object;
  object["family"] = shape.family;
  for (const auto& field : shape_integers) {
    if (shape.*field.member != 0) object[std::string{field.name}] = shape.*field.member;
  }
  if (shape.context_length != 0) object["context_length"] = shape.context_length;
  object["tied_embeddings"] = shape.tied_embeddings;
  for (const list_field& field : shape_lists) {
    if (!(shape.*field.member).empty()) object[std::string{field.name}] = shape.*field.member;
  }
  object["mixers"] = write_pattern(shape.mixers);
  object["feed_forwards"] = write_pattern(shape.feed_forwards);
  if (shape.latent) {
    object["latent"] = write_part(*shape.latent, latent_fields);
    object["latent"]["qk_nope_head_dim"] = shape.latent->qk_nope_head_dim;  // in the schema even where they are zero
    object["latent"]["qk_rope_head_dim"] = shape.latent->qk_rope_head_dim;
  }
  if (shape.experts) object["experts"] = write_part(*shape.experts, expert_fields);
  if (shape.recurrent) object["recurrent"] = write_part(*shape.recurrent, recurrent_fields);
  for (const feature_field& field : feature_fields) {
    if (const auto& value = shape.features.*field.member) object["features"][std::string{field.name}] = *value;
  }
  return object;
}

}  // namespace detail

architecture read_shape_json(std::string_view text) {
  const detail::reading file{"model", nullptr};
  try {
    const detail::json document = detail::parse_json(text, file.file);
    return detail::read_architecture({document, "", file}, false);
  } catch (const detail::json_fault& fault) {  // the caller typed fields, not a file: name them as fields
    std::string field = fault.where().empty() ? "model" : fault.where().substr(1);
    std::replace(field.begin(), field.end(), '/', '.');
    throw value_error{field, fault.got(), fault.expected()};
  } catch (const data_error& fault) {
    throw value_error{"model", fault.problem(), "a JSON object with the fields of a model shape"};
  }
}

std::string to_json(const model_shape& shape) { return detail::file_text(detail::write_shape(shape)); }

}  // namespace v0
}  // namespace sizer
