"""The training step: who learns from what, in which order, and what stops it."""

import pytest
import torch

from models.methods.spade import SPADEMethod
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.generators import SPADEGenerator
from models.pix2pix_model import Pix2PixModel
from tests.trainers.jobs import make_batch, make_model
from trainers import Pix2PixTrainer


def snapshot(network) -> dict:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def changed(network, before) -> bool:
    return any(not torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())


def test_generator_step_trains_generator_and_encoder_and_gives_the_discriminator_no_gradient(make_trainer, batch):
    trainer = make_trainer(vae=True)
    networks = trainer.model.networks
    before = {letter: snapshot(network) for letter, network in networks.items()}
    trainer.players[0].step(batch, 1)
    assert {letter: changed(network, before[letter]) for letter, network in networks.items()} == {
        "G": True,
        "D": False,
        "E": True,
    }
    assert all(parameter.grad is None for parameter in networks["D"].parameters())
    assert all(parameter.requires_grad for parameter in networks["D"].parameters())
    assert list(trainer.losses) == ["KLD", "GAN", "GAN_Feat"]


def test_a_generator_step_leaves_parameters_of_the_discriminator_as_trainable_as_they_were(make_trainer, batch):
    trainer = make_trainer()
    netD = trainer.model.netD
    netD.discriminator_0.model0.requires_grad_(False)
    before = {name: parameter.requires_grad for name, parameter in netD.named_parameters()}
    trainer.players[0].step(batch, 1)
    assert {name: parameter.requires_grad for name, parameter in netD.named_parameters()} == before


def test_discriminator_step_trains_the_discriminator_alone(make_trainer, batch):
    trainer = make_trainer(vae=True)
    networks = trainer.model.networks
    before = {letter: snapshot(network) for letter, network in networks.items()}
    trainer.players[1].step(batch, 1)
    assert {letter: changed(network, before[letter]) for letter, network in networks.items()} == {
        "G": False,
        "D": True,
        "E": False,
    }
    assert list(trainer.losses) == ["D_Fake", "D_real"]


def test_an_iteration_advances_batch_statistics_of_the_generator_twice(make_trainer, batch):
    """Published: the discriminator step makes its fakes anew, in training mode."""
    trainer = make_trainer()
    counter = trainer.model.netG.head_0.norm_0.param_free_norm.num_batches_tracked
    trainer.players[0].step(batch, 1)
    assert counter == 1
    trainer.players[1].step(batch, 1)
    assert counter == 2


def test_discriminator_sees_fakes_first_then_reals_in_one_pass(make_trainer, batch):
    trainer = make_trainer()
    seen = []
    trainer.model.netD.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    trainer.players[1].step(batch, 1)
    assert len(seen) == 1
    assert torch.equal(seen[0][2:], batch["image"])
    assert not torch.equal(seen[0][:2], batch["image"])


def test_rates_betas_and_schedule_reach_every_parameter_group(make_trainer):
    trainer = make_trainer(lr=0.8, betas=(0.0, 0.9), niter=1, niter_decay=2)
    for epoch, rate in ((1, 0.8), (2, 0.8), (3, 0.4)):
        trainer.set_learning_rate(epoch)
        assert [group["lr"] for group in trainer.optimizers["optimizer_G"].param_groups] == [pytest.approx(rate / 2)]
        assert [group["lr"] for group in trainer.optimizers["optimizer_D"].param_groups] == [pytest.approx(rate * 2)]
    assert {group["betas"] for o in trainer.optimizers.values() for group in o.param_groups} == {(0.0, 0.9)}


def test_the_rate_of_the_discriminator_rises_in_its_first_steps_to_that_of_the_epoch():
    trainer = Pix2PixTrainer(SPADEMethod(make_model(), D_warmup=4), lr=0.004, niter=1, niter_decay=2)
    rates = []
    for step, epoch in enumerate((1, 1, 3, 3, 3)):
        if step in (0, 2):  # as at the start of an epoch, or of a resumed run
            trainer.set_learning_rate(epoch)
        trainer.step(make_batch(2))
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers.values()])
    assert [rate for rate, _ in rates] == pytest.approx([0.002, 0.002, 0.001, 0.001, 0.001])
    assert [rate for _, rate in rates] == pytest.approx([0.002, 0.004, 0.003, 0.004, 0.004])


def test_every_parameter_belongs_to_exactly_one_optimizer(make_trainer):
    trainer = make_trainer(vae=True)
    owned = [id(p) for o in trainer.optimizers.values() for group in o.param_groups for p in group["params"]]
    assert sorted(owned) == sorted(id(p) for p in trainer.model.parameters())


@pytest.mark.system
def test_training_learns_the_colors_of_two_classes():
    """The whole objective does what it is for: after some steps class 0 is dark and class 1 is bright."""
    torch.manual_seed(0)
    labels = torch.zeros(2, 32, 32, dtype=torch.long)
    labels[:, :, 16:] = 1
    image = torch.where(labels[:, None] == 1, 0.8, -0.8).repeat(1, 3, 1, 1)
    netG = SPADEGenerator(2, 4, "spadebatch3x3", latent_size=(1, 1))
    model = Pix2PixModel(netG, MultiscaleDiscriminator(2, 8), None, num_labels=2).train()
    trainer = Pix2PixTrainer(SPADEMethod(model), lr=0.004)
    for _ in range(40):
        trainer.step({"labels": labels, "image": image})
    fake = trainer.shown[1]
    assert fake[..., :14].mean() < -0.3
    assert fake[..., 18:].mean() > 0.3


def test_the_generator_takes_a_step_in_the_first_of_every_few_batches_of_an_epoch():
    """--D_steps_per_G: counted in each epoch anew, as published."""
    trainer = Pix2PixTrainer(SPADEMethod(make_model(), D_steps_per_G=2))
    steps = []
    for index in (0, 1, 2, 0):  # an epoch of three batches, and the first one of another
        trainer.step(make_batch(2), index)
        counts = [optimizer.state_dict()["state"][0]["step"] for optimizer in trainer.optimizers.values()]
        steps.append([int(count) for count in counts])
    assert steps == [[1, 1], [1, 2], [2, 3], [3, 4]]
