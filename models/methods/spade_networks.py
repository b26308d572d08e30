"""The networks of SPADE from options: definitions or their faster subclasses, recomputed in backward or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from models.networks.blocks import SPADEResnetBlock
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.encoder import ConvEncoder
from models.networks.generators import GENERATORS, Generator, first_map_size
from models.networks.init import init_weights
from models.networks.norms import NormSpec
from models.networks.variants import ConcatHDResnetBlock, ConcatResnetBlock, PlainResnetBlock, ResnetBlock
from models.padding import set_padding
from models.pix2pix_model import Pix2PixModel
from models.recompute import recomputed
from models.shared_statistics import share_statistics
from models.tables import PresentLabelsDiscriminator, TableResnetBlock
from models.upsampling import bilinear
from util.errors import InputError


def create_generator(opt, spade: Callable[..., Generator] = GENERATORS["spade"]) -> Generator:
    """The generator that the options describe, with PyTorch's default weights.

    `--modulation dense` builds the classes of `models.networks`; any other value builds their faster subclasses in
    `models.tables`, with the same parameters.

    Args:
        spade: builds the generator for `--netG spade`.
    """
    _check_norm_of_conditioning(opt)
    if opt.netG == "pix2pixhd":
        block = ConcatHDResnetBlock if opt.conditioning == "concat" else ResnetBlock
        netG = GENERATORS[opt.netG](
            semantic_nc=opt.semantic_nc,
            ngf=opt.ngf,
            norm=opt.norm_G,
            n_downsample=opt.resnet_n_downsample,
            n_blocks=opt.resnet_n_blocks,
            kernel_size=opt.resnet_kernel_size,
            initial_kernel_size=opt.resnet_initial_kernel_size,
            block=_maybe_recomputed(block, opt),
        )
    else:
        netG = spade(
            semantic_nc=opt.semantic_nc,
            ngf=opt.ngf,
            norm=opt.norm_G,
            latent_size=first_map_size(opt.crop_size, opt.aspect_ratio, opt.upsamplings),
            num_upsampling_layers=opt.num_upsampling_layers,
            z_dim=opt.z_dim if opt.use_vae or opt.random_input else None,
            block=_decoder_block(opt),
        )
    set_padding(netG, opt.padding_G)
    share_statistics(netG)
    return netG


def create_encoder(opt) -> ConvEncoder:
    """The encoder that the options describe, with PyTorch's default weights."""
    return ConvEncoder(crop_size=opt.crop_size, ngf=opt.ngf, norm=opt.norm_E, z_dim=opt.z_dim)


def create_networks(opt: Any) -> Pix2PixModel:
    """Model for training (G, D, perhaps E) or testing (G, perhaps E), initialized by `--init_type`."""
    netG = create_generator(opt)
    check_smallest_feature_map(opt)
    netD = _create_discriminator(opt) if opt.is_train else None
    netE = create_encoder(opt) if opt.use_vae else None
    for network in (netG, netD, netE):
        if network is not None:
            init_weights(network, opt.init_type, opt.init_gain)
    return Pix2PixModel(netG, netD, netE, opt.num_labels)


def _decoder_block(opt) -> Callable[..., nn.Module]:
    """The block of `--netG spade`."""
    if opt.conditioning != "spade":
        return _wrapped(ConcatResnetBlock if opt.conditioning == "concat" else PlainResnetBlock, opt)
    return modulated_block(opt, SPADEResnetBlock, TableResnetBlock)


def modulated_block(opt, dense: type[SPADEResnetBlock], by_table: type[TableResnetBlock]) -> Callable[..., nn.Module]:
    """The block with SPADE in it: the definition with `--modulation dense`, else the same with tables."""
    if opt.modulation == "dense":
        return _wrapped(dense, opt)
    return partial(
        _wrapped(by_table, opt),
        always=opt.modulation == "table",
        recomputes_parts=not _recomputes_blocks(opt),
    )


def _check_norm_of_conditioning(opt) -> None:
    """Refuse a SPADE norm without `--conditioning spade`, and a plain norm with it."""
    is_spade = bool(NormSpec.parse(opt.norm_G, "norm_G").spade_kernel)
    if is_spade != (opt.conditioning == "spade"):
        kind = (
            "a plain norm such as spectralsyncbatch" if is_spade else "a SPADE norm such as spectralspadesyncbatch3x3"
        )
        raise InputError(f"--norm_G {opt.norm_G}: --conditioning {opt.conditioning} needs {kind}")


def check_smallest_feature_map(opt) -> None:
    """Refuse a smallest feature map of one value a channel: its norm would return zero and lose the latent."""
    if opt.netG != "spade":
        return
    height, width = first_map_size(opt.crop_size, opt.aspect_ratio, opt.upsamplings)
    per_image = NormSpec.parse(opt.norm_G, "norm_G").kind == "instance"
    if height * width == 1 and (per_image or (opt.is_train and opt.batch_size == opt.accumulate)):
        otherwise = ", or batch norm with 2 samples or more in each part of a batch" if opt.is_train else ""
        raise InputError(
            f"--crop_size {opt.crop_size}: the smallest feature map is 1x1, one value for {opt.norm_G} to normalize; "
            f"use --crop_size {2 * opt.crop_size}{otherwise}"
        )


def _create_discriminator(opt) -> MultiscaleDiscriminator:
    sizes = {
        "semantic_nc": opt.semantic_nc,
        "ndf": opt.ndf,
        "norm": opt.norm_D,
        "n_layers": opt.n_layers_D,
        "num_D": opt.num_D,
    }
    if opt.modulation == "dense":
        return MultiscaleDiscriminator(**sizes)
    return PresentLabelsDiscriminator(**sizes, always=opt.modulation == "table")


def _recomputes_blocks(opt) -> bool:
    return opt.is_train and opt.checkpoint_activations


def _wrapped(block: type[nn.Module], opt) -> type[nn.Module]:
    """A block of `--netG spade` or OASIS with what options change of it from outside."""
    return _maybe_recomputed(bilinear(block) if opt.upsampling_G == "bilinear" else block, opt)


def _maybe_recomputed(block: type[nn.Module], opt) -> type[nn.Module]:
    return recomputed(block) if _recomputes_blocks(opt) else block
