/* SPDX-License-Identifier: MIT */
#include <gtest/gtest.h>

#include "parcel.h"

TEST(Parcel, Clean) {
    struct parcel *p = parcel_new("books");
    EXPECT_STREQ(parcel_label(p), "books");
    parcel_free(p);
}

TEST(Parcel, Leaky) {
    EXPECT_STREQ(parcel_label(parcel_new("books")), "books");
}
