#pragma once
/// @file
/// From a detected machine to a machine of the catalogue, and to one that estimates can be made for.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <sizer/catalog/catalog.hpp>
#include <sizer/probe/detect.hpp>

namespace sizer {
inline namespace v0 {

/// How sure a match is.
enum class match_certainty {
  none,         ///< nothing in the catalogue resembles it
  similar,      ///< another machine with about the same memory bandwidth
  same_device,  ///< the same device; count, memory size or data rate differ
  same          ///< the same device with the same memory
};

[[nodiscard]] std::string_view to_string(match_certainty c) noexcept;

/// What of the catalogue a machine is.
struct catalogue_match {
  std::string id;  ///< empty: none
  match_certainty certainty = match_certainty::none;
  std::vector<std::string> differences;   ///< between this machine and the entry, a sentence each
  std::vector<std::string> alternatives;  ///< ids that match as well
  std::string reason;                     ///< what was matched, or why nothing was
  std::ptrdiff_t gpu = -1;                ///< index of the matched GPU in detected_machine::gpus; -1: the CPU
  friend bool operator==(const catalogue_match&, const catalogue_match&) = default;
};

/// The entry that describes this machine best. GPUs go by name and memory size, Apple chips by name and cores, machines
/// without a GPU by the processor's name, or else by the bandwidth of their memory modules.
[[nodiscard]] catalogue_match match_catalogue(const detected_machine& here, const catalogue& known);

/// This machine, with id "this": memory sizes as detected (kind measured, source "detected"), bandwidth and arithmetic
/// rates from the matched entry, or else the bandwidth that follows from the memory modules or the GPU's bus.
/// @throws error when there is no bandwidth to be had, naming what is missing and what to do
[[nodiscard]] machine_entry to_machine(const detected_machine& here, const catalogue_match& match,
                                       const catalogue& known);

}  // namespace v0
}  // namespace sizer
