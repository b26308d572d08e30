"""Conditioning images: what networks of `--input_nc` take in place of label maps, as (H, W, channels)."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor

from data.opening import Size, image_size
from data.preprocess import resize
from data.read import as_rgb, read_image
from util.errors import InputError

ARRAYS = ".npy"
"""Extension of files that hold maps of any number of channels; image files have 1 or 3."""
IMAGE_CHANNELS = {1: "L", 3: "RGB"}
"""Pillow's modes of image files, by number of channels."""


def map_size(path: Path, input_nc: int, upright: bool = False) -> Size:
    """Width and height of a label map, or with `input_nc` of a conditioning image, from the file's header.

    Raises `InputError` as reading it does.
    """
    if not input_nc or path.suffix.lower() != ARRAYS:
        return image_size(path, upright)
    height, width, _ = _channels_last(_opened(path), input_nc, path).shape
    return width, height


def read_condition(path: Path, input_nc: int, upright: bool = False) -> np.ndarray:
    """Read a conditioning image.

    Args:
        input_nc: channels; image files are converted to gray for 1 and to RGB for 3, as photos are.
        upright: apply the EXIF orientation of image files.
    Returns:
        (H, W, input_nc): uint8 of an image file, float32 of an array, whose values are left as they are.
    Raises:
        InputError: the file cannot be read, or holds other channels, integers, or values that are not finite.
    """
    if path.suffix.lower() == ARRAYS:
        return checked_maps(_opened(path), input_nc, path)
    if input_nc not in IMAGE_CHANNELS:
        raise InputError(
            f"--input_nc {input_nc}: {path} is an image file, which has 1 channel or 3; save maps of {input_nc} "
            f"channels as floating-point numbers in a {ARRAYS} file"
        )
    return condition_of_image(read_image(path, upright=upright), input_nc, path)


def condition_of_image(image: Image.Image, input_nc: int, name: Path | str) -> np.ndarray:
    """The pixels (H, W, input_nc) uint8 of a decoded image as gray for 1 channel, or as RGB for 3."""
    pixels = np.asarray(as_rgb(image, name).convert(IMAGE_CHANNELS[input_nc]))
    return pixels.reshape(*pixels.shape[:2], input_nc)


def checked_maps(values: np.ndarray, input_nc: int, name: Path | str) -> np.ndarray:
    """Floating-point maps (input_nc, H, W) or (H, W, input_nc), for 1 channel also (H, W), as (H, W, input_nc) float32.

    An array that may be either is taken for the first. Raises `InputError`, with the `name`, for others.
    """
    maps = np.array(_channels_last(values, input_nc, name), dtype=np.float32, order="C")
    if not np.isfinite(maps).all():
        raise InputError(f"{name}: holds values that are not finite in 32 bits; replace NaN and infinity")
    return maps


def _channels_last(values: np.ndarray, input_nc: int, name: Path | str) -> np.ndarray:
    if values.dtype.kind not in "fb":
        raise InputError(
            f"{name}: holds {values.dtype}; save floating-point numbers, of the values that the networks are to see "
            f"(those of images are in -1..1)"
        )
    if values.ndim == 2 and input_nc == 1:
        values = values[None]
    if values.ndim == 3 and values.size:
        if values.shape[0] == input_nc:
            return values.transpose(1, 2, 0)
        if values.shape[2] == input_nc:
            return values
    raise InputError(
        f"--input_nc {input_nc}: {name} has the shape {values.shape}; it must be ({input_nc}, height, width) or "
        f"(height, width, {input_nc})"
    )


def _opened(path: Path) -> np.ndarray:
    """An array of a file, of which no more than the header is read yet."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "damaged, cut short, or pickled"
        raise InputError(f"{path}: cannot be read as a NumPy array ({reason}); save it again by numpy.save") from error


def resize_condition(values: np.ndarray, size: Size) -> np.ndarray:
    """Resize (H, W, channels) to (width, height) with antialiasing: pixels of images bicubic, as photos; maps bilinear.

    Bilinear values lie between those that they are made of, so probabilities stay such.
    """
    if values.dtype == np.uint8:
        image = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
        return resize(image, size, Resampling.BICUBIC).reshape(size[1], size[0], -1)
    if size == values.shape[1::-1]:
        return values
    channels = (Image.fromarray(np.ascontiguousarray(values[..., c])) for c in range(values.shape[2]))
    return np.stack([resize(channel, size, Resampling.BILINEAR) for channel in channels], axis=-1)


def condition_to_tensor(values: np.ndarray) -> Tensor:
    """(H, W, channels) -> (channels, H, W) float32: pixels of images in [-1, 1], as photos; maps as they are."""
    tensor = torch.from_numpy(np.array(values.transpose(2, 0, 1), order="C"))
    return tensor.float().div_(127.5).sub_(1) if values.dtype == np.uint8 else tensor
