# Run with cmake -P: MODE=check fails on a file that clang-format would change, MODE=fix changes it.
#
# The list of files is made here and not when the build is configured, so that a new file is not missed.

cmake_minimum_required(VERSION 3.25)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
set(files "")
foreach(folder IN ITEMS libsizer bindings tests bench)
  file(GLOB_RECURSE found "${root}/${folder}/*.hpp" "${root}/${folder}/*.cpp" "${root}/${folder}/*.cu")
  list(APPEND files ${found})
endforeach()
list(LENGTH files n)
if(n LESS 10)
  message(FATAL_ERROR "only ${n} C++ file(s) found: the list of folders is wrong")
endif()

if(MODE STREQUAL "fix")
  set(arguments -i)
else()
  set(arguments --dry-run --Werror)
endif()
execute_process(COMMAND "${CLANG_FORMAT}" --style=file ${arguments} ${files} RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "clang-format: `cmake --build <build folder> --target format` rewrites the files named above")
endif()
message(STATUS "clang-format: ${n} files in style")
