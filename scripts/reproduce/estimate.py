"""How long the trainings of a plan take, and how much disk they fill."""

from __future__ import annotations

import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from data import create_dataset, create_loader
from models import create_method, create_model
from models.networks.init import parameter_count
from scripts.benchmark.switches import with_maps, write_vgg_weights
from scripts.reproduce.plan import PlannedRun
from trainers import create_trainer
from util.device import choose_device, place, prepare_torch

WARM_UP_STEPS, STEPS = 2, 10
PATIENCE_SECONDS = 60
"""After this time no further step is measured."""
BYTES = 4  # of a number
COPIES = 3  # of every weight in a save: itself and two moments of Adam


def images_to_train(run: PlannedRun) -> float | None:
    """Images of a training from its beginning; None if minutes end it."""
    if run.budget.kind == "minutes":
        return None
    if run.budget.kind == "images":
        return run.budget.amount
    size = run.opt.batch_size
    samples = len(create_dataset(run.opt, maps=False))
    return (run.opt.niter + run.opt.niter_decay) * (samples // size * size)


def hours_left(run: PlannedRun) -> float:
    """Hours of training that a run still needs: from what it has done, or else from ten measured steps here.

    Steps are measured in one process; several processes are faster.
    """
    trained, images = run.trained, images_to_train(run)
    if run.is_trained:
        return 0
    if images is None:
        return run.budget.amount / 60 - (trained.seconds / 3600 if trained else 0)
    if trained and trained.seconds:
        return (images - trained.images_seen) * trained.seconds / trained.images_seen / 3600
    return images * seconds_per_image(run) / 3600


def seconds_per_image(run: PlannedRun) -> float:
    """Mean time of an image in the training steps of a run, without the first ones."""
    with tempfile.TemporaryDirectory() as scratch:
        vgg = write_vgg_weights(Path(scratch) / "vgg19.pth")  # random, for a plan is no reason to download
        opt = replace(run.opt, num_workers=0, vgg_weights=str(vgg))
        device = choose_device(opt.gpu_id_list)
        prepare_torch(opt.seed, opt.precision, opt.deterministic, opt.threads)
        model = place(create_model(opt).train(), device, opt.channels_last, opt.modulation)
        trainer = create_trainer(opt, create_method(opt, model))
    loader = create_loader(opt, create_dataset(opt, maps=False))  # a bank of SIMS is made later
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    begin = start = time.perf_counter()
    steps = 0
    for index, batch in enumerate(itertools.islice(batches, WARM_UP_STEPS + STEPS)):
        if index == WARM_UP_STEPS:
            trainer.read_losses()  # waits for the device
            start, steps = time.perf_counter(), 0
        elif steps and time.perf_counter() - begin > PATIENCE_SECONDS:
            break
        trainer.step(with_maps(opt, batch), index)
        steps += 1
    trainer.read_losses()
    return (time.perf_counter() - start) / steps / opt.batch_size


def disk_bytes(run: PlannedRun) -> int:
    """Disk space of the networks that a run keeps at its end, and of one save while it is written."""
    opt = run.opt
    with torch.device("meta"):
        networks = sum(parameter_count(network) for network in create_model(opt).networks.values())
    average = run.parameters if opt.ema is not None else 0
    saves = (opt.keep_checkpoints + 1) * (COPIES * networks + average)
    epochs = opt.niter + opt.niter_decay if run.budget.kind == "paper" else 0
    kept = epochs // opt.save_epoch_freq * (networks + average)
    return BYTES * (saves + kept)
