"""gamma and beta from tables are those of the two convolutions: outputs, gradients, kept rows, and when not to."""

import copy
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from models import create_generator
from models.folding import fold_norms
from models.networks.blocks import SPADEResnetBlock
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout, SoftLayout
from models.networks.norms import NormSpec
from models.tables import TableResnetBlock, prepare, sites_of
from models.tables import sites as sites_module
from models.tables.modulation import add_projected, modulate
from models.tables.normalization import TableSPADE
from models.tables.prepared import keeping_rows
from models.tables.saved_tensors import recompute_in_backward
from models.tables.sites import store_of
from options import TrainOptions

pytestmark = pytest.mark.usefixtures("double_precision")

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


def layout_of(labels, edges=None) -> SemanticLayout:
    return SemanticLayout(labels, edges, CLASSES)


def close(a, b, tolerance: float = 1e-10) -> bool:
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


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
    layout = layout_of(labels, edges)
    spade = filled(TableSPADE(6, layout.channels, NormSpec(False, kind, kernel)), seed).eval()
    x = torch.randn(batch, 6, *size)
    sites = sites_of(layout, *size, kernel, always=True)
    expected, normalized = spade(x, layout), spade.normalize(x)  # the first by the definition
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
    layout = layout_of(labels, edges)
    sizes = *channels, CLASSES + 1, NormSpec.parse(norm)
    by_convolution, by_rows = SPADEResnetBlock(*sizes), TableResnetBlock(*sizes, always=True)
    outputs, inputs = [], []
    for block in (by_convolution, by_rows):
        filled(block).train(training)
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
        assert close(by_convolution(inputs[0], layout, 2), by_rows(inputs[0], layout, 2))


@pytest.mark.parametrize("scale", [1, 2])
def test_rows_take_their_gradients_from_every_site(scale):
    torch.manual_seed(0)
    sites = sites_of(layout_of(regions(2, 20, 20)), scale * 5, scale * 6, 3, always=True)
    x = torch.randn(2, 3, 5, 6, requires_grad=True)
    rows = torch.randn(len(sites.neighborhoods.outer), 6, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, rows: modulate(x, rows, sites, 0.2, scale), (x, rows))


class Created(TorchDispatchMode):
    """Knows the memory of all tensors that operations inside make, and which of it is still in use."""

    def __init__(self):
        super().__init__()
        self._storages = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        known = {id(storage()) for storage in self._storages}
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and id(tensor.untyped_storage()) not in known:
                self._storages.append(weakref.ref(tensor.untyped_storage()))
        return result

    def alive(self) -> list[int]:
        """Sizes in bytes."""
        storages = [storage() for storage in self._storages]
        return [storage.nbytes() for storage in storages if storage is not None]


def test_weights_in_another_order_are_not_kept_for_the_backward_pass():
    spade = filled(TableSPADE(6, CLASSES, NormSpec.parse("spadebatch3x3")))
    sites = sites_of(layout_of(regions(1, 32, 32)), 32, 32, 3)
    with Created() as created:
        rows = spade.rows(sites)
    both_weights = spade.mlp_gamma.weight.nbytes + spade.mlp_beta.weight.nbytes
    assert rows.requires_grad and both_weights not in created.alive()


@pytest.mark.parametrize("kind", ["batch", "instance", "syncbatch"])
def test_rows_are_not_kept_for_the_backward_pass(kind):
    spade = filled(TableSPADE(6, CLASSES, NormSpec.parse(f"spade{kind}3x3"))).train()
    sites = sites_of(layout_of(regions(2, 32, 32)), 32, 32, 3)
    x = torch.randn(2, 6, 32, 32, requires_grad=True)
    with Created() as created:
        y = spade.by_table(spade.normalize(x), sites, source=x)
    rows = len(sites.neighborhoods.outer) * 12 * y.element_size()
    assert y.nbytes in created.alive() and rows not in created.alive()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("kind", ["batch", "instance", "syncbatch"])
def test_recomputed_activations_give_the_gradients_of_kept_ones_to_the_bit(kind, batch, memory_format):
    spade = filled(TableSPADE(6, CLASSES, NormSpec.parse(f"spade{kind}3x3"))).float().train()
    sites = sites_of(layout_of(regions(batch, 33, 31)), 33, 31, 3)
    values = torch.randn(batch, 6, 33, 31, dtype=torch.float32, generator=torch.Generator().manual_seed(0))
    gradients = []
    for recomputes in (False, True):
        x = values.contiguous(memory_format=memory_format).requires_grad_()
        y = spade.by_table(spade.normalize(x), sites, slope=0.2, source=x if recomputes else None)
        gradients.append(torch.autograd.grad(y.square().sum(), [x, *spade.parameters()]))
    for kept, recomputed in zip(*gradients):
        assert torch.equal(kept, recomputed)


@pytest.mark.parametrize("kind", ["batch", "instance", "syncbatch"])
def test_neither_normalized_nor_modulated_activations_are_kept(kind):
    """Known by their sizes: of all full-size activations there is only the result of conv_0, besides the block's."""
    torch.manual_seed(0)
    layout = layout_of(regions(2, 30, 30))
    block = filled(TableResnetBlock(7, 4, CLASSES, NormSpec.parse(f"spade{kind}3x3"))).train()
    x = torch.randn(2, 7, 15, 15, requires_grad=True)  # no multiple of a row of hidden values, 128 numbers
    with Created() as created:
        image = block(x, layout, 2)
    alive = created.alive()
    assert alive.count(x.nbytes) == 1  # x itself, and nothing normalized
    assert alive.count(4 * x.nbytes) == 0  # modulated
    copies = kind == "instance"  # which torch makes of inputs in channels-last memory
    assert alive.count(image.nbytes) == 2 + copies
    image.sum().backward()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind, once_more", [("instance", 0), ("batch", 1), ("syncbatch", 1)])
def test_the_shortcut_is_normalized_once_more_only_for_its_own_statistics(kind, once_more, training):
    layout = layout_of(regions(2, 32, 32))
    block = filled(TableResnetBlock(6, 4, CLASSES, NormSpec.parse(f"spade{kind}3x3"))).train(training)
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
def test_a_tensor_is_recomputed_and_no_view_of_its_memory(view):
    torch.manual_seed(0)
    x = torch.randn(4, 4) if view == "transposed" else torch.randn(2, 4)
    if view == "another order of memory":
        x = x.view(2, 2, 2)
    other = MISTAKABLE[view]
    expected, recipe = other(x.clone()).double(), x.clone()
    w = torch.ones_like(expected, requires_grad=True)
    with recompute_in_backward((x, lambda: recipe)):
        y = w * other(x)
    y.sum().backward()
    assert torch.equal(w.grad, expected)


def test_what_has_taken_the_memory_of_a_tensor_that_is_gone_is_not_taken_for_it():
    memory = torch.ones(3)
    keyed = memory.view(3)
    with recompute_in_backward((keyed, lambda: torch.zeros(3))):
        del keyed
        w = torch.ones(3, requires_grad=True)
        y = w * memory
    y.sum().backward()
    assert torch.equal(w.grad, memory)


def test_a_projection_is_added_without_the_whole():
    torch.manual_seed(0)
    sites = sites_of(layout_of(regions(2, 20, 20)), 16, 12, 3, always=True)
    x, y, weight = torch.randn(2, 3, 8, 6), torch.randn(2, 5, 16, 12), torch.randn(5, 3, 1, 1)
    rows = torch.randn(len(sites.neighborhoods.outer), 6)
    with torch.no_grad():
        expected = y + F.conv2d(modulate(x, rows, sites, scale=2), weight)
        assert close(add_projected(y.clone(), x, rows, sites, weight, scale=2), expected)


@pytest.fixture(scope="module")
def networks() -> tuple[SPADEGenerator, SPADEGenerator]:
    """Small generators with a learned first feature map, ready for evaluation: the definition, and with tables."""
    torch.set_default_dtype(torch.float64)
    blocks = SPADEResnetBlock, partial(TableResnetBlock, always=True)
    return tuple(
        fold_norms(filled(SPADEGenerator(CLASSES, 2, latent_size=(2, 2), z_dim=3, block=block))) for block in blocks
    )


@pytest.fixture
def single_precision():
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(torch.float64)


@pytest.mark.parametrize("training", [False, True])
def test_16_bits_come_as_close_by_table_as_densely(networks, single_precision, training):
    """Both are compared with what 32 bits give."""
    dense, table = (copy.deepcopy(network).float().requires_grad_(training) for network in networks)
    layout, z = layout_of(regions(2, 64, 64)), torch.randn(2, 3)
    exact = dense(layout, z)
    with torch.set_grad_enabled(training), torch.autocast("cpu", torch.bfloat16):
        densely, by_table = ((network(layout, z) - exact).abs().mean().item() for network in (dense, table))
    assert 0 < by_table < 1.5 * densely < 0.1


def work(call: Callable[[], object]) -> int:
    """Multiplications of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops()


def test_prepared_layouts_serve_many_styles(networks):
    dense, table = networks
    layout, z = layout_of(regions(1, 64, 64)), torch.randn(1, 3)
    for_rows = work(lambda: prepare(table, layout))
    prepared = prepare(table, layout)
    assert work(lambda: table(prepared, z)) == work(lambda: table(layout, z)) - for_rows > 0
    for z in torch.randn(3, 1, 3):
        with torch.no_grad():
            assert close(table(prepared, z), dense(layout, z))


def test_edits_compute_what_is_new_alone(networks):
    dense, table = networks
    labels, z = regions(1, 64, 64), torch.randn(1, 3)
    prepared = prepare(table, layout_of(labels))
    whole = work(lambda: prepare(table, layout_of(labels)))
    for step in range(3):
        labels = labels.clone()
        labels[:, 20 + step : 26 + step, 30:36] = step
        edited = layout_of(labels)
        with FlopCounterMode(display=False) as counter:
            prepared = prepare(table, edited, prepared)
        assert counter.get_total_flops() < 0.6 * whole
        with torch.no_grad():
            assert close(table(prepared, z), dense(edited, z))
    assert work(lambda: prepare(table, layout_of(labels), prepared)) == 0


def test_new_weights_make_new_rows(networks):
    dense, table = map(copy.deepcopy, networks)
    layout, z = layout_of(regions(1, 64, 64)), torch.randn(1, 3)
    prepared = prepare(table, layout)
    with torch.no_grad():
        table(prepared, z)
        for parameter in (*dense.parameters(), *table.parameters()):
            parameter.mul_(0.9)
        assert close(table(prepared, z), dense(layout, z))


def test_kept_rows_are_bounded(networks):
    prepared = prepare(networks[1], layout_of(regions(1, 64, 64)))
    kept = store_of(prepared).kept_bytes
    assert 0 < kept < 2**20
    edit = layout_of(regions(1, 64, 64, 1))
    assert store_of(keeping_rows(edit, prepared, limit=kept - 1)).kept_bytes == 0
    assert store_of(keeping_rows(edit, prepared, limit=kept)).kept_bytes == kept


def test_a_generator_without_tables_needs_no_preparation(networks):
    layout, z = layout_of(regions(1, 64, 64)), torch.randn(1, 3)
    assert work(lambda: prepare(networks[0], layout)) == 0
    assert torch.equal(networks[0](prepare(networks[0], layout), z), networks[0](layout, z))


@pytest.mark.parametrize(("modulation", "uses_tables"), [(None, True), ("table", True), ("dense", False)])
def test_the_option_chooses_between_tables_and_the_definition(modulation, uses_tables):
    opt = TrainOptions(
        preprocess_mode="fixed", crop_size=64, ngf=2, instance=False, label_nc=CLASSES, modulation=modulation
    )
    netG, layout = create_generator(opt), layout_of(regions(1, 64, 64))
    definition = create_generator(replace(opt, modulation="dense"))
    assert (work(lambda: netG(layout)) < work(lambda: definition(layout))) == uses_tables


def test_noise_takes_the_dense_path_and_regions_do_not(monkeypatch):
    monkeypatch.setattr(sites_module, "FEW_SITES", 64)
    noise = layout_of(torch.randint(CLASSES, (1, 64, 64), generator=torch.Generator().manual_seed(0)))
    assert sites_of(noise, 64, 64, 3) is None
    assert sites_of(noise, 64, 64, 3, always=True) is not None
    assert sites_of(noise, 8, 8, 3) is not None
    assert sites_of(layout_of(regions(1, 64, 64)), 64, 64, 3) is not None


def test_on_other_devices_tables_are_used_only_where_asked_for():
    layout = layout_of(torch.empty(1, 4, 4, dtype=torch.long, device="meta"))
    assert not sites_module.may_use_tables(layout, always=False)
    assert sites_module.may_use_tables(layout, always=True)


def test_too_many_neighborhoods_take_the_dense_path(monkeypatch):
    monkeypatch.setattr("models.tables.neighborhoods.BITS", 4)
    assert sites_of(layout_of(regions(1, 64, 64)), 64, 64, 3) is None


def test_soft_maps_take_the_dense_path(networks):
    """A map that is one-hot gives the image of its labels; one between two label maps gives another."""
    dense, table = networks
    layout, z = layout_of(regions(1, 64, 64)), torch.randn(1, 3)
    with torch.no_grad():
        image = dense(layout, z)
        assert close(table(SoftLayout(layout.at(64, 64)), z), image)
        mixed = (layout.at(64, 64) + layout_of(regions(1, 64, 64, 1)).at(64, 64)) / 2
        assert not close(table(SoftLayout(mixed), z), image, 1e-3)
