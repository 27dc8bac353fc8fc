# SIZER_SANITIZE: a list for -fsanitize=, set by the asan-ubsan and tsan presets.
#
# Applied to the whole directory tree and not to single targets: an object without the instrumentation beside one that
# has it gives false reports (address) or misses races (thread).

set(SIZER_SANITIZE "" CACHE STRING "Sanitizers, separated by ';': address;undefined or thread")
if(NOT SIZER_SANITIZE)
  return()
endif()

if(MSVC)
  message(FATAL_ERROR "SIZER_SANITIZE is written for g++ and clang++; this compiler is ${CMAKE_CXX_COMPILER_ID}")
endif()

list(JOIN SIZER_SANITIZE "," sizer_sanitize_flag)
set(sizer_sanitize_flag "-fsanitize=${sizer_sanitize_flag}")

# A compiler may accept the flag and lack the run-time library, so the probe links.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_FLAGS "${sizer_sanitize_flag}")
check_cxx_source_compiles("int main() { return 0; }" SIZER_SANITIZE_LINKS)
unset(CMAKE_REQUIRED_FLAGS)
if(NOT SIZER_SANITIZE_LINKS)
  message(FATAL_ERROR "${CMAKE_CXX_COMPILER} cannot link a program with ${sizer_sanitize_flag}")
endif()

add_compile_options(
  ${sizer_sanitize_flag}
  -fno-omit-frame-pointer # readable stacks
  -fno-sanitize-recover=all) # a report fails the test
add_link_options(${sizer_sanitize_flag})
