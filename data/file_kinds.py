"""Explanations for files that cannot be read as images: a table of first bytes, what they mean, and what to do."""

import errno
import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

# What Pillow raises for files that are truncated or not images; for a broken PNG that is a SyntaxError.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
HEAD = 4096  # bytes of a file that the patterns are matched with
SHOWN = 40  # characters of a text that a message shows

GET_AGAIN = "get or save it again"
EXPORT = "export it as PNG from the program that wrote it"
UNPACK = "unpack it"
DELETE = "delete it; the image is another file"
TO_LABELS = "draw it as a map of one id per pixel, with the tool that wrote it"
SEE_TEXT = "look into the file to see what the server said, and download the image again"


class Kind(NamedTuple):
    """A kind of file that is not an image: pattern of its first `HEAD` bytes, description, and fix."""

    pattern: bytes
    what: str
    fix: str


# The first row that matches counts, so specific patterns come before general ones.
KINDS = tuple(
    (re.compile(kind.pattern, re.DOTALL), kind)
    for kind in (
        # Pointers and notes in the place of a file
        Kind(rb"version https?://git-lfs\.", "a Git LFS pointer, not the file it names", "run `git lfs pull`"),
        Kind(rb"[./\w]{0,99}/?annex/objects/", "a git-annex pointer, not the file it names", "run `git annex get`"),
        Kind(rb"(outs|wdir|md5|deps):\s", "a DVC pointer, not the file it names", "run `dvc pull`"),
        Kind(rb"\[ZoneTransfer\]", "a Zone.Identifier, Windows' note on where a file came from", DELETE),
        Kind(rb"\x00\x05\x16[\x00\x07]", "an AppleDouble file, macOS's notes on another file", DELETE),
        Kind(rb"\[InternetShortcut\]|L\x00{3}\x01\x14\x02\x00|book\x00{4}mark", "a shortcut", "copy what it leads to"),
        # Texts
        Kind(rb"(?i)\s*(<!--.{0,999}-->\s*)?<(!doctype html|html|head|body)", "a web page, mostly an error or a login",
             SEE_TEXT),
        Kind(rb"\s*(<\?xml.*)?<svg\b", "an SVG drawing", EXPORT),
        Kind(rb"\s*(<\?xml.{0,999}?>\s*)?<annotation\b", "an annotation in XML, not an image", TO_LABELS),
        Kind(rb"(?i)\s*(<\?xml|<error\b)", "an XML text, mostly an error of cloud storage", SEE_TEXT),
        Kind(rb'\s*[\[{].*"(shapes|annotations|segmentation|polygon|objects|regions|imagePath)"',
             "an annotation in JSON, not an image", TO_LABELS),
        Kind(rb'\s*(\{\s*["}]|\[\s*[\[{"\]])', "a JSON text", SEE_TEXT),
        # Arrays and medical volumes
        Kind(rb"PK\x03\x04.{26}[^/]{0,200}\.npy", "a NumPy archive (NPZ)", "save each array as a PNG"),
        Kind(rb"\x93NUMPY", "a NumPy array (NPY)", "save it as a PNG"),
        Kind(rb"MATLAB [57]", "a MATLAB file (MAT)", "save the matrix as a PNG (imwrite)"),
        Kind(rb"\x89HDF\r\n", "an HDF5 file", "save its arrays as PNGs"),
        Kind(rb".{128}DICM", "a DICOM file", EXPORT),
        Kind(rb".{344}(n\+1|ni1)\x00", "a NIfTI volume", "save its slices as PNGs"),
        Kind(rb"NRRD000|ObjectType\s*=", "a medical volume (NRRD or MetaImage)", "save its slices as PNGs"),
        Kind(rb"\x80[\x02-\x05](\x95|}|\]|\(|c)", "a Python pickle", "save what it holds as PNGs"),
        # Archives
        Kind(rb"PK\x03\x04|PK\x05\x06", "a ZIP archive", UNPACK),
        Kind(rb"\x1f\x8b", "a gzip archive", UNPACK),
        Kind(rb"BZh[1-9]|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd|LZIP", "an archive", UNPACK),
        Kind(rb".{257}ustar", "a tar archive", UNPACK),
        # Images, documents and films of other formats
        Kind(rb".{4}ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)", "a HEIC image", "convert it to PNG"),
        Kind(rb".{4}ftypavi[fs]", "an AVIF image, damaged or not read by this Pillow", "convert it to PNG"),
        Kind(rb".{4}ftypcrx|IIU\x00|IIR[OS]|MMOR|FUJIFILMCCD-RAW|II\x1a\x00{3}HEAPCCDR|FOVb", "a camera's raw file",
             "develop it as PNG"),
        Kind(rb".{4}ftyp|RIFF.{4}AVI |\x1aE\xdf\xa3|\x00\x00\x01\xba", "a film", "save its frames as PNGs"),
        Kind(rb"\xff\x0a|\x00{3}\x0cJXL ", "a JPEG XL image", "convert it to PNG"),
        Kind(rb"8BPS", "a Photoshop document (PSD)", EXPORT),
        Kind(rb"gimp xcf", "a GIMP document (XCF)", EXPORT),
        Kind(rb"%PDF", "a PDF document", EXPORT),
        Kind(rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document", EXPORT),
        Kind(rb"v/1\x01|#\?R", "an image of high dynamic range (OpenEXR or Radiance)", "convert it to PNG"),
        Kind(rb"\x00+\Z", "zero bytes in the place of an image: never written, or not brought here yet", GET_AGAIN),
    )
)  # fmt: skip
# Error number of the system -> what is wrong, and the fix.
SYSTEM: dict[int | None, tuple[str, str]] = {
    errno.ENOENT: ("there is no such file", "check the path"),
    errno.EACCES: ("permission denied", "check its permissions"),
    errno.EPERM: ("permission denied", "check its permissions"),
    errno.EISDIR: ("it is a folder", "move it away or rename it"),
    errno.ELOOP: ("it is a link that leads to itself", "replace or remove it"),
    errno.EIO: ("the disk fails to read it", "check the disk"),
}


def describe_unreadable(path: Path, error: Exception) -> str:
    """Explain in one line why Pillow or the system refused a file with `error` (one of `UNREADABLE`)."""
    what, fix = _explain(path, error)
    return f"{path}: cannot be read as an image ({what}); {fix}"


def _explain(path: Path, error: Exception) -> tuple[str, str]:
    if isinstance(error, Image.DecompressionBombError):
        return _too_large(path)
    if isinstance(error, OSError) and error.errno is not None:
        return _refused_by_system(path, error)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as refusal:
        return _refused_by_system(path, refusal)
    if not head:
        return "it is empty, 0 bytes", GET_AGAIN
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 text, as Windows programs write
        head = head.decode("utf-16", errors="ignore").encode()
    head = head.removeprefix(b"\xef\xbb\xbf")
    for pattern, kind in KINDS:
        if pattern.match(head):
            return f"it is {kind.what}", kind.fix
    if text := _as_text(head):
        return f'it is a text that begins "{text}"', "replace or remove the file"
    if not isinstance(error, UnidentifiedImageError):
        reason = str(error).partition("\n")[0] or type(error).__name__
        return f"{reason}: damaged or cut short", GET_AGAIN
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _unusual_tiff(path), "save it with 8 or 16 bits a pixel, as a PNG where you can"
    return "its first bytes are those of no format that is read here", "replace or remove the file"


def _refused_by_system(path: Path, error: OSError) -> tuple[str, str]:
    if path.is_symlink() and error.errno == errno.ENOENT:
        target = os.readlink(path)  # noqa: PTH115 (as it is written, not as a path of this system)
        tools = {"annex/objects": "run `git annex get`", ".dvc/cache": "run `dvc pull`"}
        fix = next((fix for part, fix in tools.items() if part in target.replace("\\", "/")), "replace or remove it")
        return f"it is a link to {target}, which is not there", fix
    what = (error.strerror or str(error), "check path and permissions")
    return SYSTEM.get(error.errno, what)


def _too_large(path: Path) -> tuple[str, str]:
    """Report the size of an image that Pillow takes for a decompression bomb, and the limit."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # only the header is read, which is safe
    try:
        with Image.open(path) as image:
            width, height = image.size
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    what = f"it is {width}x{height}, {width * height:,} pixels, and at most {2 * (limit or 0):,} are read"
    return what, "cut photo and label map into equal tiles, or scale both down"


def _as_text(head: bytes) -> str:
    """Return the beginning of a UTF-8 text; "" for anything else."""
    text = head.decode(errors="ignore")
    is_text = len(text.encode()) > len(head) - 4 and all(char.isprintable() or char.isspace() for char in text)
    return " ".join(text.split())[:SHOWN] if is_text else ""


def _unusual_tiff(path: Path) -> str:
    """Describe the pixel format of a TIFF that Pillow does not support, from the tags of its first page."""
    numbers = {1: "unsigned whole numbers", 2: "signed whole numbers", 3: "floating-point numbers"}
    try:
        with path.open("rb") as file:
            tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
            file.seek(tags.next)
            tags.load(file)
            bits, kinds = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)), tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))
        return f"it is a TIFF of {len(bits)} x {bits[0]}-bit {numbers.get(kinds[0], 'numbers')}, which is not read here"
    except (*UNREADABLE, LookupError, TypeError):
        return "it is a TIFF, damaged or of a kind that is not read here"
