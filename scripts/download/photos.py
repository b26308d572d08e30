"""Download the photos of a list, with a pause after each, and record their authors.

LIST is a text file with one photo per line: an address, or the id or page of a photo on Flickr, which needs the
environment variable FLICKR_API_KEY; then, after a tab, whatever is known of author and license. Lines that start with #
are left out. DIR/photos gets the photos, DIR/attribution.tsv a line for each, DIR/skipped.txt what is gone or is no
image. The same command goes on after an interruption; lines deleted from skipped.txt are tried again.
"""

import filecmp
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from util.errors import InputError
from util.fetch import Patience, RefusedError, fetch

FLICKR_API = "https://api.flickr.com"
FLICKR_PAGE = re.compile(r"https?://(?:www\.|m\.)?flickr\.com/photos/[^/]+/(\d+)")
SHORT_SIDE = 512  # pixels; the smallest size on Flickr with at least this short side is downloaded
ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}
FAILURES_IN_A_ROW = 5  # then the connection is the problem, not the photo
COLUMNS = ("file", "source", "url", "attribution", "date")


class Photo(NamedTuple):
    """A line of the list: address or Flickr id, and the rest of the line about author and license."""

    source: str
    attribution: str


class GoneError(Exception):
    """The photo no longer exists; the message says why."""


def read_list(path: Path) -> list[Photo]:
    """The photos of a list, each once. Raises `InputError` for lines that are neither address nor id."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from error
    photos: dict[str, Photo] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        source, _, attribution = line.partition("\t")
        source = source.strip()
        page = FLICKR_PAGE.match(source)
        source = page[1] if page else source
        if not source.isdecimal() and not re.match(r"https?://[^\s/]+/\S+$", source):
            raise InputError(
                f'{path}, line {number}: "{source}" is neither an http address nor a Flickr id; attribution stands '
                f"behind a tab"
            )
        photos.setdefault(source, Photo(source, " ".join(attribution.split())))
    if not photos:
        raise InputError(f"{path}: names no photos")
    return list(photos.values())


def check_key(path: Path, photos: list[Photo], key: str | None) -> None:
    """Raise an `InputError` if photos are given by Flickr id without an API key."""
    ids = [photo.source for photo in photos if photo.source.isdecimal()]
    if ids and not key:
        raise InputError(
            f"{path}: {len(ids)} of {len(photos)} photos are Flickr ids (first: {ids[0]}), which need an API key; get "
            f"one at https://www.flickr.com/services/apps/create/ and set FLICKR_API_KEY, or list addresses of files"
        )


class Album:
    """The folder DIR: its photos, and the two lists of finished photos."""

    def __init__(self, root: Path):
        self.root, self.photos, self.staging = root, root / "photos", root / ".download"
        self.attribution, self.skipped = root / "attribution.tsv", root / "skipped.txt"
        try:
            for folder in (self.photos, self.staging):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error

    def done(self) -> set[str]:
        """Sources that were downloaded, even if the photos were moved since, or that no longer exist."""
        found = {line.split("\t")[0] for line in _lines(self.skipped)}
        for row in _lines(self.attribution)[1:]:
            name, source, *_ = row.split("\t")
            if any((self.root / folder / name).exists() for folder in ("photos", "train_img", "val_img")):
                found.add(source)
        return found

    def add(self, photo: Photo, url: str, staged: Path) -> None:
        """Add a downloaded file.

        Raises:
            GoneError: it is no whole image.
            InputError: another file of this name is there, which was not downloaded by this tool.
        """
        ending = ENDINGS.get(_image_format(staged) or "")
        if ending is None:
            staged.unlink()
            raise GoneError("not a whole JPEG, PNG, WebP or BMP image")
        name = staged.name + ending
        path = self.photos / name
        if path.exists() and not filecmp.cmp(staged, path, shallow=False):
            raise InputError(f"{path}: is there already, and not in {self.attribution.name}; move it away")
        staged.replace(path)
        date = datetime.now(timezone.utc).date().isoformat()
        if not self.attribution.exists():
            _append(self.attribution, "\t".join(COLUMNS))
        _append(self.attribution, "\t".join((name, photo.source, url, photo.attribution, date)))

    def skip(self, photo: Photo, reason: str) -> None:
        _append(self.skipped, f"{photo.source}\t{reason}")


def download(photo: Photo, album: Album, api: str, key: str | None, patience: Patience) -> None:
    """Download one photo. Raises `GoneError`, or `InputError` for errors that may be temporary."""
    url = flickr_file(photo.source, api, key or "", patience) if photo.source.isdecimal() else photo.source
    staged = album.staging / file_stem(photo.source)
    try:
        address = fetch(url, staged, patience=patience)
    except RefusedError as error:
        if error.status in (404, 410):
            raise GoneError(f"the server answers {error.status}") from None
        raise
    if "photo_unavailable" in (address or ""):  # to which Flickr redirects requests for a deleted photo
        staged.unlink()
        raise GoneError("deleted on Flickr")
    album.add(photo, url, staged)


def flickr_file(number: str, api: str, key: str, patience: Patience) -> str:
    """The address of a photo's file on Flickr, in the smallest size that is large enough."""
    query = {"method": "flickr.photos.getSizes", "api_key": key, "photo_id": number}
    address = f"{api}/services/rest/?{urlencode(query | {'format': 'json', 'nojsoncallback': 1})}"
    try:
        with tempfile.TemporaryDirectory() as folder:  # no file with the key remains
            fetch(address, Path(folder, "answer.json"), patience=patience)
            reply = json.loads(Path(folder, "answer.json").read_text(encoding="utf-8"))
        if reply["stat"] == "ok":
            return _large_enough(reply["sizes"]["size"])["source"]
        code, message = reply["code"], reply["message"]
    except InputError as error:
        raise InputError(str(error).replace(key, "KEY")) from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"Flickr's answer about photo {number} makes no sense: {error!r}") from error
    if code in (1, 2):  # not found, not public
        raise GoneError(f"Flickr says: {message}")
    raise InputError(f"Flickr refuses to tell the address of photo {number}: {message}")


def _large_enough(sizes: list[dict]) -> dict:
    by_side = sorted(sizes, key=lambda size: min(int(size["width"]), int(size["height"])))
    enough = [size for size in by_side if min(int(size["width"]), int(size["height"])) >= SHORT_SIDE]
    return enough[0] if enough else by_side[-1]


def file_stem(source: str) -> str:
    """A deterministic file name without extension: Flickr's id, or the last part of the address and eight digits."""
    if source.isdecimal():
        return source
    stem = unquote(urlsplit(source).path).rstrip("/").rpartition("/")[2].rpartition(".")[0] or "photo"
    return f"{re.sub('[^A-Za-z0-9_-]+', '_', stem)[:60]}_{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def _image_format(path: Path) -> str | None:
    """Pillow's format name of an image that can be decoded completely; None for other files."""
    try:
        with Image.open(path) as image:
            image.load()
            return image.format
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def fetch_photos(path: Path, folder: Path, api: str = FLICKR_API, pause: float = 1.0) -> None:
    """Download the photos of a list that are not in `folder` yet, and print their number.

    Args:
        api: address of Flickr's API.
        pause: seconds after each photo.

    Raises:
        InputError: the list or the folder cannot be used, or photos failed that may come later.
    """
    key = os.environ.get("FLICKR_API_KEY")
    photos = read_list(path)
    check_key(path, photos, key)
    album = Album(folder)
    failed = _fetch_all(photos, album, api, key, pause)
    gone, sources = {line.split("\t")[0] for line in _lines(album.skipped)}, {photo.source for photo in photos}
    print(
        f"{album.photos}: {len(photos) - failed - len(gone & sources)} of {len(photos)} photos, {len(gone & sources)} "
        f"skipped (see {album.skipped.name}), {failed} failed"
    )
    if failed:
        raise InputError(f"{failed} photos failed for now; run the same command again")


def _fetch_all(photos: list[Photo], album: Album, api: str, key: str | None, pause: float) -> int:
    """Download the missing photos, `pause` seconds apart; return how many failed temporarily."""
    patience = Patience(attempts=3)
    done, failed, in_a_row = album.done(), 0, 0
    for photo in tqdm([photo for photo in photos if photo.source not in done], unit="photo"):
        try:
            download(photo, album, api, key, patience)
            in_a_row = 0
        except GoneError as reason:
            album.skip(photo, str(reason))
        except InputError as error:
            tqdm.write(str(error), file=sys.stderr)
            failed, in_a_row = failed + 1, in_a_row + 1
            if in_a_row == FAILURES_IN_A_ROW:
                raise InputError(
                    f"{in_a_row} photos in a row failed; look at the lines above, and try again later"
                ) from None
        time.sleep(pause)
    return failed
