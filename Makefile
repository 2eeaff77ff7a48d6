# SPDX-License-Identifier: Apache-2.0
# Everything that a person types; `make help` lists it. Real work is done by scripts/ and CMake.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
# SETUP=no leaves the machine alone: for systems whose packages come from elsewhere.
SETUP ?= yes
BINARY := build/release/millrace

.PHONY: help setup build demo test test-all conformance lint format bench asan tsan fuzz dist clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: ## Debian packages and native libraries (needs root or sudo once)
	@[ "$(SETUP)" = no ] || scripts/setup.sh

build: setup ## the binary and all tests, in build/release
	@scripts/build.sh release all

demo: setup ## set up, build, run examples/churn on real data
	@scripts/build.sh release millrace
	@$(BINARY) run examples/churn

test: build ## set up, build, run the labels unit, case, e2e and lint
	@[ "$(SETUP)" = no ] || scripts/setup.sh --tests --lint
	@python3 scripts/run_tests.py --build build/release unit case e2e lint

test-all: build ## make test, and the labels slow and fuzz
	@[ "$(SETUP)" = no ] || scripts/setup.sh --tests --java --torch --lint --fuzz
	@scripts/build.sh fuzz all
	@python3 scripts/run_tests.py --build build/release unit case e2e lint slow fuzz

conformance: setup ## MLflow's own clients against `millrace serve`: the share of cases that passes
	@[ "$(SETUP)" = no ] || scripts/setup.sh --tests --java
	@scripts/build.sh release millrace
	@third_party/pytest/bin/python tests/conformance/report.py

lint: setup ## format, layers, documents, and clang-tidy
	@[ "$(SETUP)" = no ] || scripts/setup.sh --lint --tests
	@scripts/build.sh release millrace
	@python3 scripts/run_tests.py --build build/release lint
	@scripts/tidy.sh

format: ## rewrite the C++ sources in the house format
	@scripts/format.sh

bench: build ## micro-benchmarks and the comparisons under bench/
	@[ "$(SETUP)" = no ] || scripts/setup.sh --tests --bench
	@scripts/build.sh release benches
	@$(BINARY) run examples/churn >/dev/null
	@scripts/bench.sh

asan: setup ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/build.sh asan tests
	@python3 scripts/run_tests.py --build build/asan unit

tsan: setup ## unit tests under ThreadSanitizer
	@scripts/build.sh tsan tests
	@python3 scripts/run_tests.py --build build/tsan unit

fuzz: ## each parser under libFuzzer for a minute
	@[ "$(SETUP)" = no ] || scripts/setup.sh --fuzz
	@scripts/build.sh fuzz all
	@python3 scripts/run_tests.py --build build/release fuzz

dist: setup ## build/dist/millrace-<version>-linux-x86_64.tar.gz, for an empty Debian 12
	@scripts/build.sh release millrace
	@scripts/dist.sh

clean: ## remove build folders (third_party stays)
	rm -rf build
