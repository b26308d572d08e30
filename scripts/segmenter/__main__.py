"""Train a judge of your own data: a small network that labels photos, and by which evaluate.py scores generated ones.

    python -m scripts.segmenter --name judge                        # of the painted landscapes, in minutes
    python -m scripts.segmenter --name judge --dataset_mode custom --label_dir LABELS --image_dir PHOTOS \\
        --val_label_dir LABELS --val_image_dir PHOTOS --label_nc 20
    python evaluate.py --name RUN --segmenter judge

It learns from real training photos, and is itself scored on real validation photos, which it has not seen. Its scores
there are what generated photos can hope for. Give it the --crop_size and --aspect_ratio of the images to be judged.
"""

from util.console import exit_statuses

import itertools
import math
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from data import PRESETS, SampleLoader, create_dataset, create_loader
from data.paired import PairedDataset
from data.sample import Sample
from evaluation.instruments import SEGMENTED_AS
from models.segmenters import SEGMENTERS
from models.segmenters.own import FACTS_FILE, WEIGHTS_FILE, WIDTHS, OwnSegmenter
from options.scale import scale_note
from scripts.segmenter.options import HELD_OUT, SegmenterOptions, parse_args, validation_options
from util.device import choose_device, memory_format, prepare_torch
from util.errors import InputError
from util.files import set_aside
from util.launcher import require_one_process
from util.lock import RunLock
from util.segmentation_scores import IGNORED, ConfusionMatrix
from util.warn import warn_once

WARM_UP = 0.1  # part of the training in which the learning rate rises
WEIGHT_DECAY = 0.01
LOOK = 20  # steps between two looks at the loss
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


def create_datasets(opt: SegmenterOptions) -> tuple[Dataset[Sample], Dataset[Sample]]:
    """Photos to train on, cropped and flipped at random, and others to score with.

    Raises:
        InputError: files are missing or do not suit the options.
    """
    training, validation = create_dataset(opt), create_dataset(validation_options(opt))
    if opt.dataset_mode == "custom" and not opt.val_label_dir:
        hold_out(training, validation)
    if "image" not in validation[0]:
        raise InputError(f"--dataset_mode {opt.dataset_mode}: found no validation photos, by which a judge is scored")
    if seen := count_seen(training, validation):
        warn_once(
            f"{seen} of {len(validation)} validation photos are also trained on, so the scores say little of new photos"
        )
    return training, validation


def count_seen(training: Dataset[Sample], validation: Dataset[Sample]) -> int:
    """How many photos of `validation` are files of `training`, too; 0 for data sets that are drawn in memory."""
    trained, validated = (
        [paths.image.resolve() for paths in getattr(part, "paths", ())] for part in (training, validation)
    )
    return len({*trained} & {*validated})


def hold_out(training: PairedDataset, validation: PairedDataset) -> None:
    """Divide the same samples among both."""
    paths = training.paths
    if len(paths) < 2:
        raise InputError("--image_dir: holds one photo; training and validation need one each")
    held_out = slice(min(HELD_OUT, len(paths)) - 1, None, HELD_OUT)
    validation.paths, training.paths = paths[held_out], [*paths]
    del training.paths[held_out]


def create_segmenter(opt: SegmenterOptions) -> OwnSegmenter:
    """A new network for the classes of a data set. Where a published network judges it, for the classes of that one."""
    published = SEGMENTERS.get(SEGMENTED_AS.get(opt.dataset_mode, opt.dataset_mode))
    if published and opt.label_nc == PRESETS[opt.dataset_mode].both["label_nc"]:
        class_ids, unlabelled = published.class_ids, {*published.unlabelled_ids}
    else:
        class_ids, unlabelled = tuple(range(opt.label_nc)), set()
    if opt.contain_dontcare_label and opt.label_nc not in class_ids:
        unlabelled |= {IGNORED, opt.label_nc}  # the unknown class in label files, and in samples
    return OwnSegmenter(
        name=opt.dataset_mode,
        class_ids=class_ids,
        unlabelled_ids=sorted(unlabelled),
        image_size=(round(opt.crop_size / opt.aspect_ratio), opt.crop_size),
        widths=[opt.width * width // WIDTHS[0] for width in WIDTHS],
    )


def learning_rate(part: float) -> float:
    """The share of the largest learning rate after a part (0 .. 1) of the training: up in a line, down in a cosine."""
    if part < WARM_UP:
        return 0.1 + 0.9 * part / WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (part - WARM_UP) / (1 - WARM_UP))


def batches(opt: SegmenterOptions, loader: SampleLoader) -> Iterator[tuple[float, dict[str, Any]]]:
    """Batches until the end, each with the part of the training (0 .. 1) that lies behind."""
    start = time.monotonic()
    steps = opt.epochs and opt.epochs * len(loader)
    seconds = opt.minutes and 60 * opt.minutes
    step = 0
    for epoch in itertools.count(1):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            part = (time.monotonic() - start) / seconds if seconds else step / steps
            if part >= 1 and step:
                return
            yield min(part, 1.0), batch
            step += 1
        if not seconds and epoch == opt.epochs:
            return


def pixel_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean cross entropy over the pixels that have a class; 0 if none has.

    Args:
        logits: (N, C, H, W).
        truth: (N, H, W) int64, 0 .. C - 1 or IGNORED.
    """
    return F.cross_entropy(logits, truth, ignore_index=IGNORED, reduction="sum") / (truth != IGNORED).sum().clamp(min=1)


def train(opt: SegmenterOptions, segmenter: OwnSegmenter, loader: SampleLoader, device: torch.device) -> dict[str, Any]:
    """Train the network, and return what happened, for `segmenter.json`.

    Raises:
        InputError: the loss is not finite any more.
    """
    start, cpu_start = time.monotonic(), time.process_time()
    layout = memory_format(opt.channels_last, device)
    network = segmenter.network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=opt.lr, weight_decay=WEIGHT_DECAY)
    steps = 0
    with tqdm(total=100, desc="train", bar_format=BAR, dynamic_ncols=True) as bar:
        for part, batch in batches(opt, loader):
            for group in optimizer.param_groups:
                group["lr"] = opt.lr * learning_rate(part)
            pixels = (batch["image"].to(device, memory_format=layout) + 1) * 127.5
            truth = segmenter.ground_truth(batch["labels"]).to(device)  # checked on the CPU: no waiting for a GPU
            loss = pixel_loss(network(segmenter.preprocess(pixels)), truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if steps % LOOK == 0:
                show(loss, bar)
            steps += 1
            bar.update(100 * part - bar.n)
        show(loss, bar)
        bar.update(100 - bar.n)
    network.eval()
    return {
        "photos": len(loader.dataset),
        "epochs": round(steps / len(loader), 2),
        "batch_size": opt.batch_size,
        "lr": opt.lr,
        "seed": opt.seed,
        "seconds": round(time.monotonic() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu_start, 1),
    }


def show(loss: Tensor, bar: tqdm) -> None:
    """Show the loss on the bar. Raises `InputError` if it is not finite: a network with such weights judges nothing."""
    value = loss.item()
    if not math.isfinite(value):
        raise InputError(f"the loss is {value}; train with a smaller --lr")
    bar.set_postfix(loss=f"{value:.3f}", refresh=False)


def validate(segmenter: OwnSegmenter, loader: SampleLoader) -> ConfusionMatrix:
    """Count how the photos of a loader are labelled; they reach the network as generated ones would, in 8 bits."""
    matrix = ConfusionMatrix(segmenter.num_classes)
    for batch in tqdm(loader, desc="validate", unit="batch", dynamic_ncols=True):
        truth = segmenter.ground_truth(batch["labels"])
        images = ((batch["image"] + 1) / 2).clamp(0, 1)
        matrix.add(predictions=segmenter.predict(images, tuple(truth.shape[-2:])), truth=truth)
    return matrix


def scores(segmenter: OwnSegmenter, matrix: ConfusionMatrix, names: Sequence[str], photos: int) -> dict[str, Any]:
    """The judge's own scores for `segmenter.json`: shares from 0 to 1, None where nothing was counted."""
    return {
        "photos": photos,
        "mean_iou": _rounded(matrix.mean_iou(segmenter.mean_iou)),
        "pixel_accuracy": _rounded(matrix.pixel_accuracy()),
        "class_iou": {name: _rounded(iou) for name, iou in zip(names, matrix.class_iou())},
    }


def _rounded(share: float) -> float | None:
    return None if math.isnan(share) else round(float(share), 4)


def print_classes(matrix: ConfusionMatrix, names: Sequence[str]) -> None:
    """A line for each class that occurs."""
    pixels = matrix.counts[:-1].sum(dim=1)
    print(f"{'IoU':>7} {'accuracy':>9} {'share':>7}  class")
    for index, (name, iou) in enumerate(zip(names, matrix.class_iou())):
        if pixels[index]:
            accuracy, share = matrix.counts[index, index] / pixels[index], pixels[index] / pixels.sum()
            print(f"{iou:>7.3f} {accuracy:>9.3f} {share:>7.2%}  {name}")


@exit_statuses(SegmenterOptions.program, interrupted="interrupted; nothing is saved")
def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    opt = parse_args(argv)
    require_one_process(opt.program)
    if note := scale_note(opt, PRESETS[opt.dataset_mode]):
        print(f"{opt.program}: warning: {note}", file=sys.stderr)
    device = choose_device(opt.gpu_id_list)
    prepare_torch(opt.seed, deterministic=opt.deterministic)
    with RunLock(opt.run_dir):
        training, validation = create_datasets(opt)
        segmenter = create_segmenter(opt).to(device, memory_format=memory_format(opt.channels_last, device))
        names = [training.class_names[index] for index in segmenter.class_ids]
        loader, val_loader = create_loader(opt, training), create_loader(validation_options(opt), validation)
        weights = sum(weight.numel() for weight in segmenter.parameters())
        print(
            f"{opt.dataset_mode}: {len(names)} classes; {len(training)} photos to train on, {len(validation)} to "
            f"validate with; a U-Net of {weights / 1e6:.1f} million weights on {device}"
        )
        with loader.naming_dead_workers():
            history = train(opt, segmenter, loader, device)
        with val_loader.naming_dead_workers():
            matrix = validate(segmenter, val_loader)
        found = scores(segmenter, matrix, names, len(validation))
        earlier = [path for path in (opt.run_dir / WEIGHTS_FILE, opt.run_dir / FACTS_FILE) if path.exists()]
        if kept := [set_aside(path).name for path in earlier]:
            print(f"{opt.run_dir} held an earlier segmenter, kept as {' and '.join(kept)}")
        segmenter.save(opt.run_dir, facts(names, history, found))
    print_classes(matrix, names)
    print(f"trained for {history['epochs']:g} epochs in {history['seconds']:.0f} s; saved in {opt.run_dir}")
    run = opt.name if Path(opt.checkpoints_dir) == Path("checkpoints") else str(opt.run_dir)
    print(
        f"mIoU {matrix.mean_iou(segmenter.mean_iou):.3f}, accuracy {matrix.pixel_accuracy():.3f} on real photos: "
        f"python evaluate.py --name RUN --segmenter {shlex.quote(run)}"
    )
    return 0


def facts(names: Sequence[str], history: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What `segmenter.json` says besides how the network is built."""
    return {
        "class_names": list(names),
        "training": history,
        "validation": found,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    }


if __name__ == "__main__":
    sys.exit(main())
