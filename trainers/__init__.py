"""The engine that trains any method, what it saves, reports and scores in a run, and the training of segmenters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from util.late import late

if TYPE_CHECKING:
    from trainers.finite import NonFiniteLossError
    from trainers.pix2pix_trainer import Pix2PixTrainer, create_trainer

__all__ = ["NonFiniteLossError", "Pix2PixTrainer", "create_trainer"]

__getattr__ = late(  # these import PyTorch
    __name__,
    {
        "NonFiniteLossError": "trainers.finite",
        "Pix2PixTrainer": "trainers.pix2pix_trainer",
        "create_trainer": "trainers.pix2pix_trainer",
    },
)
