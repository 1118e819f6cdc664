# driftd: `make help` lists targets and knobs.
VARIANT ?= release
CC      ?= cc
V       ?=
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   := build/$(VARIANT)
Q       := $(if $(V),,@)

VERSION := 0.1.0
PKGS    := rdkafka libcjson libcurl sqlite3 libevent libevent_pthreads libevent_openssl yaml-0.1 zlib libcrypto
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

# Debian packages. `make` alone never installs or downloads; `make demo`, `make check` and `make deps` do.
BUILD_PACKAGES := gcc libc6-dev make pkg-config librdkafka-dev libcjson-dev libcurl4-openssl-dev libsqlite3-dev libevent-dev \
                  libyaml-dev zlib1g-dev libssl-dev
TEST_PACKAGES  := libcmocka-dev clang clang-format-14 libclang-rt-14-dev cppcheck python3 python3-venv openssl sqlite3 \
                  openjdk-17-jre-headless maven kcat procps git ca-certificates
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wvla -Wmissing-prototypes -Wstrict-prototypes \
            -Wformat=2 -Wundef -Wpointer-arith -Wcast-qual -Wwrite-strings -Wswitch-enum $(if $(WERROR),-Werror)
BASE     := -std=c17 -D_GNU_SOURCE -ffp-contract=off -fno-common -I. -pthread -MMD -MP
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fPIE
OPT_release := -O2 -g $(HARDEN) -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
OPT_debug   := -O0 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
OPT_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
OPT_cover   := -O0 -g --coverage
LD_release  := -pie -Wl,-z,relro,-z,now,-z,noexecstack
LD_asan     := -fsanitize=address,undefined
LD_tsan     := -fsanitize=thread
LD_fuzz     := -fsanitize=address,undefined
LD_cover    := --coverage

CFLAGS_ALL  = $(BASE) $(WARNINGS) $(OPT_$(VARIANT)) -DDRIFTD_VERSION='"$(VERSION)"' -DDRIFTD_DATADIR='"$(PREFIX)/share/driftd"' $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL := -pthread $(LD_$(VARIANT)) $(LDFLAGS)
LIBS        = $(PKG_LIBS) -lm

SOURCES := $(sort $(wildcard agent/*.c agent/base/*.c collectors/*.c detectors/*.c alerting/*.c))
OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out agent/main.c,$(SOURCES)))
LIBRARY := $(BUILD)/libdriftd.a
UNITS   := $(sort $(wildcard tests/unit/t_*.c))
UNIT_BINS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNITS))

.PHONY: all
all: $(BUILD)/driftd

$(BUILD)/driftd: $(BUILD)/agent/main.o $(LIBRARY)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(LIBRARY): $(OBJECTS)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(LIBRARY) -lcmocka $(LIBS)

$(BUILD)/unit/t_allocations: private CFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=strdup

# ---- installing what is missing ----

# $(call install-missing,PACKAGES)
define install-missing
	$(Q)missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing from the distribution:" $$missing; \
	  export DEBIAN_FRONTEND=noninteractive; log=$$(mktemp); \
	  { $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends $$missing; } >$$log 2>&1 \
	    || { tail -20 $$log; echo "could not install: $$missing (needs root or sudo, and Debian 12's packages)"; exit 1; }; \
	  rm -f $$log; \
	fi
endef

.PHONY: deps test-deps
deps:
	$(call install-missing,$(BUILD_PACKAGES))
test-deps: deps
	$(call install-missing,$(TEST_PACKAGES))

# ---- what people use ----

.PHONY: demo
demo: deps
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)$(BUILD)/driftd demo

.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/driftd $(DESTDIR)$(PREFIX)/share/doc/driftd $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(BUILD)/driftd $(DESTDIR)$(PREFIX)/bin/driftd
	install -m 644 conf/driftd.yaml conf/driftd-minimal.yaml conf/driftd.schema.json $(DESTDIR)$(PREFIX)/share/driftd/
	install -d $(DESTDIR)$(PREFIX)/share/driftd/demo
	install -m 644 tests/data/car_loan_reference.csv.gz tests/data/car_loan_analysis.csv.gz tests/data/LICENSE-car_loan.txt $(DESTDIR)$(PREFIX)/share/driftd/demo/
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/driftd/
	sed 's|@PREFIX@|$(PREFIX)|g' conf/driftd.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/driftd.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/driftd.service

# ---- tests: `make check` runs all of them ----

.PHONY: check
check: test-deps
	$(Q)tests/checks/run

.PHONY: check-unit
check-unit: $(UNIT_BINS)
	$(Q)tests/checks/unit $(BUILD)/unit $(T)

# What has threads of ours, under ThreadSanitizer (librdkafka is not instrumented: its threads would only make noise).
THREAD_TESTS := $(foreach t,ring log store_check store_thread worker kafka_slot,$(wildcard tests/unit/t_$(t).c))
.PHONY: check-threads
check-threads: $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(THREAD_TESTS))
	$(Q)tests/checks/unit $(BUILD)/unit

.PHONY: check-layers
check-layers:
	$(Q)tests/checks/layers

PY_VENV := tests/.cache/venv
$(PY_VENV)/.done: tests/system/requirements.txt
	$(Q)mkdir -p tests/.cache && python3 -m venv $(PY_VENV) && $(PY_VENV)/bin/pip install -q --disable-pip-version-check -r $<
	$(Q)touch $@

.PHONY: check-system
check-system: all tools $(PY_VENV)/.done
	$(Q)$(PY_VENV)/bin/python -m pytest -q -p no:cacheprovider $(if $(T),-k "$(T)") tests/system

TOOLS := $(patsubst tests/system/%.c,$(BUILD)/tools/%,$(sort $(wildcard tests/system/tool_*.c)))
.PHONY: tools
tools: $(TOOLS)
$(BUILD)/tools/%: tests/system/%.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  TOOL  $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(LIBRARY) $(LIBS)

# ---- fuzzing: the targets are always compiled and replay their corpus; `make fuzz` explores with libFuzzer ----

FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ    ?= decode
SECS    ?= 60
.PHONY: fuzz check-corpus
check-corpus: $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZERS))
	$(Q)set -e; for f in $^; do n=$${f##*/fuzz_}; $$f tests/fuzz/corpus/$$n/*; done
$(BUILD)/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< tests/fuzz/replay.c $(LIBRARY) $(LIBS)
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang VARIANT=fuzz build/fuzz/libdriftd.a
	$(Q)clang $(BASE) $(OPT_fuzz) -fsanitize=fuzzer,address,undefined $(PKG_CFLAGS) -DDRIFTD_VERSION='"fuzz"' \
	  -o build/fuzz/fuzz_$(FUZZ) tests/fuzz/fuzz_$(FUZZ).c build/fuzz/libdriftd.a $(LIBS)
	$(Q)mkdir -p build/fuzz/corpus/$(FUZZ)
	$(Q)build/fuzz/fuzz_$(FUZZ) -max_total_time=$(SECS) -rss_limit_mb=512 -timeout=5 build/fuzz/corpus/$(FUZZ) tests/fuzz/corpus/$(FUZZ)

# ---- benchmarks: `make bench` (some minutes), `make bench FULL=1` with what people would otherwise run ----

BENCH_BINS := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(sort $(wildcard tests/bench/bench_*.c tests/bench/tool_*.c)))
.SECONDARY: $(BUILD)/tests/bench/events.o
.PHONY: bench bench-tools
bench-tools: all $(BENCH_BINS) $(BUILD)/bench/shim_gaps.so
bench: bench-tools $(PY_VENV)/.done
	$(Q)$(PY_VENV)/bin/python tests/bench/run --build $(BUILD) $(if $(FULL),--full) $(if $(T),--only $(T))
$(BUILD)/bench/shim_gaps.so: tests/bench/shim_gaps.c
	@mkdir -p $(@D)
	@echo "  BENCH $<"
	$(Q)$(CC) $(BASE) $(WARNINGS) $(OPT_$(VARIANT)) -shared -fPIC -o $@ $< -ldl
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/tests/bench/events.o $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  BENCH $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(BUILD)/tests/bench/events.o $(LIBRARY) $(LIBS)

# ---- reading the code ----

C_FILES := $(sort $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null))
.PHONY: format check-format lint
format:
	clang-format-14 -i $(C_FILES)
check-format:
	$(Q)clang-format-14 --dry-run -Werror $(C_FILES)
lint:
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -I. \
	  --suppress=missingIncludeSystem --suppress=unknownMacro -j2 agent collectors detectors alerting

VECTORS        ?= tests/vectors
VECTORS_RUNNER := $(BUILD)/vectors/runner
VECTORS_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/vectors/*.c)))

$(VECTORS_RUNNER): $(VECTORS_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

.PHONY: vectors
vectors: $(VECTORS_RUNNER)
	$(Q)$(VECTORS_RUNNER) $(VECTORS)

.PHONY: clean
clean:
	rm -rf build

.PHONY: help
help:
	@echo 'make            build $(BUILD)/driftd (never installs or downloads anything)'
	@echo 'make demo       install what is missing, build, show the main job on real data'
	@echo 'make check      install what the tests need, run all of them'
	@echo 'make install    DESTDIR=… PREFIX=/usr/local: binary, sample configuration, unit file'
	@echo 'make check-unit [T=name]   make check-system [T=expression]   make check-layers   make check-corpus'
	@echo 'make vectors [VECTORS=DIR] statistics against test vectors'
	@echo 'make bench [FULL=1] [T=part] throughput and CPU per event    make fuzz FUZZ=decode SECS=60'
	@echo 'make lint format check-format clean'
	@echo 'knobs: VARIANT=release|debug|asan|tsan|cover  CC=gcc|clang  WERROR=1  V=1'

-include $(shell find build/$(VARIANT) -name '*.d' 2>/dev/null)
