"""One lane per server: no server holds up more than its share, a failing one is left alone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from cds_service.egress.errors import Busy

WINDOW_S = 10.0
FEWEST_CALLS = 10
FAILED_PART = 0.5
PAUSE_S = 5.0
PROBES = 3
MAX_LANES = 256

_FULL = "too many calls to this server are under way"
CIRCUIT_OPEN = "this server has been failing"


@dataclass(slots=True)
class _Lane:
    """What is known of one server; `paused_until` is None while calls go through."""

    busy: int = 0
    results: deque[tuple[float, bool]] = field(default_factory=deque)
    paused_until: float | None = None
    probing: bool = False
    probes: int = 0
    openings: int = 0


class Permit:
    """Leave for one call to a server, to be used with `with`."""

    def __init__(self, lanes: Lanes, key: str, is_probe: bool, openings: int) -> None:
        self._lanes, self._key, self._is_probe = lanes, key, is_probe
        self._openings = openings
        self._result: bool | None = None

    def report(self, ok: bool) -> None:
        """Says whether the server did its part; the last word counts."""
        self._result = ok

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ok = self._result if self._result is not None else kind is None
        self._lanes._leave(self._key, ok, self._is_probe, self._openings)


class Lanes:
    """The lanes of one process: a bulkhead and a circuit breaker for each server.

    A lane opens its circuit when at least half of at least ten calls within ten seconds failed.
    After a pause one call at a time tries the server; three successes in a row close it again.
    `max_calls` is the most that one server gets, `slots` what all of them get together.
    """

    def __init__(
        self, *, max_calls: int, slots: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_calls = max_calls
        self._free = slots
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()

    def enter(self, key: str) -> Permit:
        """Leave for one call; raises Busy at once when there is none."""
        with self._lock:
            lane = self._lanes.pop(key, None) or _Lane()
            self._forget()
            self._lanes[key] = lane  # the last used is the last to be forgotten
            is_probe = lane.paused_until is not None
            if lane.paused_until is not None and (
                lane.probing or self._clock() < lane.paused_until
            ):
                raise Busy(CIRCUIT_OPEN)
            # Several servers may hang at once. One that did not do its part, or has not yet, gets
            # half of what is free: then something is left, however many they are.
            is_well = bool(lane.results) and lane.results[-1][1]
            share = self._max_calls if is_well else self._free // 2
            if lane.busy >= min(self._max_calls, share):
                raise Busy(_FULL)
            lane.busy += 1
            self._free -= 1
            lane.probing = is_probe
        return Permit(self, key, is_probe, lane.openings)

    @property
    def open_circuits(self) -> int:
        """How many servers are being left alone for a while."""
        with self._lock:
            return sum(lane.paused_until is not None for lane in self._lanes.values())

    def _leave(self, key: str, ok: bool, is_probe: bool, openings: int) -> None:
        with self._lock:
            lane = self._lanes[key]
            lane.busy -= 1
            self._free += 1
            now = self._clock()
            if is_probe:
                lane.probing = False
                lane.probes = lane.probes + 1 if ok else 0
                if not ok:
                    lane.paused_until = now + PAUSE_S
                elif lane.probes >= PROBES:
                    self._lanes[key] = _Lane(busy=lane.busy, openings=lane.openings)
                return
            if openings != lane.openings:
                return  # began before the circuit opened
            lane.results.append((now, ok))
            while lane.results[0][0] < now - WINDOW_S:
                lane.results.popleft()
            failed = sum(not one for _, one in lane.results)
            if len(lane.results) >= FEWEST_CALLS and failed >= FAILED_PART * len(lane.results):
                lane.paused_until = now + PAUSE_S
                lane.probes = 0
                lane.openings += 1
                lane.results.clear()

    def _forget(self) -> None:
        """Drops what was not used for longest, unless calls are under way there."""
        while len(self._lanes) >= MAX_LANES:
            idle = next((key for key, lane in self._lanes.items() if not lane.busy), None)
            if idle is None:
                return
            del self._lanes[idle]
