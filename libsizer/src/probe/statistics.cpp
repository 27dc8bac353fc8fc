/// @file
/// The two figures that a run of samples is judged by.

#include <algorithm>
#include <cmath>
#include <vector>

#include <sizer/probe/kernels.hpp>

namespace sizer {
inline namespace v0 {
namespace {

double middle(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), half, values.end());
  if (values.size() % 2 == 1) return *half;
  return (*half + *std::max_element(values.begin(), half)) / 2;
}

std::vector<double> plain(const std::vector<seconds>& samples) {
  std::vector<double> values;
  values.reserve(samples.size());
  for (const seconds& one : samples) values.push_back(number(one));
  return values;
}

}  // namespace

seconds median(const std::vector<seconds>& samples) { return make_seconds(middle(plain(samples))); }

double relative_spread(const std::vector<seconds>& samples) {
  if (samples.size() < 2) return 0;
  std::vector<double> values = plain(samples);
  const double center = middle(values);
  if (!(center > 0)) return 0;
  for (double& value : values) value = std::abs(value - center);
  return middle(std::move(values)) / center;
}

}  // namespace v0
}  // namespace sizer
