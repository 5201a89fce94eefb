/* SPDX-License-Identifier: MIT */
#include "parcel.h"

#include <stdio.h>
#include <string.h>

int main(void) {
    int wrong = strcmp(parcel_label(parcel_new("books")), "books");
    printf("the label is %s\n", wrong ? "wrong" : "right");
    return wrong != 0;
}
