"""Replay a recording of a published segmentation network: names, shapes, statistics of layers, logits, classes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.networks.init import parameter_count
from models.segmenters import SEGMENTERS, Segmenter
from models.segmenters.base import resize_scores, size_of
from models.segmenters.deeplabv2 import CocoSegmenter
from models.segmenters.drn import STRIDE, CityscapesSegmenter, bilinear_kernel
from models.segmenters.upernet import Ade20kSegmenter
from scripts.fidelity.recording import Recording, Results
from util.fill import fill
from util.segmentation_scores import ConfusionMatrix

# Each is a few times the difference between single and double precision: logits of the filled DeepLab reach 2,400,
# those of the others 20.
TOLERANCES = {
    "[ab]_logits*": (1e-2, 1e-5),
    "[ab]_seg_logits": (1e-4, 1e-5),
    "[ab]_log_softmax*": (2e-4, 1e-5),
    "one_logits*": (1e-4, 1e-5),
    "*softmax*": (1e-5, 0),
    "stages": (1e-3, 1e-5),
    "input_stats": (1e-6, 1e-6),
    "evaluate_returned": (1e-12, 0),
}
# Buffers of the published synchronized batch norm that evaluation does not use.
TRAINING_BUFFERS = ("_tmp_running_mean", "_tmp_running_var", "_running_iter")
# Suffixes of arrays that are inputs and not compared.
INPUTS = ("image", "label", "labels", "predictions", "pixels")


class SegmenterRecording(Recording):
    """A recording with photos (NAME_image) and the outputs of a network for them."""

    def image(self, name: str) -> Tensor:
        """(1, 3, H, W) float32 in 0 .. 255."""
        return torch.from_numpy(self.arrays[name]).permute(2, 0, 1)[None].float()

    def images(self) -> dict[str, Tensor]:
        """{sample: image} of the samples in the arrays."""
        names = [name.removesuffix("_image") for name in self.arrays if name.endswith("_image")]
        return {name: self.image(f"{name}_image") for name in names}

    def stages(self, sample: str) -> dict[str, dict]:
        """{sub-module: statistics of its output}."""
        facts = self.scalars["samples"][sample]
        return facts.get("stages") or facts["stages_scale_1"]

    def results(self) -> Results:
        """The recorded results that are compared."""
        keys, counts = self.scalars["state_dict_keys"], self.scalars["parameters"]
        if isinstance(keys, list):
            keys, counts = {"network": keys}, {"network": counts}
        arrays = {name: value for name, value in self.arrays.items() if name.rpartition("_")[2] not in INPUTS}
        if "image" in self.arrays:
            five = self.scalars["samples"]["five"]
            arrays |= {name: five[name] for name in ("input_shapes", "input_stats", "evaluate_returned")}
        return arrays | {
            "keys": {
                part: {name: shape for name, shape in entries if not name.endswith(TRAINING_BUFFERS)}
                for part, entries in keys.items()
            },
            "parameters": counts,
            "batch_norm_eps": self.scalars["batch_norm_eps"],
            "stages": {sample: self.stages(sample) for sample in self.images()},
        }


def recognizes(scalars: dict[str, Any]) -> bool:
    """Return whether the scalars belong to a recording of a segmentation network of this project."""
    return scalars.get("network") in REPLAYS


def replay(recording: Recording, modulation: str | None = None) -> tuple[Results, Results]:
    """Return the measured and the recorded results in one form. `modulation` is ignored."""
    recording = SegmenterRecording(recording.scalars, recording.arrays)
    mode, _ = REPLAYS[recording.scalars["network"]]
    return measure(filled(mode, recording.scalars["seed"]), recording), recording.results()


@torch.inference_mode()
def measure(segmenter: Segmenter, recording: SegmenterRecording) -> Results:
    """Every result of the recording, measured on `segmenter`."""
    _, function = REPLAYS[recording.scalars["network"]]
    measured = construction(segmenter) | function(segmenter, recording)
    if "image" in recording.arrays and isinstance(segmenter, Ade20kSegmenter):
        measured |= five_scales(segmenter, recording)
    return as_recorded(measured, recording.results())


def filled(mode: str, seed: int, **settings) -> Segmenter:
    """Build a segmenter with each sub-network filled, except DRN's fixed kernel."""
    with torch.device("meta"):  # initialization takes seconds and would be overwritten
        segmenter = SEGMENTERS[mode](**settings)
    segmenter.to_empty(device="cpu")
    for part in segmenter.files:
        fill(getattr(segmenter, part), seed)
    if isinstance(segmenter, CityscapesSegmenter):
        with torch.no_grad():
            segmenter.network.up.weight.copy_(bilinear_kernel(STRIDE))
    return segmenter


def construction(segmenter: Segmenter) -> Results:
    """Names, shapes and numbers of parameters of each sub-network."""
    parts = {part: getattr(segmenter, part) for part in segmenter.files}
    (eps,) = {module.eps for module in segmenter.modules() if isinstance(module, nn.BatchNorm2d)}
    return {
        "keys": {
            part: {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
            for part, network in parts.items()
        },
        "parameters": {part: parameter_count(network) for part, network in parts.items()},
        "batch_norm_eps": eps,
    }


def replay_coco(segmenter: CocoSegmenter, recording: SegmenterRecording) -> Results:
    """Scale 1 alone, all scales, and their form in PyTorch before 1.6."""
    network, measured, stages = segmenter.network, {}, {}
    for sample, pixels in recording.images().items():
        x = segmenter.preprocess(pixels)
        with statistics(network.base, recording.stages(sample)) as stages[sample]:
            measured[f"{sample}_logits_scale1"] = network.base(x)[0].numpy()
        measured |= {f"{sample}_input": x[0].numpy(), f"{sample}_logits": network(x)[0].numpy()}
        network.recompute_scale_factor = True
        measured[f"{sample}_logits_legacy"] = network(x)[0].numpy()
        network.recompute_scale_factor = False
        scores = segmenter.score_pixels(pixels, size_of(pixels))
        measured[f"{sample}_argmax"] = classes(scores, recording.arrays[f"{sample}_argmax"], "[ab]_logits*")
    return measured | {"stages": stages}


def replay_cityscapes(segmenter: CityscapesSegmenter, recording: SegmenterRecording) -> Results:
    """The image as it is; the published code does the other resolutions outside of the network."""
    segmenter.resolution = "512"
    network, measured, stages = segmenter.network, {"up_kernel": bilinear_kernel(STRIDE).numpy()}, {}
    for sample, pixels in recording.images().items():
        x = segmenter.preprocess(pixels)
        with statistics(network, recording.stages(sample)) as stages[sample], outputs(network.seg) as logits:
            scores = network(x)
        measured |= {f"{sample}_input": x[0].numpy(), f"{sample}_seg_logits": logits[0][0].numpy()}
        measured[f"{sample}_log_softmax"] = scores[0].numpy()
        measured[f"{sample}_argmax"] = classes(scores, recording.arrays[f"{sample}_argmax"], "[ab]_log_softmax*")
    return measured | {"stages": stages}


def replay_ade20k(segmenter: Ade20kSegmenter, recording: SegmenterRecording) -> Results:
    """One small scale, and both preprocessings."""
    measured, stages = {}, {}
    for sample, pixels in recording.images().items():
        (scale,) = segmenter.scales = tuple(recording.scalars["samples"][sample]["imgSizes"])
        with statistics(segmenter, recording.stages(sample)) as stages[sample], outputs(segmenter.decoder) as logits:
            scores = segmenter.score_pixels(pixels, size_of(pixels))
        measured |= {f"{sample}_logits": logits[0][0].numpy(), f"{sample}_softmax": scores[0].numpy()}
        measured[f"{sample}_argmax"] = classes(scores, recording.arrays[f"{sample}_argmax"], "*softmax*")
        for preprocessing, suffix in (("bgr", "_2019_02"), ("rgb", "")):
            segmenter.preprocessing = preprocessing
            measured[f"{sample}_input{suffix}"] = segmenter.preprocess(pixels, scale)[0].numpy()
    return measured | {"stages": stages}


def five_scales(segmenter: Ade20kSegmenter, recording: SegmenterRecording) -> Results:
    """Measure at the published scales; takes most of a minute on a CPU."""
    segmenter.scales = tuple(recording.scalars["samples"]["five"]["imgSizes"])
    pixels, label = recording.image("image"), torch.from_numpy(recording.arrays["label"])[None]
    size = size_of(label)
    with outputs(segmenter.decoder) as logits:
        scores = segmenter.score_pixels(pixels, size)
    argmax = classes(scores, recording.arrays["argmax"], "*softmax*")
    inputs = {scale: segmenter.preprocess(pixels, scale) for scale in segmenter.scales}
    rows, columns = recording.arrays["pixels"].T
    matrix = ConfusionMatrix(segmenter.num_classes)
    matrix.add(predictions=torch.from_numpy(argmax)[None], truth=segmenter.ground_truth(label))
    intersection, union = matrix.overlap()
    per_scale = [resize_scores(one, size).softmax(1)[0, :, rows, columns].T.numpy() for one in logits]
    return {
        "argmax": argmax,
        "mean_softmax": scores[0].numpy(),
        "mean_softmax_at_pixels": scores[0, :, rows, columns].T.numpy(),
        "softmax_at_pixels_per_scale": np.stack(per_scale),
        "input_300": inputs[300][0, :, ::4, ::4].numpy(),
        "input_600": inputs[600][0, :, ::8, ::8].numpy(),
        "input_shapes": [list(x.shape) for x in inputs.values()],
        "input_stats": [summary(x) for x in inputs.values()],
        "intersection": intersection,
        "union": union,
        "evaluate_returned": {
            "accuracy": matrix.pixel_accuracy(),
            "pixels": int(matrix.counts[:-1].sum()),
            "intersection_sum": int(intersection.sum()),
            "union_sum": int(union.sum()),
            "mean_iou_of_this_image": matrix.mean_iou("all"),
        },
    }


# Network in the recording -> data set that it segments, measurement.
REPLAYS = {
    "DeepLabV2-ResNet101 in MSC": ("coco", replay_coco),
    "DRNSeg with DRN-D-105": ("cityscapes", replay_cityscapes),
    "ResNet101 (deep stem) encoder + UPerNet decoder": ("ade20k", replay_ade20k),
}


def as_recorded(measured: Results, recorded: Results) -> Results:
    """The part of `measured` that is recorded; NAME_every_4th is every fourth row and column of NAME."""
    chosen = {name: value for name, value in measured.items() if name in recorded}
    for name in recorded.keys() - chosen.keys():
        match = re.fullmatch(r"(.+)_every_(\d+)(nd|rd|th)", name)
        if match and match[1] in measured:
            step = int(match[2])
            chosen[name] = measured[match[1]][..., ::step, ::step]
    return chosen


def classes(scores: Tensor, recorded: np.ndarray, quantity: str) -> np.ndarray:
    """The best class (H, W) of scores (1, C, H, W); the recorded class where two scores are equal up to rounding."""
    best, second = scores[0].topk(2, dim=0).values
    decided = (best - second > 2 * TOLERANCES[quantity][0]).numpy()
    return np.where(decided, scores[0].argmax(dim=0).numpy(), recorded)


def summary(x: Tensor) -> dict[str, Any]:
    """Shape and statistics, summed in double precision."""
    values = x.double()
    facts = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
    return {"shape": list(x.shape)} | {name: float(value) for name, value in facts.items()}


@contextlib.contextmanager
def statistics(network: nn.Module, names: Iterable[str]) -> Iterator[dict[str, dict]]:
    """Yield a dict that gets the `summary` of each named sub-module's output when the network runs."""
    found: dict[str, dict] = {}

    def noting(name: str) -> Callable[[nn.Module, tuple, Tensor], None]:
        return lambda module, inputs, output: found.update({name: summary(output)})

    handles = [network.get_submodule(name).register_forward_hook(noting(name)) for name in names]
    yield found
    for handle in handles:
        handle.remove()


@contextlib.contextmanager
def outputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that gets the outputs of `module`, in order."""
    found: list[Tensor] = []

    def note(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        found.append(output)

    handle = module.register_forward_hook(note)
    yield found
    handle.remove()
