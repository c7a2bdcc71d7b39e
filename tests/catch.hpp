// The test framework, whichever of Catch2 2.13 and 3 is installed. Tests include this and nothing else of Catch2.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;  // as in 2.x
#else
#include <catch2/catch.hpp>
#endif
