/* SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

struct known_module {
    const char *path;
    uint8_t build_id[TAPE_BUILD_ID_MAX];
    size_t build_id_len;
    unsigned knowledge;
};

#define DATA UINT32_C(0x80000000) /* with a module's number: an address of data */

/* An address of a module. */
struct known_code {
    uint64_t vaddr;
    uint32_t module, first, count; /* count 0: a free slot */
};

static struct {
    struct known_module *module;
    uint32_t modules;
    struct symbol *frame;
    uint32_t frames, frame_room;
    struct known_code *code; /* open addressing, a power of two, half full at most */
    uint32_t codes, slots;
    char **text; /* of each payload */
    size_t texts;
} known;

unsigned embedded_knowledge(enum symbols_module_status status) {
    switch (status) {
    case MODULE_OK:
        return TAPE_KNOWLEDGE_ALL;
    case MODULE_NO_DEBUG:
        return TAPE_KNOWLEDGE_NAMES;
    case MODULE_NO_SYMBOLS:
        return TAPE_KNOWLEDGE_LINES;
    case MODULE_MISSING:
    case MODULE_REBUILT:
    case MODULE_VIRTUAL:
        break;
    }
    return 0;
}

/* ---- the collection ----------------------------------------------------------------------- */

/* UINT32_MAX when there is none. */
static uint32_t find_module(const char *path, const uint8_t *build_id, size_t build_id_len) {
    for (uint32_t i = 0; i < known.modules; i++) {
        const struct known_module *k = &known.module[i];
        if (k->build_id_len == build_id_len && memcmp(k->build_id, build_id, build_id_len) == 0 &&
            strcmp(k->path, path) == 0)
            return i;
    }
    return UINT32_MAX;
}

static uint32_t get_module(const char *path, const struct tape_symbols_module *m) {
    uint32_t i = find_module(path, m->build_id, m->build_id_len);
    if (i != UINT32_MAX)
        return i;
    i = known.modules++;
    known.module = xrealloc(known.module, known.modules * sizeof *known.module);
    known.module[i] = (struct known_module){.path = path, .build_id_len = m->build_id_len};
    memcpy(known.module[i].build_id, m->build_id, m->build_id_len);
    return i;
}

static struct known_code *slot_of(uint32_t module, uint64_t vaddr) {
    uint64_t hash = (vaddr + module) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t at = (uint32_t)(hash >> 32) & (known.slots - 1);
    while (known.code[at].count != 0 &&
           (known.code[at].vaddr != vaddr || known.code[at].module != module))
        at = (at + 1) & (known.slots - 1);
    return &known.code[at];
}

static void grow_codes(void) {
    struct known_code *old = known.code;
    uint32_t slots = known.slots;
    known.slots = slots != 0 ? 2 * slots : 1024;
    known.code = xcalloc(known.slots, sizeof *known.code);
    for (uint32_t i = 0; i < slots; i++)
        if (old[i].count != 0)
            *slot_of(old[i].module, old[i].vaddr) = old[i];
    free(old);
}

static void add_code(uint32_t module, uint64_t vaddr, const struct symbol *frame, uint32_t count,
                     bool better) {
    if (2 * known.codes >= known.slots)
        grow_codes();
    struct known_code *code = slot_of(module, vaddr);
    if (code->count != 0 && !better)
        return;
    known.codes += code->count == 0;
    *code = (struct known_code){vaddr, module, known.frames, count};
    if (known.frames + count > known.frame_room) {
        known.frame_room = 2 * (known.frames + count);
        known.frame = xrealloc(known.frame, known.frame_room * sizeof *known.frame);
    }
    memcpy(known.frame + known.frames, frame, count * sizeof *frame);
    known.frames += count;
}

/* ---- a payload ---------------------------------------------------------------------------- */

struct reading {
    struct tape_in in;
    const char **text; /* by number */
    uint64_t texts;
    struct tape_process *process;
    uint64_t *count;
};

/* The texts stay: names refer to them. */
static void read_texts(struct reading *r) {
    uint64_t bytes = tape_get_varint(&r->in, TAPE_CHUNK_MAX);
    const uint8_t *p = tape_get_bytes(&r->in, bytes);
    if (p == NULL || (bytes > 0 && p[bytes - 1] != '\0')) {
        tape_in_fail(&r->in, TAPE_E_LIMIT);
        return;
    }
    char *copy = xmalloc(bytes + 1);
    if ((known.texts & (known.texts - 1)) == 0) /* room for a power of two */
        known.text =
            xrealloc(known.text, (known.texts != 0 ? 2 * known.texts : 1) * sizeof *known.text);
    known.text[known.texts++] = copy;
    tape_put_bytes((uint8_t *)copy, p, bytes);
    for (uint64_t i = 0; i < bytes; i++)
        r->texts += copy[i] == '\0';
    r->text = xcalloc(r->texts + 1, sizeof *r->text);
    for (uint64_t i = 1; i <= r->texts; i++, copy += strlen(copy) + 1)
        r->text[i] = copy;
}

static uint32_t read_frames(struct reading *r, struct symbol *frame) {
    uint32_t count = (uint32_t)tape_get_varint(&r->in, TAPE_SYMBOLS_FRAMES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct tape_symbols_frame f;
        if (tape_get_symbols_frame(&r->in, r->texts, &f) != TAPE_OK)
            return 0;
        frame[i] = (struct symbol){.function = r->text[f.function],
                                   .linkage = r->text[f.linkage],
                                   .plain = r->text[f.plain],
                                   .file = r->text[f.file],
                                   .line = (unsigned)f.line};
    }
    return count;
}

static void add_jit(struct tape_process *p, uint64_t address, const struct symbol *frame) {
    if ((p->jit_count & (p->jit_count - 1)) == 0) /* room for a power of two */
        p->jit = xrealloc(p->jit, (p->jit_count != 0 ? 2 * p->jit_count : 1) * sizeof *p->jit);
    p->jit[p->jit_count++] = (struct tape_jit){address, frame->function, frame->file, frame->line};
}

static void read_module(struct reading *r) {
    struct tape_symbols_module m;
    struct symbol frame[TAPE_SYMBOLS_FRAMES_MAX];
    if (tape_get_symbols_module(&r->in, r->texts, &m) != TAPE_OK)
        return;
    bool jit = m.knowledge == TAPE_KNOWLEDGE_RUN_TIME;
    const char *path = r->text[m.path] != NULL ? r->text[m.path] : "";
    uint32_t module = jit ? 0 : get_module(path, &m);
    bool data = m.knowledge == TAPE_KNOWLEDGE_DATA;
    bool better = !jit && !data && m.knowledge > known.module[module].knowledge;
    if (better)
        known.module[module].knowledge = m.knowledge;
    for (uint64_t i = 0, address = 0; i < m.codes && r->in.error == TAPE_OK; i++) {
        address += tape_get_varint(&r->in, UINT64_MAX);
        uint32_t count = read_frames(r, frame);
        if (count == 0)
            continue;
        if (jit)
            add_jit(r->process, address, &frame[0]);
        else
            add_code(data ? module | DATA : module, address, frame, count, better);
        ++*r->count;
    }
}

enum tape_error embedded_read(const uint8_t *payload, size_t bytes, struct tape_process *process,
                              uint64_t *count) {
    struct reading r = {.in = tape_in_of(payload, bytes), .process = process, .count = count};
    if (tape_get_u8(&r.in) != TAPE_SYMBOLS_VERSION)
        return TAPE_E_VERSION;
    read_texts(&r);
    uint64_t modules = tape_get_varint(&r.in, TAPE_CHUNK_MAX);
    for (uint64_t i = 0; i < modules && r.in.error == TAPE_OK; i++)
        read_module(&r);
    free(r.text);
    if (r.in.error == TAPE_OK && tape_in_left(&r.in) != 0)
        return TAPE_E_COLUMN;
    return r.in.error;
}

/* ---- which are taken ---------------------------------------------------------------------- */

/* What is known of a module by the tape, if that is to be taken; otherwise UINT32_MAX. */
static uint32_t taken(struct symbols *s, const struct module *m) {
    uint32_t i = find_module(m->path, m->build_id, m->build_id_len);
    if (i == UINT32_MAX || m->build_id_len == 0)
        return i;
    unsigned file =
        embedded_knowledge(symbols_module_status(s, m->path, m->build_id, m->build_id_len));
    return file >= known.module[i].knowledge && file != 0 ? UINT32_MAX : i;
}

bool embedded_is_any(void) {
    return known.codes != 0;
}

size_t embedded_frames(struct symbols *s, const struct module *m, uint64_t vaddr,
                       struct symbol *out, size_t room) {
    uint32_t module = taken(s, m);
    const struct known_code *code =
        module != UINT32_MAX && known.codes != 0 ? slot_of(module, vaddr) : NULL;
    if (code == NULL || code->count == 0)
        return symbols_frames(s, m->path, m->build_id, m->build_id_len, vaddr, out, room);
    size_t count = code->count < room ? code->count : room; /* the innermost are left out */
    memcpy(out, &known.frame[code->first + code->count - count], count * sizeof *out);
    return count;
}

void embedded_variables(struct symbols *s, const struct module *m, size_t count,
                        const uint64_t *vaddr, struct symbols_variable *out) {
    uint32_t module = taken(s, m);
    if (module == UINT32_MAX || known.codes == 0) {
        symbols_variables(s, m->path, m->build_id, m->build_id_len, count, vaddr, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct known_code *code = slot_of(module | DATA, vaddr[i]);
        out[i] = (struct symbols_variable){0};
        if (code->count == 0)
            continue;
        const struct symbol *f = &known.frame[code->first];
        out[i] = (struct symbols_variable){.name = f->function, .offset = f->line};
    }
}

enum symbols_module_status embedded_status(struct symbols *s, const struct module *m) {
    uint32_t module = taken(s, m);
    if (module == UINT32_MAX)
        return symbols_module_status(s, m->path, m->build_id, m->build_id_len);
    switch (known.module[module].knowledge) {
    case TAPE_KNOWLEDGE_ALL:
        return MODULE_OK;
    case TAPE_KNOWLEDGE_NAMES:
        return MODULE_NO_DEBUG;
    default:
        return MODULE_NO_SYMBOLS;
    }
}
