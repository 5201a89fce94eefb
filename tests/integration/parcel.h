/* SPDX-License-Identifier: MIT */
/* What the projects of these folders test. */
#ifndef PARCEL_H
#define PARCEL_H

#ifdef __cplusplus
extern "C" {
#endif

struct parcel;
struct parcel *parcel_new(const char *label);
const char *parcel_label(const struct parcel *parcel);
void parcel_free(struct parcel *parcel);

#ifdef __cplusplus
}
#endif

#endif
