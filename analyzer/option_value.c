/* SPDX-License-Identifier: MIT */
#include "option_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool option_number(const struct command *c, const char *option, const char *text, uint64_t min,
                   uint64_t max, uint64_t *value) {
    char *end = NULL;
    errno = 0;
    if (*text >= '0' && *text <= '9')
        *value = strtoull(text, &end, 10);
    if (end == NULL || *end != '\0' || errno != 0 || *value < min || *value > max) {
        command_usage_error(c, "--%s wants a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
                            option, min, max, text);
        return false;
    }
    return true;
}

bool option_size(const struct command *c, const char *option, const char *text, uint64_t *value) {
    static const char letters[] = "KMGT";
    char *end = NULL;
    unsigned shift = 0;
    errno = 0;
    if (*text >= '0' && *text <= '9')
        *value = strtoull(text, &end, 10);
    bool good = end != NULL && errno == 0;
    if (good && *end != '\0' && *end != 'B') {
        const char *letter = strchr(letters, *end >= 'a' ? *end - 'a' + 'A' : *end);
        good = letter != NULL;
        shift = good ? 10 * (unsigned)(letter - letters + 1) : 0;
        end++;
        if (*end == 'i' && end[1] == 'B')
            end++;
    }
    if (good && *end == 'B')
        end++;
    if (!good || *end != '\0' || *value > UINT64_MAX >> shift) {
        command_usage_error(c, "--%s wants a number of bytes, as in 64M, not '%s'", option, text);
        return false;
    }
    *value <<= shift;
    return true;
}

bool option_percent(const struct command *c, const char *option, const char *text, double *value) {
    size_t n = strspn(text, "0123456789.");
    char *end = NULL;
    if (n != 0 && (text[n] == '\0' || (text[n] == '%' && text[n + 1] == '\0')))
        *value = strtod(text, &end);
    if (end != text + n || !(*value >= 0 && *value <= 100)) {
        command_usage_error(c, "--%s wants a percentage from 0 to 100, not '%s'", option, text);
        return false;
    }
    return true;
}

uint64_t option_share(double percent, uint64_t whole) {
    long double share = (long double)whole * percent / 100;
    uint64_t down = (uint64_t)share;
    return down < share ? down + 1 : down;
}

const char *option_file(const struct command *c, int argc, char **argv) {
    if (optind + 1 == argc)
        return argv[optind];
    if (optind >= argc)
        command_usage_error(c, "no recording named");
    else
        command_usage_error(c, "one recording at a time, not also '%s'", argv[optind + 1]);
    return NULL;
}
