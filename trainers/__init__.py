"""The engine that trains any method, what it saves, reports and scores in a run, and the training of segmenters."""

from __future__ import annotations

from models.methods.base import Method
from trainers.finite import NonFiniteLossError
from trainers.pix2pix_trainer import Pix2PixTrainer
from util.distributed import World

__all__ = ["NonFiniteLossError", "Pix2PixTrainer", "create_trainer"]


def create_trainer(opt, method: Method, world: World | None = None) -> Pix2PixTrainer:
    """The trainer that the options describe."""
    trainer = Pix2PixTrainer(
        method,
        lr=opt.lr,
        niter=opt.niter,
        niter_decay=opt.niter_decay,
        world=world,
        precision=opt.precision,
        accumulate=opt.accumulate,
        adam=opt.adam,
        ema=opt.ema,
        skip_nonfinite=opt.skip_nonfinite,
    )
    if opt.compile:  # after the average has copied the generator
        for network in (*method.model.networks.values(), *method.fixed_networks):
            network.compile()
    return trainer
