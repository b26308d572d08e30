"""Networks, losses and methods. A method's `create_model` alone turns options into constructor arguments."""

from __future__ import annotations

from models.methods import METHODS
from models.methods.base import Method
from models.methods.spade_networks import create_encoder, create_generator
from models.pix2pix_model import Pix2PixModel

__all__ = ["METHODS", "Pix2PixModel", "create_encoder", "create_generator", "create_method", "create_model"]


def create_model(opt) -> Pix2PixModel:
    """The networks that the options describe, for training or testing, initialized."""
    return METHODS[opt.method].create_model(opt)


def create_method(opt, model: Pix2PixModel) -> Method:
    """Losses, players and their order for training `model`, which is on its device."""
    return METHODS[opt.method].create(opt, model)
