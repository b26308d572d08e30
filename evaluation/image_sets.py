"""Data sets of generated images and of their references: photos and label maps, by sample name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor
from torch.utils.data import Dataset, Subset
from tqdm import tqdm

from data import SampleDataset
from data.opening import open_image
from data.orientation import check_same_size, warn_of_turned
from data.photos import warn_of_photos
from data.preprocess import Preprocess, resize
from data.read import LabelIds, image_size, read_image, read_labels
from data.workers import QuietLoader
from options.data import DataOptions
from util.errors import InputError

Size = tuple[int, int]
"""Height and width in pixels."""

Files = dict[str, dict[str, Path]]
"""Paths by name of the sample, of "photos" and "label_maps"; empty where samples are drawn in memory."""


def to_gray_levels(image: Tensor) -> Tensor:
    """Convert a photo in [-1, 1] back to the uint8 levels it was read from.

    Rounded, not truncated as generated images are: truncation after float32 would sometimes lose one level.
    """
    return ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def as_in_files(labels: Tensor, ids: LabelIds) -> Tensor:
    """Ids (H, W) of a sample as ids of label files, which segmentation networks need: only the unknown id differs."""
    if not ids.contain_dontcare_label or ids.unknown_value is None:
        return labels
    return torch.where(labels == ids.label_nc, ids.unknown_value, labels.to(torch.int32))


def _mode_in_words(preprocess: Preprocess | None, *, fast_decode: bool, apply_exif: bool) -> str:
    """Flags that say how files are resized, for the protocol; equal text means equal results.

    Args:
        preprocess: None for samples that are drawn at the size of the images.
        fast_decode: whether photos are decoded at a fraction of their size.
        apply_exif: whether files are rotated by their EXIF orientation.
    """
    if preprocess is None:
        return "none"
    flags = " --fast_decode" * fast_decode + " --apply_exif" * apply_exif
    if preprocess.mode in ("fixed", "resize_and_crop") and preprocess.resized((1, 1)) == preprocess.output_size:
        return f"fixed{flags}"
    size = f" --load_size {preprocess.load_size}" if preprocess.mode not in ("none", "crop") else ""
    return f"{preprocess.mode}{size}{flags}"


class Truth(Dataset[dict[str, Any]], ABC):
    """Photos and label maps that generated images are compared with.

    Sample i is a dict: "index", and as requested "photo" (3, H, W) uint8, and "labels" (h, w) with ids of label files.
    """

    names: Sequence[str]  # of the samples
    size: Size  # of the images
    preprocess_mode: str  # how files are resized, for the protocol
    ids: LabelIds  # of label files
    class_names: Sequence[str]  # of the ids of label files
    class_colors: np.ndarray | None = None  # (n, 3) uint8, of these classes, if the data set has colors
    photos: bool = True  # whether samples have photos
    files: Files  # files that are read; empty if samples are drawn in memory

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    def drawn(self, index: int) -> Mapping[str, Any]:
        """All values of a sample that is drawn in memory, requested or not."""
        return self[index]


class DataSetTruth(Truth):
    """Photos and label maps of a data set, as it reads them for testing: photos bicubic, labels nearest neighbor.

    Args:
        dataset: any of `data.DATASETS`, not in training mode.
        opt: its options.
        count: number of samples, from the first; None for all.
        photos, labels: whether samples have photos, and label maps.
        whole_labels: whether label maps have the size of their files instead of the size of the images.
    """

    def __init__(
        self,
        dataset: SampleDataset,
        opt: DataOptions,
        count: int | None = None,
        *,
        photos: bool = True,
        labels: bool = True,
        whole_labels: bool = False,
    ):
        assert not opt.is_train, "crops and flips would be random"
        self.dataset = dataset
        self.photos, self.labels, self.whole_labels = photos, labels, whole_labels
        self.class_names, self.class_colors = dataset.class_names, dataset.class_colors
        self.ids = dataset.ids
        self.size = (round(opt.crop_size / opt.aspect_ratio), opt.crop_size)
        self.apply_exif = opt.apply_exif
        self.preprocess_mode = _mode_in_words(
            dataset.preprocess, fast_decode=opt.fast_decode, apply_exif=opt.apply_exif
        )
        if labels and whole_labels and dataset.preprocess:
            _check_uncropped(dataset.preprocess, dataset.paths[0].labels, opt.apply_exif)
        indices = range(len(dataset))[:count]
        # A data set that draws its samples has a name only in the sample.
        self.names = [dataset.paths[i].name if dataset.paths else dataset[i]["name"] for i in indices]
        # Always with label maps: images are generated from them.
        samples = dataset.paths[: len(indices)]
        files = {"label_maps": {sample.name: sample.labels for sample in samples}}
        if photos:
            files["photos"] = {sample.name: sample.image for sample in samples if sample.image}
        self.files = {kind: paths for kind, paths in files.items() if paths}

    def drawn(self, index: int) -> Mapping[str, Any]:
        return self.dataset[index]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Raises `InputError` for unreadable files, wrong ids, different sizes, and missing photos."""
        item: dict[str, Any] = {"index": index}
        sample = self.dataset[index]
        if self.photos:
            if "image" not in sample:
                raise InputError(
                    f"{self.names[index]}: has no photo in the data set; give --real_statistics FILE or --features none"
                )
            item["photo"] = to_gray_levels(sample["image"])
        if self.labels and self.whole_labels:
            item["labels"] = _read_whole_labels(self.dataset.paths[index].labels, self.ids, self.apply_exif)
        elif self.labels:
            item["labels"] = as_in_files(sample["labels"], self.ids)
        return item


class FolderTruth(Truth):
    """Photos and label maps from folders that the user names.

    Args:
        names: of the samples, in order.
        photos, labels: paths by name; None if not given.
        preprocess: resizes files to the size of the images; not random.
        ids: the ids of label files.
        with_labels: whether to read label maps if they are given.
        whole_labels: see `DataSetTruth`.
        apply_exif: whether to rotate files by their EXIF orientation.
    """

    def __init__(
        self,
        names: Sequence[str],
        photos: Mapping[str, Path] | None,
        labels: Mapping[str, Path] | None,
        preprocess: Preprocess,
        ids: LabelIds,
        class_names: Sequence[str],
        with_labels: bool = True,
        whole_labels: bool = False,
        apply_exif: bool = False,
    ):
        self.names = list(names)
        self.apply_exif = apply_exif
        self.photo_paths, self.label_paths = photos, labels
        self.photos = bool(photos)
        self.preprocess, self.ids, self.class_names = preprocess, ids, class_names
        self.preprocess_mode = _mode_in_words(preprocess, fast_decode=False, apply_exif=apply_exif)
        self.with_labels, self.whole_labels = with_labels, whole_labels
        width, height = preprocess.output_size
        self.size = (height, width)
        given = {"label_maps": labels, "photos": photos}
        self.files = {kind: {name: paths[name] for name in names} for kind, paths in given.items() if paths}
        if labels and whole_labels:
            _check_uncropped(preprocess, labels[self.names[0]], apply_exif)
        if not apply_exif:
            kinds = {"photos": photos, "label maps": labels}
            warn_of_turned({kind: [paths[name] for name in self.names] for kind, paths in kinds.items() if paths})
        warn_of_photos([photos[name] for name in self.names] if photos else [])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Raises `InputError` as `DataSetTruth` does."""
        item: dict[str, Any] = {"index": index}
        name = self.names[index]
        photo = self.photo_paths[name] if self.photo_paths else None
        labels = self.label_paths[name] if self.label_paths and self.with_labels else None
        if photo and labels:
            sizes = (image_size(path, self.apply_exif) for path in (labels, photo))
            check_same_size(labels, next(sizes), photo, next(sizes), self.apply_exif)
        if photo:
            pixels = self._fit(read_image(photo, upright=self.apply_exif), photo, Resampling.BICUBIC)
            item["photo"] = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        if labels and self.whole_labels:
            item["labels"] = _read_whole_labels(labels, self.ids, self.apply_exif)
        elif labels:
            ids = self._fit(read_labels(labels, self.ids, self.apply_exif), labels, Resampling.NEAREST)
            item["labels"] = as_in_files(torch.from_numpy(ids.astype(np.int32)), self.ids)
        return item

    def _fit(self, image: Image.Image, path: Path, resample: Resampling) -> np.ndarray:
        """Resize an image, with a center crop if the mode crops: (H, W) or (H, W, 3) at the size of the images."""
        size = self.preprocess.resized(image.size)
        if not self.preprocess.fits(size):
            raise InputError(
                f"--preprocess_mode {self.preprocess.mode}: {path} ({image.width}x{image.height}) becomes "
                f"{size[0]}x{size[1]}, and the generated images are {self.size[1]}x{self.size[0]}; leave out "
                f"--preprocess_mode and --load_size to have it resized to that"
            )
        return self.preprocess.draw(size).apply(resize(image, size, resample))


def _check_uncropped(preprocess: Preprocess, path: Path, upright: bool) -> None:
    """Refuse a crop for label maps at the size of their files, which must match whole images."""
    width, height = preprocess.resized(image_size(path, upright))
    if (width, height) != preprocess.output_size:
        raise InputError(
            f"--preprocess_mode {preprocess.mode}: cuts a part out of {path}, and the segmentation network sees whole "
            f"images; use --resolution 512"
        )


def _read_whole_labels(path: Path, ids: LabelIds, upright: bool) -> Tensor:
    return as_in_files(torch.from_numpy(np.asarray(read_labels(path, ids, upright)).astype(np.int32)), ids)


class GeneratedImages(Dataset):
    """Generated images from files. Sample i is a dict of "index" and "image" (3, H, W) uint8.

    Args:
        paths: in the order of the samples.
        size: required height and width.
    """

    def __init__(self, paths: Sequence[Path], size: Size):
        self.paths, self.size = list(paths), size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Raises `InputError` for a file that cannot be read, is not an RGB image or has another size."""
        path = self.paths[index]
        image = open_image(path)
        if image.mode != "RGB":
            what = {"L": "gray", "P": "a palette image", "RGBA": "transparent"}.get(image.mode, "not RGB")
            raise InputError(
                f"{path}: is {what} (mode {image.mode}), and scores are of RGB images of 8 bits a channel; if it is "
                f"an image, and no label map, save it as such"
            )
        if image.size != self.size[::-1]:
            raise InputError(
                f"{path}: is {image.width}x{image.height}, and photos and label maps are read at "
                f"{self.size[1]}x{self.size[0]}; give --crop_size {image.width} --aspect_ratio "
                f"{image.width / image.height:g} if all images are of that size"
            )
        return {"index": index, "image": torch.from_numpy(np.array(image).transpose(2, 0, 1).copy())}


def batches(
    images: Dataset, indices: Sequence[int], batch_size: int, num_workers: int, title: str, show: bool
) -> Iterator[dict[str, Tensor]]:
    """Samples of these indices, batched, with a progress bar if `show`."""
    # With its own generator, so that scores in training do not change the training's random numbers.
    generator = torch.Generator().manual_seed(0)
    loader = QuietLoader(Subset(images, indices), batch_size, num_workers=num_workers, generator=generator)
    return iter(tqdm(loader, desc=title, unit="batch", dynamic_ncols=True, disable=not show))
