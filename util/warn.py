"""Warnings that a person reads once, however many processes and data sets come across the same thing."""

import sys

import torch.distributed as dist

_said: set[str] = set()


def is_main_process() -> bool:
    """Whether this is the process that talks: the first of those that train together, or the only one."""
    return not dist.is_initialized() or dist.get_rank() == 0


def warn_once(message: str) -> None:
    """Print a line "warning: ..." on stderr, the first time that it is said, by the main process alone."""
    if message in _said:
        return
    _said.add(message)
    if is_main_process():
        line = message.replace("\n", "\\n").replace("\r", "\\r")  # names of files may hold line breaks
        print(f"warning: {line}", file=sys.stderr, flush=True)
