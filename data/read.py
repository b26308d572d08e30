"""Reading label maps, instance maps and photos without loss; ids that are not allowed are refused."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data.editions import IdEdition
from data.id_advice import remedy
from data.id_maps import ONE_CHANNEL, read_ids
from data.opening import Size, image_size, open_image
from data.palette import Palette, ids_of_mask
from util.errors import InputError

__all__ = ["LabelIds", "image_size", "read_image", "read_instances", "read_labels"]

SHOWN = 4  # wrong ids named in a message


@dataclass(frozen=True)
class LabelIds:
    """The ids that label files may hold, from the options of the same names.

    Classes are 0..label_nc-1. With `contain_dontcare_label`, `unknown_value` in a file means unknown and becomes id
    label_nc. If `unknown_value` is None, unknown is an ordinary id of the files, and all label_nc + 1 ids are ordinary.
    `fixed` says why options cannot change this, and what to do; if it is empty, error messages propose options.
    `editions` are other editions of the data set, whose ids error messages explain. With a `palette`, label files show
    its colors, and these are its ids. Ids of `gaps` are below label_nc, but no class has them.
    """

    label_nc: int
    contain_dontcare_label: bool
    unknown_value: int | None = 255
    fixed: str = ""
    editions: tuple[IdEdition, ...] = ()
    palette: Palette | None = None
    gaps: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Ordinary ids are 0..count-1."""
        return self.label_nc + (self.contain_dontcare_label and self.unknown_value is None)

    @property
    def dtype(self) -> type[np.signedinteger] | type[np.uint8]:
        """The smallest integer type that holds every id; that of samples and cache entries."""
        largest = self.label_nc + self.contain_dontcare_label - 1
        return np.uint8 if largest < 2**8 else np.int16 if largest < 2**15 else np.int32

    def check(self, values: np.ndarray, path: Path) -> np.ndarray:
        """Return `values` (H, W) as `dtype`, with unknown as id label_nc. Raises `InputError` for other values."""
        if values.dtype == np.uint8 and self.unknown_value in (None, 255) and self.count < 256 and not self.gaps:
            # Equal to the code below, in two passes over bytes: adding 1 wraps 255 to 0, so allowed ids are one range.
            shift = int(self._has_unknown_value)
            shifted = values + np.uint8(shift)
            if shifted.max() < self.count + shift:
                return np.minimum(values, np.uint8(self.label_nc), out=shifted) if shift else values
        is_unknown = (values == self.unknown_value) if self._has_unknown_value else np.zeros(values.shape, dtype=bool)
        is_wrong = ((values < 0) | (values >= self.count) | np.isin(values, self.gaps)) & ~is_unknown
        if is_wrong.any():
            raise InputError(self._refusal(np.unique(values).tolist(), np.unique(values[is_wrong]).tolist(), path))
        return np.where(is_unknown, np.int32(self.label_nc), values).astype(self.dtype)

    @property
    def _has_unknown_value(self) -> bool:
        return self.contain_dontcare_label and self.unknown_value is not None

    def _refusal(self, values: list[int], wrong: list[int], path: Path) -> str:
        allowed = (
            f"0..{self.count - 1}"
            + f" but for {', '.join(map(str, self.gaps[:SHOWN]))}" * bool(self.gaps)
            + f", or {self.unknown_value} for unknown" * self._has_unknown_value
        )
        shown = ", ".join(map(str, wrong[:SHOWN])) + (", ..." if len(wrong) > SHOWN else "")
        fix = remedy(values, wrong, self)
        return f"--label_nc {self.label_nc}: {path} holds label {shown}; ids must be {allowed}{fix}"


def read_labels(path: Path, ids: LabelIds, upright: bool = False) -> Image.Image:
    """Read a label map as class ids, in mode "L" or "I" as required; unknown pixels get id `ids.label_nc`.

    Args:
        upright: apply the EXIF orientation (--apply_exif); here and below.
    """
    values = read_ids(path, upright) if ids.palette is None else ids_of_mask(path, ids.palette, upright)
    return Image.fromarray(ids.check(values, path))


def read_instances(path: Path, upright: bool = False) -> Image.Image:
    """Read an instance map, in mode "L" or "I" as required; all integers are allowed."""
    return Image.fromarray(read_ids(path, upright))


def read_image(path: Path, draft: Size | None = None, upright: bool = False) -> Image.Image:
    """Read a photo as RGB; gray and palette images are converted.

    Args:
        draft: (width, height) that suffices. A JPEG at least twice as large is decoded at 1/2, 1/4 or 1/8 of its size,
            which is quicker and changes pixels slightly. Other files are decoded at full size.
    """
    return as_rgb(open_image(path, upright, draft), path)


def as_rgb(image: Image.Image, name: Path | str) -> Image.Image:
    """A decoded photo as RGB. Raises `InputError`, with its `name`, for pixels that cannot be converted."""
    if image.mode == "RGB":
        return image
    if image.mode in ONE_CHANNEL and np.asarray(image).itemsize > 1:
        # 16 bits per pixel: Pillow's own conversion clips at 255, which turns nearly everything white.
        values = np.asarray(image)
        if image.format not in ("PNG", "PPM") and not image.mode.startswith("I;16"):
            raise InputError(
                f"{name}: a photo of 32 bits or of signed 16 bits a pixel (mode {image.mode}); save it with 8 bits, "
                f"or 16 unsigned ones"
            )
        image = Image.fromarray((values.astype(np.int32) >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise InputError(f"{name}: a photo of floating-point pixels; save it with 8 or 16 bits")
    elif image.mode == "La":  # gray with premultiplied alpha, which Pillow converts to RGB in two steps only
        image = image.convert("LA")
    image.info.pop("transparency", None)  # otherwise the conversion would warn
    return image.convert("RGB")
