"""gamma and beta from tables are those of the two convolutions: outputs, gradients, kept rows, and when not to."""

import copy
import weakref

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models.folding import fold_norms
from models.networks import layout as layout_module
from models.networks.blocks import SPADEResnetBlock
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.norms import NormSpec
from models.tables.modulation import add_projected, made_again, modulate, modulation_rows, weight_by_step

CLASSES = 4


def regions(batch: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Label maps of a few rectangles."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(CLASSES, (batch, 3, 3), generator=generator)
    rows, columns = torch.arange(height) * 3 // height, torch.arange(width) * 3 // width
    return coarse[:, rows][:, :, columns]


def filled(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """`network` in double precision with weights and statistics that show every mistake."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.double().state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(0, 0.3, generator=generator)
            if name.endswith("running_var"):
                tensor.abs_().add_(0.5)
    return network


def both(labels, edges=None) -> tuple[SemanticLayout, SemanticLayout]:
    """The same layout for the dense path and for tables."""
    return tuple(SemanticLayout(labels, edges, CLASSES, modulation) for modulation in ("dense", "table"))


def close(a, b, tolerance: float = 1e-10) -> bool:
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.fixture(autouse=True, scope="module")
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@settings(max_examples=40)
@given(
    kernel=st.sampled_from([1, 3, 5]),
    kind=st.sampled_from(["instance", "batch", "syncbatch"]),
    batch=st.integers(1, 3),
    size=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    map_size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    with_edges=st.booleans(),
    noise=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_rows_looked_up_are_gamma_and_beta(kernel, kind, batch, size, map_size, with_edges, noise, seed):
    torch.manual_seed(seed)
    labels = torch.randint(CLASSES, (batch, *map_size)) if noise else regions(batch, *map_size, seed)
    edges = torch.rand(labels.shape) < 0.2 if with_edges else None
    dense, table = both(labels, edges)
    spade = filled(SPADE(6, table.channels, NormSpec(False, kind, kernel)), seed).eval()
    x = torch.randn(batch, 6, *size)
    sites = table.sites(*size, kernel)
    expected, normalized = spade(x, dense), spade.param_free_norm(x)
    assert close(spade.by_table(normalized, sites, slope=0.2), F.leaky_relu(expected, 0.2))
    with torch.no_grad():
        assert close(spade.by_table(normalized, sites), expected)
        assert close(spade.by_table(normalized, sites, slope=0.2), F.leaky_relu(expected, 0.2))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("channels", [(4, 6), (6, 4), (5, 5)])
@pytest.mark.parametrize("norm", ["spectralspadesyncbatch3x3", "spadebatch1x1", "spadeinstance5x5"])
def test_blocks_give_the_same_images_gradients_and_statistics(norm, channels, batch, training):
    torch.manual_seed(0)
    labels, edges = regions(batch, 32, 24), torch.rand(batch, 32, 24) < 0.1
    dense, table = both(labels, edges)
    by_convolution = filled(SPADEResnetBlock(*channels, CLASSES + 1, NormSpec.parse(norm))).train(training)
    by_rows = copy.deepcopy(by_convolution)
    outputs, inputs = [], []
    for block, layout in ((by_convolution, dense), (by_rows, table)):
        x = torch.randn(batch, channels[0], 8, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y = block(x, layout, 2)
        y.square().sum().backward()
        outputs.append(y), inputs.append(x.grad)
    assert outputs[0].shape == (batch, channels[1], 16, 12)
    assert close(*outputs) and close(*inputs, 1e-8)
    for (name, a), b in zip(by_convolution.named_parameters(), by_rows.parameters()):
        assert close(a.grad, b.grad, 1e-8), name
    for (name, a), b in zip(by_convolution.named_buffers(), by_rows.buffers()):
        assert close(a.double(), b.double()), name
    with torch.no_grad():
        assert close(by_convolution(inputs[0], dense, 2), by_rows(inputs[0], table, 2))


@pytest.mark.parametrize("scale", [1, 2])
def test_rows_take_their_gradients_from_every_site(scale):
    torch.manual_seed(0)
    sites = SemanticLayout(regions(2, 20, 20), None, CLASSES, "table").sites(scale * 5, scale * 6, 3)
    x = torch.randn(2, 3, 5, 6, requires_grad=True)
    rows = torch.randn(len(sites.neighborhoods.outer), 6, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, rows: modulate(x, rows, sites, 0.2, scale), (x, rows))


def test_weights_in_another_order_are_not_kept_for_the_backward_pass(monkeypatch):
    made = []

    def making(*weights):
        made.append(weakref.ref((weight := weight_by_step(*weights)).untyped_storage()))
        return weight

    monkeypatch.setattr("models.networks.normalization.weight_by_step", making)
    spade = filled(SPADE(6, CLASSES, NormSpec.parse("spadebatch3x3")))
    rows = spade.rows(SemanticLayout(regions(1, 32, 32), None, CLASSES, "table").sites(32, 32, 3))
    assert len(made) == 1 and made[0]() is None
    rows.sum().backward()
    assert len(made) == 2


@pytest.mark.parametrize("kind", ["batch", "instance", "syncbatch"])
def test_neither_rows_nor_normalised_nor_modulated_activations_are_kept(kind, monkeypatch):
    torch.manual_seed(0)
    layout = SemanticLayout(regions(2, 32, 32), None, CLASSES, "table")
    block = filled(SPADEResnetBlock(6, 4, CLASSES, NormSpec.parse(f"spade{kind}3x3"))).train()
    made = []
    for conv in (block.conv_0, block.conv_1, block.conv_s):
        conv.register_forward_pre_hook(lambda module, inputs: made.append(weakref.ref(inputs[0].untyped_storage())))
    for norm in (block.norm_0, block.norm_1):
        norm.param_free_norm.register_forward_hook(
            lambda module, inputs, output: made.append(weakref.ref(output.untyped_storage()))
        )

    def making(*args):
        made.append(weakref.ref((rows := modulation_rows(*args)).untyped_storage()))
        return rows

    monkeypatch.setattr("models.networks.normalization.modulation_rows", making)
    image = block(torch.randn(2, 6, 16, 16, requires_grad=True), layout, 2)
    assert len(made) == 8 and not any(activations() is not None for activations in made)
    image.sum().backward()
    once_more = {"batch": 3, "instance": 5, "syncbatch": 3}[kind]  # rows; instance norm is called, batch norm is not
    assert len(made) == 8 + once_more


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind, once_more", [("instance", 0), ("batch", 1), ("syncbatch", 1)])
def test_the_shortcut_is_normalised_once_more_only_for_its_own_statistics(kind, once_more, training):
    layout = SemanticLayout(regions(2, 32, 32), None, CLASSES, "table")
    block = filled(SPADEResnetBlock(6, 4, CLASSES, NormSpec.parse(f"spade{kind}3x3"))).train(training)
    calls = []
    block.norm_s.param_free_norm.register_forward_hook(lambda *of_call: calls.append(of_call))
    block(torch.randn(2, 6, 16, 16, requires_grad=True), layout, 2)
    assert len(calls) == once_more


MISTAKABLE = {
    "transposed": lambda x: x.t(),
    "another order of memory": lambda x: x.view(2, 2, 2).permute(0, 2, 1),
    "other numbers": lambda x: x.view(torch.int64) % 5,
    "changed since": lambda x: x.mul_(3),
    "once more": lambda x: x.view(2, 4),
}
"""What another tensor may have in common with one: memory and shape, and still hold other values."""


@pytest.mark.parametrize("view", MISTAKABLE)
def test_a_tensor_is_made_again_and_no_view_of_its_memory(view):
    torch.manual_seed(0)
    x = torch.randn(4, 4) if view == "transposed" else torch.randn(2, 4)
    if view == "another order of memory":
        x = x.view(2, 2, 2)
    other = MISTAKABLE[view]
    expected, recipe = other(x.clone()).double(), x.clone()
    w = torch.ones_like(expected, requires_grad=True)
    with made_again((x, lambda: recipe)):
        y = w * other(x)
    y.sum().backward()
    assert torch.equal(w.grad, expected)


def test_what_has_taken_the_memory_of_a_tensor_that_is_gone_is_not_taken_for_it():
    memory = torch.ones(3)
    keyed = memory.view(3)
    with made_again((keyed, lambda: torch.zeros(3))):
        del keyed
        w = torch.ones(3, requires_grad=True)
        y = w * memory
    y.sum().backward()
    assert torch.equal(w.grad, memory)


def test_a_projection_is_added_without_the_whole():
    torch.manual_seed(0)
    sites = SemanticLayout(regions(2, 20, 20), None, CLASSES, "table").sites(16, 12, 3)
    x, y, weight = torch.randn(2, 3, 8, 6), torch.randn(2, 5, 16, 12), torch.randn(5, 3, 1, 1)
    rows = torch.randn(len(sites.neighborhoods.outer), 6)
    with torch.no_grad():
        expected = y + F.conv2d(modulate(x, rows, sites, scale=2), weight)
        assert close(add_projected(y.clone(), x, rows, sites, weight, scale=2), expected)


@pytest.fixture(scope="module")
def network() -> SPADEGenerator:
    """A small generator with a learned first feature map, ready for evaluation."""
    torch.set_default_dtype(torch.float64)
    return fold_norms(filled(SPADEGenerator(CLASSES, 2, latent_size=(2, 2), z_dim=3)))


@pytest.fixture
def single_precision():
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(torch.float64)


@pytest.mark.parametrize("training", [False, True])
def test_16_bits_come_as_close_by_table_as_densely(network, single_precision, training):
    """Both are compared with what 32 bits give."""
    network = copy.deepcopy(network).float().requires_grad_(training)
    dense, table = both(regions(2, 64, 64))
    z = torch.randn(2, 3)
    exact = network(SemanticLayout(dense.labels, None, CLASSES, "dense"), z)
    with torch.set_grad_enabled(training), torch.autocast("cpu", torch.bfloat16):
        densely, by_table = ((network(layout, z) - exact).abs().mean().item() for layout in (dense, table))
    assert 0 < by_table < 1.5 * densely < 0.1


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """How many rows have been computed, a number for every time."""
    counts = []

    def counting(*args):
        rows = modulation_rows(*args)
        counts.append(len(rows))
        return rows

    monkeypatch.setattr("models.networks.normalization.modulation_rows", counting)
    return counts


def test_prepared_layouts_serve_many_styles(network, counted):
    labels, styles = regions(1, 64, 64), torch.randn(3, 1, 3)
    dense, table = both(labels)
    prepared = network.prepare(table)
    computed = len(counted)
    assert computed == sum("norm_" in name and name.count(".") == 1 for name, _ in network.named_modules())
    for z in styles:
        with torch.no_grad():
            assert close(network(prepared, z), network(dense, z))
    assert len(counted) == computed


def test_edits_compute_what_is_new_alone(network, counted):
    labels = regions(1, 64, 64)
    prepared = network.prepare(SemanticLayout(labels, None, CLASSES, "table"))
    whole = sum(counted)
    z = torch.randn(1, 3)
    for step in range(3):
        labels = labels.clone()
        labels[:, 20 + step : 26 + step, 30:36] = step
        counted.clear()
        dense, edited = both(labels)
        prepared = network.prepare(edited, prepared)
        assert sum(counted) < whole / 2
        with torch.no_grad():
            assert close(network(prepared, z), network(dense, z))
    counted.clear()
    network.prepare(SemanticLayout(labels, None, CLASSES, "table"), prepared)
    assert not counted


def test_new_weights_make_new_rows(network):
    network = copy.deepcopy(network)
    dense, table = both(regions(1, 64, 64))
    prepared, z = network.prepare(table), torch.randn(1, 3)
    with torch.no_grad():
        network(prepared, z)
        for parameter in network.parameters():
            parameter.mul_(0.9)
        assert close(network(prepared, z), network(dense, z))


def test_kept_rows_are_bounded(network):
    prepared = network.prepare(SemanticLayout(regions(1, 64, 64), None, CLASSES, "table"))
    assert 0 < prepared.kept_bytes < 2**20
    edit = SemanticLayout(regions(1, 64, 64, 1), None, CLASSES, "table")
    assert edit.keeping_rows(prepared, limit=prepared.kept_bytes - 1).kept_bytes == 0
    assert edit.keeping_rows(prepared, limit=prepared.kept_bytes).kept_bytes == prepared.kept_bytes


def test_noise_takes_the_dense_path_and_regions_do_not(monkeypatch):
    monkeypatch.setattr(layout_module, "FEW_SITES", 64)
    noise = torch.randint(CLASSES, (1, 64, 64), generator=torch.Generator().manual_seed(0))
    assert SemanticLayout(noise, None, CLASSES).sites(64, 64, 3) is None
    assert SemanticLayout(noise, None, CLASSES, "table").sites(64, 64, 3) is not None
    assert SemanticLayout(noise, None, CLASSES).sites(8, 8, 3) is not None
    assert SemanticLayout(regions(1, 64, 64), None, CLASSES).sites(64, 64, 3) is not None
    assert SemanticLayout(regions(1, 64, 64), None, CLASSES, "dense").sites(64, 64, 3) is None


def test_too_many_neighborhoods_take_the_dense_path(monkeypatch):
    monkeypatch.setattr("models.tables.neighborhoods.BITS", 4)
    assert SemanticLayout(regions(1, 64, 64), None, CLASSES).sites(64, 64, 3) is None


def test_soft_maps_take_the_dense_path(network):
    """A map that is one-hot gives the image of its labels; one between two label maps gives another."""
    labels, z = regions(1, 64, 64), torch.randn(1, 3)
    hard = SemanticLayout(labels, None, CLASSES, "dense")
    with torch.no_grad():
        image = network(hard, z)
        assert close(network(layout_module.SoftLayout(hard.at(64, 64)), z), image)
        mixed = (hard.at(64, 64) + SemanticLayout(regions(1, 64, 64, 1), None, CLASSES).at(64, 64)) / 2
        assert not close(network(layout_module.SoftLayout(mixed), z), image, 1e-3)
