"""A trained generator in memory: label maps as arrays in, 8-bit images out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor

from data import DATASETS
from data.arrays import condition_of, ids_of, photo_of
from data.conditions import condition_to_tensor, resize_condition
from data.preprocess import image_to_tensor, resize
from models import Pix2PixModel
from models.folding import fold_norms
from models.tables import pack_weights
from options.data_file import described
from options.model import ModelOptions
from util.errors import InputError
from util.image import to_uint8
from util.latents import draw_latents
from util.precision import arithmetic

Photo = str | os.PathLike | Image.Image | ArrayLike | Tensor
Maps = Photo


class Generator:
    """A generator, with its style encoder if it has one, ready to generate; `spade.build` and `spade.load` make one.

    Several threads may call its methods at once. It cannot be trained further.

    Args:
        opt: what the networks were built by.
        model: on its device, with trained weights. It is changed in place.

    Attributes:
        class_names: one for each label, in the order of their ids; the unknown class, if there is one, is the last.
        class_colors: (number of labels, 3) uint8.
        size: (height, width) of the images.
        z_dim: length of the latent z; None for a generator that takes none.
        network: the network; spectral and batch norm are folded into its convolutions.
    """

    def __init__(self, opt: ModelOptions, model: Pix2PixModel):
        dataset = DATASETS[opt.dataset_mode]
        self.class_names, self.class_colors = dataset.classes(opt.label_nc, opt.contain_dontcare_label, described(opt))
        self.size, self.z_dim = opt.size, model.z_dim
        self.network = pack_weights(fold_norms(model.netG))
        self._opt, self._model = opt, model.eval()
        self._ids = dataset.label_ids(opt)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self._model.device

    @property
    def has_encoder(self) -> bool:
        """Whether photos can give the style."""
        return self._model.netE is not None

    def generate(
        self,
        labels: Maps,
        instances: Maps | None = None,
        z: ArrayLike | Tensor | None = None,
        style: Photo | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Images (N, H, W, 3) uint8 for N label maps, or (H, W, 3) for one; H and W are those of `size`.

        They are the pixels that test.py writes. Maps of another size are resized as a whole, by nearest neighbor.

        Args:
            labels: class ids (N, h, w) or (h, w), integers: an array, a tensor, a gray or palette image, or a file. An
                unknown pixel has the id of the last class, or the value that means unknown in the data set's files.
                For networks of conditioning images (`input_nc` C), these: (h, w, C) or (N, h, w, C) uint8, or what
                `data.arrays.condition_of` takes, or a list of such.
            instances: instance ids of the same shape, for networks with edges of instances, of which only boundaries
                matter. By default each region of one class is an instance. Others ignore them.
            z: the latents (N, z_dim), or (z_dim,) for all images; drawn from N(0, 1) by `seed` if not given.
            style: RGB photo whose style all images get: (h, w, 3) uint8, a Pillow image, or a file.
            seed: map number i, from 0, gets the random style of test.py --seed SEED for the data set's sample i.
        Raises:
            InputError: an input does not suit the generator.
        """
        if self._opt.input_nc:
            return self._of_conditions(labels, instances, z, style, seed)
        _refuse_colors(labels)
        ids = ids_of(labels, "labels", dimensions=(2, 3))
        edges_of = ids if instances is None else ids_of(instances, "instances", dimensions=(2, 3))
        if edges_of.shape != ids.shape:
            raise InputError(f"instances {edges_of.shape}: must have the shape of the labels, {ids.shape}")
        maps = self._checked(ids).reshape(-1, *ids.shape[-2:])  # (N, h, w)
        edges_of = edges_of.reshape(maps.shape)
        latents = self._latents(len(maps), z, style, seed)
        batches = [self._batch(maps[i], edges_of[i]) for i in range(len(maps))]
        images = [self._image(batch, None if latents is None else latents[i]) for i, batch in enumerate(batches)]
        return np.stack(images) if ids.ndim == 3 else images[0]

    def _of_conditions(
        self, conditions: Any, instances: Any, z: ArrayLike | Tensor | None, style: Photo | None, seed: int
    ) -> np.ndarray:
        """`generate` for networks of conditioning images."""
        if instances is not None:
            raise InputError("instances: these networks take conditioning images alone; leave them out")
        are_many = isinstance(conditions, (list, tuple)) or getattr(conditions, "ndim", 0) == 4
        each = [
            condition_of(condition, self._opt.input_nc, "the conditioning image")
            for condition in (conditions if are_many else [conditions])
        ]
        if not each:
            raise InputError("labels: there are no conditioning images")
        latents = self._latents(len(each), z, style, seed)
        height, width = self.size
        batches = [
            {"condition": condition_to_tensor(resize_condition(values, (width, height)))[None]} for values in each
        ]
        images = [self._image(batch, None if latents is None else latents[i]) for i, batch in enumerate(batches)]
        return np.stack(images) if are_many else images[0]

    def latents(self, count: int, seed: int = 0) -> np.ndarray:
        """Random latents (count, z_dim) float32, those that `generate` draws for `seed`."""
        if self.z_dim is None:
            raise InputError("latents: this generator takes none")
        return draw_latents(seed, range(count), self.z_dim)[:, 0].numpy()

    @torch.no_grad()
    def style_of(self, photo: Photo) -> np.ndarray:
        """The latent z (z_dim,) float32 of an RGB photo's style: the mean mu that the encoder finds."""
        if self._model.netE is None:
            raise InputError("style: this generator has no encoder; train one with use_vae=True")
        height, width = self.size
        pixels = resize(photo_of(photo, "style"), (width, height), Image.Resampling.BICUBIC)
        with arithmetic("fp32", self.device):
            mu, _ = self._model.netE(image_to_tensor(pixels)[None].to(self.device))  # (1, z_dim)
        return mu[0].cpu().numpy()

    def _checked(self, ids: np.ndarray) -> np.ndarray:
        """Label ids as those of the data set's samples; the unknown class may have its value in files or its id."""
        if self._opt.contain_dontcare_label and self._ids.unknown_value is not None:
            ids = np.where(ids == self._opt.label_nc, self._ids.unknown_value, ids)
        return self._ids.check(ids, Path("the label map"))

    def _latents(self, count: int, z: ArrayLike | Tensor | None, style: Photo | None, seed: int) -> Tensor | None:
        """(count, z_dim) float32, or None for a generator that takes none."""
        if z is not None and style is not None:
            raise InputError("z and style: both give the style; leave one of them out")
        if style is not None:
            z = self.style_of(style)
        if self.z_dim is None:
            if z is not None:
                raise InputError("z: this generator takes none")
            return None
        values = self.latents(count, seed) if z is None else np.asarray(z)
        if values.shape not in ((self.z_dim,), (count, self.z_dim)) or values.dtype.kind not in "fiu":
            raise InputError(f"z {values.shape} {values.dtype}: must be numbers ({count}, {self.z_dim})")
        if not np.isfinite(values).all():
            raise InputError("z: must be finite numbers")
        return torch.from_numpy(np.broadcast_to(values, (count, self.z_dim)).astype(np.float32))

    def _batch(self, labels: np.ndarray, instances: np.ndarray) -> dict[str, Tensor]:
        """The batch (1, H, W) of maps (h, w)."""
        height, width = self.size
        maps = {"labels": labels, **({"instances": instances} if self._opt.instance else {})}
        return {
            name: torch.from_numpy(resize(Image.fromarray(ids), (width, height), Image.Resampling.NEAREST).copy())[None]
            for name, ids in maps.items()
        }

    @torch.no_grad()
    def _image(self, batch: dict[str, Tensor], z: Tensor | None) -> np.ndarray:
        """One image (H, W, 3) uint8 of a batch of one and a latent (z_dim,)."""
        with arithmetic("fp32", self.device):
            layout = self._model.layout(batch)
            return to_uint8(self.network(layout, None if z is None else z[None].to(self.device)))[0]


def _refuse_colors(labels: Maps) -> None:
    shape = getattr(labels, "shape", ())
    if len(shape) == 3 and shape[-1] in (3, 4) and shape[0] > 4:  # nobody has maps that are 3 pixels wide
        raise InputError(
            f"labels {tuple(shape)}: is an image of colors; give class ids (H, W), or several maps (N, H, W)"
        )
