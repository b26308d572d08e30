"""Replay a recording of CRN: names, images, terms of the loss, gradients, two iterations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import Pix2PixModel
from models.crn_loss import DIVERSITY_WEIGHTS, PLAIN_WEIGHTS, CRNLoss, TermWeights
from models.methods.base import Part
from models.methods.crn import CRNMethod
from models.networks.crn import CRNGenerator
from models.networks.init import parameter_count
from models.tensorflow_weights import from_tensorflow
from models.vgg import AveragePoolVGG
from scripts.fidelity.measurements import (
    STEP_TOLERANCES,
    array,
    gradient_norms,
    names_and_shapes,
    parameter_changes,
    parameters,
    refill,
)
from scripts.fidelity.recording import Recording, Results
from trainers import Pix2PixTrainer
from util.fill import fill

INPUTS = frozenset({"config", "kind", "height", "width", "fill_seed", "classes", "lr", "widths"})
INPUT_ARRAYS = frozenset({"label", "image"})
WEIGHTS = {"diversity": DIVERSITY_WEIGHTS, "single": PLAIN_WEIGHTS}
TOLERANCES = {
    "eval_fake": (5e-3, 0),  # values up to 700
    "loss": (1e-5, 2e-5),
    "layer_losses": (1e-5, 2e-5),
    "grad_norms": (1e-4, 5e-3),
    **STEP_TOLERANCES,
}


def recognizes(scalars: dict[str, Any]) -> bool:
    """Return whether the scalars belong to a recording of CRN."""
    return scalars.get("kind") in WEIGHTS and {"widths", "classes", "fill_seed"} <= scalars.keys()


def replay(recording: Recording, modulation: str | None = None) -> tuple[Results, Results]:
    """Return the measured and the recorded results in one form. `modulation` is ignored."""
    return Replay(recording).measure(), recording.without(INPUTS, INPUT_ARRAYS)


class Replay:
    """The recorded measurements, one method each. Every one starts from the filled state."""

    def __init__(self, recording: Recording):
        self.recorded, arrays = recording.scalars, recording.arrays
        channels = {int(height): width for height, width in self.recorded["widths"].items()}
        images, is_diverse = arrays["eval_fake"], self.recorded["kind"] == "diversity"
        self.netG = CRNGenerator(self.recorded["classes"], channels, num_images=len(images) if is_diverse else 1)
        self.netG.to(recording.device)
        self.model = Pix2PixModel(self.netG, None, None, self.recorded["classes"])
        vgg = AveragePoolVGG(caffe=True)
        fill(vgg.features, self.recorded["fill_seed"])
        self.loss = CRNLoss(vgg, TermWeights(WEIGHTS[self.recorded["kind"]])).to(recording.device)
        self.method = CRNMethod(self.model, self.loss)
        self.batch = recording.batch()
        self.layout, self.real = self.model.label_layout(self.batch), self.batch["image"]

    def measure(self) -> Results:
        """Return every quantity of a recording."""
        return {**self.construction(), **self.generation(), **self.gradients(), **self.iterations()}

    def _refill(self) -> None:
        refill({"G": self.netG}, self.recorded["fill_seed"])
        self.model.train()  # in evaluation mode, images are clipped; nothing else differs

    def construction(self) -> Results:
        return {
            "keys": names_and_shapes(self.netG),
            "tf_names": self._tensorflow_names(),
            "parameters": parameter_count(self.netG),
        }

    def _tensorflow_names(self) -> dict[str, str]:
        """The recorded variable that each entry is loaded from."""
        kernel, vector = np.zeros((1, 1, 1, 1)), np.zeros(1)
        variables = {
            name: kernel if name.endswith("weights") else vector for name in self.recorded["tf_names"].values()
        }
        return dict(zip(from_tensorflow(variables), variables))

    @torch.no_grad()
    def generation(self) -> Results:
        """Images in 0..255, beyond it where the network is, and the weighted terms of the loss."""
        self._refill()
        images = self.netG.images(self.layout)  # (1, k, 3, H, W)
        if self.netG.num_images > 1:
            terms = self.loss.diversity_terms(images, self.real, self.layout)[:, 0]  # (terms, k, classes)
        else:
            terms = self.loss.terms(images[:, 0], self.real)  # (terms,)
        return {"eval_fake": array((images + 1) * 127.5).reshape(-1, *images.shape[2:]), "layer_losses": terms.tolist()}

    def gradients(self) -> Results:
        self._refill()
        loss = self._total(self.method.losses(Part(self.layout, self.real)).losses)
        loss.backward()
        return {"loss": float(loss.detach()), "grad_norms": gradient_norms(self.netG)}

    def _total(self, losses: dict[str, Tensor]) -> Tensor:
        (loss,) = losses.values()
        return loss

    def iterations(self) -> Results:
        """Whole iterations on the same batch, with the trainer that train.py uses."""
        self._refill()
        trainer = Pix2PixTrainer(self.method, lr=self.recorded["lr"])
        start = parameters({"G": self.netG})
        steps = []
        for _ in self.recorded["steps"]:
            trainer.step(self.batch)
            change = parameter_changes({"G": self.netG}, start)["G"]
            steps.append({"loss": float(self._total(trainer.losses)), "parameter_change": change})
        (group,) = trainer.optimizers["optimizer_G"].param_groups
        return {"steps": steps, "adam": [*group["betas"], group["eps"]]}
