"""A discriminator that sees only the labels that occur computes what the one does that sees all channels."""

import pytest
import torch

from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.layout import SemanticLayout
from models.tables import PresentLabelsDiscriminator
from models.tables.discriminators import present_channels


@pytest.mark.parametrize("with_edges", [False, True])
@pytest.mark.parametrize("sets", [1, 2])
@pytest.mark.parametrize("norm", ["spectralinstance", "none"])
def test_features_and_gradients_are_the_same(norm, sets, with_edges):
    torch.manual_seed(0)
    labels = torch.randint(3, (2, 37, 45)) * 4
    edges = torch.rand(labels.shape) < 0.1 if with_edges else None
    layout = SemanticLayout(labels, edges, 12)
    dense = MultiscaleDiscriminator(layout.channels, 4, norm, num_D=3).double().eval()
    by_labels = PresentLabelsDiscriminator(layout.channels, 4, norm, num_D=3).double().eval()
    by_labels.load_state_dict(dense.state_dict())
    torch.set_default_dtype(torch.float64)
    try:
        found = []
        for network in (dense, by_labels):
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


def test_present_channels_are_those_of_the_semantic_map_that_are_not_empty():
    labels = torch.tensor([[[0, 3], [3, 3]], [[0, 0], [5, 0]]])
    edges = torch.zeros_like(labels, dtype=torch.bool)
    for layout in (SemanticLayout(labels, edges, num_labels=7), SemanticLayout(labels, None, num_labels=7)):
        semantics, channels = present_channels(layout, 4, 2)
        assert channels.tolist() == [0, 3, 5] + [7] * (layout.edges is not None)
        assert torch.equal(semantics, layout.at(4, 2)[:, channels])
