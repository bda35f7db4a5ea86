"""How many calls are under way at the same time; one too many is turned away at once."""

from __future__ import annotations

import threading

from cds_service.web.refusals import Overloaded


class Admission:
    """Counts the calls of one process: a context in which one call is under way.

    With many threads a few are kept free, so that a call that is turned away need not wait for the
    others; with few threads a queue is shorter than a second try. Entering raises Overloaded.
    """

    def __init__(self, threads: int) -> None:
        kept_free = max(2, threads // 8) if threads >= 16 else 0
        self._free = threads - kept_free
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free == 0:
                raise Overloaded
            self._free -= 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._free += 1
