/* SPDX-License-Identifier: MIT */
#include "pack_symbols.h"

#include <search.h>
#include <stdlib.h>

#include "diag.h"
#include "embedded.h"
#include "heap_image.h"
#include "jit_map.h"
#include "merge.h"
#include "naming.h"
#include "stacks.h"

struct bytes {
    uint8_t *p;
    size_t count, room;
};

struct pack_symbols {
    struct stacks *stacks; /* frames and modules; no stacks */
    struct symbols *symbols;
    struct jit_map *jit;
    struct bytes texts, modules; /* parts of the payload */
    uint64_t module_count, text_count;
    void *text; /* of struct text: tsearch(3) */
};

struct text {
    uint64_t number;
    char text[];
};

/* An address of a module, to be looked up. */
struct code {
    uint32_t module; /* UINT32_MAX: none */
    uint64_t vaddr;
};

struct pack_symbols *pack_symbols_new(void) {
    struct pack_symbols *p = xcalloc(1, sizeof *p);
    p->stacks = stacks_new();
    return p;
}

void pack_symbols_free(struct pack_symbols *p) {
    if (p == NULL)
        return;
    stacks_free(p->stacks);
    symbols_free(p->symbols);
    jit_map_free(p->jit);
    tdestroy(p->text, free);
    free(p->texts.p);
    free(p->modules.p);
    free(p);
}

void pack_symbols_take(struct pack_symbols *p, const struct tape_buffer *b) {
    const uint32_t *frame = b->frame;
    for (uint32_t i = 0; i < b->records; frame += b->record[i++].push) {
        unsigned op = tape_record_op(&b->record[i]);
        if (op == TAPE_OP_MODULE_LOAD || op == TAPE_OP_MODULE_UNLOAD)
            merge_read_module(p->stacks, &b->record[i], frame);
    }
    for (uint32_t i = 0; i < b->addresses; i++)
        stacks_intern_frame(p->stacks, b->address[i], b->generation);
}

/* ---- the payload -------------------------------------------------------------------------- */

static uint8_t *room_for(struct bytes *b, size_t more) {
    if (b->count + more > b->room) {
        b->room = 2 * (b->count + more);
        b->p = xrealloc(b->p, b->room);
    }
    return b->p + b->count;
}

static void put(struct bytes *b, const void *p, size_t n) {
    tape_put_bytes(room_for(b, n), p, n);
    b->count += n;
}

static void put_number(struct bytes *b, uint64_t v) {
    b->count += (size_t)(tape_put_varint(room_for(b, TAPE_VARINT_MAX), v) - (b->p + b->count));
}

static int by_text(const void *a, const void *b) {
    return strcmp(((const struct text *)a)->text, ((const struct text *)b)->text);
}

/* The number of a text, 0 for none. */
static uint64_t number_of(struct pack_symbols *p, const char *text) {
    if (text == NULL || text[0] == '\0')
        return 0;
    size_t n = strlen(text) + 1;
    struct text *new = xmalloc(sizeof *new + n), **found;
    memcpy(new->text, text, n);
    new->number = p->text_count + 1;
    found = tsearch(new, &p->text, by_text);
    if (found == NULL) {
        free(new);
        return 0;
    }
    if (*found != new) {
        free(new);
        return (*found)->number;
    }
    put(&p->texts, text, n);
    return ++p->text_count;
}

static void put_frame(struct pack_symbols *p, struct bytes *to, const struct symbol *s) {
    const struct tape_symbols_frame f = {.function = number_of(p, s->function),
                                         .linkage = number_of(p, s->linkage),
                                         .plain = number_of(p, s->plain),
                                         .file = number_of(p, s->file),
                                         .line = s->line};
    uint8_t *at = room_for(to, TAPE_SYMBOLS_FRAME_MAX);
    to->count += (size_t)(tape_put_symbols_frame(at, &f) - at);
}

/* The names of an address of a module, or of none; how many there are. */
static size_t look_up(struct pack_symbols *p, const struct module *m, uint64_t vaddr,
                      struct symbol *symbol) {
    if (m != NULL)
        return embedded_frames(p->symbols, m, vaddr, symbol, TAPE_SYMBOLS_FRAMES_MAX);
    return p->jit != NULL && jit_map_lookup(p->jit, vaddr, symbol);
}

/* A module, NULL: none, with its addresses, which are freed. */
static void finish_module(struct pack_symbols *p, const struct module *m,
                          struct tape_symbols_module *head, struct bytes *codes) {
    if (head->codes != 0) {
        if (m != NULL) {
            head->path = number_of(p, m->path);
            head->build_id = m->build_id;
            head->build_id_len = (uint8_t)m->build_id_len;
        }
        uint8_t *at = room_for(&p->modules, 3 * TAPE_VARINT_MAX + 2 + TAPE_BUILD_ID_MAX);
        p->modules.count += (size_t)(tape_put_symbols_module(at, head) - at);
        put(&p->modules, codes->p, codes->count);
        p->module_count++;
    }
    free(codes->p);
}

/* One module, whose addresses are code[0] to code[count - 1]. */
static void put_module(struct pack_symbols *p, const struct code *code, size_t count) {
    const struct module *m =
        code->module != UINT32_MAX ? stacks_module(p->stacks, code->module) : NULL;
    struct symbol symbol[TAPE_SYMBOLS_FRAMES_MAX];
    struct bytes codes = {0};
    struct tape_symbols_module head = {
        .knowledge = m == NULL ? TAPE_KNOWLEDGE_RUN_TIME
                               : (uint8_t)embedded_knowledge(embedded_status(p->symbols, m))};
    uint64_t before = 0;
    for (size_t i = 0; i < count && head.knowledge != 0; i++) {
        size_t n = i > 0 && code[i].vaddr == before && head.codes > 0
                       ? 0
                       : look_up(p, m, code[i].vaddr, symbol);
        if (n == 0)
            continue;
        head.codes++;
        put_number(&codes, code[i].vaddr - before);
        before = code[i].vaddr;
        put_number(&codes, n);
        for (size_t k = 0; k < n; k++)
            put_frame(p, &codes, &symbol[k]);
    }
    finish_module(p, m, &head, &codes);
}

static int by_module(const void *a, const void *b) {
    const struct code *x = a, *y = b;
    if (x->module != y->module)
        return x->module < y->module ? -1 : 1;
    return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static void put_modules(struct pack_symbols *p) {
    uint32_t count = stacks_frame_count(p->stacks);
    struct code *code = xcalloc(count + 1, sizeof *code);
    for (uint32_t i = 0; i < count; i++) {
        const struct frame *f = stacks_frame(p->stacks, i);
        uint64_t call = f->address - 1; /* inside the call instruction */
        code[i].module = f->module;
        code[i].vaddr =
            f->module != UINT32_MAX ? call - stacks_module(p->stacks, f->module)->bias : call;
    }
    qsort(code, count, sizeof *code, by_module);
    for (uint32_t from = 0, end; from < count; from = end) {
        for (end = from + 1; end < count && code[end].module == code[from].module; end++)
            continue;
        put_module(p, code + from, end - from);
    }
    free(code);
}

/* ---- variables ---------------------------------------------------------------------------- */

struct data {
    uint64_t *address; /* of words of modules' data */
    size_t count, room;
};

static void add_image(struct data *d, const struct heap_image *image) {
    for (uint32_t r = 0; r < image->region_count; r++) {
        const struct image_region *region = &image->region[r];
        if (region->is.kind != TAPE_REGION_MODULE)
            continue;
        if (d->count + region->count > d->room) {
            d->room = 2 * (d->count + region->count);
            d->address = xrealloc(d->address, d->room * sizeof *d->address);
        }
        for (size_t i = 0; i < region->count; i++)
            d->address[d->count++] = image->word[region->first + i].address;
    }
}

static int by_number(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The variables of a module at these run-time addresses, which ascend. */
static void put_data(struct pack_symbols *p, const struct module *m, uint64_t *address,
                     size_t count) {
    struct symbols_variable *found = xcalloc(count, sizeof *found);
    struct tape_symbols_module head = {.knowledge = TAPE_KNOWLEDGE_DATA};
    struct bytes codes = {0};
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++)
        address[i] -= m->bias;
    embedded_variables(p->symbols, m, count, address, found);
    for (size_t i = 0; i < count; i++) {
        if (found[i].name == NULL || found[i].offset > UINT32_MAX)
            continue;
        const struct symbol s = {.function = found[i].name, .line = (unsigned)found[i].offset};
        put_number(&codes, address[i] - before);
        before = address[i];
        put_number(&codes, 1);
        put_frame(p, &codes, &s);
        head.codes++;
    }
    finish_module(p, m, &head, &codes);
    free(found);
}

/* Of all images that can be read. */
static void put_variables(struct pack_symbols *p, struct tape_file *tape) {
    struct data d = {0};
    uint64_t images = 0;
    for (size_t i = 0; i < tape->image_chunk_count; i++)
        images += tape->image_chunk[i].type == TAPE_CHUNK_IMAGE;
    for (uint64_t number = 1; number <= images; number++) {
        const struct image_choice choice = {.by = IMAGE_NUMBER, .number = number};
        char *reason = NULL;
        struct heap_image *image = heap_image_open(tape, &choice, &reason);
        if (image != NULL) {
            add_image(&d, image);
            heap_image_free(image);
        }
        free(reason);
    }
    if (d.count != 0)
        qsort(d.address, d.count, sizeof *d.address, by_number);
    size_t count = 0;
    for (size_t i = 0; i < d.count; i++)
        if (count == 0 || d.address[i] != d.address[count - 1])
            d.address[count++] = d.address[i];
    for (size_t from = 0, end; from < count; from = end) {
        const struct module *m = stacks_loaded_at(p->stacks, d.address[from]);
        for (end = from + 1; end < count && m != NULL && d.address[end] < m->end; end++)
            continue;
        if (m != NULL)
            put_data(p, m, d.address + from, end - from);
    }
    free(d.address);
}

void pack_symbols_write(struct pack_symbols *p, struct tape_file *tape, struct pack_out *out) {
    struct bytes all = {0};
    p->symbols = naming_symbols();
    if (p->symbols == NULL) {
        diag("out of memory");
        exit(EXIT_FINDING);
    }
    p->jit = jit_map_of(&tape->process);
    put_modules(p);
    put_variables(p, tape);
    const uint8_t version = TAPE_SYMBOLS_VERSION;
    put(&all, &version, 1);
    put_number(&all, p->texts.count);
    put(&all, p->texts.p, p->texts.count);
    put_number(&all, p->module_count);
    put(&all, p->modules.p, p->modules.count);
    if (p->module_count != 0 && all.count <= TAPE_CHUNK_MAX) {
        struct tape_chunk_header h = {.type = TAPE_CHUNK_SYMBOLS, .raw_bytes = (uint32_t)all.count};
        pack_out_compressed(out, &h, all.p);
    }
    free(all.p);
}
