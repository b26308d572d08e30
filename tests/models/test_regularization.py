"""R1 and LeCam: hand-worked values, second derivatives in every way a discriminator computes, and when they count."""

import re

import pytest
import torch
from torch import nn

from data import PRESETS
from models import METHODS
from models.augmentation import DiffAugment
from models.methods.base import Part
from models.methods.spade import SPADEMethod
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.layout import SemanticLayout
from models.networks.pix2pix import PatchDiscriminator
from models.networks.pix2pixhd import Pix2PixHDDiscriminator
from models.regularization import R1, LeCam, Regularization, r1_penalty
from models.tables import PresentLabelsDiscriminator
from options import TrainOptions, parse_options
from tests.models.test_augmentation import make_method
from tests.trainers.jobs import make_batch, make_model
from trainers import Pix2PixTrainer


class Linear(nn.Module):
    """Two scales with one logit for each row: D(x) = <w, x> and 2 <w, x>."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.arange(12.0).view(3, 2, 2))

    def forward(self, layout, images):
        logits = (self.w * images).sum(dim=(1, 3))
        return [[images, logits], [images, 2 * logits]]


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_layout(samples=2, size=32):
    labels = torch.randint(0, 3, (samples, size, size))
    return SemanticLayout(labels, labels == 1, 3)


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights():
    D, layout = Linear(), make_layout(5, 2)
    penalty = r1_penalty(D, layout, torch.randn(5, 3, 2, 2))
    squares = sum(3.0**2 * number**2 for number in range(12))  # the gradient of both scales together is 3 w
    assert penalty.item() == pytest.approx(squares)
    assert R1(gamma=0.5, interval=4)(D, layout, torch.randn(5, 3, 2, 2)).item() == pytest.approx(0.25 * 4 * squares)
    penalty.backward()
    assert D.w.grad is not None
    torch.testing.assert_close(D.w.grad, 2 * 9 * D.w.detach())


DISCRIMINATORS = {
    "spectral norm": lambda: MultiscaleDiscriminator(4, 2, "spectralinstance", n_layers=2),
    "tables": lambda: PresentLabelsDiscriminator(4, 2, "spectralinstance", n_layers=2),
    "pix2pixHD": lambda: Pix2PixHDDiscriminator(4, 2, n_layers=2),
    "pix2pix": lambda: PatchDiscriminator(4, 2, "instance", n_layers=2),
}


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_the_derivative_of_r1_is_that_of_finite_differences(name, memory_format, samples, double):
    """Singular vectors stand still, also in training mode: they count as constants."""
    torch.manual_seed(0)
    D = DISCRIMINATORS[name]().to(memory_format=memory_format)
    layout, real = make_layout(samples, 16), torch.randn(samples, 3, 16, 16).to(memory_format=memory_format)
    buffers = {name: buffer.clone() for name, buffer in D.named_buffers()}
    r1_penalty(D, layout, real).backward()
    for parameter in D.parameters():
        if parameter.grad is None or parameter.dim() == 1:
            continue  # a bias before instance norm, or the last one, changes nothing
        direction, step = torch.randn_like(parameter), 1e-6
        with torch.no_grad():
            parameter += step * direction
        above = r1_penalty(D, layout, real).item()
        with torch.no_grad():
            parameter -= 2 * step * direction
        below = r1_penalty(D, layout, real).item()
        with torch.no_grad():
            parameter += step * direction
        derivative = (parameter.grad * direction).sum().item()
        assert (above - below) / (2 * step) == pytest.approx(derivative, rel=1e-4, abs=1e-9)
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in D.named_buffers())


def test_r1_is_the_same_through_tables(double):
    dense, tables = DISCRIMINATORS["spectral norm"](), DISCRIMINATORS["tables"]()
    tables.load_state_dict(dense.state_dict())
    layout, real = make_layout(), torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(r1_penalty(tables, layout, real), r1_penalty(dense, layout, real))


def features(*scales):
    """Logits of scales, as features."""
    return [[torch.tensor(values).view(1, 1, 1, -1)] for values in scales]


def test_lecam_by_hand():
    lecam = LeCam(weight=0.5, start=1)
    assert not lecam.is_due(5), "there is nothing to compare with before the first step"
    lecam.update(torch.tensor(2.0), torch.tensor(-1.0))
    assert [lecam.is_due(step) for step in (1, 2)] == [False, True]
    # Photos lie 0 and 3, then 1 above -1, the mean of fakes; fakes lie 0 and 1, then 4 below 2, that of photos.
    loss = lecam(features([2.5, 1.0], [-2.0]), features([-1.5, 2.0], [0.0]))
    assert loss.item() == pytest.approx(0.5 * ((9 / 2 + 1) / 2 + (1 / 2 + 16) / 2))
    lecam.update(torch.tensor(3.0), torch.tensor(0.0))
    torch.testing.assert_close(lecam.averages, torch.tensor([2.01, -0.99]))


def test_r1_counts_in_every_few_steps_and_lecam_after_its_start():
    method = SPADEMethod(make_model(), regularization=Regularization(R1(1.0, interval=3), LeCam(1.0, start=2)))
    batch, found = make_batch(2), []
    for step in (1, 2, 3, 4):
        outcome = method.discriminator_losses(Part(method.model.layout(batch), batch["image"], step=step))
        method.after_step(outcome)
        found.append(set(outcome.losses) - {"D_Fake", "D_real"})
    assert found == [{"R1"}, set(), {"LeCam"}, {"R1", "LeCam"}]


@pytest.mark.parametrize("name", ["spade", "pix2pixhd", "pix2pix"])
def test_every_gan_has_both_and_only_the_discriminator_learns_from_them(name):
    def step(**terms):
        method, batch = make_method(name, diffaugment=DiffAugment("color"), regularization=Regularization(**terms))
        if method.regularization.lecam is not None:
            method.regularization.lecam.averages = torch.tensor([5.0, -5.0])
        Pix2PixTrainer(method).step(batch)
        return {letter: list(network.parameters()) for letter, network in method.model.networks.items()}

    plain = step()
    for terms in ({"r1": R1(10.0)}, {"lecam": LeCam(10.0)}):
        changed = step(**terms)
        assert not all(torch.equal(one, other) for one, other in zip(plain["D"], changed["D"]))
        if name != "pix2pix":  # whose discriminator takes its step first
            assert all(torch.equal(one, other) for one, other in zip(plain["G"], changed["G"]))


def test_averages_of_logits_are_saved_and_restored_and_nothing_is_saved_without():
    method = SPADEMethod(make_model(), regularization=Regularization(lecam=LeCam(1.0)))
    assert SPADEMethod(make_model()).state_dict() == method.state_dict() == {}
    Pix2PixTrainer(method).step(make_batch(2))
    state = method.state_dict()
    lecam = LeCam(1.0)
    other = SPADEMethod(make_model(), regularization=Regularization(lecam=lecam))
    other.load_state_dict({})
    other.load_state_dict(state)
    torch.testing.assert_close(lecam.averages, state["lecam"], rtol=0, atol=0)


@pytest.mark.parametrize(
    "line, message",
    [
        ("--method pix2pix --r1_gamma 1", "--r1_gamma 1: batch norm mixes the photos .* use --norm_D instance"),
        ("--r1_gamma 1 --norm_D spectralsyncbatch", "--r1_gamma 1: batch norm .* use --norm_D spectralinstance"),
        ("--r1_gamma 1 --compile", "--r1_gamma 1: compiled networks have no second derivative; use --no_compile"),
        ("--method crn --r1_gamma 1", "--r1_gamma 1.0: --method crn does not use it"),
        ("--method sims --diffaugment color", "--diffaugment color: --method sims does not use it"),
        ("--diffaugment color,color", "--diffaugment color,color: must be different ones of color, translation"),
    ],
)
def test_what_does_not_compose_is_refused(line, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_options(TrainOptions, line.split(), PRESETS, METHODS)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1 and re.search(message, said), said
