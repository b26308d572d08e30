"""Listing a folder: image files in supported formats, image files in other formats, and the number of other files."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from util.errors import InputError
from util.warn import warn_once

# File extensions; upper and lower case count as equal.
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")  # cannot hold class ids
EXTENSIONS = (*LOSSY, ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
UNREAD_IMAGES = frozenset(
    # from screens and cameras
    ".gif .apng .heic .heif .hif .avif .jp2 .j2k .jpx .jpf .jxl .jxr .dng .nef .cr2 .cr3 .arw .orf .raf .rw2 .pef .mpo "
    ".dib .ico .pcx .tga .pam .pfm .xbm .xpm .sgi .hdr .exr .dds "
    # from programs for drawing, labeling and measuring
    ".svg .svgz .psd .psb .xcf .kra .ora .ai .eps .npy .npz .mat .dcm .nii .nrrd .mha .mhd .fits .czi .svs .img".split()
)
OTHER_FILES = frozenset(  # extensions of files that are not images, so that their first bytes need not be read
    ".txt .md .rst .html .htm .pdf .json .jsonl .geojson .xml .csv .tsv .yaml .yml .toml .ini .cfg .list .lst .log .db "
    ".pkl .pt .pth .onnx .h5 .py .ipynb .sh .m .js .css .url .tfw .jgw .pgw .wld .prj .md5 .sha256 .zip .tar .gz .tgz "
    ".bz2 .xz .7z .rar".split()
)
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
SYSTEM_FOLDERS = frozenset({"@eaDir", "__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information"})
SNIFFED_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
CONVERT = "convert photos to PNG or JPEG, and maps to PNG, which keeps ids"
SHOWN = 3  # names in a message before "..."


@dataclass
class Listing:
    """The visible files below a folder, in no particular order.

    Attributes:
        images: image files in supported formats.
        left_out: image files in other formats.
        others: number of other files by extension.
    """

    images: list[Path] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def add(self, path: Path) -> None:
        """Classify a file and add it."""
        ending = path.suffix.lower()
        if ending in EXTENSIONS:
            self.images.append(path)
        elif ending in UNREAD_IMAGES or (ending not in OTHER_FILES and is_image_file(path)):
            self.left_out.append(path)
        else:
            self.others[ending_of(path)] += 1

    def warn_of_left_out(self, folder: Path) -> None:
        """Warn once per run of image files in unsupported formats, with their number and a few names."""
        if self.left_out:
            kinds = count_endings(Counter(ending_of(path) for path in self.left_out))
            names = listing(path.relative_to(folder).as_posix() for path in sorted(self.left_out))
            warn_once(f"{folder}: {files(len(self.left_out))} left out: {kinds} ({names}); {CONVERT}")


def list_folder(folder: Path, what: str, without: Sequence[Path] = ()) -> Listing:
    """List the files below `folder`.

    Args:
        what: what the folder should hold, for the message.
        without: subfolders to leave out.

    Raises:
        InputError: the folder does not exist, or a part of it cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: {why_no_folder(folder)}; it should hold the {what}")
    found = Listing()
    for path in walk(folder, without):
        found.add(path)
    return found


def why_no_folder(path: Path) -> str:
    """Explain why a path is not a folder."""
    if path.is_file():
        if path.name.lower().endswith(ARCHIVES):
            return "is an archive; unpack it, and give the folder"
        return "is a file; give the folder"
    if path.is_symlink():
        return f"is a link to {path.readlink()}, and nothing is there"
    return "no such folder"


def walk(folder: Path, without: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield every file below `folder` in no particular order; follows links, skips hidden files and system folders.

    Links to a folder above them are not followed, so that the walk ends.
    """
    skipped = {os.path.realpath(path) for path in without}

    def refuse(error: OSError) -> None:
        raise InputError(
            f"{error.filename}: a part of {folder} that cannot be read ({error.strerror}), so files would be missing; "
            f"see to its permissions, or move it away"
        ) from error

    for parent, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        above = {os.path.realpath(path) for path in (parent, *Path(parent).parents)} | skipped
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".")
            and name not in SYSTEM_FOLDERS
            and os.path.realpath(Path(parent, name)) not in above
        ]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def is_image_file(path: Path) -> bool:
    """Whether the first bytes are those of an image; for files whose extension does not tell."""
    if path.is_symlink() and not path.exists():  # it may have been a folder, whose files would be missing
        raise InputError(f"{path}: is a link to {path.readlink()}, and nothing is there; mend or remove the link")
    if not path.is_file():  # opening a pipe would block
        return False
    try:
        with Image.open(path, formats=SNIFFED_FORMATS):
            return True
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def ending_of(path: Path) -> str:
    """The extension of a file, for counting."""
    return path.suffix.lower() or "without ending"


def count_endings(counts: Counter[str]) -> str:
    """Format counts as "10 .heic, 2 .svg", the most frequent first."""
    more = ", ..." if len(counts) > SHOWN else ""
    return ", ".join(f"{count} {ending}" for ending, count in counts.most_common(SHOWN)) + more


def files(count: int) -> str:
    """Return "1 file is" or "N files are"."""
    return "1 file is" if count == 1 else f"{count} files are"


def listing(names: Iterable[str]) -> str:
    """Join the first few names with commas."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + ", ..." * (len(names) > SHOWN)
