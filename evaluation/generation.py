"""Generates 8-bit images of label maps, for `test.py` and for scores in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Resampling
from torch import Tensor
from torch.utils.data import Subset

from data import Sample, SampleDataset, SampleLoader, create_loader
from data.files import find_image_files
from data.orientation import warn_of_turned
from data.photos import warn_of_photos
from data.preprocess import image_to_tensor
from data.read import read_image
from evaluation.reconstruction import OWN_PHOTO, STYLE
from models import Pix2PixModel
from models.fixed_inputs import fixed_inputs, forward_passes
from models.folding import fold_norms
from models.networks.generators import SPADEGenerator
from models.networks.layout import Layout, SemanticLayout
from models.networks.oasis import OASISGenerator
from models.networks.statistics import recalibrate_batch_norm
from models.tables import pack_weights, prepare
from models.tiles import generate_in_tiles
from options.command_line import suggestion
from util.errors import InputError
from util.image import to_uint8
from util.latents import draw_latents
from util.precision import arithmetic

CALIBRATION_BATCH = 16


class IndexedSubset(Subset[Sample]):
    """Samples of these indices, each with its "index" in the data set."""

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {**super().__getitem__(place), "index": self.indices[place]}

    def __getitems__(self, places: list[int]) -> list[dict[str, Any]]:
        return [self[place] for place in places]  # `Subset` has both


def indexed_batches(opt: Any, dataset: SampleDataset, indices: Sequence[int]) -> SampleLoader:
    """Batches of the samples of these indices, for `Generation.images`; with --tile one by one, as sizes differ."""
    return create_loader(replace(opt, batch_size=1) if opt.tile else opt, IndexedSubset(dataset, indices))


class Generation:
    """Generates images by the options of `test.py`: precision, seed, styles, recalibrated batch norm, folded norms.

    Args:
        opt: of `test.py`, or of a program with the same options.
        model: with trained weights, on its device. It is changed in place and cannot be trained afterwards.
        dataset: its first label maps are for --recalibrate_bn, its classes for --resample_class.
    Raises:
        InputError: --style_image cannot be read, or the data set has no class of --resample_class, or lacks a photo
            for --reconstruct.
    """

    def __init__(self, opt: Any, model: Pix2PixModel, dataset: SampleDataset):
        self.opt, self.model = opt, model.eval()
        with torch.no_grad(), arithmetic(opt.precision, model.device):
            if opt.recalibrate_bn:
                recalibrate(opt, dataset, model)
            self.styles = Styles(opt, model, dataset)
        fold_norms(model.netG)
        if opt.compile:
            model.netG.compile()
        elif opt.precision in ("fp32", "tf32") and not opt.tile:  # tf32 is an arithmetic of GPUs
            # Not for tiles: their parts have many sizes, and packed weights are packed again for each.
            pack_weights(model.netG)

    @torch.no_grad()
    def images(self, batch: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (caption, images (N, H, W, 3) uint8) of every style, for a batch of `indexed_batches`."""
        with arithmetic(self.opt.precision, self.model.device):
            layout = self.model.layout(batch)
            netG, are_kept = self.model.netG, self.styles.are_many and not self.opt.tile
            if are_kept and isinstance(layout, SemanticLayout) and isinstance(netG, SPADEGenerator):
                layout = prepare(netG, layout)
        for caption, z in self.styles.of(batch["index"].tolist(), batch.get("labels"), batch.get("image")):
            with arithmetic(self.opt.precision, self.model.device):
                images = self._in_tiles(layout, z) if self.opt.tile else to_uint8(self.model.netG(layout, z))
            yield caption, images

    def _in_tiles(self, layout: Layout, z: Tensor | None) -> np.ndarray:
        """Images (N, H, W, 3) uint8 as large as the label maps, of which one tile at a time is on the device."""
        netG = self.model.netG
        assert isinstance(netG, SPADEGenerator | OASISGenerator), "options refuse --tile for others"
        assert isinstance(layout, SemanticLayout), "options refuse --tile for conditioning images"
        images = np.empty((len(layout), *layout.size, 3), np.uint8)
        for rows, columns, part in generate_in_tiles(netG, layout, z, self.opt.tile):
            images[:, rows, columns] = to_uint8(part)
        return images


def recalibrate(opt: Any, dataset: SampleDataset, model: Pix2PixModel) -> None:
    """Recompute the batch-norm statistics of the generator on label maps of the test.

    Statistics from training with batches of a few samples are too noisy for single images.
    """
    count = min(opt.recalibrate_bn, len(dataset))
    batches = create_loader(replace(opt, batch_size=min(count, CALIBRATION_BATCH)), Subset(dataset, range(count)))
    inputs = fixed_inputs(batches, model, opt.seed)
    recalibrate_batch_norm(model.netG, forward_passes(model, inputs, opt.precision))


def style_photos(opt: Any) -> dict[str, Tensor]:
    """The photos (3, H, W) in [-1, 1] of --style_image by name, at the size of the networks' images."""
    if not opt.style_image:
        return {}
    given = Path(opt.style_image)
    # Names contain the subfolder: photos with one file name in two folders are different.
    found = find_image_files(given, "style photos") if given.is_dir() else {given.stem: given}
    if not opt.apply_exif:
        warn_of_turned({"style photos": list(found.values())})
    warn_of_photos(list(found.values()), "style photos")
    size = (opt.crop_size, round(opt.crop_size / opt.aspect_ratio))
    photos = {name: read_image(path, upright=opt.apply_exif) for name, path in found.items()}
    return {name: image_to_tensor(photo.resize(size, Resampling.BICUBIC)) for name, photo in photos.items()}


class Styles:
    """The latents of a test: one per style photo, of each map's own photo, `num_styles` random ones a map, or none.

    Attributes:
        resampled: the class of --resample_class: random latents after the first differ from it only at its pixels.
    """

    def __init__(self, opt: Any, model: Pix2PixModel, dataset: SampleDataset):
        self.z_dim = model.z_dim
        self.num_styles, self.seed = opt.num_styles, opt.seed
        self.device = model.device
        self.photos = style_photos(opt)
        netE = model.netE
        self.precision, self.encoder = opt.precision, netE if opt.reconstruct else None
        if opt.reconstruct and dataset:
            _check_photos(dataset, opt.how_many)
        self.mu = {name: netE(photo[None].to(model.device))[0] for name, photo in self.photos.items()} if netE else {}
        self.resampled = None
        if opt.resample_class is not None:
            self.resampled = find_class(opt.resample_class, dataset.class_names)

    @property
    def facts(self) -> dict[str, str]:
        """What the page of a test says of them."""
        return {STYLE: OWN_PHOTO} if self.encoder else {}

    @property
    def are_many(self) -> bool:
        """Whether there is more than one image for each label map."""
        return self.z_dim is not None and (len(self.mu) > 1 if self.mu else self.num_styles > 1)

    def of(
        self, indices: Sequence[int], labels: Tensor | None, photos: Tensor | None = None
    ) -> Iterator[tuple[str, Tensor | None]]:
        """Yield (caption, z) of every style, for samples of these indices in the data set.

        Args:
            labels: their label maps (N, H, W), for a class to resample.
            photos: those of the label maps, (N, 3, H, W) in [-1, 1], for --reconstruct.
        Returns:

        z is (N, z_dim); a map (N, z_dim, H, W) where a class is resampled; None for a generator without latent.
        """
        if self.z_dim is None:
            yield "generated", None
        elif self.encoder:
            assert photos is not None, "the data set has a photo of every label map"
            with arithmetic(self.precision, self.device):
                mu = self.encoder(photos.to(self.device))[0]
            yield "reconstruction", mu
        elif self.mu:
            for name, mu in self.mu.items():
                yield f"style of {name}", mu.expand(len(indices), -1)
        else:
            z = draw_latents(self.seed, indices, self.z_dim, self.num_styles).to(self.device)  # (N, num_styles, z_dim)
            for k in range(self.num_styles):
                caption = f"random style {k + 1}" if self.num_styles > 1 else "random style"
                if self.resampled is None or k == 0:
                    yield caption, z[:, k]
                else:
                    assert labels is not None, "only a data set of label maps has classes"
                    yield caption, resample(z[:, 0], z[:, k], labels.to(self.device) == self.resampled)


def _check_photos(dataset: SampleDataset, count: int | None) -> None:
    for paths in dataset.paths[:count]:  # none are those of samples drawn in memory, which have photos
        if paths.image is None:
            raise InputError(
                f"--reconstruct: {paths.name} has no photo whose style its image could take; add the photos to the "
                f"data set (--image_dir of --dataset_mode custom), or leave out --reconstruct"
            )


def resample(z: Tensor, other: Tensor, pixels: Tensor) -> Tensor:
    """The map (N, Z, H, W) of latents that are `other` (N, Z) at `pixels` (N, H, W) bool, and `z` (N, Z) elsewhere."""
    return torch.where(pixels[:, None], other[:, :, None, None], z[:, :, None, None])


def find_class(text: str, class_names: Sequence[str]) -> int:
    """The id of a class, given by its name in any case or by its id.

    Raises:
        InputError: there is no such class; the message names near ones.
    """
    if text.isascii() and text.isdigit() and int(text) < len(class_names):
        return int(text)
    for number, name in enumerate(class_names):
        if name.lower() == text.strip().lower():
            return number
    hint = suggestion(text, class_names) or f"the first are {', '.join(class_names[:3])}"
    raise InputError(
        f"--resample_class {text}: no class of the data set; give a name or an id in 0..{len(class_names) - 1} ({hint})"
    )
