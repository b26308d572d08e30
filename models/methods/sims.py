"""SIMS (Qi et al., arXiv 1804.10992): regression of photos from canvases of pasted segments, no adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from models.crn_loss import PLAIN_WEIGHTS, CRNLoss, check_loss, create_loss
from models.methods import METHODS
from models.methods.base import Method, Objective, Outcome, Part
from models.methods.sims_segments import (
    BASE_HEIGHT,
    SEGMENT_MAPS,
    SIMSModel,
    affine_maps,
    num_stages,
    order_logits,
    reduce,
)
from models.networks.init import init_weights
from models.networks.sims import (
    CANVAS,
    CHANGED_LABELS,
    OrderingNetwork,
    SIMSGenerator,
    TransformationNetwork,
    Widths,
    affine_sample,
)
from models.pix2pix_model import Pix2PixModel
from util.precision import full_precision

MAP_NAMES = (CANVAS, CHANGED_LABELS, *SEGMENT_MAPS)
"""Maps of a sample: those of the generator, and those of the networks about segments."""
HALVED_FROM = 2
"""Number of stages from which the loss compares images at half their size: those of 1024 rows (published)."""
PUBLISHED_EPOCHS: int = METHODS["sims"].preset["niter"]
"""Length of the training without further stages, with whose epochs its learning rates go."""


class SIMSMethod(Method):
    """The loss of the synthesis network: that of CRN for the image, and the true label map for its second head.

    The networks about segments are further players where the model has them: A (`TransformationNetwork`, by
    --align_segments) and O (`OrderingNetwork`, by --order_segments). They learn from maps of their own, and the
    generator's training does not depend on them.

    Args:
        model: its `netG` is a `SIMSGenerator`.
        image_loss: CRN's loss for one image.
        lambda_layout: weight of the cross-entropy of the label map.
        betas: of Adam.
        warm_up: whether the generator's rate is that of `warm_up_rate` instead of the usual one.
    """

    loads_partially = True  # larger images start from the networks of smaller ones

    def __init__(
        self,
        model: Pix2PixModel,
        image_loss: CRNLoss,
        lambda_layout: float = 10.0,
        betas: tuple[float, float] = (0.9, 0.999),
        warm_up: bool = False,
    ):
        self.model, self.image_loss, self.lambda_layout = model, image_loss, lambda_layout
        assert isinstance(model.netG, SIMSGenerator)
        self.netG = model.netG
        networks = model.networks
        self.objectives = [
            Objective(
                "G",
                {"G": self.netG},
                self.generator_losses,
                betas=betas,
                schedule=warm_up_rate if warm_up else None,
            )
        ]
        if "A" in networks:
            player = Objective("A", {"A": networks["A"]}, self.alignment_losses, lr_factor=0.1, betas=betas)
            self.objectives.append(player)
        if "O" in networks:
            player = Objective("O", {"O": networks["O"]}, self.ordering_losses, betas=betas, schedule=ordering_rate)
            self.objectives.append(player)

    @classmethod
    def size_step(cls, opt: Any) -> tuple[int, str]:
        """The smallest feature map is 1/64 of the image, or of the part of it that the first stage sees."""
        stages = num_stages(_height(opt))
        return 64 << stages, f" with {BASE_HEIGHT << stages} rows or more" if stages else ""

    @classmethod
    def check(cls, opt: Any) -> None:
        """Refuse sizes that the generator cannot make, and missing weights of VGG-19."""
        super().check(opt)
        if opt.is_train:
            check_loss(opt)

    @classmethod
    def create_model(cls, opt: Any) -> Pix2PixModel:
        """The synthesis network, and those of the networks about segments that the options name."""
        height, widths = _height(opt), Widths.scaled(opt.sims_width)
        netG = SIMSGenerator(opt.num_labels, height, num_stages(height), widths)
        others: dict[str, nn.Module] = {}
        if opt.align_segments:
            others["A"] = TransformationNetwork(opt.num_labels, widths)
        if opt.order_segments:
            others["O"] = OrderingNetwork(opt.num_labels, widths)
        for network in (netG, *others.values()) if opt.is_train else ():
            init_weights(network, opt.init_type, opt.init_gain)
            if isinstance(network, TransformationNetwork):
                network.start_at_identity()
        return SIMSModel(netG, None, None, opt.num_labels, others, MAP_NAMES)

    @classmethod
    def create(cls, opt: Any, model: Pix2PixModel) -> SIMSMethod:
        """Losses and players for training `model`; loads VGG-19 unless `--no_vgg_loss`.

        Only a training of the published length has the published rates. In a shorter one they would all be tiny.
        """
        loss = create_loss(opt, PLAIN_WEIGHTS).to(model.device)
        warm_up = num_stages(_height(opt)) == 0 and opt.niter + opt.niter_decay == PUBLISHED_EPOCHS
        return cls(model, loss, opt.lambda_layout, (opt.beta1, opt.beta2), warm_up)

    @property
    def fixed_networks(self) -> Sequence[nn.Module]:
        """VGG-19, which is frozen."""
        return () if self.image_loss.vgg is None else (self.image_loss.vgg,)

    def state_dict(self) -> dict[str, Any]:
        """What the weights of the terms of the image are derived from."""
        return {"term_weights": self.image_loss.weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state`."""
        self.image_loss.weights.load_state_dict(state.get("term_weights", {}))

    def generator_losses(self, part: Part) -> Outcome:
        """Features: difference of images and of VGG features; Layout: cross-entropy with the labels as they were."""
        image, logits = (full_precision(output) for output in self.netG.heads(part.label_layout))
        seen = [image, part.real]
        if self.netG.stages >= HALVED_FROM:
            seen = [F.avg_pool2d(images, 2) for images in seen]
        losses = {
            "Features": self.image_loss(*seen),
            "Layout": self.lambda_layout * F.cross_entropy(logits, part.label_layout.labels.long()),
        }
        return Outcome(losses, fake=image.detach().clamp(-1, 1))

    def alignment_losses(self, part: Part) -> Outcome:
        """Align: distance of the aligned segments to the photo."""
        segments, masks = part.label_layout.maps["segments"], part.label_layout.maps["segment_masks"]
        count = segments.shape[1]
        segments = reduce(segments.flatten(0, 1))  # (N * K, 3, h, w)
        masks = reduce(masks.flatten(0, 1)[:, None].to(segments.dtype))  # (N * K, 1, h, w)
        theta = affine_maps(self.model.networks["A"], segments, masks, part.label_layout)
        aligned, masks = (x.unflatten(0, (-1, count)) for x in (affine_sample(segments, theta), masks[:, 0]))
        return Outcome({"Align": alignment_loss(aligned, masks, reduce(part.real))})

    def ordering_losses(self, part: Part) -> Outcome:
        """Order: cross-entropy of the class in front."""
        pairs, fronts = part.label_layout.maps["pair_labels"], part.label_layout.maps["pair_fronts"]
        logits = order_logits(self.model.networks["O"], pairs, part.label_layout)
        fronts = fronts.long().flatten()  # (N * P,)
        total = F.cross_entropy(logits, fronts, ignore_index=-1, reduction="sum")
        return Outcome({"Order": total / (fronts >= 0).sum().clamp(min=1)})


def alignment_loss(aligned: Tensor, masks: Tensor, photo: Tensor) -> Tensor:
    """Distance of aligned segments to the photo where they belong, a mean over pixels and samples, in 0..255.

    Args:
        aligned: (N, K, 3, H, W) in 0..1.
        masks: (N, K, H, W), where each segment belongs; they do not overlap.
        photo: (N, 3, H, W) in [-1, 1].
    """
    masks = masks[:, :, None].to(photo.dtype)  # (N, K, 1, H, W)
    composed, covered = (aligned * masks).sum(dim=1), masks.sum(dim=1)  # (N, 3 or 1, H, W)
    errors = 255 * (composed - (photo + 1) / 2 * covered).abs().mean(dim=1)  # (N, H, W)
    return (errors.sum(dim=(1, 2)) / (covered.sum(dim=(1, 2, 3)) + 1)).mean()


def warm_up_rate(epoch: int, lr: float, niter: int, niter_decay: int) -> float:
    """min(1e-6 * 1.1^(e - 1), 1e-3) up to epoch 112, then 1e-4, for a base rate `lr` of 1e-4 (published)."""
    return lr * min(1e-2 * 1.1 ** (epoch - 1), 10.0 if epoch <= 112 else 1.0)


def ordering_rate(epoch: int, lr: float, niter: int, niter_decay: int) -> float:
    """min(1e-6 * 1.1^(e - 1), 1e-5) for a base rate `lr` of 1e-4 (published)."""
    return lr * min(1e-2 * 1.1 ** (epoch - 1), 0.1)


def _height(opt: Any) -> int:
    return round(opt.crop_size / opt.aspect_ratio)
