/// @file
/// Arithmetic rates of a device, and what the microbenchmark measured on it.

#include "readers.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

// A machine of more threads than that, or measured at more numbers of them, is a slip.
constexpr std::int64_t most_threads = 65536;
constexpr std::size_t most_entries = 256;
constexpr std::int64_t largest_group = 1024;

/// {"f16": figure, "q4_k": figure}
std::vector<measured_rate> read_rates(const json_node& node) {
  if (!node.raw().is_object()) node.fail("an object of number formats and figures");
  std::vector<measured_rate> rates;
  for (const auto& [name, value] : node.raw().items()) {
    const json_node figure{value, pointer_to(node.pointer(), name), node.file()};
    const std::optional<ggml_type> type = find_ggml_type(std::string_view{name});
    if (!type) {
      node.file().attempt([&] { figure.fail("'" + plain_text(name) + "'", "a number format of ggml, such as q4_k"); });
      continue;
    }
    node.file().attempt([&] { rates.push_back({*type, read_figure<bandwidth_rules>(figure)}); });
  }
  return rates;
}

std::string lower_name(ggml_type type) {
  std::string name{to_string(type)};
  for (char& c : name) c = lower(c);
  return name;
}

ordered_json write_rates(const std::vector<measured_rate>& rates) {
  ordered_json object = ordered_json::object();
  for (const measured_rate& one : rates) {
    object[lower_name(one.type)] = write_figure<bandwidth_rules>(one.rate);
  }
  return object;
}

/// [{"type": "f16", "head_dim": 128, "kv_heads": 8, "group": 4, "time": figure}]
std::vector<measured_row> read_rows(const json_node& node) {
  const std::vector<json_node> elements = node.elements();
  if (elements.size() > most_entries) node.fail("at most " + std::to_string(most_entries) + " entries");
  std::vector<measured_row> rows;
  for (const json_node& element : elements) {
    node.file().attempt([&] {
      const json_object object{element, {"type", "head_dim", "kv_heads", "group", "time"}};
      measured_row row;
      object.field("type", row.type, [](const json_node& n) {
        const std::string name = n.text();
        const std::optional<ggml_type> type = find_ggml_type(std::string_view{name});
        if (!type) n.fail("a number format of ggml, such as f16");
        return *type;
      });
      const auto whole = [](const json_node& n) { return n.integer<std::int32_t>(1, largest_group * 64); };
      object.field("head_dim", row.head_dim, whole);
      object.field("kv_heads", row.kv_heads, whole);
      object.field("group", row.group, whole);
      object.field("time", row.time, figure_reader<time_rules>{});
      rows.push_back(std::move(row));
    });
  }
  return rows;
}

ordered_json write_rows(const std::vector<measured_row>& rows) {
  ordered_json list = ordered_json::array();
  for (const measured_row& row : rows) {
    ordered_json object;
    object["type"] = lower_name(row.type);
    object["head_dim"] = row.head_dim;
    object["kv_heads"] = row.kv_heads;
    object["group"] = row.group;
    object["time"] = write_figure<time_rules>(row.time);
    list.push_back(std::move(object));
  }
  return list;
}

measured_rates read_entry(const json_node& node) {
  const json_object object{node,
                           {"threads", "read", "copy", "weights", "kv_cache", "query_group", "attention_rows",
                            "vector_halves", "matrix", "barrier", "launch", "graph_launch"}};
  measured_rates rates;
  object.field("threads", rates.threads, [](const json_node& n) { return n.integer<std::int32_t>(0, most_threads); });
  object.optional_field("read", rates.read, figure_reader<bandwidth_rules>{});
  object.optional_field("copy", rates.copy, figure_reader<bandwidth_rules>{});
  object.optional_field("weights", rates.weights, read_rates);
  object.optional_field("kv_cache", rates.kv_cache, read_rates);
  object.optional_field("query_group", rates.query_group,
                        [](const json_node& n) { return n.integer<std::int32_t>(1, largest_group); });
  object.optional_field("attention_rows", rates.attention_rows, read_rows);
  object.optional_field("vector_halves", rates.vector_halves,
                        [](const json_node& n) { return n.integer<std::int32_t>(1, 1024); });
  object.optional_field("matrix", rates.matrix, read_compute);
  object.optional_field("barrier", rates.barrier, figure_reader<time_rules>{});
  object.optional_field("launch", rates.launch, figure_reader<time_rules>{});
  object.optional_field("graph_launch", rates.graph_launch, figure_reader<time_rules>{});
  return rates;
}

}  // namespace

compute_rates read_compute(const json_node& node) {
  const json_object object{node, {"fp32", "fp16", "bf16", "bf16_measured", "fp8", "int8", "fp4"}};
  compute_rates rates;
  const figure_reader<compute_rules> read{};
  object.optional_field("fp32", rates.fp32, read);
  object.optional_field("fp16", rates.fp16, read);
  object.optional_field("bf16", rates.bf16, read);
  object.optional_field("bf16_measured", rates.bf16_measured, read);
  object.optional_field("fp8", rates.fp8, read);
  object.optional_field("int8", rates.int8, read);
  object.optional_field("fp4", rates.fp4, read);
  return rates;
}

ordered_json write_compute(const compute_rates& from) {
  ordered_json rates = ordered_json::object();
  write_figure<compute_rules>(rates, "fp32", from.fp32);
  write_figure<compute_rules>(rates, "fp16", from.fp16);
  write_figure<compute_rules>(rates, "bf16", from.bf16);
  write_figure<compute_rules>(rates, "bf16_measured", from.bf16_measured);
  write_figure<compute_rules>(rates, "fp8", from.fp8);
  write_figure<compute_rules>(rates, "int8", from.int8);
  if (rates.contains("int8") && rates["int8"]["unit"] == "TFLOPS") rates["int8"]["unit"] = "TOPS";  // the same scale
  write_figure<compute_rules>(rates, "fp4", from.fp4);
  return rates;
}

std::vector<measured_rates> read_measured(const json_node& node) {
  const std::vector<json_node> elements = node.elements();
  if (elements.size() > most_entries) node.fail("at most " + std::to_string(most_entries) + " entries");
  std::vector<measured_rates> all;
  for (const json_node& element : elements) {
    node.file().attempt([&] {
      measured_rates rates = read_entry(element);
      if (!all.empty() && rates.threads <= all.back().threads) {
        element.fail(std::to_string(rates.threads) + " threads after " + std::to_string(all.back().threads),
                     "rising numbers of threads");
      }
      all.push_back(std::move(rates));
    });
  }
  return all;
}

ordered_json write_measured(const std::vector<measured_rates>& measured) {
  ordered_json list = ordered_json::array();
  for (const measured_rates& rates : measured) {
    ordered_json object;
    object["threads"] = rates.threads;
    write_figure<bandwidth_rules>(object, "read", rates.read);
    write_figure<bandwidth_rules>(object, "copy", rates.copy);
    if (!rates.weights.empty()) object["weights"] = write_rates(rates.weights);
    if (!rates.kv_cache.empty()) {
      object["kv_cache"] = write_rates(rates.kv_cache);
      object["query_group"] = rates.query_group;
    }
    if (!rates.attention_rows.empty()) object["attention_rows"] = write_rows(rates.attention_rows);
    if (rates.vector_halves != 0) object["vector_halves"] = rates.vector_halves;
    ordered_json matrix = write_compute(rates.matrix);
    if (!matrix.empty()) object["matrix"] = std::move(matrix);
    write_figure<time_rules>(object, "barrier", rates.barrier);
    write_figure<time_rules>(object, "launch", rates.launch);
    write_figure<time_rules>(object, "graph_launch", rates.graph_launch);
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
