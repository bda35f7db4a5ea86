"""What one client may take of a process: so many calls at a time, so many in a minute."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from time import monotonic

from cds_service.registry import Client
from cds_service.web.refusals import TooMany

_MINUTE_S = 60.0
_UNCOUNTED = nullcontext()


@dataclass(slots=True)
class _Share:
    """What a client has taken: calls under way, and what is left of its minute."""

    under_way: int = 0
    left: float | None = None
    counted_at: float = 0.0


class Shares:
    """The shares of all clients in one process; a client without a limit is not counted."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._shares: dict[str, _Share] = {}
        self._lock = threading.Lock()

    def call(self, client: Client) -> AbstractContextManager[None]:
        """One call of a client; entering raises TooMany with the seconds until the next."""
        if client.max_concurrent_calls is None and client.max_calls_per_minute is None:
            return _UNCOUNTED
        return self._counted(client)

    @contextmanager
    def _counted(self, client: Client) -> Iterator[None]:
        with self._lock:
            share = self._shares.setdefault(client.name, _Share())
            self._take(share, client)
        try:
            yield
        finally:
            with self._lock:
                share.under_way -= 1

    def _take(self, share: _Share, client: Client) -> None:
        at_once, per_minute = client.max_concurrent_calls, client.max_calls_per_minute
        if at_once is not None and share.under_way >= at_once:
            raise TooMany(1)
        if per_minute is not None:
            now = self._clock()
            known = per_minute if share.left is None else share.left
            refilled = known + (now - share.counted_at) * per_minute / _MINUTE_S
            share.left, share.counted_at = min(float(per_minute), refilled), now
            if share.left < 1:
                raise TooMany(math.ceil((1 - share.left) * _MINUTE_S / per_minute))
            share.left -= 1
        share.under_way += 1
