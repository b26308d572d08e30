"""Label maps and photos that a Python program holds in memory, or computes, in place of files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.conditions import IMAGE_CHANNELS, checked_maps, condition_of_image, read_condition
from data.custom import CustomDataset
from data.id_maps import ONE_CHANNEL, read_ids
from data.pixels import Pixels
from data.preprocess import Preprocess
from data.read import LabelIds, as_rgb, read_image
from data.sample import Sample, SampleDataset
from util.colormap import voc_colors
from util.errors import InputError


class ArrayDataset(SampleDataset):
    """The items of a sequence or of a torch Dataset, resized, cropped and flipped as files of `CustomDataset` are.

    Args:
        items: has `len(items)` and `items[index]`: (labels, photo), or a dict of "labels", "image" and perhaps
            "instances"; see `ids_of` and `photo_of`. With `opt.input_nc` the labels are conditioning images, see
            `condition_of`. The three of an item have the same size.
        opt: training options.
        class_names, class_colors: of every class; by default those of the data file `opt.data`, or numbered classes.
    Raises:
        InputError: the names or colors are not those of all classes, or there are no items; also of reading an item
            that cannot be used.
    """

    preset = CustomDataset.preset

    def __init__(self, items: Any, opt, class_names: Sequence[str] | None = None, class_colors: Any = None):
        super().__init__(opt)
        if class_names is not None:
            self.class_names, self.class_colors = named_classes(opt, class_names, class_colors)
        self.items, self.takes_instances, self.input_nc = items, opt.instance, opt.input_nc
        if not len(items):
            raise InputError("the data set: holds no samples")
        self.preprocess: Preprocess = Preprocess(
            opt.preprocess_mode, opt.load_size, opt.crop_size, opt.aspect_ratio, random=opt.is_train, flip=opt.flip
        )

    @classmethod
    def label_ids(cls, opt) -> LabelIds:
        """Those of `CustomDataset`."""
        return CustomDataset.label_ids(opt)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        """Prepare one item."""
        name = self.describe(index)
        item = maps_of(self.items[index], name)
        if self.input_nc:
            labels = condition_of(item["labels"], self.input_nc, f"{name}, labels")
            size = (labels.shape[1], labels.shape[0])
        else:
            labels = Image.fromarray(self.ids.check(ids_of(item["labels"], f"{name}, labels"), Path(name)))
            size = labels.size
        photo = photo_of(item["image"], f"{name}, image")
        instances = None
        if self.takes_instances:
            if item.get("instances") is None:
                raise InputError(f"{name}: has no instances, unlike the first one; give all, or instance=False")
            instances = Image.fromarray(ids_of(item["instances"], f"{name}, instances"))
        for what, image in (("instances", instances), ("image", photo)):
            if image is not None and image.size != size:
                sizes = " and ".join("{}x{}".format(*each) for each in (size, image.size))
                raise InputError(f"{name}: labels and {what} are {sizes}; they must have the same size")
        self.preprocess.check(size, Path(name))
        pixels = Pixels.resized(labels, instances, photo, self.preprocess.resized(size), self.ids.dtype)
        return pixels.cut(f"{index:05d}", self.preprocess.draw(pixels.size))


def maps_of(item: Any, name: str) -> dict[str, Any]:
    """An item of `ArrayDataset` as a dict. Raises `InputError`, with its `name`, for anything else."""
    if isinstance(item, dict) and {"labels", "image"} <= item.keys():
        return item
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return {"labels": item[0], "image": item[1]}
    found = f"a dict of {', '.join(map(str, item)) or 'nothing'}" if isinstance(item, dict) else type(item).__name__
    raise InputError(f"{name}: is {found}; must be (labels, image), or a dict of labels, image and perhaps instances")


def ids_of(value: Any, name: str, dimensions: tuple[int, ...] = (2,)) -> np.ndarray:
    """One integer per pixel, (H, W) uint8 or int32, of an array, a tensor, a gray or palette image, or a file of ids.

    Args:
        name: for the message.
        dimensions: how many the array may have; (2, 3) also allows (N, H, W).
    Raises:
        InputError: the values are not integers of 32 bits, or the shape is another one.
    """
    if isinstance(value, (str, os.PathLike)):
        return read_ids(Path(value))
    if isinstance(value, Image.Image) and value.mode not in ONE_CHANNEL:
        raise InputError(f"{name}: an image of mode {value.mode}; must hold one id per pixel, gray or palette")
    try:
        ids = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        raise InputError(f"{name}: is no array; must be integers of one shape") from None
    if ids.ndim not in dimensions or 0 in ids.shape:
        shapes = {2: "(H, W)", 3: "(N, H, W)"}
        raise InputError(f"{name} {ids.shape}: must be {' or '.join(shapes[count] for count in dimensions)}")
    if ids.dtype.kind not in "iub":
        raise InputError(f"{name} {ids.dtype}: must be integers")
    limits = np.iinfo(np.int32)
    if ids.itemsize >= 4 and not limits.min <= int(ids.min()) <= int(ids.max()) <= limits.max:
        raise InputError(f"{name} {ids.min()}..{ids.max()}: must be integers of 32 bits")
    # As `read_ids`: Pillow resizes 16 bits differently.
    return ids.astype(np.uint8 if ids.dtype.kind in "ub" and ids.itemsize == 1 else np.int32)


def condition_of(value: Any, input_nc: int, name: str) -> np.ndarray:
    """A conditioning image (H, W, input_nc), uint8 or float32, of an array or tensor, a Pillow image, or a file.

    Arrays of uint8 are pixels of an image, (H, W, input_nc), or (H, W) for 1 channel; of floating-point numbers they
    are maps as `data.conditions.checked_maps` takes them. Raises `InputError`, with the `name`, for others.
    """
    if isinstance(value, (str, os.PathLike)):
        return read_condition(Path(value), input_nc)
    if isinstance(value, Image.Image):
        if input_nc not in IMAGE_CHANNELS:
            raise InputError(f"{name}: an image, and these networks take {input_nc} channels; give an array")
        return condition_of_image(value, input_nc, name)
    values = np.asarray(value)
    if values.dtype != np.uint8:
        return checked_maps(values, input_nc, name)
    pixels = values[..., None] if values.ndim == 2 else values
    if pixels.ndim != 3 or pixels.shape[2] != input_nc or 0 in pixels.shape:
        raise InputError(f"{name} {values.shape} uint8: must be (H, W, {input_nc})")
    return pixels


def photo_of(value: Any, name: str) -> Image.Image:
    """An RGB photo of an array or tensor (H, W, 3) uint8, an image, or a file. Raises `InputError` for others."""
    if isinstance(value, (str, os.PathLike)):
        return read_image(Path(value))
    if isinstance(value, Image.Image):
        return as_rgb(value, name)
    pixels = np.asarray(value)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or pixels.dtype != np.uint8:
        fix = ""
        if pixels.ndim == 3 and pixels.shape[0] == 3:
            fix = "; a tensor in 0..1 becomes one by (255 * image).round().byte().permute(1, 2, 0)"
        raise InputError(f"{name} {pixels.shape} {pixels.dtype}: must be (H, W, 3) uint8{fix}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def named_classes(opt, class_names: Sequence[str], class_colors: Any = None) -> tuple[tuple[str, ...], np.ndarray]:
    """Names, and colors (num_labels, 3) uint8, for the classes of `opt`; "unknown" in black may be left out.

    Args:
        class_colors: (number of names, 3), in 0..255; those of PASCAL VOC by default.
    Raises:
        InputError: there are more or fewer than classes.
    """
    if isinstance(class_names, str):
        raise InputError(f"class_names {class_names!r}: must be a list of names, in the order of the ids")
    names = tuple(map(str, class_names))
    colors = voc_colors(len(names)) if class_colors is None else np.asarray(class_colors)
    if colors.shape != (len(names), 3) or not colors.size or colors.min() < 0 or colors.max() > 255:
        raise InputError(f"class_colors {colors.shape}: must be ({len(names)}, 3), of red, green and blue in 0..255")
    if opt.contain_dontcare_label and len(names) == opt.label_nc:
        names, colors = (*names, "unknown"), np.vstack([colors, np.zeros((1, 3), dtype=np.uint8)])
    if len(names) != opt.label_nc + opt.contain_dontcare_label:
        raise InputError(f"class_names: are {len(names)}, and label_nc is {opt.label_nc}; name every class")
    return names, colors.astype(np.uint8)
