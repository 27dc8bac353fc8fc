// 273 might be GB/s, GiB/s or bytes per second: a bandwidth has to be made as one.
// expect: could not convert|no viable conversion|cannot convert|no known conversion
#include <sizer/units.hpp>

sizer::seconds stream(sizer::bytes size, sizer::bytes_per_second bandwidth) { return sizer::real(size) / bandwidth; }

sizer::seconds control() { return stream(sizer::make_bytes(1), sizer::make_bytes_per_second(273e9)); }

#ifdef SIZER_COMPILE_FAIL
sizer::seconds bare() { return stream(sizer::make_bytes(1), 273e9); }
#endif
