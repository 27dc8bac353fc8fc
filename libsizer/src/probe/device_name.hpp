#pragma once
/// @file
/// Names of processors and cards as drivers, firmware and the catalogue write them, brought to one form.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sizer {
inline namespace v0 {
namespace detail {

/// "NVIDIA H100 80GB HBM3" is h100, form sxm; "2x Xeon Gold 6138" is xeongold6138, twice.
struct device_name {
  std::vector<std::string> cores;  ///< the name without maker and trimmings; several for "EPYC 7452/7702"
  std::string form;                ///< "sxm", "pcie", or empty
  std::int32_t times = 1;
};

[[nodiscard]] device_name parse_device_name(std::string_view text);
/// Whether one name of each is the same, and the forms do not contradict.
[[nodiscard]] bool same_device(const device_name& a, const device_name& b);
/// Words in lower case, of letters, digits and '+' (as "plus").
[[nodiscard]] std::vector<std::string> name_words(std::string_view text);

}  // namespace detail
}  // namespace v0
}  // namespace sizer
