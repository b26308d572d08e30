"""Resizing, cropping and flipping samples to the network's size, the same for label map, instance map and photo."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing
import torch
from PIL import Image
from torch import Tensor

from util.errors import InputError

Size = tuple[int, int]  # width, height, in Pillow's order


@dataclass(frozen=True)
class Geometry:
    """Transform of the resized pixels of one sample: crop (left, top, right, bottom), then horizontal flip."""

    crop: tuple[int, int, int, int]
    flip: bool

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Transform ids (H, W) or a photo (H, W, 3); the result is a view."""
        left, top, right, bottom = self.crop
        pixels = pixels[top:bottom, left:right]
        return pixels[:, ::-1] if self.flip else pixels


@dataclass(frozen=True)
class Preprocess:
    """The preprocessing given by the options of the same names.

    Every sample must get the size of the network's images: crop_size wide and round(crop_size / aspect_ratio) high.
    With `random` (training), the crop position and, with `flip`, the flip are drawn from torch's generator; otherwise
    the crop is centered and not flipped. (The published code also drew test crops at random, and cropped squares only.)
    """

    mode: str
    load_size: int
    crop_size: int
    aspect_ratio: float
    random: bool
    flip: bool

    @property
    def output_size(self) -> Size:
        """Width and height of the network's images."""
        return self.crop_size, round(self.crop_size / self.aspect_ratio)

    @property
    def crops(self) -> bool:
        """Whether the mode crops the resized image."""
        return self.mode.endswith("crop")

    def resized(self, size: Size) -> Size:
        """Size of an image of `size` after the resizing step."""
        return RESIZE[self.mode](self, *size)

    def fits(self, size: Size) -> bool:
        """Whether a resized image of `size` has the network's size or can be cropped to it."""
        (width, height), (wanted_width, wanted_height) = size, self.output_size
        return (width >= wanted_width and height >= wanted_height) if self.crops else size == self.output_size

    def check(self, size: Size, path: Path) -> None:
        """Raise an `InputError` with a fix if a file of `size` cannot be brought to the network's size."""
        resized = self.resized(size)
        if self.fits(resized):
            return
        wanted = "{}x{}".format(*self.output_size)
        came_out = f"--preprocess_mode {self.mode}: {path} ({size[0]}x{size[1]}) becomes {resized[0]}x{resized[1]}"
        if not self.crops:
            raise InputError(
                f"{came_out}, but the network makes {wanted} (--crop_size wide, --aspect_ratio); use "
                f"resize_and_crop, fixed or scale_shortside_and_crop, which suit photos of any shape"
            )
        remedy = "use scale_shortside_and_crop, or a smaller --crop_size"
        if self.mode != "crop":  # the default --load_size would shrink with a smaller --crop_size
            remedy = f"use --load_size {self._load_size_that_fits(size)} or more"
        raise InputError(f"{came_out}, too small to crop {wanted} from; {remedy}")

    def _load_size_that_fits(self, size: Size) -> int:
        for load_size in itertools.count(self.load_size + 1):
            candidate = Preprocess(self.mode, load_size, self.crop_size, self.aspect_ratio, False, False)
            if candidate.fits(candidate.resized(size)):
                return load_size
        raise AssertionError("every resizing mode grows with load_size")

    def draw(self, resized: Size) -> Geometry:
        """Choose crop and flip for a sample of size `resized` whose files have passed `check`."""
        width, height = self.output_size
        room_x, room_y = resized[0] - width, resized[1] - height
        if self.random:
            # x, then y, then flip, in every mode, as in the published code: the modes consume the same random numbers.
            left = int(torch.randint(room_x + 1, ()))
            top = int(torch.randint(room_y + 1, ()))
            flip = bool(torch.rand(()) < 0.5) and self.flip
        else:
            left, top, flip = room_x // 2, room_y // 2, False
        return Geometry((left, top, left + width, top + height), flip)


OWN_SIZE = "own_size"
"""The mode of `OwnSize`, which is no choice of --preprocess_mode."""


class OwnSize(Preprocess):
    """Keeps every sample as it is in its files, for networks that make images of any size."""

    def resized(self, size: Size) -> Size:
        return size

    def fits(self, size: Size) -> bool:
        return True

    def draw(self, resized: Size) -> Geometry:
        return Geometry((0, 0, *resized), False)


def _load_size(p: Preprocess, width: int, height: int) -> Size:
    # The published code resizes to a square for every aspect ratio; equal to this if the ratio is 1.
    return p.load_size, round(p.load_size / p.aspect_ratio)


def _keep(p: Preprocess, width: int, height: int) -> Size:
    return width, height


def _scale_width(p: Preprocess, width: int, height: int) -> Size:
    return p.load_size, max(1, p.load_size * height // width)


def _scale_shortside(p: Preprocess, width: int, height: int) -> Size:
    # The published code scaled the long side only, which distorted the image.
    short = min(width, height)
    return p.load_size * width // short, p.load_size * height // short


def _fixed(p: Preprocess, width: int, height: int) -> Size:
    return p.output_size


def _multiple_of_32(p: Preprocess, width: int, height: int) -> Size:
    return max(32, round(width / 32) * 32), max(32, round(height / 32) * 32)


# Mode -> function of the preprocessing and of the file's width and height that returns the size after resizing.
RESIZE: dict[str, Callable[[Preprocess, int, int], Size]] = {
    "resize_and_crop": _load_size,
    "crop": _keep,
    "scale_width": _scale_width,
    "scale_width_and_crop": _scale_width,
    "scale_shortside": _scale_shortside,
    "scale_shortside_and_crop": _scale_shortside,
    "fixed": _fixed,
    "none": _multiple_of_32,
}


def resize(image: Image.Image, size: Size, resample: Image.Resampling) -> np.ndarray:
    """Resize with Pillow; return (H, W), or (H, W, 3) for a photo, in the image's dtype.

    Args:
        resample: NEAREST for ids, BICUBIC (antialiased) for photos.
    """
    return np.asarray(image if image.size == size else image.resize(size, resample))


def ids_to_tensor(ids: np.ndarray, dtype: np.typing.DTypeLike) -> Tensor:
    """Turn ids (H, W) into a tensor of the torch dtype that corresponds to `dtype`."""
    return torch.from_numpy(np.array(ids, dtype=dtype, order="C"))


def image_to_tensor(pixels: np.ndarray | Image.Image) -> Tensor:
    """Turn RGB pixels (H, W, 3) uint8 into (3, H, W) float32 in [-1, 1]."""
    # Transposed as bytes, which is quicker than as floats of four times the size.
    channels_first = np.array(np.asarray(pixels).transpose(2, 0, 1), order="C")  # (3, H, W)
    return torch.from_numpy(channels_first).float().div_(127.5).sub_(1)
