"""Switches that save time or memory, and what they must not change."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from models.networks.blocks import SPADEResnetBlock
from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.norms import InstanceNorm, NormSpec
from models.networks.spectral_norm import spectral_norm
from models.networks.sync_batch_norm import SyncBatchNorm
from models.recompute import recomputed
from models.tables import TableResnetBlock
from tests.trainers.jobs import make_batch
from trainers.player import ADAM_SWITCHES
from util.precision import autocast, set_matrix_precision


def iterate(trainer, batch, times=2):
    for _ in range(times):
        trainer.step(batch)


def assert_same_training(trainer, other, rtol, atol):
    for name, loss in trainer.losses.items():
        torch.testing.assert_close(other.losses[name], loss, rtol=rtol, atol=atol)
    other_state = other.model.state_dict()
    for name, tensor in trainer.model.state_dict().items():
        torch.testing.assert_close(other_state[name], tensor, rtol=rtol, atol=atol, msg=name)


@pytest.fixture
def double(batch):
    """Everything in 64 bits inside, so that differences are not rounding; yields the batch."""
    torch.set_default_dtype(torch.float64)
    yield batch | {"image": batch["image"].double()}
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("vae", [False, True], ids=["plain", "with encoder"])
def test_parts_equal_the_whole_batch_where_norms_see_single_images(make_trainer, double, vae):
    """Gradients, KL term, latents and spectral norm are those of the batch."""
    batch = make_batch(size=64)
    trainers = []
    for accumulate in (1, 2):  # makers of trainers seed the random numbers
        trainers.append(make_trainer(vae, "spectralspadeinstance1x1", size=64, accumulate=accumulate))
        iterate(trainers[-1], batch)
    assert_same_training(*trainers, rtol=1e-8, atol=1e-10)


def test_batch_norm_sees_parts_alone(make_trainer):
    whole, parts = (make_trainer(accumulate=accumulate) for accumulate in (1, 2))
    iterate(whole, make_batch(), 1)
    iterate(parts, make_batch(), 1)
    counter = "netG.head_0.norm_0.param_free_norm.num_batches_tracked"
    assert (whole.model.state_dict()[counter], parts.model.state_dict()[counter]) == (2, 4)


@pytest.mark.parametrize("vae", [False, True], ids=["plain", "with encoder"])
def test_recomputed_activations_change_nothing_but_memory(make_trainer, double, vae):
    trainers = [make_trainer(vae, recompute=recompute) for recompute in (False, True)]
    for trainer in trainers:
        torch.manual_seed(0)
        iterate(trainer, double)
    assert_same_training(*trainers, rtol=0, atol=0)


def kept_bytes(forward) -> int:
    """What autograd keeps of a forward for its backward."""
    storages = {}

    def pack(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = forward()
    assert output.requires_grad
    return sum(storages.values())


def test_recomputed_activations_keep_less(make_trainer, batch):
    norm_G = "spectralspadesyncbatch3x3"  # of 1x1 the weights are most of it
    usual, recomputed = (make_trainer(norm_G=norm_G, recompute=recompute).model for recompute in (False, True))
    layout = usual.layout(batch)
    assert kept_bytes(lambda: recomputed.netG(layout)) < kept_bytes(lambda: usual.netG(layout)) / 4


@pytest.mark.parametrize("adam", [name for name in ADAM_SWITCHES if name != "auto"])
def test_every_adam_takes_the_same_steps(make_trainer, double, adam):
    usual, other = make_trainer(), make_trainer(adam=adam)
    iterate(usual, double)
    iterate(other, double)
    assert_same_training(usual, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bits_train_nearly_the_same_and_keep_what_must_be_exact_in_32(make_trainer, batch, precision):
    usual, short = make_trainer(True), make_trainer(True, precision=precision)
    torch.manual_seed(3)
    usual.players[0].step(batch, 1)
    torch.manual_seed(3)
    short.players[0].step(batch, 1)
    assert all(loss.dtype == torch.float32 for loss in short.losses.values())
    for name, loss in usual.losses.items():
        torch.testing.assert_close(short.losses[name], loss, rtol=0.05, atol=0.02)
    assert short.losses["GAN_Feat"] != usual.losses["GAN_Feat"], "nothing was rounded"
    state = short.model.state_dict()
    assert {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} == {torch.float32}
    for name, tensor in usual.model.state_dict().items():
        if name.endswith(("weight_u", "weight_v")):  # depend on the weights alone
            torch.testing.assert_close(state[name], tensor, rtol=1e-3, atol=1e-3)


def test_half_precision_scales_its_losses_and_saves_the_scale(make_trainer, batch):
    trainer = make_trainer(precision="fp16")
    scaler = trainer.players[0].scaler
    huge = scaler.get_scale()
    scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**40})
    before = [parameter.clone() for parameter in trainer.model.netG.parameters()]
    trainer.step(batch)
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.model.netG.parameters())), "overflow: no step"
    assert scaler.get_scale() == 2.0**39
    resumed = make_trainer(precision="fp16")
    assert resumed.players[0].scaler.get_scale() == huge
    resumed.load_state_dict(trainer.state_dict())
    assert resumed.players[0].scaler.get_scale() == 2.0**39


@pytest.mark.parametrize("norm", [SyncBatchNorm, nn.BatchNorm2d, InstanceNorm])
def test_norms_of_sixteen_bits_take_their_statistics_in_32(norm):
    """Values near 300 with a deviation of 2: a mean or a square taken in bf16 (8 bits of mantissa) would be far off."""
    x = (300 + torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)).round() * 2).bfloat16()
    layer = norm(3, affine=False)
    with autocast("bf16", torch.device("cpu")):
        y = layer(x)
    exact = norm(3, affine=False, dtype=torch.float64)(x.double())
    torch.testing.assert_close(y.double(), exact, rtol=0.02, atol=0.02)
    if layer.track_running_stats:
        assert layer.running_var.dtype == torch.float32
        torch.testing.assert_close(layer.running_mean, x.float().mean((0, 2, 3)) * 0.1, rtol=1e-5, atol=0)


def test_spectral_norm_of_sixteen_bits_is_computed_in_32():
    torch.manual_seed(0)
    layer = spectral_norm(nn.Conv2d(8, 8, 3))
    reference = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    x = torch.randn(1, 8, 8, 8)
    layer(x)
    exact = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    layer.load_state_dict(reference)
    with autocast("bf16", torch.device("cpu")):
        layer(x)
    assert layer.weight.dtype == torch.float32
    for name, tensor in layer.state_dict().items():
        assert torch.equal(tensor, exact[name]), name


def test_spectral_norm_can_be_held():
    layer = spectral_norm(nn.Conv2d(3, 4, 3))
    layer.spectral_norm.frozen = True
    before = layer.weight_u.clone()
    layer(torch.randn(1, 3, 8, 8))
    assert torch.equal(layer.weight_u, before)
    layer.spectral_norm.frozen = False
    layer(torch.randn(1, 3, 8, 8))
    assert not torch.equal(layer.weight_u, before)


def test_semantic_map_of_sixteen_bits_holds_the_same_zeros_and_ones(batch):
    layout = SemanticLayout.from_instances(batch["labels"], batch["instances"], 3)
    usual = layout.at(8, 8)
    with autocast("bf16", torch.device("cpu")):
        short = layout.at(8, 8)
    assert (usual.dtype, short.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(usual, short.float())
    assert layout.at(8, 8) is usual


def test_tf32_is_off_unless_asked_for():
    for precision, allowed in (("tf32", True), ("fp32", False), ("bf16", False)):
        set_matrix_precision(precision)
        assert torch.backends.cudnn.allow_tf32 == allowed
        assert torch.get_float32_matmul_precision() == ("high" if allowed else "highest")
    set_matrix_precision("fp32")


def test_spade_takes_a_checkpointed_forward_apart_from_its_norm_statistics(batch):
    """The layer itself knows nothing of recomputation: the same numbers come out while statistics are frozen."""
    from models.networks.statistics import frozen_statistics

    layout = SemanticLayout.from_instances(batch["labels"], batch["instances"], 3)
    layer = SPADE(5, 4, NormSpec.parse("spadesyncbatch3x3"))
    x = torch.randn(2, 5, 16, 16)
    first = layer(x, layout)
    state = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    with frozen_statistics(layer):
        assert torch.equal(layer(x, layout), first)
    assert all(torch.equal(tensor, state[name]) for name, tensor in layer.state_dict().items())
    layer(x, layout)
    assert layer.param_free_norm.num_batches_tracked == 2


@pytest.mark.system
def test_compiled_networks_train_the_same(make_trainer, double):
    """With the part of torch.compile that traces programs, in which its errors lie; no compiler is needed for it."""
    trainers = []
    for compiled in (False, True):
        # What is compiled is dense in any case.
        trainer = make_trainer(True, "spectralspadesyncbatch1x1", dense=not compiled)
        if compiled:
            for network in trainer.model.networks.values():
                network.compile(backend="aot_eager")
        iterate(trainer, double, times=1)
        trainers.append(trainer)
    # A gradient that is zero but for rounding, 1e-13, moves a weight by 1e-9: Adam adds 1e-8 where it divides. A step
    # is 1e-4.
    assert_same_training(*trainers, rtol=1e-8, atol=1e-8)


class TwoBlocks(nn.Module):
    """As a generator has them; networks of seven blocks take long to trace, which the test above does."""

    def __init__(self, block: Callable[..., nn.Module]):
        super().__init__()
        self.blocks = nn.ModuleList(block(*sizes, 4, "spectralspadesyncbatch1x1") for sizes in ((4, 4), (4, 2)))

    def forward(self, x: torch.Tensor, layout: SemanticLayout) -> torch.Tensor:
        for scale, block in enumerate(self.blocks, start=1):
            x = block(x, layout, scale)
        return x.tanh()


@pytest.mark.system
def test_compiled_blocks_are_recomputed_to_the_same(double):
    """Under torch.compile what is recomputed runs uncompiled, between parts that are compiled."""
    outcomes = []
    for block in (SPADEResnetBlock, partial(recomputed(TableResnetBlock), recomputes_parts=False)):
        torch.manual_seed(0)
        network, x = TwoBlocks(block), torch.randn(2, 4, 8, 8, requires_grad=True)
        if block is not SPADEResnetBlock:
            network.compile(backend="aot_eager")
        images = network(x, SemanticLayout.from_instances(double["labels"], double["instances"], 3))
        images.sin().sum().backward()
        gradients = [parameter.grad for parameter in network.parameters()]
        outcomes.append([images, x.grad, *gradients, *network.buffers()])
    torch.testing.assert_close(*outcomes, rtol=1e-8, atol=1e-10)
