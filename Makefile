# SPDX-License-Identifier: MIT
# heaptape: make help lists the targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
B ?= build

CC ?= gcc
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror
BASE := -std=c17 -D_GNU_SOURCE -Iinclude -DHEAPTAPE_VERSION='"$(VERSION)"' -MMD -MP

# The recorder runs inside malloc: nothing but libc, symbols hidden, the frame pointer kept so
# that a hook finds its caller's registers, no CPU features beyond the baseline.
PRELOAD_FLAGS := $(BASE) -Ipreload -fPIC -fvisibility=hidden -fno-omit-frame-pointer \
	-ftls-model=initial-exec -fno-builtin-malloc -fno-stack-protector -fcf-protection=none \
	-fexceptions -fasynchronous-unwind-tables
PRELOAD_LINK := -shared -Wl,-z,now,-z,relro,-z,defs,--exclude-libs,ALL -Wl,--as-needed \
	-Wl,-soname,libheaptape.so -Wl,--version-script=preload/libheaptape.map
ZSTD_STATIC := $(shell $(CC) -print-file-name=libzstd.a)

ANALYZER_FLAGS := $(BASE) -Ianalyzer
ANALYZER_LIBS := -ldw -lelf -liberty -lzstd -ljson-c -ljemalloc -lpthread

PRELOAD_SRC := $(wildcard preload/*.c)
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(B)/%.o)
ANALYZER_SRC := $(wildcard analyzer/*.c)
ANALYZER_OBJ := $(ANALYZER_SRC:%.c=$(B)/%.o)

.PHONY: all
all: $(B)/libheaptape.so $(B)/heaptape

$(B)/libheaptape.so: $(PRELOAD_OBJ) preload/libheaptape.map Makefile
	$(CC) $(CFLAGS) $(PRELOAD_LINK) -o $@ $(PRELOAD_OBJ) $(ZSTD_STATIC)

$(B)/heaptape: $(ANALYZER_OBJ) Makefile
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(ANALYZER_OBJ) $(ANALYZER_LIBS)

$(B)/preload/%.o: preload/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(PRELOAD_FLAGS) $(CFLAGS) $(WARN) -c -o $@ $<

$(B)/analyzer/%.o: analyzer/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ANALYZER_FLAGS) $(CFLAGS) $(WARN) -c -o $@ $<

-include $(PRELOAD_OBJ:.o=.d) $(ANALYZER_OBJ:.o=.d)
