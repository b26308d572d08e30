"""Spectral normalization: the numbers and names of torch's own hook, and the weight it leaves when removed."""

import copy

import pytest
import torch
from torch import nn

from models.networks.spectral_norm import remove_spectral_norm, spectral_layers, spectral_norm

LAYERS = {
    "convolution": lambda: nn.Conv2d(3, 5, 3),
    "transposed": lambda: nn.ConvTranspose2d(3, 5, 3),
    "channels last": lambda: nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_numbers_names_and_random_start_are_those_of_torch(make):
    """The released weights were made with torch.nn.utils.spectral_norm."""
    layers = []
    for wrap in (nn.utils.spectral_norm, spectral_norm):
        torch.manual_seed(0)
        layers.append(wrap(make()))
    for training in (True, True, False):
        outputs = []
        for layer in layers:
            layer.train(training)
            outputs.append(layer(torch.ones(1, 3, 6, 6)))
            outputs[-1].square().sum().backward()
        assert torch.equal(*outputs)
        assert torch.equal(layers[0].weight_orig.grad, layers[1].weight_orig.grad)
    states = [layer.state_dict() for layer in layers]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values()))
    for layer, state in zip(layers, reversed(states)):
        layer.load_state_dict(state)


def test_the_largest_singular_value_becomes_1():
    torch.manual_seed(0)
    layer = spectral_norm(nn.Conv2d(4, 6, 3))
    layer.spectral_norm.iterate(layer, 100)
    layer.eval()(torch.zeros(1, 4, 3, 3))
    assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-5)


def test_a_second_forward_before_the_backward_of_the_first_is_allowed():
    """D sees fakes and reals in turn; u and v move on in between."""
    layer = spectral_norm(nn.Conv2d(3, 3, 1))
    first, second = layer(torch.ones(1, 3, 2, 2)), layer(torch.zeros(1, 3, 2, 2))
    (first.sum() + second.sum()).backward()
    assert layer.weight_orig.grad.isfinite().all()


def test_a_copy_has_a_hook_of_its_own():
    """As the benchmark copies a network and folds the copy."""
    network = nn.Sequential(spectral_norm(nn.Conv2d(3, 3, 1)))
    x = torch.randn(1, 3, 2, 2)
    duplicate = copy.deepcopy(network).eval()
    expected = duplicate(x)
    remove_spectral_norm(duplicate[0])
    assert set(duplicate.state_dict()) == {"0.weight", "0.bias"}
    assert not list(spectral_layers(duplicate)) and torch.equal(duplicate(x), expected)
    before = network[0].weight_u.clone()
    network(x)
    assert not torch.equal(network[0].weight_u, before)
