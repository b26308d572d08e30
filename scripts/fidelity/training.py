"""Measure on our networks what a recording of the published system holds; see `scripts.fidelity`.

A recording is NAME.json with what was built and the scalars, and NAME.npz beside it with inputs and arrays. Nothing
of the networks is stored: both sides fill theirs by `util.fill`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data import PRESETS
from models import Pix2PixModel, create_method, create_model
from models.losses import kl_loss
from models.methods.base import Part
from models.methods.spade import SPADEMethod
from models.networks.init import parameter_count
from models.vgg import VGGLoss
from options import TrainOptions, parse_options
from options.classic import SETTLED
from trainers import create_trainer
from util.errors import InputError
from util.fill import fill

# Entries that say what to build and feed; everything else in a recording is compared.
INPUTS = frozenset({"config", "argv", "crop_size", "height", "width", "fill_seed"})
# Published names of options whose fields are called otherwise here.
NEGATED = {"no_instance": "instance", "no_ganFeat_loss": "gan_feat_loss", "no_vgg_loss": "vgg_loss", "no_TTUR": "TTUR"}
RENAMED = {"init_variance": "init_gain", "batchSize": "batch_size", "nThreads": "num_workers"}
INPUT_ARRAYS = frozenset({"label", "instance", "image", "z", "eps"})


@dataclass(frozen=True)
class Recording:
    """One recording: scalars of the JSON file and arrays of the NPZ file, separated into inputs and results."""

    inputs: dict[str, Any]
    results: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Recording:
        try:
            scalars = json.loads(path.read_text(encoding="utf-8"))
            with np.load(path.with_suffix(".npz")) as file:
                arrays = dict(file)
            inputs = {name: scalars[name] for name in ("argv", "crop_size", "fill_seed")}
            inputs |= {name: arrays[name] for name in INPUT_ARRAYS & set(arrays)}
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: not a recording (NAME.json with NAME.npz beside it): {error!r}") from None
        results = {name: value for name, value in scalars.items() if name not in INPUTS}
        results |= {name: value for name, value in arrays.items() if name not in INPUT_ARRAYS}
        return cls(inputs, results)


def measure(recording: Recording, modulation: str | None = None) -> dict[str, Any]:
    """Every result of the recording, measured on our networks, in the recording's own form.

    Args:
        modulation: how SPADE makes gamma and beta, "dense" or "table".
    """
    return Replay(recording, modulation).measure()


def _command_line(inputs: dict[str, Any]) -> list[str]:
    argv = [*inputs["argv"], "--crop_size", str(inputs["crop_size"]), "--gpu_ids", "-1"]
    argv += ["--batch_size", str(len(inputs["label"]))]
    if "custom" in argv:  # wants folders, of which nothing is read here
        for flag in ("--label_dir", "--image_dir", "--instance_dir"):
            argv += [] if flag in argv else [flag, "unused"]
    return argv


def _norm(tensor: Tensor) -> float:
    return float(tensor.double().norm())


def _floats(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(loss.detach()) for name, loss in losses.items()}


def _gradient_norms(network: nn.Module) -> dict[str, float]:
    return {name: _norm(parameter.grad) for name, parameter in network.named_parameters()}


def _buffers(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the buffers, without `num_batches_tracked`, which the published sync batch norm never advanced."""
    named = network.named_buffers()
    return {name: buffer.clone() for name, buffer in named if not name.endswith("num_batches_tracked")}


class Replay:
    """The published measurements, one method each. Every method starts from the filled state."""

    def __init__(self, recording: Recording, modulation: str | None = None):
        self.recorded = recording.results
        inputs = recording.inputs
        self.seed = inputs["fill_seed"]
        self.opt = parse_options(TrainOptions, _command_line(inputs), PRESETS)
        self.model: Pix2PixModel = create_model(dataclasses.replace(self.opt, modulation=modulation))
        self.networks = self.model.networks
        if "eps" in inputs:
            eps = torch.from_numpy(inputs["eps"])
            self.model.draw_eps = lambda count: eps
        self.z = torch.from_numpy(inputs["z"]) if "z" in inputs else None
        self.method = self._method()
        self.batch = {
            "labels": torch.from_numpy(inputs["label"][:, 0].astype(np.int64)),
            "image": torch.from_numpy(inputs["image"]).float() / 127.5 - 1,
        }
        if self.opt.instance:
            self.batch["instances"] = torch.from_numpy(inputs["instance"][:, 0].astype(np.int64))
        self.real = self.batch["image"]

    def _method(self) -> SPADEMethod:
        method = create_method(dataclasses.replace(self.opt, vgg_loss=False), self.model)
        if self.opt.vgg_loss:
            method.vgg = VGGLoss()
            fill(method.vgg.features, self.seed)
        return method

    def _refill(self, training: bool) -> None:
        for network in self.networks.values():
            fill(network, self.seed)
            network.zero_grad(set_to_none=True)
        self.model.train(training)

    def _layout(self):
        return self.model.layout(self.batch)

    def _eps(self):
        return self.model.draw_eps(len(self.real))

    def measure(self) -> dict[str, Any]:
        return {
            **self.construction(),
            **self.evaluation(),
            **self.generator_gradients(),
            **self.discriminator_gradients(),
            **self.iterations(),
            **self.schedule(),
            "advances_per_forward": self.advances_per_forward(),
        }

    def construction(self) -> dict[str, Any]:
        layout = self._layout()
        return {
            "options": {name: self._classic_option(name) for name in self.recorded["options"]},
            "keys": {
                letter: {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
                for letter, network in self.networks.items()
            },
            "parameters": {letter: parameter_count(network) for letter, network in self.networks.items()},
            "semantics_sum_per_channel": layout.at(*layout.size).double().sum((0, 2, 3)).tolist(),
        }

    def _classic_option(self, name: str) -> Any:
        """Value of an option under its published name; None, which equals nothing recorded, if there is none."""
        if name in NEGATED:
            return not getattr(self.opt, NEGATED[name])
        return SETTLED[name].default if name in SETTLED else getattr(self.opt, RENAMED.get(name, name), None)

    @torch.no_grad()
    def evaluation(self) -> dict[str, Any]:
        """Evaluation mode. With the encoder the image comes from the recorded z, KLD from mu and logvar."""
        self._refill(training=False)
        layout, results, losses = self._layout(), {}, {}
        if self.model.netE is not None:
            mu, logvar = self.model.netE(self.real)
            results |= {"mu": mu.numpy(), "logvar": logvar.numpy()}
            losses["KLD"] = self.method.lambda_kld * kl_loss(mu, logvar)
        fake = self.model.netG(layout, self.z)
        losses |= self.method.image_losses(layout, fake, self.real)
        losses |= self.method.discriminator_losses_of(layout, fake, self.real).losses
        fake_features, real_features = self.model.discriminate(layout, fake, self.real)
        for side, features in (("fake", fake_features), ("real", real_features)):
            for scale, outputs in enumerate(features):
                results[f"eval_logits_{side}_{scale}"] = outputs[-1].numpy()
        # Without feature matching the published discriminator returned its logits alone.
        shown = slice(None) if self.opt.gan_feat_loss else slice(-1, None)
        norms = [[_norm(layer) for layer in scale[shown]] for scale in fake_features]
        return results | {"eval_fake": fake.numpy(), "eval_losses": _floats(losses), "eval_feature_norms": norms}

    def generator_gradients(self) -> dict[str, Any]:
        self._refill(training=True)
        before = {letter: _buffers(network) for letter, network in self.networks.items()}
        outcome = self.method.generator_losses(Part(self._layout(), self.real, self._eps()))
        sum(outcome.losses.values()).backward()
        after = {letter: _buffers(network) for letter, network in self.networks.items()}
        return {
            "train_fake": outcome.fake.numpy(),
            "train_g_losses": _floats(outcome.losses),
            "train_g_grad_norms": {
                player: _gradient_norms(self.networks[player]) for player in "GE" if player in after
            },
            "train_buffer_norms": _map_buffers(after, lambda letter, name, buffer: _norm(buffer)),
            "train_buffer_changes": _map_buffers(
                after, lambda letter, name, buffer: _norm(buffer - before[letter][name])
            ),
        }

    def discriminator_gradients(self) -> dict[str, Any]:
        self._refill(training=True)
        losses = self.method.discriminator_losses(Part(self._layout(), self.real, self._eps())).losses
        sum(losses.values()).backward()
        return {"train_d_losses": _floats(losses), "train_d_grad_norms": _gradient_norms(self.model.netD)}

    def iterations(self) -> dict[str, Any]:
        """Full iterations on the same batch, with the trainer that train.py uses."""
        self._refill(training=True)
        trainer = create_trainer(self.opt, self.method)
        start = {
            letter: {name: p.detach().clone() for name, p in network.named_parameters()}
            for letter, network in self.networks.items()
        }
        buffers = {letter: _buffers(network) for letter, network in self.networks.items()}
        steps = []
        for _ in self.recorded["steps"]:
            trainer.step(self.batch)
            changes = {
                letter: sum(_norm(p.detach() - start[letter][name]) ** 2 for name, p in network.named_parameters())
                for letter, network in self.networks.items()
            }
            now = {letter: _buffers(network) for letter, network in self.networks.items()}
            steps.append(
                {
                    "losses": _floats(trainer.losses),
                    "parameter_changes": {letter: change**0.5 for letter, change in changes.items()},
                    "buffer_changes": _map_buffers(
                        now, lambda letter, name, buffer: _norm(buffer - buffers[letter][name])
                    ),
                }
            )
        return {"steps": steps}

    def schedule(self) -> dict[str, Any]:
        """Rates, betas and eps as they stand in the optimisers' parameter groups."""
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
        """How often one training-mode forward of G advances its state: spectral norm (distance to one power
        iteration worked out here) and batch statistics (counted by the layers). Both must be exact."""
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
    """The value that all parameter groups share; NaN, which equals nothing, when they do not."""
    values = {group[key] for group in groups}
    return values.pop() if len(values) == 1 else float("nan")


def _power_iteration(state: dict[str, Tensor], weight: str) -> Tensor:
    """u after one power iteration from the state's u."""
    matrix, u = state[f"{weight}_orig"], state[f"{weight}_u"]
    if len(matrix) != len(u):  # transposed convolution
        matrix = matrix.transpose(0, 1)
    matrix = matrix.flatten(1)
    v = nn.functional.normalize(matrix.T @ u, dim=0)
    return nn.functional.normalize(matrix @ v, dim=0)
