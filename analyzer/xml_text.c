/* SPDX-License-Identifier: MIT */
#include "xml_text.h"

#include <stdbool.h>
#include <stdint.h>

/* Length of the UTF-8 sequence at `s`, 0: none that XML may hold. */
static unsigned sequence(const unsigned char *s) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned length = s[0] < 0x80             ? 1
                      : (s[0] & 0xE0) == 0xC0 ? 2
                      : (s[0] & 0xF0) == 0xE0 ? 3
                      : (s[0] & 0xF8) == 0xF0 ? 4
                                              : 0;
    if (length <= 1)
        return length == 1 && (s[0] >= 0x20 || s[0] == '\t' || s[0] == '\n' || s[0] == '\r') &&
               s[0] != 0x7F;
    uint32_t c = s[0] & (0x7FU >> length);
    for (unsigned i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3FU);
    }
    if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) || c == 0xFFFE ||
        c == 0xFFFF || (c >= 0x80 && c < 0xA0))
        return 0;
    return length;
}

static void escape(FILE *out, const char *text, bool lines) {
    const unsigned char *s = (const unsigned char *)text;
    while (*s != '\0') {
        unsigned length = sequence(s);
        if (length == 0) {
            s++;
            continue;
        }
        switch (*s) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\t':
        case '\n':
        case '\r':
            if (!lines)
                fprintf(out, "&#%d;", *s);
            else if (*s != '\r')
                fputc(*s, out);
            break;
        default:
            fwrite(s, 1, length, out);
        }
        s += length;
    }
}

void xml_text(FILE *out, const char *text) {
    escape(out, text, false);
}

void xml_lines(FILE *out, const char *text) {
    escape(out, text, true);
}

void xml_element(FILE *out, const char *name, const char *text) {
    fprintf(out, "<%s>", name);
    xml_text(out, text);
    fprintf(out, "</%s>", name);
}

void xml_attribute(FILE *out, const char *name, const char *text) {
    fprintf(out, " %s=\"", name);
    xml_text(out, text);
    fputc('"', out);
}
