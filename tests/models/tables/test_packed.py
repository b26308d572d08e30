"""Networks with weights in oneDNN's order compute what they did before, in place of the original weights."""

import copy
import gc
import weakref
from functools import partial

import pytest
import torch
from torch import nn

from models.folding import fold_norms
from models.networks.blocks import SPADEResnetBlock
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout, SoftLayout
from models.networks.oasis import OASISGenerator
from models.padding import set_padding
from models.tables import TableOASISBlock, TableResnetBlock, pack_weights, packed, prepare
from models.tables.packed import PackedConv2d
from tests.models.tables.test_modulation import CLASSES, filled, regions

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


def test_this_torch_has_the_operations():
    assert packed.IS_AVAILABLE, "one of them has another name: networks on CPUs are evaluated as slowly as before"


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / a.abs().max())


@torch.no_grad()
@pytest.mark.parametrize(
    "geometry",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": 1, "padding_mode": "replicate"},
        {"kernel_size": 7},
        {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False},
        {"kernel_size": (3, 5), "padding": (2, 1), "padding_mode": "reflect"},
    ],
)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_the_same_for_one_size_after_another(geometry, memory_format):
    torch.manual_seed(0)
    conv = nn.Conv2d(20, 33, **geometry).to(memory_format=memory_format)
    layer, weight = PackedConv2d(conv), conv.weight.clone()
    for size in ((1, 20, 9, 12), (2, 20, 8, 8), (1, 20, 9, 12)):
        x = torch.randn(size).contiguous(memory_format=memory_format)
        torch.testing.assert_close(layer(x), conv(x), rtol=1e-4, atol=1e-5)
        assert torch.equal(layer.weight, weight)


def generators(norm: str = "spectralspadesyncbatch3x3") -> tuple[SPADEGenerator, SPADEGenerator]:
    """Two equal generators, folded: the definition, and packed with tables."""
    blocks = SPADEResnetBlock, partial(TableResnetBlock, always=False)
    dense, table = (SPADEGenerator(CLASSES, 4, norm, latent_size=(2, 2), z_dim=3, block=block) for block in blocks)
    dense, table = (fold_norms(filled(network).float()) for network in (dense, table))
    return dense, pack_weights(table.to(memory_format=torch.channels_last))


@torch.no_grad()
@pytest.mark.parametrize("norm", ["spectralspadesyncbatch3x3", "spadeinstance1x1", "spadebatch5x5"])
def test_images_are_those_of_the_definition_on_every_path(norm):
    torch.manual_seed(0)
    dense, table = generators(norm)
    assert any(isinstance(module, PackedConv2d) for module in table.modules())
    layout, z = SemanticLayout(regions(2, 64, 64), None, CLASSES), torch.randn(2, 3)
    assert difference(dense(layout, z), table(layout, z)) < 1e-4
    noisy = SemanticLayout(torch.randint(CLASSES, (2, 64, 64)), None, CLASSES)  # dense: as many rows as sites
    assert difference(dense(noisy, z), table(noisy, z)) < 1e-4
    soft = SoftLayout(torch.rand(1, CLASSES, 64, 64).softmax(1))
    assert difference(dense(soft, z[:1]), table(soft, z[:1])) < 1e-4
    prepared = prepare(table, layout)
    edited = layout.labels.clone()
    edited[:, 20:30, 20:30] = 1
    edited = SemanticLayout(edited, None, CLASSES)
    assert difference(dense(edited, z), table(prepare(table, edited, prepared), z)) < 1e-4
    assert difference(dense(layout, -z), table(prepared, -z)) < 1e-4


@torch.no_grad()
def test_images_of_oasis_and_of_replicated_padding_are_the_same():
    torch.manual_seed(0)
    oasis = fold_norms(filled(OASISGenerator(CLASSES, 2, latent_size=(2, 2), z_dim=3, block=TableOASISBlock)).float())
    layout, z = SemanticLayout(regions(2, 64, 64), None, CLASSES), torch.randn(2, 3)
    assert difference(oasis(layout, z), pack_weights(copy.deepcopy(oasis))(layout, z)) < 1e-4
    spade = SPADEGenerator(CLASSES, 4, latent_size=(2, 2), z_dim=3, block=TableResnetBlock)
    set_padding(spade, "replicate")
    spade = fold_norms(filled(spade).float())
    assert difference(spade(layout, z), pack_weights(copy.deepcopy(spade))(layout, z)) < 1e-4


@torch.no_grad()
def test_packed_weights_take_the_place_of_the_originals():
    network = SPADEGenerator(CLASSES, 4, latent_size=(2, 2), z_dim=3, block=TableResnetBlock)
    network = fold_norms(filled(network).float())
    block = network.get_submodule("up_0")
    originals = [block.conv_0.weight, block.conv_1.weight, block.norm_0.mlp_gamma.weight, block.norm_1.mlp_beta.weight]
    references = [weakref.ref(weight) for weight in originals]
    memory = [weakref.ref(weight.untyped_storage()) for weight in originals]
    pack_weights(network)(SemanticLayout(regions(1, 64, 64), None, CLASSES), torch.randn(1, 3))
    del originals
    gc.collect()
    assert [reference() for reference in references + memory] == [None] * 8


@torch.no_grad()
def test_without_the_operations_a_network_stays_as_it_is(monkeypatch):
    network = SPADEGenerator(CLASSES, 2, latent_size=(2, 2), z_dim=3, block=TableResnetBlock)
    network = fold_norms(filled(network).float())
    layout, z = SemanticLayout(regions(1, 64, 64), None, CLASSES), torch.randn(1, 3)
    before, images = {type(module) for module in network.modules()}, network(layout, z)
    monkeypatch.setattr(packed, "IS_AVAILABLE", False)
    assert {type(module) for module in pack_weights(network).modules()} == before
    assert torch.equal(network(layout, z), images)


def test_double_precision_stays_as_it_is():
    network = fold_norms(filled(SPADEGenerator(CLASSES, 2, latent_size=(2, 2), block=TableResnetBlock)))
    assert not [module for module in pack_weights(network).modules() if isinstance(module, PackedConv2d)]
