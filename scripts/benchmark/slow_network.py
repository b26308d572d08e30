"""A network of slow links between processes of this machine: a namespace for each, joined by a switch in this process.

The switch delays every packet itself: the kernels of many virtual machines come without tc's netem.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from util.errors import InputError

TUN = Path("/dev/net/tun")
SET_INTERFACE, IS_TUN, WITHOUT_HEADER = 0x400454CA, 0x0001, 0x1000  # of linux/if_tun.h
PACKET_BYTES = 32000
"""Largest packet: few packets keep the switch fast."""
SETTINGS = ("net.ipv4.tcp_slow_start_after_idle=0", "net.ipv4.tcp_rmem=2097152 2097152 2097152")
"""A connection keeps its speed between the steps of a training, and has a window of about 1 MB: with a larger one,
packets wait so long on a slow link that they are sent again."""
INTERFACE = "spade"


class SlowNetwork:
    """`count` namespaces at addresses 10.77.0.1 onwards.

    Args:
        count: number of namespaces.

    Attributes:
        latency: seconds from one namespace to another, on top of the switch's own time.
        bandwidth: bytes per second that each namespace can send; may be changed at any time, like `latency`.
        names: of the namespaces, for `ip netns exec`.
    """

    def __init__(self, count: int):
        self.latency, self.bandwidth = 0.0, float("inf")
        self.names = [f"{INTERFACE}-{os.getpid()}-{number}" for number in range(count)]
        self._ends: list[int] = []
        self._ended = threading.Event()

    @staticmethod
    def address(number: int) -> str:
        return f"10.77.0.{number + 1}"

    @contextlib.contextmanager
    def running(self) -> Iterator[SlowNetwork]:
        """Set the network up for a block, and remove it afterwards.

        Raises:
            InputError: this needs root, and Linux with /dev/net/tun and the program ip.
        """
        try:
            with contextlib.ExitStack() as stack:
                for number, name in enumerate(self.names):
                    self._add(number, name, stack)
                switch = threading.Thread(target=self._switch, daemon=True)
                switch.start()
                stack.callback(switch.join)
                stack.callback(self._ended.set)
                yield self
        except (PermissionError, FileNotFoundError, subprocess.CalledProcessError) as error:
            reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
            raise InputError(f"--check: needs root on Linux, {TUN} and the program ip ({reason})") from error

    def _add(self, number: int, name: str, stack: contextlib.ExitStack) -> None:
        """Make a namespace with one interface, whose other end is a file of this process."""
        end = os.open(TUN, os.O_RDWR)
        stack.callback(os.close, end)
        device = f"{INTERFACE}{os.getpid()}x{number}"[-15:]
        fcntl.ioctl(end, SET_INTERFACE, struct.pack("16sH", device.encode(), IS_TUN | WITHOUT_HEADER))
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)
        _ip("link", "set", device, "netns", name, "name", INTERFACE)
        _ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", INTERFACE)
        _ip("-n", name, "link", "set", INTERFACE, "mtu", str(PACKET_BYTES), "txqueuelen", "10000", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        for setting in SETTINGS:
            _run("ip", "netns", "exec", name, "sysctl", "-q", "-w", setting)
        self._ends.append(end)

    def _switch(self) -> None:
        """Pass packets on, each when it is due."""
        waiting: list[tuple[float, int, int, bytes]] = []  # due, order, to, packet
        free = dict.fromkeys(self._ends, 0.0)  # when the link of a namespace has sent all before
        order = 0
        while not self._ended.is_set():
            patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.1
            ready, _, _ = select.select(self._ends, [], [], patience)
            for end in ready:
                packet = os.read(end, PACKET_BYTES)
                to = packet[19] - 1 if packet[0] >> 4 == 4 else len(self._ends)  # last byte of the IPv4 destination
                if to >= len(self._ends):
                    continue  # multicast, or IPv6, which nobody here speaks
                free[end] = max(free[end], time.monotonic()) + len(packet) / self.bandwidth
                order += 1
                heapq.heappush(waiting, (free[end] + self.latency, order, self._ends[to], packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, to, packet = heapq.heappop(waiting)
                os.write(to, packet)


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
