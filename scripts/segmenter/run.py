"""The training of a segmenter, from its options to its files."""

import math
import platform
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
import torchvision

from data import PRESETS, create_loader
from data.custom import CustomDataset
from evaluation.instruments import SEGMENTED_AS
from models.networks.init import parameter_count
from models.segmenters import SEGMENTERS
from models.segmenters.own import FACTS_FILE, WEIGHTS_FILE, WIDTHS, OwnSegmenter
from options.data_file import name_of_data
from scripts.segmenter.datasets import create_datasets
from scripts.segmenter.options import SegmenterOptions, validation_options
from trainers.segmenter import History, Length, train, validate
from util.device import choose_device, choose_memory_format, prepare_torch, to_memory_format
from util.files import set_aside
from util.lock import RunLock
from util.segmentation_scores import IGNORED, ConfusionMatrix


def create_segmenter(opt: SegmenterOptions) -> OwnSegmenter:
    """Build a new network for the classes of a data set, or of its published segmenter, if there is one."""
    published = SEGMENTERS.get(SEGMENTED_AS.get(opt.dataset_mode, opt.dataset_mode))
    if published and opt.label_nc == PRESETS[opt.dataset_mode].both["label_nc"]:
        class_ids, unlabelled = published.class_ids, {*published.unlabelled_ids}
    else:
        class_ids, unlabelled = tuple(range(opt.label_nc)), set()
    if opt.contain_dontcare_label and opt.label_nc not in class_ids:
        # The unknown class in label files, which may be any number, and in samples.
        in_files = CustomDataset.label_ids(opt).unknown_value if opt.dataset_mode == "custom" else IGNORED
        unlabelled |= {in_files, opt.label_nc}
        class_ids = tuple(number for number in class_ids if number != in_files)
    return OwnSegmenter(
        name=opt.dataset_mode,
        class_ids=class_ids,
        unlabelled_ids=sorted(unlabelled),
        image_size=(round(opt.crop_size / opt.aspect_ratio), opt.crop_size),
        widths=[opt.width * width // WIDTHS[0] for width in WIDTHS],
    )


def run(opt: SegmenterOptions) -> None:
    """Train, validate and save a segmenter, and print its scores."""
    device = choose_device(opt.gpu_id_list)
    memory_format = choose_memory_format(opt.channels_last, device)
    prepare_torch(opt.seed, deterministic=opt.deterministic, threads=opt.threads)
    with RunLock(opt.run_dir):
        training, validation = create_datasets(opt)
        segmenter = to_memory_format(create_segmenter(opt).to(device), memory_format)
        names = [training.class_names[index] for index in segmenter.class_ids]
        loader, val_loader = create_loader(opt, training), create_loader(validation_options(opt), validation)
        weights = parameter_count(segmenter)
        print(
            f"{name_of_data(opt)}: {len(names)} classes; {len(training)} photos to train on, {len(validation)} to "
            f"validate with; a U-Net of {weights / 1e6:.1f} million weights on {device}"
        )
        with loader.naming_dead_workers():
            length = Length(opt.epochs or math.inf, opt.minutes or math.inf)
            history = train(segmenter, loader, length, opt.lr, device, memory_format)
        with val_loader.naming_dead_workers():
            matrix = validate(segmenter, val_loader)
        earlier = [path for path in (opt.run_dir / WEIGHTS_FILE, opt.run_dir / FACTS_FILE) if path.exists()]
        if kept := [set_aside(path).name for path in earlier]:
            print(f"{opt.run_dir} held an earlier segmenter, kept as {' and '.join(kept)}")
        found = scores(segmenter, matrix, names, len(validation))
        segmenter.save(opt.run_dir, facts(opt, names, len(training), history, found))
    print_classes(matrix, names)
    print(f"trained for {round(history.epochs, 2):g} epochs in {history.seconds:.0f} s; saved in {opt.run_dir}")
    run = opt.name if Path(opt.checkpoints_dir) == Path("checkpoints") else str(opt.run_dir)
    print(
        f"mIoU {matrix.mean_iou(segmenter.mean_iou):.3f}, accuracy {matrix.pixel_accuracy():.3f} on real photos: "
        f"python evaluate.py --name RUN --segmenter {shlex.quote(run)}"
    )


def facts(
    opt: SegmenterOptions, names: Sequence[str], photos: int, history: History, found: dict[str, Any]
) -> dict[str, Any]:
    """The content of `segmenter.json` besides the settings of the network."""
    return {
        "data_set": name_of_data(opt),
        "class_names": list(names),
        "training": {
            "photos": photos,
            "epochs": round(history.epochs, 2),
            "batch_size": opt.batch_size,
            "lr": opt.lr,
            "seed": opt.seed,
            "seconds": round(history.seconds, 1),
            "cpu_seconds": round(history.cpu_seconds, 1),
        },
        "validation": found,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    }


def scores(segmenter: OwnSegmenter, matrix: ConfusionMatrix, names: Sequence[str], photos: int) -> dict[str, Any]:
    """The scores on validation photos for `segmenter.json`: fractions 0 .. 1, None where nothing was counted."""
    return {
        "photos": photos,
        "mean_iou": _rounded(matrix.mean_iou(segmenter.mean_iou)),
        "pixel_accuracy": _rounded(matrix.pixel_accuracy()),
        "class_iou": {name: _rounded(iou) for name, iou in zip(names, matrix.class_iou())},
    }


def _rounded(fraction: float) -> float | None:
    return None if math.isnan(fraction) else round(float(fraction), 4)


def print_classes(matrix: ConfusionMatrix, names: Sequence[str]) -> None:
    """Print a line for each class that occurs."""
    pixels = matrix.counts[:-1].sum(dim=1)
    print(f"{'IoU':>7} {'accuracy':>9} {'fraction':>8}  class")
    for index, (name, iou) in enumerate(zip(names, matrix.class_iou())):
        if pixels[index]:
            accuracy, fraction = matrix.counts[index, index] / pixels[index], pixels[index] / pixels.sum()
            print(f"{iou:>7.3f} {accuracy:>9.3f} {fraction:>8.2%}  {name}")
