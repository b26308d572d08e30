"""Losses and gradients that are not finite: stop, or leave the step out and undo it."""

import pytest
import torch

from trainers import NonFiniteLossError
from trainers.finite import FiniteWatch


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
    trainer.generator_step(batch)
    trainer.discriminator_step(batch)
    before = {name: parameter.clone() for name, parameter in trainer.model.named_parameters()}
    with pytest.raises(NonFiniteLossError, match=r"^loss GAN_Feat is not finite in step 2$"):
        trainer.generator_step(spoiled)
    assert all(torch.equal(parameter, before[name]) for name, parameter in trainer.model.named_parameters())


def test_a_gradient_that_is_not_finite_stops_although_the_losses_are(make_trainer, batch):
    trainer = make_trainer()
    trainer.model.netG.conv_img.weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(NonFiniteLossError, match=r"^gradient of G is not finite in step 1$"):
        trainer.generator_step(batch)


def test_a_step_left_out_leaves_no_trace(make_trainer, batch, spoiled, capsys):
    trainer = make_trainer(vae=True, skip_nonfinite=2, ema=0.5)
    trainer.generator_step(batch)
    trainer.discriminator_step(batch)
    before, average = snapshot(trainer.model), snapshot(trainer.average.network)
    trainer.generator_step(spoiled)
    trainer.discriminator_step(spoiled)
    assert_unchanged(trainer.model, before)
    assert_unchanged(trainer.average.network, average)
    assert trainer.finite.skipped == 2
    assert "not finite in step 2: left out; 2 so far" in capsys.readouterr().err
    assert all(loss.isfinite() for loss in trainer.losses.values())
    trainer.generator_step(batch)
    assert trainer.finite.skipped == 2


def test_too_many_in_a_row_stop_although_the_other_player_is_well(make_trainer, batch, spoiled):
    trainer = make_trainer(skip_nonfinite=2)
    for _ in range(2):
        trainer.generator_step(spoiled)
        trainer.discriminator_step(batch)
    with pytest.raises(NonFiniteLossError, match=r"in step 3; 2 before it were left out \(--skip_nonfinite 2\)"):
        trainer.generator_step(spoiled)


def test_a_good_step_in_between_counts_anew_and_a_restored_run_goes_on_counting(make_trainer, batch, spoiled):
    trainer = make_trainer(skip_nonfinite=1)
    for sample in (spoiled, batch, spoiled):
        trainer.generator_step(sample)
    resumed = make_trainer(skip_nonfinite=1)
    resumed.load_state_dict(trainer.state_dict())
    assert resumed.finite.skipped == 2
    with pytest.raises(NonFiniteLossError):
        resumed.generator_step(spoiled)


def test_the_first_bad_step_is_remembered_until_it_is_asked_for(monkeypatch):
    watch = FiniteWatch()
    monkeypatch.setattr(watch, "check", lambda: None)  # as on a GPU, where watching never reads back
    good, bad = torch.tensor(1.0), torch.tensor(float("inf"))
    watch.watch(1, {"GAN": good, "VGG": good})
    watch.watch(2, {"GAN": good, "VGG": bad})
    watch.watch(3, {"GAN": bad, "VGG": bad})
    monkeypatch.undo()
    with pytest.raises(NonFiniteLossError, match="loss VGG is not finite in step 2"):
        watch.check()
