/* SPDX-License-Identifier: MIT */
/* Which module is CPython, by its dynamic symbols. */
#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "python.h"
#include "python_layout.h"

/* The first one of a known version; `runtime` is stored last. */
static struct {
    _Atomic uint64_t runtime;
    atomic_bool taken;
    uint64_t start, end;
    bool always;
} known;

/* What a module's dynamic section says that a look-up of symbols takes. */
struct symbols {
    const ElfW(Sym) * symbol;
    const char *text;
    const uint32_t *hash; /* DT_GNU_HASH */
    uint64_t bias;
};

/* The loader has added the bias in place, but not in modules that it cannot write (the vDSO). */
static const void *place(const struct unwind_module *m, uint64_t bias, uint64_t value) {
    return (const void *)(value < m->start ? value + bias : value);
}

static bool read_dynamic(const struct unwind_module *m, struct symbols *s) {
    const struct link_map *map = m->link_map;
    if (map == NULL || map->l_ld == NULL)
        return false;
    *s = (struct symbols){.bias = map->l_addr};
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_SYMTAB)
            s->symbol = place(m, s->bias, d->d_un.d_ptr);
        else if (d->d_tag == DT_STRTAB)
            s->text = place(m, s->bias, d->d_un.d_ptr);
        else if (d->d_tag == DT_GNU_HASH)
            s->hash = place(m, s->bias, d->d_un.d_ptr);
    }
    return s->symbol != NULL && s->text != NULL && s->hash != NULL;
}

static uint32_t gnu_hash(const char *name) {
    uint32_t h = 5381;
    for (; *name != 0; name++)
        h = h * 33 + (uint8_t)*name;
    return h;
}

/* The address of a symbol that the module defines, NULL when there is none. The table: number of
 * buckets, first symbol in it, words of the filter, shift; filter, buckets, hashes (the lowest bit
 * set: the last of its bucket). */
static const void *find_symbol(const struct symbols *s, const char *name) {
    const uint32_t buckets = s->hash[0], first = s->hash[1], words = s->hash[2];
    const uint32_t *bucket = s->hash + 4 + words * (sizeof(ElfW(Addr)) / 4);
    const uint32_t *chain = bucket + buckets, h = gnu_hash(name);
    uint32_t i = buckets != 0 ? bucket[h % buckets] : 0;
    if (i < first || i == 0)
        return NULL;
    for (;; i++) {
        const ElfW(Sym) *symbol = &s->symbol[i];
        if (((chain[i - first] ^ h) & ~UINT32_C(1)) == 0 && symbol->st_shndx != SHN_UNDEF &&
            strcmp(s->text + symbol->st_name, name) == 0)
            return (const void *)(s->bias + symbol->st_value);
        if ((chain[i - first] & 1) != 0)
            return NULL;
    }
}

static void know(const struct unwind_module *m, const void *runtime) {
    const struct link_map *map = m->link_map;
    if (atomic_exchange(&known.taken, true))
        return;
    known.start = m->start;
    known.end = m->end;
    known.always = map->l_name == NULL || *map->l_name == 0;
    atomic_store(&known.runtime, (uint64_t)runtime);
}

bool python_find(const struct unwind_module *m, struct tape_python *found) {
    struct symbols symbols;
    if (!read_dynamic(m, &symbols))
        return false;
    const void *runtime = find_symbol(&symbols, "_PyRuntime");
    if (runtime == NULL)
        return false;
    const void *version = find_symbol(&symbols, "Py_Version");
    unsigned long number = 0;
    if (version != NULL)
        memcpy(&number, version, sizeof number);
    *found = (struct tape_python){.version = number, .module = m->start};
    if (number < PYTHON_FIRST_VERSION || number >= PYTHON_VERSIONS_END || sizeof(void *) != 8)
        found->state = TAPE_PYTHON_VERSION;
    else if (find_symbol(&symbols, "_Py_RefTotal") != NULL)
        found->state = TAPE_PYTHON_BUILD;
    else
        know(m, runtime);
    return true;
}

void python_forget(const struct unwind_module *m) {
    if (!atomic_load(&known.taken) || known.start != m->start)
        return;
    atomic_store(&known.runtime, 0);
    atomic_store(&known.taken, false);
}

struct python_interpreter python_interpreter(void) {
    struct python_interpreter i = {
        .runtime = (const uint8_t *)atomic_load_explicit(&known.runtime, memory_order_acquire)};
    if (i.runtime != NULL) {
        i.start = known.start;
        i.end = known.end;
        i.always = known.always;
    }
    return i;
}
