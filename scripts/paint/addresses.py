"""Where a server listens, and under which addresses it is reached. Standard library alone."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket

from util.errors import InputError

MOST_WAITING = 512
"""Connections that the system accepts before the program does."""
ELSEWHERE = ("192.0.2.1", 9)
"""An address that no machine has (RFC 5737)."""


def listen(host: str, port: int) -> tuple[socket.socket, bool]:
    """A socket that listens at an address, and whether only this machine reaches it. Raises `InputError`."""
    blamed = InputError(f"--host {host}: no address of this machine; 127.0.0.1 is for this machine alone")
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        listener = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise blamed from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(MOST_WAITING)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise blamed from None
        raise InputError(
            f"--port {port}: cannot listen at {host} ({error.strerror}); end the program that uses this port, or give "
            f"another one, such as --port {port + 1 if port < 65535 else 8000}"
        ) from None
    return listener, _ip_of(listener).is_loopback


def is_unspecified(listener: socket.socket) -> bool:
    """Whether a socket listens at all addresses of this machine."""
    return _ip_of(listener).is_unspecified


def public_names(host: str, listener: socket.socket) -> list[str]:
    """Names for addresses of the page that other machines can use: `host`, or for all addresses that of the machine.

    If it is known, an IP address of this machine follows, because not every network knows the names of its machines.
    """
    if not is_unspecified(listener):
        return [f"[{host}]" if ":" in host else host]
    names = [socket.gethostname()]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(ELSEWHERE)  # sends nothing, but looks up from which address it would be sent
        names.append(probe.getsockname()[0])
    return names


def _ip_of(listener: socket.socket) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(str(listener.getsockname()[0]).partition("%")[0])
