# Every third party, found on the machine and never downloaded. What is required stops the configuration with the name of
# the package to install; what is optional leaves SIZER_HAVE_<NAME> off and a reason in the feature summary.

# The one wording for a missing requirement.
function(sizer_missing what debian brew vcpkg)
  message(FATAL_ERROR "libsizer needs ${what}, which was not found.\n"
                      "  Debian, Ubuntu:  apt-get install ${debian}\n"
                      "  macOS:           brew install ${brew}\n"
                      "  vcpkg:           vcpkg install ${vcpkg}\n"
                      "  elsewhere:       set CMAKE_PREFIX_PATH to its install prefix")
endfunction()

# sizer_optional(<NAME> <found> <what it is for> <Debian package>): sets SIZER_HAVE_<NAME> and SIZER_REASON_<NAME> in the
# caller and adds a line to the feature summary.
function(sizer_optional name found purpose debian)
  string(TOLOWER "${name}" label)
  if(found)
    set(SIZER_HAVE_${name} ON PARENT_SCOPE)
    set(SIZER_REASON_${name} "" PARENT_SCOPE)
    add_feature_info("${purpose}" ON "${label}")
  else()
    set(reason "not found (Debian package ${debian})")
    set(SIZER_HAVE_${name} OFF PARENT_SCOPE)
    set(SIZER_REASON_${name} "${reason}" PARENT_SCOPE)
    add_feature_info("${purpose}" OFF "${label} ${reason}")
  endif()
endfunction()

# --- what the headers need --------------------------------------------------------------------------------------------

# Packages before 1.70 had no Boost::headers; 1.74 is the oldest tested.
find_package(Boost 1.74 QUIET)
if(NOT TARGET Boost::headers)
  sizer_missing("Boost 1.74 or newer (headers only: Boost.Units)" libboost-dev boost boost-units)
endif()

# Without a version in the call: Eigen's version file refuses any other major version, and 5 serves as well as 3.4.
find_package(Eigen3 QUIET CONFIG)
if(NOT TARGET Eigen3::Eigen OR Eigen3_VERSION VERSION_LESS 3.4)
  sizer_missing("Eigen 3.4 or newer" libeigen3-dev eigen eigen3)
endif()

# --- what sizer::catalog needs, inside only ---------------------------------------------------------------------------

if(SIZER_BUILD_CATALOG)
  find_package(nlohmann_json 3.11 QUIET CONFIG)
  if(NOT TARGET nlohmann_json::nlohmann_json)
    sizer_missing("nlohmann_json 3.11 or newer (or -DSIZER_BUILD_CATALOG=OFF, which leaves the headers)"
                  nlohmann-json3-dev nlohmann-json nlohmann-json)
  endif()
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads REQUIRED)
endif()
add_feature_info("sizer::catalog" SIZER_BUILD_CATALOG "the embedded catalogue and the file readers")

# --- Python -----------------------------------------------------------------------------------------------------------

# True if the interpreter can import every module named.
function(sizer_python_has result interpreter)
  list(JOIN ARGN "," modules)
  execute_process(
    COMMAND "${interpreter}" -c "import ${modules}"
    RESULT_VARIABLE status
    OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0)
    set(${result} ON PARENT_SCOPE)
  else()
    set(${result} OFF PARENT_SCOPE)
  endif()
endfunction()

if(SIZER_BUILD_PYTHON OR SIZER_BUILD_TESTS)
  # The extension, NumPy and pytest must belong to one interpreter. The first `python3` of the search path may be one that
  # has none of the system's packages, so the system's own is preferred where its headers are installed.
  if(NOT DEFINED Python_EXECUTABLE AND NOT SKBUILD AND EXISTS /usr/bin/python3)
    file(GLOB usable "/usr/include/python3.*/Python.h")
    if(usable)
      set(Python_EXECUTABLE /usr/bin/python3 CACHE FILEPATH "Interpreter the extension and the Python tests belong to")
    endif()
  endif()
  find_package(Python 3.10 QUIET COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)
endif()

if(SIZER_BUILD_PYTHON)
  set(PYBIND11_FINDPYTHON ON) # pybind11 2.x would otherwise look for another interpreter by itself
  if(Python_Development.Module_FOUND)
    find_package(pybind11 2.10...<4 QUIET CONFIG)
  endif()
  if(NOT SIZER_BUILD_CATALOG)
    set(SIZER_HAVE_PYTHON OFF)
    set(SIZER_REASON_PYTHON "needs SIZER_BUILD_CATALOG")
    add_feature_info("Python module and command line" OFF "${SIZER_REASON_PYTHON}")
  elseif(SIZER_SANITIZE)
    # The interpreter is not instrumented; the sanitizer's run-time library would have to be preloaded into it.
    set(SIZER_HAVE_PYTHON OFF)
    set(SIZER_REASON_PYTHON "not built with sanitizers")
    add_feature_info("Python module and command line" OFF "${SIZER_REASON_PYTHON}")
  else()
    sizer_optional(PYTHON "${pybind11_FOUND}" "Python module and command line" "python3-dev pybind11-dev")
  endif()
  if(SKBUILD AND NOT SIZER_HAVE_PYTHON)
    message(FATAL_ERROR "The Python module cannot be built: ${SIZER_REASON_PYTHON}")
  endif()
else()
  set(SIZER_HAVE_PYTHON OFF)
  set(SIZER_REASON_PYTHON "SIZER_BUILD_PYTHON is off")
endif()

# --- tests and benchmarks ---------------------------------------------------------------------------------------------

if(SIZER_BUILD_TESTS)
  option(SIZER_REQUIRE_TEST_TOOLS "A test tool that Debian has and this machine lacks is an error" OFF)
  find_package(doctest 2.4 QUIET CONFIG)
  sizer_optional(DOCTEST "${doctest_FOUND}" "C++ tests" doctest-dev)
  find_package(rapidcheck QUIET CONFIG)
  sizer_optional(RAPIDCHECK "${rapidcheck_FOUND}" "property tests" librapidcheck-dev)

  set(python_usable OFF)
  if(Python_Interpreter_FOUND)
    sizer_python_has(python_usable "${Python_EXECUTABLE}" pytest)
  endif()
  sizer_optional(PYTEST "${python_usable}" "Python, data and include tests" python3-pytest)
  set(python_usable OFF)
  if(Python_Interpreter_FOUND)
    sizer_python_has(python_usable "${Python_EXECUTABLE}" mypy)
  endif()
  sizer_optional(MYPY "${python_usable}" "type and stub tests of the Python package" python3-mypy)

  find_program(SIZER_RUFF ruff)
  sizer_optional(RUFF "${SIZER_RUFF}" "lint of the Python files" "none; PyPI: ruff")
  # Another release of clang-format breaks lines elsewhere.
  find_program(SIZER_CLANG_FORMAT NAMES clang-format-14 clang-format)
  sizer_optional(CLANG_FORMAT "${SIZER_CLANG_FORMAT}" "format of the C++ files" clang-format-14)
  find_program(SIZER_CPPCHECK cppcheck)
  sizer_optional(CPPCHECK "${SIZER_CPPCHECK}" "static analysis of the compiled part" cppcheck)
  find_program(SIZER_SHELLCHECK shellcheck)
  sizer_optional(SHELLCHECK "${SIZER_SHELLCHECK}" "lint of the shell scripts" shellcheck)
  find_program(SIZER_PKG_CONFIG NAMES pkg-config pkgconf)
  sizer_optional(PKG_CONFIG "${SIZER_PKG_CONFIG}" "the pkg-config consumer test" pkg-config)
  mark_as_advanced(SIZER_RUFF SIZER_CLANG_FORMAT SIZER_CPPCHECK SIZER_SHELLCHECK SIZER_PKG_CONFIG)

  if(SIZER_REQUIRE_TEST_TOOLS)
    foreach(tool IN ITEMS DOCTEST RAPIDCHECK PYTEST MYPY CLANG_FORMAT CPPCHECK SHELLCHECK PKG_CONFIG)
      if(NOT SIZER_HAVE_${tool})
        message(FATAL_ERROR "SIZER_REQUIRE_TEST_TOOLS: ${tool} ${SIZER_REASON_${tool}}")
      endif()
    endforeach()
    if(SIZER_BUILD_PYTHON AND NOT SIZER_HAVE_PYTHON)
      message(FATAL_ERROR "SIZER_REQUIRE_TEST_TOOLS: the Python module: ${SIZER_REASON_PYTHON}")
    endif()
  endif()
endif()

if(SIZER_BUILD_BENCH)
  find_package(benchmark 1.7 QUIET CONFIG)
  sizer_optional(BENCHMARK "${benchmark_FOUND}" "benchmarks" libbenchmark-dev)
endif()
