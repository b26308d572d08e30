"""Replay a recording of a published training: state dicts, images, losses, gradients, buffers, two iterations."""

from __future__ import annotations

import dataclasses
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data import PRESETS
from models import METHODS, Pix2PixModel, create_model
from models.losses import kl_loss
from models.methods.base import Part
from models.methods.spade import SPADEMethod
from models.networks.init import parameter_count
from options import TrainOptions, parse_options
from options.classic import SETTLED
from scripts.fidelity.measurements import (
    array,
    buffers_of,
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

# Entries that define networks and inputs; everything else in a recording is compared.
INPUTS = frozenset({"config", "argv", "crop_size", "height", "width", "fill_seed"})
# Published names of options whose fields have other names here.
NEGATED = {"no_instance": "instance", "no_ganFeat_loss": "gan_feat_loss", "no_vgg_loss": "vgg_loss", "no_TTUR": "TTUR"}
RENAMED = {"init_variance": "init_gain", "batchSize": "batch_size", "nThreads": "num_workers"}
INPUT_ARRAYS = frozenset({"label", "instance", "image", "z", "eps"})
# Several times the deviation between correct implementations with other memory formats, threads and kernels.
TOLERANCES = {
    "eval_fake": (3e-5, 0),
    "eval_logits_*": (3e-5, 0),
    "mu": (3e-5, 0),
    "logvar": (3e-5, 0),
    "train_fake": (1e-4, 0),
    "eval_losses": (1e-5, 2e-5),
    "eval_feature_norms": (1e-5, 2e-5),
    "train_[gd]_losses": (1e-5, 2e-5),
    "train_[gd]_grad_norms": (1e-5, 5e-3),  # the gradient of a bias before a norm is rounding noise
    "train_buffer_norms": (0, 1e-5),
    "train_buffer_changes": (2e-3, 1e-3),
    "steps.0.losses": (1e-5, 1e-3),
    "steps.0.parameter_changes": (1e-5, 1e-3),
    "steps.*.buffer_changes": (2e-3, 1e-3),
    # Adam with beta1 = 0 amplifies rounding to full steps: losses after one differ by 3e-3 between 32 and 64 bits.
    "steps.*.losses": (4e-3, 5e-3),
    "steps.*.parameter_changes": (1e-5, 3e-3),
}
# Quantities that a recording does not hold, with the values they must have.
EXPECTED = {"advances_per_forward": {"spectral_norm": 1.0, "batch_statistics": 1.0}}


def recognizes(scalars: dict[str, Any]) -> bool:
    """Return whether the scalars belong to a recording of a SPADE or pix2pixHD training."""
    return {"argv", "crop_size", "fill_seed", "eval_feature_norms", "schedule"} <= scalars.keys()


def replay(recording: Recording, modulation: str | None = None) -> tuple[Results, Results]:
    """Return the measured and the recorded results in one form.

    Args:
        modulation: how SPADE computes gamma and beta, "dense" or "table".
    """
    return Replay(recording, modulation).measure(), recorded_results(recording)


def recorded_results(recording: Recording) -> Results:
    """Return the results to compare: all entries that are not inputs, and the expected values of other quantities."""
    return recording.without(INPUTS, INPUT_ARRAYS) | EXPECTED


def _command_line(recording: Recording) -> list[str]:
    argv = [*recording.scalars["argv"], "--crop_size", str(recording.scalars["crop_size"]), "--gpu_ids", "-1"]
    argv += ["--batch_size", str(len(recording.arrays["label"]))]
    if "custom" in argv:  # requires folders, from which nothing is read here
        for flag in ("--label_dir", "--image_dir", "--instance_dir"):
            argv += [] if flag in argv else [flag, "unused"]
    return argv


class Replay:
    """The published measurements, one method each. Every method starts from the filled state."""

    def __init__(self, recording: Recording, modulation: str | None = None):
        self.recorded, arrays = recording.scalars, recording.arrays
        self.seed = self.recorded["fill_seed"]
        self.opt = parse_options(TrainOptions, _command_line(recording), PRESETS, METHODS)
        self.model: Pix2PixModel = create_model(dataclasses.replace(self.opt, modulation=modulation)).to(
            recording.device
        )
        self.networks = self.model.networks
        if "eps" in arrays:
            eps = recording.tensor("eps")
            self.model.draw_eps = lambda count: eps
        self.z = recording.tensor("z") if "z" in arrays else None
        self.method = method_with_filled_vgg(SPADEMethod, self.opt, self.model, self.seed)
        self.batch = recording.batch()
        if self.opt.instance:
            self.batch["instances"] = recording.ids("instance")
        self.real = self.batch["image"]

    def _refill(self, training: bool) -> None:
        refill(self.networks, self.seed)
        self.model.train(training)

    def _layout(self):
        return self.model.layout(self.batch)

    def _eps(self):
        return self.model.draw_eps(len(self.real))

    def measure(self) -> Results:
        """Return every quantity of a recording."""
        return {
            **self.construction(),
            **self.evaluation(),
            **self.generator_gradients(),
            **self.discriminator_gradients(),
            **self.iterations(),
            **self.schedule(),
            "advances_per_forward": self.advances_per_forward(),
        }

    def construction(self) -> Results:
        layout = self._layout()
        return {
            "options": {name: self._classic_option(name) for name in self.recorded["options"]},
            "keys": {letter: names_and_shapes(network) for letter, network in self.networks.items()},
            "parameters": {letter: parameter_count(network) for letter, network in self.networks.items()},
            "semantics_sum_per_channel": layout.at(*layout.size).double().sum((0, 2, 3)).tolist(),
        }

    def _classic_option(self, name: str) -> Any:
        """Value of an option under its published name; None, which equals no recorded value, if there is none."""
        if name in NEGATED:
            return not getattr(self.opt, NEGATED[name])
        return SETTLED[name].default if name in SETTLED else getattr(self.opt, RENAMED.get(name, name), None)

    @torch.no_grad()
    def evaluation(self) -> Results:
        """Evaluation mode. With the encoder the image comes from the recorded z, KLD from mu and logvar."""
        self._refill(training=False)
        layout, results, losses = self._layout(), {}, {}
        if self.model.netE is not None:
            mu, logvar = self.model.netE(self.real)
            results |= {"mu": array(mu), "logvar": array(logvar)}
            losses["KLD"] = self.method.lambda_kld * kl_loss(mu, logvar)
        fake = self.model.netG(layout, self.z)
        part = Part(layout, self.real)
        losses |= self.method.image_losses(part, fake)
        losses |= self.method.discriminator_losses_of(part, fake).losses
        fake_features, real_features = self.model.discriminate(layout, fake, self.real)
        for side, features in (("fake", fake_features), ("real", real_features)):
            for scale, outputs in enumerate(features):
                results[f"eval_logits_{side}_{scale}"] = array(outputs[-1])
        # Without feature matching the published discriminator returned its logits alone.
        shown = slice(None) if self.opt.gan_feat_loss else slice(-1, None)
        norms = [[norm(layer) for layer in scale[shown]] for scale in fake_features]
        return results | {"eval_fake": array(fake), "eval_losses": floats(losses), "eval_feature_norms": norms}

    def generator_gradients(self) -> Results:
        self._refill(training=True)
        before = {letter: buffers_of(network) for letter, network in self.networks.items()}
        outcome = self.method.generator_losses(Part(self._layout(), self.real, self._eps()))
        reduce(torch.add, outcome.losses.values()).backward()
        after = {letter: buffers_of(network) for letter, network in self.networks.items()}
        assert outcome.fake is not None, "the generator's outcome has its images"
        return {
            "train_fake": array(outcome.fake),
            "train_g_losses": floats(outcome.losses),
            "train_g_grad_norms": {player: gradient_norms(self.networks[player]) for player in "GE" if player in after},
            "train_buffer_norms": _map_buffers(after, lambda letter, name, buffer: norm(buffer)),
            "train_buffer_changes": _map_buffers(
                after, lambda letter, name, buffer: norm(buffer - before[letter][name])
            ),
        }

    def discriminator_gradients(self) -> Results:
        self._refill(training=True)
        losses = self.method.discriminator_losses(Part(self._layout(), self.real, self._eps())).losses
        reduce(torch.add, losses.values()).backward()
        return {"train_d_losses": floats(losses), "train_d_grad_norms": gradient_norms(self.networks["D"])}

    def iterations(self) -> Results:
        """Full iterations on the same batch, with the trainer that train.py uses."""
        self._refill(training=True)
        trainer = create_trainer(self.opt, self.method)
        start = parameters(self.networks)
        buffers = {letter: buffers_of(network) for letter, network in self.networks.items()}
        steps = []
        for _ in self.recorded["steps"]:
            trainer.step(self.batch)
            now = {letter: buffers_of(network) for letter, network in self.networks.items()}
            steps.append(
                {
                    "losses": floats(trainer.losses),
                    "parameter_changes": parameter_changes(self.networks, start),
                    "buffer_changes": _map_buffers(
                        now, lambda letter, name, buffer: norm(buffer - buffers[letter][name])
                    ),
                }
            )
        return {"steps": steps}

    def schedule(self) -> Results:
        """Learning rates, betas and eps in the optimizers' parameter groups."""
        adam = self.recorded["adam"]
        trainer = create_trainer(self.opt, self.method)
        trainer.niter, trainer.niter_decay = adam["schedule_niter"], adam["schedule_niter_decay"]
        schedule = []
        for entry in self.recorded["schedule"]:
            trainer.set_learning_rate(entry["epoch"])
            rates = {f"lr_{p}": _only(trainer.optimizers[f"optimizer_{p}"].param_groups, "lr") for p in "GD"}
            schedule.append({"epoch": entry["epoch"], **rates})
        groups = [group for optimizer in trainer.optimizers.values() for group in optimizer.param_groups]
        ours = {"betas": list(_only(groups, "betas")), "eps": _only(groups, "eps")}
        return {"schedule": schedule, "adam": adam | ours}

    def advances_per_forward(self) -> dict[str, float]:
        """How often one forward pass of G in training mode advances its state: spectral norm (distance to one power
        iteration computed here) and batch statistics (counted by the layers). Both must be exact."""
        self._refill(training=True)
        netG = self.model.netG
        filled = {name: tensor.clone() for name, tensor in netG.state_dict().items()}
        with torch.no_grad():
            netG(self._layout(), self.z)
        off, counts = 0.0, []
        for name, tensor in netG.state_dict().items():
            if name.endswith("weight_u"):
                off = max(off, float((tensor - _power_iteration(filled, name.removesuffix("_u"))).norm()))
            elif name.endswith("num_batches_tracked"):
                counts.append(int(tensor - filled[name]))
        spectral = 1.0 if off < 1e-3 else float("nan")
        return {"spectral_norm": spectral, "batch_statistics": float(np.mean(counts)) if counts else 1.0}


def _map_buffers(buffers: dict[str, dict[str, Tensor]], function) -> dict[str, dict[str, float]]:
    return {
        letter: {name: function(letter, name, buffer) for name, buffer in named.items()}
        for letter, named in buffers.items()
    }


def _only(groups: list[dict], key: str) -> Any:
    """The common value of all parameter groups; NaN, which equals nothing, if they differ."""
    values = {group[key] for group in groups}
    return values.pop() if len(values) == 1 else float("nan")


def _power_iteration(state: dict[str, Tensor], weight: str) -> Tensor:
    """u after one power iteration from the state's u."""
    matrix, u = state[f"{weight}_orig"], state[f"{weight}_u"]
    is_transposed = len(matrix) != len(u)  # a transposed convolution
    matrix = (matrix.transpose(0, 1) if is_transposed else matrix).flatten(1)  # (C_out, C_in * k * k)
    v = nn.functional.normalize(matrix.T @ u, dim=0)
    return nn.functional.normalize(matrix @ v, dim=0)
