# SPDX-License-Identifier: MIT
import parcel


def test_clean():
    assert parcel.label("books", True) == "books"


def test_leaky():
    assert parcel.label("books", False) == "books"
