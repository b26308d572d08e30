"""CRN: published counts, soft label pyramid, layer norm per sample, the order of k images, names of TensorFlow."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.networks.crn import (
    CRNGenerator,
    label_pyramid,
    layer_norm,
    module_channels,
    module_heights,
    upsample_to,
)
from models.networks.init import parameter_count
from models.networks.layout import SemanticLayout
from models.tensorflow_weights import from_tensorflow
from util.fill import fill


def layout(count=2, height=16, width=32, labels=3):
    generator = torch.Generator().manual_seed(0)
    return SemanticLayout(torch.randint(labels, (count, height, width), generator=generator), None, labels)


def crn(num_images=2, height=16):
    network = CRNGenerator(3, module_channels(height, 4), num_images)
    fill(network, seed=2)
    return network


@pytest.mark.parametrize(
    "classes, height, num_images, count",
    [
        (20, 256, 9, 97_875_483),
        (20, 512, 1, 98_622_851),
        (20, 1024, 1, 98_674_531),
        (151, 256, 9, 105_119_259),
        (183, 256, 9, 106_888_731),
    ],
)
def test_the_published_networks_have_the_published_numbers_of_parameters(classes, height, num_images, count):
    with torch.device("meta"):
        assert parameter_count(CRNGenerator(classes, module_channels(height), num_images)) == count


def test_widths_of_modules():
    assert module_channels(32) == {4: 1024, 8: 1024, 16: 1024, 32: 1024}
    assert list(module_channels(1024).values()) == [1024] * 5 + [512, 512, 128, 32]
    assert list(module_channels(1024, most=200).values()) == [200] * 7 + [128, 32]
    assert [module_heights(height) for height in (48, 2, 5)] == [[], [], []]


def test_coarse_label_maps_are_means_over_windows():
    labels = torch.tensor([[[0, 1, 1, 1], [0, 0, 1, 1], [2, 2, 0, 0], [2, 2, 1, 2]]])
    coarsest, coarse, full = label_pyramid(SemanticLayout(labels, None, 3), 3)
    assert full.shape == (1, 3, 4, 4)
    assert coarse[0, :, 0, 0].tolist() == [0.75, 0.25, 0.0]
    assert coarse[0, :, 1, 1].tolist() == [0.5, 0.25, 0.25]
    assert coarsest[0, :, 0, 0].tolist() == [5 / 16, 6 / 16, 5 / 16]


def test_layer_norm_by_hand():
    """Mean and variance over channels and positions of each sample; scale and shift for each channel."""
    norm = layer_norm(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.0, 5.0]))
    x = torch.tensor([[[[1.0, 3.0]], [[5.0, 7.0]]], [[[0.0, 0.0]], [[0.0, 0.01]]]])  # (2, 2, 1, 2)
    s = 5**0.5  # deviation of 1, 3, 5, 7 with mean 4
    torch.testing.assert_close(norm(x)[0], torch.tensor([[[-3 / s, -1 / s]], [[5 + 2 / s, 5 + 6 / s]]]))
    assert norm(x)[1, 1, 0, 1].item() == pytest.approx(5 + 2 * 3**0.5)  # eps is 1e-12, not 1e-5


def test_features_are_upsampled_corner_to_corner():
    x = torch.tensor([[[[0.0, 3.0], [6.0, 9.0]]]])
    up = upsample_to(torch.zeros(1, 1, 4, 4), x)
    torch.testing.assert_close(up[0, 0, 0], torch.tensor([0.0, 1.0, 2.0, 3.0]))
    torch.testing.assert_close(up[0, 0, :, 3], torch.tensor([3.0, 5.0, 7.0, 9.0]))


def test_image_j_is_made_of_channels_j_k_plus_j_and_2k_plus_j():
    network, maps = crn(num_images=3), layout()
    outputs = {}
    network.g_16_conv100.register_forward_hook(lambda module, inputs, y: outputs.update(y=y))
    with torch.no_grad():
        images = network.images(maps)
    assert images.shape == (2, 3, 3, 16, 32)
    for j in range(3):
        assert torch.equal(images[:, j], outputs["y"][:, [j, 3 + j, 6 + j]])
    assert torch.equal(network(maps), images[:, 0])


def test_images_leave_the_range_in_training_mode_only():
    network, maps = crn(), layout()
    with torch.no_grad():
        image = network.train()(maps)
        assert image.abs().max() > 1
        assert torch.equal(network.eval()(maps), image.clamp(-1, 1))


@pytest.mark.parametrize("height, width", [(16, 16), (16, 32), (16, 20), (32, 16)])
def test_any_width_that_starts_from_whole_pixels(height, width):
    assert crn(height=height)(layout(height=height, width=width)).shape == (2, 3, height, width)


def test_samples_do_not_see_each_other():
    network, maps = crn(), layout()
    with torch.no_grad():
        alone = torch.cat([network(part) for part in maps.split(2)])
        torch.testing.assert_close(network(maps), alone, rtol=1e-4, atol=1e-5)


def test_modules_below_the_first_trained_one_get_no_gradients():
    network = crn()
    network.train_from(16)
    network(layout()).sum().backward()
    trained = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert trained == {"g_16_conv1", "g_16_conv2", "g_16_conv100"}
    inputs = {}
    network.g_16_conv1.register_forward_hook(lambda module, args, y: inputs.update(x=args[0]))
    network(layout())
    assert not inputs["x"].requires_grad


def test_variables_of_tensorflow_become_a_state_dict():
    network, rng = crn(), np.random.default_rng(0)
    variables = {"beta1_power": np.float32(0.9), "g_4_conv1/weights/Adam": np.zeros((3, 3, 3, 4), np.float32)}
    for name, tensor in network.state_dict().items():
        layer, _, entry = name.partition(".")
        entry = {"0.weight": "weights", "1.weight": "LayerNorm/gamma", "1.bias": "LayerNorm/beta"}.get(
            entry, {"weight": "weights", "bias": "biases"}.get(entry)
        )
        shape = tuple(tensor.shape)
        variables[f"{layer}/{entry}"] = rng.random(shape[2:] + shape[1::-1] if len(shape) == 4 else shape, np.float32)
    network.load_state_dict(from_tensorflow(variables))
    kernel = variables["g_8_conv1/weights"]  # (3, 3, 7, 4)
    x = rng.random((5, 6, 7), np.float32)
    by_hand = np.einsum("ijc,ijco->o", x[1:4, 2:5], kernel)
    ours = F.conv2d(torch.from_numpy(x).permute(2, 0, 1)[None], network.g_8_conv1[0].weight)[0, :, 1, 2]
    np.testing.assert_allclose(ours.detach().numpy(), by_hand, rtol=1e-5)
    np.testing.assert_array_equal(network.g_8_conv2[1].weight.detach(), variables["g_8_conv2/LayerNorm/gamma"])
    np.testing.assert_array_equal(network.g_16_conv100.bias.detach(), variables["g_16_conv100/biases"])
