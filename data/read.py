"""Reading label maps, instance maps and photos without loss, and refusing what cannot be meant."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from util.errors import InputError

# One channel of whole numbers. A palette picture ("P") holds ids; its palette is only for the eye.
ID_MODES = {"1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"}
# What Pillow raises for files that are cut short or no pictures; SyntaxError is its word for a broken PNG.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
PNG_DEPTH_AT = 24  # byte of a PNG file that holds the bits per sample: signature 8, length 4, "IHDR" 4, sides 8
SHOWN = 4  # wrong ids named in a message


@dataclass(frozen=True)
class LabelIds:
    """Which ids label files may hold, from the options of the same names.

    Classes are 0..label_nc-1. With `contain_dontcare_label`, `unknown_value` in a file means unknown and becomes id
    label_nc. Where `unknown_value` is None, unknown is an ordinary id of the files, so all label_nc + 1 ids are.
    """

    label_nc: int
    contain_dontcare_label: bool
    unknown_value: int | None = 255

    @property
    def count(self) -> int:
        """Ordinary ids are 0..count-1."""
        return self.label_nc + (self.contain_dontcare_label and self.unknown_value is None)

    def check(self, values: np.ndarray, path: Path) -> np.ndarray:
        """Return `values` (H, W) with the unknown ones as id label_nc; raise an `InputError` for wrong ones."""
        is_unknown = (values == self.unknown_value) if self._has_unknown_value else np.zeros(values.shape, dtype=bool)
        is_wrong = ((values < 0) | (values >= self.count)) & ~is_unknown
        if is_wrong.any():
            raise InputError(self._refusal(np.unique(values[is_wrong]).tolist(), path))
        return np.where(is_unknown, np.int32(self.label_nc), values)

    @property
    def _has_unknown_value(self) -> bool:
        return self.contain_dontcare_label and self.unknown_value is not None

    def _refusal(self, wrong: list[int], path: Path) -> str:
        allowed = f"0..{self.count - 1}"
        options = []
        if self._has_unknown_value:
            allowed += f", or {self.unknown_value} for unknown"
        elif self.unknown_value in wrong:
            options.append("--contain_dontcare_label")
        classes = [value for value in wrong if value not in (self.unknown_value, 255)]
        if classes and classes[-1] >= self.count:
            options.insert(0, f"--label_nc {classes[-1] + 1 - (self.count - self.label_nc)}")
        if wrong[0] < 0:
            fix = " (negative ids cannot be used: number the classes from 0)"
        else:
            fix = f" (add {' '.join(options)}?)" if options else ""
        shown = ", ".join(map(str, wrong[:SHOWN])) + (", ..." if len(wrong) > SHOWN else "")
        return f"--label_nc {self.label_nc}: {path} holds label {shown}; ids must be {allowed}{fix}"


def read_labels(path: Path, ids: LabelIds) -> Image.Image:
    """Read a label map as class ids, mode "I"; unknown pixels are id `ids.label_nc`."""
    return Image.fromarray(ids.check(_read_whole_numbers(path), path))


def read_instances(path: Path) -> Image.Image:
    """Read an instance map, mode "I"; any whole numbers will do."""
    return Image.fromarray(_read_whole_numbers(path))


def read_image(path: Path) -> Image.Image:
    """Read a photo as RGB; grey and palette pictures are converted."""
    return _open(path).convert("RGB")


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height from the head of the file, without decoding it."""
    return _open(path, decode=False).size


def _open(path: Path, decode: bool = True) -> Image.Image:
    """Open a file. Orientation tags (EXIF) are not applied: label maps are drawn over the pixels as they are stored."""
    try:
        with Image.open(path) as picture:
            if decode:
                picture.load()
            return picture
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: cannot be read as a picture ({reason}); replace or remove the file") from error


def _read_whole_numbers(path: Path) -> np.ndarray:
    """Read one whole number a pixel without loss, 16 bits included: (H, W) int32."""
    picture = _open(path)
    if picture.mode not in ID_MODES:
        raise InputError(
            f"{path}: is a colour picture (mode {picture.mode}), not an id map; save one id per pixel, as a grey or "
            f"palette PNG"
        )
    if picture.format == "JPEG":
        raise InputError(f"{path}: JPEG changes pixel values, so it cannot hold ids; save the map as a PNG")
    values = np.asarray(picture).astype(np.int32)
    if picture.format == "PNG" and picture.mode == "L":
        # Pillow stretches grey of 2 and 4 bits, which PNG optimisers write, to 0..255.
        with path.open("rb") as file:
            bits = file.read(PNG_DEPTH_AT + 1)[PNG_DEPTH_AT]
        values //= 255 // (2**bits - 1)
    return values
