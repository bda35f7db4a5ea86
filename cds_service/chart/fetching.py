"""Reads several keys from one FHIR server at the same time, and stops when time is up."""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import field

from cds_service.chart.access import Got, Reader, document_of
from cds_service.chart.wanted import Wanted
from cds_service.egress import Deadline
from cds_service.values import dataclass

MAX_AT_ONCE = 8
"""GETs of one call that run at the same time."""
_IN_HAND_S = 0.05
"""Of the time that is kept for the answer, what a small chart may count on."""
MAX_BYTES = 8 * 1024 * 1024
"""What one call reads in all; more is left unread, and named."""
_BYTES_PER_SECOND = 5e6
"""How fast an answer is parsed, looked through and judged, cautiously: what would not be done in
time is not begun."""


@dataclass(slots=True)
class Fetching:
    """The reads of one call.

    Threads only wait for the network; what they bring is read here, in the calling thread, so that
    a large answer cannot hold up the call past its deadline.
    """

    reader: Reader
    had_trouble: bool = False
    _waiting: deque[tuple[Wanted, str]] = field(default_factory=deque)
    _running: int = 0
    _bytes: int = 0
    _done: queue.SimpleQueue[tuple[Wanted, str, Got | Exception]] = field(
        default_factory=queue.SimpleQueue
    )

    def run(self, wanted: list[Wanted]) -> None:
        """Reads all that is wanted, or what of it can be read before the deadline."""
        self._waiting.extend((one, one.url) for one in wanted if one.refused is None)
        while True:
            self._start()
            if not self._running:
                return
            try:
                one, url, got = self._done.get(timeout=self._deadline.remaining_s())
            except queue.Empty:
                self._waiting.clear()
                self.had_trouble = True
                return
            self._running -= 1
            if isinstance(got, Exception):
                raise got
            self._take(one, url, got)

    @property
    def _deadline(self) -> Deadline:
        return self.reader.access.deadline

    def _start(self) -> None:
        while self._waiting and self._running < MAX_AT_ONCE:
            one, url = self._waiting.popleft()
            threading.Thread(target=self._get, args=(one, url), daemon=True).start()
            self._running += 1

    def _get(self, one: Wanted, url: str) -> None:
        try:
            self._done.put((one, url, self.reader.get(url)))
        except Exception as error:
            self._done.put((one, url, error))

    def _take(self, one: Wanted, url: str, got: Got) -> None:
        self.had_trouble = self.had_trouble or got.is_trouble
        if got.reply is None:
            one.reason = got.reason
            return
        self._bytes += len(got.reply.body)
        if self._bytes > MAX_BYTES:
            one.reason = "too much data"
            return
        if self._bytes / _BYTES_PER_SECOND > self._deadline.remaining_s() + _IN_HAND_S:
            one.reason = "too much data"
            return
        document, one.reason = document_of(got.reply)
        if document is not None:
            following = one.take(document, url, self.reader.base)
            if following is not None:
                self._waiting.append((one, following))
