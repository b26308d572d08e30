"""How the processes of a training find each other: a store of PyTorch's at MASTER_ADDR:MASTER_PORT."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import uuid
from datetime import timedelta

import torch.distributed as dist

from util import launcher
from util.errors import InputError

NOTICE_SECONDS = 15
"""After so long a process says for whom it waits. A host whose name is unknown until then will not come any more."""
PAUSE_SECONDS = 0.05
SHOWN = 8


class Meeting:
    """The meeting of the processes of one start.

    It waits in short steps, between which Python can answer Ctrl-C.

    Args:
        rank, size: this process, and how many must come.
        timeout: of the store, once all are there.
    """

    def __init__(self, rank: int, size: int, timeout: timedelta):
        self.rank, self.size, self.timeout = rank, size, timeout
        self.host, self.port = launcher.master()
        self.place = f"{self.host}:{self.port}"
        self.patience = launcher.meeting_seconds()
        self.notice = min(NOTICE_SECONDS, self.patience / 2)
        self.begin = time.monotonic()
        self._has_said = False

    def store(self) -> dist.Store:
        """Where the processes of this start, and of no earlier one, find each other's addresses.

        Raises:
            InputError: there is no such place, or some process does not come.
        """
        store, mine = self._connect(), uuid.uuid4().hex
        try:
            return dist.PrefixStore(self._name_of_start(store, mine), store)
        except dist.DistError:
            raise InputError(f"process 0 has left {self.place} before all {self.size} were there") from None

    def _connect(self) -> dist.TCPStore:
        """The store itself: torchrun has it, or else the first process."""
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
                # A host's name may become known when its machine starts. (One that can be none is a UnicodeError.)
                unknown = isinstance(error, (socket.gaierror, UnicodeError))
                if unknown and time.monotonic() - self.begin > self.notice:
                    reason = getattr(error, "strerror", None) or error
                    raise InputError(f"MASTER_ADDR={self.host}: {reason}; {launcher.START}; {launcher.ALONE}") from None
            self._wait_for([0])

    def _name_of_start(self, store: dist.Store, mine: str) -> str:
        """The name of this start, once all processes know it.

        After a restart torchrun hands out the same store, with the addresses of processes that are gone. Counters of
        restarts differ from machine to machine. So the first process makes up a name for this start, and tells it to
        those who show that they are there now.
        """
        others = range(1, self.size)
        while True:
            if self.rank == 0:
                present = [_look(store, f"here/{other}") for other in others]
                store.set("start", json.dumps([mine, present]))
                missing = [other for other in others if _look(store, f"heard/{other}") != mine]
                if not missing:
                    store.set("complete", mine)
                    return mine
            else:
                store.set(f"here/{self.rank}", mine)
                name, present = json.loads(_look(store, "start") or "[null, []]")
                missing = [0]
                if mine in present:
                    store.set(f"heard/{self.rank}", name)
                    missing = [other for other in others if present[other - 1] is None] or [0]
                    if _look(store, "complete") == name:
                        return name
            self._wait_for(missing)

    def _wait_for(self, missing: list[int]) -> None:
        """Wait a moment for processes; say once that they are missing, and raise an `InputError` in the end."""
        waited = time.monotonic() - self.begin
        shown = ", ".join(map(str, missing[:SHOWN])) + ", ..." * (len(missing) > SHOWN)
        who = f"process{'es' * (len(missing) > 1)} {shown} of {self.size}"
        if waited > self.notice and not self._has_said:
            self._has_said = True
            print(f"process {self.rank} waits for {who} at {self.place}", file=sys.stderr)
        if waited > self.patience:
            raise InputError(
                f"process {self.rank} has waited {self.patience} s for {who} at {self.place}: start all {self.size} "
                f"(torchrun on every machine), or wait longer (SPADE_MEETING_SECONDS); {launcher.ALONE}"
            )
        time.sleep(PAUSE_SECONDS)


def _look(store: dist.Store, key: str) -> str | None:
    """What a key holds at the moment."""
    return store.get(key).decode() if store.check([key]) else None
