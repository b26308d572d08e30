"""The order, rates and networks of SPADE's two players, and the numbers of their losses."""

import pytest
import torch

from models.methods.base import Part
from models.methods.spade import SPADEMethod
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.pix2pix_model import Pix2PixModel
from tests.trainers.jobs import make_batch, make_model


def test_generator_with_encoder_comes_before_the_discriminator():
    objectives = SPADEMethod(make_model(vae=True)).objectives
    assert [(objective.name, list(objective.networks)) for objective in objectives] == [("G", ["G", "E"]), ("D", ["D"])]


@pytest.mark.parametrize("TTUR, factors", [(True, [0.5, 2.0]), (False, [1.0, 1.0])])
def test_two_time_scales(TTUR, factors):
    assert [objective.lr_factor for objective in SPADEMethod(make_model(), TTUR=TTUR).objectives] == factors


def test_the_loss_of_a_batch_is_the_mean_over_its_parts_for_a_sum_too():
    """The KL term is summed over samples: each of two parts counts it twice."""
    method = SPADEMethod(make_model(vae=True).eval(), lambda_kld=0.5)
    batch = make_batch(2)
    layout, noise = method.model.layout(batch), torch.zeros(2, 3)
    with torch.no_grad():
        whole = method.generator_losses(Part(layout, batch["image"], noise)).losses["KLD"]
        parts = [
            method.generator_losses(Part(*part, num_parts=2)).losses["KLD"]
            for part in zip(layout.split(2), batch["image"].chunk(2), noise.chunk(2))
        ]
    torch.testing.assert_close(sum(parts) / 2, whole)


def test_random_input_is_a_latent_without_encoder_and_kl_loss():
    """Row "random input" of table 4: each player's step draws z from N(0, 1), and z decides the image."""
    torch.manual_seed(0)
    netG = SPADEGenerator(3, 2, "spadebatch1x1", (1, 1), z_dim=5)
    method = SPADEMethod(Pix2PixModel(netG, MultiscaleDiscriminator(3, 2), None, num_labels=3))
    assert SPADEMethod(make_model()).draw_noise(2) is None, "without a latent nothing is drawn"
    one, other = method.draw_noise(2), method.draw_noise(2)
    assert one.shape == (2, 5) and not torch.equal(one, other)
    layout, real = SemanticLayout(torch.zeros(2, 32, 32, dtype=torch.long), None, 3), torch.zeros(2, 3, 32, 32)
    for losses in (method.generator_losses, method.discriminator_losses):
        method.model.eval()
        with torch.no_grad():
            found = [losses(Part(layout, real, z)).losses for z in (one, one, other)]
        assert "KLD" not in found[0]
        sums = [sum(map(float, terms.values())) for terms in found]
        assert sums[0] == sums[1] != sums[2]
