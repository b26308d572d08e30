"""CRN, cascaded refinement networks (Chen and Koltun, arXiv 1707.09405): regression on VGG features, no adversary."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from torch import nn

from models.crn_loss import DIVERSITY_WEIGHTS, PLAIN_WEIGHTS, CRNLoss, check_loss, create_loss
from models.methods.base import Method, Objective, Outcome, Part
from models.networks.crn import FIRST_HEIGHT, CRNGenerator, module_channels, module_heights
from models.networks.init import init_weights
from models.pix2pix_model import Pix2PixModel
from util.errors import InputError
from util.precision import full_precision

SMALLEST = 16
"""Height of images that VGG halves four times."""


class CRNMethod(Method):
    """The loss of the one player: that of the best image per class with k images, the plain one with one image.

    Args:
        model: of a `CRNGenerator`.
        loss: its terms and their weights.
        betas: of Adam. TensorFlow's adds eps before the correction of the second moment's bias, torch's after it.
    """

    loads_partially: ClassVar[bool] = True  # a larger network starts from the modules of a smaller one

    def __init__(self, model: Pix2PixModel, loss: CRNLoss, betas: tuple[float, float] = (0.9, 0.999)):
        assert isinstance(model.netG, CRNGenerator)
        self.model, self.netG, self.loss = model, model.netG, loss
        self.objectives = (Objective("G", {"G": model.netG}, self.losses, betas=betas),)

    @classmethod
    def size_step(cls, opt: Any) -> tuple[int, str]:
        """What one pixel of the first module becomes, as the height is that of the last module."""
        return round(opt.crop_size / opt.aspect_ratio) // FIRST_HEIGHT, ""

    @classmethod
    def check(cls, opt: Any) -> None:
        """Refuse sizes, modules and weights that do not exist. Raises `InputError`."""
        height = round(opt.crop_size / opt.aspect_ratio)
        heights = module_heights(height)
        if height < SMALLEST or not heights or opt.crop_size % (height // FIRST_HEIGHT):
            raise InputError(
                f"--crop_size {opt.crop_size}: images of {opt.crop_size}x{height}, but --method crn makes heights of "
                f"{SMALLEST}, 32, 64, ..., with widths that are multiples of a quarter of it; use sizes "
                f"such as --crop_size {max(SMALLEST, 2 ** round(math.log2(opt.crop_size)))} --aspect_ratio 1"
            )
        if not opt.is_train:
            return
        if opt.crn_train_from is not None and opt.crn_train_from not in heights:
            raise InputError(
                f"--crn_train_from {opt.crn_train_from}: must be one of {', '.join(map(str, heights))}, the heights of "
                "the modules"
            )
        check_loss(opt)

    @classmethod
    def create_model(cls, opt: Any) -> Pix2PixModel:
        """The generator that the options describe; there is no other network."""
        channels = module_channels(round(opt.crop_size / opt.aspect_ratio), opt.crn_channels)
        netG = CRNGenerator(opt.semantic_nc, channels, opt.crn_images)
        if opt.is_train:
            init_weights(netG, opt.init_type, opt.init_gain)
            netG.train_from(opt.crn_train_from or netG.heights[0])
        return Pix2PixModel(netG, None, None, opt.num_labels)

    @classmethod
    def create(cls, opt: Any, model: Pix2PixModel) -> CRNMethod:
        """The loss for training `model`; loads VGG-19 unless `--no_vgg_loss`."""
        published = DIVERSITY_WEIGHTS if opt.crn_images > 1 else PLAIN_WEIGHTS
        return cls(model, create_loss(opt, published).to(model.device), (opt.beta1, opt.beta2))

    @property
    def fixed_networks(self) -> Collection[nn.Module]:
        """VGG-19, which is frozen."""
        return () if self.loss.vgg is None else (self.loss.vgg,)

    def state_dict(self) -> dict[str, Any]:
        """What the weights of the loss terms are derived from."""
        return {"term_weights": self.loss.weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state`."""
        self.loss.weights.load_state_dict(state.get("term_weights", {}))

    def losses(self, part: Part) -> Outcome:
        """Features: the difference of features, of the best image per class or of the one image."""
        images = full_precision(self.netG.images(part.label_layout))  # (N, k, 3, H, W)
        if self.netG.num_images > 1:
            loss = self.loss.diversity(images, part.real, part.label_layout)
        else:
            loss = self.loss(images[:, 0], part.real)
        return Outcome({"Features": loss}, fake=images[:, 0].detach().clamp(-1, 1))
