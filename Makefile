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
ifeq ($(filter help clean deps demo check format format-check,$(MAKECMDGOALS)),)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
endif

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

CFLAGS_ALL  := $(BASE) $(WARNINGS) $(OPT_$(VARIANT)) -DDRIFTD_VERSION='"$(VERSION)"' $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL := -pthread $(LD_$(VARIANT)) $(LDFLAGS)
LIBS        := $(PKG_LIBS) -lm

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

.PHONY: check-unit
check-unit: $(UNIT_BINS)
	$(Q)set -e; for t in $(UNIT_BINS); do $$t || exit 1; done

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

-include $(shell find build/$(VARIANT) -name '*.d' 2>/dev/null)
