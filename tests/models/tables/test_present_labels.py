"""A discriminator that sees only the labels that occur judges as the one that sees all channels."""

import pytest
import torch

from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.layout import SemanticLayout


@pytest.mark.parametrize("with_edges", [False, True])
@pytest.mark.parametrize("sets", [1, 2])
@pytest.mark.parametrize("norm", ["spectralinstance", "none"])
def test_features_and_gradients_are_the_same(norm, sets, with_edges):
    torch.manual_seed(0)
    labels = torch.randint(3, (2, 37, 45)) * 4
    edges = torch.rand(labels.shape) < 0.1 if with_edges else None
    dense, table = (SemanticLayout(labels, edges, 12, modulation) for modulation in ("dense", "table"))
    network = MultiscaleDiscriminator(dense.channels, 4, norm, num_D=3).double().eval()
    torch.set_default_dtype(torch.float64)
    try:
        found = []
        for layout in (dense, table):
            images = torch.rand(2 * sets, 3, 37, 45, generator=torch.Generator().manual_seed(1)).requires_grad_()
            features = network(layout, images)
            network.zero_grad()
            sum(layer.square().sum() for scale in features for layer in scale).backward()
            gradients = [images.grad, *(parameter.grad for parameter in network.parameters())]
            found.append([*(layer for scale in features for layer in scale), *gradients])
    finally:
        torch.set_default_dtype(torch.float32)
    assert len(found[0]) == len(found[1]) > 20
    for a, b in zip(*found):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-11)
