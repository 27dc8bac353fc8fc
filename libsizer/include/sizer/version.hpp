#pragma once
/// @file
/// The library's version: the single place that CMake and pyproject read it from.

#define SIZER_VERSION_MAJOR 0
#define SIZER_VERSION_MINOR 1
#define SIZER_VERSION_PATCH 0
#define SIZER_VERSION "0.1.0"
