// Whether a cache of so many bytes is larger than so many tokens has no answer.
// expect: no match for 'operator<'|invalid operands to binary expression|static assertion|no type named
#include <sizer/units.hpp>

bool control(sizer::bytes a, sizer::bytes b) { return a < b; }

#ifdef SIZER_COMPILE_FAIL
bool wrong(sizer::bytes a, sizer::tokens b) { return a < b; }
#endif
