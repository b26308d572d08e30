"""Samples of SIMS: those of a data set, with a canvas of segments and the layout that fits it."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from data.disparity import DisparityMaps
from data.sample import DerivedDataset, Sample, SampleDataset
from data.sims.alignment import segment_maps
from data.sims.bank import HOW_TO_BUILD, Bank
from data.sims.canvas import Canvas, Segment, back_to_front
from data.sims.components import Component, components
from data.sims.ordering import order_pairs, pair_maps
from data.sims.retrieval import find_segment
from data.sims.roles import Roles
from data.sims.scene import Scene, canvas_maps
from data.sims.training import OTHER_IMAGES, RECOLORED, Match, compose_own
from util.errors import InputError

MOST_SEGMENTS = 10  # of a sample (published)
MOST_PAIRS = 10


class CanvasDataset(DerivedDataset):
    """Samples with the maps "canvas" and "changed_labels".

    In testing, segments of training photos are pasted. In training, pixels of the photo itself are, within the masks of
    other images' segments, and sometimes in their colors. Segments of the same image never count.

    With --align_segments and --order_segments, samples of a training have what networks learn about segments from, and
    those of a test a "scene" in place of a canvas, because the networks decide about that.

    In training, random numbers come from torch's main generator, after those of the data set. In testing they follow
    from the seed and the sample's name, so each label map has one canvas, in whatever order they are read.

    Args:
        dataset: the samples, of the bank's size.
        bank: the segments.
        images: the images of the bank in its order, with photos; see `whole_images`.
        opt: of training or testing.
    """

    def __init__(self, dataset: SampleDataset, bank: Bank, images: SampleDataset, opt):
        super().__init__(dataset)
        self.bank, self.images = bank, images
        self.is_train, self.seed = opt.is_train, opt.seed
        self.aligns, self.orders = opt.align_segments, opt.order_segments
        self.roles = Roles.of(dataset.class_names)
        self.holds_own = opt.phase == bank.options["phase"]  # names of another phase mean other images

    def __getitem__(self, index: int) -> Sample:
        """Read a sample, and add its canvas. Raises `InputError` for files that cannot be read."""
        sample = self.dataset[index]
        own = self.bank.places.get(sample["name"]) if self.holds_own else None
        if self.is_train:
            random = np.random.default_rng(int(torch.randint(2**63 - 1, ())))
            maps = canvas_maps(self.for_training(sample["labels"].numpy(), photo_of(sample), own, random))
            # Their random numbers come after those of the canvas, which is the same with and without them.
            sample = self.with_segments(sample, random)
        else:
            scene = self.scene(sample, own)
            if self.aligns or self.orders:
                return {**sample, "scene": scene}
            maps = scene.compose()
        canvas, changed_labels = maps
        return {**sample, "canvas": canvas, "changed_labels": changed_labels}

    def scene(self, sample: Sample, own: int | None) -> Scene:
        """The label map of a sample with its segments, none of them of the image `own` of the bank."""
        labels, pasted = sample["labels"].numpy(), []
        for component in back_to_front(self.components(labels), self.roles):
            place = find_segment(self.bank, component, labels, without=own)
            pasted.append((component, None if place is None else self.segment(place)))
        seed = [self.seed, zlib.crc32(sample["name"].encode())]
        return Scene(labels, pasted, self.roles, self.bank.smallest, seed)

    def components(self, labels: np.ndarray) -> list[Component]:
        """The components of a label map (H, W) that are large enough for segments."""
        return components(labels, self.roles.ignored, self.bank.smallest)

    def with_segments(self, sample: Sample, random: np.random.Generator) -> Sample:
        """A sample with the maps from which networks learn to align and to order its segments, as the options say."""
        sample, labels = sample.copy(), sample["labels"].numpy()
        if self.aligns:
            segments, masks = segment_maps(self.components(labels), photo_of(sample), MOST_SEGMENTS, random)
            sample["segments"], sample["segment_masks"] = torch.from_numpy(segments), torch.from_numpy(masks)
        if self.orders:
            assert "disparity" in sample, "`find_disparity` lets the data set read it"
            pairs = order_pairs(labels, sample.pop("disparity").numpy(), self.roles, self.bank.smallest)
            maps, fronts = pair_maps(pairs, MOST_PAIRS, labels.shape)
            sample["pair_labels"], sample["pair_fronts"] = torch.from_numpy(maps), torch.from_numpy(fronts)
        return sample

    def for_training(
        self, labels: np.ndarray, photo: np.ndarray, own: int | None, random: np.random.Generator
    ) -> Canvas:
        """The canvas of a photo (H, W, 3) in 0..1 and its label map (H, W)."""
        matched = []
        for component in back_to_front(self.components(labels), self.roles):
            count = len(self.bank.names)
            others = random.choice(count, min(OTHER_IMAGES, count), replace=False)
            place = find_segment(self.bank, component, without=own, among=others)
            matched.append((component, None if place is None else self.match(place, random.random() < RECOLORED)))
        return compose_own(labels, photo, matched, self.roles.unlabeled, random)

    def match(self, place: int, recolored: bool) -> Match:
        """A segment of the bank as the match of a component, with its colors if they are wanted."""
        if recolored:
            segment = self.segment(place)
            return Match(segment.mask, segment.photo[segment.mask])
        return Match(self.bank.mask(place), None)

    def segment(self, place: int) -> Segment:
        """A segment of the bank with its photo."""
        sample = self.images[int(self.bank.images[place])]
        return Segment(self.bank.mask(place), photo_of(sample), sample["labels"].numpy())


def photo_of(sample: Sample) -> np.ndarray:
    """The photo of a sample as (H, W, 3) float32 in 0..1."""
    assert "image" in sample, "SIMS pastes photos"
    return ((sample["image"] + 1) / 2).permute(1, 2, 0).numpy()


def whole_images(dataset: SampleDataset) -> SampleDataset:
    """Crop a data set in the center, as in testing. (Mirroring is switched off by `options_of_images`.)"""
    if dataset.preprocess is not None:
        dataset.preprocess = replace(dataset.preprocess, random=False, flip=False)
    return dataset


def with_canvases(dataset: SampleDataset, opt, open_dataset: Callable[[Any], SampleDataset]) -> CanvasDataset:
    """The samples of a data set, with canvases of segments from the bank that `--bank` names.

    Args:
        opt: of training or testing.
        open_dataset: the data set of options.

    Raises:
        InputError: there is no bank, or it is one of other images.
    """
    if not opt.bank:
        raise InputError(f"--method sims: add --bank FILE, the segments of the training photos; {HOW_TO_BUILD}")
    bank = Bank.load(opt.bank)
    bank.check(opt.bank, opt)
    if opt.is_train and dataset.paths and not any(paths.name in bank.places for paths in dataset.paths):
        raise InputError(f"--bank {opt.bank}: holds none of the training images; {HOW_TO_BUILD}")
    where = {"dataroot": opt.dataroot}  # of today: the data set may have moved since the bank was made
    try:
        images = whole_images(open_dataset(replace(opt, **{**bank.options, **where})))
    except InputError as error:
        raise InputError(f"--bank {opt.bank}: the photos that it was made of: {error}") from None
    if len(images) != len(bank.names) or any(
        paths.name != name for paths, name in zip(images.paths, bank.names)
    ):  # no paths: drawn in memory
        raise InputError(
            f"--bank {opt.bank}: the {len(bank.names)} photos that it was made of are not those that are there now; "
            f"restore them, or make the bank again with python -m scripts.prepare bank"
        )
    if opt.is_train and opt.order_segments:
        dataset.disparity = find_disparity(dataset, opt)
    return CanvasDataset(dataset, bank, images, opt)


def find_disparity(dataset: SampleDataset, opt) -> DisparityMaps:
    """The disparity maps of a training set. Raises `InputError` if there are none, or not for all samples."""
    if not dataset.paths or dataset.preprocess is None:
        raise InputError(
            f"--order_segments: --dataset_mode {opt.dataset_mode} is drawn in memory, without disparity maps; leave it "
            f"out"
        )
    try:
        files = dataset.find_disparity(opt)
        if not files:
            raise InputError("add --disparity_dir FOLDER, the folder of disparity maps, named like the label maps")
        samples = {paths.name: paths.labels for paths in dataset.paths}
        return DisparityMaps(samples, files, dataset.preprocess, opt.apply_exif)
    except InputError as error:
        elsewhere = "" if opt.disparity_dir or "--disparity_dir" in str(error) else "; or name another --disparity_dir"
        raise InputError(f"--order_segments: {error}{elsewhere}") from None
