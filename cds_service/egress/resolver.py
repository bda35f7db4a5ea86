"""Names to addresses, in time: the system's resolver knows no deadline of its own."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

from cds_service.egress.deadline import Deadline
from cds_service.egress.errors import Failed

MAX_LOOKUPS = 32
"""Look-ups under way at the same time; a resolver that hangs can hold up no more."""

Lookup = Callable[..., list[tuple[Any, ...]]]
Found = tuple[int, tuple[Any, ...]]
"""Address family and socket address."""


class Resolver:
    """Looks names up in threads that may be left behind."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._free = threading.Semaphore(MAX_LOOKUPS)

    def addresses(self, host: str, port: int, deadline: Deadline) -> list[Found]:
        """All addresses of a host, asked for once; raises Failed."""
        literal = _literal(host, port)
        if literal is not None:
            return [literal]
        if not self._free.acquire(blocking=False):
            raise Failed("name not resolved")
        answers: queue.SimpleQueue[list[Found]] = queue.SimpleQueue()
        thread = threading.Thread(target=self._look_up, args=(host, port, answers), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            self._free.release()
            raise Failed("name not resolved") from None
        try:
            found = answers.get(timeout=deadline.remaining_s())
        except queue.Empty:
            raise Failed("timed out") from None
        if not found:
            raise Failed("name not resolved")
        return found

    def _look_up(self, host: str, port: int, answers: queue.SimpleQueue[list[Found]]) -> None:
        found: list[Found] = []
        try:
            for family, _, _, _, address in self._lookup(host, port, type=socket.SOCK_STREAM):
                found.append((family, address))
        except Exception:  # whatever it is: a name half looked up is a name not resolved
            found = []
        finally:
            self._free.release()
            answers.put(list(dict.fromkeys(found)))


def _literal(host: str, port: int) -> Found | None:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    if version == 4:
        return socket.AF_INET, (host, port)
    return socket.AF_INET6, (host, port, 0, 0)
