"""Networks, losses and methods. A method's `create_model` alone turns options into constructor arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.methods import METHODS
from util.late import late

if TYPE_CHECKING:
    from models.methods.base import Method
    from models.methods.spade_networks import create_encoder, create_generator
    from models.pix2pix_model import Pix2PixModel

__all__ = ["METHODS", "Pix2PixModel", "create_encoder", "create_generator", "create_method", "create_model"]

__getattr__ = late(  # these import PyTorch
    __name__,
    {
        "Pix2PixModel": "models.pix2pix_model",
        "create_encoder": "models.methods.spade_networks",
        "create_generator": "models.methods.spade_networks",
    },
)


def create_model(opt) -> Pix2PixModel:
    """The networks that the options describe, for training or testing, initialized."""
    return METHODS[opt.method].load().create_model(opt)


def create_method(opt, model: Pix2PixModel) -> Method:
    """Losses, players and their order for training `model`, which is on its device."""
    return METHODS[opt.method].load().create(opt, model)
