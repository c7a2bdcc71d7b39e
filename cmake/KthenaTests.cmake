# Tests, benchmarks, examples and fuzzers. Everything is found by globbing:
#
#   tests/<area>/**/*.cpp     one Catch2 executable kthena_<area>_tests per area, one ctest entry per test case
#   tests/support             what several areas and the benchmarks include as "support/..."
#   bench/<area>_bench.cpp    one executable bench/<area>_bench per area
#   bench/<name>_events.cpp   a program bench/<name>_events that replays event files
#   bench/fleet_matrix.cpp    a program bench/fleet_matrix that runs the presets on simulated fleets; ctest runs a small part of it
#   examples/cpp, examples/c  every file is a program; ctest runs it. It must print what examples/<name>.txt holds, where there is one
#   fuzz/<name>_fuzz.cpp      replays fuzz/corpus/<name>/** in ctest; with KTHENA_FUZZ a libFuzzer binary

# ---------------------------------------------------------------- unit and property tests
# A test case's name must not contain ; or unbalanced square brackets: Catch2 2.13's discovery splits it there.
if(KTHENA_TESTS)
  include(Catch)
  file(GLOB_RECURSE kthena_test_sources CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/tests"
       "${PROJECT_SOURCE_DIR}/tests/*.cpp" "${PROJECT_SOURCE_DIR}/tests/*.c")
  list(FILTER kthena_test_sources EXCLUDE REGEX "^(consumer|headers|abi|tools|vectors|support)/")
  set(kthena_test_areas)
  foreach(source IN LISTS kthena_test_sources)
    if(source MATCHES "^([^/]+)/")
      list(APPEND kthena_test_areas "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES kthena_test_areas)
  # It replaces operator new, so only areas whose tests count get it.
  add_library(kthena_allocation_counter OBJECT "${PROJECT_SOURCE_DIR}/tests/support/allocation_counter.cpp")
  target_link_libraries(kthena_allocation_counter PRIVATE kthena_headers kthena_flags)
  target_include_directories(kthena_allocation_counter PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  foreach(area IN LISTS kthena_test_areas)
    set(sources ${kthena_test_sources})
    list(FILTER sources INCLUDE REGEX "^${area}/")
    list(TRANSFORM sources PREPEND "${PROJECT_SOURCE_DIR}/tests/")
    add_executable(kthena_${area}_tests ${sources})
    if(area STREQUAL "c") # the tests of the C ABI see what its users see: the shared library
      target_link_libraries(kthena_c_tests PRIVATE kthena_c kthena_headers kthena_flags nlohmann_json::nlohmann_json)
      set_target_properties(kthena_c_tests PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
    else()
      target_link_libraries(kthena_${area}_tests PRIVATE kthena kthena_private)
    endif()
    foreach(source IN LISTS sources)
      file(STRINGS "${source}" counts REGEX "^#include \"support/allocation_counter.hpp\"" LIMIT_COUNT 1)
      if(counts)
        target_link_libraries(kthena_${area}_tests PRIVATE kthena_allocation_counter)
        break()
      endif()
    endforeach()
    target_link_libraries(kthena_${area}_tests PRIVATE Catch2::Catch2WithMain)
    target_include_directories(kthena_${area}_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    target_compile_definitions(kthena_${area}_tests PRIVATE KTHENA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    set_target_properties(kthena_${area}_tests PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests"
                                                          CXX_EXTENSIONS OFF)
    # By what it prints, as tests/support/trace_data.hpp does: Catch2 2.13 has no SKIP(), and its exit code counts failed assertions.
    catch_discover_tests(kthena_${area}_tests TEST_PREFIX "${area}." WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
                         PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: set KTHENA_DATA")
  endforeach()
endif()

# ---------------------------------------------------------------- every public header alone
if(KTHENA_HEADER_CHECK)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include"
       "${PROJECT_SOURCE_DIR}/include/kthena/*.hpp" "${PROJECT_SOURCE_DIR}/include/kthena/*.h")
  set(sources)
  foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER "${header}" id)
    set(languages cpp)
    if(header MATCHES "\\.h$")
      set(languages cpp c)
    endif()
    foreach(language IN LISTS languages)
      configure_file(tests/headers/alone.in "${PROJECT_BINARY_DIR}/headers/${id}.${language}" @ONLY)
      list(APPEND sources "${PROJECT_BINARY_DIR}/headers/${id}.${language}")
    endforeach()
  endforeach()
  if(sources)
    add_library(kthena_header_check OBJECT ${sources})
    target_link_libraries(kthena_header_check PRIVATE kthena_headers kthena_flags)
    target_compile_options(kthena_header_check PRIVATE -O0 $<$<COMPILE_LANGUAGE:C>:-pedantic-errors -Wstrict-prototypes>)
    set_target_properties(kthena_header_check PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF CXX_EXTENSIONS OFF)
  endif()
endif()

# ---------------------------------------------------------------- rules about the tree and the library
if(KTHENA_TESTS)
  find_package(Python3 3.10 QUIET COMPONENTS Interpreter)
  if(Python3_Interpreter_FOUND)
    set(python "${Python3_EXECUTABLE}" -B)
    add_test(NAME tools.check_layers COMMAND ${python} "${PROJECT_SOURCE_DIR}/tools/check_layers.py")
    file(GLOB tool_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/tools/*_test.py")
    foreach(tool_test IN LISTS tool_tests)
      cmake_path(GET tool_test STEM name)
      add_test(NAME tools.${name} COMMAND ${python} "${tool_test}")
    endforeach()
    file(GLOB generators CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/gen_*.py" "${PROJECT_SOURCE_DIR}/tools/*_oracle.py")
    foreach(generator IN LISTS generators)
      cmake_path(GET generator STEM name)
      add_test(NAME tools.${name} COMMAND ${python} "${generator}" --check)
    endforeach()
    if(NOT KTHENA_SANITIZE AND NOT KTHENA_FUZZ) # a sanitizer adds symbols of its own
      add_test(NAME abi.symbols COMMAND ${python} "${PROJECT_SOURCE_DIR}/tests/abi/symbols.py" --nm "${CMAKE_NM}"
                                        $<TARGET_FILE:kthena_c>)
      set_tests_properties(abi.symbols PROPERTIES SKIP_RETURN_CODE 77)
    endif()
    add_test(NAME abi.layout COMMAND ${python} "${PROJECT_SOURCE_DIR}/tests/abi/layout.py" --cc "${CMAKE_C_COMPILER}")
    set_tests_properties(abi.layout PROPERTIES SKIP_RETURN_CODE 77)
  else()
    message(STATUS "kthena: no Python 3.10 or newer: the checks in tools/ and tests/abi are left out")
  endif()
endif()

# ---------------------------------------------------------------- examples
if(KTHENA_EXAMPLES)
  file(GLOB examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/cpp/*.cpp" "${PROJECT_SOURCE_DIR}/examples/c/*.c")
  foreach(example IN LISTS examples)
    cmake_path(GET example STEM name)
    cmake_path(GET example PARENT_PATH directory)
    cmake_path(GET directory FILENAME language)
    set(target example_${language}_${name})
    add_executable(${target} "${example}")
    if(language STREQUAL "c")
      target_link_libraries(${target} PRIVATE kthena_c kthena_flags)
      set_target_properties(${target} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
    else()
      target_link_libraries(${target} PRIVATE kthena kthena_flags)
      set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    endif()
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples/${language}"
                                               OUTPUT_NAME ${name})
    if(KTHENA_TESTS)
      set(command ${target})
      set(expected "${PROJECT_SOURCE_DIR}/examples/${name}.txt")
      if(EXISTS "${expected}")
        set(command ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${target}> -DEXPECTED=${expected}
                    -P "${PROJECT_SOURCE_DIR}/cmake/ExpectOutput.cmake")
      endif()
      add_test(NAME example.${language}.${name} COMMAND ${command} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    endif()
  endforeach()
endif()

# ---------------------------------------------------------------- benchmarks
if(KTHENA_BENCH)
  file(GLOB benches CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*_bench.cpp")
  foreach(bench IN LISTS benches)
    cmake_path(GET bench STEM name)
    add_executable(${name} "${bench}")
    target_link_libraries(${name} PRIVATE kthena kthena_private benchmark::benchmark_main)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests") # "support/..."
    target_compile_definitions(${name} PRIVATE KTHENA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O3>)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench" CXX_EXTENSIONS OFF)
    if(KTHENA_TESTS) # it links, starts and registers something; how fast it is, is not a test
      add_test(NAME bench.${name} COMMAND ${name} --benchmark_list_tests)
      set_tests_properties(bench.${name} PROPERTIES PASS_REGULAR_EXPRESSION "BM_")
    endif()
  endforeach()
endif()

if(KTHENA_BENCH)
  file(GLOB replays CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*_events.cpp")
  foreach(replay IN LISTS replays)
    cmake_path(GET replay STEM name)
    add_executable(${name} "${replay}")
    target_link_libraries(${name} PRIVATE kthena kthena_private)
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O3>)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench" CXX_EXTENSIONS OFF)
  endforeach()
endif()

if(KTHENA_BENCH)
  add_executable(fleet_matrix "${PROJECT_SOURCE_DIR}/bench/fleet_matrix.cpp")
  target_link_libraries(fleet_matrix PRIVATE kthena kthena_private)
  target_include_directories(fleet_matrix PRIVATE "${PROJECT_SOURCE_DIR}/tests") # "support/..."
  set_target_properties(fleet_matrix PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench" CXX_EXTENSIONS OFF)
  if(KTHENA_TESTS AND Python3_Interpreter_FOUND) # every option, equal bytes for one thread and two, and a report of it
    add_test(NAME bench.fleet_matrix COMMAND ${python} "${PROJECT_SOURCE_DIR}/tests/tools/fleet_report_test.py"
                                             --matrix $<TARGET_FILE:fleet_matrix>)
  endif()
endif()

# ---------------------------------------------------------------- fuzzers
if(KTHENA_TESTS OR KTHENA_FUZZ)
  file(GLOB fuzzers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/*_fuzz.cpp")
  foreach(fuzzer IN LISTS fuzzers)
    cmake_path(GET fuzzer STEM target)
    string(REGEX REPLACE "_fuzz$" "" name "${target}")
    add_executable(${target} "${fuzzer}")
    target_link_libraries(${target} PRIVATE kthena kthena_private)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz" CXX_EXTENSIONS OFF)
    if(KTHENA_FUZZ)
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
      target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/fuzz/replay_main.cpp")
      add_test(NAME fuzz.${name} COMMAND ${target} "${PROJECT_SOURCE_DIR}/fuzz/corpus/${name}")
    endif()
  endforeach()
endif()
