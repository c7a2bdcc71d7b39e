#!/usr/bin/env bash
# Runs every test in every language and ends with the runners' own summaries. Called by `make test`, which prepares .venv.
#
# All runners run, also after a failure; the exit code is 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=build/logs
mkdir -p "$logs"
failed=()
summaries=()

run() { # run <name> <command>...: shows the output and keeps it in build/logs/<name>.log
  local name=$1
  shift
  echo "== $name: $*"
  if "$@" 2>&1 | tee "$logs/$name.log"; then return 0; fi
  failed+=("$name")
  return 1
}
summary() { # summary <name> <extended regular expression of the runner's summary lines>
  local found
  found=$(grep -E "$2" "$logs/$1.log" | tail -n "${3:-1}") || found="no summary; see $logs/$1.log"
  summaries+=("== $1" "$found")
}
ctest_summary='tests passed, [0-9]+ tests? failed|No tests were found'

for preset in dev noabsl; do
  run "ctest-$preset" cmake --workflow --preset "$preset"
  summary "ctest-$preset" "$ctest_summary"
done

run pytest .venv/bin/python -m pytest -q -p no:cacheprovider
summary pytest '^(=+ )?[0-9]+ (passed|failed|error|skipped|deselected)|no tests ran'

# An example must print what examples/<name>.txt holds, where there is one.
for program in examples/python/*.py; do
  [ -e "$program" ] || continue
  stem=$(basename "$program" .py)
  name=example-$stem
  if ! run "$name" .venv/bin/python "$program"; then
    summaries+=("== $name" "failed; see $logs/$name.log")
  elif [ -e "examples/$stem.txt" ] && ! diff "examples/$stem.txt" "$logs/$name.log"; then
    failed+=("$name")
    summaries+=("== $name" "failed: $logs/$name.log differs from examples/$stem.txt")
  fi
done

if [ ! -e bindings/go/go.mod ]; then
  summaries+=("== go" "no bindings/go yet")
elif ! command -v go >/dev/null; then
  summaries+=("== go" "Go tests are skipped: there is no go command here (https://go.dev/dl)")
else
  # The C library as it ships: the release preset's, without the sanitizers and debug settings of the others.
  go_tests() {
    cmake --preset release && cmake --build --preset release --target kthena kthena_c || return 1
    # Go's build cache does not look into headers; the define makes it build anew when they change.
    local module
    export CGO_CPPFLAGS
    CGO_CPPFLAGS=-DKTHENA_BUILD_ID=$(cat include/kthena/*.h | cksum | tr -d ' ')
    for module in bindings/go examples/go; do
      [ -e "$module/go.mod" ] || continue
      (cd "$module" && go vet -tags kthena_build ./... && go test -count=1 -tags kthena_build ./...) || return 1
    done
  }
  run go go_tests
  summary go '^(ok|FAIL|---|\?)[[:space:]]' 5
fi

echo
printf '%s\n' "${summaries[@]}"
if [ ${#failed[@]} != 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
