// Both are whole numbers inside, and a context length is not a size.
// expect: could not convert|no viable conversion|cannot convert|no known conversion
#include <sizer/units.hpp>

sizer::bytes twice(sizer::bytes size) { return size + size; }

sizer::bytes control() { return twice(sizer::make_bytes(262144)); }

#ifdef SIZER_COMPILE_FAIL
sizer::bytes wrong() { return twice(sizer::make_tokens(262144)); }
#endif
