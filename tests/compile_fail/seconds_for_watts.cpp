// Both hold a double.
// expect: could not convert|no viable conversion|cannot convert|no known conversion
#include <sizer/units.hpp>

sizer::watts control() { return sizer::make_watts(300.0); }

#ifdef SIZER_COMPILE_FAIL
sizer::watts wrong() { return sizer::make_seconds(300.0); }
#endif
