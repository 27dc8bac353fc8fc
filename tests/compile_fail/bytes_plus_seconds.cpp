// Bytes and seconds have no sum.
// expect: no match for 'operator\+'|invalid operands to binary expression|static assertion|no type named 'type'
#include <sizer/units.hpp>

sizer::real_bytes control(sizer::bytes weights) { return sizer::real(weights) + sizer::real(weights); }

#ifdef SIZER_COMPILE_FAIL
auto sum(sizer::bytes weights, sizer::seconds time) { return sizer::real(weights) + time; }
#endif
