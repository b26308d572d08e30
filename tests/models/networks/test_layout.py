"""Labels become channels in one place; these tests pin how."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.layout import SemanticLayout, instance_edges


def test_one_hot_channels_and_edge_channel_by_hand():
    labels = torch.tensor([[[0, 2], [1, 2]]])
    edges = torch.tensor([[[False, True], [True, False]]])
    expected = [[[1, 0], [0, 0]], [[0, 0], [1, 0]], [[0, 1], [0, 1]], [[0, 1], [1, 0]]]
    semantics = SemanticLayout(labels, edges, num_labels=3).at(2, 2)
    assert semantics.shape == (1, 4, 2, 2)
    assert semantics[0].tolist() == expected


def test_without_edges_there_is_no_edge_channel():
    layout = SemanticLayout(torch.zeros(2, 3, 3, dtype=torch.uint8), None, num_labels=5)
    assert layout.channels == 5
    assert layout.at(3, 3).shape == (2, 5, 3, 3)


def test_edges_mark_both_sides_of_every_border_by_hand():
    instances = torch.tensor([[[7, 7, 7, 9], [7, 7, 7, 9], [7, 7, 7, 7]]])
    assert instance_edges(instances)[0].int().tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]


@settings(max_examples=40)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    seed=st.integers(0, 2**31),
)
def test_any_size_equals_torch_nearest_of_the_full_semantic_map(height, width, size, seed):
    """The published code resized the one-hot map; resizing labels first must give the same pixels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 6, (2, height, width), generator=generator)
    edges = torch.rand(2, height, width, generator=generator) < 0.5
    layout = SemanticLayout(labels, edges, num_labels=6)
    dense = torch.cat([F.one_hot(labels, 6).permute(0, 3, 1, 2), edges[:, None]], 1).float()
    assert torch.equal(layout.at(*size), F.interpolate(dense, size=size, mode="nearest"))


def test_semantics_are_computed_once_per_size():
    layout = SemanticLayout(torch.zeros(1, 8, 8, dtype=torch.long), None, num_labels=2)
    assert layout.at(4, 4) is layout.at(4, 4)


def test_semantics_follow_the_default_type():
    torch.set_default_dtype(torch.float64)
    try:
        assert SemanticLayout(torch.zeros(1, 2, 2, dtype=torch.long), None, 2).at(2, 2).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
