"""Losses and gradients that are not finite: stop, or leave the step out and undo it."""

import itertools
import math

import pytest
import torch

from models.methods.spade import SPADEMethod
from tests.trainers.jobs import make_batch, make_model, step_apart
from tests.worlds import run_together
from trainers import NonFiniteLossError, Pix2PixTrainer
from trainers.checkpoint import Checkpoints
from trainers.finite import FiniteWatch
from trainers.reporter import Reporter
from trainers.scoring import Scoring
from util.distributed import World
from util.interrupts import Interrupts
from util.progress import Progress


def snapshot(module) -> dict:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_unchanged(module, before):
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.fixture
def spoiled(batch) -> dict:
    return batch | {"image": torch.full_like(batch["image"], torch.nan)}


def test_a_loss_that_is_not_finite_stops_before_the_weights_change(make_trainer, batch, spoiled):
    trainer = make_trainer()
    trainer.step(batch)
    before = {name: parameter.clone() for name, parameter in trainer.model.named_parameters()}
    with pytest.raises(NonFiniteLossError, match=r"^loss GAN_Feat is not finite in step 2$"):
        trainer.step(spoiled)
    assert all(torch.equal(parameter, before[name]) for name, parameter in trainer.model.named_parameters())


def test_a_gradient_that_is_not_finite_stops_although_the_losses_are(make_trainer, batch):
    trainer = make_trainer()
    trainer.model.netG.conv_img.weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(NonFiniteLossError, match=r"^gradient of G is not finite in step 1$"):
        trainer.step(batch)


def test_a_step_left_out_leaves_no_trace(make_trainer, batch, spoiled, capsys):
    trainer = make_trainer(vae=True, skip_nonfinite=2, ema=0.5)
    trainer.step(batch)
    before, average = snapshot(trainer.model), snapshot(trainer.average.network)
    trainer.step(spoiled)
    assert_unchanged(trainer.model, before)
    assert_unchanged(trainer.average.network, average)
    assert trainer.finite.skipped == 2
    assert "not finite in step 2: skipped; 2 so far" in capsys.readouterr().err
    assert all(loss.isfinite() for loss in trainer.losses.values())
    trainer.step(batch)
    assert trainer.finite.skipped == 2


def test_too_many_in_a_row_stop_although_the_other_player_is_well(make_trainer, batch, spoiled):
    trainer = make_trainer(skip_nonfinite=2)
    for _ in range(2):
        step_apart(trainer, spoiled, batch)
    with pytest.raises(NonFiniteLossError, match=r"in step 3; 2 before it were skipped \(--skip_nonfinite 2\)"):
        trainer.step(spoiled)


def test_a_good_step_in_between_counts_anew_and_a_restored_run_goes_on_counting(make_trainer, batch, spoiled):
    trainer = make_trainer(skip_nonfinite=1)
    for sample in (spoiled, batch, spoiled):
        trainer.step(sample)
    resumed = make_trainer(skip_nonfinite=1)
    resumed.load_state_dict(trainer.state_dict())
    assert resumed.finite.skipped == 4, "two by each player"
    with pytest.raises(NonFiniteLossError):
        resumed.step(spoiled)


def test_the_first_bad_step_is_remembered_until_it_is_asked_for():
    watch = FiniteWatch(at_once=False)  # as on a GPU
    good, bad = torch.tensor(1.0), torch.tensor(float("inf"))
    watch.watch(1, {"GAN": good, "VGG": good})
    watch.watch(2, {"GAN": good, "VGG": bad})
    watch.watch(3, {"GAN": bad, "VGG": bad})
    with pytest.raises(NonFiniteLossError, match="loss VGG is not finite in step 2"):
        watch.check()


def scale_of(trainer, player: str = "G") -> dict:
    return {key: trainer.state_dict()["scalers"][player][key] for key in ("scale", "_growth_tracker")}


def with_scale(trainer, scale: float):
    state = trainer.state_dict()
    for scaler in state["scalers"].values():
        scaler["scale"] = scale
    trainer.load_state_dict(state)
    return trainer


def spoil_gradients(trainer, spoiled_passes=lambda number: True) -> None:
    """Make gradients of both players infinite in those backward passes whose number (from 1) is chosen."""
    networks = trainer.model.netG, trainer.model.netD
    for weight in (networks[0].conv_img.weight, networks[1].discriminator_0.model4[0].weight):
        passes = itertools.count(1)
        weight.register_hook(lambda grad, passes=passes: grad * torch.inf if spoiled_passes(next(passes)) else grad)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_half_precision_goes_on_after_a_step_left_out_with_the_same_scale(make_trainer, accumulate):
    batch = make_batch()
    spoiled = batch | {"image": torch.full_like(batch["image"], torch.nan)}
    settings = {"precision": "fp16", "skip_nonfinite": 1, "ema": 0.5, "accumulate": accumulate}
    trainer = with_scale(make_trainer(**settings), 16.0)
    for sample in (batch, spoiled):
        trainer.step(sample)
    assert trainer.finite.skipped == 2
    assert scale_of(trainer, "G") == scale_of(trainer, "D") == {"scale": 16.0, "_growth_tracker": 1}
    resumed = make_trainer(**settings)
    resumed.load_state_dict(trainer.state_dict())
    before = snapshot(trainer.model)
    for each in (trainer, resumed):
        each.step(batch)
        assert scale_of(each, "G") == scale_of(each, "D") == {"scale": 16.0, "_growth_tracker": 2}
    changed = {name for name, tensor in trainer.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {"netG.conv_img.weight", "netD.discriminator_0.model4.0.weight"} <= changed


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("bad_parts", [(1,), (2,), (1, 2)])
def test_scaled_gradients_that_overflow_in_any_part_leave_one_step_out(make_trainer, skip, bad_parts):
    """It is no fault: only the scale is lowered. The average, and what is printed, are of steps that were taken."""
    batch = make_batch()
    trainer = with_scale(make_trainer(precision="fp16", accumulate=2, ema=0.5, skip_nonfinite=skip), 16.0)
    trainer.step(batch)
    norms = {name: trainer.read_metrics()[name] for name in ("grad_norm/G", "grad_norm/D")}
    parameters = {name: parameter.clone() for name, parameter in trainer.model.named_parameters()}
    average = snapshot(trainer.average.network), trainer.average.state_dict()
    spoil_gradients(trainer, lambda number: number in bad_parts)
    trainer.step(batch)
    assert all(torch.equal(parameter, parameters[name]) for name, parameter in trainer.model.named_parameters())
    assert_unchanged(trainer.average.network, average[0])
    assert trainer.average.state_dict() == average[1]
    assert {name: trainer.read_metrics()[name] for name in norms} == norms
    assert scale_of(trainer, "G") == scale_of(trainer, "D") == {"scale": 8.0, "_growth_tracker": 0}
    assert trainer.finite.skipped == 0
    trainer.step(batch)
    assert trainer.average.state_dict() != average[1]
    assert scale_of(trainer, "G") == {"scale": 8.0, "_growth_tracker": 1}


@pytest.mark.parametrize("skip", [0, 2])
def test_an_overflow_at_every_scale_ends(make_trainer, batch, skip):
    trainer = with_scale(make_trainer(precision="fp16", skip_nonfinite=skip), 2.0**-10)
    spoil_gradients(trainer)
    with pytest.raises(NonFiniteLossError, match=rf"^gradient of G at a loss scale of 6e-05 .* in step {5 + skip}"):
        for _ in range(5 + skip):
            trainer.step(batch)
    assert scale_of(trainer)["scale"] > 0


def test_a_run_saved_with_a_scale_of_zero_ends_instead_of_standing_still(make_trainer, batch):
    trainer = with_scale(make_trainer(precision="fp16"), 0.0)
    with pytest.raises(NonFiniteLossError, match=r"gradient of D at a loss scale of 0e[+]00"):
        trainer.players[1].step(batch, 1)


def test_half_precision_tells_a_bad_loss_from_an_overflow(make_trainer, batch, spoiled):
    trainer = make_trainer(precision="fp16")
    with pytest.raises(NonFiniteLossError, match=r"^loss GAN_Feat is not finite in step 1$"):
        trainer.step(spoiled)


def test_what_is_shown_is_of_steps_that_were_taken(make_trainer, batch, spoiled):
    trainer = make_trainer(skip_nonfinite=2)
    for sample in (batch, spoiled):
        trainer.step(sample)
    assert all(image.isfinite().all() for image in trainer.shown)
    numbers = trainer.read_losses() | trainer.read_metrics()
    assert all(math.isfinite(number) for number in numbers.values()), numbers


@pytest.mark.system
@pytest.mark.parametrize("precision, skip", [("fp32", 0), ("fp16", 0), ("fp16", 1)])
def test_processes_decide_alike_when_one_of_them_has_a_bad_batch(precision, skip):
    one, other = run_together(2, meet_a_bad_batch, precision, skip)
    if skip:
        assert one == other
        assert one["skipped"] == 1
    else:
        assert one == other == "loss D_real is not finite in step 2"


def meet_a_bad_batch(precision: str, skip: int) -> dict | str:
    """A job: what comes of three iterations in which the second process has a photo that is none, once."""
    world = World.from_environment()
    with world.joined(torch.device("cpu")):
        settings = {"precision": precision, "skip_nonfinite": skip, "ema": 0.5}
        trainer = Pix2PixTrainer(SPADEMethod(make_model(), lambda_feat=None), world=world, **settings)
        batch = {name: values[world.rank :: 2] for name, values in make_batch().items()}
        try:
            for bad in (False, True, False):
                photo = torch.full_like(batch["image"], torch.nan if bad and world.rank == 1 else 0.5)
                step_apart(trainer, batch, batch | {"image": photo})
        except NonFiniteLossError as error:
            return str(error)
        weights = {name: parameter.detach().numpy().tolist() for name, parameter in trainer.model.named_parameters()}
        average = {
            name: value.tolist() for name, value in trainer.average.network.state_dict().items() if "bias" in name
        }
        return {"skipped": trainer.finite.skipped, "scalers": trainer.state_dict()["scalers"], **weights, **average}


def report(reporter: Reporter) -> None:
    for _ in reporter.with_bar([None]):
        reporter.after_batch(2)


CONSUMERS = {
    "a save": lambda scoring: scoring.checkpoints.save(),
    "an epoch for good": lambda scoring: scoring.checkpoints.save("1"),
    "a score": lambda scoring: scoring.score(1),
    "a line": lambda scoring: report(scoring.reporter),
    "an image": lambda scoring: report(scoring.reporter),
}


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_nothing_is_made_of_bad_weights_where_steps_are_not_read_back(make_trainer, batch, spoiled, tmp_path, consumer):
    """As on a GPU: the step is taken unread, and whatever is made of the networks next ends the training instead."""
    trainer = make_trainer(ema=0.5)
    progress = Progress(epochs=2, images_per_epoch=8)
    checkpoints = Checkpoints(tmp_path, trainer, {"progress": progress})
    freqs = (1, 100) if consumer == "a line" else (100, 1)
    reporter = Reporter(trainer, progress, None, None, *freqs)
    scoring = Scoring(None, None, checkpoints, reporter, Interrupts(), ["average"])
    trainer.step(batch)
    checkpoints.save()
    progress.advance(2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    trainer.finite.at_once = False
    for sample in (spoiled, batch):
        trainer.step(sample)
        progress.advance(2)
    assert not all(parameter.isfinite().all() for parameter in trainer.model.netG.parameters())
    with pytest.raises(NonFiniteLossError, match=r"^loss GAN_Feat, D_real is not finite in step 2$"):
        CONSUMERS[consumer](scoring)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
