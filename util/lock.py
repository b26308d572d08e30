"""A lock that allows one training at a time per run folder."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

from util.errors import InputError


class RunLock:
    """Locks `run_dir` within a `with` block. The system releases the lock when the process ends in any way.

    The lock file lies beside the folder, because the folder may be moved.

    Raises:
        InputError: another process holds the lock; the message says which.
    """

    def __init__(self, run_dir: Path):
        self.run_dir = Path(run_dir)
        self.path = self.run_dir.with_name(f".{self.run_dir.name}.lock")
        self._file: TextIO | None = None

    def __enter__(self) -> RunLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+", encoding="utf-8")
        try:
            # Not flock, which child processes inherit: data workers outlive a killed training for a moment.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise InputError(
                f"--name {self.run_dir.name}: {holder} is training in {self.run_dir}; wait until it has ended, end it, "
                f"or choose another --name"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self._file = file
        return self

    def wait_until_free(self) -> None:
        """Return when no other process holds the lock; say once whom this waits for."""
        if not self.path.exists():
            return
        try:
            with self:
                return
        except InputError:
            print(
                f"waiting for {self.path.read_text(encoding='utf-8').strip()}, which trains in {self.run_dir}",
                flush=True,
            )
        with self.path.open("a+", encoding="utf-8") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)  # released when the file is closed

    def __exit__(self, *exception: object) -> None:
        if self._file:
            self._file.close()  # the file stays: after removal, two processes could lock two files of one name
