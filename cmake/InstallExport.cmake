# `cmake --install`, find_package(sizer), pkg-config. Also makes the build tree usable by find_package.

include(CMakePackageConfigHelpers)

# As a subproject the targets are there already, and the parent decides what is installed.
option(SIZER_INSTALL "Install libsizer" ${PROJECT_IS_TOP_LEVEL})
if(NOT SIZER_INSTALL)
  return()
endif()

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/sizer")
set(targets sizer_core sizer_sizer)
if(TARGET sizer_catalog)
  list(APPEND targets sizer_catalog)
endif()

install(
  TARGETS ${targets}
  EXPORT sizer-targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT sizer
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT sizer)
install(
  EXPORT sizer-targets
  NAMESPACE sizer::
  DESTINATION "${config_dir}"
  COMPONENT sizer)

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/sizer-config.cmake.in"
                              "${PROJECT_BINARY_DIR}/sizer-config.cmake" INSTALL_DESTINATION "${config_dir}")
# While the version is 0.x a minor release may break its users.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/sizer-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(
  FILES "${PROJECT_BINARY_DIR}/sizer-config.cmake" "${PROJECT_BINARY_DIR}/sizer-config-version.cmake"
  DESTINATION "${config_dir}"
  COMPONENT sizer)

# The .pc file finds its prefix from its own place, so that an installed tree can be moved and `cmake --install --prefix`
# need not match the configuration. A distribution's absolute libdir has no such relation: there the prefix is written out.
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_LIBDIR absolute_libdir)
if(absolute_libdir)
  set(SIZER_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" OUTPUT_VARIABLE up)
  set(SIZER_PC_PREFIX "\${pcfiledir}/${up}")
endif()
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_LIBDIR BASE_DIRECTORY "\${prefix}" OUTPUT_VARIABLE SIZER_PC_LIBDIR)
cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_INCLUDEDIR BASE_DIRECTORY "\${prefix}" OUTPUT_VARIABLE SIZER_PC_INCLUDEDIR)
set(SIZER_PC_LIBS "")
if(TARGET sizer_catalog)
  set(SIZER_PC_LIBS "-L\${libdir} -lsizer_catalog -pthread")
  foreach(library IN LISTS CMAKE_DL_LIBS)
    string(APPEND SIZER_PC_LIBS " -l${library}")
  endforeach()
endif()
configure_file("${CMAKE_CURRENT_LIST_DIR}/sizer.pc.in" "${PROJECT_BINARY_DIR}/sizer.pc" @ONLY)
install(
  FILES "${PROJECT_BINARY_DIR}/sizer.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
  COMPONENT sizer)

install(
  FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/LICENSE.data"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/sizer"
  COMPONENT sizer)
