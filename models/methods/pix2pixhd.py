"""pix2pixHD (Wang et al., arXiv 1711.11585) as published: its networks, losses, fake pool and order of the steps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.augmentation import NO_AUGMENTATION, DiffAugment
from models.losses import GAN_LOSSES, Features, feature_matching_loss, gan_loss, mean_logit
from models.methods.base import Held, Method, Objective, Outcome, Part
from models.methods.fake_pool import FakePool
from models.methods.instance_features import (
    INSTANCES,
    LABELS,
    FeatureCenters,
    InstanceFeatureModel,
    centers_path,
)
from models.networks.init import init_weights
from models.networks.pix2pixhd import (
    NORMS,
    FeatureEncoder,
    GlobalGenerator,
    LocalEnhancer,
    Pix2PixHDDiscriminator,
    ResidualBlock,
)
from models.pix2pix_model import Pix2PixModel
from models.recompute import recomputed
from models.regularization import NO_REGULARIZATION, Regularization
from models.vgg import VGGLoss
from util.errors import InputError

LEAST_SQUARES = GAN_LOSSES["ls"]


class Pix2PixHDMethod(Method):
    """The losses of both players, and the order of their steps.

    In each iteration the generator's image is made once. Its losses and the discriminator's are about that image and
    the discriminator before its step; the generator's step does not change the latter, so it may come first.

    Args:
        model: has a discriminator, and an encoder "E" if the generator takes instance features.
        lambda_feat: weight of feature matching and of the perceptual loss.
        feature_matching: whether there is a feature matching loss; the discriminator must return inner features.
        vgg: the perceptual loss; None for none.
        pool_size: of the `FakePool`.
        fixed_epochs: epochs in which only the outermost local enhancer (and the encoder) is trained.
        betas: of both Adam optimizers.
        D_warmup: first steps in which the learning rate of the discriminator rises.
        diffaugment, regularization: of what the discriminator sees, and of its loss.
    """

    loads_partially = True
    """A larger generator starts from the weights of a smaller one: `--load_pretrained` takes the entries that fit."""

    def __init__(
        self,
        model: Pix2PixModel,
        lambda_feat: float = 10.0,
        feature_matching: bool = True,
        vgg: nn.Module | None = None,
        pool_size: int = 0,
        fixed_epochs: int = 0,
        betas: tuple[float, float] = (0.5, 0.999),
        D_warmup: int = 0,
        diffaugment: DiffAugment = NO_AUGMENTATION,
        regularization: Regularization = NO_REGULARIZATION,
    ):
        self.model, self.vgg, self.lambda_feat, self.feature_matching = model, vgg, lambda_feat, feature_matching
        self.pool, self.diffaugment, self.regularization = FakePool(pool_size), diffaugment, regularization
        self.fakes: deque[Tensor] = deque()  # of the generator's step, for the discriminator's
        assert isinstance(model.netD, Pix2PixHDDiscriminator), "a model that is trained has a discriminator"
        self.netD, held = model.netD, None
        if fixed_epochs:
            assert isinstance(model.netG, LocalEnhancer), "only the enhancers are trained first"
            held = Held(model.netG.inner_parameters(), fixed_epochs)
        trained = {letter: network for letter, network in model.networks.items() if letter in ("G", "E")}
        self.objectives: Sequence[Objective] = (
            Objective("G", trained, self.generator_losses, frozen=[self.netD], betas=betas, held=held),
            Objective("D", {"D": self.netD}, self.discriminator_losses, betas=betas, warmup=D_warmup),
        )

    @classmethod
    def size_step(cls, opt: Any) -> tuple[int, str]:
        """Both generators halve their input, the local enhancer once more for each of its enhancers."""
        if opt.netG == "global":
            return 2**opt.n_downsample_global, f" with --n_downsample_global {opt.n_downsample_global}"
        return (
            2 ** (opt.n_downsample_global + opt.n_local_enhancers),
            f" with --n_downsample_global {opt.n_downsample_global} and --n_local_enhancers {opt.n_local_enhancers}",
        )

    @classmethod
    def smallest_side(cls, opt: Any) -> int:
        """Reflection needs more pixels than it adds: 3 in the first and last layer, 1 in the residual blocks."""
        return max(4, 2 * cls.size_step(opt)[0])

    @classmethod
    def check(cls, opt: Any) -> None:
        """Refuse sizes and norms that the networks cannot have, and options that contradict each other."""
        super().check(opt)
        if opt.netG not in ("global", "local"):
            raise InputError(f"--netG {opt.netG}: must be one of global, local with --method pix2pixhd")
        for flag in ("norm_G", "norm_D") if opt.is_train else ("norm_G",):
            if getattr(opt, flag) not in NORMS:
                names = ", ".join(NORMS)
                raise InputError(f"--{flag} {getattr(opt, flag)}: must be one of {names} with --method pix2pixhd")
        smallest, (_, why) = cls.smallest_side(opt), cls.size_step(opt)
        if min(opt.crop_size, round(opt.crop_size / opt.aspect_ratio)) < smallest:
            step = cls.size_step(opt)[0]
            enough = math.ceil(smallest * max(1, opt.aspect_ratio) / step) * step
            raise InputError(
                f"--crop_size {opt.crop_size}: images are at least {smallest} pixels high and wide{why}; "
                f"use --crop_size {enough} or more"
            )
        if opt.instance_feat and opt.label_feat:
            raise InputError("--label_feat: contradicts --instance_feat; leave one of them out")
        if opt.label_feat and opt.input_nc:
            raise InputError(
                f"--label_feat: --input_nc {opt.input_nc} has no classes to take features of; leave the flag out"
            )
        if opt.instance_feat and not opt.instance:
            raise InputError("--instance_feat: needs instance maps; use --instance, or --label_feat --no_instance_feat")
        if (path := _centers_to_draw_from(opt)) and not path.exists():
            raise InputError(
                f"{path}: no such file, from which features are drawn; make it by python -m scripts.prepare features "
                f"--name {opt.name}, or add --use_encoded_image for the features of the photos"
            )
        if getattr(opt, "use_encoded_image", False) and not (opt.instance_feat or opt.label_feat):
            raise InputError("--use_encoded_image: these networks take no features; leave it out")
        if opt.is_train and opt.niter_fix_global and opt.netG != "local":
            raise InputError(f"--niter_fix_global {opt.niter_fix_global}: add --netG local, or leave the flag out")
        if opt.is_train and opt.niter_fix_global > opt.niter + opt.niter_decay:
            raise InputError(
                f"--niter_fix_global {opt.niter_fix_global}: the global generator would never be trained in "
                f"{opt.niter + opt.niter_decay} epochs (--niter, --niter_decay); use --niter_fix_global "
                f"{opt.niter + opt.niter_decay - 1}"
            )

    @classmethod
    def create_model(cls, opt: Any) -> Pix2PixModel:
        """The networks, with weights from N(0, 0.02) and PyTorch's default biases."""
        netG, netD, netE = _create_generator(opt), None, None
        if opt.is_train:
            sizes = {"ndf": opt.ndf, "norm": opt.norm_D, "n_layers": opt.n_layers_D, "num_D": opt.num_D}
            netD = Pix2PixHDDiscriminator(opt.semantic_nc, **sizes, inner_features=opt.gan_feat_loss)
        if netG.feat_num:
            netE = FeatureEncoder(opt.feat_num, opt.feat_width, opt.n_downsample_E, opt.norm_G)
        for network in (netG, netD, netE):
            if network is not None:
                init_weights(network, "normal", 0.02, zero_biases=False)
        if netE is None:
            return Pix2PixModel(netG, netD, None, opt.num_labels)
        centers = FeatureCenters.read(path) if (path := _centers_to_draw_from(opt)) else None
        regions = LABELS if opt.label_feat else INSTANCES
        return InstanceFeatureModel(netG, netD, netE, opt.num_labels, regions, centers, opt.seed)

    @classmethod
    def create(cls, opt: Any, model: Pix2PixModel) -> Pix2PixHDMethod:
        """Losses and players as the options say; loads VGG-19 unless `--no_vgg_loss`."""
        return cls(
            model,
            lambda_feat=opt.lambda_feat,
            feature_matching=opt.gan_feat_loss,
            vgg=VGGLoss.of(opt, model.device),
            pool_size=opt.pool_size,
            fixed_epochs=opt.niter_fix_global,
            betas=(opt.beta1, opt.beta2),
            D_warmup=opt.D_warmup,
            diffaugment=DiffAugment.of(opt),
            regularization=Regularization.of(opt),
        )

    @property
    def fixed_networks(self) -> Sequence[nn.Module]:
        """VGG-19, which is frozen."""
        return () if self.vgg is None else (self.vgg,)

    def generator_losses(self, part: Part) -> Outcome:
        """G_GAN, G_GAN_Feat and G_VGG; keeps the image for the discriminator."""
        layout = part.layout
        if isinstance(self.model, InstanceFeatureModel):
            layout = self.model.with_features(part.label_layout, part.real)
        fake = self.model.generate(layout, None)
        self.fakes.append(fake.detach())
        return Outcome(self.image_losses(part, fake), fake=fake.detach())

    def image_losses(self, part: Part, fake: Tensor) -> dict[str, Tensor]:
        """The generator's losses on given fakes."""
        layout, seen_fake, seen_real = self.augmented(part, part.layout, fake, part.real)
        fake_features = self.netD(layout, seen_fake)
        losses = {"G_GAN": sum_over_scales(LEAST_SQUARES.generator, fake_features)}
        if self.feature_matching:
            with torch.no_grad():
                real_features = self.netD(layout, seen_real)
            # By default 1: the published factor 4 belongs to 3 layers besides the first.
            weight = self.lambda_feat * 4 / (self.netD.n_layers + 1)
            losses["G_GAN_Feat"] = weight * feature_matching_loss(fake_features, real_features)
        if self.vgg is not None:
            losses["G_VGG"] = self.lambda_feat * self.vgg(fake, part.real)  # the published code has one weight for both
        return losses

    def discriminator_losses(self, part: Part) -> Outcome:
        """Half the sum of D_fake and D_real, which are plotted without the factor, and terms of regularization."""
        fake_layout, fake = self.augmented(part, *self.pool.exchange(part.layout, self.fakes.popleft()))
        layout, real = self.augmented(part, part.layout, part.real)
        # Two passes, as published: with batch norm the two kinds of images have statistics of their own.
        fake_features, real_features = self.netD(fake_layout, fake), self.netD(layout, real)
        D_fake = sum_over_scales(LEAST_SQUARES.discriminator_fake, fake_features)
        D_real = sum_over_scales(LEAST_SQUARES.discriminator_real, real_features)
        metrics = {"D_fake": D_fake.detach(), "D_real": D_real.detach()}
        with torch.no_grad():
            metrics |= {"logits/fake": mean_logit(fake_features), "logits/real": mean_logit(real_features)}
        losses = {"D": 0.5 * (D_fake + D_real)}
        losses |= self.regularization.losses(self.netD, part.step, layout, real, fake_features, real_features)
        return Outcome(losses, metrics)

    def state_dict(self) -> dict[str, Any]:
        """The pool of fakes, and of regularization. Between iterations no other image is kept."""
        return {"pool": self.pool.state_dict(), **super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state`."""
        super().load_state_dict(state)
        self.pool.load_state_dict(state["pool"], self.model.device)


def _centers_to_draw_from(opt: Any) -> Path | None:
    """The file of the feature centers for a test without the features of photos; None if there are none to draw."""
    # Programs without that option generate no images from what they draw.
    draws = not (opt.is_train or getattr(opt, "use_encoded_image", True))
    return centers_path(opt.run_dir, opt.which_epoch) if draws and (opt.instance_feat or opt.label_feat) else None


def _create_generator(opt: Any) -> GlobalGenerator | LocalEnhancer:
    common: dict[str, Any] = {
        "ngf": opt.ngf,
        "n_downsample": opt.n_downsample_global,
        "n_blocks": opt.n_blocks_global,
        "norm": opt.norm_G,
        "feat_num": opt.feat_num if opt.instance_feat or opt.label_feat else 0,
        "block": recomputed(ResidualBlock) if opt.is_train and opt.checkpoint_activations else ResidualBlock,
    }
    if opt.netG == "global":
        return GlobalGenerator(opt.semantic_nc, **common)
    enhancers = {"n_enhancers": opt.n_local_enhancers, "n_blocks_local": opt.n_blocks_local}
    return LocalEnhancer(opt.semantic_nc, **common, **enhancers)


def sum_over_scales(term: Callable[[Tensor], Tensor], features: Features) -> Tensor:
    """One term of a GAN loss over the logits of every scale: the sum of their means (SPADE has their mean)."""
    return len(features) * gan_loss(term, features)
