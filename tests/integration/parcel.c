/* SPDX-License-Identifier: MIT */
#include "parcel.h"

#include <stdlib.h>
#include <string.h>

struct parcel {
    char *label;
    long weight[10];
};

struct parcel *parcel_new(const char *label) {
    struct parcel *p = calloc(1, sizeof *p);
    size_t size = strlen(label) + 1;
    if (p != NULL && (p->label = malloc(size)) != NULL)
        memcpy(p->label, label, size);
    return p;
}

const char *parcel_label(const struct parcel *parcel) {
    return parcel->label;
}

void parcel_free(struct parcel *parcel) {
    free(parcel->label);
    free(parcel);
}
