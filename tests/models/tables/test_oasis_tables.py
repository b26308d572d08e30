"""Tables of a generator with noise in front of its semantic maps: one row for a neighborhood of one sample."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from data import PRESETS
from models import METHODS, create_model
from models.folding import fold_norms
from models.networks.layout import SemanticLayout, SoftLayout
from models.networks.norms import NormSpec
from models.networks.oasis import OASISSPADE, OASISGenerator, OASISResnetBlock
from models.tables import TableOASISBlock, sites_of
from models.tables.oasis import TableOASISSPADE
from options import TrainOptions, parse_options
from tests.models.tables.test_modulation import CLASSES, close, filled, regions

pytestmark = pytest.mark.usefixtures("double_precision")

NOISE = 3


def work(network, *inputs) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*inputs)
    return counter.get_total_flops()


@settings(max_examples=40)
@given(
    kernel=st.sampled_from([1, 3, 5]),
    batch=st.integers(1, 3),
    size=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    map_size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    with_edges=st.booleans(),
    random_labels=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_rows_looked_up_are_gamma_and_beta(kernel, batch, size, map_size, with_edges, random_labels, seed):
    torch.manual_seed(seed)
    labels = torch.randint(CLASSES, (batch, *map_size)) if random_labels else regions(batch, *map_size, seed)
    edges = torch.rand(labels.shape) < 0.2 if with_edges else None
    layout = SemanticLayout(labels, edges, CLASSES).with_noise(torch.randn(batch, NOISE))
    sizes = 6, layout.channels, NormSpec(False, "batch", kernel)
    definition, table = (filled(spade(*sizes), seed).eval() for spade in (OASISSPADE, TableOASISSPADE))
    x, sites = torch.randn(batch, 6, *size), sites_of(layout, *size, kernel, always=True)
    expected = definition(x, layout)
    assert close(table.by_table(table.normalize(x), sites), expected)
    with torch.no_grad():
        assert close(table.by_table(table.normalize(x), sites), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("channels", [(6, 4), (5, 5)])
@pytest.mark.parametrize("norm", ["spectralspadesyncbatch3x3", "spadebatch1x1", "spadeinstance5x5"])
def test_blocks_give_the_same_images_gradients_and_statistics(norm, channels, batch, training):
    torch.manual_seed(0)
    layout = SemanticLayout(regions(batch, 32, 24), torch.rand(batch, 32, 24) < 0.1, CLASSES)
    sizes = *channels, NOISE + CLASSES + 1, NormSpec.parse(norm)
    dense, table = OASISResnetBlock(*sizes), TableOASISBlock(*sizes, always=True)
    outputs, inputs, noises = [], [], []
    for block in (dense, table):
        filled(block).train(training)
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(batch, channels[0], 8, 6, generator=generator).requires_grad_()
        z = torch.randn(batch, NOISE, generator=generator).requires_grad_()
        y = block(x, layout.with_noise(z), 2)
        y.square().sum().backward()
        outputs.append(y), inputs.append(x.grad), noises.append(z.grad)
    assert close(*outputs) and close(*inputs, 1e-8) and close(*noises, 1e-8)
    for (name, a), (same_name, b) in zip(dense.named_parameters(), table.named_parameters(), strict=True):
        assert name == same_name and close(a.grad, b.grad, 1e-8), name
    for (name, a), (same_name, b) in zip(dense.named_buffers(), table.named_buffers(), strict=True):
        assert name == same_name and close(a.double(), b.double()), name


def generators() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Small generators as for evaluation: the definition, and with tables and folded norms."""
    blocks = OASISResnetBlock, partial(TableOASISBlock, always=True)
    dense, table = (
        filled(OASISGenerator(CLASSES, 2, latent_size=(1, 2), z_dim=NOISE, block=block)) for block in blocks
    )
    return dense.eval(), fold_norms(table)


@torch.no_grad()
def test_generators_give_the_same_images_by_table_with_less_work():
    dense, table = generators()
    layout, z = SemanticLayout(regions(2, 32, 64), None, CLASSES), torch.randn(2, NOISE)
    images = dense(layout, z)
    assert close(table(layout, z), images)
    assert close(table(layout, z.flip(0)), dense(layout, z.flip(0)))  # not the rows of the other noise
    assert close(table(layout, z)[1:], table(layout.split(2)[1], z[1:]))
    assert work(table, layout, z) < work(dense, layout, z) / 2


@torch.no_grad()
def test_maps_of_noise_and_soft_maps_take_the_definition():
    dense, table = generators()
    layout, z = SemanticLayout(regions(1, 32, 64), None, CLASSES), torch.randn(1, NOISE, 32, 64)
    assert sites_of(layout.with_noise(z), 16, 32, 3, always=True) is None
    assert close(table(layout, z), dense(layout, z))
    assert close(table(SoftLayout(layout.at(32, 64)), z[..., 0, 0]), dense(layout, z[..., 0, 0]))


def test_equal_samples_have_rows_of_their_own_only_with_noise():
    labels = regions(1, 32, 32).expand(2, -1, -1)
    layout = SemanticLayout(labels, None, CLASSES)
    plain, noisy = (sites_of(one, 32, 32, 3) for one in (layout, layout.with_noise(torch.randn(2, NOISE))))
    assert plain is not None and noisy is not None
    assert torch.equal(plain.ids[0], plain.ids[1]) and not torch.isin(noisy.ids[0], noisy.ids[1]).any()
    # Windows wholly outside the map do not occur.
    assert len(noisy.neighborhoods.outer) - 1 == 2 * (len(plain.neighborhoods.outer) - 1)


@pytest.mark.parametrize("training", [False, True])
def test_16_bits_come_as_close_by_table_as_densely(training):
    dense, table = (network.float().requires_grad_(training) for network in generators())
    layout, z = SemanticLayout(regions(2, 32, 64), None, CLASSES), torch.randn(2, NOISE, dtype=torch.float32)
    torch.set_default_dtype(torch.float32)
    try:
        exact = dense(layout, z)
        with torch.set_grad_enabled(training), torch.autocast("cpu", torch.bfloat16):
            layouts = (SemanticLayout(layout.labels, None, CLASSES) for _ in range(2))
            densely, by_table = (
                (network(one, z) - exact).abs().mean().item() for network, one in zip((dense, table), layouts)
            )
    finally:
        torch.set_default_dtype(torch.float64)
    assert 0 < by_table < 1.5 * densely < 0.1


@pytest.mark.parametrize("modulation, uses_tables", [(None, True), ("table", True), ("dense", False)])
def test_the_option_chooses_between_tables_and_the_definition(modulation, uses_tables):
    words = "--method oasis --dataset_mode cityscapes --crop_size 64 --aspect_ratio 1 --ngf 2 --ndf 1 --z_dim 3"
    opt = parse_options(TrainOptions, words.split(), PRESETS, METHODS)
    chosen, definition = (create_model(replace(opt, modulation=m)).netG for m in (modulation, "dense"))
    layout, z = SemanticLayout(regions(1, 64, 64), None, opt.num_labels), torch.randn(1, 3)
    assert (work(chosen, layout, z) < work(definition, layout, z)) == uses_tables
