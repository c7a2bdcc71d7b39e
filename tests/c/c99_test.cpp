// tests/c/c99_test.cpp
#include "c99_program.h"
#include "catch.hpp"

TEST_CASE("a C99 program uses the interface", "[c]") {
  const char* failed = kthena_c99_program();
  CHECK(std::string(failed == nullptr ? "" : failed).empty());
}
