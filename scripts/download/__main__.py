"""Download files, unpack archives and collect photos; interrupted work resumes.

    python -m scripts.download fetch URL FILE [--size N] [--md5 HEX] [--sha256 HEX] [--unpack DIR FOLDER ...] [--remove]
    python -m scripts.download unpack ARCHIVE --unpack DIR FOLDER [--unpack DIR FOLDER ...] [--skip PATTERN] [--remove]
    python -m scripts.download photos LIST DIR [--pause SECONDS] [--base_url URL]

fetch: bytes gather in FILE.part. A cut connection, or the same command after an interruption, goes on where they end; a
server that cannot do so, or whose file has changed, starts over. FILE appears only when it is whole, so an existing
FILE is not fetched again. A FILE that is not as published is kept under another name, and so is what arrives otherwise
than published, as FILE.damaged, FILE.damaged2 and so on.

`--unpack DIR FOLDER` writes what lies below FOLDER of the archive ("." for everything) to DIR; it may be given several
times. photos: see scripts/download/photos.py.
"""

from util.console import exit_statuses

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.download.archives import fetch_and_unpack, unpack_given
from scripts.download.photos import FLICKR_API, fetch_photos
from util.fetch import Expected, Patience, fetch

PROGRAM = "python -m scripts.download"
SECONDS = (r"\d{1,9}(\.\d*)?|\.\d+", float, "seconds, 0 or more")


def checked(pattern: str, kind: Callable[[str], Any], words: str) -> Callable[[str], Any]:
    """Make an argparse type for text that matches a pattern, described by `words`."""

    def read(text: str) -> Any:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise argparse.ArgumentTypeError(f"{text}: must be {words}")
        return kind(text)

    return read


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line; wrong arguments end the program with status 2."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, what: str) -> Callable[..., argparse.Action]:
        return commands.add_parser(name, help=what, description=what, allow_abbrev=False).add_argument

    option = command("fetch", "Download a file, check that it is whole, and unpack it if asked.")
    option("url", metavar="URL", help="where the file is")
    option("file", metavar="FILE", type=Path, help="where to write it")
    size, md5, sha256 = r"\d{1,18}", "[0-9a-fA-F]{32}", "[0-9a-fA-F]{1,64}"
    option("--size", type=checked(size, int, "a number of bytes"), metavar="N", help="published size in bytes")
    option("--md5", type=checked(md5, str, "32 hexadecimal digits"), metavar="HEX", help="published checksum")
    sha256_help = "published checksum, or its first digits"
    option("--sha256", type=checked(sha256, str, "1..64 hexadecimal digits"), metavar="HEX", help=sha256_help)
    attempts = checked(r"0*[1-9]\d{0,8}", int, "a whole number, 1 or more")
    option("--attempts", type=attempts, default=Patience.attempts, metavar="N", help="(%(default)s)")
    pause_help = "before the second attempt"
    option("--pause", type=checked(*SECONDS), default=Patience.pause, metavar="SECONDS", help=pause_help)
    unpack = {
        "nargs": 2,
        "action": "append",
        "metavar": ("DIR", "FOLDER"),
        "help": "unpack FOLDER of the archive to DIR",
    }
    option("--unpack", **unpack)
    remove_help = "delete the archive when it is unpacked, unless it was there before"
    option("--remove", action="store_true", help=remove_help)

    option = command("unpack", "Unpack a zip or tar archive; files that are there already are left out.")
    option("archive", metavar="ARCHIVE", type=Path)
    option("--unpack", required=True, **unpack)
    option("--skip", action="append", default=[], metavar="PATTERN", help='file names such as "*.pkl"')
    option("--remove", action="store_true", help="delete the archive when it is unpacked")

    option = command("photos", "Download the photos of a list, and keep who made them.")
    option("list", metavar="LIST", type=Path, help="text file with one photo a line")
    option("folder", metavar="DIR", type=Path, help="where to write; made if missing")
    option("--pause", type=checked(*SECONDS), default=1.0, metavar="SECONDS", help="after each photo (%(default)s)")
    option("--base_url", default=FLICKR_API, metavar="URL", help="address of Flickr's API (%(default)s)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the command. Raises `InputError` for what cannot be downloaded or unpacked."""
    args = parse_args(argv)
    if args.command == "photos":
        return fetch_photos(args.list, args.folder, args.base_url.rstrip("/"), args.pause)
    targets = [(Path(target), folder) for target, folder in args.unpack or ()]
    if args.command == "unpack":
        return unpack_given(args.archive, targets, args.remove, args.skip)
    expected, patience = Expected(args.size, args.md5, args.sha256), Patience(args.attempts, pause=args.pause)
    if targets:
        fetch_and_unpack(args.url, args.file, targets, expected, patience, args.remove)
    elif fetch(args.url, args.file, expected, patience) is None:
        print(f"{args.file}: already there")


if __name__ == "__main__":
    with exit_statuses(PROGRAM, interrupted="interrupted; the same command goes on from here"):
        main()
