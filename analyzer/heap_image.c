/* SPDX-License-Identifier: MIT */
#include "heap_image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "tape_chunks.h"
#include "word_order.h"

/* An image being read. */
struct reading {
    struct tape_file *tape;
    struct tape_decoder decoder;
    struct heap_image *image;
    uint64_t *start;        /* of each region */
    struct tape_word *word; /* as they come, and whose they are */
    uint32_t *region;
    size_t count, room;
    uint64_t promised; /* words, by IMAGE_END */
    char *reason;      /* why it cannot be used; NULL: it can, so far */
};

static void refuse(struct reading *r, char *reason) {
    if (r->reason == NULL)
        r->reason = reason;
    else
        free(reason);
}

static const char *chunk_name(uint8_t type) {
    return type == TAPE_CHUNK_IMAGE ? "IMAGE" : type == TAPE_CHUNK_WORDS ? "WORDS" : "IMAGE_END";
}

static void refuse_chunk(struct reading *r, const struct tape_image_chunk *c,
                         enum tape_error error) {
    refuse(r, xasprintf("the heap image is damaged: %s chunk at offset %" PRIu64 ": %s",
                        chunk_name(c->type), c->piece.at, tape_error_text(error)));
}

/* ---- fields ------------------------------------------------------------------------------- */

static char *text_of(const struct tape_in *value) {
    return xasprintf("%.*s", (int)tape_in_left(value), (const char *)value->p);
}

static void take_stream(struct heap_image *m, struct tape_in *value) {
    struct replay_cut s = {.stream = (uint32_t)tape_get_varint(value, UINT32_MAX)};
    s.events = tape_get_varint(value, UINT64_MAX);
    size_t n = m->stream_count;
    if (value->error != TAPE_OK)
        return;
    if ((n & (n - 1)) == 0)
        m->stream = xrealloc(m->stream, (n != 0 ? 2 * n : 1) * sizeof *m->stream);
    m->stream[m->stream_count++] = s;
}

static void take_region(struct heap_image *m, struct tape_in *value) {
    struct image_region r = {0};
    size_t n = m->region_count;
    if (tape_get_image_region(value, &r.is) != TAPE_OK)
        return;
    if ((n & (n - 1)) == 0)
        m->region = xrealloc(m->region, (n != 0 ? 2 * n : 1) * sizeof *m->region);
    m->region[m->region_count++] = r;
}

static void take_field(struct reading *r, uint32_t tag, struct tape_in *value) {
    struct heap_image *m = r->image;
    switch (tag) {
    case TAPE_IMAGE_NUMBER:
        m->number = tape_get_varint(value, UINT64_MAX);
        break;
    case TAPE_IMAGE_REASON:
        m->reason = (enum tape_image_reason)tape_get_varint(value, UINT8_MAX);
        break;
    case TAPE_IMAGE_STAMP:
        m->stamp = tape_get_varint(value, UINT64_MAX);
        break;
    case TAPE_IMAGE_NAME:
        free(m->name);
        m->name = text_of(value);
        break;
    case TAPE_IMAGE_FROZEN:
        m->frozen = tape_get_varint(value, UINT64_MAX) != 0;
        break;
    case TAPE_IMAGE_STREAM:
        take_stream(m, value);
        break;
    case TAPE_IMAGE_REGION:
        take_region(m, value);
        break;
    case TAPE_IMAGE_END_WORDS:
        r->promised = tape_get_varint(value, UINT64_MAX);
        break;
    case TAPE_IMAGE_END_SCANNED:
        m->scanned = tape_get_varint(value, UINT64_MAX);
        break;
    case TAPE_IMAGE_END_NS:
        m->ns = tape_get_varint(value, UINT64_MAX);
        break;
    case TAPE_IMAGE_END_WHY:
        free(m->incomplete);
        m->incomplete = text_of(value);
        break;
    default:
        break; /* a later heaptape's */
    }
}

/* The fields of an IMAGE or IMAGE_END chunk into r->image. */
static enum tape_error read_fields(struct reading *r, const struct tape_image_chunk *c) {
    enum tape_error error = tape_load_payload(&r->decoder, r->tape->fd, &c->piece);
    struct tape_in in = tape_in_of(r->decoder.raw, error == TAPE_OK ? c->piece.raw : 0), value;
    uint32_t tag;
    while (error == TAPE_OK && tape_get_info(&in, &tag, &value)) {
        take_field(r, tag, &value);
        error = value.error;
    }
    return error != TAPE_OK ? error : in.error;
}

/* ---- words -------------------------------------------------------------------------------- */

/* The image that a WORDS chunk belongs to, and its head. */
static enum tape_error read_head(struct reading *r, const struct tape_image_chunk *c,
                                 struct tape_words_head *head, struct tape_in *in) {
    enum tape_error error = tape_load_payload(&r->decoder, r->tape->fd, &c->piece);
    if (error != TAPE_OK)
        return error;
    *in = tape_in_of(r->decoder.raw, c->piece.raw);
    return tape_get_words_head(in, head);
}

/* Addresses ascend within a run, and lie in its region. */
static bool run_fits(const struct tape_image_region *in, const struct tape_word *word,
                     uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (word[i].address % 8 != 0 || word[i].address < in->start || in->length < 8 ||
            word[i].address - in->start > in->length - 8 ||
            (i > 0 && word[i].address <= word[i - 1].address))
            return false;
    return true;
}

static enum tape_error add_words(struct reading *r, const struct tape_words_head *head,
                                 struct tape_in *in) {
    struct tape_word_run *run = xmalloc((head->runs + 1UL) * sizeof *run);
    while (r->count + head->words > r->room) {
        r->room = r->room != 0 ? 2 * r->room : 4096;
        r->word = xrealloc(r->word, r->room * sizeof *r->word);
        r->region = xrealloc(r->region, r->room * sizeof *r->region);
    }
    enum tape_error error =
        tape_get_words(in, head, r->start, r->image->region_count, run, r->word + r->count);
    for (uint32_t i = 0; error == TAPE_OK && i < head->runs; i++) {
        struct image_region *region = &r->image->region[run[i].region];
        if (!run_fits(&region->is, r->word + r->count, run[i].count))
            error = TAPE_E_LIMIT;
        region->count += run[i].count;
        for (uint32_t k = 0; k < run[i].count; k++)
            r->region[r->count++] = run[i].region;
    }
    free(run);
    return error;
}

/* The words region by region. */
static void group_words(struct reading *r) {
    struct heap_image *m = r->image;
    size_t first = 0;
    for (uint32_t i = 0; i < m->region_count; i++) {
        m->region[i].first = first;
        first += m->region[i].count;
        m->region[i].count = 0;
    }
    m->word_count = r->count;
    m->word = xmalloc((r->count + 1) * sizeof *m->word);
    for (size_t i = 0; i < r->count; i++) {
        struct image_region *to = &m->region[r->region[i]];
        m->word[to->first + to->count++] = r->word[i];
    }
    for (uint32_t i = 0; i < m->region_count; i++)
        word_order(m->word + m->region[i].first, m->region[i].count);
}

/* All words of the memory by address. Regions may overlap: a stack lies in memory that is another
 * region, too. Uses r->word again, which the image then owns. */
static void order_memory(struct reading *r) {
    struct heap_image *m = r->image;
    size_t n = 0;
    for (uint32_t i = 0; i < m->region_count; i++)
        if (m->region[i].is.kind != TAPE_REGION_REGISTERS) {
            if (m->region[i].count != 0)
                memcpy(r->word + n, m->word + m->region[i].first,
                       m->region[i].count * sizeof *r->word);
            n += m->region[i].count;
        }
    word_order(r->word, n);
    m->memory = r->word;
    r->word = NULL;
    for (size_t i = 0; i < n; i++)
        if (m->memory_count == 0 || m->memory[m->memory_count - 1].address != m->memory[i].address)
            m->memory[m->memory_count++] = m->memory[i];
}

/* ---- which image -------------------------------------------------------------------------- */

static bool fits(const struct heap_image *m, const struct image_choice *choice) {
    switch (choice->by) {
    case IMAGE_NUMBER:
        return m->number == choice->number;
    case IMAGE_EXIT:
        return m->reason == TAPE_IMAGE_EXIT;
    case IMAGE_MARK:
        return m->reason == TAPE_IMAGE_MARK && m->name != NULL &&
               strcmp(m->name, choice->name) == 0;
    default:
        return true;
    }
}

static void clear(struct heap_image *m) {
    free(m->name);
    free(m->stream);
    free(m->region);
    free(m->word);
    free(m->memory);
    free(m->incomplete);
    *m = (struct heap_image){0};
}

/* That of the end is newer than any mark's. */
static bool is_newer(const struct heap_image *m, const struct heap_image *than) {
    bool at_end = m->reason == TAPE_IMAGE_EXIT;
    if (at_end != (than->reason == TAPE_IMAGE_EXIT))
        return at_end;
    return m->number > than->number;
}

/* Reads IMAGE chunks until the newest that fits is in r->image; its index in *at. False: none. A
 * chunk that cannot be read may be the one. */
static bool find_image(struct reading *r, const struct image_choice *choice, size_t *at) {
    struct heap_image best = {0};
    bool found = false;
    for (size_t i = 0; i < r->tape->image_chunk_count && r->reason == NULL; i++) {
        const struct tape_image_chunk *c = &r->tape->image_chunk[i];
        if (c->type != TAPE_CHUNK_IMAGE)
            continue;
        enum tape_error error = read_fields(r, c);
        bool better =
            error == TAPE_OK && fits(r->image, choice) && (!found || is_newer(r->image, &best));
        if (error != TAPE_OK)
            refuse_chunk(r, c, error);
        if (better) {
            clear(&best);
            best = *r->image;
            *r->image = (struct heap_image){0};
            *at = i;
            found = true;
        }
        clear(r->image);
    }
    *r->image = best;
    return found;
}

/* Flags the regions that an IMAGE_END chunk names; false: one of them does not exist. */
static bool mark_partly(struct reading *r, const struct tape_image_chunk *c) {
    struct tape_in in = tape_in_of(r->decoder.raw, c->piece.raw), value;
    uint32_t tag;
    while (tape_get_info(&in, &tag, &value)) {
        if (tag != TAPE_IMAGE_END_PARTLY)
            continue;
        uint64_t region = tape_get_varint(&value, UINT64_MAX);
        if (region >= r->image->region_count)
            return false;
        r->image->region[region].is.flags |= TAPE_REGION_PARTLY;
    }
    return true;
}

/* The rest of the image, from an IMAGE_END chunk; *ended: it was this image's. */
static enum tape_error read_end(struct reading *r, const struct tape_image_chunk *c, bool *ended) {
    struct heap_image *m = r->image, end = {0};
    uint64_t promised = r->promised;
    r->image = &end;
    enum tape_error error = read_fields(r, c);
    r->image = m;
    if (error != TAPE_OK || end.number != m->number) {
        r->promised = promised;
        clear(&end);
        return error;
    }
    *ended = true;
    m->scanned = end.scanned;
    m->ns = end.ns;
    m->incomplete = end.incomplete;
    end.incomplete = NULL;
    clear(&end);
    return mark_partly(r, c) ? TAPE_OK : TAPE_E_LIMIT;
}

/* The chunks may lie anywhere in the file: its writer goes on in whichever segment is free. Their
 * stamp tells them from those of other images. */
static void read_chunks(struct reading *r, size_t at) {
    struct heap_image *m = r->image;
    uint64_t stamp = r->tape->image_chunk[at].piece.first_stamp;
    bool ended = false;
    r->promised = 0;
    r->start = xcalloc(m->region_count + 1UL, sizeof *r->start);
    for (uint32_t i = 0; i < m->region_count; i++)
        r->start[i] = m->region[i].is.start;
    for (size_t i = 0; i < r->tape->image_chunk_count && r->reason == NULL; i++) {
        const struct tape_image_chunk *c = &r->tape->image_chunk[i];
        struct tape_words_head head;
        struct tape_in in;
        enum tape_error error = TAPE_OK;
        if (c->piece.first_stamp != stamp)
            continue;
        if (c->type == TAPE_CHUNK_WORDS) {
            error = read_head(r, c, &head, &in);
            if (error == TAPE_OK && head.image == m->number)
                error = add_words(r, &head, &in);
        } else if (c->type == TAPE_CHUNK_IMAGE_END) {
            error = read_end(r, c, &ended);
        }
        if (error != TAPE_OK)
            refuse_chunk(r, c, error);
    }
    if (!ended)
        refuse(r, xstrdup("the heap image was not finished"));
    if (r->promised != r->count)
        refuse(r, xasprintf("the heap image is damaged: it has %zu of %" PRIu64 " words", r->count,
                            r->promised));
}

static char *why_none(const struct image_choice *choice) {
    switch (choice->by) {
    case IMAGE_NUMBER:
        return xasprintf("the recording has no heap image number %" PRIu64, choice->number);
    case IMAGE_EXIT:
        return xstrdup("the recording has no heap image of the program's end");
    case IMAGE_MARK:
        return xasprintf("the recording has no heap image of a mark '%s'", choice->name);
    default:
        return xstrdup("the recording has no heap image");
    }
}

struct heap_image *heap_image_open(struct tape_file *tape, const struct image_choice *choice,
                                   char **reason) {
    struct reading r = {.tape = tape, .image = xcalloc(1, sizeof *r.image)};
    size_t at;
    if (find_image(&r, choice, &at))
        read_chunks(&r, at);
    else
        refuse(&r, why_none(choice));
    if (r.reason == NULL) {
        group_words(&r);
        order_memory(&r);
    } else {
        heap_image_free(r.image);
        r.image = NULL;
    }
    tape_decoder_free(&r.decoder);
    free(r.start);
    free(r.word);
    free(r.region);
    *reason = r.reason;
    return r.image;
}

bool heap_image_exists(const struct tape_file *tape) {
    return tape->image_chunk_count != 0;
}

void heap_image_free(struct heap_image *m) {
    if (m == NULL)
        return;
    clear(m);
    free(m);
}

size_t heap_image_find(const struct heap_image *m, uint64_t address) {
    size_t low = 0, high = m->memory_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->memory[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct tape_word *heap_image_word(const struct heap_image *m, uint64_t address) {
    size_t i = heap_image_find(m, address);
    return i < m->memory_count && m->memory[i].address == address ? &m->memory[i] : NULL;
}
