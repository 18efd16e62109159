"""Words of messages."""

from __future__ import annotations

import pytest

from toolkit.utils.text import counted


@pytest.mark.parametrize(
    ("what", "one"),
    [
        ("boxes of no width removed", "1 box of no width removed"),
        ("boxes that are there twice", "1 box that is there twice"),
        ("rotated boxes: the box around them is used", "1 rotated box: the box around it is used"),
        ("images have two files: their objects are kept", "1 image has two files: its objects are "
         "kept"),
        ("images of list.txt are not found", "1 image of list.txt is not found"),
        ("images whose boxes are gone", "1 image whose boxes are gone"),
        ("pixels", "1 pixels"),
    ],
)  # fmt: skip
def test_one_is_written_in_the_singular(what, one):
    assert counted(1, what) == one
    assert counted(1200, what) == f"1,200 {what}"
    assert counted(0, what) == f"0 {what}"
