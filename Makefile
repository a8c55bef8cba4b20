# The commands of the project; `make help` lists them. Everything is built by CMake into build/<preset>.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run build test test-long check format bench bench-long asan tsan coverage deps deps-test clean

JOBS ?= $(shell nproc)
PRESET ?= release
PROG ?=
ARGS ?=
CTEST = ctest --output-on-failure --no-label-summary --no-tests=error -j$(JOBS)

# configure-and-build <preset>, [ninja targets]
define cmake_build
	@cmake --preset $(1) >/dev/null
	@cmake --build --preset $(1) -j$(JOBS) $(2)
endef

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo '  PROG=path ARGS="..." with make run; JOBS=n limits parallel work'

run: deps ## Build kiln and run a riscv64 program (PROG=path ARGS="..." for your own)
	$(call cmake_build,release,--target kiln)
	@tools/run_program.sh build/release/src/cli/kiln '$(PROG)' $(ARGS)

build: deps ## Build kiln only (PRESET=release, dev, asan, ...)
	$(call cmake_build,$(PRESET),--target kiln)

test: deps-test ## Build with warnings as errors; run the checks and the quick tests, as CI does
	$(call cmake_build,ci)
	$(CTEST) --test-dir build/ci -L quick

test-long: deps-test ## Run the long suite: every program, 10^9 random instructions (some hours)
	$(call cmake_build,ci)
	$(CTEST) --test-dir build/ci

asan: deps-test ## Run the quick tests under the address and undefined-behaviour sanitizers
	$(call cmake_build,asan)
	$(CTEST) --test-dir build/asan -L quick

tsan: deps-test ## Run the quick tests under ThreadSanitizer
	$(call cmake_build,tsan)
	$(CTEST) --test-dir build/tsan -L quick

coverage: deps-test ## Run the quick tests and say how much of src/ they reach
	$(call cmake_build,coverage)
	@tools/coverage.sh build/coverage $(JOBS)

bench: deps-test ## Measure against native code and qemu-user; writes docs/performance.md
	$(call cmake_build,release)
	bench/run.py

bench-long: deps-test ## The same for what takes long; writes docs/performance-long.md
	$(call cmake_build,release)
	bench/run.py --long -n 1

check: deps-test ## Run the repository's own checks: includes, docs, format
	@tools/check_includes.py && tools/check_docs.py && tools/check_format.py

format: deps-test ## Format every C++ file in place
	@tools/check_format.py --fix

deps:
	@tools/install_deps.sh build

deps-test:
	@tools/install_deps.sh test

clean: ## Remove everything built
	rm -rf build
