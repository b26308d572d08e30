"""Download a file so that cut connections cost nothing, check that it is whole, and unpack it if asked.

    python -m scripts.download fetch URL FILE [--size N] [--md5 HEX] [--sha256 HEX] [--unpack DIR FOLDER ...] [--remove]

Bytes gather in FILE.part. A cut connection, or the same command after an interruption, goes on where they end; a
server that cannot do so, or whose file has changed, starts over. FILE appears only when it is whole, so an existing
FILE is not fetched again. A FILE that is not as published is kept under another name, and so is what arrives otherwise
than published, as FILE.damaged, FILE.damaged2 and so on. `--unpack DIR FOLDER` writes what lies below FOLDER of the
archive ("." for everything) to DIR, see `unpack.py`; it may be given several times.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.download.unpack import (
    CorruptArchiveError,
    Target,
    add_unpack_options,
    is_unpacked,
    put_aside_if_fetched,
    receipt,
    targets_of,
    unpack_all,
)
from util.errors import InputError
from util.fetch import Expected, Patience, fetch
from util.files import name_for_damaged

HEX = "[0-9a-fA-F]{{{},{}}}"


def fetch_and_unpack(
    url: str, file: Path, targets: list[Target], expected: Expected, patience: Patience, remove: bool = False
) -> None:
    """Download an archive and unpack it; a damaged one is fetched once more. A finished one costs nothing again.

    Args:
        remove: delete the archive when it is unpacked, unless it was there before.
    """
    if is_unpacked(file, targets):
        print(f"{file.name}: already unpacked")
        return
    damaged = name_for_damaged(file)
    for last in (False, True):
        if fetch(url, file, expected, patience, to_unpack=True) is not None:
            receipt(file).touch()
        try:
            return unpack_all(file, targets, remove=remove and receipt(file).exists())
        except CorruptArchiveError as error:
            aside = put_aside_if_fetched(file, damaged)
            if aside is None:
                raise InputError(
                    f"{error}; it was there before and is left alone: move it away, and the same command fetches it"
                ) from None
            if last:
                raise InputError(
                    f"{url}: damaged, twice in a row ({error}; it is kept as {aside}); try again later or use a mirror"
                ) from None
            print(f"{error}; fetching it once more", file=sys.stderr)


def checked(pattern: str, kind: Callable[[str], Any], words: str) -> Callable[[str], Any]:
    """A reader for argparse of what has a form, which `words` name."""

    def read(text: str) -> Any:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise argparse.ArgumentTypeError(f"{text}: must be {words}")
        return kind(text)

    return read


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.download fetch", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("url", metavar="URL")
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument(
        "--size", type=checked(r"\d{1,18}", int, "a number of bytes"), metavar="N", help="published size in bytes"
    )
    parser.add_argument(
        "--md5",
        type=checked(HEX.format(32, 32), str, "32 hexadecimal digits"),
        metavar="HEX",
        help="published checksum",
    )
    parser.add_argument(
        "--sha256",
        type=checked(HEX.format(1, 64), str, "1..64 hexadecimal digits"),
        metavar="HEX",
        help="published checksum, or its first digits",
    )
    parser.add_argument(
        "--attempts",
        type=checked(r"0*[1-9]\d{0,8}", int, "a whole number, 1 or more"),
        default=Patience.attempts,
        metavar="N",
        help="(%(default)s)",
    )
    parser.add_argument(
        "--pause",
        type=checked(r"\d{1,9}(\.\d*)?|\.\d+", float, "seconds, 0 or more"),
        default=Patience.pause,
        metavar="SECONDS",
        help="before the second one",
    )
    parser.add_argument(
        "--remove", action="store_true", help="delete the archive when it is unpacked, unless it was there before"
    )
    add_unpack_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    expected = Expected(args.size, args.md5, args.sha256)
    patience = Patience(args.attempts, args.pause)
    if args.unpack:
        fetch_and_unpack(args.url, args.file, targets_of(args), expected, patience, args.remove)
    elif fetch(args.url, args.file, expected, patience) is None:
        print(f"{args.file}: already there")
