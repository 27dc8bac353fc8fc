# `cmake --build <dir> --target format`: rewrites the C++ files in the project's style.

if(SIZER_CLANG_FORMAT)
  add_custom_target(
    format
    COMMAND "${CMAKE_COMMAND}" "-DCLANG_FORMAT=${SIZER_CLANG_FORMAT}" -DMODE=fix -P
            "${CMAKE_CURRENT_LIST_DIR}/format.cmake"
    VERBATIM)
endif()
