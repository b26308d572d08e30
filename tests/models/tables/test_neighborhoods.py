"""Equal neighborhoods get equal numbers, different ones different numbers, and the windows say what is in them."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tables import neighborhoods as module
from models.tables.neighborhoods import Neighborhoods, Numbering, TooManyNeighborhoodsError

maps = st.tuples(
    st.sampled_from([1, 3, 5, 7]), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4),
    st.booleans(), st.integers(0, 2**31),
)  # fmt: skip


def draw(batch: int, height: int, width: int, classes: int, edges: bool, generator: torch.Generator):
    labels = torch.randint(classes, (batch, height, width), generator=generator)
    return labels, torch.randint(2, labels.shape, generator=generator) if edges else None


def symbols_around(labels, edges, reach: int) -> list[tuple]:
    """All that a site can see within `reach`, in raster order of the sites; -1 is outside. The plain definition."""
    symbols = labels * 2 if edges is None else labels * 2 + edges
    padded = F.pad(symbols, (reach,) * 4, value=-1)
    batch, height, width = labels.shape
    return [
        tuple(padded[n, y : y + 2 * reach + 1, x : x + 2 * reach + 1].flatten().tolist())
        for n in range(batch)
        for y in range(height)
        for x in range(width)
    ]


def test_numbers_by_hand():
    numbering = Numbering()
    numbers, new = numbering.of(torch.tensor([[7, 5], [5, 9]]))
    assert numbers.tolist() == [[2, 1], [1, 3]] and new[[1, 2]].tolist() == [0, 3] and new[0] in (1, 2)
    numbers, new = numbering.of(torch.tensor([9, 6, 5]))
    assert numbers.tolist() == [3, 4, 1] and new.tolist() == [1]


def test_neighborhoods_by_hand():
    """One line of labels with 3x3 windows: ends differ from each other and from the middle, whose sites are alike."""
    sites = Neighborhoods(3).sites(torch.tensor([[[4, 4, 4, 4, 4, 4]]]), None)
    assert sites.ids.unique().numel() == 5  # the middle two, and each of the two at either end
    assert sites.ids[0, 0, 2] == sites.ids[0, 0, 3]
    assert sites.fraction_new == 5 / 6


@settings(max_examples=60)
@given(maps)
def test_numbers_are_equal_just_where_all_that_two_convolutions_see_is(drawn):
    kernel, batch, height, width, classes, with_edges, seed = drawn
    generator = torch.Generator().manual_seed(seed)
    neighborhoods, seen = Neighborhoods(kernel), {}
    for _ in range(2):  # the second time some are known
        labels, edges = draw(batch, height, width, classes, with_edges, generator)
        ids = neighborhoods.sites(labels, edges).ids.flatten().tolist()
        for number, symbols in zip(ids, symbols_around(labels, edges, 2 * (kernel // 2))):
            assert seen.setdefault(symbols, number) == number
    assert len(set(seen.values())) == len(seen) == len(neighborhoods.outer) - 1


@settings(max_examples=30)
@given(maps)
def test_windows_hold_what_is_around_each_site(drawn):
    kernel, batch, height, width, classes, with_edges, seed = drawn
    generator = torch.Generator().manual_seed(seed)
    neighborhoods = Neighborhoods(kernel)
    neighborhoods.sites(*draw(batch, height, width, classes, with_edges, generator))
    labels, edges = draw(batch, height, width, classes, with_edges, generator)
    sites = neighborhoods.sites(labels, edges)
    inner = neighborhoods.inner.contents[neighborhoods.outer.contents[sites.ids]]  # (N, H, W, k * k, k * k) symbols
    middle = kernel**2 // 2
    symbols = inner[..., middle, :]
    outside = -torch.ones(1, dtype=torch.long)
    found = torch.cat([outside, neighborhoods.labels * 2 + neighborhoods.edges])[symbols]
    assert list(map(tuple, found.flatten(0, 2).tolist())) == symbols_around(labels, edges, kernel // 2)


@settings(max_examples=30)
@given(st.integers(1, 700), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**31))
def test_sums_by_neighborhood(width, classes, channels, seed):
    """Also of those that are longer than a piece."""
    generator = torch.Generator().manual_seed(seed)
    neighborhoods = Neighborhoods(1)
    sites = neighborhoods.sites(torch.randint(classes, (1, 1, width), generator=generator), None)
    values = torch.randn(width, channels, generator=generator, dtype=torch.float64)
    expected = torch.zeros(len(neighborhoods.outer), channels, dtype=torch.float64)
    expected.index_add_(0, sites.ids.flatten(), values)
    assert torch.allclose(sites.sum_by_neighborhood(values), expected, atol=1e-12)


def test_more_neighborhoods_than_numbers_are_refused(monkeypatch):
    monkeypatch.setattr(module, "BITS", 4)
    noise = torch.randint(3, (1, 8, 8), generator=torch.Generator().manual_seed(0))
    with pytest.raises(TooManyNeighborhoodsError):
        Neighborhoods(3).sites(noise, None)
