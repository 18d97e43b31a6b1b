# What a person types. Each target installs what it needs by itself (Debian 12, root or sudo).
SHELL := /bin/bash
.DEFAULT_GOAL := help
NINJA := ninja
PYTEST := /usr/bin/python3 -m pytest -q -p no:cacheprovider
# Most tests wait for something, so more of them run than there are processors.
WORKERS := $(shell echo $$(($$(nproc) + 1)))
# Every kind of KMS: the embedded one serves many at once, a helper asks it for us.
KMS_TESTS := $(addprefix tests/,kms_conformance_test.py kms_helper_test.py aws_client_test.py \
  azure_test.py google_test.py kmip_test.py pkcs11_test.py vault_test.py secrets_test.py)
# What loads a mount and seals it, with threads that have something to race for.
TSAN_TESTS := $(KMS_TESTS) tests/parallel_test.py $(wildcard tests/posix_*_test.py) tests/seal_test.py \
  tests/rotate_test.py tests/reencrypt_test.py tests/reserve_test.py tests/write_once_test.py \
  -m "not slow" -k "not killed and not dying and not block_of_the_device and not synchronous and not that_move \
  and not leaves_no_core"
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help build demo test check asan tsan bench bench-build bench-scale bench-kms bench-control bench-short crash crash-model \
  posix fuzz fuzz-short clean format

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

build: ## the release binary at build/freehold
	@tools/setup build
	@cmake --preset release >/dev/null
	@$(NINJA) -C build freehold

DB := postgresql
STORY := database
demo: ## a real database under a customer's key (DB=mariadb|clickhouse, KEEP=1 leaves it running), or STORY=service
	@case '$(STORY)' in \
	  database) tools/demo $(DB);; \
	  service) tools/demo-service;; \
	  *) echo "demo: there is no STORY=$(STORY); there are: database service" >&2; exit 2;; \
	esac

test-build:
	@tools/setup build run mariadb clickhouse npm test
	@cmake --preset test >/dev/null
	@$(NINJA) -C build/test

test: test-build fuzz-short ## all tests: C++ units, then real clients, mounts and databases
	@cd build/test && $(SUDO) ctest --output-on-failure -j2 --timeout 600
	@$(SUDO) env FREEHOLD_BIN=$(CURDIR)/build/test/freehold $(PYTEST) -n $(WORKERS) tests

check: ## format, lints, include graph, headers that compile alone
	@tools/setup build test
	@cmake --preset test >/dev/null
	@tools/check

asan: ## the C++ tests and the mount under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup build run mariadb clickhouse npm test
	@cmake --preset asan >/dev/null
	@$(NINJA) -C build/asan
	@cd build/asan && $(SUDO) env UBSAN_OPTIONS=halt_on_error=1 ctest --output-on-failure -j2 --timeout 1200
	@$(SUDO) env UBSAN_OPTIONS=halt_on_error=1 FREEHOLD_POSIX_OPERATIONS=40000 \
	  FREEHOLD_BIN=$(CURDIR)/build/asan/freehold $(PYTEST) tests -m "not slow"

# The crash model has one thread and nothing to race.
tsan: ## the C++ tests, one at a time, and the mount under ThreadSanitizer
	@tools/setup build run test
	@cmake --preset tsan >/dev/null
	@$(NINJA) -C build/tsan
	@rm -rf build/tsan/races && mkdir build/tsan/races
	@cd build/tsan && $(SUDO) env GTEST_FILTER='-CrashModelTest.*' ctest --output-on-failure --timeout 1200
	@$(SUDO) env TSAN_OPTIONS=log_path=$(CURDIR)/build/tsan/races/process \
	  FREEHOLD_POSIX_OPERATIONS=40000 \
	  FREEHOLD_BIN=$(CURDIR)/build/tsan/freehold $(PYTEST) $(TSAN_TESTS)
	@! cat build/tsan/races/* 2>/dev/null

crash: test-build ## the long crash campaign: 50 rounds of kill -9 and of power loss, every database
	@$(SUDO) env FREEHOLD_BIN=$(CURDIR)/build/test/freehold FREEHOLD_CRASH_ROUNDS=50 \
	  $(PYTEST) tests/crash_test.py tests/database_crash_test.py

fuzz: ## libFuzzer on every parser, FUZZ_SECONDS each (600), FUZZ_TARGETS of fuzz/ (all)
	@tools/setup build test
	@cmake --preset fuzz >/dev/null
	@$(NINJA) -C build/fuzz
	@tools/fuzz build/fuzz $(or $(FUZZ_SECONDS),600) $(FUZZ_TARGETS)

# Part of `make test`: built without optimisation, as building takes longer than running.
fuzz-short:
	@tools/setup build test
	@cmake --preset fuzz-short >/dev/null
	@$(NINJA) -C build/fuzz-short
	@tools/fuzz build/fuzz-short 2

crash-model: test-build ## the long crash model: 5 million random operations of each cipher on a disk that loses power
	@build/test/freehold_crash_model --programs 5
	@build/test/freehold_crash_model --programs 5 --cipher aes-256-ctr

posix: test-build ## the long comparison with a plain directory (SEED=1, OPERATIONS=1000000 a mode)
	@$(SUDO) env FREEHOLD_BIN=$(CURDIR)/build/test/freehold FREEHOLD_POSIX_SEED=$(or $(SEED),1) \
	  FREEHOLD_POSIX_OPERATIONS=$(or $(OPERATIONS),1000000) $(PYTEST) tests/posix_model_test.py

bench-build: build
	@tools/setup run mariadb clickhouse test bench
	@$(NINJA) -C build freehold_bench_units freehold_slow_flush

# BENCH_RESULTS gets the tables too, in the form of docs/benchmarks.md.
BENCH = $(SUDO) bench/$(1) --results $(or $(BENCH_RESULTS),build/bench.md)
bench: bench-build ## plain directory, gocryptfs, securefs, null cipher and Freehold: about an hour
	@$(call BENCH,units.py)
	@$(call BENCH,files.py)
	@$(call BENCH,pgbench.py)
	@$(call BENCH,pgbench.py --memory-disk --workloads tpcb)
	@$(call BENCH,pgbench.py --slow-flush --workloads tpcb)
	@$(call BENCH,mariadb.py --memory-disk)
	@$(call BENCH,clickhouse.py --memory-disk)

bench-scale: bench-build ## many files, much memory: opening, resident size, sealing, re-encrypting
	@$(call BENCH,scale.py)

bench-kms: bench-build ## from a customer's no to the seal, an unwrap beside the bare request, 1,000 volumes
	@$(call BENCH,kms.py)
	@$(call BENCH,many_volumes.py)

bench-control: bench-build ## 10,000 agents at one server, 100,000 clusters in a store, 1,000 rotations, and revoking
	@$(call BENCH,control.py)

bench-short: bench-build ## all benchmarks in minutes: that they work, not what they show
	@$(call BENCH,units.py --rounds 6)
	@$(call BENCH,files.py --rounds 1 --files 2000 --megabytes 32 --writes 200)
	@$(call BENCH,pgbench.py --rounds 1 --seconds 1 --scale 5 --warm-up 1)
	@$(call BENCH,pgbench.py --rounds 1 --seconds 1 --scale 5 --warm-up 1 --slow-flush --workloads tpcb)
	@$(call BENCH,mariadb.py --rounds 1 --seconds 1 --rows 2000 --memory-disk)
	@$(call BENCH,clickhouse.py --rounds 1 --rows 200000)
	@$(call BENCH,scale.py --files 2000 --open-files 1000 --churn 5000 --cached-gib 1 --rounds 1)
	@$(call BENCH,kms.py --rounds 1 --unwraps 3)
	@$(call BENCH,many_volumes.py --volumes 20 --watch 2)
	@$(call BENCH,control.py --short)

format: ## clang-format over all sources
	@git ls-files '*.h' '*.cc' | xargs clang-format-14 -i

clean: ## everything that a build made
	@rm -rf build
