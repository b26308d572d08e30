"""What the page of a training says of the run: its command, options, device and length."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import torch

from data import PRESETS
from models import METHODS
from options import TrainOptions
from options.sources import usual_values
from util.distributed import World
from util.progress import Progress
from util.training_page import RunFacts

PROGRAM = "train.py"


def run_facts(opt: TrainOptions, device: torch.device, world: World, progress: Progress, of_training: bool) -> RunFacts:
    """The facts of a run.

    Args:
        of_training: whether the fixed samples are training data; if not, they are validation data.
    """
    return RunFacts(
        command=command_line(sys.argv),
        resume=resuming(command_line(sys.argv)),
        test=test_command(opt),
        latents=opt.has_latent,
        options=opt.differences(usual_values(opt, PRESETS, METHODS)),
        device=device_in_words(device, world, opt.precision),
        epochs=progress.num_epochs,
        images_per_epoch=progress.images_per_epoch,
        samples="of the training data" if of_training else "of the validation data",
    )


def test_command(opt: TrainOptions) -> str:
    """What to type to test the run."""
    return shlex.join(["python", "test.py", *opt.place, *opt.folders_in_test])


def command_line(argv: list[str]) -> str:
    """The command that started this process, as one types it; empty if it is another program than train.py."""
    if not argv or Path(argv[0]).name != PROGRAM:
        return ""
    return shlex.join(["python", PROGRAM, *argv[1:]])


def resuming(command: str) -> str:
    """The command that goes on with a run: that which has started it, with --continue_train; empty for none."""
    resumes = not command or {"--continue_train", "--auto_resume"} & set(command.split())
    return command if resumes else f"{command} --continue_train"


def device_in_words(device: torch.device, world: World, precision: str) -> str:
    """The device of a process, and how many of them there are: `4 x NVIDIA H100, bf16`."""
    threads = torch.get_num_threads()
    cpu = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    several = f"{world.size} x " if world.size > 1 else ""
    return f"{several}{name}, {precision}"
