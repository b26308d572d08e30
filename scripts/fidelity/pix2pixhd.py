"""Replay a recording of the published pix2pixHD: state dicts, images, features, losses, gradients, two iterations."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from data import PRESETS
from models import METHODS, create_model
from models.methods.base import Part
from models.methods.pix2pixhd import Pix2PixHDMethod
from models.networks.init import parameter_count
from models.networks.pix2pixhd import FEATURES
from options import TrainOptions, parse_options
from scripts.fidelity.measurements import (
    STEP_TOLERANCES,
    array,
    floats,
    gradient_norms,
    method_with_filled_vgg,
    names_and_shapes,
    norm,
    parameter_changes,
    parameters,
    refill,
)
from scripts.fidelity.recording import Recording, Results
from trainers import create_trainer
from util.errors import InputError

INPUTS = frozenset({"config", "argv", "height", "width", "fill_seed"})
INPUT_ARRAYS = frozenset({"label", "instance", "image"})
# Published names of options whose fields have other names here, and published options that are negated.
RENAMED = {"norm": "norm_G", "batchSize": "batch_size", "nef": "feat_width"}
NEGATED = {"no_instance": "instance", "no_ganFeat_loss": "gan_feat_loss", "no_vgg_loss": "vgg_loss"}
SCHEDULE = ("--niter", "3", "--niter_decay", "4")
"""Of the recorded learning rates."""
TOLERANCES = {
    "eval_*": (3e-5, 0),
    "encoder_output": (3e-5, 0),
    "losses": (1e-5, 2e-5),
    "feature_norms": (1e-5, 2e-5),
    "[gd]_grad_norms": (1e-4, 5e-3),  # the gradient of a bias in front of a norm is rounding noise
    **STEP_TOLERANCES,
}


def recognizes(scalars: dict[str, Any]) -> bool:
    """Return whether the scalars belong to a recording of a training of the published pix2pixHD."""
    return str(scalars.get("config", "")).startswith("pix2pixhd_")


def replay(recording: Recording, modulation: str | None = None) -> tuple[Results, Results]:
    """Return the measured and the recorded results in one form. `modulation` is ignored: there is none here."""
    return Replay(recording).measure(), recording.without(INPUTS, INPUT_ARRAYS)


class Replay:
    """The recorded measurements, one method each. Every method starts from the filled state."""

    def __init__(self, recording: Recording):
        self.recorded = recording.scalars
        self.seed = self.recorded["fill_seed"]
        self.opt = _options(self.recorded)
        self.model = create_model(self.opt).to(recording.device)
        self.networks = self.model.networks
        self.method = method_with_filled_vgg(Pix2PixHDMethod, self.opt, self.model, self.seed)
        self.batch = recording.batch()
        if self.opt.instance:
            self.batch["instances"] = recording.ids("instance")

    def _refill(self) -> None:
        refill(self.networks, self.seed)
        self.model.train()

    def _part(self) -> Part:
        return Part(self.model.label_layout(self.batch), self.batch["image"])

    def measure(self) -> Results:
        """Return every quantity of a recording."""
        return {**self.construction(), **self.images(), **self.gradients(), **self.iterations(), **self.schedule()}

    def construction(self) -> Results:
        layout = self._part().layout
        return {
            "options": {name: self._option(name) for name in self.recorded["options"]},
            "keys": {letter: names_and_shapes(network) for letter, network in self.networks.items()},
            "parameters": {letter: parameter_count(network) for letter, network in self.networks.items()},
            "semantics_sum_per_channel": layout.at(*layout.size).double().sum((0, 2, 3)).tolist(),
        }

    def _option(self, name: str) -> Any:
        """Value of an option under its published name."""
        if name == "no_lsgan":  # the other GAN loss is not offered
            return False
        if name in NEGATED:
            return not getattr(self.opt, NEGATED[name])
        return getattr(self.opt, RENAMED.get(name, name))

    @torch.no_grad()
    def images(self) -> Results:
        """Images and what the discriminator makes of them. Training and evaluation mode are the same here."""
        self._refill()
        part, results, norms = self._part(), {}, {}
        layout = self.model.label_layout(self.batch)
        if "E" in self.networks:
            results["encoder_output"] = array(layout.maps[FEATURES])
        fake = self.model.generate(layout, None)
        for side, images in (("fake", fake), ("real", part.real)):
            features = self.networks["D"](layout, images)
            norms[side] = [[norm(layer) for layer in scale] for scale in features]
            results |= {f"eval_logits_{side}_{scale}": array(outputs[-1]) for scale, outputs in enumerate(features)}
        return results | {"eval_fake": array(fake), "feature_norms": norms}

    def gradients(self) -> Results:
        """Losses and gradient norms of both players, at the filled state."""
        self._refill()
        part, results, losses = self._part(), {}, {}
        for name, player in zip("gd", self.method.objectives):
            self.model.zero_grad(set_to_none=True)
            outcome = player.losses(part)
            reduce(torch.add, outcome.losses.values()).backward()
            norms = {letter: gradient_norms(network) for letter, network in player.networks.items()}
            results[f"{name}_grad_norms"] = norms if name == "g" else norms["D"]
            losses |= outcome.losses | outcome.metrics
        return results | {"losses": self._published(losses)}

    def _published(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """The losses by the names that the published code logs; 0 for one that is switched off."""
        found = floats(losses)
        return {name: found.get(name, 0.0) for name in self.recorded["losses"]}

    def iterations(self) -> Results:
        """Full iterations on the same batch, with the trainer that train.py uses."""
        self._refill()
        trainer = create_trainer(self.opt, self.method)
        start = parameters(self.networks)
        groups = trainer.optimizers["optimizer_G"].param_groups
        trained = sum(len(group["params"]) for group in groups if group["lr"] > 0)
        steps = []
        for _ in self.recorded["steps"]:
            trainer.step(self.batch)
            metrics = {name: value for player in trainer.players for name, value in player.metrics.items()}
            changes = parameter_changes(self.networks, start)
            steps.append({"losses": self._published(trainer.losses | metrics), "parameter_changes": changes})
        return {"steps": steps, "trained_at_first": trained}

    def schedule(self) -> Results:
        """Learning rates of the first epochs, and the other settings of Adam, in G's and D's optimizer."""
        trainer = create_trainer(_options(self.recorded, SCHEDULE), self.method)
        groups = [optimizer.param_groups[0] for optimizer in trainer.optimizers.values()]
        rates = []
        for epoch in range(1, len(self.recorded["schedule"]) + 1):
            trainer.set_learning_rate(epoch)
            rates.append(groups[0]["lr"])
            assert groups[1]["lr"] == rates[-1], "both players have the same rate"
        adam = [value for group in groups for value in (list(group["betas"]), group["eps"])]
        return {"schedule": rates, "adam": adam}


def _options(recorded: dict[str, Any], more: tuple[str, ...] = ()) -> TrainOptions:
    """The published command line, parsed as ours; it names no folders, and nothing is read from them."""
    if recorded["options"].get("no_lsgan"):
        raise InputError("a recording with --no_lsgan: pix2pixHD is offered with the least-squares loss alone")
    argv = ["--feat_width" if word == "--nef" else word for word in recorded["argv"]]
    if "--norm" in argv:  # one option for both networks
        place = argv.index("--norm")
        argv[place : place + 2] = ["--norm_G", argv[place + 1], "--norm_D", argv[place + 1]]
    folders = ["--label_dir", "unused", "--image_dir", "unused"]
    folders += [] if recorded["options"]["no_instance"] else ["--instance_dir", "unused"]
    size = ["--crop_size", str(recorded["width"]), "--aspect_ratio", str(recorded["width"] / recorded["height"])]
    argv = ["--method", "pix2pixhd", "--dataset_mode", "custom", *folders, *size, "--gpu_ids", "-1", *argv, *more]
    return parse_options(TrainOptions, argv, PRESETS, METHODS)
