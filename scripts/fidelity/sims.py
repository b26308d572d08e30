"""Replay a recording of SIMS: its synthesis network, loss and training, or its two networks about segments."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from models.crn_loss import PLAIN_WEIGHTS, CRNLoss, TermWeights
from models.methods.base import Part
from models.methods.sims import MAP_NAMES, SIMSMethod, alignment_loss
from models.networks.init import parameter_count
from models.networks.layout import SemanticLayout
from models.networks.sims import (
    OrderingNetwork,
    SIMSGenerator,
    TransformationNetwork,
    Widths,
    affine_sample,
)
from models.pix2pix_model import Pix2PixModel
from models.tensorflow_weights import from_tensorflow
from models.vgg import AveragePoolVGG
from scripts.fidelity.measurements import STEP_TOLERANCES, array, gradient_norms, parameter_changes, parameters
from scripts.fidelity.recording import Recording, Results
from trainers import Pix2PixTrainer
from util.fill import fill

# Entries that define networks and inputs; everything else in a recording is compared.
INPUTS = frozenset({"config", "height", "width", "fill_seed", "widths", "theta", "classes_of_segments"})
INPUT_ARRAYS = frozenset({"label", "label_true", "image", "canvas", "segments", "order_input"})
LEARNING_RATE = 1e-4
TOLERANCES = {
    "eval_fake": (5e-3, 0),  # in 0..255, not clamped
    "eval_layout": (3e-5, 0),
    "transform_parameters": (3e-5, 0),
    "sampled": (3e-5, 0),
    "order_logits": (3e-5, 0),
    "loss": (1e-5, 2e-5),
    "semantic_loss": (1e-5, 2e-5),
    "loss_at_identity": (1e-5, 2e-5),
    "layer_losses": (1e-5, 2e-5),
    "grad_norms": (1e-4, 5e-3),
    **STEP_TOLERANCES,
}


def recognizes(scalars: dict[str, Any]) -> bool:
    """Return whether the scalars belong to a recording of SIMS."""
    return {"semantic_loss", "layer_losses"} <= scalars.keys() or "transform_parameters" in scalars


def replay(recording: Recording, modulation: str | None = None) -> tuple[Results, Results]:
    """Return the measured and the recorded results in one form. `modulation` is ignored."""
    measure = segment_networks if "transform_parameters" in recording.scalars else synthesis
    return measure(recording), recording.without(INPUTS, INPUT_ARRAYS)


def synthesis(recording: Recording) -> Results:
    """The synthesis network: image, loss, gradients, and iterations of the method by the trainer of train.py."""
    scalars, seed = recording.scalars, recording.scalars["fill_seed"]
    num_labels = scalars["keys"][f"g_semantic_{scalars['height']}_conv100.weight"][0]
    netG = SIMSGenerator(num_labels, scalars["height"], 0, _widths(scalars))
    model = Pix2PixModel(netG, None, None, num_labels, map_names=MAP_NAMES).to(recording.device)
    vgg = AveragePoolVGG(caffe=True)
    fill(vgg.features, seed)
    method = SIMSMethod(model, CRNLoss(vgg, TermWeights(PLAIN_WEIGHTS)).to(recording.device))
    batch = {
        "labels": recording.ids("label_true"),
        "changed_labels": recording.ids("label"),
        "canvas": _pixels(recording, "canvas") / 255,
        "image": _pixels(recording, "image") / 127.5 - 1,
    }
    fill(netG, seed)
    image, logits = netG.heads(model.label_layout(batch))
    losses = method.generator_losses(Part(model.label_layout(batch), batch["image"])).losses
    loss = reduce(torch.add, losses.values())
    loss.backward()
    return _construction(scalars, netG) | {
        "parameters": parameter_count(netG),
        "eval_fake": (array(image) + 1) / 2 * 255,
        "eval_layout": array(logits)[..., ::4, ::4],
        "layer_losses": method.image_loss.terms(image.detach(), batch["image"]).tolist(),
        "semantic_loss": float(losses["Layout"].detach()) / method.lambda_layout,
        "loss": float(loss.detach()),
        "grad_norms": gradient_norms(netG),
        "steps": _iterations(method, batch, seed, len(scalars["steps"])),
    }


def _iterations(method: SIMSMethod, batch: dict[str, Tensor], seed: int, count: int) -> list[Results]:
    fill(method.model.netG, seed)
    trainer = Pix2PixTrainer(method, lr=LEARNING_RATE)
    start, steps = parameters(method.model.networks), []
    for _ in range(count):
        trainer.step(batch)
        change = parameter_changes(method.model.networks, start)["G"]
        steps.append({"loss": sum(trainer.read_losses().values()), "parameter_change": change})
    return steps


def segment_networks(recording: Recording) -> Results:
    """The transformation network with its sampler and loss, and the ordering network."""
    scalars, seed = recording.scalars, recording.scalars["fill_seed"]
    num_labels = scalars["keys"]["g_selection_classify.weight"][0]
    netA = TransformationNetwork(num_labels, _widths(scalars)).to(recording.device)
    netO = OrderingNetwork(num_labels, _widths(scalars)).eval().to(recording.device)
    labels, segments = recording.ids("label"), _pixels(recording, "segments") / 255
    masks = torch.stack([labels[0] == c for c in scalars["classes_of_segments"]])  # (K, H, W)
    semantics = SemanticLayout(labels, None, num_labels).at(*labels.shape[-2:]).expand(len(segments), -1, -1, -1)
    inputs = segments, masks[:, None].float(), semantics
    with torch.no_grad():
        aligned = affine_sample(segments, netA(*inputs))  # by the identity, which a new network returns
        at_identity = alignment_loss(aligned[None], masks[None], _pixels(recording, "image") / 127.5 - 1)
        fill(netA, seed)
        fill(netO, seed)
        pairs, layouts = recording.tensor("order_input").split(3, dim=1)
        return _construction(scalars, netA, netO) | {
            "transform_parameters": netA(*inputs).tolist(),
            "sampled": array(affine_sample(segments, torch.tensor(scalars["theta"], device=recording.device))),
            "loss_at_identity": float(at_identity),
            "order_logits": netO(pairs, layouts).tolist(),
        }


def _construction(scalars: dict[str, Any], *networks: nn.Module) -> Results:
    """Names and shapes, and the recorded TensorFlow variable that each entry is loaded from."""
    entries = {name: tensor for network in networks for name, tensor in network.state_dict().items()}
    names = scalars["tf_names"]
    numbered = {names[name]: torch.full([1] * tensor.dim(), i) for i, (name, tensor) in enumerate(entries.items())}
    loaded = {name: list(numbered)[int(tensor.flatten()[0])] for name, tensor in from_tensorflow(numbered).items()}
    return {"keys": {name: list(tensor.shape) for name, tensor in entries.items()}, "tf_names": loaded}


def _widths(scalars: dict[str, Any]) -> Widths:
    return Widths(**{f"w{published}": width for published, width in scalars["widths"].items()})


def _pixels(recording: Recording, name: str) -> Tensor:
    return recording.tensor(name).float()  # (N, 3, H, W) in 0..255
