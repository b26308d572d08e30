"""Replay a recording of pix2pix: state dicts, images, logits, losses, gradients, buffers, two iterations."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from models import METHODS, Pix2PixModel
from models.methods.base import Part
from models.methods.pix2pix import D_WEIGHT, Pix2PixMethod
from models.networks.init import parameter_count
from models.networks.pix2pix import LatentDropout, PatchDiscriminator, UNetGenerator
from scripts.fidelity.measurements import (
    STEP_TOLERANCES,
    array,
    buffers_of,
    gradient_norms,
    norm,
    parameter_changes,
    parameters,
    refill,
)
from scripts.fidelity.recording import Recording, Results
from trainers import Pix2PixTrainer

INPUTS = frozenset({"config", "height", "width", "fill_seed", "options"})
INPUT_ARRAYS = frozenset({"label", "image"})
# The recorded losses have no factor of 0.5 in the discriminator's.
PUBLISHED_LOSSES = {
    "GAN": ("G_GAN", 1),
    "L1": ("G_L1", 1),
    "D_Fake": ("D_fake", D_WEIGHT),
    "D_real": ("D_real", D_WEIGHT),
}
TOLERANCES = {
    "eval_fake": (3e-5, 0),
    "eval_logits_*": (3e-5, 0),
    "train_fake": (1e-4, 0),
    "*_losses": (1e-5, 2e-5),
    "*_grad_norms": (1e-4, 5e-3),
    "*buffer_changes": (1e-5, 1e-4),
    **STEP_TOLERANCES,
}


def recognizes(scalars: dict[str, Any]) -> bool:
    """Return whether the scalars belong to a recording of pix2pix."""
    return {"dropout_after", "options", "fill_seed"} <= scalars.keys()


def replay(recording: Recording, modulation: str | None = None) -> tuple[Results, Results]:
    """Return the measured and the recorded results in one form. `modulation` is ignored."""
    return Replay(recording).measure(), recording.without(INPUTS, INPUT_ARRAYS)


class Replay:
    """The recorded measurements, one method each. Every one starts from the filled state; dropout is off."""

    def __init__(self, recording: Recording):
        scalars = recording.scalars
        self.options, self.seed, self.num_steps = scalars["options"], scalars["fill_seed"], len(scalars["steps"])
        options = self.options
        self.unet_settings = {
            "semantic_nc": options["input_nc"],
            "ngf": options["ngf"],
            "num_downs": options["num_downs"],
            "norm": options["norm"],
            "image_size": (scalars["height"], scalars["width"]),
        }
        netG = UNetGenerator(**self.unet_settings, dropout=False, own_statistics=False)
        netD = PatchDiscriminator(options["input_nc"], options["ndf"], options["norm"], options["n_layers_D"])
        self.model = Pix2PixModel(netG, netD, None, options["input_nc"]).to(recording.device)
        self.networks: dict[str, nn.Module] = {"G": netG, "D": netD}
        betas = options["beta1"], METHODS["pix2pix"].preset["beta2"]
        self.method = Pix2PixMethod(self.model, options["lambda_L1"], betas)
        self.batch = recording.batch()
        self.layout, self.real = self.model.layout(self.batch), self.batch["image"]

    def measure(self) -> Results:
        """Return every quantity of a recording."""
        return {
            **self.construction(),
            **self.evaluation(),
            **self.discriminator_gradients(),
            **self.generator_gradients(),
            **self.iterations(),
        }

    def _refill(self, training: bool) -> dict[str, dict[str, Tensor]]:
        """Fill both networks; return copies of their buffers."""
        refill(self.networks, self.seed)
        self.model.train(training)
        return {letter: buffers_of(network) for letter, network in self.networks.items()}

    def construction(self) -> Results:
        with torch.device("meta"):
            with_dropout = UNetGenerator(**self.unet_settings)
        return {
            "keys": {
                letter: {
                    name: list(tensor.shape)
                    for name, tensor in network.state_dict().items()
                    if not name.endswith("num_batches_tracked")
                }
                for letter, network in self.networks.items()
            },
            "parameters": {letter: parameter_count(network) for letter, network in self.networks.items()},
            "dropout_after": [name for name, m in with_dropout.named_modules() if isinstance(m, LatentDropout)],
        }

    @torch.no_grad()
    def evaluation(self) -> Results:
        """Batch norm with running statistics."""
        self._refill(training=False)
        fake = self.model.generate(self.layout, None)
        losses = self.method.generator_losses_of(Part(self.layout, self.real), fake)
        losses |= self.method.discriminator_losses_of(Part(self.layout, self.real), fake).losses
        logits = {
            f"eval_logits_{kind}": array(self.method.netD(self.layout, images))
            for kind, images in (("fake", fake), ("real", self.real))
        }
        return {"eval_fake": array(fake), "eval_losses": published(losses), **logits}

    def discriminator_gradients(self) -> Results:
        self._refill(training=True)
        losses = self.method.discriminator_losses(Part(self.layout, self.real)).losses
        fake = self.method.fakes.popleft().detach()
        reduce(torch.add, losses.values()).backward()
        return {
            "train_fake": array(fake),
            "train_d_losses": published(losses),
            "train_d_grad_norms": gradient_norms(self.networks["D"]),
        }

    def generator_gradients(self) -> Results:
        """Through the filled discriminator, which has not taken a step."""
        before = self._refill(training=True)
        fake = self.model.generate(self.layout, None)
        losses = self.method.generator_losses_of(Part(self.layout, self.real), fake)
        reduce(torch.add, losses.values()).backward()
        return {
            "train_g_losses": published(losses),
            "train_g_grad_norms": gradient_norms(self.networks["G"]),
            "train_buffer_changes": changes(before["G"], buffers_of(self.networks["G"])),
        }

    def iterations(self) -> Results:
        """Whole iterations on the same batch, with the trainer that train.py uses."""
        buffers = self._refill(training=True)
        trainer = Pix2PixTrainer(self.method, lr=self.options["lr"])
        start = parameters(self.networks)
        steps = []
        for _ in range(self.num_steps):
            trainer.step(self.batch)
            steps.append(
                {
                    "losses": published(trainer.losses),
                    "parameter_changes": parameter_changes(self.networks, start),
                    "buffer_changes": {
                        letter: changes(buffers[letter], buffers_of(network))
                        for letter, network in self.networks.items()
                    },
                }
            )
        groups = [group for optimizer in trainer.optimizers.values() for group in optimizer.param_groups]
        (adam,) = {(group["betas"], group["eps"]) for group in groups}
        return {"steps": steps, "adam": adam}


def published(losses: dict[str, Tensor]) -> dict[str, float]:
    """Losses by their published names, without the weight of the discriminator's."""
    named = ((PUBLISHED_LOSSES[name], loss) for name, loss in losses.items())
    return {name: float(loss.detach()) / weight for (name, weight), loss in named}


def changes(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
    """Norm of the change of each tensor."""
    return {name: norm(after[name] - tensor) for name, tensor in before.items()}
