"""Predict how fast training would be on more GPUs, from the messages of a step; check the prediction on slow links."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from models import create_method, create_model
from options import TrainOptions
from scripts.benchmark.messages import BACKWARD, FORWARD, Message, predict
from scripts.benchmark.network import Cluster, Step, message_table, predict_step, scaling_table
from scripts.benchmark.scaling_check import check
from scripts.benchmark.switches import make_batch, training_options, with_maps, write_vgg_weights
from trainers import create_trainer
from util.device import choose_device, place, prepare_torch

HELP = "predict images per second and efficiency on more GPUs from the messages of a training step"
MEASURED_STEPS, WARM_UP_STEPS = 5, 2
# Flag -> default, unit in which it is given, factor to SI units, and what it is.
LINKS: dict[str, tuple[float, str, float, str]] = {
    "bandwidth": (50.0, "GB/s", 1e9, "out of a node; one InfiniBand card of 400 Gb/s"),
    "latency": (5.0, "us", 1e-6, "of a step between nodes"),
    "node_bandwidth": (450.0, "GB/s", 1e9, "of a GPU within a node; NVLink of an H100"),
    "node_latency": (2.0, "us", 1e-6, "of a step within a node"),
    "overhead": (20.0, "us", 1e-6, "of each message: its kernels, and waiting for them"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command to its parser."""
    parser.add_argument(
        "--gpus", metavar="N", nargs="+", type=_positive(int), default=[8, 64, 1024], help="(8 64 1024)"
    )
    parser.add_argument("--gpus_per_node", metavar="N", type=_positive(int), default=8, help="(%(default)s)")
    for name, (default, unit, _, what) in LINKS.items():
        words = f"{what}; {unit} (assumed: {default:g})"
        parser.add_argument(f"--{name}", metavar=unit, type=_positive(float), default=default, help=words)
    parser.add_argument(
        "--step_seconds",
        metavar="S",
        type=_positive(float),
        help="of a training step of one GPU with its batch (default: measured on this machine)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="train in 2 and 4 processes of this machine with slowed links between them, and compare; needs root",
    )
    parser.add_argument(
        "flags", metavar="FLAG", nargs="*", help="after --: flags of train.py; --batch_size is that of one GPU"
    )


def run(args: argparse.Namespace) -> None:
    """Predict and print Markdown. Raises `InputError` for wrong arguments."""
    if args.check:
        check(args.flags, print_line)
        return
    opt = training_options(args.flags)
    cluster = Cluster(
        args.gpus_per_node, **{name: getattr(args, name) * factor for name, (_, _, factor, _) in LINKS.items()}
    )
    messages = predict(opt, on_gpu=True)
    for line in [*heading(args), "", *message_table(messages), ""]:
        print_line(line)
    seconds = args.step_seconds or measure(opt)
    where = "given" if args.step_seconds else "measured here"
    print_line(f"- A step of one GPU with {opt.batch_size} images: {1000 * seconds:.1f} ms ({where})\n")
    for line in [*by_gpus(messages, seconds, cluster, args.gpus, opt.batch_size), ""]:
        print_line(line)
    for line in by_option(messages, seconds, cluster, max(args.gpus), opt.batch_size):
        print_line(line)


def measure(opt: TrainOptions) -> float:
    """The median seconds of a step with all losses in this process, on made-up samples."""
    device = choose_device(opt.gpu_id_list)
    prepare_torch(opt.seed, opt.precision, opt.deterministic)
    with tempfile.TemporaryDirectory() as scratch:
        if opt.vgg_loss and not opt.vgg_weights:
            opt = replace(opt, vgg_weights=str(write_vgg_weights(Path(scratch) / "vgg19.pth")))
        model = place(create_model(opt).train(), device, opt.channels_last, opt.modulation)
        trainer = create_trainer(opt, create_method(opt, model))
    batch, seconds = with_maps(opt, make_batch(opt)), []
    for _ in range(WARM_UP_STEPS + MEASURED_STEPS):
        start = time.perf_counter()
        trainer.step(batch)
        trainer.read_losses()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return sorted(seconds[WARM_UP_STEPS:])[MEASURED_STEPS // 2]


def by_gpus(
    messages: Sequence[Message], seconds: float, cluster: Cluster, gpus: Sequence[int], batch: int
) -> list[str]:
    """Markdown: the same batch for each GPU, on any number of them."""
    steps = {f"{count} GPUs": predict_step(messages, seconds, cluster, count) for count in gpus}
    return scaling_table(steps, {f"{count} GPUs": batch * count for count in gpus})


def by_option(messages: Sequence[Message], seconds: float, cluster: Cluster, gpus: int, batch: int) -> list[str]:
    """Markdown: what options would change on `gpus` GPUs."""
    statistics = [message for message in messages if message.purpose in (FORWARD, BACKWARD)]
    others = [message for message in messages if message.purpose not in (FORWARD, BACKWARD)]
    steps: dict[str, Step] = {}
    images: dict[str, float] = {}

    def add(name: str, repeats: int = 1, factor: int = 1, exchanging: int = gpus) -> None:
        """A row for `repeats` times the exchanges of statistics, and `factor` times the samples of each GPU."""
        together = predict_step(others, factor * seconds, cluster, gpus)
        apart = predict_step(statistics * repeats, 0.0, cluster, exchanging)
        steps[name] = replace(together, statistics=apart.statistics)
        images[name] = gpus * batch * factor

    add(f"{gpus} GPUs as above")
    add("4 times the batch of a GPU", factor=4)
    add("the same by `--accumulate 4`", repeats=4, factor=4)
    if statistics:
        add("statistics over the GPUs of a node (no option yet)", exchanging=min(gpus, cluster.gpus_per_node))
        add("`batch` in place of `syncbatch`", repeats=0)
    return scaling_table(steps, images)


def heading(args: argparse.Namespace) -> list[str]:
    """Markdown: what is assumed."""
    links = [f"{name} {getattr(args, name):g} {unit} ({what})" for name, (_, unit, _, what) in LINKS.items()]
    return [
        f"- Flags of train.py: `{' '.join(args.flags)}`; the batch size is that of one GPU and stays the same",
        f"- {args.gpus_per_node} GPUs a node; assumed unless measured: {'; '.join(links)}",
        "- all_gather: a ring of all GPUs. all_reduce: twice a ring, or a tree over nodes if that has less latency",
        "- Statistics stop everything. Gradients are hidden by half of the computing, but the last bucket is not",
        "- Not in the model: waiting for the slowest GPU, reading data, other traffic",
    ]


def print_line(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)


def _positive(kind: type):
    def parse(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            whole = "whole " if kind is int else ""
            raise argparse.ArgumentTypeError(f"{text}: must be a {whole}number above 0")
        return value

    return parse
