"""Data sets and loaders as the options describe them."""

import dataclasses
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from data import DATASETS
from data.loader import SampleLoader
from data.parallel import usable_cores
from data.sample import AnySamples, SampleDataset
from data.sampler import EpochSampler
from data.shards.order import shard_numbers
from data.sims.dataset import with_canvases
from data.warping import WarpedDataset
from util.errors import InputError

MOST_WORKERS = 8  # of the default; --num_workers may ask for more


def create_dataset(opt, maps: bool = True) -> SampleDataset:
    """Build the data set of `opt.dataset_mode`.

    Args:
        maps: with the further maps that the networks of `opt.method` take; label maps and photos are the same without.

    Raises:
        InputError: for files that are missing, do not pair, or do not suit the options.
    """
    return extended(DATASETS[opt.dataset_mode](opt), opt, maps)


def extended(dataset: SampleDataset, opt, maps: bool = True) -> SampleDataset:
    """A data set with what the options add to its samples; `maps` as for `create_dataset`."""
    if maps and getattr(opt, "method", None) == "sims":  # an option of programs with networks
        return with_canvases(dataset, opt, partial(create_dataset, maps=False))
    if warp := getattr(opt, "warp", 0):  # an option of training alone
        return WarpedDataset(dataset, round(opt.crop_size / opt.aspect_ratio), opt.crop_size, warp)
    return dataset


def create_loader(
    opt, dataset: AnySamples, rank: int = 0, world_size: int = 1, local_world_size: int = 1
) -> SampleLoader:
    """Batch a data set; training drops an incomplete last batch.

    The batches, random crops and flips included, are a function of `opt.seed` and of the epoch given to
    `loader.sampler.set_epoch`. They are the same in a resumed run, for any number of workers, and for any number of
    processes: batch k of process r holds samples r, r + world_size, ... of batch k of a single process. The number of
    batches is the same, too.

    Args:
        opt: `batch_size` counts samples over all processes, `num_workers` the workers of one process.
        rank: which process this is, of `world_size`; testing runs in one process.
        local_world_size: how many processes share this machine's cores.

    Raises:
        InputError: when training on fewer samples than one batch.
    """
    assert opt.batch_size % world_size == 0 and (opt.is_train or world_size == 1)
    check_batch_size(opt, len(dataset))
    on_gpu = uses_gpu(opt)
    return SampleLoader(
        dataset,
        EpochSampler(
            dataset,
            shard_numbers(dataset),
            num_replicas=world_size,
            rank=rank,
            shuffle=not opt.serial_batches,
            seed=opt.seed,
            drop_last=opt.is_train,
        ),
        num_workers=count_workers(on_gpu, local_world_size) if opt.num_workers is None else opt.num_workers,
        skip_bad_samples=getattr(opt, "skip_bad_samples", 0),  # an option of training only
        batch_size=opt.batch_size // world_size,
        drop_last=opt.is_train,
        pin_memory=on_gpu,  # page-locked batches reach the GPU while it computes
    )


def check_batch_size(opt, samples: int) -> None:
    """Raise an `InputError` if the training set is smaller than one batch."""
    if opt.is_train and samples < opt.batch_size:
        count = f"{samples} samples" if samples > 1 else "1 sample"
        raise InputError(
            f"--batch_size {opt.batch_size}: the data set has only {count}, so there is not one whole batch; "
            f"use --batch_size {samples}" + (" or less" if samples > 1 else "")
        )


def fixed_batches(
    opt, dataset: AnySamples, images: int, rank: int = 0, world_size: int = 1
) -> Iterator[dict[str, Any]]:
    """Yield batches that are the same throughout a run: the first ones of epoch 0 (training epochs count from 1).

    They are read in this process. Together they hold about `images` samples over all processes, and at least one batch.
    """
    count = max(1, min(images, len(dataset)) // opt.batch_size)
    loader = create_loader(dataclasses.replace(opt, num_workers=0), dataset, rank, world_size)
    loader.sampler.set_epoch(0)
    return itertools.islice(loader, count)


def uses_gpu(opt) -> bool:
    """Whether networks run on a GPU."""
    return opt.gpu_ids != "-1" and torch.cuda.is_available()


def count_workers(on_gpu: bool, local_world_size: int = 1) -> int:
    """Default number of data workers for each of `local_world_size` main processes on this machine.

    With a GPU: one per core, at least 1 and at most 8. Networks on the CPU occupy its cores themselves and are so slow
    that reading in the main process costs no noticeable time.
    """
    return min(max(usable_cores() // local_world_size, 1), MOST_WORKERS) if on_gpu else 0
