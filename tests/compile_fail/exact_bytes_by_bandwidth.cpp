// An exact size has to be turned into a real one by name before a rate divides it.
// expect: no match for 'operator/'|invalid operands to binary expression|could not convert|static assertion|no type named
#include <sizer/units.hpp>

sizer::seconds control(sizer::bytes size, sizer::bytes_per_second rate) { return sizer::real(size) / rate; }

#ifdef SIZER_COMPILE_FAIL
sizer::seconds wrong(sizer::bytes size, sizer::bytes_per_second rate) { return size / rate; }
#endif
