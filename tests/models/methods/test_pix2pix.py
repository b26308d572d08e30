"""pix2pix: the discriminator first, one fake for both players, its schedule, levels by size."""

from types import SimpleNamespace

import pytest
import torch

from models.methods.base import Part
from models.methods.pix2pix import Pix2PixMethod, decay, unet_levels
from models.networks.pix2pix import PatchDiscriminator, UNetGenerator
from models.pix2pix_model import Pix2PixModel
from trainers import Pix2PixTrainer
from util.errors import InputError


def make_method(dropout=True):
    torch.manual_seed(0)
    netG = UNetGenerator(4, ngf=2, num_downs=6, image_size=(64, 64), dropout=dropout)
    return Pix2PixMethod(Pix2PixModel(netG, PatchDiscriminator(4, ndf=2, n_layers=2), None, 4))


def make_batch(count=2):
    return {"labels": torch.randint(4, (count, 64, 64)), "image": torch.rand(count, 3, 64, 64)}


def test_both_players_see_one_fake_and_the_generator_the_updated_discriminator():
    method, batch = make_method(), make_batch()
    fakes, weights = [], []
    netG, netD = method.model.netG, method.netD
    netG.register_forward_hook(lambda module, inputs, fake: fakes.append(fake))
    netD.register_forward_pre_hook(lambda module, inputs: weights.append(netD.model[0].weight.detach().clone()))
    seen = []
    netD.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    trainer = Pix2PixTrainer(method)
    assert [player.name for player in trainer.players] == ["D", "G"]
    trainer.step(batch)
    assert len(fakes) == 1 and not method.fakes
    of_d, real, of_g = seen
    assert torch.equal(of_d, fakes[0]) and not of_d.requires_grad
    assert torch.equal(real, batch["image"])
    assert of_g is fakes[0]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert netD.model[0].weight.grad is not None and all(p.grad is not None for p in netG.parameters())


def test_micro_batches_keep_their_own_fakes_in_order():
    batch = make_batch(4)
    whole, parts = make_method(), make_method()
    noise = torch.randn(4, whole.model.z_dim)
    for method, accumulate in ((whole, 1), (parts, 2)):
        method.model.eval()  # statistics of each image: the same for any number of parts
        method.draw_noise = lambda count: noise
        Pix2PixTrainer(method, accumulate=accumulate).step(batch)
    for a, b in zip(whole.model.parameters(), parts.model.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    assert not parts.fakes


def test_losses_by_hand():
    method = make_method(dropout=False)
    for parameter in method.netD.parameters():
        torch.nn.init.zeros_(parameter)
    method.netD.model[-1].bias.data.fill_(1.0)  # every logit is 1
    batch = make_batch()
    part = Part(method.model.layout(batch), batch["image"])
    losses = method.discriminator_losses(part).losses
    assert losses["D_Fake"].item() == pytest.approx(0.5 * 1.3132617)  # log(1 + e)
    assert losses["D_real"].item() == pytest.approx(0.5 * 0.3132617)  # log(1 + 1 / e)
    fake = method.fakes[0].detach()
    losses = method.generator_losses(part).losses
    assert losses["GAN"].item() == pytest.approx(0.3132617)
    torch.testing.assert_close(losses["L1"], 100 * (fake - batch["image"]).abs().mean())


def test_noise_is_that_of_dropout():
    method = make_method()
    assert method.draw_noise(3).shape == (3, method.model.netG.z_dim) == (3, 16 * 4 * 4)
    assert make_method(dropout=False).draw_noise(3) is None


def test_the_rate_falls_to_zero_after_the_last_epoch():
    assert [decay(epoch, 1.0, 100, 100) for epoch in (1, 100, 101, 200)] == [1, 1, 1 - 1 / 101, 1 - 100 / 101]
    assert [decay(epoch, 1.0, 2, 3) for epoch in range(1, 6)] == [1, 1, 0.75, 0.5, 0.25]
    (rates,) = {player.objective.schedule for player in Pix2PixTrainer(make_method()).players}
    assert rates is decay


@pytest.mark.parametrize(
    "height, width, levels", [(32, 32, 5), (64, 64, 6), (128, 256, 7), (256, 256, 8), (1024, 2048, 9), (96, 160, 5)]
)
def test_levels_by_size(height, width, levels):
    assert unet_levels(height, width) == levels


@pytest.mark.parametrize(
    "options, message",
    [
        ({"crop_size": 48}, "--crop_size 48: .* multiples of 32"),
        ({"norm_G": "spectralinstance"}, "--norm_G spectralinstance: --method pix2pix needs one of batch, instance"),
        ({"norm_D": "none", "is_train": True}, "--norm_D none: --method pix2pix needs one of batch, instance"),
        ({"crop_size": 32, "num_styles": 2}, "--num_styles 2: .* has no dropout"),
    ],
)
def test_options_that_it_cannot_use_are_refused(options, message):
    usual = {"method": "pix2pix", "crop_size": 64, "aspect_ratio": 1, "num_styles": 1, "norm_G": "batch"}
    opt = SimpleNamespace(**usual | {"is_train": False} | options)
    with pytest.raises(InputError, match=message):
        Pix2PixMethod.check(opt)
