"""Rendezvous of the processes of a training: a torch.distributed store at MASTER_ADDR:MASTER_PORT."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import uuid
from datetime import timedelta
from typing import Any

import torch.distributed as dist

from util import launcher
from util.errors import InputError

NOTICE_SECONDS = 15
"""After this time a process prints which ones it waits for, and an unknown host name is an error."""
PAUSE_SECONDS = 0.05
SHOWN = 8


class Rendezvous:
    """The rendezvous of the processes of one launch. It waits in short steps, so that Python can handle Ctrl-C.

    Args:
        rank, size: rank of this process, and number of processes.
        timeout: of store operations, once all processes are there.
    """

    def __init__(self, rank: int, size: int, timeout: timedelta):
        self.rank, self.size, self.timeout = rank, size, timeout
        self.host, self.port = launcher.master()
        self.place = f"{self.host}:{self.port}"
        self.patience = launcher.meeting_seconds()
        self.begin, self.notice = time.monotonic(), min(NOTICE_SECONDS, self.patience / 2)

    def store(self) -> dist.Store:
        """Return a store that only the processes of this launch use, not those of an earlier one.

        Raises:
            InputError: the store cannot be reached, or a process does not come.
        """
        store = self._connect()
        try:
            return dist.PrefixStore(self._agree_on_name(store), store)
        except dist.DistError:
            raise InputError(f"process 0 has left {self.place} before all {self.size} were there") from None

    def _connect(self) -> dist.TCPStore:
        """Connect to the store; torchrun hosts it, or else process 0."""
        is_host = self.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        self._check_port() if is_host else self._wait_for_host()
        settings = {"is_master": is_host, "wait_for_workers": False, "multi_tenant": True}
        try:
            store = dist.TCPStore(
                "localhost" if is_host else self.host, self.port, timeout=timedelta(seconds=self.patience), **settings
            )
            store.set_timeout(self.timeout)
            return store
        except dist.DistError as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"MASTER_ADDR, MASTER_PORT: nothing to meet at on {self.place} ({reason})") from None

    def _check_port(self) -> None:
        try:
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the store does
                listener.bind(("", self.port))
        except OSError as error:
            raise InputError(f"MASTER_PORT={self.port}: {error.strerror}; choose another port") from None

    def _wait_for_host(self) -> None:
        while True:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except (OSError, UnicodeError) as error:
                # A host name may become known when its machine starts. (UnicodeError: not a valid name.)
                unknown = isinstance(error, (socket.gaierror, UnicodeError))
                if unknown and time.monotonic() - self.begin > self.notice:
                    reason = getattr(error, "strerror", None) or error
                    raise InputError(f"MASTER_ADDR={self.host}: {reason}; {launcher.START}; {launcher.ALONE}") from None
            self._wait_for([0])

    def _agree_on_name(self, store: dist.Store) -> str:
        """Return the name of this launch, once every process has read it from process 0.

        After a restart, torchrun provides the same store with the entries of processes that are gone, and its restart
        counters differ between machines. So process 0 draws a random name, each other process answers with a random
        token and the name it has read, and process 0 lists the tokens that came with this name. Entries of an earlier
        launch hold another name or token and are ignored.
        """
        mine, others = uuid.uuid4().hex, range(1, self.size)
        while True:
            if self.rank == 0:
                name, answers = mine, [_read(store, f"answer/{other}") or (None, None) for other in others]
                tokens = [token if heard == name else None for token, heard in answers]
                store.set("start", json.dumps([name, tokens]))
            else:
                name, tokens = _read(store, "start") or ("", [])
                store.set(f"answer/{self.rank}", json.dumps([mine, name]))
            is_listed = self.rank == 0 or mine in tokens
            missing = [other for other, token in zip(others, tokens) if token is None] if is_listed else [0]
            if not missing:
                return name
            self._wait_for(missing)

    def _wait_for(self, missing: list[int]) -> None:
        """Wait a moment for processes; print once which are missing, and raise an `InputError` after the time limit."""
        waited = time.monotonic() - self.begin
        shown = ", ".join(map(str, missing[:SHOWN])) + ", ..." * (len(missing) > SHOWN)
        who = f"process{'es' * (len(missing) > 1)} {shown} of {self.size}"
        if waited > self.patience:
            raise InputError(
                f"process {self.rank} has waited {self.patience} s for {who} at {self.place}: start all {self.size} "
                f"(torchrun on every machine), or wait longer (SPADE_MEETING_SECONDS); {launcher.ALONE}"
            )
        if waited > self.notice:
            self.notice = self.patience  # print it once
            print(f"process {self.rank} waits for {who} at {self.place}", file=sys.stderr)
        time.sleep(PAUSE_SECONDS)


def _read(store: dist.Store, key: str) -> Any:
    """The current value of a key; None if it is not set."""
    return json.loads(store.get(key)) if store.check([key]) else None
