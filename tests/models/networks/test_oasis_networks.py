"""The networks of OASIS: names and sizes of the released files, noise, skips, initialization."""

from typing import cast

import pytest
import torch
from torch import nn

from models.networks.init import parameter_count
from models.networks.layout import SemanticLayout
from models.networks.norms import bias_of
from models.networks.oasis import DownBlock, OASISDiscriminator, OASISGenerator, init_oasis_weights
from models.networks.spectral_norm import SpectralLayer, spectral_norm
from models.networks.statistics import settle_spectral_norm


def layout_of(*, count=2, size=32, labels=5):
    torch.manual_seed(1)
    return SemanticLayout(torch.randint(labels, (count, size, size)), None, labels)


def tiny_generator(labels=5, z_dim: int | None = 3):
    torch.manual_seed(0)
    return OASISGenerator(labels, 2, latent_size=(1, 1), z_dim=z_dim).eval()


@pytest.mark.parametrize(
    "labels, latent_size, of_G, of_D",
    [
        (151, (8, 8), 74_314_691, 22_258_904),
        (35, (8, 16), 71_107_523, 22_251_364),
        (183, (8, 8), 75_199_427, 22_260_984),
    ],
    ids=("ade20k", "cityscapes", "coco"),
)
def test_parameters_of_the_released_networks(labels, latent_size, of_G, of_D):
    with torch.device("meta"):
        netG, netD = OASISGenerator(labels, latent_size=latent_size), OASISDiscriminator(labels)
    assert (parameter_count(netG), parameter_count(netD)) == (of_G, of_D)
    assert (len(netG.state_dict()), len(netD.state_dict())) == (208, 130)


def test_names_and_their_order_are_those_of_the_released_files():
    names = list(tiny_generator().state_dict())
    conv = ("bias", "weight_orig", "weight_u", "weight_v")
    assert names[:10] == ["conv_img.weight", "conv_img.bias"] + [
        f"body.0.conv_{i}.{name}" for i in (0, 1) for name in conv
    ]
    norm = [f"first_norm.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")]
    norm += [f"{layer}.{name}" for layer in ("mlp_shared.0", "mlp_gamma", "mlp_beta") for name in ("weight", "bias")]
    assert names[10:19] == [f"body.0.norm_0.{name}" for name in norm]
    assert names[-2:] == ["fc.weight", "fc.bias"]
    assert {name.split(".")[1] for name in names if ".conv_s." in name} == set("2345")

    names = list(OASISDiscriminator(5, 1).state_dict())
    assert names[:8] == [f"body_up.0.{layer}.{name}" for layer in ("conv1.2", "conv2.1") for name in conv]
    assert [name for name in names if name.startswith("body_down.0.") and name.endswith("u")] == [
        f"body_down.0.{layer}.weight_u" for layer in ("conv1.0", "conv2.1", "conv_s")
    ]
    assert "body_down.1.conv1.1.weight_orig" in names and not any(
        name.startswith("body_down.1.conv_s") for name in names
    )
    assert names[-2:] == ["layer_up_last.weight", "layer_up_last.bias"]


def test_noise_stands_in_front_of_the_semantic_map():
    layout, z = layout_of(size=4), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    noisy = layout.with_noise(z)
    assert noisy.channels == 7 and noisy.noise is z and layout.noise is None
    semantics = noisy.at(2, 2)
    assert torch.equal(semantics[:, :2], z[:, :, None, None].expand(2, 2, 2, 2))
    assert torch.equal(semantics[:, 2:], layout.at(2, 2))
    ramp = torch.arange(16.0).view(1, 1, 4, 4).expand(2, 2, 4, 4)
    assert layout.with_noise(ramp).at(2, 2)[0, 0].tolist() == [[0, 2], [8, 10]]  # nearest
    assert [len(part.noise) for part in noisy.split(2) if part.noise is not None] == [1, 1]


@torch.no_grad()
def test_a_vector_and_the_map_that_repeats_it_give_the_same_image():
    netG, layout, z = tiny_generator(), layout_of(), torch.randn(2, 3)
    image = netG(layout, z)
    assert image.shape == (2, 3, 32, 32) and netG.output_size == (32, 32)
    torch.testing.assert_close(netG(layout, z[:, :, None, None].expand(-1, -1, 32, 32)), image)
    assert not torch.allclose(netG(layout, torch.randn(2, 3)), image)
    assert not torch.equal(netG(layout), netG(layout))  # drawn
    without = tiny_generator(z_dim=None)
    assert torch.equal(without(layout), without(layout))


def test_every_pixel_of_the_discriminator_is_classified_by_the_image_alone():
    netD = OASISDiscriminator(5, 1).eval()
    settle_spectral_norm(netD)
    images = torch.randn(2, 3, 64, 128)
    assert netD(images).shape == (2, 6, 64, 128)
    torch.testing.assert_close(netD(images)[1:], netD(images[1:]))  # samples are independent


@torch.no_grad()
def test_the_shortcut_of_a_block_is_an_average_of_pixels():
    block = DownBlock(1, 1)
    image = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    residual = block.conv2(block.conv1(image)).mean()
    block.eval()
    assert (block(image) - residual).item() == pytest.approx(3)


@pytest.mark.parametrize("channels, std", [(1024, 0.000208), (512, 0.000295)])
def test_spectrally_normalized_weights_get_the_small_standard_deviation(channels, std):
    layer = spectral_norm(nn.Conv2d(channels, channels, 3, device="meta")).to_empty(device="cpu")
    init_oasis_weights(layer)
    assert cast(SpectralLayer, layer).weight_orig.std().item() == pytest.approx(std, rel=5e-3)
    assert not bias_of(layer).any()


def test_all_convolutions_are_initialized_alike():
    torch.manual_seed(0)
    for network in (OASISGenerator(40, 16, latent_size=(1, 1)), OASISDiscriminator(40, 8)):
        vectors = {name: tensor.clone() for name, tensor in network.named_buffers()}
        for name, parameter in init_oasis_weights(network).named_parameters():
            if parameter.dim() == 1:
                assert not parameter.any(), name
            elif parameter.numel() > 1000:
                fans = (parameter.shape[0] + parameter.shape[1]) * parameter[0, 0].numel()
                assert parameter.std().item() == pytest.approx(0.02 * (2 / fans) ** 0.5, rel=0.15), name
        assert all(torch.equal(tensor, vectors[name]) for name, tensor in network.named_buffers())
