// 4.5 GB is no whole number of bytes until somebody says how to round it.
// expect: could not convert|no viable conversion|cannot convert|no known conversion|no matching function
#include <sizer/units.hpp>

sizer::bytes control() { return sizer::make_bytes(4'500'000'000); }

#ifdef SIZER_COMPILE_FAIL
sizer::bytes wrong() { return sizer::make_bytes(4.5e9); }
#endif
