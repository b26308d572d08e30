"""A training that runs out of memory says in one line what would fit, and that does."""

import re
import resource
from pathlib import Path

import pytest

from data import PRESETS
from models import METHODS
from options import TrainOptions, parse_options
from tests.runs import train
from tests.worlds import run_together
from trainers.out_of_memory import Room, advice, what_fits

GIB = 2**30
SMALL = "--ngf 4 --ndf 4 --modulation dense --no_vgg_loss --gpu_ids -1 --num_workers 0 --no_html --no_tensorboard"


def train_within(limit: int, argv: list[str]) -> tuple[int, str]:
    """A job: train with at most `limit` more bytes of address space than the process has."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + limit, now + limit))
    return train(argv)


@pytest.mark.system
def test_what_the_line_says_fits(tmp_path):
    argv = [*f"--name run --checkpoints_dir {tmp_path} --crop_size 128 --batch_size 16 {SMALL}".split()]
    argv += "--niter 1 --max_dataset_size 16".split()
    ((status, printed),) = run_together(1, train_within, int(0.8 * GIB), argv)
    last = printed.splitlines()[-1]
    assert status == 2, printed
    assert last.startswith("train.py: error: out of memory: --batch_size 16 --accumulate 1 needs about ")
    assert last.endswith("; nothing was saved") and "Traceback" not in printed
    (accumulate,) = re.findall(r"use (--accumulate \d+), or --batch_size \d+", last)
    ((status, printed),) = run_together(1, train_within, int(0.8 * GIB), [*argv, *accumulate.split()])
    assert status == 0, printed


@pytest.mark.parametrize(
    "flags, processes, usable, ways",
    [
        ("--batch_size 8", 1, {False: 4, True: 8}, ["--checkpoint_activations", "--accumulate 2", "--batch_size 4"]),
        ("--batch_size 8", 1, {False: 3, True: 6}, ["--accumulate 4", "--batch_size 3"]),
        ("--batch_size 8 --accumulate 2", 1, {False: 3, True: 3}, ["--accumulate 4", "--batch_size 6"]),
        ("--batch_size 16", 2, {False: 4, True: 6}, ["--accumulate 2", "--batch_size 8"]),
        (
            "--batch_size 8",
            1,
            {False: 0, True: 2},
            ["--accumulate 4 --checkpoint_activations", "--batch_size 2 --checkpoint_activations"],
        ),
        ("--batch_size 8 --checkpoint_activations", 1, {True: 2}, ["--accumulate 4", "--batch_size 2"]),
        ("--batch_size 1", 1, {False: 0, True: 1}, ["--checkpoint_activations"]),
        ("--batch_size 1", 1, {False: 0, True: 0}, []),
    ],
)
def test_what_fits_follows_from_the_images_that_fit(flags, processes, usable, ways):
    opt = parse_options(TrainOptions, flags.split(), PRESETS, METHODS)
    size = opt.batch_size // (processes * opt.accumulate)
    assert what_fits(opt, processes, size, usable) == ways


def test_what_cannot_be_counted_is_halved():
    opt = parse_options(TrainOptions, "--method oasis --batch_size 6 --accumulate 2".split(), PRESETS, METHODS)
    line = advice(opt, 1, Room("GPU 0", GIB, 3 * GIB))
    room = "GPU 0 has 1.0 GiB for it (3.0 GiB more are used by other programs)"
    assert line == f"out of memory: {room}; use --batch_size 2, or less"
