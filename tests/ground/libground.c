/* SPDX-License-Identifier: MIT */
/* The library that other programs load: it keeps a pointer in its data, or in its TLS. */
void keep_in_data(void *p);
void keep_in_tls(void *p);

static void *volatile data;
static __thread void *volatile tls[4];

void keep_in_data(void *p) {
    data = p;
}
void keep_in_tls(void *p) {
    tls[2] = p;
}
