"""Argument types for tools with plain argparse command lines."""

import argparse
from collections.abc import Callable

from options.data import MOST_PROCESSES


def process_count(least: int) -> Callable[[str], int]:
    """An argparse type: a whole number of processes, `least`..`MOST_PROCESSES`."""

    def read(text: str) -> int:
        is_number = text.isascii() and text.isdecimal() and len(text) < 10
        if not is_number or not least <= int(text) <= MOST_PROCESSES:
            raise argparse.ArgumentTypeError(f"{text}: must be a whole number, {least}..{MOST_PROCESSES}")
        return int(text)

    return read
