"""The networks of the published pix2pixHD: names, parameter counts, pyramids, and means over regions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.networks.discriminators import halve
from models.networks.init import init_weights, parameter_count
from models.networks.layout import SemanticLayout
from models.networks.pix2pixhd import (
    FeatureEncoder,
    GlobalGenerator,
    LocalEnhancer,
    Pix2PixHDDiscriminator,
    region_means,
)


def layout(height=16, width=32, num_labels=4, count=1):
    torch.manual_seed(0)
    return SemanticLayout(torch.randint(num_labels, (count, height, width)), None, num_labels)


def convolutions(network):
    """Names of the convolutions, and their (in, out) channels."""
    return {
        name: (conv.in_channels, conv.out_channels)
        for name, conv in network.named_modules()
        if isinstance(conv, (nn.Conv2d, nn.ConvTranspose2d))
    }


@pytest.mark.parametrize(
    "make, count",
    [
        (lambda: GlobalGenerator(36), 182_546_755),
        (lambda: LocalEnhancer(36), 182_857_059),
        (lambda: GlobalGenerator(151), 182_907_395),
        (lambda: GlobalGenerator(184), 183_010_883),
    ],
)
def test_parameters_of_the_published_settings(make, count):
    with torch.device("meta"):
        assert parameter_count(make()) == count


def test_convolutions_of_the_global_generator_have_the_published_names():
    with torch.device("meta"):
        names = list(convolutions(GlobalGenerator(36)))
    blocks = [f"{block}.conv_block.{conv}" for block in range(16, 25) for conv in (1, 5)]
    assert names == [f"model.{place}" for place in (1, 4, 7, 10, 13, *blocks, 25, 28, 31, 34, 38)]


def test_every_convolution_has_a_bias_and_norms_have_no_parameters():
    for network in (GlobalGenerator(4, 2, 1, 1), LocalEnhancer(4, 2, 1, 1), Pix2PixHDDiscriminator(4, 2)):
        names = {f"{conv}.{entry}" for conv in convolutions(network) for entry in ("weight", "bias")}
        assert set(network.state_dict()) == names


def test_enhancers_double_the_size_and_halve_the_channels():
    found = convolutions(LocalEnhancer(5, 4, 1, 1, n_enhancers=2, n_blocks_local=1))
    assert found == {
        "model.1": (5, 16),
        "model.4": (16, 32),
        "model.7.conv_block.1": (32, 32),
        "model.7.conv_block.5": (32, 32),
        "model.8": (32, 16),
        "model1_1.1": (5, 8),
        "model1_1.4": (8, 16),
        "model1_2.0.conv_block.1": (16, 16),
        "model1_2.0.conv_block.5": (16, 16),
        "model1_2.1": (16, 8),
        "model2_1.1": (5, 4),
        "model2_1.4": (4, 8),
        "model2_2.0.conv_block.1": (8, 8),
        "model2_2.0.conv_block.5": (8, 8),
        "model2_2.1": (8, 4),
        "model2_2.5": (4, 3),
    }


def test_the_innermost_generator_of_two_enhancers_sees_a_quarter_of_the_size():
    seen: dict[object, torch.Tensor] = {}
    network = LocalEnhancer(4, 2, 1, 1, n_enhancers=2)
    for name in ("model", "model1_1", "model2_1"):
        network.get_submodule(name).register_forward_pre_hook(lambda _, x, name=name: seen.__setitem__(name, x[0]))
    one = layout(32, 32)
    image = network(one)
    assert image.shape == (1, 3, 32, 32) and image.abs().max() <= 1
    assert torch.equal(seen["model2_1"], one.at(32, 32))
    assert torch.equal(seen["model1_1"], halve(one.at(32, 32)))
    assert torch.equal(seen["model"], halve(halve(one.at(32, 32))))
    torch.testing.assert_close(seen["model"].sum(1), torch.ones(1, 8, 8))  # soft, but still a distribution


def test_the_outermost_enhancer_is_all_that_is_not_inner():
    network = LocalEnhancer(4, 2, 1, 1, n_enhancers=2, n_blocks_local=1)
    inner = {id(parameter) for parameter in network.inner_parameters()}
    outer = {name.split(".")[0] for name, parameter in network.named_parameters() if id(parameter) not in inner}
    assert outer == {"model2_1", "model2_2"}


def test_instance_features_follow_the_semantic_map():
    network = GlobalGenerator(4, 2, 1, 1, feat_num=3)
    one = layout()
    one.maps["features"] = torch.rand(1, 3, 16, 32)
    assert torch.equal(network.semantics(one), torch.cat([one.at(16, 32), one.maps["features"]], dim=1))
    assert network(one).shape == (1, 3, 16, 32)


def test_scales_of_the_discriminator_are_numbered_from_the_smallest_images():
    network = Pix2PixHDDiscriminator(4, ndf=2, num_D=3)
    seen: dict[object, torch.Tensor] = {}
    for i in range(3):
        network.get_submodule(f"scale{i}_layer0").register_forward_pre_hook(lambda _, x, i=i: seen.__setitem__(i, x[0]))
    image = torch.rand(1, 3, 16, 32)
    features = network(layout(), image)
    assert torch.equal(seen[2][:, 4:], image)
    assert torch.equal(seen[1], halve(seen[2])) and torch.equal(seen[0], halve(seen[1]))
    assert [outputs[0].shape[-2:] for outputs in features] == [(9, 17), (5, 9), (3, 5)]  # full size first
    assert [layer.shape[1] for layer in features[0]] == [2, 4, 8, 16, 1]


def test_a_discriminator_with_one_scale_more_contains_a_smaller_one():
    two, three = Pix2PixHDDiscriminator(4, 2, num_D=2), Pix2PixHDDiscriminator(4, 2, num_D=3)
    three.load_state_dict(two.state_dict(), strict=False)
    large = layout(32, 32)
    image = torch.rand(1, 3, 32, 32)
    x = halve(torch.cat([large.at(32, 32), image], dim=1))
    for outputs, of_three in zip((two._patches(1, x), two._patches(0, halve(x))), three(large, image)[1:]):
        for a, b in zip(outputs, of_three, strict=True):
            assert torch.equal(a, b)


def test_channels_of_the_discriminator_stop_at_512():
    with torch.device("meta"):
        found = convolutions(Pix2PixHDDiscriminator(4, ndf=64, n_layers=5, num_D=1))
    assert list(found.values()) == [(7, 64), (64, 128), (128, 256), (256, 512), (512, 512), (512, 512), (512, 1)]


def test_without_inner_features_the_layers_have_the_other_published_names():
    with_features, without = (Pix2PixHDDiscriminator(4, 2, num_D=1, inner_features=yes) for yes in (True, False))
    assert list(convolutions(without)) == [f"layer0.{place}" for place in (0, 2, 5, 8, 11)]
    without.load_state_dict(dict(zip(without.state_dict(), with_features.state_dict().values())))
    image = torch.rand(1, 3, 16, 32)
    (logits,) = without(layout(), image)[0]
    assert torch.equal(logits, with_features(layout(), image)[0][-1])


def test_new_weights_have_deviation_002_and_biases_stay_as_torch_made_them():
    torch.manual_seed(0)
    network = GlobalGenerator(4, 16, 1, 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    init_weights(network, "normal", 0.02, zero_biases=False)
    for name, tensor in network.state_dict().items():
        if name.endswith("bias"):
            assert torch.equal(tensor, before[name]) and tensor.abs().max() > 0
        elif tensor.numel() > 1000:
            assert abs(float(tensor.std()) / 0.02 - 1) < 0.1 and abs(float(tensor.mean())) < 2e-3


def test_each_region_gets_its_mean_in_each_sample_and_channel():
    features = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]], [[[2.0, 4.0], [6.0, 8.0]]]])  # (2, 1, 2, 2)
    regions = torch.tensor([[[9, 9], [9, 70_000]], [[9, -1], [9, -1]]])
    assert region_means(features, regions).tolist() == [[[[3, 3], [3, 7]]], [[[4, 6], [4, 6]]]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
def test_means_over_regions_agree_with_a_loop(seed, count, height, width):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 2, height, width, generator=generator, dtype=torch.float64)
    regions = torch.randint(-3, 3, (count, height, width), generator=generator)
    expected = features.clone()
    for sample, ids in zip(expected, regions):
        for region in ids.unique():
            sample[:, ids == region] = sample[:, ids == region].mean(1, keepdim=True)
    torch.testing.assert_close(region_means(features, regions), expected)


def test_the_encoder_is_constant_in_each_instance():
    network = FeatureEncoder(feat_num=2, nef=2, n_downsample=2)
    assert list(convolutions(network)) == [f"model.{place}" for place in (1, 4, 7, 10, 13, 17)]
    regions = torch.arange(16)[None, None, :].expand(2, 16, 16) // 8  # left and right half
    features = network(torch.rand(2, 3, 16, 16), regions)
    assert features.shape == (2, 2, 16, 16)
    assert torch.equal(features, features[..., [0, 15]].repeat_interleave(8, dim=-1)[:, :, :1].expand_as(features))
