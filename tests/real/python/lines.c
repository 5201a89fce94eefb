// SPDX-License-Identifier: MIT
/* Code objects made from what lines.py prints: the line of every instruction must be Python's own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python.h"
#include "python_layout.h"

static uint8_t code[PY_CODE_INSTRUCTIONS], text[PY_TEXT_ASCII_DATA + 8], *table;

static void put(uint8_t *at, const void *value, size_t bytes) {
    memcpy(at, value, bytes);
}

/* An empty text, and the table that `hex` says. */
static void make_code(int first, const char *hex) {
    uint64_t size = strlen(hex) / 2, at = (uint64_t)text;
    uint32_t state = 1 << 2 | 1 << 5 | 1 << 6;
    put(text + PY_TEXT_STATE, &state, sizeof state);
    put(code + PY_CODE_LINE, &first, sizeof first);
    put(code + PY_CODE_NAME, &at, sizeof at);
    put(code + PY_CODE_FILE, &at, sizeof at);
    table = realloc(table, PY_BYTES_DATA + size + 1);
    put(table + PY_OBJECT_SIZE, &size, sizeof size);
    for (uint64_t i = 0; i < size; i++)
        sscanf(hex + 2 * i, "%2hhx", &table[PY_BYTES_DATA + i]);
    at = (uint64_t)table;
    put(code + PY_CODE_LINES, &at, sizeof at);
}

int main(void) {
    struct python_codes *codes = python_codes_new();
    const struct python_reader in = {.direct = true};
    char *line = NULL;
    size_t room = 0, instructions = 0, objects = 0;
    while (getline(&line, &room, stdin) > 0) {
        int first = atoi(strtok(line, " "));
        make_code(first, strtok(NULL, " "));
        python_codes_begin(
            codes); /* always at one address: nothing known of the last may be left */
        uint32_t entry = python_code(codes, &in, (uint64_t)code).entry;
        int64_t i = 0;
        for (char *word; (word = strtok(NULL, " \n")) != NULL; i++) {
            uint64_t address = python_code_address(codes, &in, entry, (uint64_t)code, i);
            if (tape_python_line(address) != strtoul(word, NULL, 10)) {
                printf("object %zu, instruction %" PRId64 ": line %u, not %s\n", objects, i,
                       tape_python_line(address), word);
                return 1;
            }
        }
        if (tape_python_line(python_code_address(codes, &in, entry, (uint64_t)code, -1)) !=
            (uint32_t)first)
            return 1;
        instructions += (size_t)i;
        objects++;
    }
    printf("%zu objects, %zu instructions\n", objects, instructions);
    return 0;
}
