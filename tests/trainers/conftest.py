"""A tiny trainer and a batch for it."""

import pytest
import torch

from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.encoder import ConvEncoder
from models.networks.generators import SPADEGenerator
from models.pix2pix_model import Objective, Pix2PixModel
from trainers import Pix2PixTrainer


@pytest.fixture
def make_trainer():
    """Make a trainer of 32x32 networks; always the same weights."""

    def make(vae: bool = False, **kwargs) -> Pix2PixTrainer:
        torch.manual_seed(0)
        netG = SPADEGenerator(4, 2, latent_size=(1, 1), z_dim=3 if vae else None)
        netE = ConvEncoder(32, 2, z_dim=3) if vae else None
        model = Pix2PixModel(netG, MultiscaleDiscriminator(4, 2), netE, num_labels=3)
        return Pix2PixTrainer(model.train(), Objective(), **kwargs)

    return make


@pytest.fixture(scope="session")
def batch() -> dict:
    """Two samples of three classes with instances."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (2, 32, 32), generator=generator)
    return {"labels": labels, "instances": labels, "image": torch.rand(2, 3, 32, 32, generator=generator) * 2 - 1}
