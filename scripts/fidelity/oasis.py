"""Replay a recording of the published OASIS: names, images, logits, losses, gradients, two iterations, the average."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.methods.base import Part
from models.methods.oasis import LabelFacts, OASISMethod, class_weights, labelmix_mask
from models.networks.init import parameter_count
from models.networks.layout import SemanticLayout
from scripts.fidelity.measurements import (
    Networks,
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
from scripts.fidelity.oasis_options import learning_rates, own_options, published_options
from scripts.fidelity.recording import Recording, Results
from trainers import create_trainer

INPUTS = frozenset(
    {"config", "argv", "crop_size", "height", "width", "fill_seed", "labelmix_coins", "local_noise_class"}
)
INPUT_ARRAYS = frozenset({"label", "image", "z"})
TOLERANCES = {
    "class_weights*": (0, 1e-6),
    "eval_fake": (5e-5, 0),
    "local_noise_fake": (5e-5, 0),
    "eval_logits_*": (1e-5, 0),
    "eval_logit_norms": (0, 1e-5),
    "train_fake": (1e-4, 0),
    "eval_labelmix": (0, 2e-5),  # small, and more of it is rounding than of other losses
    "train_d_labelmix": (0, 2e-5),
    "eval_losses": (0, 1e-5),
    "train_[gd]_losses": (0, 1e-5),
    "train_d_grad_norms": (1e-6, 1e-3),
    "labelmix_grad_norms": (5e-7, 5e-4),
    "train_g_grad_norms": (1e-5, 2e-3),
    "train_buffer_norms": (1e-6, 1e-5),
    "train_*buffer_changes": (1e-6, 1e-4),
    "steps.0.labelmix": (0, 5e-4),
    "steps.0.losses": (0, 2e-5),
    "steps.0.parameter_changes": (0, 1e-4),
    "steps.0.buffer_changes": (1e-6, 1e-3),
    "steps.*.labelmix": (0, 1e-2),
    "steps.*.losses": (0, 1e-3),
    "steps.*.parameter_changes": (0, 3e-3),
    "steps.*.buffer_changes": (1e-5, 6e-3),
    "steps_fake": (5e-2, 0),
    "recalibrated": (1e-5, 2e-3),
    "recalibrated_fake": (2e-2, 0),
}
Buffers = Mapping[str, Mapping[str, Tensor]]
"""By the letter in the file name of the network, and by name."""


def recognizes(scalars: dict[str, Any]) -> bool:
    """Return whether the scalars belong to a recording of a training of the published OASIS."""
    return {"argv", "labelmix_coins", "present_classes", "fill_seed"} <= scalars.keys()


def replay(recording: Recording, modulation: str | None = None) -> tuple[Results, Results]:
    """Return the measured and the recorded results in one form."""
    replay = Replay(recording, modulation)
    measured, recorded = replay.measure(), recording.without(INPUTS, INPUT_ARRAYS)
    for name in ("steps_fake", "recalibrated_fake"):
        if name in recorded:  # as the tolerances: the distance, relative to the norm of the array
            distance = np.linalg.norm(measured[name] - recorded[name]) / np.linalg.norm(recorded[name])
            measured[name], recorded[name] = float(distance), 0.0
    return with_labelmix_apart(measured), with_labelmix_apart(recorded)


class Replay:
    """The recorded measurements, one method each. Every one starts from the filled state."""

    def __init__(self, recording: Recording, modulation: str | None = None):
        self.recorded = recording.scalars
        self.seed = self.recorded["fill_seed"]
        self.opt = dataclasses.replace(own_options(self.recorded), modulation=modulation)
        self.model = OASISMethod.create_model(self.opt).to(recording.device)
        self.networks = self.model.networks
        self.method = method_with_filled_vgg(OASISMethod, self.opt, self.model, self.seed)
        self.z = list(recording.tensor("z"))
        self.batch = recording.batch()
        if self.model.unknown_is_last:  # recorded are the labels that the networks see
            self.batch["labels"] = (self.batch["labels"] - 1) % self.opt.num_labels

    def _refill(self, training: bool) -> None:
        refill(self.networks, self.seed)
        self.model.train(training)

    def _coins(self, number: int) -> Tensor:
        """The recorded coins of mask `number`, for every label."""
        coins = torch.zeros(self.opt.num_labels, dtype=torch.long)
        coins[self.recorded["present_classes"]] = torch.tensor(self.recorded["labelmix_coins"][number])
        return coins.to(self.model.device)

    def _part(self, z: int, mask: int) -> Part:
        """The batch with recorded noise and coins."""
        self.method.draw_coins = lambda count: self._coins(mask)
        layout = self.model.label_layout(self.batch)
        noise = self.z[z] if self.opt.noise_3d else None
        return Part(layout, self.batch["image"], noise, batch=self.method.describe_batch(layout))

    def measure(self) -> Results:
        """Return every quantity of a recording."""
        return {
            **self.construction(),
            **self.labels(),
            **self.evaluation(),
            **self.generator_gradients(),
            **self.discriminator_gradients(),
            **self.iterations(),
        }

    def construction(self) -> Results:
        players = create_trainer(self.opt, self.method).players
        (betas,) = {player.settings["betas"] for player in players}
        (eps,) = {player.optimizer.defaults["eps"] for player in players}
        return {
            "options": published_options(self.recorded["options"], self.opt, self.method),
            "keys": {letter: names_and_shapes(network) for letter, network in self.networks.items()},
            "parameters": {letter: parameter_count(network) for letter, network in self.networks.items()},
            "adam": {"betas": list(betas), "eps": eps} | learning_rates(self.opt, self.method),
        }

    def labels(self) -> Results:
        """Pixels of the classes, their weights, and what the coins make of them."""
        part = self._part(0, 0)
        labels, pixels = part.label_layout.labels, part.batch.pixels
        masks = [labelmix_mask(labels, LabelFacts(pixels, self._coins(number))) for number in range(3)]
        return {
            "semantics_sum_per_channel": part.layout.at(*part.layout.size).double().sum((0, 2, 3)).tolist(),
            "present_classes": pixels.nonzero().flatten().tolist(),
            "class_weights": self._weights(labels),
            "class_weights_per_sample": [self._weights(sample) for sample in labels],
            "labelmix_mask": torch.stack(masks).byte().cpu().numpy(),
        }

    def _weights(self, labels: Tensor) -> dict[str, float]:
        """Weight in the losses of each label that occurs."""
        pixels = torch.bincount(labels.flatten(), minlength=self.opt.num_labels)
        weights = class_weights(pixels, self.method.unknown) if self.opt.class_balance else torch.ones(len(pixels))
        return {str(label): float(weights[label]) for label in pixels.nonzero().flatten().tolist()}

    @torch.no_grad()
    def evaluation(self) -> Results:
        """Images, losses and logits in evaluation mode."""
        self._refill(training=False)
        part, results, norms = self._part(0, 0), {}, {}
        fake = self.model.generate(part.layout, part.noise)
        losses = self.method.generator_losses_of(fake, part) | self.method.discriminator_losses_of(fake, part)
        mixed = torch.where(labelmix_mask(part.label_layout.labels, part.batch), part.real, fake)
        for name, images in (("fake", fake), ("real", part.real), ("mixed", mixed)):
            logits = self.method.classify(images)
            norms[name] = [norm(channel) for channel in logits.unbind(1)]
            results[f"eval_logits_{name}"] = array(logits[:, :, 3::8, 5::8])
        if "local_noise_class" in self.recorded:
            is_class = part.label_layout.labels[:, None] == self.recorded["local_noise_class"]
            z = torch.where(is_class, *(self.z[number][:, :, None, None] for number in (1, 0)))
            results["local_noise_fake"] = array(self.model.generate(part.layout, z))
        return results | {"eval_fake": array(fake), "eval_losses": floats(losses), "eval_logit_norms": norms}

    def generator_gradients(self) -> Results:
        self._refill(training=True)
        before = _buffers(self.networks)
        outcome = self.method.generator_losses(self._part(1, 0))
        reduce(torch.add, outcome.losses.values()).backward()
        assert outcome.fake is not None, "the generator's outcome has its images"
        return {
            "train_fake": array(outcome.fake),
            "train_g_losses": floats(outcome.losses),
            "train_g_grad_norms": {"G": gradient_norms(self.networks["G"])},
            "train_buffer_norms": _norms(_buffers(self.networks)),
            "train_buffer_changes": _changes(_buffers(self.networks), before),
        }

    def discriminator_gradients(self) -> Results:
        """Of all losses, and of LabelMix alone, which is too small to be seen in the former."""
        results: Results = {}
        self._refill(training=True)
        before = _buffers(self.networks)
        losses = self.method.discriminator_losses(self._part(2, 1)).losses
        if "LabelMix" in losses:
            losses["LabelMix"].backward(retain_graph=True)
            results["labelmix_grad_norms"] = gradient_norms(self.networks["D"])
            self.networks["D"].zero_grad(set_to_none=True)
        reduce(torch.add, losses.values()).backward()
        return results | {
            "train_d_losses": floats(losses),
            "train_d_grad_norms": gradient_norms(self.networks["D"]),
            "train_d_buffer_changes": _changes(_buffers(self.networks), before),
        }

    def iterations(self) -> Results:
        """Full iterations on the same batch, with the trainer that train.py uses, and the published average."""
        self._refill(training=True)
        trainer = create_trainer(dataclasses.replace(self.opt, ema=None), self.method)
        decay = self.recorded["options"]["EMA_decay"]
        average = None if self.recorded["options"]["no_EMA"] else _PublishedAverage(self.model.netG, decay)
        networks = self.networks | ({} if average is None else {"EMA": average.network})
        start, buffers, steps = parameters(networks), _buffers(networks), []
        z = iter(self.z[1:])
        self.method.draw_noise = lambda count: next(z) if self.opt.noise_3d else None
        for number in range(len(self.recorded["steps"])):
            self.method.draw_coins = lambda count, number=number: self._coins(number + 1)
            trainer.step(self.batch)
            if average is not None:
                average.update(self.model.netG)
            step: Results = {"losses": floats(trainer.losses), "parameter_changes": parameter_changes(networks, start)}
            steps.append(step | {"buffer_changes": _changes(_buffers(networks), buffers)})
        layout, noise = self.model.label_layout(self.batch), [z if self.opt.noise_3d else None for z in self.z]
        results: Results = {"steps": steps, "steps_fake": _evaluated(self.model.netG, layout, noise[0])}
        if average is None:
            return results
        average.update(self.model.netG)
        with torch.no_grad():
            for one in noise[5:]:
                average.network(layout, one)
        only, before = {"EMA": average.network}, {"EMA": buffers["EMA"]}
        results["recalibrated"] = {
            "parameter_changes": parameter_changes(only, {"EMA": start["EMA"]}),
            "buffer_changes": _changes(_buffers(only), before),
            "buffer_norms": _norms(_buffers(only)),
        }
        return results | {"recalibrated_fake": _evaluated(average.network, layout, noise[0])}


class _PublishedAverage:
    """The published moving average: of every entry of the state dict, singular vectors and statistics included."""

    def __init__(self, netG: nn.Module, decay: float):
        self.network, self.decay = copy.deepcopy(netG), decay

    @torch.no_grad()
    def update(self, netG: nn.Module) -> None:
        now = netG.state_dict()
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(self.decay * tensor + (1 - self.decay) * now[name])


@torch.no_grad()
def _evaluated(netG: nn.Module, layout: SemanticLayout, z: Tensor | None) -> np.ndarray:
    return array(netG.eval()(layout, z))


def _buffers(networks: Networks) -> Buffers:
    return {letter: buffers_of(network) for letter, network in networks.items()}


def _norms(buffers: Buffers) -> dict[str, dict[str, float]]:
    return {letter: {name: norm(buffer) for name, buffer in named.items()} for letter, named in buffers.items()}


def _changes(now: Buffers, before: Buffers) -> dict[str, dict[str, float]]:
    return _norms(
        {letter: {name: now[letter][name] - named[name] for name in named} for letter, named in before.items()}
    )


def with_labelmix_apart(results: Results) -> Results:
    """The LabelMix losses as quantities of their own: they have other tolerances."""
    apart = dict(results)
    for name in ("eval", "train_d"):
        losses = dict(apart[f"{name}_losses"])
        apart |= {f"{name}_labelmix": losses.pop("LabelMix", None), f"{name}_losses": losses}
    if "steps" in results:
        apart["steps"] = [_step_with_labelmix_apart(step) for step in results["steps"]]
    return apart


def _step_with_labelmix_apart(step: Results) -> Results:
    losses = dict(step["losses"])
    return step | {"labelmix": losses.pop("LabelMix", None), "losses": losses}
