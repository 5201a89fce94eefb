# SPDX-License-Identifier: MIT
# heaptape: make help lists the targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
B ?= build
# One name for one folder, however it was given: the dependency files know targets by name.
override B := $(patsubst $(CURDIR)/%,%,$(abspath $(B)))

ifeq ($(origin CC),default)
CC := gcc
endif
CXX ?= g++
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror
BASE := -std=c17 -D_GNU_SOURCE -Iinclude -DHEAPTAPE_VERSION='"$(VERSION)"' -MMD -MP

# The recorder runs inside malloc: nothing but libc, symbols hidden, the frame pointer kept so
# that a hook finds its caller's registers, no CPU features beyond the baseline.
PRELOAD_FLAGS := $(BASE) -Ipreload -fPIC -fvisibility=hidden -fno-omit-frame-pointer \
	-ftls-model=initial-exec -fno-builtin-malloc -fno-stack-protector -fcf-protection=none \
	-fexceptions -fasynchronous-unwind-tables
# Programs may call with a stack that is off by 8 (x86-64): glibc does not mind, nor may we.
PRELOAD_FLAGS += $(firstword $(foreach flag,-mincoming-stack-boundary=3 -mstackrealign,\
	$(shell $(CC) -Werror $(flag) -xc -fsyntax-only /dev/null 2>/dev/null && echo $(flag))))
PRELOAD_LINK := -shared -Wl,-z,now,-z,relro,-z,defs,--exclude-libs,ALL -Wl,--as-needed \
	-Wl,-soname,libheaptape.so -Wl,--version-script=preload/libheaptape.map
ZSTD_STATIC := $(shell $(CC) -print-file-name=libzstd.a 2>/dev/null)

# The analyzer's own allocator; empty for the sanitizers, which bring one.
JEMALLOC ?= -ljemalloc
ANALYZER_FLAGS := $(BASE) -Ianalyzer
ANALYZER_LIBS := -ldw -lelf -liberty -lzstd -ljson-c $(JEMALLOC) -lpthread

PRELOAD_SRC := $(wildcard preload/*.c)
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(B)/%.o)
ANALYZER_SRC := $(wildcard analyzer/*.c)
ANALYZER_OBJ := $(ANALYZER_SRC:%.c=$(B)/%.o)

.PHONY: all
SECOND_OBJECTS := $(addprefix libheaptape-,ext.so jemalloc.so sized.so)
all: $(B)/libheaptape.so $(addprefix $(B)/,$(SECOND_OBJECTS)) $(B)/heaptape $(B)/heaptape-memcheck ## build the recorder and the command (default)

$(B)/libheaptape.so: $(PRELOAD_OBJ) preload/libheaptape.map Makefile
	$(CC) $(CFLAGS) $(PRELOAD_LINK) -o $@ $(PRELOAD_OBJ) $(ZSTD_STATIC)

# Entries that libc does not have, each kind in an object of its own: preload/ext/ext.h says why.
EXT_LINK := -shared -Wl,-z,now,-z,relro,-z,defs -Wl,--as-needed
$(B)/libheaptape-ext.so: $(B)/preload/ext/operators.o Makefile
	$(CC) $(CFLAGS) $(EXT_LINK) -Wl,-soname,libheaptape-ext.so -o $@ $<
$(B)/libheaptape-jemalloc.so: $(B)/preload/ext/jemalloc.o Makefile
	$(CC) $(CFLAGS) $(EXT_LINK) -Wl,-soname,libheaptape-jemalloc.so -o $@ $<

$(B)/libheaptape-sized.so: $(B)/preload/ext/sized.o Makefile
	$(CC) $(CFLAGS) $(EXT_LINK) -Wl,-soname,libheaptape-sized.so -o $@ $<

$(B)/heaptape: $(ANALYZER_OBJ) Makefile
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(ANALYZER_OBJ) $(ANALYZER_LIBS)

# The same program; it goes by its name.
$(B)/heaptape-memcheck: | $(B)/heaptape
	ln -sf heaptape $@

$(B)/preload/%.o: preload/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(PRELOAD_FLAGS) $(CFLAGS) $(WARN) -c -o $@ $<

$(B)/analyzer/%.o: analyzer/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ANALYZER_FLAGS) $(CFLAGS) $(WARN) -c -o $@ $<

# ---- tests ----------------------------------------------------------------------------------

# A unit test is one cmocka program. test_*.c see the analyzer without main.c; preload_test_*.c
# see the recorder without its hooks: malloc stays libc's, and sanitizers work.
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
PRELOAD_UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/preload_test_*.c))
TAPE_WRITER := $(patsubst %.c,$(B)/%.o,$(wildcard tests/unit/tape_writer.c))
WORKLOADS := $(patsubst tests/workloads/%.c,$(B)/tests/workloads/%,$(wildcard tests/workloads/*.c)) \
	$(patsubst tests/workloads/%.cc,$(B)/tests/workloads/%,$(wildcard tests/workloads/*.cc))

$(UNIT): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(TAPE_WRITER) $(filter-out %/main.o,$(ANALYZER_OBJ))
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(ANALYZER_LIBS)

$(PRELOAD_UNIT): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(filter-out %/hooks.o,$(PRELOAD_OBJ))
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(ZSTD_STATIC) -lcmocka -ldw -lelf -lpthread

$(B)/tests/unit/preload_test_%.o: tests/unit/preload_test_%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(BASE) -Ipreload $(CFLAGS) $(WARN) -c -o $@ $<

$(B)/tests/unit/%.o: tests/unit/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ANALYZER_FLAGS) $(CFLAGS) $(WARN) -c -o $@ $<

# Workloads keep every call they spell out: no tail calls, no elided allocations.
WORKLOAD_FLAGS := -Iinclude -g -O1 -fno-builtin -fno-optimize-sibling-calls -fno-inline $(WARN) -pthread

$(B)/tests/workloads/%: tests/workloads/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE $(WORKLOAD_FLAGS) -MMD -MP -o $@ $< -ldl

$(B)/tests/workloads/%: tests/workloads/%.cc Makefile
	@mkdir -p $(@D)
	$(CXX) -std=c++17 $(WORKLOAD_FLAGS) -MMD -MP -o $@ $<

# Ground truth for the classes of leaks: the same, and libground.so beside the programs.
GROUND := $(patsubst tests/ground/%.c,$(B)/tests/ground/%,$(filter-out %/libground.c,$(wildcard tests/ground/*.c))) \
	$(patsubst tests/ground/%.cc,$(B)/tests/ground/%,$(wildcard tests/ground/*.cc))

$(B)/tests/ground/%: tests/ground/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE $(WORKLOAD_FLAGS) -MMD -MP -o $@ $< -ldl -Wl,-rpath,'$$ORIGIN'

$(B)/tests/ground/%: tests/ground/%.cc Makefile
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -D_GNU_SOURCE $(WORKLOAD_FLAGS) -MMD -MP -o $@ $<

$(B)/tests/ground/libground.so: tests/ground/libground.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 $(WORKLOAD_FLAGS) -MMD -MP -shared -fPIC -o $@ $<

.PHONY: unit preload-unit workloads ground
ground: $(GROUND) $(B)/tests/ground/libground.so
unit: $(UNIT)
preload-unit: $(PRELOAD_UNIT)
workloads: $(WORKLOADS)

.PHONY: check
check: ## install what the tests need, build and run everything
	scripts/deps build test
	+tests/run

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# By the environment, so that whatever tests/run builds is built the same way.
.PHONY: asan
asan: export CFLAGS := -O1 -g1 $(SANITIZE)
asan: export JEMALLOC :=
asan: ## unit tests and analyzer with the address and undefined-behaviour sanitizers
	$(MAKE) B=$(B)/asan $(B)/asan/heaptape
	+B=$(B)/asan tests/run unit preload-unit

.PHONY: tsan
tsan: export CFLAGS := -O1 -g -fsanitize=thread
tsan: export JEMALLOC :=
tsan: ## unit tests of everything that has threads with the thread sanitizer
	+B=$(B)/tsan tests/run preload-unit unit/test_tape_ahead unit/test_symbols_ahead

.PHONY: bench
bench: ## cost of recording beside heaptrack and the bare program; BENCH='--quick …'
	scripts/deps build bench
	$(MAKE) -s all
	B=$(B) bench/run $(BENCH)

.PHONY: large
large: ## memory and speed of the analyzer on recordings of very many events; LARGE='--events …'
	$(MAKE) -s all
	B=$(B) bench/large $(LARGE)

.PHONY: callgrind
callgrind: ## instructions of a recorded malloc and free, function by function
	scripts/deps build bench
	$(MAKE) -s all
	B=$(B) bench/instructions

.PHONY: demo
demo: ## install what is missing, build, record sqlite3 and print the report
	scripts/deps build demo
	$(MAKE) -s all
	rm -f $(B)/demo.tape $(B)/demo.tape.*
	$(B)/heaptape record -o $(B)/demo.tape -- sqlite3 :memory: <bench/sqlite.sql >$(B)/demo.out
	$(B)/heaptape report $(B)/demo.tape

# ---- style ----------------------------------------------------------------------------------

C_FILES = $(shell find preload analyzer include tests bench -name '*.[ch]' -o -name '*.cc')
SCRIPTS = .ci/run tests/run scripts/deps $(shell find tests completions -name '*.bats' -o -name '*.bash')

.PHONY: lint
lint: ## cppcheck, shellcheck and clang-format, without a warning
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
		--library=posix --suppressions-list=scripts/cppcheck.suppress --inline-suppr \
		-D_GNU_SOURCE -D__x86_64__ -DHEAPTAPE_VERSION='"$(VERSION)"' '-D__attribute__(x)=' \
		-Iinclude -Ianalyzer -Ipreload $(wildcard preload/*.c preload/ext/*.c analyzer/*.c tests/unit/*.c)
	shellcheck --exclude=SC2012,SC2016,SC2034,SC2094,SC2154,SC2238 $(SCRIPTS)

.PHONY: format
format: ## clang-format over every C file
	clang-format -i $(C_FILES)

# ---- installation ---------------------------------------------------------------------------

MANPAGES := $(wildcard man/*.1)
DEST := $(DESTDIR)$(PREFIX)
COMPLETION_BASH := share/bash-completion/completions/heaptape
COMPLETION_ZSH := share/zsh/site-functions/_heaptape

.PHONY: install
install: all ## install below PREFIX (and DESTDIR)
	install -D -m 755 $(B)/heaptape '$(DEST)/bin/heaptape'
	ln -sf heaptape '$(DEST)/bin/heaptape-memcheck'
	install -D -m 755 $(B)/libheaptape.so '$(DEST)/lib/heaptape/libheaptape.so'
	install -m 755 $(addprefix $(B)/,$(SECOND_OBJECTS)) '$(DEST)/lib/heaptape'
	install -D -m 644 include/heaptape/heaptape.h '$(DEST)/include/heaptape/heaptape.h'
	install -d '$(DEST)/share/man/man1'
	install -m 644 $(MANPAGES) '$(DEST)/share/man/man1'
	install -D -m 644 completions/heaptape.bash '$(DEST)/$(COMPLETION_BASH)'
	install -D -m 644 completions/_heaptape '$(DEST)/$(COMPLETION_ZSH)'

.PHONY: uninstall
uninstall: ## remove what install put in place
	rm -f '$(DEST)/bin/heaptape' '$(DEST)/bin/heaptape-memcheck' \
		'$(DEST)/lib/heaptape/libheaptape.so' $(SECOND_OBJECTS:%='$(DEST)/lib/heaptape/%') \
		'$(DEST)/include/heaptape/heaptape.h' '$(DEST)/$(COMPLETION_BASH)' '$(DEST)/$(COMPLETION_ZSH)' \
		$(patsubst man/%,'$(DEST)/share/man/man1/%',$(MANPAGES))
	-rmdir '$(DEST)/lib/heaptape' '$(DEST)/include/heaptape'

.PHONY: clean
clean: ## remove the build directory
	rm -rf $(B)

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12
	@echo 'Variables: B=build CC=gcc CFLAGS= PREFIX=/usr/local DESTDIR='

-include $(wildcard $(B)/preload/*.d $(B)/preload/ext/*.d $(B)/analyzer/*.d $(B)/tests/unit/*.d $(B)/tests/workloads/*.d $(B)/tests/ground/*.d)
