"""Ports on loopback."""

import socket

from segue.errors import SegueError

LOOPBACK = "127.0.0.1"
_TRIES = 200


def free_port(wanted: int, *, taken: frozenset[int] = frozenset()) -> int:
    """`wanted` if nothing listens there, else the next free port above it.

    Raises `SegueError` when there is none among the next 200.
    """
    for port in range(wanted, min(wanted + _TRIES, 65536)):
        if port not in taken and is_free(port):
            return port
    raise SegueError(f"no free port from {wanted} to {wanted + _TRIES - 1}")


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # On all interfaces: a server on any of them makes the port confusing to share.
            probe.bind(("", port))
        except OSError:
            return False
    return True
