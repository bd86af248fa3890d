# Finds what the library needs. Header-only packages that are not installed are downloaded at a pinned hash; they are
# only unpacked and never configured, so their own options, tests and minimum CMake versions do not matter here.
include(FetchContent)

set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # so that add_subdirectory's caller sees the targets too

# advprop_header_package(<package> TARGET <name> DEB <package> INCLUDE <dir> URL <url> SHA256 <hash>
#                        [LINK <target>] [OPTIONAL])
#   Finds <package>, or makes TARGET from a download whose headers lie in INCLUDE. OPTIONAL: no error without both.
function(advprop_header_package package)
  cmake_parse_arguments(PARSE_ARGV 1 arg "OPTIONAL" "TARGET;DEB;INCLUDE;URL;SHA256;LINK" "")
  if(TARGET ${arg_TARGET})
    return()
  endif()
  find_package(${package} QUIET)
  if(TARGET ${arg_TARGET})
    return()
  endif()
  if(NOT ADVPROP_FETCH)
    if(NOT arg_OPTIONAL)
      message(FATAL_ERROR "${package} was not found and ADVPROP_FETCH is OFF: install Debian's ${arg_DEB}.")
    endif()
    return()
  endif()
  message(STATUS "${package} is not installed (Debian: ${arg_DEB}); downloading ${arg_URL}; "
    "ADVPROP_FETCH=OFF forbids it")
  string(TOLOWER advprop_${package} content)
  FetchContent_Declare(${content} URL ${arg_URL} URL_HASH SHA256=${arg_SHA256}
    DOWNLOAD_EXTRACT_TIMESTAMP OFF INACTIVITY_TIMEOUT 30 SOURCE_SUBDIR unpacked-only)
  FetchContent_MakeAvailable(${content})
  add_library(${arg_TARGET} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${arg_TARGET} INTERFACE ${${content}_SOURCE_DIR}/${arg_INCLUDE})
  target_link_libraries(${arg_TARGET} INTERFACE ${arg_LINK})
endfunction()

# advprop_system_package(<package> <debian package> [find_package arguments])
macro(advprop_system_package package deb)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${package} was not found: install Debian's ${deb}, or run `sh cmake/install-deps.sh`.")
  endif()
endmacro()

advprop_system_package(OpenMP "g++, which brings OpenMP (with clang: libomp-dev)" COMPONENTS CXX)
advprop_system_package(Threads libc6-dev)
advprop_system_package(ZLIB zlib1g-dev)
advprop_system_package(LibLZMA liblzma-dev)
advprop_system_package(PNG libpng-dev)
advprop_system_package(JPEG libjpeg-dev)

advprop_header_package(Eigen3 TARGET Eigen3::Eigen DEB libeigen3-dev INCLUDE .
  URL https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz
  SHA256 8586084f71f9bde545ee7fa6d00288b264a2b7ac3607b974e54d13e7162c1c72)
advprop_header_package(nlohmann_json TARGET nlohmann_json::nlohmann_json DEB nlohmann-json3-dev INCLUDE include
  URL https://github.com/nlohmann/json/archive/refs/tags/v3.11.2.tar.gz
  SHA256 d69f9deb6a75e2580465c6c4c5111b89c4dc2fa94e3a85fcd2ffcd9a143d9273)

if(ADVPROP_BUILD_EXAMPLES)
  advprop_header_package(CLI11 TARGET CLI11::CLI11 DEB libcli11-dev INCLUDE include
    URL https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.3.2.tar.gz
    SHA256 aac0ab42108131ac5d3344a9db0fdf25c4db652296641955720a4fbe52334e22)
endif()

if(ADVPROP_BUILD_EXAMPLES)
  find_package(tomlplusplus QUIET)
  if(NOT TARGET tomlplusplus::tomlplusplus)
    message(STATUS "toml++ was not found (Debian: libtomlplusplus-dev): the program is built without --config")
  endif()
endif()

if(ADVPROP_BUILD_TESTS)
  advprop_header_package(doctest TARGET doctest::doctest DEB doctest-dev INCLUDE .
    URL https://github.com/doctest/doctest/archive/refs/tags/v2.4.9.tar.gz
    SHA256 19b2df757f2f3703a5e63cee553d85596875f06d91a3333acd80a969ef210856)
  # Only io/xtensor.hpp needs it; without it, that header and its tests are left out.
  advprop_header_package(xtl TARGET xtl DEB xtl-dev INCLUDE include OPTIONAL
    URL https://github.com/xtensor-stack/xtl/archive/refs/tags/0.7.7.tar.gz
    SHA256 44fb99fbf5e56af5c43619fc8c29aa58e5fad18f3ba6e7d9c55c111b62df1fbb)
  advprop_header_package(xtensor TARGET xtensor DEB libxtensor-dev INCLUDE include LINK xtl OPTIONAL
    URL https://github.com/xtensor-stack/xtensor/archive/refs/tags/0.24.7.tar.gz
    SHA256 0fbbd524dde2199b731b6af99b16063780de6cf1d0d6cb1f3f4d4ceb318f3106)
endif()

if(ADVPROP_BUILD_BENCH)
  find_package(benchmark QUIET)
  if(NOT TARGET benchmark::benchmark)
    if(NOT ADVPROP_FETCH)
      message(FATAL_ERROR "benchmark was not found and ADVPROP_FETCH is OFF: install Debian's libbenchmark-dev.")
    endif()
    message(STATUS "benchmark is not installed (Debian: libbenchmark-dev); downloading it")
    set(BENCHMARK_ENABLE_TESTING OFF CACHE INTERNAL "")
    set(BENCHMARK_ENABLE_INSTALL OFF CACHE INTERNAL "")
    set(BENCHMARK_ENABLE_WERROR OFF CACHE INTERNAL "")
    FetchContent_Declare(benchmark URL https://github.com/google/benchmark/archive/refs/tags/v1.7.1.tar.gz
      URL_HASH SHA256=6430e4092653380d9dc4ccb45a1e2dc9259d581f4866dc0759713126056bc1d7
      DOWNLOAD_EXTRACT_TIMESTAMP OFF)
    FetchContent_MakeAvailable(benchmark)
  endif()
endif()
