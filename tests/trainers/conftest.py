"""A tiny trainer and a batch for it."""

import pytest
import torch

from models.methods.spade import SPADEMethod
from tests.trainers.jobs import make_batch, make_model
from trainers import Pix2PixTrainer

SYNC_BATCH = "spectralspadesyncbatch1x1"  # convolutions of 3x3 take ten times as long in fp16 on a CPU


@pytest.fixture
def make_trainer():
    """Make a trainer of tiny networks; always the same weights."""

    def make(
        vae: bool = False, norm_G: str = SYNC_BATCH, size: int = 32, betas: tuple[float, float] = (0.0, 0.9), **kwargs
    ) -> Pix2PixTrainer:
        blocks = {name: kwargs.pop(name) for name in ("dense", "recompute") if name in kwargs}
        return Pix2PixTrainer(SPADEMethod(make_model(vae, norm_G, size, **blocks), betas=betas), **kwargs)

    return make


@pytest.fixture(scope="session")
def batch() -> dict[str, torch.Tensor]:
    """Two samples of three classes with instances."""
    return make_batch(2)
