/* SPDX-License-Identifier: MIT */
#include "parcel.h"

#include <stdio.h>
#include <string.h>

int main(void) {
    struct parcel *p = parcel_new("books");
    int wrong = strcmp(parcel_label(p), "books");
    printf("the label is %s\n", wrong ? "wrong" : "right");
    parcel_free(p);
    return wrong != 0;
}
