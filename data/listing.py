"""What lies in a folder: the pictures that are read, those that are not, and everything else."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from util.errors import InputError
from util.warn import warn_once

# Endings, in any case.
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")  # cannot hold class ids
EXTENSIONS = (*LOSSY, ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
UNREAD_PICTURES = frozenset(
    # of screens and cameras
    ".gif .apng .heic .heif .hif .avif .jp2 .j2k .jpx .jpf .jxl .jxr .dng .nef .cr2 .cr3 .arw .orf .raf .rw2 .pef .mpo "
    ".dib .ico .pcx .tga .pam .pfm .xbm .xpm .sgi .hdr .exr .dds "
    # of programs that paint, label and measure
    ".svg .svgz .psd .psb .xcf .kra .ora .ai .eps .npy .npz .mat .dcm .nii .nrrd .mha .mhd .fits .czi .svs .img".split()
)
OTHER_FILES = frozenset(  # not worth a look at their first bytes
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
        pictures: files that are read.
        left_out: pictures of kinds that are not read.
        others: how many files there are of each further ending.
    """

    pictures: list[Path] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def add(self, path: Path) -> None:
        """Put a file where it belongs."""
        ending = path.suffix.lower()
        if ending in EXTENSIONS:
            self.pictures.append(path)
        elif ending in UNREAD_PICTURES or (ending not in OTHER_FILES and is_picture(path)):
            self.left_out.append(path)
        else:
            self.others[ending_of(path)] += 1

    def warn_of_left_out(self, folder: Path) -> None:
        """Count and name the pictures that are not read, once in a run."""
        if self.left_out:
            kinds = count_endings(Counter(ending_of(path) for path in self.left_out))
            names = listing(path.relative_to(folder).as_posix() for path in sorted(self.left_out))
            warn_once(f"{folder}: {files(len(self.left_out))} left out: {kinds} ({names}); {CONVERT}")


def list_folder(folder: Path, what: str, without: Sequence[Path] = ()) -> Listing:
    """List the files below `folder`.

    Args:
        what: what the folder should hold, for the message.
        without: folders below it that hold something else.

    Raises:
        InputError: where there is no such folder, or a part of it cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: {why_no_folder(folder)}; it should hold the {what}")
    found = Listing()
    for path in walk(folder, without):
        found.add(path)
    return found


def why_no_folder(path: Path) -> str:
    """What is wrong with the path of something that is not a folder."""
    if path.is_file():
        if path.name.lower().endswith(ARCHIVES):
            return "is an archive; unpack it, and give the folder"
        return "is a file; give the folder"
    if path.is_symlink():
        return f"is a link to {path.readlink()}, and nothing is there"
    return "no such folder"


def walk(folder: Path, without: Sequence[Path] = ()) -> Iterator[Path]:
    """Every file below `folder`, links followed, hidden files and those of the system skipped; in no particular order.

    A link to a folder that contains it is not followed round and round.
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


def is_picture(path: Path) -> bool:
    """Whether the first bytes are those of a picture; only asked of files whose ending says nothing."""
    if path.is_symlink() and not path.exists():  # perhaps a folder of files, which would be missing
        raise InputError(f"{path}: is a link to {path.readlink()}, and nothing is there; mend or remove the link")
    if not path.is_file():  # opening a pipe would wait for ever
        return False
    try:
        with Image.open(path, formats=SNIFFED_FORMATS):
            return True
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def ending_of(path: Path) -> str:
    """For counting."""
    return path.suffix.lower() or "without ending"


def count_endings(counts: Counter[str]) -> str:
    """ "10 .heic, 2 .svg": the most frequent first."""
    more = ", ..." if len(counts) > SHOWN else ""
    return ", ".join(f"{count} {ending}" for ending, count in counts.most_common(SHOWN)) + more


def files(count: int) -> str:
    """The subject of a sentence."""
    return "1 file is" if count == 1 else f"{count} files are"


def listing(names: Iterable[str]) -> str:
    """The first few names."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + ", ..." * (len(names) > SHOWN)
