# Run with cmake -P: compiles SOURCE with and without SIZER_COMPILE_FAIL.

cmake_minimum_required(VERSION 3.25)

file(STRINGS "${SOURCE}" expected REGEX "^// expect: ")
list(LENGTH expected n)
if(NOT n EQUAL 1)
  message(FATAL_ERROR "${SOURCE}: ${n} lines start with '// expect: ', one should")
endif()
string(REPLACE "// expect: " "" expected "${expected}")

# LC_ALL=C below: compilers quote with other characters, or speak another language, in other locales.
set(includes "")
list(REMOVE_DUPLICATES FOLDERS)
foreach(folder IN LISTS FOLDERS)
  if(folder)
    list(APPEND includes "-I${folder}") # every compiler's flag, MSVC's too
  endif()
endforeach()

execute_process(
  COMMAND "${CMAKE_COMMAND}" -E env LC_ALL=C "${COMPILER}" ${FLAGS} ${includes} "${SOURCE}"
  RESULT_VARIABLE status
  ERROR_VARIABLE messages OUTPUT_VARIABLE messages)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "does not compile even without SIZER_COMPILE_FAIL:\n${messages}")
endif()

execute_process(
  COMMAND "${CMAKE_COMMAND}" -E env LC_ALL=C "${COMPILER}" ${FLAGS} ${includes} -DSIZER_COMPILE_FAIL "${SOURCE}"
  RESULT_VARIABLE status
  ERROR_VARIABLE messages OUTPUT_VARIABLE messages)
if(status EQUAL 0)
  message(FATAL_ERROR "compiles with SIZER_COMPILE_FAIL, and must not")
endif()
if(NOT messages MATCHES "${expected}")
  message(FATAL_ERROR "fails, but not with '${expected}':\n${messages}")
endif()
message(STATUS "rejected as it should be: ${expected}")
