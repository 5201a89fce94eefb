/* SPDX-License-Identifier: MIT */
/*
 * Code objects by what they say: equal names, file and lines are one entry, wherever the object
 * lies. A code object may be freed and another made at its address between two walks, so a walk
 * compares all of that anew for each code object that it meets, with a copy of our own.
 */
#include <stdatomic.h>
#include <string.h>

#include "python.h"
#include "python_layout.h"
#include "sys.h"
#include "sys_image.h"
#include "tape/blobs.h"

#define TEXT_MAX    4096         /* characters of a name that are looked at */
#define TABLE_PART  4096         /* bytes at either end of a table of lines that are compared */
#define TABLE_MAX   (128 * 1024) /* bytes of one that are read through the kernel */
#define SLOTS_SHIFT 9
#define LINES_SHIFT 10
#define NAME_BYTES  2048 /* of a name on the tape */
#define FILE_BYTES  4096

/* A Python text as it lies in memory: units of 1, 2 or 4 bytes. */
struct text {
    const uint8_t *at;
    uint32_t count, unit;
    uint64_t length; /* as the object says, as is its state */
    uint32_t state;
    bool ascii;
};

/* A code object as it is now. */
struct view {
    struct text name, file;
    const uint8_t *table;
    uint32_t table_bytes;
    int32_t line, first_traced;
    uint64_t name_object, file_object, table_object;
};

struct entry {
    uint64_t hash;
    uint32_t number; /* on the tape */
    uint32_t at;     /* of its copy in the bytes: name, file, the table's ends */
    uint32_t name_count, file_count, table_bytes;
    uint8_t name_unit, file_unit;
    int32_t line, first_traced;
};

/* A part of a code object as it was when it was compared last: the object, its size and state, and
 * how many bytes of it, from where, must be those of our copy. */
struct part {
    uint64_t object, size;
    uint32_t state;
    uint32_t from, bytes;
};

/* Which entry a code object had when it was met last, and in which walk that was compared. */
struct slot {
    uint64_t code; /* 0: empty */
    uint32_t walk;
    struct python_code is;
    int32_t line;
    uint32_t at;                   /* of the copy */
    struct part name, file, table; /* object 0: not known; of long tables the first part */
};

/* The address made for an instruction of an entry. */
struct line {
    uint32_t entry; /* plus 1; 0: empty */
    int32_t instruction;
    uint64_t address;
};

struct python_codes {
    struct entry *entry;
    uint32_t count, room;
    uint32_t *index; /* by hash: entry + 1; open addressing, 2 * room */
    uint8_t *bytes;
    uint32_t used, bytes_room;
    uint32_t walk;
    struct slot slot[1 << SLOTS_SHIFT];
    struct line line[1 << LINES_SHIFT];
};

#define FIRST_ROOM  1024
#define FIRST_BYTES (256 * 1024)

/* Of the whole process, so that no two streams give one number to different code. */
static _Atomic uint32_t numbers;

bool python_read_copy(const struct python_reader *in, uint64_t from, void *to, size_t bytes) {
    (void)in;
    return sys_read_memory(sys_pid(), from, to, bytes) == (long)bytes;
}

static void *own_map(size_t bytes) {
    void *p = sys_map(bytes);
    if (p != NULL)
        sys_absent_in_child(p, bytes);
    return p;
}

struct python_codes *python_codes_new(void) {
    struct python_codes *c = own_map((sizeof *c + 4095) & ~UINT64_C(4095));
    if (c == NULL)
        return NULL;
    c->entry = own_map(FIRST_ROOM * sizeof *c->entry);
    c->index = own_map(2 * FIRST_ROOM * sizeof *c->index);
    c->bytes = own_map(FIRST_BYTES);
    if (c->entry == NULL || c->index == NULL || c->bytes == NULL)
        return NULL; /* a few pages are lost where there are none to be had */
    c->room = FIRST_ROOM;
    c->bytes_room = FIRST_BYTES;
    return c;
}

_Static_assert(FIRST_ROOM * sizeof(struct entry) % 4096 == 0 &&
                   FIRST_ROOM * sizeof(uint32_t) % 4096 == 0,
               "whole pages");

void python_codes_begin(struct python_codes *c) {
    if (++c->walk == 0) { /* after four billion: no slot may seem to be compared */
        memset(c->slot, 0, sizeof c->slot);
        c->walk = 1;
    }
}

/* ---- reading code objects ----------------------------------------------------------------- */

static inline uint64_t word(const uint8_t *at) {
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static inline uint32_t half(const uint8_t *at) {
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

/* Makes the bytes at `from` readable in place: the place itself or a copy in the scratch memory. */
static inline const uint8_t *view_bytes(const struct python_reader *in, uint64_t from, size_t bytes,
                                        size_t *used) {
    if (in->direct)
        return (const uint8_t *)from;
    uint8_t *to = in->scratch + *used;
    if (bytes > PYTHON_SCRATCH - *used || !python_read_copy(in, from, to, bytes))
        return NULL;
    *used += bytes;
    return to;
}

static inline bool view_text(const struct python_reader *in, uint64_t object, struct text *t,
                             size_t *used) {
    uint8_t head[PY_TEXT_STATE + 4];
    uint64_t length;
    uint32_t state;
    *t = (struct text){.at = (const uint8_t *)"", .unit = 1};
    if (object == 0 || !python_read(in, object, head, sizeof head))
        return false;
    memcpy(&length, head + PY_TEXT_LENGTH, sizeof length);
    memcpy(&state, head + PY_TEXT_STATE, sizeof state);
    uint32_t unit = state >> 2 & 7;
    bool compact = (state >> 5 & 1) != 0, ascii = (state >> 6 & 1) != 0;
    if (!compact || (unit != 1 && unit != 2 && unit != 4))
        return true; /* made by an interface long deprecated: without a name */
    t->unit = unit;
    t->length = length;
    t->state = state & ~PY_TEXT_INTERNED;
    t->ascii = ascii;
    t->count = length < TEXT_MAX ? (uint32_t)length : TEXT_MAX;
    t->at = view_bytes(in, object + (ascii ? PY_TEXT_ASCII_DATA : PY_TEXT_DATA),
                       (size_t)t->count * unit, used);
    return t->at != NULL;
}

static inline bool view_table(const struct python_reader *in, uint64_t object, struct view *v,
                              size_t *used) {
    uint64_t size;
    if (object == 0 || !python_read(in, object + PY_OBJECT_SIZE, &size, sizeof size))
        return false;
    v->table_bytes = size < INT32_MAX ? (uint32_t)size : INT32_MAX;
    if (!in->direct && v->table_bytes > TABLE_MAX)
        return false;
    v->table = view_bytes(in, object + PY_BYTES_DATA, v->table_bytes, used);
    return v->table != NULL;
}

static inline bool view_code(const struct python_reader *in, uint64_t code, struct view *v) {
    uint8_t copy[PY_CODE_INSTRUCTIONS];
    const uint8_t *c = in->direct ? (const uint8_t *)code : copy;
    size_t used = 0;
    if (!in->direct && !python_read_copy(in, code, copy, sizeof copy))
        return false;
    v->name_object = word(c + PY_CODE_NAME);
    v->file_object = word(c + PY_CODE_FILE);
    v->table_object = word(c + PY_CODE_LINES);
    memcpy(&v->line, c + PY_CODE_LINE, sizeof v->line);
    memcpy(&v->first_traced, c + PY_CODE_FIRST_TRACED, sizeof v->first_traced);
    return view_text(in, v->name_object, &v->name, &used) &&
           view_text(in, v->file_object, &v->file, &used) &&
           view_table(in, v->table_object, v, &used);
}

/* ---- entries ------------------------------------------------------------------------------ */

static uint32_t text_bytes(const struct text *t) {
    return t->count * t->unit;
}

/* What is kept of a table: all of it, or its two ends. */
static uint32_t head_bytes(uint32_t table_bytes) {
    return table_bytes < TABLE_PART ? table_bytes : TABLE_PART;
}
static uint32_t tail_bytes(uint32_t table_bytes) {
    uint32_t left = table_bytes - head_bytes(table_bytes);
    return left < TABLE_PART ? left : TABLE_PART;
}

/* Whether n bytes are equal: mostly some ten to a hundred, too few for a call. */
static inline bool equal(const uint8_t *a, const uint8_t *b, uint32_t n) {
    uint64_t x, y;
    if (n < 8) {
        uint64_t differ = 0;
        for (uint32_t i = 0; i < n; i++)
            differ |= a[i] ^ b[i];
        return differ == 0;
    }
    for (uint32_t i = 0; i < n - 8; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            return false;
    }
    memcpy(&x, a + n - 8, 8);
    memcpy(&y, b + n - 8, 8);
    return x == y;
}

static inline bool is_entry(const struct python_codes *c, const struct entry *e,
                            const struct view *v) {
    if (e->line != v->line || e->first_traced != v->first_traced ||
        e->table_bytes != v->table_bytes || e->name_count != v->name.count ||
        e->file_count != v->file.count || e->name_unit != v->name.unit ||
        e->file_unit != v->file.unit)
        return false;
    uint32_t name = text_bytes(&v->name), file = text_bytes(&v->file);
    uint32_t head = head_bytes(v->table_bytes), tail = tail_bytes(v->table_bytes);
    const uint8_t *own = c->bytes + e->at;
    return equal(own, v->name.at, name) && equal(own + name, v->file.at, file) &&
           equal(own + name + file, v->table, head) &&
           equal(own + name + file + head, v->table + v->table_bytes - tail, tail);
}

static uint64_t hash_bytes(uint64_t h, const uint8_t *p, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static uint64_t hash_view(const struct view *v) {
    uint64_t h = hash_bytes((uint32_t)v->line, v->name.at, text_bytes(&v->name));
    h = hash_bytes(h, v->file.at, text_bytes(&v->file));
    h = hash_bytes(h, v->table, head_bytes(v->table_bytes));
    return (h ^ v->table_bytes) * UINT64_C(0x9e3779b97f4a7c15);
}

static void index_entry(struct python_codes *c, uint32_t entry) {
    uint32_t mask = 2 * c->room - 1, i = (uint32_t)(c->entry[entry].hash >> 32) & mask;
    while (c->index[i] != 0)
        i = (i + 1) & mask;
    c->index[i] = entry + 1;
}

static bool grow_entries(struct python_codes *c) {
    uint32_t room = 2 * c->room;
    size_t index = 2 * (size_t)c->room * sizeof *c->index;
    void *wider = room <= TAPE_PYTHON_NUMBER_MAX ? own_map(2 * index) : NULL;
    if (wider == NULL)
        return false;
    void *entries = sys_remap(c->entry, c->room * sizeof *c->entry, room * sizeof *c->entry);
    if (entries == NULL) {
        sys_unmap(wider, 2 * index);
        return false;
    }
    sys_unmap(c->index, index);
    c->entry = entries;
    c->index = wider;
    c->room = room;
    for (uint32_t i = 0; i < c->count; i++)
        index_entry(c, i);
    return true;
}

static bool grow_bytes(struct python_codes *c, uint32_t more) {
    while (c->bytes_room - c->used < more) {
        void *bytes = c->bytes_room < UINT32_C(1) << 30
                          ? sys_remap(c->bytes, c->bytes_room, 2 * (size_t)c->bytes_room)
                          : NULL;
        if (bytes == NULL)
            return false;
        c->bytes = bytes;
        c->bytes_room *= 2;
    }
    return true;
}

static void keep(struct python_codes *c, const uint8_t *from, uint32_t bytes) {
    memcpy(c->bytes + c->used, from, bytes);
    c->used += bytes;
}

static uint32_t add_entry(struct python_codes *c, const struct view *v, uint64_t hash) {
    uint32_t name = text_bytes(&v->name), file = text_bytes(&v->file);
    uint32_t head = head_bytes(v->table_bytes), tail = tail_bytes(v->table_bytes);
    if ((c->count == c->room && !grow_entries(c)) || !grow_bytes(c, name + file + head + tail))
        return PYTHON_NO_CODE;
    uint32_t number = atomic_fetch_add(&numbers, 1) + 1;
    if (number > TAPE_PYTHON_NUMBER_MAX)
        return PYTHON_NO_CODE;
    uint32_t entry = c->count++;
    c->entry[entry] = (struct entry){.hash = hash,
                                     .number = number,
                                     .at = c->used,
                                     .name_count = v->name.count,
                                     .file_count = v->file.count,
                                     .table_bytes = v->table_bytes,
                                     .name_unit = (uint8_t)v->name.unit,
                                     .file_unit = (uint8_t)v->file.unit,
                                     .line = v->line,
                                     .first_traced = v->first_traced};
    keep(c, v->name.at, name);
    keep(c, v->file.at, file);
    keep(c, v->table, head);
    keep(c, v->table + v->table_bytes - tail, tail);
    index_entry(c, entry);
    return entry;
}

static uint32_t find_entry(struct python_codes *c, const struct view *v) {
    uint64_t hash = hash_view(v);
    uint32_t mask = 2 * c->room - 1;
    for (uint32_t i = (uint32_t)(hash >> 32) & mask; c->index[i] != 0; i = (i + 1) & mask) {
        uint32_t entry = c->index[i] - 1;
        if (c->entry[entry].hash == hash && is_entry(c, &c->entry[entry], v))
            return entry;
    }
    return add_entry(c, v, hash);
}

/* Of two places for a code object the one that has it, or the one that was not used for longer. */
static inline struct slot *slot_of(struct python_codes *c, uint64_t code) {
    struct slot *s =
        &c->slot[code * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SLOTS_SHIFT) & ~UINT64_C(1)];
    if (s[0].code == code)
        return s;
    return s[1].code == code || s[0].walk == c->walk ? s + 1 : s;
}

/* Notes what is_unchanged() compares; only for objects that can be read in place. */
static void note_parts(const struct python_codes *c, struct slot *s, const struct view *v) {
    const struct entry *e = &c->entry[s->is.entry];
    s->at = e->at;
    s->line = v->line;
    s->name =
        (struct part){v->name_object, v->name.length, v->name.state,
                      v->name.ascii ? PY_TEXT_ASCII_DATA : PY_TEXT_DATA, text_bytes(&v->name)};
    s->file =
        (struct part){v->file_object, v->file.length, v->file.state,
                      v->file.ascii ? PY_TEXT_ASCII_DATA : PY_TEXT_DATA, text_bytes(&v->file)};
    s->table = (struct part){.object = v->table_object,
                             .size = v->table_bytes,
                             .from = PY_BYTES_DATA,
                             .bytes = head_bytes(v->table_bytes)};
}

static inline bool same_text(const struct part *p, const uint8_t *own) {
    const uint8_t *object = (const uint8_t *)p->object;
    return word(object + PY_TEXT_LENGTH) == p->size &&
           (half(object + PY_TEXT_STATE) & ~PY_TEXT_INTERNED) == p->state &&
           equal(own, object + p->from, p->bytes);
}

/* Whether the code object that the slot is of is still what it was: the same parts at the same
 * places, which say the same. True is certain. */
static inline bool is_unchanged(const struct python_codes *c, const struct slot *s) {
    const uint8_t *code = (const uint8_t *)s->code, *own = c->bytes + s->at;
    if (word(code + PY_CODE_NAME) != s->name.object ||
        word(code + PY_CODE_FILE) != s->file.object ||
        word(code + PY_CODE_LINES) != s->table.object ||
        half(code + PY_CODE_LINE) != (uint32_t)s->line ||
        half(code + PY_CODE_FIRST_TRACED) != (uint32_t)s->is.begins || s->table.size > TABLE_PART)
        return false;
    const uint8_t *table = (const uint8_t *)s->table.object;
    return word(table + PY_OBJECT_SIZE) == s->table.size && same_text(&s->name, own) &&
           same_text(&s->file, own + s->name.bytes) &&
           equal(own + s->name.bytes + s->file.bytes, table + PY_BYTES_DATA, s->table.bytes);
}

/* The slot's entry is looked up anew; false when that cannot be done. */
static bool look_up(struct python_codes *c, const struct python_reader *in, struct slot *s,
                    uint64_t code) {
    struct view v;
    if (!view_code(in, code, &v))
        return false;
    if (s->code != code || !is_entry(c, &c->entry[s->is.entry], &v)) {
        const struct python_code is = {find_entry(c, &v), v.first_traced};
        if (is.entry == PYTHON_NO_CODE)
            return false;
        s->code = code;
        s->is = is;
    }
    if (in->direct && v.name.length != 0 && v.file.length != 0)
        note_parts(c, s, &v);
    else
        s->name.object = 0;
    return true;
}

struct python_code python_code(struct python_codes *c, const struct python_reader *in,
                               uint64_t code) {
    struct slot *s = slot_of(c, code);
    if (s->code == code && s->walk == c->walk)
        return s->is;
    if ((s->code != code || !in->direct || !is_unchanged(c, s)) && !look_up(c, in, s, code))
        return (struct python_code){.entry = PYTHON_NO_CODE};
    s->walk = c->walk;
    return s->is;
}

/* ---- lines -------------------------------------------------------------------------------- */

/* A number in groups of 6 bits, least significant first; bit 6: more follow. */
static uint32_t get_number(const uint8_t **p, const uint8_t *end) {
    uint32_t v = 0;
    for (unsigned shift = 0; *p < end && shift < 32; shift += 6) {
        uint8_t byte = *(*p)++;
        v |= (uint32_t)(byte & 63) << shift;
        if ((byte & 64) == 0)
            break;
    }
    return v;
}

/*
 * The line of an instruction by a table of locations (Objects/locations.md): entries of a first
 * byte with bit 7 set, its kind and how many code units it is for, and bytes with bit 7 clear. 0:
 * none.
 */
static uint32_t line_of(const uint8_t *p, const uint8_t *end, int64_t line, int64_t instruction) {
    if (instruction < 0)
        return (uint32_t)line;
    for (int64_t covered = 0; p < end;) {
        uint8_t first = *p++;
        unsigned kind = first >> 3 & 15;
        if (kind == 13 || kind == 14) {
            uint32_t v = get_number(&p, end);
            line += (v & 1) != 0 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
        } else if (kind >= 10 && kind <= 12) {
            line += kind - 10;
        }
        covered += (first & 7) + 1;
        if (instruction < covered)
            return kind == 15 || line <= 0 || line > TAPE_PYTHON_LINE_MAX ? 0 : (uint32_t)line;
        while (p < end && (*p & 0x80) == 0)
            p++;
    }
    return 0;
}

uint64_t python_code_address(struct python_codes *c, const struct python_reader *in, uint32_t entry,
                             uint64_t code, int64_t instruction) {
    const struct entry *e = &c->entry[entry];
    uint64_t key = ((uint64_t)entry << 32 ^ (uint64_t)instruction) * UINT64_C(0x9e3779b97f4a7c15);
    struct line *l = &c->line[key >> (64 - LINES_SHIFT)];
    if (l->entry == entry + 1 && l->instruction == instruction)
        return l->address;
    struct view v;
    uint32_t line = 0;
    if (view_code(in, code, &v) && is_entry(c, e, &v))
        line = line_of(v.table, v.table + v.table_bytes, v.line, instruction);
    *l = (struct line){.entry = entry + 1,
                       .instruction = (int32_t)instruction,
                       .address = tape_python_address(e->number, line)};
    return l->address;
}

/* ---- what the tape says of them ----------------------------------------------------------- */

static uint32_t unit_at(const uint8_t *p, uint32_t unit) {
    uint32_t v = p[0];
    if (unit >= 2)
        v |= (uint32_t)p[1] << 8;
    if (unit == 4)
        v |= (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return v;
}

/* As UTF-8, at most `room` bytes. A byte of a file name that was no UTF-8 is that byte again:
 * Python keeps it as U+DC00 plus the byte. */
static size_t put_utf8(uint8_t *to, size_t room, const uint8_t *from, uint32_t count,
                       uint32_t unit) {
    size_t n = 0;
    for (uint32_t i = 0; i < count && n + 4 <= room; i++) {
        uint32_t c = unit_at(from + (size_t)i * unit, unit);
        if (c < 0x80) {
            to[n++] = (uint8_t)c;
        } else if (c >= 0xdc80 && c < 0xdd00) {
            to[n++] = (uint8_t)c;
        } else if (c < 0x800) {
            to[n++] = (uint8_t)(0xc0 | c >> 6);
            to[n++] = (uint8_t)(0x80 | (c & 63));
        } else if (c < 0x10000) {
            to[n++] = (uint8_t)(0xe0 | c >> 12);
            to[n++] = (uint8_t)(0x80 | (c >> 6 & 63));
            to[n++] = (uint8_t)(0x80 | (c & 63));
        } else {
            to[n++] = (uint8_t)(0xf0 | (c >> 18 & 7));
            to[n++] = (uint8_t)(0x80 | (c >> 12 & 63));
            to[n++] = (uint8_t)(0x80 | (c >> 6 & 63));
            to[n++] = (uint8_t)(0x80 | (c & 63));
        }
    }
    return n;
}

uint32_t python_codes_count(const struct python_codes *c) {
    return c->count;
}

uint32_t python_code_describe(const struct python_codes *c, uint32_t entry, uint8_t *to,
                              size_t *bytes) {
    const struct entry *e = &c->entry[entry];
    const uint8_t *name = c->bytes + e->at, *file = name + (size_t)e->name_count * e->name_unit;
    uint8_t names[NAME_BYTES + FILE_BYTES];
    struct tape_python_code code = {.line = e->line > 0 ? (uint32_t)e->line : 0};
    code.name_len = put_utf8(names, NAME_BYTES, name, e->name_count, e->name_unit);
    code.file_len = put_utf8(names + NAME_BYTES, FILE_BYTES, file, e->file_count, e->file_unit);
    code.name = (const char *)names;
    code.file = (const char *)names + NAME_BYTES;
    *bytes = (size_t)(tape_put_python_code(to, &code) - to);
    return e->number;
}

_Static_assert(NAME_BYTES + FILE_BYTES + 20 <= TAPE_BLOB_MAX, "a description fits a blob");
