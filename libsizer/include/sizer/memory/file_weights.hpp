#pragma once
/// @file
/// Weights of a file whose tensors are not listed, from the nearest recipe and the size of the file.

#include <algorithm>
#include <cstdint>
#include <string>

#include <sizer/error.hpp>
#include <sizer/memory/quantization.hpp>
#include <sizer/memory/weights.hpp>
#include <sizer/model/architecture.hpp>
#include <sizer/units.hpp>

namespace sizer {
inline namespace v0 {
namespace detail {

inline void scale(bytes& amount, double factor) {
  amount = make_bytes(static_cast<std::int64_t>(static_cast<double>(number(amount)) * factor));
}

}  // namespace detail

/// How a mix that is no recipe treats what is not a routed expert.
enum class other_matrices : std::uint8_t {
  in_q8_0,   ///< keeps it in Q8_0, and the experts fill the rest: unsloth's UD files since late 2025, by their tensor
             ///< lists
  as_recipe  ///< scales it like the experts: private mixes, and UD files of mid 2025
};

/// What a file of that size holds when its mix is no recipe (unsloth's UD files, private types): the amounts by type
/// that decode and prefill read, `total` and `active`; parts, layers and counts stay those of the recipe. Dense models
/// are scaled as a whole.
/// @param nearest  the recipe that the mix resembles
/// @param file     bytes of the file (its header of some megabytes is neglected)
/// @throws value_error for a size that is not positive
[[nodiscard]] inline weights_by_type weights_of_file(const architecture& model, const quantization& nearest,
                                                     const bytes& file, other_matrices others) {
  const double size = real(file).value();
  if (size <= 0.0) throw value_error{"file_size", std::to_string(number(file)), "more than 0 bytes"};
  weights_by_type base = weights(model, nearest);
  const double routed = real(base.routed()).value();
  double whole_factor = size / real(base.total).value();
  double routed_factor = whole_factor;
  if (routed > 0.0 && others == other_matrices::in_q8_0) {
    const weights_by_type at_q8 = weights(model, {.mix = recipe::q8_0});
    const double others_q8 = real(at_q8.total).value() - real(at_q8.routed()).value();
    if (size > others_q8) {
      base.read_by_type = at_q8.read_by_type;
      base.output_head = at_q8.output_head;
      whole_factor = 1.0;
      routed_factor = (size - others_q8) / routed;
    }
  }
  for (bytes& amount : base.read_by_type) detail::scale(amount, whole_factor);
  for (bytes& amount : base.routed_by_type) detail::scale(amount, routed_factor);
  detail::scale(base.read_packed, whole_factor);
  detail::scale(base.routed_packed, routed_factor);
  detail::scale(base.output_head, whole_factor);
  double active = real(base.row).value() * whole_factor + real(base.read_packed).value();
  for (const bytes& amount : base.read_by_type) active += real(amount).value();
  if (model.shape.experts) {
    const double used = static_cast<double>(model.shape.experts->n_experts_per_token) / model.shape.experts->n_experts;
    double experts = real(base.routed_packed).value();
    for (const bytes& amount : base.routed_by_type) experts += real(amount).value();
    active += used * experts;
  }
  base.active = make_bytes(static_cast<std::int64_t>(active));
  base.total = file;
  return base;
}

}  // namespace v0
}  // namespace sizer
