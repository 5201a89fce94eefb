/* SPDX-License-Identifier: MIT */
#include "symbol_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tape/bytes.h"

#define SUFFIX          ".names"
#define TEMPORARY       ".new-"
#define FILE_BYTES_MAX  ((size_t)64 << 20) /* of one module */
#define TEMPORARY_STAYS 3600               /* seconds: a writer that takes longer was killed */

/* A file is this header, then dependencies, addresses, frames, texts: numbers as this machine has
 * them, texts by their offset, 0 for none. It never leaves the machine. */
struct header {
    char magic[8]; /* the version is in it */
    uint32_t crc;  /* of everything behind this field */
    uint32_t status;
    uint32_t dependencies, addresses, frames, text_bytes;
    uint32_t key, other_build; /* texts */
};
static const char magic[8] = "HTNAME01";

struct dependency {
    uint64_t device, inode, size; /* inode 0: there was no file */
    int64_t changed;              /* nanoseconds */
    uint32_t path, unused;
};

struct address {
    uint64_t vaddr;
    uint32_t first, count; /* frames */
};

struct frame {
    uint32_t function, linkage, plain, file, line;
};

/* What is added: texts are the symbolizer's. */
struct added {
    uint64_t vaddr;
    size_t first, count;
};

struct noted {
    struct dependency is;
    char *path;
};

struct symbol_cache {
    char *directory, *name, *key;
    char *bytes; /* the file; NULL: there is no good one */
    const struct header *header;
    const struct dependency *dependency;
    const struct address *address;
    const struct frame *frame;
    const char *text;
    bool forbidden;
    enum symbols_module_status status; /* of this run, with the following */
    char *other_build;
    struct noted *noted;
    size_t noted_count;
    struct added *added;
    size_t added_count, added_room;
    struct symbol *symbol;
    size_t symbol_count, symbol_room;
};

/* ---- the directory ------------------------------------------------------------------------ */

char *symbol_cache_directory(void) {
    const char *given = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *base = NULL, *directory = NULL;
    struct stat st;
    if (given != NULL && *given == '/')
        base = strdup(given);
    else if (home == NULL || *home != '/' || asprintf(&base, "%s/.cache", home) < 0)
        return NULL;
    if (base == NULL || asprintf(&directory, "%s/heaptape", base) < 0) {
        free(base);
        return NULL;
    }
    mkdir(base, 0700);
    mkdir(directory, 0700);
    free(base);
    if (stat(directory, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
        free(directory);
        return NULL;
    }
    return directory;
}

struct kept {
    char *name;
    uint64_t size;
    struct timespec used;
};

static int by_use(const void *a, const void *b) {
    const struct timespec *s = &((const struct kept *)a)->used,
                          *t = &((const struct kept *)b)->used;
    if (s->tv_sec != t->tv_sec)
        return s->tv_sec < t->tv_sec ? -1 : 1;
    return (s->tv_nsec > t->tv_nsec) - (s->tv_nsec < t->tv_nsec);
}

static bool ends(const char *text, const char *with) {
    size_t n = strlen(text), m = strlen(with);
    return n > m && strcmp(text + n - m, with) == 0;
}

void symbol_cache_trim(const char *directory, uint64_t limit) {
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return;
    struct kept *all = NULL;
    size_t count = 0;
    uint64_t bytes = 0;
    const struct dirent *d;
    struct stat st;
    while ((d = readdir(dir)) != NULL) {
        if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (strncmp(d->d_name, TEMPORARY, strlen(TEMPORARY)) == 0 &&
            st.st_mtime < time(NULL) - TEMPORARY_STAYS)
            unlinkat(dirfd(dir), d->d_name, 0);
        struct kept *more =
            ends(d->d_name, SUFFIX) ? reallocarray(all, count + 1, sizeof *all) : NULL;
        if (more == NULL)
            continue;
        all = more;
        all[count] = (struct kept){strdup(d->d_name), (uint64_t)st.st_size, st.st_mtim};
        bytes += all[count++].size;
    }
    if (bytes > limit)
        qsort(all, count, sizeof *all, by_use);
    for (size_t i = 0; i < count; i++) {
        if (bytes > limit && all[i].name != NULL && unlinkat(dirfd(dir), all[i].name, 0) == 0)
            bytes -= all[i].size;
        free(all[i].name);
    }
    free(all);
    closedir(dir);
}

/* ---- reading ------------------------------------------------------------------------------ */

static struct dependency state_of(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct dependency){0};
    return (struct dependency){.device = st.st_dev,
                               .inode = st.st_ino,
                               .size = (uint64_t)st.st_size,
                               .changed =
                                   (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
}

static bool unchanged(const struct symbol_cache *c) {
    for (uint32_t i = 0; i < c->header->dependencies; i++) {
        const struct dependency *was = &c->dependency[i];
        struct dependency is = state_of(c->text + was->path);
        if (is.device != was->device || is.inode != was->inode || is.size != was->size ||
            is.changed != was->changed)
            return false;
    }
    return true;
}

/* Whether every number leads to where it should. */
static bool consistent(struct symbol_cache *c, size_t size) {
    const struct header *h = c->header;
    uint64_t needed = sizeof *h + (uint64_t)h->dependencies * sizeof *c->dependency +
                      (uint64_t)h->addresses * sizeof *c->address +
                      (uint64_t)h->frames * sizeof *c->frame + h->text_bytes;
    if (needed != size || h->text_bytes == 0 || c->bytes[size - 1] != '\0')
        return false;
    c->dependency = (const void *)(h + 1);
    c->address = (const void *)(c->dependency + h->dependencies);
    c->frame = (const void *)(c->address + h->addresses);
    c->text = (const void *)(c->frame + h->frames);
    uint32_t end = h->text_bytes;
    bool good = h->key < end && h->other_build < end && h->status <= MODULE_NO_SYMBOLS;
    for (uint32_t i = 0; good && i < h->dependencies; i++)
        good = c->dependency[i].path < end;
    for (uint32_t i = 0; good && i < h->addresses; i++)
        good = c->address[i].count <= SYMBOLS_INLINED_MAX && c->address[i].first <= h->frames &&
               c->address[i].count <= h->frames - c->address[i].first;
    for (uint32_t i = 0; good && i < h->frames; i++)
        good = c->frame[i].function < end && c->frame[i].linkage < end && c->frame[i].plain < end &&
               c->frame[i].file < end;
    return good;
}

static bool is_good(struct symbol_cache *c, size_t size) {
    const size_t behind = offsetof(struct header, status);
    c->header = (const void *)c->bytes;
    return memcmp(c->header->magic, magic, sizeof magic) == 0 &&
           tape_crc32c(c->bytes + behind, size - behind) == c->header->crc && consistent(c, size) &&
           strcmp(c->text + c->header->key, c->key) == 0 && unchanged(c);
}

static void load(struct symbol_cache *c) {
    char *path;
    struct stat st;
    if (asprintf(&path, "%s/%s", c->directory, c->name) < 0)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    free(path);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        st.st_size >= (off_t)sizeof(struct header) && st.st_size <= (off_t)FILE_BYTES_MAX)
        c->bytes = malloc((size_t)st.st_size);
    if (c->bytes != NULL &&
        (read(fd, c->bytes, (size_t)st.st_size) != st.st_size || !is_good(c, (size_t)st.st_size))) {
        free(c->bytes);
        c->bytes = NULL;
    }
    if (c->bytes != NULL)
        futimens(fd, NULL); /* it was used */
    close(fd);
}

struct symbol_cache *symbol_cache_open(const char *directory, const char *path,
                                       const uint8_t *build_id, size_t build_id_len,
                                       const char *settings) {
    struct symbol_cache *c = calloc(1, sizeof *c);
    char id[2 * 64 + 1] = "";
    if (c == NULL)
        return NULL;
    for (size_t i = 0; i < build_id_len && i < 64; i++)
        sprintf(id + 2 * i, "%02x", build_id[i]);
    if (asprintf(&c->key, "%s/%d\n%s\n%s\n%s", HEAPTAPE_VERSION, SYMBOL_CACHE_NAMES, id, path,
                 settings) < 0)
        c->key = NULL;
    else if (asprintf(&c->name, "%s-%08x" SUFFIX, id, tape_crc32c(c->key, strlen(c->key))) < 0)
        c->name = NULL;
    c->directory = strdup(directory);
    if (c->key == NULL || c->name == NULL || c->directory == NULL)
        c->forbidden = true;
    else
        load(c);
    return c;
}

bool symbol_cache_good(const struct symbol_cache *c) {
    return c->bytes != NULL;
}

enum symbols_module_status symbol_cache_status(const struct symbol_cache *c) {
    return (enum symbols_module_status)c->header->status;
}

static const char *text_at(const struct symbol_cache *c, uint32_t offset) {
    return offset != 0 ? c->text + offset : NULL;
}

const char *symbol_cache_other_build(const struct symbol_cache *c) {
    return text_at(c, c->header->other_build);
}

static int by_vaddr(const void *a, const void *b) {
    const struct address *s = a, *t = b;
    return (s->vaddr > t->vaddr) - (s->vaddr < t->vaddr);
}

static const struct address *address_at(const struct symbol_cache *c, uint64_t vaddr) {
    const struct address key = {.vaddr = vaddr};
    return c->bytes != NULL ? bsearch(&key, c->address, c->header->addresses, sizeof key, by_vaddr)
                            : NULL;
}

static struct symbol symbol_of(const struct symbol_cache *c, const struct frame *f) {
    return (struct symbol){.function = text_at(c, f->function),
                           .linkage = text_at(c, f->linkage),
                           .plain = text_at(c, f->plain),
                           .file = text_at(c, f->file),
                           .line = f->line};
}

bool symbol_cache_find(const struct symbol_cache *c, uint64_t vaddr, struct symbol *out,
                       size_t *count) {
    const struct address *found = address_at(c, vaddr);
    if (found == NULL)
        return false;
    *count = found->count;
    for (uint32_t i = 0; i < found->count; i++)
        out[i] = symbol_of(c, &c->frame[found->first + i]);
    return true;
}

/* ---- what is added ------------------------------------------------------------------------ */

void symbol_cache_depend(struct symbol_cache *c, const char *path) {
    struct noted *noted = reallocarray(c->noted, c->noted_count + 1, sizeof *noted);
    if (noted == NULL) {
        c->forbidden = true;
        return;
    }
    c->noted = noted;
    noted[c->noted_count] = (struct noted){state_of(path), strdup(path)};
    c->forbidden |= noted[c->noted_count++].path == NULL;
}

void symbol_cache_describe(struct symbol_cache *c, enum symbols_module_status status,
                           const char *other_build) {
    c->status = status;
    c->other_build = other_build != NULL ? strdup(other_build) : NULL;
    c->forbidden |= status > MODULE_NO_SYMBOLS;
}

void symbol_cache_forbid(struct symbol_cache *c) {
    c->forbidden = true;
}

/* For one address more, with so many symbols. */
static bool make_room(struct symbol_cache *c, size_t count) {
    if (c->added_count == c->added_room) {
        size_t room = c->added_room != 0 ? 2 * c->added_room : 64;
        struct added *added = reallocarray(c->added, room, sizeof *added);
        if (added == NULL)
            return false;
        c->added = added;
        c->added_room = room;
    }
    if (c->symbol_count + count > c->symbol_room) {
        size_t room = 2 * (c->symbol_count + count);
        struct symbol *symbol = reallocarray(c->symbol, room, sizeof *symbol);
        if (symbol == NULL)
            return false;
        c->symbol = symbol;
        c->symbol_room = room;
    }
    return true;
}

void symbol_cache_add(struct symbol_cache *c, uint64_t vaddr, const struct symbol *symbol,
                      size_t count) {
    if (!make_room(c, count))
        c->forbidden = true;
    if (c->forbidden)
        return;
    c->added[c->added_count++] = (struct added){vaddr, c->symbol_count, count};
    if (count != 0)
        memcpy(c->symbol + c->symbol_count, symbol, count * sizeof *symbol);
    c->symbol_count += count;
}

/* ---- writing ------------------------------------------------------------------------------ */

struct text {
    const char *text;
    uint32_t at;
};

/* The content of the new file, part by part. */
struct writing {
    struct dependency *dependency;
    struct address *address;
    struct frame *frame;
    uint32_t addresses, frames;
    char *text;
    size_t text_bytes, text_room;
    void *texts; /* tree of struct text, by content */
    bool failed;
};

static int by_text(const void *a, const void *b) {
    return strcmp(((const struct text *)a)->text, ((const struct text *)b)->text);
}

static uint32_t put_text(struct writing *w, const char *text) {
    const struct text key = {.text = text};
    if (text == NULL || w->failed)
        return 0;
    struct text **found = tfind(&key, &w->texts, by_text);
    if (found != NULL)
        return (*found)->at;
    size_t n = strlen(text) + 1;
    if (w->text_bytes + n > w->text_room) {
        size_t room = 2 * (w->text_bytes + n);
        char *more = room <= FILE_BYTES_MAX ? realloc(w->text, room) : NULL;
        if (more == NULL) {
            w->failed = true;
            return 0;
        }
        w->text = more;
        w->text_room = room;
    }
    struct text *new = malloc(sizeof *new);
    if (new == NULL) {
        w->failed = true;
        return 0;
    }
    *new = (struct text){text, (uint32_t)w->text_bytes};
    memcpy(w->text + w->text_bytes, text, n);
    w->text_bytes += n;
    uint32_t at = new->at;
    if (tsearch(new, &w->texts, by_text) == NULL) {
        w->failed = true;
        free(new);
    }
    return at;
}

static void put_symbols(struct writing *w, uint64_t vaddr, const struct symbol *symbol,
                        size_t count) {
    w->address[w->addresses++] = (struct address){vaddr, w->frames, (uint32_t)count};
    for (size_t i = 0; i < count; i++)
        w->frame[w->frames++] = (struct frame){.function = put_text(w, symbol[i].function),
                                               .linkage = put_text(w, symbol[i].linkage),
                                               .plain = put_text(w, symbol[i].plain),
                                               .file = put_text(w, symbol[i].file),
                                               .line = symbol[i].line};
}

static int by_added(const void *a, const void *b) {
    const struct added *s = a, *t = b;
    return (s->vaddr > t->vaddr) - (s->vaddr < t->vaddr);
}

/* What the file had, and what was added and is not in it, in order of addresses. */
static void put_addresses(struct writing *w, const struct symbol_cache *c) {
    struct symbol old[SYMBOLS_INLINED_MAX];
    uint32_t i = 0, n = c->bytes != NULL ? c->header->addresses : 0;
    for (size_t k = 0; i < n || k < c->added_count;) {
        const struct added *a = k < c->added_count ? &c->added[k] : NULL;
        if (i < n && (a == NULL || c->address[i].vaddr <= a->vaddr)) {
            size_t count;
            symbol_cache_find(c, c->address[i].vaddr, old, &count);
            put_symbols(w, c->address[i].vaddr, old, count);
            k += a != NULL && c->address[i].vaddr == a->vaddr;
            i++;
        } else {
            if (w->addresses == 0 || w->address[w->addresses - 1].vaddr != a->vaddr)
                put_symbols(w, a->vaddr, c->symbol + a->first, a->count);
            k++;
        }
    }
}

static bool write_parts(int fd, const struct writing *w, struct header *h) {
    const struct {
        const void *bytes;
        size_t size;
    } part[] = {{w->dependency, h->dependencies * sizeof *w->dependency},
                {w->address, h->addresses * sizeof *w->address},
                {w->frame, h->frames * sizeof *w->frame},
                {w->text, h->text_bytes}};
    size_t size = sizeof *h;
    for (size_t i = 0; i < 4; i++)
        size += part[i].size;
    char *bytes = size <= FILE_BYTES_MAX ? malloc(size) : NULL, *p = bytes;
    if (bytes == NULL)
        return false;
    p = (char *)memcpy(p, h, sizeof *h) + sizeof *h;
    for (size_t i = 0; i < 4; i++) {
        if (part[i].size != 0)
            memcpy(p, part[i].bytes, part[i].size);
        p += part[i].size;
    }
    const size_t behind = offsetof(struct header, status);
    uint32_t crc = tape_crc32c(bytes + behind, size - behind);
    memcpy(bytes + offsetof(struct header, crc), &crc, sizeof crc);
    bool done = write(fd, bytes, size) == (ssize_t)size;
    free(bytes);
    return done;
}

/* A reader finds the old file or the new one, whole. */
static bool replace_file(const struct symbol_cache *c, const struct writing *w, struct header *h) {
    char *made, *path;
    if (asprintf(&made, "%s/" TEMPORARY "XXXXXX", c->directory) < 0)
        return false;
    if (asprintf(&path, "%s/%s", c->directory, c->name) < 0) {
        free(made);
        return false;
    }
    bool done = false;
    int fd = mkostemp(made, O_CLOEXEC);
    if (fd >= 0) {
        done = write_parts(fd, w, h);
        done &= close(fd) == 0;
        done = done && rename(made, path) == 0;
        if (!done)
            unlink(made);
    }
    free(made);
    free(path);
    return done;
}

static bool write_file(struct symbol_cache *c) {
    if (c->bytes != NULL && !unchanged(c)) /* old and new are of different files */
        return false;
    size_t old = c->bytes != NULL ? c->header->addresses : 0;
    size_t old_frames = c->bytes != NULL ? c->header->frames : 0;
    struct writing w = {0};
    w.dependency = calloc(c->noted_count + 1, sizeof *w.dependency);
    w.address = calloc(old + c->added_count + 1, sizeof *w.address);
    w.frame = calloc(old_frames + c->symbol_count + 1, sizeof *w.frame);
    w.failed = w.dependency == NULL || w.address == NULL || w.frame == NULL;
    struct header h = {.status = c->status, .dependencies = (uint32_t)c->noted_count};
    memcpy(h.magic, magic, sizeof magic);
    put_text(&w, ""); /* offset 0 is none */
    h.key = put_text(&w, c->key);
    h.other_build = put_text(&w, c->other_build);
    for (size_t i = 0; !w.failed && i < c->noted_count; i++) {
        w.dependency[i] = c->noted[i].is;
        w.dependency[i].path = put_text(&w, c->noted[i].path);
    }
    if (!w.failed) {
        qsort(c->added, c->added_count, sizeof *c->added, by_added);
        put_addresses(&w, c);
    }
    h.addresses = w.addresses;
    h.frames = w.frames;
    h.text_bytes = (uint32_t)w.text_bytes;
    bool done = !w.failed && replace_file(c, &w, &h);
    tdestroy(w.texts, free);
    free(w.dependency);
    free(w.address);
    free(w.frame);
    free(w.text);
    return done;
}

bool symbol_cache_close(struct symbol_cache *c) {
    if (c == NULL)
        return false;
    bool written = !c->forbidden && c->added_count != 0 && c->noted_count != 0 && write_file(c);
    for (size_t i = 0; i < c->noted_count; i++)
        free(c->noted[i].path);
    free(c->noted);
    free(c->added);
    free(c->symbol);
    free(c->other_build);
    free(c->bytes);
    free(c->directory);
    free(c->name);
    free(c->key);
    free(c);
    return written;
}
