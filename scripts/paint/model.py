"""The networks of the paint page: a label map and a latent in, the 8-bit image of test.py out."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data import DATASETS, PRESETS
from data.preprocess import image_to_tensor
from models import METHODS, create_model
from models.folding import fold_norms
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.segmenters import Segmenter, load_own_segmenter
from models.segmenters.own import OwnSegmenter
from models.tables import pack_weights, prepare
from options.data_file import described, shipped_set
from options.model import ModelOptions
from scripts.paint.options import check_labels, model_options
from scripts.paint.scenes import Scenes
from trainers.loading import check_label_maps_suffice, load_networks
from util.device import choose_device, place, prepare_torch
from util.errors import InputError
from util.files import checksum
from util.image import to_uint8

VERSION = 1
"""Of the keys of model.json."""
BASE_CLASSES = ("sky", "sky-other")


class Painter:
    """A trained run, in memory and ready to generate.

    To be built and used in one thread: torch counts CPU threads for each.

    Args:
        opt: of the run.
        segmenter: labels photos; None for a page that cannot.
    Raises:
        InputError: the networks cannot be loaded, or need more than label map and latent.
    """

    def __init__(self, opt: ModelOptions, segmenter: Segmenter | None = None):
        _refuse_unsuitable(opt)
        if segmenter is not None:
            _refuse_other_classes(segmenter, opt)
        self.opt = opt
        self.height, self.width = opt.size
        self.num_labels = opt.num_labels
        dataset = DATASETS[opt.dataset_mode]
        self.names, self.colors = dataset.classes(opt.label_nc, opt.contain_dontcare_label, described(opt))
        self.ids = dataset.label_ids(opt)
        self.scenes = Scenes(self.width, self.height, self.colors) if opt.dataset_mode == "landscapes" else None
        self.device = choose_device(opt.gpu_id_list)
        prepare_torch(opt.seed, threads=opt.threads)
        self.device_name = describe_device(self.device)
        self.model = create_model(opt)
        files = load_networks(opt.run_dir, opt.which_epoch, self.model, averaged=not opt.use_raw_G)
        self._checksums = [checksum(path) for path in files]
        place(self.model, self.device, opt.channels_last, opt.modulation).eval()
        pack_weights(fold_norms(self.model.netG))
        self.segmenter = None if segmenter is None else segmenter.to(self.device)

    @property
    def z_dim(self) -> int | None:
        """Length of the latent; None if the generator takes none."""
        return self.model.z_dim

    def facts(self) -> dict[str, Any]:
        """The content of model.json, in JSON types; its fingerprint is that of all others and of the weights."""
        facts = self._facts()
        hashed = json.dumps([facts, self._checksums], sort_keys=True).encode()
        return facts | {"fingerprint": hashlib.sha256(hashed).hexdigest()[:16]}

    def _facts(self) -> dict[str, Any]:
        special = self.opt.contain_dontcare_label and self.ids.unknown_value is not None
        coco = {row.name: row.id for row in shipped_set("coco").classes}
        coco = {name.removesuffix("-other"): number for name, number in coco.items()} | coco
        base = [self.names.index(name) for name in BASE_CLASSES if name in self.names]
        base += [self.opt.label_nc] if special else []
        return {
            "version": VERSION,
            "engine": "server",
            "name": self.opt.name,
            "height": self.height,
            "width": self.width,
            "classes": [
                {"id": number, "name": name, "color": [int(channel) for channel in color]}
                for number, (name, color) in enumerate(zip(self.names, self.colors))
            ],
            "unknown_id": self.opt.label_nc if special else None,
            "unknown_value": self.ids.unknown_value if special else None,
            "base_class": next(iter(base), 0),
            "num_labels": self.num_labels,
            "edges": self.opt.instance,
            "z_dim": self.z_dim,
            "encoder": self.model.netE is not None,
            "segmenter": self.segmenter is not None,
            "scenes": self.scenes.first_count if self.scenes else 0,
            "more_scenes": self.scenes is not None,
            "scenes_available": self.scenes.count if self.scenes else 0,
            "coco_ids": {name: coco[name] for name in self.names if name in coco},
            "browser": None,
        }

    @torch.no_grad()
    def prepare(self, ids: np.ndarray, earlier: SemanticLayout | None = None, reuse: bool = True) -> SemanticLayout:
        """The layout of a label map, with all that only depends on the map computed.

        The regions of one class are the instances.

        Args:
            ids: (H, W) uint8, below `num_labels`.
            earlier: a layout of this method that `ids` is the map of, or an edit of.
            reuse: whether an edit takes over what is computed for `earlier`, and holds its memory.
        """
        labels = torch.from_numpy(np.array(ids))[None]  # (1, H, W)
        if earlier is not None and torch.equal(self.model.network_labels(labels).to(self.device), earlier.labels):
            return earlier
        layout = self.model.label_layout(
            {"labels": labels, **({"instances": labels.int()} if self.opt.instance else {})}
        )
        if not isinstance(self.model.netG, SPADEGenerator):
            return layout
        return prepare(self.model.netG, layout, earlier if reuse else None)

    @torch.no_grad()
    def image(self, layout: SemanticLayout, z: np.ndarray | None) -> np.ndarray:
        """The image (H, W, 3) uint8 of a layout of `prepare`, as test.py writes it.

        Args:
            z: (z_dim,) float32; None for a generator without latent.
        """
        latent = None if z is None else torch.from_numpy(np.array(z))[None].to(self.device)  # (1, z_dim)
        return to_uint8(self.model.netG(layout, latent))[0]

    @torch.no_grad()
    def style_of(self, photo: Image.Image) -> list[float]:
        """The mean mu of the style that the encoder finds in an RGB photo, as test.py --style_image takes it."""
        assert self.model.netE is not None, "asked for without an encoder"
        return self.model.netE(self._resized(photo)[None].to(self.device))[0][0].tolist()

    @torch.no_grad()
    def labels_of(self, photo: Image.Image) -> np.ndarray:
        """The label map (H, W) uint8 that the segmenter makes of an RGB photo."""
        assert self.segmenter is not None, "asked for without a segmenter"
        pixels = (self._resized(photo) + 1) / 2
        classes = self.segmenter.predict(pixels.clamp(0, 1)[None], (self.height, self.width))[0]  # (H, W)
        return np.array(self.segmenter.class_ids, dtype=np.uint8)[classes.cpu().numpy()]

    def _resized(self, photo: Image.Image) -> Tensor:
        """(3, H, W) in [-1, 1], at the size of the networks."""
        return image_to_tensor(photo.resize((self.width, self.height), Image.Resampling.BICUBIC))


def describe_device(device: torch.device) -> str:
    """The device in words. The number of threads is that of the calling thread."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads > 1)}"


def _refuse_unsuitable(opt: ModelOptions) -> None:
    """Raise an `InputError` for runs whose images need more than a label map of at most 255 labels and a latent."""
    check_label_maps_suffice(opt)
    check_labels(Path(opt.run_dir), opt.label_nc, opt.contain_dontcare_label, opt.input_nc)


def _refuse_other_classes(segmenter: Segmenter, opt: ModelOptions) -> None:
    """Raise an `InputError` for a segmenter whose ids mean other classes than the model's.

    Programs of a user do not say what they were trained on, and ids of custom data sets may be those of any other.
    """
    remedy = "use one that was trained on the model's data set"
    modes = {segmenter.name, opt.dataset_mode}
    if isinstance(segmenter, OwnSegmenter) and len(modes) > 1 and "custom" not in modes:
        raise InputError(f"--segmenter: was trained on {segmenter.name}, and the model on {opt.dataset_mode}; {remedy}")
    if not set(segmenter.class_ids) <= set(range(opt.label_nc)):
        raise InputError(
            f"--segmenter: labels photos with ids up to {max(segmenter.class_ids)}, and the model has classes "
            f"0..{opt.label_nc - 1}; {remedy}"
        )


def load_painter(args: argparse.Namespace) -> Painter:
    """The painter of a command line, see `parse_args`. Raises `InputError` if it cannot be loaded."""
    opt = model_options(args, PRESETS, METHODS)
    return Painter(opt, None if args.segmenter is None else load_own_segmenter(args.segmenter, "cpu"))
