"""Spans of time in words, also where rounding carries into the next unit."""

import pytest

from util.duration import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (40.4, "40 s"),
        (59.6, "1 min"),
        (7 * 60 + 10, "7 min"),
        (59 * 60 + 50, "1 h 00 min"),
        (2 * 3600 + 5 * 60, "2 h 05 min"),
        (24 * 3600 - 10, "1 d 0 h"),
        (76 * 3600, "3 d 4 h"),
        (400 * 24 * 3600, "400 d 0 h"),
    ],
)
def test_the_two_largest_units(seconds, words):
    assert in_words(seconds) == words
