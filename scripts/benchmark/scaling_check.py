"""Check predictions of step times: a training in processes of this machine whose links are slowed."""

from __future__ import annotations

from util.console import exit_statuses

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from models import create_method, create_model
from scripts.benchmark.messages import predict
from scripts.benchmark.network import Gloo, predict_step
from scripts.benchmark.slow_network import INTERFACE, SlowNetwork
from scripts.benchmark.switches import make_batch, training_options
from trainers import create_trainer
from util.distributed import World
from util.errors import StoppedError

DEFAULT_FLAGS = "--dataset_mode landscapes --crop_size 64 --ngf 2 --ndf 2 --no_vgg_loss --batch_size 2".split()
PROCESSES = (2, 4)
AS_IS = (0.0, float("inf"))
LINKS = ((0.002, float("inf")), (0.01, float("inf")), (0.0, 10e6), (0.005, 10e6))
"""Latency one way in seconds, and bytes a second, of the links that are tried."""
WARM_UP_STEPS, ROUNDS = 3, 7
PORT = 29517


def check(flags: Sequence[str], say: Callable[[str], None]) -> None:
    """Print measured and predicted seconds of a step, as Markdown.

    Computing is what a step takes in as many processes with links that are not slowed, so that it includes how they
    compete for the cores of this machine. Steps with all kinds of links take turns.

    Args:
        flags: of train.py; the batch size is that of one process. Without any, a small training.

    Raises:
        InputError: this machine or user cannot make namespaces.
    """
    with SlowNetwork(1).running():
        pass  # or it is refused before anything takes time
    flags = [*(flags or DEFAULT_FLAGS), "--gpu_ids", "-1"]
    messages = predict(training_options(flags))
    say(f"- A training in processes with {' '.join(flags)}, {len(messages)} messages a step; {os.cpu_count()} cores")
    say(f"- Links are slowed by a switch of this program; medians of {ROUNDS} steps in turns\n")
    say("| processes | latency, ms | MB/s | measured, ms | predicted, ms | predicted / measured |")
    say("|---|---|---|---|---|---|")
    errors = []
    for count in PROCESSES:
        measured = measure(SlowNetwork(count), flags)
        compute = measured.pop(AS_IS)
        say(f"| {count} | as it is | as it is | {1000 * compute:.0f} | | |")
        for (latency, bandwidth), seconds in measured.items():
            predicted = predict_step(messages, compute, Gloo(latency, bandwidth), count).total
            errors.append(abs(predicted / seconds - 1))
            say(
                f"| {count} | {1000 * latency:g} | {bandwidth / 1e6:g} | {1000 * seconds:.0f} | {1000 * predicted:.0f} "
                f"| {predicted / seconds:.2f} |"
            )
    say(f"\nLargest error of a prediction: {max(errors):.0%}; mean: {statistics.mean(errors):.0%}")


def measure(network: SlowNetwork, flags: Sequence[str]) -> dict[tuple[float, float], float]:
    """The median seconds of a step with each kind of link: as it is, and slowed."""
    seconds: dict[tuple[float, float], list[float]] = {link: [] for link in (AS_IS, *LINKS)}
    with network.running(), training_processes(network, flags) as take_step:
        for _ in range(WARM_UP_STEPS):
            take_step()
        for _ in range(ROUNDS):
            for link, taken in seconds.items():
                network.latency, network.bandwidth = link
                taken.append(take_step())
    return {link: statistics.median(taken) for link, taken in seconds.items()}


@contextlib.contextmanager
def training_processes(network: SlowNetwork, flags: Sequence[str]) -> Iterator[Callable[[], float]]:
    """Start a process in every namespace; yield a function that takes a step, and returns its seconds."""
    shared = {"WORLD_SIZE": len(network.names), "MASTER_ADDR": network.address(0), "MASTER_PORT": PORT}
    shared |= {"GLOO_SOCKET_IFNAME": INTERFACE, "OMP_NUM_THREADS": 1, "TORCH_CPP_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", __name__, *flags]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = []
    try:
        for rank, name in enumerate(network.names):
            own = shared | {"RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": len(network.names)}
            environment = os.environ | {key: str(value) for key, value in own.items()}
            inside = ["ip", "netns", "exec", name, *command]
            processes.append(subprocess.Popen(inside, env=environment, **pipes))
        yield lambda: _take_step(processes)
    finally:
        for process in processes:
            process.stdin.close()  # its end
        for process in processes:
            process.wait()


def _take_step(processes: Sequence[subprocess.Popen]) -> float:
    """Let every process take a step; return the seconds of the slowest."""
    for process in processes:
        assert process.stdin is not None, "it is a pipe"
        process.stdin.write("\n")
        process.stdin.flush()
    lines = [process.stdout.readline() for process in processes if process.stdout is not None]
    if not all(lines):
        raise StoppedError("--check: a process has ended; its error is above")
    return max(map(float, lines))


@exit_statuses("scripts.benchmark.scaling_check")
def train(flags: Sequence[str]) -> None:
    """In a process of the check: take a step for each line of standard input, and print its seconds."""
    opt, world = training_options(flags), World.from_environment()
    torch.set_num_threads(1)
    torch.manual_seed(opt.seed)
    with world.joined(torch.device("cpu")):
        model = create_model(replace(opt, batch_size=opt.batch_size * world.size)).train()
        trainer = create_trainer(opt, create_method(opt, model), world)
        batch = make_batch(opt, first=world.rank * opt.batch_size)
        for _ in sys.stdin:
            start = time.perf_counter()
            trainer.step(batch)
            world.all_reduce_max(0)  # as after every batch of train.py
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    train(sys.argv[1:])
