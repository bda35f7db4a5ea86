"""Names to addresses, in time: the system's resolver knows no deadline of its own."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from cds_service.egress.deadline import Deadline
from cds_service.egress.errors import Failed

MAX_LOOKUPS = 32
"""Look-ups under way at the same time; a resolver that hangs can hold up no more."""
MAX_LOOKUPS_OF_ONE = 4
"""Of one name: one whose servers hang leaves the rest to the others."""
SHARED_S = 0.5
"""So long a look-up serves those who ask the same meanwhile; later ones start another."""

Lookup = Callable[..., list[tuple[Any, ...]]]
Found = tuple[int, tuple[Any, ...]]
"""Address family and socket address."""


@dataclass(frozen=True, slots=True, eq=False)
class _UnderWay:
    """A look-up that has not ended: when it began, and what it will find."""

    began: float = field(default_factory=time.monotonic)
    found: Future[list[Found]] = field(default_factory=Future)


class Resolver:
    """Looks names up in threads that may be left behind."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], list[_UnderWay]] = {}

    def addresses(self, host: str, port: int, deadline: Deadline) -> list[Found]:
        """All addresses of a host, asked for once; raises Failed."""
        literal = _literal(host, port)
        if literal is not None:
            return [literal]
        try:
            found = self._asked(host, port).result(deadline.remaining_s())
        except TimeoutError:
            raise Failed("timed out") from None
        if not found:
            raise Failed("name not resolved")
        return found

    def _asked(self, host: str, port: int) -> Future[list[Found]]:
        """What a look-up will find: one that has just begun, else a new one."""
        with self._lock:
            same = self._under_way.get((host, port), [])
            if same and (
                len(same) >= MAX_LOOKUPS_OF_ONE or time.monotonic() - same[-1].began < SHARED_S
            ):
                return same[-1].found
            if sum(map(len, self._under_way.values())) >= MAX_LOOKUPS:
                raise Failed("name not resolved")
            new = _UnderWay()
            thread = threading.Thread(target=self._look_up, args=(host, port, new), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads
                raise Failed("name not resolved") from None
            self._under_way[host, port] = [*same, new]
        return new.found

    def _look_up(self, host: str, port: int, own: _UnderWay) -> None:
        found: list[Found] = []
        try:
            for family, _, _, _, address in self._lookup(host, port, type=socket.SOCK_STREAM):
                found.append((family, address))
        except Exception:  # whatever it is: a name half looked up is a name not resolved
            found = []
        finally:
            with self._lock:
                self._under_way[host, port].remove(own)
                if not self._under_way[host, port]:
                    del self._under_way[host, port]
            own.found.set_result(list(dict.fromkeys(found)))


def _literal(host: str, port: int) -> Found | None:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    if version == 4:
        return socket.AF_INET, (host, port)
    return socket.AF_INET6, (host, port, 0, 0)
