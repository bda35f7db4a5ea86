"""How many calls are under way at the same time; one too many is turned away at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cds_service.web.refusals import Overloaded


class Admission:
    """Counts the calls of one process.

    With many threads a few are kept free, so that a call that is turned away need not wait for the
    others; with few threads a queue is shorter than a second try.
    """

    def __init__(self, threads: int) -> None:
        kept_free = max(2, threads // 8) if threads >= 16 else 0
        self._free = threading.Semaphore(threads - kept_free)

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call; raises Overloaded."""
        if not self._free.acquire(blocking=False):
            raise Overloaded
        try:
            yield
        finally:
            self._free.release()
