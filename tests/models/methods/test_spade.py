"""The order, rates and networks of SPADE's two players, and the numbers of their losses."""

import pytest
import torch

from models.methods.base import Part
from models.methods.spade import SPADEMethod
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
