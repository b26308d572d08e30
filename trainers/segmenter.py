"""Trains a segmentation network on photos and their label maps, and validates it."""

import itertools
import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from data import SampleLoader
from models.segmenters.base import size_of
from models.segmenters.own import OwnSegmenter
from util.errors import InputError
from util.segmentation_scores import IGNORED, ConfusionMatrix

WARM_UP = 0.1  # fraction of the training in which the learning rate rises
FIRST_RATE = 0.1  # of the largest learning rate
WEIGHT_DECAY = 0.01
SHOW_EVERY = 20  # steps: reading the loss makes a GPU wait
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Length(NamedTuple):
    """Length of a training, in epochs or in minutes; the one that is not given is infinite."""

    epochs: float = math.inf
    minutes: float = math.inf


class History(NamedTuple):
    """Length of a finished training."""

    epochs: float
    seconds: float
    cpu_seconds: float


def train(
    segmenter: OwnSegmenter,
    loader: SampleLoader,
    length: Length,
    largest_rate: float,
    device: torch.device,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> History:
    """Train the network of a segmenter with AdamW; it is in evaluation mode afterwards.

    Args:
        segmenter: on `device`, with weights in `memory_format`.
        loader: batches with photos in [-1, 1] and label ids as in files.
        largest_rate: the learning rate after the warm-up.
        memory_format: of the photos.
    Raises:
        InputError: the loss is no longer finite, or a label map holds an id that is not a class.
    """
    start, cpu_start = time.monotonic(), time.process_time()
    network = segmenter.network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=largest_rate, weight_decay=WEIGHT_DECAY)
    steps = 0
    with tqdm(total=100, desc="train", bar_format=BAR, dynamic_ncols=True) as bar:
        for done, batch in batches(loader, length):
            for group in optimizer.param_groups:
                group["lr"] = largest_rate * learning_rate(done)
            pixels = (batch["image"].to(device, memory_format=memory_format) + 1) * 127.5  # [-1, 1] to 0 .. 255
            truth = segmenter.ground_truth(batch["labels"]).to(device)  # checked on the CPU: no waiting for a GPU
            loss = pixel_loss(network(segmenter.preprocess(pixels)), truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if steps % SHOW_EVERY == 0:
                show(loss, bar)
            steps += 1
            bar.update(100 * done - bar.n)
        show(loss, bar)
        bar.update(100 - bar.n)
    network.eval()
    return History(steps / len(loader), time.monotonic() - start, time.process_time() - cpu_start)


def batches(loader: SampleLoader, length: Length) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield batches until the end of the training, at least one, each with the fraction 0 .. 1 that is done."""
    start = time.monotonic()
    step = 0
    for epoch in itertools.count(1):
        if epoch > length.epochs:
            return
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            done = max((time.monotonic() - start) / (60 * length.minutes), step / (length.epochs * len(loader)))
            if done >= 1 and step:
                return
            yield min(done, 1.0), batch
            step += 1


def learning_rate(done: float) -> float:
    """The learning rate, as a fraction of the largest, when a fraction of the training is done.

    It rises linearly during the warm-up, then falls to 0 along a cosine.
    """
    if done < WARM_UP:
        return FIRST_RATE + (1 - FIRST_RATE) * done / WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))


def pixel_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean cross entropy over the pixels that have a class; 0 if none has.

    Args:
        logits: (N, C, H, W).
        truth: (N, H, W) int64, 0 .. C - 1 or IGNORED.
    """
    return F.cross_entropy(logits, truth, ignore_index=IGNORED, reduction="sum") / (truth != IGNORED).sum().clamp(min=1)


def show(loss: Tensor, bar: tqdm) -> None:
    """Show the loss on the bar. Raises `InputError` if it is not finite, as the weights are then useless."""
    value = loss.item()
    if not math.isfinite(value):
        raise InputError(f"the loss is {value}; train with a smaller --lr")
    bar.set_postfix(loss=f"{value:.3f}", refresh=False)


def validate(segmenter: OwnSegmenter, loader: SampleLoader) -> ConfusionMatrix:
    """The confusion matrix over the photos of a loader, which are rounded to 8 bits, as generated images are."""
    matrix = ConfusionMatrix(segmenter.num_classes)
    for batch in tqdm(loader, desc="validate", unit="batch", dynamic_ncols=True):
        truth = segmenter.ground_truth(batch["labels"])
        images = ((batch["image"] + 1) / 2).clamp(0, 1)  # [-1, 1] to [0, 1]
        matrix.add(predictions=segmenter.predict(images, size_of(truth)), truth=truth)
    return matrix
