"""The switches of train.py that are measured, and trainings with them, built as in train.py."""

import contextlib
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data import PRESETS, create_dataset
from data.sims.dataset import MOST_PAIRS, MOST_SEGMENTS
from data.sims.ordering import NOTHING
from models import METHODS, create_method, create_model
from models.vgg import AveragePoolVGG
from options import TrainOptions, parse_options
from scripts.benchmark.made_up_data import draw_cells
from trainers import create_trainer
from util.device import choose_device, place, prepare_torch
from util.errors import InputError
from util.fill import fill
from util.precision import set_matrix_precision

REGIONS = 24
"""Number of regions in a synthetic label map."""
PLAIN = "plain"
SWITCHES = {
    PLAIN: "",
    "dense": "--modulation dense",
    "table": "--modulation table",
    "tf32": "--precision tf32",
    "bf16": "--precision bf16",
    "fp16": "--precision fp16",
    "channels_last": "--channels_last",
    "compile": "--compile",
    "accumulate_2": "--accumulate 2",
    "accumulate_4": "--accumulate 4",
    "checkpoint_activations": "--checkpoint_activations",
    "foreach": "--adam foreach",
    "fused": "--adam fused",
    "ema": "--ema 0.999",
    "fast": "--precision bf16 --channels_last --compile --adam fused",
    "lean": "--precision bf16 --channels_last --checkpoint_activations --accumulate 2",
}
"""Name of a switch -> flags that are added to the command line of train.py."""
GPU_ONLY = (SWITCHES["tf32"],)


def flags_of(switch: str, device: str) -> str:
    """The flags of a switch on "cpu" or "cuda": channels-last is the default of a GPU, so there it is turned off."""
    return "--no_channels_last" if (switch, device) == ("channels_last", "cuda") else SWITCHES[switch]


@dataclass(frozen=True)
class Workload:
    """Data, sizes and device common to all trainings of a benchmark.

    Attributes:
        device: "cpu" or "cuda".
        mode: --dataset_mode, which selects the preset; its files are read only with `dataroot`.
        batch_size, crop_size: samples, and pixels across.
        ngf: width of the networks, in the sense of a generator's and a discriminator's.
        vgg_weights: of the perceptual loss; None leaves it out.
        dataroot: of the data set, to train on its first samples; None for synthetic ones.
        method: --method.
    """

    device: str
    mode: str
    batch_size: int
    crop_size: int
    ngf: int
    vgg_weights: Path | None = None
    dataroot: str | None = None
    method: str = "spade"

    def options(self, flags: str = "") -> TrainOptions:
        """The options of train.py with more flags. Raises `InputError` for options that train.py refuses."""
        size = f"--batch_size {self.batch_size} --crop_size {self.crop_size} --load_size {self.crop_size} --no_flip"
        place = f"--dataset_mode {self.mode} --gpu_ids {-1 if self.device == 'cpu' else 0} --method {self.method}"
        root = [] if self.dataroot is None else ["--dataroot", self.dataroot]
        argv = [*f"{place} {size} {flags}".split(), *self.method_flags(), *root]
        return training_options(argv)

    def method_flags(self) -> list[str]:
        """Flags for the width of the method's networks, and for VGG-19."""
        used = METHODS[self.method].options
        widths = {"ngf": self.ngf, "ndf": self.ngf, "crn_channels": 16 * self.ngf, "sims_width": self.ngf}
        words = [word for name, width in widths.items() if name in used for word in (f"--{name}", str(width))]
        if self.vgg_weights and "vgg_weights" in used:
            words += ["--vgg_weights", str(self.vgg_weights)]
        return words if self.vgg_weights or "vgg_loss" not in used else [*words, "--no_vgg_loss"]

    def __str__(self) -> str:
        opt = self.options()
        vgg = "without the perceptual loss" if self.vgg_weights is None else "with the perceptual loss"
        return (
            f"preset {self.mode} ({opt.semantic_nc} semantic channels), {opt.crop_size}x{height(opt)} pixels, "
            f"batch {opt.batch_size}, ngf and ndf {self.ngf}, {vgg}"
        )


def training_options(flags: Sequence[str]) -> TrainOptions:
    """The options of train.py with `flags`; passes warnings on. Raises `InputError` for options that it refuses."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            opt = parse_options(TrainOptions, [*flags], PRESETS, METHODS)
        print(said.getvalue(), end="", file=sys.stderr)
        return opt
    except SystemExit as end:
        if not end.code:
            raise  # after --help
        line = said.getvalue().strip().splitlines()[-1]
        raise InputError(line.removeprefix(f"{TrainOptions.program}: error: ")) from None


class Training:
    """A new training, and the batch that all its steps use."""

    def __init__(self, workload: Workload, flags: str):
        opt = workload.options(flags)
        self.precision = opt.precision
        self.device = choose_device(opt.gpu_id_list)
        prepare_torch(opt.seed, opt.precision, opt.deterministic)
        model = place(create_model(opt).train(), self.device, opt.channels_last, opt.modulation)
        self.trainer = create_trainer(opt, create_method(opt, model))
        self.batch = make_batch(opt) if workload.dataroot is None else first_batch(opt)
        self.batch = with_maps(opt, self.batch)
        if self.device.type == "cuda":  # as from the data loader
            self.batch = {name: values.pin_memory() for name, values in self.batch.items()}

    def step(self) -> None:
        """Run a step of each player; synchronizes with the device."""
        set_matrix_precision(self.precision)  # global to the process, in which another training takes turns
        self.trainer.step(self.batch)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def make_batch(opt: TrainOptions, first: int = 0) -> dict[str, Tensor]:
    """Make a synthetic batch: cells with random classes, and noise in place of photos and conditioning images.

    Args:
        first: number of the first sample; equal numbers give equal samples.
    """
    labels, instances, images, conditions = [], [], [], []
    for number in range(first, first + opt.batch_size):
        random = np.random.default_rng(number)
        regions = draw_cells(random, (opt.crop_size, height(opt)), REGIONS)
        labels.append(random.integers(0, opt.num_labels or 1, REGIONS)[regions])
        instances.append(regions)
        images.append(random.uniform(-1, 1, (3, *regions.shape)))
        conditions.append(random.uniform(-1, 1, (opt.input_nc, *regions.shape)))
    if opt.input_nc:
        return {name: _stacked(each, torch.float32) for name, each in (("condition", conditions), ("image", images))}
    batch = {"labels": _stacked(labels, torch.uint8 if opt.num_labels <= 256 else torch.int16)}
    if opt.instance:
        batch["instances"] = _stacked(instances, torch.int32)
    return batch | {"image": _stacked(images, torch.float32)}


def with_maps(opt: TrainOptions, batch: dict[str, Any]) -> dict[str, Any]:
    """A batch with what a method takes besides label maps and photos, in the right shapes: no bank is needed.

    Canvases are without holes. The networks about segments get empty maps.
    """
    if opt.method != "sims":
        return batch
    count, _, *size = batch["image"].shape
    batch = batch | {"canvas": (batch["image"] + 1) / 2, "changed_labels": batch["labels"].short()}
    if opt.align_segments:
        batch["segments"] = torch.zeros(count, MOST_SEGMENTS, 3, *size)
        batch["segment_masks"] = torch.zeros(count, MOST_SEGMENTS, *size, dtype=torch.bool)
    if opt.order_segments:
        batch["pair_labels"] = torch.full((count, MOST_PAIRS, *size), NOTHING, dtype=torch.int16)
        batch["pair_fronts"] = torch.full((count, MOST_PAIRS), NOTHING)
    return batch


def first_batch(opt: TrainOptions) -> dict[str, Tensor]:
    """Read the first samples of the data set. Raises `InputError` for missing files."""
    dataset = create_dataset(opt, maps=False)
    samples: list[Any] = [dataset[index] for index in range(opt.batch_size)]
    names = ("labels", "instances", "image") if opt.instance else ("labels", "image")
    return {name: torch.stack([sample[name] for sample in samples]) for name in names}


def height(opt: TrainOptions) -> int:
    """Height of the images in pixels."""
    return round(opt.crop_size / opt.aspect_ratio)


def write_vgg_weights(path: Path) -> Path:
    """Write random VGG-19 weights, which take the time and memory of the real ones without a download."""
    features = AveragePoolVGG().features  # one layer more than the other loss needs
    fill(features, seed=0)
    torch.save({f"features.{name}": tensor for name, tensor in features.state_dict().items()}, path)
    return path


def _stacked(arrays: list[np.ndarray], dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).to(dtype)
