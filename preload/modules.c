/* SPDX-License-Identifier: MIT */
#include "modules.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "sys.h"
#include "tape/format.h"

char module_program_path[4096];

/* The build-id note among the notes of a segment; LSB "Note Section", GNU build attributes. */
static const uint8_t *find_build_id(const uint8_t *p, const uint8_t *end, uint8_t *bytes) {
    while ((size_t)(end - p) >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, p, sizeof note);
        p += sizeof note;
        uint64_t name = tape_align(note.n_namesz, 4), desc = tape_align(note.n_descsz, 4);
        if (name + desc > (uint64_t)(end - p))
            break;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(p, "GNU", 4) == 0 &&
            note.n_descsz <= TAPE_BUILD_ID_MAX) {
            *bytes = (uint8_t)note.n_descsz;
            return p + name;
        }
        p += name + desc;
    }
    return NULL;
}

static void read_build_id(const struct unwind_module *m, uint64_t bias, struct tape_module *out) {
    const ElfW(Ehdr) *elf = (const ElfW(Ehdr) *)m->start;
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0)
        return;
    const ElfW(Phdr) *segment = (const ElfW(Phdr) *)(m->start + elf->e_phoff);
    if (elf->e_phoff + elf->e_phnum * sizeof *segment > 4096)
        return; /* not in the page that is known to be there */
    for (unsigned i = 0; i < elf->e_phnum && out->build_id == NULL; i++) {
        uint64_t at = bias + segment[i].p_vaddr;
        if (segment[i].p_type == PT_NOTE && at >= m->start && at + segment[i].p_memsz <= m->end)
            out->build_id =
                find_build_id((const uint8_t *)at, (const uint8_t *)at + segment[i].p_memsz,
                              &out->build_id_len);
    }
    if (out->build_id == NULL)
        out->build_id_len = 0;
}

size_t module_describe(const struct unwind_module *m, uint64_t generation, uint8_t *to) {
    const struct link_map *map = m->link_map;
    const char *name = map != NULL && map->l_name != NULL ? map->l_name : "";
    uint64_t bias = map != NULL ? map->l_addr : 0;
    struct tape_module out = {.end = m->end, .bias = bias, .generation = generation};
    char path[4096 + 256];
    if (*name == 0) {
        name = module_program_path;
    } else if (*name != '/' && strchr(name, '/') != NULL) {
        /* A relative library path: as the loader saw it, from the directory of the moment. */
        if (sys_getcwd(path, 4096) > 0) {
            size_t n = strlen(path);
            path[n++] = '/';
            strncpy(path + n, name, sizeof path - n - 1);
            path[sizeof path - 1] = 0;
            name = path;
        }
    }
    read_build_id(m, bias, &out);
    out.path = name;
    out.path_len = strnlen(name, 4096);
    return (size_t)(tape_put_module(to, &out) - to);
}

bool module_is_loaded(const struct unwind_module *m) {
    struct cfi_module now;
    return cfi_find_module(m->start, &now) && now.start == m->start &&
           now.link_map == m->link_map && now.end == m->end;
}
