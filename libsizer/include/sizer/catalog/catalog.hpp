#pragma once
/// @file
/// The catalogue: models and machines by name, built in and added from JSON files, with the source of every figure.
/// The formats are data/schema/*.schema.json; this is the only place (with catalog/ as a whole) that reads them.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/model_file.hpp>
#include <sizer/detail/count.hpp>
#include <sizer/error.hpp>
#include <sizer/hardware/machine.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/sourced.hpp>

namespace sizer {
inline namespace v0 {

/// A model of the catalogue.
struct model_entry {
  std::string id;
  std::string name;
  std::string publisher;
  std::string license;
  std::string hf_repo;
  std::string released;  ///< YYYY-MM or YYYY-MM-DD; empty: not known
  std::string notes;
  std::string native_quantization;  ///< the number format that the publisher released the weights in
  std::string sizing_status =
      "complete";           ///< "complete", or "partial" when a sizing field is missing or from a sibling
  std::string sizing_note;  ///< why it is partial
  std::vector<std::string> aliases;
  sizer::architecture architecture;
  figure_kind architecture_kind = figure_kind::assumed;
  std::string architecture_source;  ///< key in sources.json
  std::string architecture_note;
  std::optional<sourced<count>> parameters_total;
  std::optional<sourced<count>> parameters_active;
  std::string parameters_label;    ///< as the publisher writes it ("30B-A3B")
  std::optional<model_file> file;  ///< where it was read from; empty: an entry of the catalogue, or a shape
  friend bool operator==(const model_entry&, const model_entry&) = default;
};

/// Facts of a memory that no estimate needs on its own.
struct memory_details {
  std::optional<sourced<bytes>> usable_before_macos_26;
  std::optional<sourced<bytes>> usable_windows;
  std::optional<sourced<count>> bus_width_bits;
  std::optional<sourced<double>> data_rate_mts;  ///< million transfers per second of a pin
  friend bool operator==(const memory_details&, const memory_details&) = default;
};

struct device_details {
  memory_details memory;
  std::optional<sourced<bytes>> last_level_cache;
  friend bool operator==(const device_details&, const device_details&) = default;
};

/// Something said about a machine and what is true instead.
struct claim {
  std::string text;
  std::string truth;
  std::string source;
  friend bool operator==(const claim&, const claim&) = default;
};

/// A machine of the catalogue.
struct machine_entry {
  sizer::machine machine;
  std::vector<std::string> aliases;
  std::vector<device_details> devices;        ///< of machine.devices, in the same order
  std::optional<memory_details> host_memory;  ///< of machine.host_memory
  std::vector<claim> claims;
  friend bool operator==(const machine_entry&, const machine_entry&) = default;
};

/// Where a figure comes from.
struct source_info {
  std::string title;
  std::string publisher;
  std::string date;
  std::string url;
  friend bool operator==(const source_info&, const source_info&) = default;
};

/// A name that stands for nothing, with a reason worth telling: a machine that was never sold, or an alias of several.
class explained_name_error : public unknown_name_error {
 public:
  explained_name_error(std::string what, std::string name, std::string reason, std::vector<std::string> nearest);
  /// The message with the reason in it.
  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  std::string reason_;
  std::string message_;
};

/// Models and machines by name. A value: adding files gives a new catalogue and leaves the old one as it was.
///
/// Looking up an id parses that one entry, on first use; looking up an alias reads the names of all entries once. All
/// members may be called from several threads. A reference returned lives as long as any copy of the catalogue.
///
/// Names are compared in one normal form (names.hpp): case, spaces, dots, dashes and underscores do not matter.
class catalogue {
 public:
  /// The catalogue that the library carries.
  [[nodiscard]] static const catalogue& embedded();
  /// A catalogue with nothing in it.
  catalogue();

  /// @throws unknown_name_error with up to five nearest ids; explained_name_error for a name with a reason
  [[nodiscard]] const model_entry& model(std::string_view name) const;
  /// The same without an error: null for a name that stands for no model, or for several.
  [[nodiscard]] const model_entry* find_model(std::string_view name) const;
  /// @throws unknown_name_error with up to five nearest ids; explained_name_error for a name with a reason
  [[nodiscard]] const machine_entry& machine(std::string_view name) const;
  /// Ids in alphabetical order.
  [[nodiscard]] std::vector<std::string> model_ids() const;
  [[nodiscard]] std::vector<std::string> machine_ids() const;
  /// The source behind a key, if this catalogue has it.
  [[nodiscard]] std::optional<source_info> source(std::string_view key) const;

  /// This catalogue and one more entry (model, machine, list of machines never sold, or sources). An entry replaces the
  /// one of the same id.
  /// @param file_name  for error messages
  /// @throws data_error
  [[nodiscard]] catalogue with_text(std::string_view text, std::string_view file_name) const;
  /// The same from a file, or from every .json file below a folder, in the order of their paths.
  /// @throws data_error, also when the file cannot be read
  [[nodiscard]] catalogue with_file(const std::string& path) const;

 private:
  struct contents;
  explicit catalogue(std::shared_ptr<const contents> all);
  std::shared_ptr<const contents> all_;
};

/// Reads and checks a model file.
/// @throws data_error naming the file, the JSON pointer, the value got and what is expected
[[nodiscard]] model_entry read_model_json(std::string_view text, std::string_view file_name);
/// Reads and checks a machine file.
/// @throws data_error naming the file, the JSON pointer, the value got and what is expected
[[nodiscard]] machine_entry read_machine_json(std::string_view text, std::string_view file_name);
/// Reads the shape of a model, the fields of model_shape by name, as an "architecture" object without kind and source.
/// @throws value_error naming the field, the value got and what is expected
[[nodiscard]] architecture read_shape_json(std::string_view text);

/// The entry in the file format, such that reading it gives the entry back.
[[nodiscard]] std::string to_json(const model_entry& entry);
[[nodiscard]] std::string to_json(const machine_entry& entry);
/// The shape in the form that read_shape_json reads.
[[nodiscard]] std::string to_json(const model_shape& shape);

/// What `sizer validate FILE` says.
struct validation {
  bool ok = false;
  std::string what;                   ///< "model", "hardware", "not_sold", "sources", or "unknown"
  std::vector<std::string> problems;  ///< each names the file, the JSON pointer, the value got and what is expected
  friend bool operator==(const validation&, const validation&) = default;
};

/// Checks a text against its format and lists all problems that can be told apart. Does not throw on bad data.
[[nodiscard]] validation validate_json(std::string_view text, std::string_view file_name);

/// Names as files write them.
[[nodiscard]] std::string_view to_string(backend b) noexcept;
[[nodiscard]] std::string_view to_string(device_class c) noexcept;
[[nodiscard]] std::string_view to_string(link_kind k) noexcept;
[[nodiscard]] std::string_view to_string(price_kind k) noexcept;

}  // namespace v0
}  // namespace sizer
