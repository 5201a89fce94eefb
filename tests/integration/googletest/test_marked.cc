/* SPDX-License-Identifier: MIT */
#include <gtest/gtest.h>
#include <heaptape/heaptape.h>

#include "parcel.h"

/* Every test that loses memory fails, when it runs under heaptape. */
class LeakListener : public testing::EmptyTestEventListener {
    void OnTestStart(const testing::TestInfo &test) override {
        heaptape_test_begin((std::string(test.test_suite_name()) + "." + test.name()).c_str());
    }
    void OnTestEnd(const testing::TestInfo &) override {
        EXPECT_EQ(heaptape_test_end(), 0u) << "bytes lost";
    }
};

TEST(Parcel, Clean) {
    struct parcel *p = parcel_new("books");
    EXPECT_STREQ(parcel_label(p), "books");
    parcel_free(p);
}

TEST(Parcel, Leaky) {
    EXPECT_STREQ(parcel_label(parcel_new("books")), "books");
}

TEST(Parcel, CleanAgain) {
    struct parcel *p = parcel_new("more books");
    EXPECT_STREQ(parcel_label(p), "more books");
    parcel_free(p);
}

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    testing::UnitTest::GetInstance()->listeners().Append(new LeakListener);
    return RUN_ALL_TESTS();
}
