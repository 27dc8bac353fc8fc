# The Python extension `sizer._cuda`: the CUDA microbenchmark. Optional in every respect: without nvcc, or with one that
# does not work here, SIZER_HAVE_CUDA is off and SIZER_REASON_CUDA says why, and nothing else is missing.
#
# Included by the top level, where a language must be enabled; bindings/ calls sizer_add_cuda_module().

set(SIZER_BUILD_CUDA AUTO CACHE STRING "Build the CUDA microbenchmark: AUTO (where nvcc is), ON (likewise, and warn), OFF")
set_property(CACHE SIZER_BUILD_CUDA PROPERTY STRINGS AUTO ON OFF)
# Every generation from Turing on as machine code; PTX of the last one for what comes later.
set(SIZER_CUDA_ARCHITECTURES "75;80;86;89;90;100;110;120" CACHE STRING "Compute capabilities to compile for")
mark_as_advanced(SIZER_CUDA_ARCHITECTURES)

set(SIZER_HAVE_CUDA OFF)
set(SIZER_REASON_CUDA "")

if(NOT SIZER_HAVE_PYTHON)
  set(SIZER_REASON_CUDA "the Python module is not built")
elseif(SIZER_BUILD_CUDA STREQUAL "AUTO" OR SIZER_BUILD_CUDA)
  # The toolkit's own folder is often not on the search path.
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(SIZER_NVCC nvcc PATHS /usr/local/cuda/bin /opt/cuda/bin)
    mark_as_advanced(SIZER_NVCC)
    if(SIZER_NVCC)
      set(ENV{CUDACXX} "${SIZER_NVCC}")
    endif()
  endif()
  if(CMAKE_CUDA_COMPILER OR DEFINED ENV{CUDACXX})
    # One host compiler for the whole module. nvcc takes g++ up to some release; clang only with more settings.
    if(NOT DEFINED ENV{CUDAHOSTCXX} AND NOT CMAKE_CUDA_HOST_COMPILER AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      set(ENV{CUDAHOSTCXX} "${CMAKE_CXX_COMPILER}")
    endif()
    include(CheckLanguage)
    check_language(CUDA) # in a project of its own, so that a broken nvcc does not end this one
    if(NOT CMAKE_CUDA_COMPILER)
      set(SIZER_REASON_CUDA "nvcc does not work with this host compiler (CMakeFiles/CMakeError.log has what it says)")
    endif()
  else()
    set(SIZER_REASON_CUDA "nvcc not found (Debian package nvidia-cuda-toolkit, or NVIDIA's cuda-nvcc)")
  endif()

  if(CMAKE_CUDA_COMPILER)
    execute_process(
      COMMAND "${CMAKE_CUDA_COMPILER}" --list-gpu-code
      OUTPUT_VARIABLE known
      ERROR_QUIET)
    string(REGEX MATCHALL "sm_[0-9]+" known "${known}")
    set(architectures "")
    set(names "")
    set(last "")
    foreach(architecture IN LISTS SIZER_CUDA_ARCHITECTURES)
      if("sm_${architecture}" IN_LIST known)
        list(APPEND architectures "${architecture}-real")
        string(APPEND names "sm_${architecture} ")
        set(last "${architecture}")
      endif()
    endforeach()
    if(last STREQUAL "")
      list(JOIN SIZER_CUDA_ARCHITECTURES ", " wanted) # the reason becomes a compile definition: no list in it
      set(SIZER_REASON_CUDA "nvcc knows none of the architectures ${wanted}")
    else()
      list(APPEND architectures "${last}-virtual")
      string(APPEND names "compute_${last}")
      set(CMAKE_CUDA_ARCHITECTURES "${architectures}")
      enable_language(CUDA)
      if(NOT CMAKE_CUDA_COMPILER_ID STREQUAL "NVIDIA")
        set(SIZER_REASON_CUDA "the CUDA compiler is ${CMAKE_CUDA_COMPILER_ID}, tested is NVIDIA's")
      elseif(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.0)
        set(SIZER_REASON_CUDA "nvcc ${CMAKE_CUDA_COMPILER_VERSION} is older than 12.0, whose runtime the sources are written for")
      else()
        find_package(CUDAToolkit QUIET)
        if(TARGET CUDA::cudart_static)
          set(SIZER_HAVE_CUDA ON)
        else()
          set(SIZER_REASON_CUDA "the static CUDA runtime (libcudart_static.a) was not found")
        endif()
      endif()
    endif()
    set(SIZER_CUDA_ARCHITECTURE_NAMES "${names}")
  endif()
else()
  set(SIZER_REASON_CUDA "SIZER_BUILD_CUDA is off")
endif()

if(SIZER_HAVE_CUDA)
  if(PROJECT_IS_TOP_LEVEL AND SIZER_CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER "${SIZER_CCACHE}")
  endif()
  add_feature_info("CUDA microbenchmark" ON "nvcc ${CMAKE_CUDA_COMPILER_VERSION}: ${SIZER_CUDA_ARCHITECTURE_NAMES}")
else()
  add_feature_info("CUDA microbenchmark" OFF "${SIZER_REASON_CUDA}")
  if(NOT SIZER_BUILD_CUDA STREQUAL "AUTO" AND SIZER_BUILD_CUDA)
    message(WARNING "SIZER_BUILD_CUDA is on, but: ${SIZER_REASON_CUDA}")
  endif()
endif()

# sizer_add_cuda_module(<package folder>): the target sizer_cuda_python, which becomes <package folder>/_cuda.
function(sizer_add_cuda_module package)
  set(sources "${PROJECT_SOURCE_DIR}/libsizer/src/probe/cuda")

  # nvcc does not know the warnings of sizer_warnings, and its headers would not pass them.
  add_library(sizer_cuda_kernels OBJECT "${sources}/kernels.cu" "${sources}/kernels_model.cu")
  set_target_properties(
    sizer_cuda_kernels
    PROPERTIES CUDA_STANDARD 17 # CMake 3.25 does not know that nvcc 13 has C++20, and the kernels do not need it
               CUDA_STANDARD_REQUIRED ON
               CUDA_EXTENSIONS OFF
               CUDA_VISIBILITY_PRESET hidden
               CUDA_RUNTIME_LIBRARY Static
               POSITION_INDEPENDENT_CODE ON)
  target_include_directories(sizer_cuda_kernels PRIVATE "${PROJECT_SOURCE_DIR}/libsizer/include"
                                                        "${PROJECT_SOURCE_DIR}/libsizer/src")
  target_compile_options(sizer_cuda_kernels PRIVATE -O3 -Xfatbin=-compress-all)
  if(NOT MSVC)
    target_compile_options(sizer_cuda_kernels PRIVATE -Xcompiler=-Wall,-Wextra)
  endif()
  if(SIZER_WARNINGS_AS_ERRORS AND NOT MSVC) # CMake has nvcc and ptxas do so, but not the host compiler behind them
    target_compile_options(sizer_cuda_kernels PRIVATE -Xcompiler=-Werror)
  endif()
  target_compile_definitions(sizer_cuda_kernels
                             PRIVATE "SIZER_CUDA_ARCHITECTURES=\"${SIZER_CUDA_ARCHITECTURE_NAMES}\"")

  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
  pybind11_add_module(
    sizer_cuda_python MODULE
    "${PROJECT_SOURCE_DIR}/bindings/src/cuda_module.cpp" "${sources}/cublas_lt.cpp" "${sources}/cuda_device.cpp"
    "${sources}/cuda_runs.cpp" "${sources}/run_decoding.cpp" "${sources}/run_links.cpp" "${sources}/run_products.cpp"
    "${sources}/run_streams.cpp" $<TARGET_OBJECTS:sizer_cuda_kernels>)
  set_target_properties(
    sizer_cuda_python
    PROPERTIES OUTPUT_NAME _cuda
               LINKER_LANGUAGE CXX # the runtime is linked by name, nothing is left for nvcc to link
               LIBRARY_OUTPUT_DIRECTORY "$<1:${package}>")
  target_include_directories(sizer_cuda_python PRIVATE "${PROJECT_SOURCE_DIR}/libsizer/src")
  target_include_directories(sizer_cuda_python SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(sizer_cuda_python PRIVATE sizer::core sizer_warnings CUDA::cudart_static)
  install(
    TARGETS sizer_cuda_python
    LIBRARY DESTINATION sizer COMPONENT python EXCLUDE_FROM_ALL
    RUNTIME DESTINATION sizer COMPONENT python EXCLUDE_FROM_ALL)
endfunction()
