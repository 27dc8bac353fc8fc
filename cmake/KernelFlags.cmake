# Flags of the sources that hold the inner loops of the microbenchmark. Each is compiled for one instruction set, and the
# processor is asked at run time which of them it has; a compiler that lacks one leaves that table empty.

include(CheckCXXCompilerFlag)

# sizer_kernel_flags(<source> [flag ...]): the flags when the compiler knows them all; optimised in every build type.
function(sizer_kernel_flags source)
  if(MSVC)
    return()
  endif()
  set(flags -O3)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 takes the undefined registers of its own AVX-512 header for mistakes (GCC bug 105593).
    list(APPEND flags -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
  if(ARGN)
    list(JOIN ARGN " " together)
    string(MAKE_C_IDENTIFIER "SIZER_KNOWS ${together}" known)
    check_cxx_compiler_flag("${together}" ${known})
    if(${known})
      list(APPEND flags ${ARGN})
    endif()
  endif()
  set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS "${flags}")
endfunction()

set(avx2 -mavx2 -mfma -mf16c)
set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni)
set(folder src/probe/cpu)
sizer_kernel_flags(${folder}/kernels_scalar.cpp)
# One binary for several processors is compiled several times, and flags of one are errors for the other.
list(LENGTH CMAKE_OSX_ARCHITECTURES architectures)
if(architectures GREATER 1)
  message(STATUS "libsizer: kernels in plain C++ only, because this build is for several processors")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  sizer_kernel_flags(${folder}/kernels_avx2.cpp ${avx2})
  sizer_kernel_flags(${folder}/kernels_avx512.cpp ${avx512})
  sizer_kernel_flags(${folder}/gemm_avx512_bf16.cpp ${avx512} -mavx512bf16)
  sizer_kernel_flags(${folder}/gemm_amx.cpp ${avx512} -mamx-tile -mamx-bf16 -mamx-int8)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  sizer_kernel_flags(${folder}/kernels_neon.cpp -march=armv8.2-a+dotprod)
endif()
