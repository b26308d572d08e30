"""OASIS (Schönfeld, Sushko et al., arXiv 2012.04781): only adversarial supervision, by a segmentation network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.augmentation import NO_AUGMENTATION, DiffAugment
from models.methods.base import Method, Objective, Outcome, Part
from models.methods.spade_networks import check_smallest_feature_map, modulated_block
from models.networks.generators import first_map_size
from models.networks.layout import NO_CLASS, SemanticLayout
from models.networks.oasis import (
    SIZE_STEP,
    UPSAMPLINGS,
    OASISDiscriminator,
    OASISGenerator,
    OASISResnetBlock,
    init_oasis_weights,
)
from models.padding import set_padding
from models.pix2pix_model import Pix2PixModel
from models.shared_statistics import share_statistics
from models.tables import TableOASISBlock
from models.vgg import VGGLoss
from util.distributed import sum_over_processes
from util.precision import full_precision

UNKNOWN_FIRST = frozenset({"ade20k", "ade20k_outdoor", "cityscapes"})
"""Data sets in whose label maps 0 is the unknown class; in others that have one, it comes after the other classes."""


class OASISModel(Pix2PixModel):
    """The networks of OASIS, for which 0 is the unknown class where there is one.

    Args:
        unknown_is_last: whether the last label of the data set is its unknown class; else labels are as in its files.
    """

    def __init__(self, netG: OASISGenerator, netD: OASISDiscriminator | None, num_labels: int, unknown_is_last: bool):
        super().__init__(netG, netD, None, num_labels)
        self.unknown_is_last = unknown_is_last

    def network_labels(self, labels: Tensor) -> Tensor:
        """Labels of the data set (N, H, W) as those of OASIS. The only place where they become so."""
        if not self.unknown_is_last:
            return labels
        return torch.where(labels == self.num_labels - 1, 0, labels.long() + 1)


@dataclass(frozen=True)
class LabelFacts:
    """What the losses need to know of the labels of a whole batch, over all micro-batches and processes.

    Attributes:
        pixels: number of pixels of each label, (num_labels,).
        coins: a random 0 (fake) or 1 (real) for each label, (num_labels,), for LabelMix.
    """

    pixels: Tensor
    coins: Tensor


class OASISMethod(Method):
    """The losses of both players, and the order of their steps.

    Unlike the published code on several GPUs, class balance and LabelMix are about the whole batch, whatever the
    number of processes and micro-batches.

    Args:
        model: has a discriminator.
        unknown: the label that is left out of balanced losses; None if all count.
        is_balanced: whether classes weigh the same in the losses of real labels, instead of pixels.
        lambda_labelmix: weight of the LabelMix term; None for none.
        lambda_vgg: weight of the perceptual loss.
        vgg: the perceptual loss; None for none.
        TTUR: half the learning rate for the generator, double for the discriminator: 1e-4 and 4e-4, as published, with
            the preset's rate.
        betas: of both Adam optimizers.
        D_warmup: first steps in which the learning rate of the discriminator rises.
        diffaugment: of what the discriminator sees. Its targets move with the images. Pixels that it leaves without a
            class count in no loss; those under a cutout keep theirs. Class balance is that of the whole label maps.
    """

    def __init__(
        self,
        model: Pix2PixModel,
        unknown: int | None = None,
        is_balanced: bool = True,
        lambda_labelmix: float | None = 10.0,
        lambda_vgg: float = 10.0,
        vgg: nn.Module | None = None,
        TTUR: bool = True,
        betas: tuple[float, float] = (0.0, 0.999),
        D_warmup: int = 0,
        diffaugment: DiffAugment = NO_AUGMENTATION,
    ):
        self.model, self.diffaugment = model, diffaugment
        self.unknown, self.is_balanced = unknown, is_balanced
        self.lambda_labelmix, self.lambda_vgg, self.vgg = lambda_labelmix, lambda_vgg, vgg
        assert isinstance(model.netD, OASISDiscriminator), "a model that is trained has a discriminator"
        self.netD = model.netD
        G_factor, D_factor = (0.5, 2.0) if TTUR else (1.0, 1.0)
        self.objectives = (  # in the order of the steps
            Objective(
                "G", {"G": model.netG}, self.generator_losses, frozen=[self.netD], lr_factor=G_factor, betas=betas
            ),
            Objective(
                "D", {"D": self.netD}, self.discriminator_losses, lr_factor=D_factor, betas=betas, warmup=D_warmup
            ),
        )

    @classmethod
    def size_step(cls, opt: Any) -> tuple[int, str]:
        """The generator doubles its first map, the discriminator halves images once more."""
        return (SIZE_STEP, " in training") if opt.is_train else (2**UPSAMPLINGS, "")

    @classmethod
    def create_model(cls, opt: Any) -> OASISModel:
        """The networks that the options describe, initialized."""
        settings: dict[str, Any] = {
            "channels": opt.ngf,
            "norm": opt.norm_G,
            "latent_size": first_map_size(opt.crop_size, opt.aspect_ratio, UPSAMPLINGS),
            "z_dim": opt.z_dim if opt.noise_3d else None,
            "block": modulated_block(opt, OASISResnetBlock, TableOASISBlock),
        }
        check_smallest_feature_map(opt)
        netG = OASISGenerator(opt.semantic_nc, **settings)
        set_padding(netG, opt.padding_G)
        share_statistics(netG)
        netD = OASISDiscriminator(opt.num_labels, opt.ndf) if opt.is_train else None
        for network in (netG, netD):
            if network is not None:
                init_oasis_weights(network)
        unknown_is_last = opt.contain_dontcare_label and opt.dataset_mode not in UNKNOWN_FIRST
        return OASISModel(netG, netD, opt.num_labels, unknown_is_last)

    @classmethod
    def create(cls, opt: Any, model: Pix2PixModel) -> OASISMethod:
        """Losses and players for training `model`; loads VGG-19 with `--vgg_loss`."""
        has_unknown = opt.contain_dontcare_label or opt.dataset_mode in UNKNOWN_FIRST
        return cls(
            model,
            unknown=0 if has_unknown else None,
            is_balanced=opt.class_balance,
            lambda_labelmix=opt.lambda_labelmix if opt.labelmix else None,
            lambda_vgg=opt.lambda_vgg,
            vgg=VGGLoss.of(opt, model.device),
            TTUR=opt.TTUR,
            betas=(opt.beta1, opt.beta2),
            D_warmup=opt.D_warmup,
            diffaugment=DiffAugment.of(opt),
        )

    @property
    def fixed_networks(self) -> Sequence[nn.Module]:
        """VGG-19, which is frozen."""
        return () if self.vgg is None else (self.vgg,)

    def draw_noise(self, count: int) -> Tensor | None:
        """Noise vectors (count, z_dim), drawn again for each player's step."""
        return self.model.draw_eps(count)

    def describe_batch(self, layout: SemanticLayout) -> LabelFacts:
        """The pixels of each label, and new coins for LabelMix."""
        labels = layout.labels.flatten().long()
        # Not `bincount`, whose output has a length that depends on the labels: it would wait for a GPU.
        pixels = labels.new_zeros(layout.num_labels).scatter_add_(0, labels, torch.ones_like(labels))  # (num_labels,)
        return LabelFacts(sum_over_processes(pixels), self.draw_coins(layout.num_labels))

    def draw_coins(self, count: int) -> Tensor:
        """A random 0 or 1 for each label (count,); the same in every process, as their random numbers are."""
        return torch.randint(2, (count,), device=self.model.device)

    def generator_losses(self, part: Part) -> Outcome:
        """GAN, and VGG if it is asked for."""
        fake = self.model.generate(part.layout, part.noise)
        return Outcome(self.generator_losses_of(fake, part), fake=fake.detach())

    def generator_losses_of(self, fake: Tensor, part: Part) -> dict[str, Tensor]:
        """As `generator_losses`, on given fakes."""
        seen, seen_part = self.as_seen(fake, part)
        losses = {"GAN": self.real_loss(self.classify(seen), seen_part)}
        if self.vgg is not None:
            losses["VGG"] = self.lambda_vgg * self.vgg(fake, part.real)
        return losses

    def discriminator_losses(self, part: Part) -> Outcome:
        """D_Fake, D_real and LabelMix, on new fakes.

        The fakes are generated without gradients but in training mode, with new noise. The three passes of the
        discriminator are separate, in this order, as published: its spectral norm takes a power iteration in each.
        """
        with torch.no_grad():
            fake = self.model.generate(part.layout, part.noise)
        return Outcome(self.discriminator_losses_of(fake, part))

    def discriminator_losses_of(self, fake: Tensor, part: Part) -> dict[str, Tensor]:
        """As `discriminator_losses`, on given fakes."""
        fake, part = self.as_seen(fake, part)
        labels = part.label_layout.labels.long()
        has_class = labels != NO_CLASS  # (N, H, W); all pixels, without augmentation
        fake_logits = self.classify(fake)  # (N, num_labels + 1, H, W)
        of_fake = F.cross_entropy(fake_logits, torch.zeros_like(labels), reduction="none")  # (N, H, W)
        losses = {"D_Fake": (of_fake * has_class).mean()}
        real_logits = self.classify(part.real)
        losses["D_real"] = self.real_loss(real_logits, part)
        if self.lambda_labelmix is not None:
            mask = labelmix_mask(labels, part.batch)  # (N, 1, H, W)
            mixed_logits = self.classify(torch.where(mask, part.real, fake))
            # Gradients flow through all three, as published.
            difference = torch.where(mask, real_logits, fake_logits) - mixed_logits
            difference = torch.where(has_class[:, None], difference, 0.0)
            losses["LabelMix"] = self.lambda_labelmix * difference.square().mean()
        return losses

    def as_seen(self, fake: Tensor, part: Part) -> tuple[Tensor, Part]:
        """Fakes, and photos and labels of a micro-batch, as the discriminator sees and classifies them."""
        layout, fake, real = self.augmented(part, part.layout, fake, part.real)
        return fake, replace(part, layout=layout, real=real)

    def classify(self, images: Tensor) -> Tensor:
        """Logits of the discriminator (N, num_labels + 1, H, W), in full precision."""
        return full_precision(self.netD(images))

    def real_loss(self, logits: Tensor, part: Part) -> Tensor:
        """Cross-entropy of logits (N, num_labels + 1, H, W) to the labels: mean over pixels, or over classes."""
        pixels = part.batch.pixels
        weights = class_weights(pixels, self.unknown) if self.is_balanced else torch.ones_like(pixels)
        # Channel 0 is fake. It is also the target of pixels without a class (-1), which then have no loss.
        weights = F.pad(weights, (1, 0)).to(logits.dtype)  # (num_labels + 1,)
        # The sum of weights is that of the whole batch, so `reduction="mean"` would be wrong.
        return F.cross_entropy(logits, part.label_layout.labels.long() + 1, weights, reduction="none").mean()


def class_weights(pixels: Tensor, unknown: int | None = None) -> Tensor:
    """Weight of a pixel of each label so that the mean over pixels is the mean over classes.

    With P pixels in all, n of them of a class, and K classes that occur: P / (n K). The weight of unknown pixels is 0,
    but P counts them, as published.

    Args:
        pixels: number of pixels of each label, (num_labels,).
        unknown: label of the unknown class.
    Returns:
        (num_labels,); 0 for labels that do not occur.
    """
    known = pixels.clone()
    if unknown is not None:
        known[unknown] = 0
    weights = pixels.sum() / (known * (known > 0).sum())
    return weights.where(known > 0, 0)


def labelmix_mask(labels: Tensor, facts: LabelFacts) -> Tensor:
    """Pixels (N, 1, H, W) of labels (N, H, W) whose class is taken from the real image; of others, from the fake one.

    Pixels without a class, which are 0 in both, count as label 0.

    All samples have the same coin for a class. Where label 1 occurs, label 0 is real only if both of their coins say
    so: the published code wrote coins into the label map, class after class, and took a 1 that it had written for
    label 0 for label 1.
    """
    coins = facts.coins.bool()
    if len(coins) > 1:
        first = coins[0] & (coins[1] | (facts.pixels[1] == 0))
        coins = torch.cat([first[None], coins[1:]])  # (num_labels,)
    return coins[labels.clamp(min=0)][:, None]  # (N, 1, H, W)
