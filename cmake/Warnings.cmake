# sizer_warnings: linked PRIVATE by every target of this project, never exported.

add_library(sizer_warnings INTERFACE)

if(CMAKE_CXX_COMPILER_ID STREQUAL "MSVC")
  target_compile_options(
    sizer_warnings
    INTERFACE
      /W4
      /permissive- # the standard's rules, as the other compilers have them
      /utf-8 # do not read the sources in the machine's code page
      /bigobj) # templates of the units library and the test macros exceed the default section count
  target_compile_definitions(sizer_warnings INTERFACE NOMINMAX)
else()
  target_compile_options(
    sizer_warnings
    INTERFACE
      -Wall
      -Wextra
      -Wpedantic # stay within the standard: the headers are used with compilers not tested here
      -Wconversion # a byte count that loses digits is a wrong answer
      -Wsign-conversion # likewise for -1 that becomes 2^64 - 1
      -Wdouble-promotion # a float in a formula is a mistake
      -Wshadow # two quantities of one name in one scope get mixed up
      -Wold-style-cast # hides the conversions that the two above should report
      -Wnon-virtual-dtor
      -Woverloaded-virtual
      -Wcast-qual
      -Wformat=2
      -Wimplicit-fallthrough
      -Wextra-semi)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(
      sizer_warnings
      INTERFACE
        -Wduplicated-cond # an if-else chain over enumerators with one entry twice
        -Wduplicated-branches
        -Wlogical-op
        # libstdc++'s own string concatenation trips this one at -O2 in g++ 12 (GCC bug 105651).
        $<$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>:-Wno-restrict>)
  endif()
endif()

# Warnings stop the build only for who develops libsizer: a newer compiler must not break who uses it. A developer turns
# it off for one configuration with -DSIZER_WARNINGS_AS_ERRORS=OFF.
if(PROJECT_IS_TOP_LEVEL AND NOT SKBUILD)
  option(SIZER_WARNINGS_AS_ERRORS "Stop at the first warning" ON)
  set(CMAKE_COMPILE_WARNING_AS_ERROR ${SIZER_WARNINGS_AS_ERRORS})
endif()
