/// @file
/// Memory modules as the firmware describes them: DMTF DSP0134 (SMBIOS 3.7), 7.17 physical memory array and 7.18 memory
/// device; and the properties that udev derives from the same table (systemd, src/udev/dmi_memory_id).

#include <algorithm>
#include <array>
#include <set>

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

// More structures than this are a garbled table; DSP0134 numbers them with 16 bits.
constexpr int most_structures = 65536;
constexpr std::int64_t mib = std::int64_t{1} << 20;

/// Names of 7.18.2, the types that a machine may compute with.
std::string_view type_name(unsigned code) {
  switch (code) {
    case 0x12: return "DDR";
    case 0x13: return "DDR2";
    case 0x18: return "DDR3";
    case 0x1A: return "DDR4";
    case 0x1B: return "LPDDR";
    case 0x1C: return "LPDDR2";
    case 0x1D: return "LPDDR3";
    case 0x1E: return "LPDDR4";
    case 0x20: return "HBM";
    case 0x21: return "HBM2";
    case 0x22: return "DDR5";
    case 0x23: return "LPDDR5";
    case 0x24: return "HBM3";
    default: return "";
  }
}

/// A structure: its formatted part and its strings. Reading past the end gives nothing.
struct structure {
  std::string_view formatted;
  std::string_view strings;

  [[nodiscard]] std::optional<unsigned> byte(std::size_t at) const {
    if (at >= formatted.size()) return std::nullopt;
    return static_cast<unsigned char>(formatted[at]);
  }
  [[nodiscard]] std::optional<unsigned> word(std::size_t at) const {
    const auto low = byte(at);
    const auto high = byte(at + 1);
    if (!low || !high) return std::nullopt;
    return *low | *high << 8U;
  }
  [[nodiscard]] std::optional<std::int64_t> dword(std::size_t at) const {
    const auto low = word(at);
    const auto high = word(at + 2);
    if (!low || !high) return std::nullopt;
    return static_cast<std::int64_t>(*low) | static_cast<std::int64_t>(*high) << 16;
  }
  /// The string that a byte of the formatted part numbers, from 1.
  [[nodiscard]] std::string text(std::size_t at) const {
    unsigned number = byte(at).value_or(0);
    std::string_view rest = strings;
    while (number > 1 && !rest.empty()) {
      const std::size_t end = rest.find('\0');
      if (end == std::string_view::npos) return {};
      rest.remove_prefix(end + 1);
      --number;
    }
    return number == 0 ? std::string{} : shown(rest.substr(0, rest.find('\0')));
  }
};

/// Size of a memory device: 0 none, 0xFFFF unknown, 0x7FFF in the extended field, bit 15 KiB instead of MiB.
std::optional<std::int64_t> device_size(const structure& s) {
  const auto size = s.word(0x0C);
  if (!size || *size == 0 || *size == 0xFFFF) return std::nullopt;
  if (*size == 0x7FFF) {
    const auto extended = s.dword(0x1C);
    if (!extended) return std::nullopt;
    return (*extended & 0x7FFFFFFF) * mib;
  }
  if ((*size & 0x8000U) != 0) return static_cast<std::int64_t>(*size & 0x7FFFU) * 1024;
  return static_cast<std::int64_t>(*size) * mib;
}

/// A speed in MT/s: 0 unknown, 0xFFFF in the extended field.
std::optional<std::int32_t> speed(const structure& s, std::size_t at, std::size_t extended_at) {
  const auto value = s.word(at);
  if (!value || *value == 0) return std::nullopt;
  if (*value != 0xFFFF) return static_cast<std::int32_t>(*value);
  const auto extended = s.dword(extended_at);
  if (!extended || (*extended & 0x7FFFFFFF) == 0) return std::nullopt;
  return static_cast<std::int32_t>(*extended & 0x7FFFFFFF);
}

}  // namespace

std::vector<detected_dimm> parse_smbios_memory(std::string_view table) {
  std::set<unsigned> other_arrays;  // handles of arrays that are not the system's memory: video, flash, cache
  struct module {
    detected_dimm dimm;
    unsigned array;
  };
  std::vector<module> modules;
  for (int n = 0; n < most_structures && table.size() >= 4; ++n) {
    const auto type = static_cast<unsigned char>(table[0]);
    const auto length = static_cast<unsigned char>(table[1]);
    if (length < 4 || length > table.size()) break;
    const std::size_t end = table.find(std::string_view{"\0\0", 2}, length);
    if (end == std::string_view::npos) break;
    const structure s{table.substr(0, length), table.substr(length, end - length)};
    const unsigned handle = s.word(2).value_or(0);
    constexpr unsigned system_memory = 0x03;
    if (type == 16 && s.byte(0x05) && *s.byte(0x05) != system_memory) other_arrays.insert(handle);
    if (type == 17) {
      if (const auto size = device_size(s); size && *size > 0) {
        detected_dimm dimm;
        dimm.size = make_bytes(*size);
        dimm.locator = s.text(0x10);
        dimm.bank = s.text(0x11);
        dimm.type = type_name(s.byte(0x12).value_or(0));
        const auto width = s.word(0x0A);
        if (width && *width != 0 && *width != 0xFFFF) dimm.data_width_bits = static_cast<std::int32_t>(*width);
        dimm.rated_mts = speed(s, 0x15, 0x54);
        dimm.configured_mts = speed(s, 0x20, 0x58);
        modules.push_back({std::move(dimm), s.word(0x04).value_or(0)});
      }
    }
    constexpr unsigned end_of_table = 127;
    if (type == end_of_table) break;
    table.remove_prefix(end + 2);
  }
  std::vector<detected_dimm> result;
  for (module& one : modules) {
    if (!other_arrays.contains(one.array)) result.push_back(std::move(one.dimm));
  }
  return result;
}

std::vector<detected_dimm> parse_udev_memory(std::string_view properties) {
  // "E:MEMORY_DEVICE_0_SIZE=17179869184". Devices are numbered from 0; a server has some dozens.
  constexpr int most_devices = 1024;
  std::vector<detected_dimm> result;
  for (int i = 0; i < most_devices; ++i) {
    const std::string prefix = "E:MEMORY_DEVICE_" + std::to_string(i) + "_";
    if (properties.find(prefix) == std::string_view::npos) break;
    const auto value = [&](const char* name) { return value_of(properties, prefix + name, '='); };
    const auto size = whole_in(value("SIZE"), 1, largest_size);
    if (!size) continue;
    detected_dimm dimm;
    dimm.size = make_bytes(*size);
    dimm.locator = shown(value("LOCATOR"));
    dimm.bank = shown(value("BANK_LOCATOR"));
    const std::string type = shown(value("TYPE"));  // "<OUT OF SPEC>" for what an old systemd does not know
    if (type.find("DDR") != std::string::npos || type.starts_with("HBM")) dimm.type = type;
    const auto number = [&](const char* name, std::int64_t high) -> std::optional<std::int32_t> {
      const auto read = whole_in(value(name), 1, high);
      return read ? std::optional{static_cast<std::int32_t>(*read)} : std::nullopt;
    };
    dimm.data_width_bits = number("DATA_WIDTH", 65534);
    dimm.rated_mts = number("SPEED_MTS", 1'000'000);
    dimm.configured_mts = number("CONFIGURED_SPEED_MTS", 1'000'000);
    result.push_back(std::move(dimm));
  }
  return result;
}

namespace {

/// The letters and digits right behind a word, blanks, '-', '_' and '#' between them passed over: "CHANNEL A" -> "A".
std::string behind(std::string_view text, std::string_view word, bool letters, bool digits) {
  const std::size_t at = text.find(word);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + word.size());
  while (!text.empty() && (text.front() == ' ' || text.front() == '-' || text.front() == '_' || text.front() == '#')) {
    text.remove_prefix(1);
  }
  std::string result;
  for (const char c : text) {
    const bool wanted = (letters && result.empty() && is_letter(c)) || (digits && is_digit(c));
    if (!wanted) break;
    result += c;
    if (is_letter(c) && letters) break;  // "A2": the channel is A, 2 the slot in it
  }
  return result;
}

}  // namespace

std::string channel_of(const detected_dimm& dimm) {
  for (const std::string* const field : {&dimm.bank, &dimm.locator}) {
    const std::string text = lowered(*field);
    std::string channel = behind(text, "channel", true, true);
    if (channel.empty()) channel = behind(text, "dimm", true, false);  // "DIMM_A2", "DIMMB1"
    if (channel.empty()) continue;
    // Which socket, controller or node, from either field: "P0 CHANNEL A", "Controller1-ChannelA-DIMM0",
    // "CPU2_DIMM_A1".
    std::string place;
    for (const std::string_view word : {"cpu", "proc", "controller", "node", "mc", "p"}) {
      for (const std::string* const other : {&dimm.bank, &dimm.locator}) {
        const std::string number = behind(lowered(*other), word, false, true);
        if (!number.empty()) {
          place.append(word).append(number).append(" ");
          break;
        }
      }
    }
    return place + "channel " + channel;
  }
  return {};
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
