/// @file
/// Machine files: data/schema/hardware.schema.json.

#include <array>

#include "enum_names.hpp"
#include "readers.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

/// What a machine file may be about.
constexpr std::array<std::string_view, 8> machine_kinds{
    "gpu", "server_accelerator", "apple_soc", "apu", "system", "cpu", "sbc", "multi"};
// Counts above these are a slip: the largest domain with one memory link has 576 devices, and no machine lists more.
constexpr std::int64_t most_devices = 4096;
// Years in which a machine that runs a language model can have been released.
constexpr std::int64_t first_year = 1990;
constexpr std::int64_t last_year = 2100;

std::string read_kind(const json_node& node) {
  std::string kind = node.text();
  for (const std::string_view known : machine_kinds) {
    if (kind == known) return kind;
  }
  node.fail("one of " + listed(machine_kinds));
}

void require_at_most(const json_object& object, std::string_view key, double got, std::string_view limit_name,
                     double limit, std::string_view unit) {
  if (got <= limit) return;
  object.at(key).fail(shown_number(got) + " " + std::string{unit},
                      "at most '" + std::string{limit_name} + "', " + shown_number(limit) + " " + std::string{unit});
}

struct memory_pair {
  memory_pool pool;
  memory_details details;
};

memory_pair read_memory(const json_node& node) {
  const json_object object{node,
                           {"type", "unified", "sold", "usable", "usable_before_macos_26", "usable_windows",
                            "bandwidth_spec", "bandwidth_measured", "bus_width_bits", "data_rate_mts"}};
  memory_pair memory;
  memory_pool& pool = memory.pool;
  memory_details& details = memory.details;
  object.text("type", pool.type);
  object.field("unified", pool.unified, [](const json_node& n) { return n.boolean(); });
  object.field("sold", pool.sold, figure_reader<memory_rules>{});
  object.field("usable", pool.usable, figure_reader<memory_rules>{});
  object.field("bandwidth_spec", pool.bandwidth_spec, figure_reader<bandwidth_rules>{});
  object.optional_field("bandwidth_measured", pool.bandwidth_measured, figure_reader<bandwidth_rules>{});
  object.optional_field("usable_before_macos_26", details.usable_before_macos_26, figure_reader<memory_rules>{});
  object.optional_field("usable_windows", details.usable_windows, figure_reader<memory_rules>{});
  object.optional_field("bus_width_bits", details.bus_width_bits, figure_reader<bus_width_rules>{});
  object.optional_field("data_rate_mts", details.data_rate_mts, figure_reader<data_rate_rules>{});

  if (!node.file().clean()) return memory;
  const auto check_size = [&](std::string_view key, const bytes& size) {
    node.file().attempt(
        [&] { require_at_most(object, key, real(size).value(), "sold", real(pool.sold.value).value(), "B"); });
  };
  check_size("usable", pool.usable.value);
  if (details.usable_before_macos_26) check_size("usable_before_macos_26", details.usable_before_macos_26->value);
  if (details.usable_windows) check_size("usable_windows", details.usable_windows->value);
  if (pool.bandwidth_measured) {
    node.file().attempt([&] {
      require_at_most(object, "bandwidth_measured", number(pool.bandwidth_measured->value), "bandwidth_spec",
                      number(pool.bandwidth_spec.value), "B/s");
    });
  }
  return memory;
}

void read_device(const json_node& node, machine_entry& entry) {
  const json_object object{node,
                           {"name", "count", "backend", "device_class", "memory", "compute", "last_level_cache", "tdp",
                            "measured", "calibration"}};
  device part;
  device_details details;
  object.text("name", part.name);
  object.field("count", part.count, [](const json_node& n) { return n.integer<std::int32_t>(1, most_devices); });
  object.field("backend", part.backend, [](const json_node& n) { return read_choice(n, backend_names); });
  object.field("device_class", part.device_class,
               [](const json_node& n) { return read_choice(n, device_class_names); });
  node.file().attempt([&] {
    memory_pair memory = read_memory(object.at("memory"));
    part.memory = std::move(memory.pool);
    details.memory = std::move(memory.details);
  });
  object.optional_field("compute", part.compute, read_compute);
  object.optional_field("last_level_cache", details.last_level_cache, figure_reader<memory_rules>{});
  object.optional_field("tdp", part.tdp, figure_reader<power_rules>{});
  object.optional_field("measured", part.measured, read_measured);
  object.optional_field("calibration", part.calibration, read_calibration);
  entry.machine.devices.push_back(std::move(part));
  entry.devices.push_back(std::move(details));
}

/// Bandwidth of a link, per direction. With "per_direction": false the file states both directions together, as some
/// makers print it, and half of it is kept.
sourced<bytes_per_second> read_link_bandwidth(const json_node& node) {
  const json_object object{node,
                           {"value", "unit", "kind", "source", "as_printed", "locator", "note", "formula", "why",
                            "method", "rule", "retrieved", "per_direction"}};
  sourced<bytes_per_second> bandwidth = read_figure<bandwidth_rules>(object);
  if (object.has("per_direction") && !object.at("per_direction").boolean()) {
    bandwidth.value = bandwidth.value / 2.0;
    bandwidth.note += std::string{bandwidth.note.empty() ? "" : "; "} + "half of the sum of both directions";
  }
  return bandwidth;
}

void read_link(const json_node& node, machine_entry& entry) {
  const json_object object{node, {"between", "name", "bandwidth", "latency", "max_linked"}};
  link connection;
  object.field("between", connection.between, [](const json_node& n) { return read_choice(n, link_kind_names); });
  object.text("name", connection.name);
  object.field("bandwidth", connection.bandwidth, read_link_bandwidth);
  object.optional_field("latency", connection.latency, figure_reader<time_rules>{});
  object.optional_field("max_linked", connection.max_linked,
                        [](const json_node& n) { return n.integer<std::int32_t>(2, most_devices); });
  entry.machine.links.push_back(std::move(connection));
}

price read_price(const json_node& node) {
  const json_object object{node,
                           {"value", "unit", "kind", "source", "as_printed", "locator", "note", "formula", "why",
                            "method", "rule", "retrieved", "date", "type"}};
  price paid;
  node.file().attempt([&] { paid.amount = read_figure<money_rules>(object); });
  object.field("date", paid.date, read_date);
  object.field("type", paid.type, [](const json_node& n) { return read_choice(n, price_kind_names); });
  return paid;
}

claim read_claim(const json_node& node) {
  const json_object object{node, {"claim", "truth", "source"}};
  claim said;
  object.text("claim", said.text);
  object.text("truth", said.truth);
  object.text("source", said.source);
  return said;
}

/// Runs `read` on each element of an array that may be absent.
template <class Read>
void for_each(const json_object& object, std::string_view key, Read&& read) {
  if (!object.has(key)) return;
  object.node().file().attempt([&] {
    for (const json_node& element : object.at(key).elements()) {
      object.node().file().attempt([&] { read(element); });
    }
  });
}

ordered_json write_memory(const memory_pool& pool, const memory_details& details) {
  ordered_json object;
  object["type"] = pool.type;
  object["unified"] = pool.unified;
  object["sold"] = write_figure<memory_rules>(pool.sold);
  object["usable"] = write_figure<memory_rules>(pool.usable);
  write_figure<memory_rules>(object, "usable_before_macos_26", details.usable_before_macos_26);
  write_figure<memory_rules>(object, "usable_windows", details.usable_windows);
  object["bandwidth_spec"] = write_figure<bandwidth_rules>(pool.bandwidth_spec);
  write_figure<bandwidth_rules>(object, "bandwidth_measured", pool.bandwidth_measured);
  write_figure<bus_width_rules>(object, "bus_width_bits", details.bus_width_bits);
  write_figure<data_rate_rules>(object, "data_rate_mts", details.data_rate_mts);
  return object;
}

ordered_json write_device(const device& part, const device_details& details) {
  ordered_json object;
  object["name"] = part.name;
  object["count"] = part.count;
  object["backend"] = to_string(part.backend);
  object["device_class"] = to_string(part.device_class);
  object["memory"] = write_memory(part.memory, details.memory);
  ordered_json rates = write_compute(part.compute);
  if (!rates.empty()) object["compute"] = std::move(rates);
  write_figure<memory_rules>(object, "last_level_cache", details.last_level_cache);
  write_figure<power_rules>(object, "tdp", part.tdp);
  if (!part.measured.empty()) object["measured"] = write_measured(part.measured);
  if (part.calibration) object["calibration"] = write_calibration(*part.calibration);
  return object;
}

ordered_json write_link(const link& connection) {
  ordered_json object;
  object["between"] = to_string(connection.between);
  object["name"] = connection.name;
  object["bandwidth"] = write_figure<bandwidth_rules>(connection.bandwidth);
  write_figure<time_rules>(object, "latency", connection.latency);
  if (connection.max_linked) object["max_linked"] = *connection.max_linked;
  return object;
}

ordered_json write_price(const price& paid) {
  ordered_json object = write_figure<money_rules>(paid.amount);
  rename_key(object, "method", "note");  // a price has no method in the schema
  object["date"] = paid.date;
  object["type"] = to_string(paid.type);
  return object;
}

/// Element i of a list that runs beside another one, or an empty element where it is shorter.
template <class Element>
Element beside(const std::vector<Element>& list, std::size_t i) {
  return i < list.size() ? list[i] : Element{};
}

}  // namespace

std::string read_id(const json_node& node) {
  std::string id = node.text();
  bool good = !id.empty() && id.size() <= longest_compared_name;
  char previous = '-';
  for (const char c : id) {
    const bool separator = c == '-' || c == '.';
    good = good && (is_digit(c) || (c >= 'a' && c <= 'z') || (separator && is_alphanumeric(previous)));
    previous = c;
  }
  if (!good || !is_alphanumeric(previous))
    node.fail("lower case letters and digits with single dashes or dots between");
  return id;
}

machine_entry read_machine(const json_node& node) {
  const json_object object{node,
                           {"schema_version", "id", "name", "aliases", "vendor", "kind", "release_year", "devices",
                            "host_memory", "links", "power", "prices", "claims", "notes"}};
  read_schema_version(object);
  machine_entry entry;
  machine& box = entry.machine;
  object.field("id", box.id, read_id);
  object.text("name", box.name);
  object.optional_field("aliases", entry.aliases, [](const json_node& n) { return n.texts(); });
  object.text("vendor", box.vendor);
  object.field("kind", box.kind, read_kind);
  object.optional_field("release_year", box.release_year,
                        [](const json_node& n) { return n.integer<std::int32_t>(first_year, last_year); });
  node.file().attempt([&] {
    const json_node devices = object.at("devices");
    if (devices.elements().empty()) devices.fail("at least one device");
  });
  for_each(object, "devices", [&](const json_node& n) { read_device(n, entry); });
  if (object.has("host_memory")) {
    node.file().attempt([&] {
      memory_pair memory = read_memory(object.at("host_memory"));
      box.host_memory = std::move(memory.pool);
      entry.host_memory = std::move(memory.details);
    });
  }
  for_each(object, "links", [&](const json_node& n) { read_link(n, entry); });
  if (object.has("power")) {
    node.file().attempt([&] {
      const json_object power{object.at("power"), {"load", "idle"}};
      power.optional_field("load", box.load_power, figure_reader<power_rules>{});
      power.optional_field("idle", box.idle_power, figure_reader<power_rules>{});
      if (box.load_power && box.idle_power) {
        require_at_most(power, "idle", number(box.idle_power->value), "load", number(box.load_power->value), "W");
      }
    });
  }
  for_each(object, "prices", [&](const json_node& n) { box.prices.push_back(read_price(n)); });
  for_each(object, "claims", [&](const json_node& n) { entry.claims.push_back(read_claim(n)); });
  object.optional_text("notes", box.notes);
  return entry;
}

}  // namespace detail

machine_entry read_machine_json(std::string_view text, std::string_view file_name) {
  const detail::reading file{std::string{file_name}, nullptr};
  const detail::json document = detail::parse_json(text, file.file);
  const detail::json_node whole{document, "", file};
  // A profile of `sizer measure` holds a machine among much else.
  if (document.is_object() && document.contains("format")) {
    if (document["format"] != "sizer-profile") whole.fail("a catalogue entry, or a profile of sizer measure");
    if (!document.contains("machine")) whole.fail("no key 'machine'", "that key");
    return detail::read_machine({document["machine"], "/machine", file});
  }
  return detail::read_machine(whole);
}

std::string to_json(const machine_entry& entry) {
  const machine& box = entry.machine;
  detail::ordered_json object;
  object["schema_version"] = 1;
  object["id"] = box.id;
  object["name"] = box.name;
  object["aliases"] = entry.aliases;
  object["vendor"] = box.vendor;
  object["kind"] = box.kind;
  if (box.release_year) object["release_year"] = *box.release_year;
  object["devices"] = detail::ordered_json::array();
  for (std::size_t i = 0; i < box.devices.size(); ++i) {
    object["devices"].push_back(detail::write_device(box.devices[i], detail::beside(entry.devices, i)));
  }
  if (box.host_memory) {
    object["host_memory"] = detail::write_memory(*box.host_memory, entry.host_memory.value_or(memory_details{}));
  }
  for (const link& one : box.links) object["links"].push_back(detail::write_link(one));
  detail::write_figure<detail::power_rules>(object["power"], "load", box.load_power);
  detail::write_figure<detail::power_rules>(object["power"], "idle", box.idle_power);
  if (object["power"].is_null()) object.erase("power");
  for (const price& paid : box.prices) object["prices"].push_back(detail::write_price(paid));
  for (const claim& said : entry.claims) {
    object["claims"].push_back({{"claim", said.text}, {"truth", said.truth}, {"source", said.source}});
  }
  if (!box.notes.empty()) object["notes"] = box.notes;
  return detail::file_text(object);
}

std::string_view to_string(backend b) noexcept { return detail::backend_names[static_cast<std::size_t>(b)].first; }
std::string_view to_string(device_class c) noexcept {
  return detail::device_class_names[static_cast<std::size_t>(c)].first;
}
std::string_view to_string(link_kind k) noexcept { return detail::link_kind_names[static_cast<std::size_t>(k)].first; }
std::string_view to_string(price_kind k) noexcept {
  return detail::price_kind_names[static_cast<std::size_t>(k)].first;
}

}  // namespace v0
}  // namespace sizer
