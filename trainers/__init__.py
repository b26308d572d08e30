"""The training step, its optimisers and schedule, and the state that is saved and restored."""

from __future__ import annotations

from models.pix2pix_model import Objective, Pix2PixModel
from trainers.finite import NonFiniteLossError
from trainers.pix2pix_trainer import Pix2PixTrainer
from util.distributed import World

__all__ = ["NonFiniteLossError", "Pix2PixTrainer", "create_trainer"]


def create_trainer(opt, model: Pix2PixModel, objective: Objective, world: World | None = None) -> Pix2PixTrainer:
    """The trainer that the options describe."""
    trainer = Pix2PixTrainer(
        model,
        objective,
        lr=opt.lr,
        betas=(opt.beta1, opt.beta2),
        TTUR=opt.TTUR,
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
        for network in (*model.networks.values(), objective.vgg):
            if network is not None:
                network.compile()
    return trainer
