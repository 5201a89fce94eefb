/* SPDX-License-Identifier: MIT */
#include "word_order.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* Where pieces in order begin, and behind the last one; their number. */
static size_t find_pieces(const struct tape_word *word, size_t count, size_t **piece) {
    size_t n = 0, room = 64;
    *piece = xmalloc((room + 1) * sizeof **piece);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || word[i].address < word[i - 1].address) {
            if (n == room) {
                room *= 2;
                *piece = xrealloc(*piece, (room + 1) * sizeof **piece);
            }
            (*piece)[n++] = i;
        }
    (*piece)[n] = count;
    return n;
}

static void merge(const struct tape_word *a, const struct tape_word *a_end,
                  const struct tape_word *b, const struct tape_word *b_end, struct tape_word *to) {
    while (a < a_end && b < b_end)
        *to++ = b->address < a->address ? *b++ : *a++;
    while (a < a_end)
        *to++ = *a++;
    while (b < b_end)
        *to++ = *b++;
}

void word_order(struct tape_word *word, size_t count) {
    size_t *piece, n = find_pieces(word, count, &piece);
    struct tape_word *from = word, *to = n > 1 ? xmalloc(count * sizeof *to) : NULL, *other = to;
    while (n > 1) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i += 2) {
            size_t start = piece[i], middle = piece[i + 1], end = i + 1 < n ? piece[i + 2] : middle;
            merge(from + start, from + middle, from + middle, from + end, to + start);
            piece[kept++] = start;
        }
        piece[kept] = count;
        n = kept;
        struct tape_word *next = to;
        to = from;
        from = next;
    }
    if (from != word)
        memcpy(word, from, count * sizeof *word);
    free(other);
    free(piece);
}
