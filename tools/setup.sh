#!/usr/bin/env bash
# Installs the system packages that a task needs and that are missing, after saying which.
#
#   tools/setup.sh demo     compiler, CMake, Python headers, the libraries that kthena is built with
#   tools/setup.sh test     the same, Catch2, Google Benchmark and pkg-config
#   tools/setup.sh tidy     all that and clang-tidy
#
# Uses apt-get as root or through sudo. Where there is no apt-get it names what is missing; libraries that are not
# installed are then downloaded by CMake (KTHENA_DEPS in cmake/KthenaDeps.cmake).
set -euo pipefail

task=${1:-demo}
case $task in
  demo | test | tidy) ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
python=${PYTHON:-python3}

have() { command -v "$1" >/dev/null 2>&1; }
have_header() {
  local directory
  for directory in /usr/include /usr/local/include /usr/include/catch2; do
    [ -e "$directory/$1" ] && return 0
  done
  return 1
}
cxx_is_new_enough() { # C++20 with <concepts>, <span>, <bit>
  echo '#include <concepts>
#include <span>
#include <bit>
#include <compare>
static_assert(std::integral<int>);' | "${CXX:-c++}" -std=c++20 -fsyntax-only -x c++ - 2>/dev/null
}
cmake_is_new_enough() {
  have cmake && cmake --version | awk 'NR == 1 {split($3, v, "."); exit !(v[1] > 3 || (v[1] == 3 && v[2] >= 25))}'
}
python_has_headers() {
  "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
}

tools=() libraries=()
want() { # want tool|library <package> <test that succeeds when it is there>...
  local kind=$1 package=$2
  shift 2
  "$@" >/dev/null 2>&1 && return 0
  if [ "$kind" = tool ]; then tools+=("$package"); else libraries+=("$package"); fi
}

want tool g++ cxx_is_new_enough
want tool cmake cmake_is_new_enough
want tool ninja-build have ninja
want tool python3-venv "$python" -c 'import ensurepip, venv'
want tool python3-dev python_has_headers
want library ccache have ccache
want library libabsl-dev have_header absl/container/flat_hash_map.h
want library libfmt-dev have_header fmt/format.h
want library libxxhash-dev have_header xxhash.h
want library nlohmann-json3-dev have_header nlohmann/json.hpp
if [ "$task" != demo ]; then
  want tool pkg-config have pkg-config
  want library catch2 have_header catch2/catch.hpp
  want library libbenchmark-dev have_header benchmark/benchmark.h
  if [ -e /usr/include/catch2/catch_all.hpp ]; then # Catch2 3 has no catch.hpp
    kept=()
    for package in ${libraries[@]+"${libraries[@]}"}; do [ "$package" = catch2 ] || kept+=("$package"); done
    libraries=(${kept[@]+"${kept[@]}"})
  fi
fi
if [ "$task" = tidy ]; then want tool clang-tidy have clang-tidy; fi

missing=(${tools[@]+"${tools[@]}"} ${libraries[@]+"${libraries[@]}"})
if [ ${#missing[@]} = 0 ]; then
  exit 0
fi

if ! have apt-get; then
  echo "setup: missing (Debian's names): ${missing[*]}"
  if [ ${#tools[@]} != 0 ]; then
    echo "setup: there is no apt-get here; please install by hand: ${tools[*]}" >&2
    exit 1
  fi
  echo "setup: there is no apt-get here; CMake will try to download the libraries"
  exit 0
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! have sudo; then
    echo "setup: needs root or sudo to install: ${missing[*]}" >&2
    echo "setup: as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup: going to install with apt-get: ${missing[*]}"
apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt update -q && apt install -yq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "setup: apt-get failed" >&2
  exit 1
fi
echo "setup: installed"
