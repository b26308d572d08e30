"""Several processes on this machine that train together, started fast: forked from a server that has torch loaded."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

PATIENCE_SECONDS = 300
context = multiprocessing.get_context("forkserver")
# The last two are imported late by what trains, and would take most of the time of a short training.
context.set_forkserver_preload(["train", "test", "evaluate", "tests.worlds", "torch._dynamo", "torchvision"])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def launcher_variables(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun tells a process."""
    values = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    return {name: str(value) for name, value in values.items()} | {"MASTER_ADDR": "127.0.0.1"}


def start(job: Callable, *args: Any, context=context, **variables: str) -> tuple[Any, Any]:
    """Start `job(*args)` in a process; return it, and the end of a pipe from which its result or traceback comes."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, job, args, variables))
    process.start()
    sender.close()
    return process, receiver


def run_together(size: int, job: Callable, *args: Any, context=context) -> list[Any]:
    """Results of `job(*args)` in `size` processes that find each other as under torchrun, by rank."""
    port = free_port()
    started = [start(job, *args, context=context, **launcher_variables(rank, size, port)) for rank in range(size)]
    with ended(process for process, _ in started):
        results = []
        for rank, (_, receiver) in enumerate(started):
            assert receiver.poll(PATIENCE_SECONDS), f"rank {rank} of {size} has nothing to say"
            result, trouble = receiver.recv()
            assert trouble is None, f"rank {rank} of {size}:\n{trouble}"
            results.append(result)
    return results


@contextlib.contextmanager
def ended(processes) -> Iterator[None]:
    """Whatever happens in the block, the processes are gone after it."""
    processes = list(processes)
    try:
        yield
        for process in processes:
            process.join(PATIENCE_SECONDS)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()


def _run(sender, job, args, variables) -> None:
    import torch

    torch.set_num_threads(1)
    os.environ |= variables
    try:
        sender.send((job(*args), None))
    except BaseException:  # whatever it was, the test wants to see it
        sender.send((None, traceback.format_exc()))
