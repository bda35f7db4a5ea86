"""Decisions on their way to the store: a short queue and one thread, never in a hook's way."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic, sleep
from weakref import WeakSet

from cds_service.store import Decision, DecisionLog, StoreError
from cds_service.store.errors import Trouble

AT_MOST = 5000
"""Decisions that wait; at a few kilobytes each, memory that a process can spare."""
BATCH = 500
GATHER_S = 0.25
"""How long a batch is gathered: an answer is long sent by then, and many calls share a flush."""
RETRY_S = 1.0
PATIENCE_S = 3.0
"""How long the end of a process waits for what is still to be written."""

_BREATH_S = 0.05
_AT_MOST_ODD = 20

_log = logging.getLogger("cds_service.records")
_NOWHERE = frozenset({Trouble.NO_TABLES, Trouble.CANNOT_OPEN})
"""Nothing was set up: there is no use in trying again and again with what waits."""

_all_recorders: WeakSet[Recorder] = WeakSet()


def _after_fork() -> None:
    for recorder in tuple(_all_recorders):
        recorder.begin_afresh()


os.register_at_fork(after_in_child=_after_fork)


class Recorder:
    """Takes decisions at once and writes them later; safe to carry through a fork.

    The thread is started by the first decision of a process. What does not fit into the queue, or
    what the store refuses for what it is, is counted in `dropped`, logged once, and lost.
    """

    def __init__(
        self,
        log: DecisionLog,
        *,
        at_most: int = AT_MOST,
        gather_s: float = GATHER_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._decisions = log
        self._at_most = at_most
        self._gather_s = gather_s
        self._retry_s = retry_s
        self.trouble: str | None = None
        """Why nothing can be written now; None while it can."""
        self.dropped = 0
        self.written = 0
        self.begin_afresh()
        _all_recorders.add(self)

    def begin_afresh(self) -> None:
        """The state of a new process: nothing waits, no thread runs, no lock is held."""
        self._waiting: deque[Decision | Callable[[], Decision]] = deque()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._in_hand = 0

    def keep(self, make: Callable[[], Decision]) -> None:
        """Puts into the queue what makes a decision's row; never waits, never raises.

        The row is made by the thread: many one after the other cost less than each beside a call.
        """
        try:
            with self._lock:  # held for a few instructions only
                if len(self._waiting) >= self._at_most:
                    self._drop(1, "the queue is full")
                    return
                self._waiting.append(make)
                if self._thread is None:
                    self._start()
            if not self._wake.is_set():  # else the thread is yet to look, and finds this one too
                self._wake.set()
        except Exception as error:
            # A record is not worth an answer.
            self._drop(1, type(error).__name__)

    @property
    def waiting(self) -> int:
        """How many decisions wait to be written."""
        return len(self._waiting) + self._in_hand

    def flush(self, seconds: float = PATIENCE_S) -> bool:
        """Waits until nothing is left to write; False when that took too long."""
        if self._thread is None:
            return True
        self._hurry.set()
        self._wake.set()
        until = monotonic() + seconds
        with self._idle:
            while self._waiting or self._in_hand:
                left = until - monotonic()
                if left <= 0 or not self._thread.is_alive():
                    return False
                self._idle.wait(left)
        self._hurry.clear()
        return True

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._write_forever, name="recorder", daemon=True)
        self._thread.start()
        atexit.register(self._at_exit)

    def _at_exit(self) -> None:
        if not self.flush():
            left = len(self._waiting) + self._in_hand
            _log.error("decisions that could not be written before the end: %d", left)

    def _write_forever(self) -> None:
        while True:
            self._wake.wait()
            if len(self._waiting) < BATCH:  # what came during the last flush is gathered as well
                self._hurry.wait(self._gather_s)
            self._wake.clear()
            batch = self._take()
            left = self._write(batch) if batch else []
            with self._idle:
                self._in_hand = 0
                self._waiting.extendleft(reversed(left))
                if self._waiting:
                    self._wake.set()
                else:
                    self._idle.notify_all()
            if left:
                self._make_rows()
                self._hurry.wait(self._retry_s)
                sleep(_BREATH_S)  # at the end of the process too, do not hammer the store

    def _take(self) -> list[Decision]:
        with self._lock:
            taken = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._in_hand = len(taken)
        return self._made(taken)

    def _make_rows(self) -> None:
        """While nothing can be written, rows wait: they are smaller than what they are made of."""
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
            self._in_hand = len(waiting)
        rows = self._made(waiting)
        with self._lock:
            self._in_hand = 0
            self._waiting.extendleft(reversed(rows))

    def _made(self, makers: Iterable[Decision | Callable[[], Decision]]) -> list[Decision]:
        rows = []
        for make in makers:
            try:
                rows.append(make if isinstance(make, Decision) else make())
            except Exception as error:  # its text might hold values of the patient
                self._drop(1, type(error).__name__)
        return rows

    def _write(self, batch: list[Decision]) -> list[Decision]:
        """Writes a batch and gives back what is to be tried again."""
        try:
            self._decisions.add(batch)
        except StoreError as error:
            if error.trouble is Trouble.OTHER and self._writes_others(batch, error.reason):
                return []
            if self.trouble is None:
                _log.error("decisions cannot be written: %s; hooks are answered", error.reason)
            self.trouble = error.reason
            if error.trouble not in _NOWHERE:
                return batch
            self._drop(len(batch), error.reason)
        except Exception as error:
            if not self._writes_others(batch, type(error).__name__):
                self._drop(len(batch), type(error).__name__)
        else:
            self._note_written(len(batch))
        return []

    def _writes_others(self, batch: list[Decision], why: str) -> bool:
        """Writes the rows of a refused batch one by one; False when not even one is taken.

        A row that the store does not take is lost, and neither holds up nor takes along others.
        """
        refused = 0
        for tried, one in enumerate(batch):
            try:
                self._decisions.add([one])
            except Exception:
                refused += 1
            else:
                self._note_written(1)
            if refused > tried and tried >= _AT_MOST_ODD:
                return False  # so many in front: it is not the rows
        if refused < len(batch):
            self._drop(refused, why)
        return refused < len(batch)

    def _note_written(self, count: int) -> None:
        self.written += count
        if self.trouble is not None:
            _log.warning("decisions are written again; lost meanwhile: %d", self.dropped)
        self.trouble = None

    def _drop(self, count: int, why: str) -> None:
        if self.dropped == 0:
            _log.error("decisions are lost: %s; hooks are answered", why)
        self.dropped += count
