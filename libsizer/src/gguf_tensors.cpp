/// @file
/// What the tensors of GGUF files are for, and files that belong together.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <sizer/catalog/gguf.hpp>
#include <sizer/error.hpp>
#include <sizer/memory/tensor_kind.hpp>

#include "byte_cursor.hpp"

namespace sizer {
inline namespace v0 {
namespace {

constexpr std::string_view block_prefix = "blk.";
constexpr std::string_view pattern_prefix = "blk.N.";

/// "blk.12.attn_q.weight" as 12 and "attn_q.weight"; -1 and the whole name when it has no such start.
std::pair<std::int32_t, std::string_view> split_block(std::string_view name) {
  if (!name.starts_with(block_prefix)) return {-1, name};
  const char* const end = name.data() + name.size();
  std::int32_t layer = -1;
  const auto [stop, problem] = std::from_chars(name.data() + block_prefix.size(), end, layer);
  if (problem != std::errc{} || layer < 0 || stop == end || *stop != '.') return {-1, name};
  return {layer, name.substr(static_cast<std::size_t>(stop - name.data()) + 1)};
}

using kind_table = std::array<std::pair<std::string_view, tensor_kind>, tensor_kinds.size()>;

/// The kinds by name without the block, sorted.
kind_table sorted_kinds() {
  kind_table sorted{};
  for (std::size_t i = 0; i < tensor_kinds.size(); ++i) {
    std::string_view name = tensor_kinds[i].name;
    if (name.starts_with(pattern_prefix)) name.remove_prefix(pattern_prefix.size());
    sorted[i] = {name, tensor_kinds[i].kind};
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

tensor_use usual_use(tensor_kind kind) {
  if (kind == tensor_kind::token_embd) return tensor_use::tied;
  if (kind == tensor_kind::per_layer_token_embd) return tensor_use::row;
  if (info(kind).part == weight_part::routed_expert) return tensor_use::expert;
  return info(kind).part == weight_part::mtp ? tensor_use::unused : tensor_use::whole;
}

/// A name that no list has: pieces that every family uses alike.
tensor_role guessed_role(std::string_view name, std::int32_t layer) {
  struct piece {
    std::string_view text;
    weight_part part;
    tensor_use use;
  };
  static constexpr auto pieces = std::to_array<piece>({
      {"nextn", weight_part::mtp, tensor_use::unused},
      {"_shexp", weight_part::shared_expert, tensor_use::whole},
      {"_exps", weight_part::routed_expert, tensor_use::expert},
      {"ssm", weight_part::recurrent, tensor_use::whole},
      {"time_mix", weight_part::recurrent, tensor_use::whole},
      {"shortconv", weight_part::recurrent, tensor_use::whole},
      {"attn", weight_part::attention, tensor_use::whole},
      {"indexer", weight_part::attention, tensor_use::whole},
  });
  for (const piece& p : pieces) {
    if (name.find(p.text) != std::string_view::npos) return {p.part, p.use, layer, false};
  }
  if (layer < 0 && (name.starts_with("v.") || name.starts_with("mm.") || name.starts_with("a."))) {
    return {weight_part::vision, tensor_use::unused, layer, false};
  }
  // One expert's own matrix, as Mixtral's first files had them ("ffn_up.3.weight").
  if (layer >= 0 && name.starts_with("ffn_")) {
    const auto [expert, rest] =
        split_block("blk." + std::string{name.substr(std::min(name.find('.') + 1, name.size()))});
    if (expert >= 0) return {weight_part::routed_expert, tensor_use::expert, layer, false};
  }
  return {weight_part::dense, tensor_use::whole, layer, false};
}

std::optional<std::int64_t> integer_of(const gguf_file& file, std::string_view key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) return std::nullopt;
  const auto* value = std::get_if<std::int64_t>(&found->second);
  if (value == nullptr) throw data_error{file.name, std::string{key}, "expected an integer"};
  return *value;
}

std::string text_of(const gguf_file& file, std::string_view key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) return {};
  const auto* value = std::get_if<std::string>(&found->second);
  return value == nullptr ? std::string{} : *value;
}

/// Which part of how many a file is; one that is not split is the first of one.
struct part_place {
  std::int64_t number = 1;  // counted from 1, as in the names
  std::int64_t n_parts = 1;
  friend bool operator==(const part_place&, const part_place&) = default;
};

constexpr std::int64_t most_parts = 99'999;  // the names have five digits

part_place place_of(const gguf_file& file) {
  const std::int64_t number = integer_of(file, "split.no").value_or(0);
  const std::int64_t n_parts = integer_of(file, "split.count").value_or(1);
  if (n_parts < 0 || n_parts > most_parts) {
    throw data_error{file.name, "split.count", "got " + std::to_string(n_parts) + ", expected at most 99999"};
  }
  if (number < 0 || number >= most_parts) {
    throw data_error{file.name, "split.no", "got " + std::to_string(number) + ", expected 0 to 99998"};
  }
  return {number + 1, std::max<std::int64_t>(n_parts, 1)};
}

void check_place(const gguf_file& part, const part_place& expected) {
  const part_place is = place_of(part);
  if (is == expected) return;
  throw data_error{part.name, "split.count",
                   "is part " + std::to_string(is.number) + " of " + std::to_string(is.n_parts) + ", expected part " +
                       std::to_string(expected.number) + " of " + std::to_string(expected.n_parts)};
}

/// "-00002-of-00005.gguf"
std::string part_ending(std::int64_t number, std::int64_t n_parts) {
  const auto five = [](std::int64_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return '-' + five(number) + "-of-" + five(n_parts) + ".gguf";
}

}  // namespace

tensor_role role_of_gguf_tensor(std::string_view name) {
  static const kind_table kinds_by_name = sorted_kinds();
  const auto [layer, rest] = split_block(name);
  const auto found = std::lower_bound(kinds_by_name.begin(), kinds_by_name.end(), rest,
                                      [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
  if (found == kinds_by_name.end() || found->first != rest) {
    // Tables for the rotation: "rope_freqs.weight", "blk.0.rope_factors_long.weight".
    if (rest.starts_with("rope_")) return {weight_part::attention, tensor_use::whole, layer, true};
    return guessed_role(rest, layer);
  }
  const tensor_kind kind = found->second;
  return {info(kind).part, usual_use(kind), layer, true};
}

std::string_view to_string(gguf_content content) noexcept {
  switch (content) {
    case gguf_content::model: return "model";
    case gguf_content::projector: return "projector";
    case gguf_content::draft: return "draft";
    case gguf_content::adapter: return "adapter";
    case gguf_content::vocabulary: return "vocabulary";
    case gguf_content::calibration: return "calibration";
  }
  return "model";
}

gguf_content content_of(const gguf_file& file) {
  const std::string type = text_of(file, "general.type");
  const std::string family = text_of(file, "general.architecture");
  if (type == "mmproj" || family == "clip") return gguf_content::projector;
  if (type == "adapter" || family == "controlvector") return gguf_content::adapter;
  if (type == "imatrix") return gguf_content::calibration;
  const bool split = integer_of(file, "split.count").value_or(1) > 1;
  if (file.tensors.empty() && !split) return gguf_content::vocabulary;
  // A prediction head alone has the model's metadata and none of its blocks.
  const std::int64_t heads = integer_of(file, family + ".nextn_predict_layers").value_or(0);
  const std::int64_t blocks = integer_of(file, family + ".block_count").value_or(0);
  if (heads > 0 && heads < blocks && !split) {
    const bool has_model = std::any_of(file.tensors.begin(), file.tensors.end(), [&](const gguf_tensor& tensor) {
      const std::int32_t layer = split_block(tensor.name).first;
      return layer >= 0 && layer < blocks - heads;
    });
    if (!has_model) return gguf_content::draft;
  }
  return gguf_content::model;
}

std::vector<gguf_file> join_gguf_parts(std::vector<gguf_file> parts) {
  if (parts.empty()) throw data_error{"GGUF", "", "got no file, expected at least one"};
  std::stable_sort(parts.begin(), parts.end(),
                   [](const gguf_file& a, const gguf_file& b) { return place_of(a).number < place_of(b).number; });
  const auto n_parts = static_cast<std::int64_t>(parts.size());
  std::unordered_set<std::string_view> names;
  count n_tensors = 0;
  for (std::int64_t i = 0; i < n_parts; ++i) {
    const gguf_file& part = parts[static_cast<std::size_t>(i)];
    check_place(part, {i + 1, n_parts});
    n_tensors += static_cast<std::int64_t>(part.tensors.size());
    for (const gguf_tensor& tensor : part.tensors) {
      if (!names.insert(tensor.name).second) {
        throw data_error{part.name, "tensor '" + detail::printable(tensor.name) + "'",
                         "is in an earlier part too, expected each name once"};
      }
    }
  }
  const auto stated = integer_of(parts.front(), "split.tensors.count");
  if (stated && *stated != n_tensors.value()) {
    throw data_error{parts.front().name, "split.tensors.count",
                     "got " + std::to_string(*stated) + ", expected the " + std::to_string(n_tensors.value()) +
                         " tensors that the parts hold"};
  }
  return parts;
}

std::vector<gguf_file> read_gguf_parts(const std::string& name, const file_opener& open) {
  const auto read = [&](const std::string& one) {
    const auto source = open(one);
    if (source == nullptr) throw data_error{one, "", "no such file"};
    return read_gguf(*source);
  };
  std::vector<gguf_file> parts;
  parts.push_back(read(name));
  const auto [number, n_parts] = place_of(parts.front());
  if (n_parts <= 1) return parts;
  const std::string ending = part_ending(number, n_parts);
  if (!name.ends_with(ending)) {
    throw data_error{name, "split.count",
                     "is part " + std::to_string(number) + " of " + std::to_string(n_parts) +
                         ", expected a file name that ends in " + ending + " so that the others can be found"};
  }
  const std::string stem = name.substr(0, name.size() - ending.size());
  for (std::int64_t i = 1; i <= n_parts; ++i) {
    if (i == number) continue;
    const std::string other = stem + part_ending(i, n_parts);
    const auto source = open(other);
    if (source == nullptr) {
      throw data_error{other, "",
                       "no such file; " + name + " is part " + std::to_string(number) + " of " +
                           std::to_string(n_parts) + " and all are needed"};
    }
    parts.push_back(read_gguf(*source));
    check_place(parts.back(), {i, n_parts});  // at once: a server may answer every name
  }
  return join_gguf_parts(std::move(parts));
}

std::vector<stored_tensor> stored_tensors(const std::vector<gguf_file>& parts) {
  std::vector<stored_tensor> all;
  for (const gguf_file& part : parts) {
    for (const gguf_tensor& tensor : part.tensors) {
      stored_tensor one;
      one.name = tensor.name;
      one.format = tensor.type ? std::string{to_string(*tensor.type)} : "type " + std::to_string(tensor.type_id);
      one.type = tensor.type;
      one.ne = tensor.ne;
      one.size = make_bytes(tensor.size);
      one.parameters = count{tensor.ne[0]} * tensor.ne[1] * tensor.ne[2] * tensor.ne[3];
      one.role = role_of_gguf_tensor(tensor.name);
      all.push_back(std::move(one));
    }
  }
  return all;
}

}  // namespace v0
}  // namespace sizer
