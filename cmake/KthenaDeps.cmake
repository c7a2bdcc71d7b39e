# Dependencies. All are private to our translation units; public headers need the standard library only.
#
#   KTHENA_DEPS=auto     an installed package if there is one, else a pinned download (default)
#   KTHENA_DEPS=system   installed packages only
#   KTHENA_DEPS=fetch    pinned downloads only, built static and position independent
#
# FETCHCONTENT_SOURCE_DIR_<NAME>=<dir> (ABSL, FMT, XXHASH, NLOHMANN_JSON, CATCH2, BENCHMARK) uses a source tree at hand.
set(KTHENA_DEPS auto CACHE STRING "auto, system or fetch")
set_property(CACHE KTHENA_DEPS PROPERTY STRINGS auto system fetch)
if(NOT KTHENA_DEPS MATCHES "^(auto|system|fetch)$")
  message(FATAL_ERROR "KTHENA_DEPS is '${KTHENA_DEPS}', but must be auto, system or fetch")
endif()
include(FetchContent)

# Sets <result> to whether <url> may be downloaded and answers. Without this a machine that has no network fails late and
# obscurely, deep in a sub-build.
function(kthena_can_fetch name url result)
  string(TOUPPER "${name}" upper)
  if(FETCHCONTENT_SOURCE_DIR_${upper})
    set(${result} TRUE PARENT_SCOPE)
    return()
  endif()
  if(KTHENA_DEPS STREQUAL "system" OR FETCHCONTENT_FULLY_DISCONNECTED)
    set(${result} FALSE PARENT_SCOPE)
    return()
  endif()
  find_package(Git QUIET)
  set(answer 1)
  if(GIT_EXECUTABLE)
    execute_process(COMMAND ${CMAKE_COMMAND} -E env GIT_TERMINAL_PROMPT=0 "${GIT_EXECUTABLE}" ls-remote --heads "${url}"
                    RESULT_VARIABLE answer OUTPUT_QUIET ERROR_QUIET TIMEOUT 20)
  endif()
  if(answer EQUAL 0)
    set(${result} TRUE PARENT_SCOPE)
  else()
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

# Downloads and builds a declared dependency: static, position independent, hidden, in our language standard.
# A macro around a block: find_package() and MakeAvailable() set variables which the caller needs.
macro(kthena_make_available name)
  block(SCOPE_FOR VARIABLES PROPAGATE ${name}_SOURCE_DIR)
    set(BUILD_SHARED_LIBS OFF)
    set(CMAKE_POSITION_INDEPENDENT_CODE ON)
    set(CMAKE_CXX_VISIBILITY_PRESET hidden)
    set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
    set(CMAKE_CXX_STANDARD 20)
    FetchContent_MakeAvailable(${name})
  endblock()
endmacro()

# kthena_dependency(<name> PACKAGE <debian package> URL <git> TAG <tag> PROBE <target> [FIND <find_package arguments>...] [OPTIONAL])
# Afterwards KTHENA_HAVE_<name> tells whether it is there. Not OPTIONAL: its absence is an error that says what to install.
macro(kthena_dependency name)
  cmake_parse_arguments(dep "OPTIONAL" "PACKAGE;URL;TAG;PROBE" "FIND" ${ARGN})
  string(TOLOWER "${name}" dep_lower)
  string(TOUPPER "${name}" dep_upper)
  set(KTHENA_HAVE_${name} FALSE)
  set(dep_origin "")
  if(TARGET ${dep_PROBE}) # the project that includes us brought it
    set(KTHENA_HAVE_${name} TRUE)
    set(dep_origin "from the enclosing project")
  elseif(NOT KTHENA_DEPS STREQUAL "fetch" AND NOT FETCHCONTENT_SOURCE_DIR_${dep_upper})
    find_package(${name} ${dep_FIND} CONFIG QUIET)
    if(TARGET ${dep_PROBE})
      set(KTHENA_HAVE_${name} TRUE)
      set(dep_origin "installed, ${${name}_VERSION}")
    endif()
  endif()
  if(NOT KTHENA_HAVE_${name})
    kthena_can_fetch(${name} "${dep_URL}" dep_can_fetch)
    if(dep_can_fetch)
      FetchContent_Declare(${dep_lower} GIT_REPOSITORY "${dep_URL}" GIT_TAG "${dep_TAG}" GIT_SHALLOW ON SYSTEM)
      kthena_make_available(${dep_lower})
      if(TARGET ${dep_PROBE})
        set(KTHENA_HAVE_${name} TRUE)
        set(KTHENA_FETCHED_${name} TRUE)
        set(dep_origin "built from source, ${dep_TAG}")
        if(FETCHCONTENT_SOURCE_DIR_${dep_upper})
          set(dep_origin "built from ${FETCHCONTENT_SOURCE_DIR_${dep_upper}}")
        endif()
      endif()
    endif()
  endif()
  if(KTHENA_HAVE_${name})
    message(STATUS "kthena: ${name}: ${dep_origin}")
  elseif(NOT dep_OPTIONAL)
    message(FATAL_ERROR "kthena: ${name} is not installed (Debian: ${dep_PACKAGE}) and cannot be downloaded from ${dep_URL} "
                        "(KTHENA_DEPS=${KTHENA_DEPS})")
  endif()
endmacro()

# ---------------------------------------------------------------- Abseil (optional)
# With our own hashers only libabsl_raw_hash_set is really needed at run time.
set(KTHENA_ABSL_TARGETS)
set(KTHENA_ABSL_EXTERNAL OFF) # does the installed static library need find_package(absl)?
if(KTHENA_USE_ABSL)
  set(ABSL_PROPAGATE_CXX_STD ON)
  set(ABSL_BUILD_TESTING OFF)
  set(ABSL_ENABLE_INSTALL ${KTHENA_INSTALL}) # a static kthena::kthena needs it beside itself
  kthena_dependency(absl OPTIONAL PACKAGE libabsl-dev URL https://github.com/abseil/abseil-cpp.git TAG 20250814.1
                    PROBE absl::flat_hash_map)
  if(KTHENA_HAVE_absl)
    set(KTHENA_ABSL_TARGETS absl::flat_hash_map absl::flat_hash_set absl::btree absl::inlined_vector)
    set(KTHENA_ABSL_EXTERNAL ON)
  else()
    message(STATUS "kthena: Abseil is not installed and cannot be downloaded: using the standard containers, "
                   "as with KTHENA_USE_ABSL=OFF")
    set(KTHENA_USE_ABSL OFF) # for this run only: an Abseil that appears later is used
  endif()
else()
  message(STATUS "kthena: Abseil: switched off, using the standard containers")
endif()

# ---------------------------------------------------------------- fmt: header-only, so that nothing shipped needs libfmt.so
set(FMT_INSTALL OFF)
kthena_dependency(fmt PACKAGE libfmt-dev URL https://github.com/fmtlib/fmt.git TAG 11.2.0 PROBE fmt::fmt-header-only)

# ---------------------------------------------------------------- nlohmann/json
set(JSON_BuildTests OFF)
set(JSON_Install OFF)
kthena_dependency(nlohmann_json PACKAGE nlohmann-json3-dev URL https://github.com/nlohmann/json.git TAG v3.11.3 FIND 3.10
                  PROBE nlohmann_json::nlohmann_json)

# ---------------------------------------------------------------- xxHash: one header; Debian ships no CMake package for it
if(NOT TARGET kthena_xxhash)
  if(NOT KTHENA_DEPS STREQUAL "fetch" AND NOT FETCHCONTENT_SOURCE_DIR_XXHASH)
    find_path(KTHENA_XXHASH_INCLUDE_DIR xxhash.h)
  endif()
  set(kthena_xxhash_dir "${KTHENA_XXHASH_INCLUDE_DIR}")
  if(kthena_xxhash_dir)
    message(STATUS "kthena: xxHash: installed, ${kthena_xxhash_dir}/xxhash.h")
  else()
    kthena_can_fetch(xxhash https://github.com/Cyan4973/xxHash.git dep_can_fetch)
    if(NOT dep_can_fetch)
      message(FATAL_ERROR "kthena: xxhash.h is not installed (Debian: libxxhash-dev) and cannot be downloaded "
                          "(KTHENA_DEPS=${KTHENA_DEPS})")
    endif()
    FetchContent_Declare(xxhash GIT_REPOSITORY https://github.com/Cyan4973/xxHash.git GIT_TAG v0.8.3 GIT_SHALLOW ON
                         SOURCE_SUBDIR no-such-directory)
    FetchContent_MakeAvailable(xxhash)
    set(kthena_xxhash_dir "${xxhash_SOURCE_DIR}")
    message(STATUS "kthena: xxHash: downloaded, v0.8.3")
  endif()
  add_library(kthena_xxhash INTERFACE)
  target_include_directories(kthena_xxhash SYSTEM INTERFACE "${kthena_xxhash_dir}")
  target_compile_definitions(kthena_xxhash INTERFACE "XXH_INLINE_ALL=") # as "#define XXH_INLINE_ALL": a file may repeat it
endif()

# ---------------------------------------------------------------- Catch2: 2.13 or 3; tests/catch.hpp bridges the two
# No version is asked for: the version file of 2.x rejects a request for 3 and the other way round.
if(KTHENA_TESTS)
  kthena_dependency(Catch2 PACKAGE catch2 URL https://github.com/catchorg/Catch2.git TAG v3.8.1 PROBE Catch2::Catch2WithMain)
  if(KTHENA_FETCHED_Catch2)
    list(APPEND CMAKE_MODULE_PATH "${catch2_SOURCE_DIR}/extras")
  else()
    list(APPEND CMAKE_MODULE_PATH "${Catch2_DIR}")
  endif()
endif()

# ---------------------------------------------------------------- Google Benchmark
if(KTHENA_BENCH)
  set(BENCHMARK_ENABLE_TESTING OFF)
  set(BENCHMARK_ENABLE_INSTALL OFF)
  kthena_dependency(benchmark PACKAGE libbenchmark-dev URL https://github.com/google/benchmark.git TAG v1.9.4 FIND 1.7
                    PROBE benchmark::benchmark_main)
endif()
