"""Download a file so that cut connections cost nothing, check that it is whole, and unpack it if asked.

    python scripts/fetch.py URL FILE [--size N] [--md5 HEX] [--sha256 HEX] [--unpack DIR FOLDER ...] [--remove]

Bytes gather in FILE.part. A cut connection, or the same command after an interruption, goes on where they end; a
server that cannot do so, or whose file has changed, starts over. FILE appears only when it is whole, so an existing
FILE is not fetched again. A FILE that is not as published is kept under another name, and so is what arrives otherwise
than published, as FILE.damaged. `--unpack DIR FOLDER` writes what lies below FOLDER of the archive ("." for everything)
to DIR, see `unpack.py`; it may be given several times.
"""

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from util.console import exit_statuses

from scripts.transfer import CHUNK, PATIENT, Download, Patience, byte_bar
from scripts.unpack import (
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
from util.files import impostor, set_aside


@dataclass(frozen=True)
class Expected:
    """What is published about a file: size in bytes, checksums in hexadecimal; None where nothing is."""

    size: int | None = None
    md5: str | None = None
    sha256: str | None = None

    def problem(self, file: Path) -> str | None:
        """What is wrong with `file`, in words; None if it is as published."""
        wrong = self._difference(file)
        return f"it is {what}" if wrong and (what := impostor(file)) else wrong

    def _difference(self, file: Path) -> str | None:
        if self.size is not None and file.stat().st_size != self.size:
            return f"it has {file.stat().st_size} bytes instead of {self.size}"
        for name, wanted in (("md5", self.md5), ("sha256", self.sha256)):
            if wanted is not None:
                found = checksum(file, name)
                if found != wanted.lower():
                    return f"its {name} is {found} instead of {wanted}"
        return None


def checksum(file: Path, algorithm: str) -> str:
    """The checksum of a file in hexadecimal."""
    digest = hashlib.new(algorithm)
    with file.open("rb") as content, byte_bar(f"checking {file.name}", file.stat().st_size) as bar:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def fetch(
    url: str, file: Path, expected: Expected = Expected(), patience: Patience = PATIENT, to_unpack: bool = False
) -> str | None:
    """Download `url` to `file`, unless a whole `file` is there.

    Args:
        to_unpack: ask for free space for the content, too, taken as large as the archive (photos do not compress).

    Returns:
        the address the file came from in the end, after redirects; None if there was nothing to do.

    Raises:
        RefusedError: for statuses such as 404.
        InputError: no connection or disk full, and what has arrived stays in FILE.part; or twice not what is
            published, and it is kept as FILE.damaged.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url}: not an address that starts with http:// or https://")
    if file.exists():
        problem = expected.problem(file)
        if problem is None:
            return None
        print(f"{file}: {problem}; it is kept as {set_aside(file)}, and fetched again", file=sys.stderr)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {file.parent}: {error.strerror}") from error
    download = Download(url, file, patience, to_unpack)
    for last in (False, True):
        address = download.run()
        problem = expected.problem(download.part)
        if problem is None:
            download.finish()
            return address
        damaged = download.put_aside()
        if not last:
            print(f"{url}: {problem}; fetching it once more", file=sys.stderr)
    raise InputError(
        f"{url}: {problem}, twice in a row; the file has changed there or is damaged on the way (what came is kept as "
        f"{damaged})"
    )


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
    for last in (False, True):
        if fetch(url, file, expected, patience, to_unpack=True) is not None:
            receipt(file).touch()
        try:
            return unpack_all(file, targets, remove=remove and receipt(file).exists())
        except CorruptArchiveError as error:
            aside = put_aside_if_fetched(file)
            if aside is None:
                raise InputError(
                    f"{error}; it was there before and is left alone: move it away, and the same command fetches it"
                ) from None
            if last:
                raise InputError(
                    f"{url}: damaged, twice in a row ({error}; it is kept as {aside}); try again later or use a mirror"
                ) from None
            print(f"{error}; fetching it once more", file=sys.stderr)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("url", metavar="URL")
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--size", type=int, metavar="N", help="published size in bytes")
    parser.add_argument("--md5", metavar="HEX", help="published checksum")
    parser.add_argument("--sha256", metavar="HEX", help="published checksum")
    parser.add_argument("--attempts", type=int, default=Patience.attempts, metavar="N", help="(%(default)s)")
    parser.add_argument("--pause", type=float, default=Patience.pause, metavar="SECONDS", help="before the second one")
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


if __name__ == "__main__":
    with exit_statuses("fetch.py", interrupted="interrupted; the same command goes on from here"):
        main()
