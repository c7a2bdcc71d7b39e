#!/usr/bin/env bash
# Uses kthena as its users do: installs it, moves the installation elsewhere, and builds small programs against it.
#
#   tests/consumer/run.sh            needs CMake, a compiler, pkg-config; Python's part needs .venv (make consumer); Go's needs go
#
# All parts run; the last lines say how each ended. The exit code is 1 if any failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-2}
unset CMAKE_PREFIX_PATH kthena_DIR PKG_CONFIG_PATH LD_LIBRARY_PATH
prefix=$work/prefix

expect() { # expect <program> [argument]...: it must succeed and print pod-b
  local output
  output=$("$@") || { echo "$* ended with $?"; return 1; }
  [ "$output" = pod-b ] || { echo "$* printed: $output"; return 1; }
}

install_and_move() { # the prefix is moved after the installation, so that nothing may remember it
  cmake --preset release -S "$root" >/dev/null &&
    (cd "$root" && cmake --build --preset release --target kthena kthena_c) &&
    cmake --install "$root/build/release" --prefix "$work/first" >/dev/null &&
    mv "$work/first" "$prefix" &&
    ! grep -rIl -e "$work/first" -e "$root" "$prefix"
}

cmake_package() { # cmake_package <directory>
  cmake -S "$here/$1" -B "$work/build-$1" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" &&
    cmake --build "$work/build-$1" &&
    expect "$work/build-$1/consumer"
}
headers() {
  cmake_package headers &&
    ! ldd "$work/build-headers/consumer" | grep -E 'kthena|absl'
}

subdirectory() {
  cmake -S "$here/subdirectory" -B "$work/build-sub" -G Ninja -DCMAKE_BUILD_TYPE=Release -DKTHENA_ROOT="$root" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache)" &&
    cmake --build "$work/build-sub" &&
    expect "$work/build-sub/consumer_cpp" && expect "$work/build-sub/consumer_c" && expect "$work/build-sub/consumer_headers"
}

pkg_config_c99() { # pkg_config_c99 <prefix> <directory of its .pc file>
  local flags
  flags=$(PKG_CONFIG_PATH=$2 pkg-config --cflags --libs kthena) || return 1
  case " $flags " in *" -I$1/"*) ;; *)
    # shellcheck disable=SC2086
    [ -e "$(printf '%s\n' $flags | sed -n 's/^-I//p')/kthena/kthena.h" ] || { echo "wrong include path: $flags"; return 1; } ;;
  esac
  # shellcheck disable=SC2086
  "${CC:-cc}" -std=c99 -Wall -Wextra -pedantic-errors -Werror "$here/c/main.c" $flags -o "$work/pc" || return 1
  LD_LIBRARY_PATH=$(PKG_CONFIG_PATH=$2 pkg-config --variable=libdir kthena) expect "$work/pc"
}
pkg_config() { pkg_config_c99 "$prefix" "$(dirname "$(find "$prefix" -name kthena.pc)")"; }
pkg_config_multiarch() { # a deeper libdir: lib/<triplet>
  cmake -S "$root" -B "$work/build-multiarch" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_LIBDIR=lib/some-triplet \
    -DKTHENA_WERROR=ON >/dev/null &&
    cmake --build "$work/build-multiarch" --target kthena kthena_c &&
    cmake --install "$work/build-multiarch" --prefix "$work/second" >/dev/null &&
    mv "$work/second" "$work/multiarch" &&
    pkg_config_c99 "$work/multiarch" "$work/multiarch/lib/some-triplet/pkgconfig"
}

python_wheel() {
  local venv=$work/venv
  KTHENA_WERROR=ON "$root/.venv/bin/pip" wheel -q --no-index --no-deps --no-build-isolation -w "$work/wheel" "$root" || return 1
  local unexpected
  unexpected=$(python3 -m zipfile -l "$work"/wheel/*.whl | awk 'NR > 1 {print $1}' |
    grep -vE '^kthena/([A-Za-z0-9_/]+\.(py|pyi|html|css|js)|py\.typed|_core[^/]*\.so)$|^kthena-[^/]*\.dist-info/')
  [ -z "$unexpected" ] || { echo "the wheel holds what it should not: $unexpected"; return 1; }
  # A venv of its own; numpy, the only dependency, comes from .venv, so that no network is needed.
  python3 -m venv --without-pip "$venv" &&
    "$root/.venv/bin/pip" --python "$venv/bin/python" install -q --no-index --no-deps "$work"/wheel/*.whl || return 1
  local packages
  packages=$("$root/.venv/bin/python" -c 'import numpy, os; print(os.path.dirname(os.path.dirname(numpy.__file__)))')
  for part in numpy numpy.libs; do
    [ ! -e "$packages/$part" ] || ln -s "$packages/$part" "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/"
  done
  (cd "$work" && "$venv/bin/kthena" replay --workload gsp-short --policies random,kthena-default --limit 200 --runs 1 \
    --json "$work/replay.json") || return 1
  python3 - "$work/replay.json" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
assert [row["policy"] for row in rows] == ["random", "kthena-default"], rows
assert all(row["throughput_rps"] > 0 for row in rows), rows
PY
}

go_module() {
  local module
  module=$(awk '$1 == "module" {print $2}' "$root/bindings/go/go.mod")
  mkdir "$work/go" && cp "$here/go/main.go" "$work/go/" &&
    sed -i "s|MODULE|$module|" "$work/go/main.go" &&
    (
      cd "$work/go" || exit 1
      # Go's build cache knows neither the headers nor where pkg-config pointed last time; this define makes it build anew.
      export GOFLAGS=-mod=mod GOPROXY=off GOWORK=off CGO_CPPFLAGS="-DKTHENA_BUILD_ID=$(basename "$work" | tr -cd 'A-Za-z0-9')"
      go mod init consumer >/dev/null 2>&1 && go mod edit -require "$module@v0.0.0" -replace "$module=$root/bindings/go" &&
        PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name kthena.pc)") go build -o consumer . &&
        LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libkthena.so)") expect ./consumer
    )
}

report=()
failed=0
part() { # part <name> <function> [argument]...
  local name=$1
  shift
  echo "-- $name"
  if "$@" >"$work/log" 2>&1; then
    report+=("consumer: $name: ok")
  else
    cat "$work/log"
    report+=("consumer: $name: FAILED")
    failed=1
  fi
}

part 'install, then move' install_and_move
if [ $failed = 0 ]; then
  part 'C++, CMake package' cmake_package cpp
  part 'C99, CMake package' cmake_package c
  part 'C++ headers only, without Abseil' headers
  part 'C99, pkg-config' pkg_config
  part 'C99, pkg-config, lib/<triplet>' pkg_config_multiarch
  part 'C, C++, headers by add_subdirectory' subdirectory
  if [ -x "$root/.venv/bin/pip" ]; then
    part 'Python, wheel in a fresh venv' python_wheel
  else
    report+=('consumer: Python: skipped, no .venv (make consumer)')
  fi
  if ! command -v go >/dev/null; then
    report+=('consumer: Go: skipped, no go command')
  elif [ -e "$root/bindings/go/go.mod" ]; then
    part 'Go, installed library by pkg-config' go_module
  fi
fi
echo
printf '%s\n' "${report[@]}"
exit $failed
