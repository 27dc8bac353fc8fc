#pragma once
/// @file
/// Quantities as types. Bytes, tokens, floating-point operations, seconds, joules and dollars are dimensions: adding
/// bytes to seconds, or passing a bare double for a bandwidth, does not compile. This is the only header that names
/// Boost.Units.
///
/// Exact amounts (bytes, tokens) hold a checked 64-bit integer; rates and times hold a double.
/// GB is 10^9 bytes, GiB is 2^30 bytes (IEC 80000-13), always spelled.

#include <cmath>
#include <cstdint>

#include <boost/units/base_dimension.hpp>
#include <boost/units/base_unit.hpp>
#include <boost/units/derived_dimension.hpp>
#include <boost/units/make_system.hpp>
#include <boost/units/physical_dimensions/energy.hpp>
#include <boost/units/quantity.hpp>
#include <boost/units/systems/si/base.hpp>
#include <boost/units/unit.hpp>

#include <sizer/detail/count.hpp>

namespace sizer {
inline namespace v0 {

namespace detail {
// The numbers order user-defined dimensions and base units inside Boost.Units; they need only be unique in a program.
struct information_base : boost::units::base_dimension<information_base, 7301> {};
struct token_base : boost::units::base_dimension<token_base, 7302> {};
struct operation_base : boost::units::base_dimension<operation_base, 7303> {};
struct money_base : boost::units::base_dimension<money_base, 7304> {};
struct duration_base : boost::units::base_dimension<duration_base, 7305> {};
struct energy_base : boost::units::base_dimension<energy_base, 7306> {};

struct byte_unit : boost::units::base_unit<byte_unit, information_base::dimension_type, 7301> {};
struct token_unit : boost::units::base_unit<token_unit, token_base::dimension_type, 7302> {};
struct flop_unit : boost::units::base_unit<flop_unit, operation_base::dimension_type, 7303> {};
struct dollar_unit : boost::units::base_unit<dollar_unit, money_base::dimension_type, 7304> {};
struct second_unit : boost::units::base_unit<second_unit, duration_base::dimension_type, 7305> {};
struct joule_unit : boost::units::base_unit<joule_unit, energy_base::dimension_type, 7306> {};

using system = boost::units::make_system<byte_unit, token_unit, flop_unit, dollar_unit, second_unit, joule_unit>::type;

template <class Dimension>
using unit = boost::units::unit<Dimension, system>;

template <class A, int AExp, class B, int BExp>
using per = typename boost::units::derived_dimension<A, AExp, B, BExp>::type;
}  // namespace detail

using information_unit = detail::unit<detail::information_base::dimension_type>;
using token_count_unit = detail::unit<detail::token_base::dimension_type>;
using operation_unit = detail::unit<detail::operation_base::dimension_type>;
using money_unit = detail::unit<detail::money_base::dimension_type>;
using duration_unit = detail::unit<detail::duration_base::dimension_type>;
using bandwidth_unit = detail::unit<detail::per<detail::information_base, 1, detail::duration_base, -1>>;
using token_rate_unit = detail::unit<detail::per<detail::token_base, 1, detail::duration_base, -1>>;
using operation_rate_unit = detail::unit<detail::per<detail::operation_base, 1, detail::duration_base, -1>>;
using power_unit = detail::unit<detail::per<detail::energy_base, 1, detail::duration_base, -1>>;

/// An exact number of bytes.
using bytes = boost::units::quantity<information_unit, count>;
/// An exact number of tokens.
using tokens = boost::units::quantity<token_count_unit, count>;
/// Bytes as a real number, inside rates and times.
using real_bytes = boost::units::quantity<information_unit, double>;
/// Floating-point (or integer multiply-add) operations; a multiply and an add are two.
using flop = boost::units::quantity<operation_unit, double>;
using seconds = boost::units::quantity<duration_unit, double>;
using dollars = boost::units::quantity<money_unit, double>;
using bytes_per_second = boost::units::quantity<bandwidth_unit, double>;
using tokens_per_second = boost::units::quantity<token_rate_unit, double>;
using flop_per_second = boost::units::quantity<operation_rate_unit, double>;
using watts = boost::units::quantity<power_unit, double>;

/// The number inside a quantity, in its base unit (byte, token, flop, second, watt, dollar).
template <class Unit, class Value>
[[nodiscard]] constexpr Value number(const boost::units::quantity<Unit, Value>& q) {
  return q.value();
}
[[nodiscard]] constexpr std::int64_t number(const bytes& q) { return q.value().value(); }
[[nodiscard]] constexpr std::int64_t number(const tokens& q) { return q.value().value(); }

/// An exact count of bytes (or tokens) as the real quantity that rates are made of.
[[nodiscard]] constexpr real_bytes real(const bytes& q) { return real_bytes::from_value(q.value().real()); }

[[nodiscard]] constexpr bytes make_bytes(count n) { return bytes::from_value(n); }
[[nodiscard]] constexpr tokens make_tokens(count n) { return tokens::from_value(n); }
[[nodiscard]] constexpr flop make_flop(double n) { return flop::from_value(n); }
[[nodiscard]] constexpr seconds make_seconds(double n) { return seconds::from_value(n); }
[[nodiscard]] constexpr dollars make_dollars(double n) { return dollars::from_value(n); }
[[nodiscard]] constexpr watts make_watts(double n) { return watts::from_value(n); }
[[nodiscard]] constexpr bytes_per_second make_bytes_per_second(double n) { return bytes_per_second::from_value(n); }
[[nodiscard]] constexpr tokens_per_second make_tokens_per_second(double n) { return tokens_per_second::from_value(n); }
[[nodiscard]] constexpr flop_per_second make_flop_per_second(double n) { return flop_per_second::from_value(n); }

inline namespace literals {
[[nodiscard]] constexpr bytes operator""_B(unsigned long long n) { return make_bytes(n); }
[[nodiscard]] constexpr bytes operator""_KiB(unsigned long long n) { return make_bytes(count{n} * 1024); }
[[nodiscard]] constexpr bytes operator""_MiB(unsigned long long n) { return make_bytes(count{n} * (1 << 20)); }
[[nodiscard]] constexpr bytes operator""_GiB(unsigned long long n) { return make_bytes(count{n} * (1 << 30)); }
[[nodiscard]] constexpr bytes operator""_MB(unsigned long long n) { return make_bytes(count{n} * 1'000'000); }
[[nodiscard]] constexpr bytes operator""_GB(unsigned long long n) { return make_bytes(count{n} * 1'000'000'000); }
[[nodiscard]] constexpr tokens operator""_tokens(unsigned long long n) { return make_tokens(n); }
[[nodiscard]] constexpr bytes_per_second operator""_GB_per_s(long double n) {
  return make_bytes_per_second(static_cast<double>(n) * 1e9);
}
[[nodiscard]] constexpr bytes_per_second operator""_GB_per_s(unsigned long long n) {
  return make_bytes_per_second(static_cast<double>(n) * 1e9);
}
[[nodiscard]] constexpr flop_per_second operator""_TFLOPS(long double n) {
  return make_flop_per_second(static_cast<double>(n) * 1e12);
}
[[nodiscard]] constexpr seconds operator""_s(long double n) { return make_seconds(static_cast<double>(n)); }
}  // namespace literals

}  // namespace v0
}  // namespace sizer
