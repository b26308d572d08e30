"""U-Net and PatchGAN of pix2pix: names and counts as published, dropout as latent, statistics of each image."""

import pytest
import torch
from torch import nn

from models.folding import fold_norms
from models.networks.init import init_weights, parameter_count
from models.networks.layout import SemanticLayout
from models.networks.norms import OwnStatisticsBatchNorm
from models.networks.pix2pix import LatentDropout, PatchDiscriminator, UNetGenerator
from util.fill import fill


def layout(count=2, labels=4, height=64, width=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return SemanticLayout(torch.randint(labels, (count, height, width), generator=generator), None, labels)


def unet(**settings):
    settings = {"num_downs": 6, "image_size": (64, 64)} | settings
    network = UNetGenerator(4, ngf=2, **settings)
    fill(network, seed=1)
    return network


@pytest.mark.parametrize("semantic_nc, count", [(3, 54_413_955), (184, 54_599_299), (151, 54_565_507)])
def test_the_published_generator_has_the_published_number_of_parameters(semantic_nc, count):
    with torch.device("meta"):
        assert parameter_count(UNetGenerator(semantic_nc)) == count


def test_the_published_discriminator_has_the_published_number_of_parameters_and_sees_patches_of_70_pixels():
    with torch.device("meta"):
        assert parameter_count(PatchDiscriminator(3)) == 2_768_705
    netD = PatchDiscriminator(1, ndf=2, norm="instance").eval()
    images = torch.zeros(1, 3, 128, 128, requires_grad=True)
    linear = nn.Sequential(*(layer for layer in netD.model if isinstance(layer, nn.Conv2d)))
    linear(torch.cat([torch.zeros(1, 1, 128, 128), images], dim=1))[0, 0, 7, 7].backward()
    rows = images.grad.abs().sum((0, 1, 3)).nonzero()
    assert rows.max() - rows.min() + 1 == 70


def test_convolutions_have_a_bias_where_published():
    biased = {name for name, _ in unet().named_parameters() if name.endswith("bias")}
    norms = {f"{name}.bias" for name, module in unet().named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert biased - norms == {"model.model.3.bias"}
    layers = [m for m in unet(norm="instance").modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert all(layer.bias is not None for layer in layers)


@pytest.mark.parametrize("num_downs, levels", [(5, []), (6, [4]), (8, [6, 5, 4]), (9, [7, 6, 5, 4])])
def test_dropout_is_in_the_levels_of_8_ngf_channels_but_the_innermost(num_downs, levels):
    with torch.device("meta"):
        network = UNetGenerator(3, 2, num_downs, image_size=(512, 1024))
        names = [name for name, module in network.named_modules() if isinstance(module, LatentDropout)]
        assert names == [f"model.model.1{'.model.3' * (level - 1)}.model.7" for level in levels]
        values = sum(16 * (512 >> level) * (1024 >> level) for level in levels)
        assert network.z_dim == (values or None)
        assert UNetGenerator(3, 2, num_downs, dropout=False).z_dim is None


def test_a_latent_decides_which_values_are_dropped():
    x = torch.tensor([[[[1.0, -2.0]], [[3.0, 4.0]]]])  # (1, 2, 1, 2)
    z = torch.tensor([[0.1, -0.1, -3.0, 2.0]])
    assert LatentDropout()(x, z).tolist() == [[[[2.0, 0.0]], [[0.0, 8.0]]]]


@pytest.mark.parametrize("training", [True, False])
def test_the_image_is_a_function_of_the_latent(training):
    network, maps = unet().train(training), layout()
    z = torch.randn(2, network.z_dim)
    with torch.no_grad():
        image = network(maps, z)
        assert image.shape == (2, 3, 64, 64)
        assert torch.equal(network(maps, z), image)
        assert torch.equal(network(maps, 2 * z), image)
        assert not torch.equal(network(maps, -z), image)
        assert not torch.equal(network(maps), network(maps))  # without a latent, one is drawn


def test_evaluation_is_training_mode_with_one_image_at_a_time():
    network, maps = unet(), layout(count=3)
    z = torch.randn(3, network.z_dim)
    with torch.no_grad():
        alone = torch.cat([network.train()(part, noise) for part, noise in zip(maps.split(3), z.chunk(3))])
        together = network.eval()(maps, z)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_running_statistics_come_without_dropout():
    network, maps = unet(own_statistics=False), layout()
    assert network.train().z_dim is not None
    network.eval()
    assert network.z_dim is None
    with torch.no_grad():
        image = network(maps)
        assert torch.equal(network(maps, torch.randn(2, 64)), image)
        alone = torch.cat([network(part) for part in maps.split(2)])
        torch.testing.assert_close(alone, image, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(unet(dropout=False).eval()(maps), image, atol=0.01)


def test_folding_leaves_norms_with_statistics_of_each_image():
    maps = layout()
    for own_statistics in (True, False):
        network = unet(own_statistics=own_statistics).eval()
        z = torch.randn(2, network.z_dim) if own_statistics else None
        with torch.no_grad():
            image = network(maps, z)
            folded = fold_norms(network)
            torch.testing.assert_close(folded(maps, z), image, rtol=1e-4, atol=1e-5)
        assert any(isinstance(module, nn.BatchNorm2d) for module in folded.modules()) == own_statistics


def test_batch_norm_with_own_statistics_by_hand():
    norm = OwnStatisticsBatchNorm(1).eval()
    nn.init.constant_(norm.weight, 3)
    nn.init.constant_(norm.bias, 1)
    x = torch.tensor([[[[0.0, 2.0]]], [[[10.0, 10.0]]]])  # means 1 and 10, deviations 1 and 0
    torch.testing.assert_close(norm(x), torch.tensor([[[[-2.0, 4.0]]], [[[1.0, 1.0]]]]), atol=1e-3, rtol=0)


def test_initialization_as_published():
    network = init_weights(UNetGenerator(3, 16, 5), "normal", 0.02)
    assert network.model.model[3].weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert network.model.model[3].bias.abs().max() == 0
    norm = network.model.model[1].model[2]
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.02) and norm.weight.std() > 0 == norm.bias.abs().max()
