"""Processes that find each other, come late or never, or find another server or entries of an earlier start."""

import os
import socket
import socketserver
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist

from tests.worlds import ended, free_port, launcher_variables, start
from util.distributed import World
from util.errors import InputError
from util.rendezvous import Rendezvous

pytestmark = pytest.mark.system


def meet(seconds: int) -> tuple[str, float]:
    """A job: wait for the others; what comes of it, and after how many seconds."""
    os.environ["SPADE_MEETING_SECONDS"] = str(seconds)
    begin = time.monotonic()
    try:
        with World.from_environment().joined(torch.device("cpu")):
            torch.distributed.barrier()  # gloo takes one that leaves while another still connects for a crash
            return "all there", time.monotonic() - begin
    except InputError as error:
        return str(error), time.monotonic() - begin


def outcomes(size: int, *ranks: int, seconds: int = 2, **others: str) -> list[str]:
    """What the processes that are started, some of `size`, say of their rendezvous."""
    port = free_port()
    variables = [launcher_variables(rank, size, port) | others for rank in ranks]
    started = [start(meet, seconds, **each) for each in variables]
    found = []
    with ended(process for process, _ in started):
        for _, receiver in started:
            assert receiver.poll(60)
            result, trouble = receiver.recv()
            assert trouble is None, trouble
            found.append(result)
    assert all(took < seconds + 5 for _, took in found), found
    return [said for said, _ in found]


def test_processes_that_never_come_are_named_soon():
    (said,) = outcomes(3, 0)
    assert said.startswith("process 0 has waited 2 s for processes 1, 2 of 3 at 127.0.0.1:")
    (said,) = outcomes(2, 1)
    assert said.startswith("process 1 has waited 2 s for process 0 of 2 at 127.0.0.1:")
    first, second = outcomes(3, 0, 1)
    assert "for process 2 of 3" in first
    assert "for process 2 of 3" in second or "process 0 has left" in second


def test_a_place_where_nobody_can_meet_is_named():
    (said,) = outcomes(2, 1, MASTER_ADDR="no-such-host.invalid")
    assert said.startswith("MASTER_ADDR=no-such-host.invalid: ")
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (said,) = outcomes(2, 0, MASTER_PORT=port)
        assert said == f"MASTER_PORT={port}: Address already in use; choose another port"
    (said,) = outcomes(2, 0, MASTER_PORT="http")
    assert said.startswith("MASTER_PORT=http: must be a whole number, 1..65535")


def test_another_server_where_processes_should_meet_is_named():
    class Refusal(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        (said,) = outcomes(2, 1, MASTER_PORT=str(port))
        server.shutdown()
    assert said.startswith(f"MASTER_ADDR, MASTER_PORT: nothing to meet at on 127.0.0.1:{port} (")


def test_a_late_process_is_waited_for():
    port = free_port()
    process, receiver = start(meet, 60, **launcher_variables(0, 2, port))
    time.sleep(1)
    other, answer = start(meet, 60, **launcher_variables(1, 2, port))
    with ended([process, other]):
        assert [pipe.recv()[0][0] for pipe in (receiver, answer)] == ["all there"] * 2


@pytest.fixture
def agent(monkeypatch):
    """The store that torchrun keeps for all starts of a training."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return store


def meet_in_threads(ranks: Iterable[int], size: int) -> list[dist.Store | InputError]:
    """What each of some ranks of a start comes to, the first of them a moment before the next."""

    def arrive(place: int, rank: int) -> dist.Store | InputError:
        time.sleep(place * 0.01)
        try:
            return Rendezvous(rank, size, timedelta(seconds=5)).store()
        except InputError as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(arrive, *zip(*enumerate(ranks))))


EARLIER = [((1, 2), (0, 1, 2)), ((0, 2), (1, 2, 0)), ((0,), (2, 0, 1)), ((), (1, 0, 2))]
"""Ranks of a start that is lost before all are there, then those of the next start in the order in which they come."""


def test_entries_of_earlier_starts_count_for_nothing(agent, monkeypatch):
    """After a restart by torchrun, the store is the same; processes may have been lost at any moment before it."""
    for restart, (lost, order) in enumerate(EARLIER):
        monkeypatch.setenv("SPADE_MEETING_SECONDS", "1")
        assert all(isinstance(found, InputError) for found in meet_in_threads(lost, 3))
        monkeypatch.setenv("SPADE_MEETING_SECONDS", "30")
        stores = meet_in_threads(order, 3)
        assert not any(isinstance(found, InputError) for found in stores), stores
        stores[0].set("restart", str(restart))
        assert [store.get("restart") for store in stores] == [str(restart).encode()] * 3
