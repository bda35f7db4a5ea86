"""A client that keeps asking while a server is renewed, as EHRs and proxies do it.

Three habits, each on threads of its own: connections that are kept open and busy, a new connection
for each request, and connections that are kept and used now and then. Kept connections are handled
as HTTP libraries do: one that the other side has closed is not used again; and if it closes one at
the very moment at which a request is sent on it, so that no byte of an answer comes, the request is
sent once more on a new connection. Everything else that goes wrong is a failure.
"""

from __future__ import annotations

import http.client
import json
import select
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

HOOK = "/cds-services/bone-density-imaging"
# No byte of an answer came: the request was not read, or it may be repeated all the same.
_CLOSED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Habit:
    """How one kind of client uses its connections."""

    name: str
    keeps: bool
    every_s: float
    clients: int


HABITS = (
    Habit("kept, busy", keeps=True, every_s=0.05, clients=3),
    Habit("new for each request", keeps=False, every_s=0.05, clients=2),
    # Longer than gunicorn keeps an idle connection of a worker that stops: it is found closed.
    Habit("kept, now and then", keeps=True, every_s=2.6, clients=2),
)


@dataclass(slots=True)
class SteadyLoad:
    """Asks one server for as long as its block lasts."""

    port: int
    body: bytes
    habits: tuple[Habit, ...] = HABITS
    host: str = "127.0.0.1"
    answered: Counter[str] = field(default_factory=Counter)
    reopened: Counter[str] = field(default_factory=Counter)
    """Kept connections that were found closed and opened anew; no request was on them."""
    raced: Counter[str] = field(default_factory=Counter)
    """Requests sent once more, since their kept connection was closed at that very moment."""
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> SteadyLoad:
        """Starts asking."""
        for habit in self.habits:
            for _ in range(habit.clients):
                thread = threading.Thread(target=self._client, args=(habit,))
                thread.start()
                self._threads.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends when every client has its last answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def requests(self) -> int:
        """How many were answered or failed so far."""
        return self.answered.total() + len(self.failures)

    def wait_for(self, more: int, seconds: float = 30) -> None:
        """Waits until so many more requests are through."""
        wanted, until = self.requests + more, time.monotonic() + seconds
        while self.requests < wanted:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.requests} of {wanted} requests")
            time.sleep(0.01)

    def _client(self, habit: Habit) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            if connection is not None and _was_closed(connection):
                connection.close()
                connection = None
                with self._lock:
                    self.reopened[habit.name] += 1
            began = time.monotonic()
            try:
                connection = self._ask(habit, connection)
                wrong = None
            except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
                wrong, connection = f"{type(error).__name__}: {error}", None
            took = time.monotonic() - began
            with self._lock:
                self.slowest_s = max(self.slowest_s, took)
                if wrong is None:
                    self.answered[habit.name] += 1
                else:
                    self.failures.append(f"{habit.name}, after {took:.3f} s: {wrong}")
            self._stop.wait(habit.every_s)
        if connection is not None:
            connection.close()

    def _ask(
        self, habit: Habit, kept: http.client.HTTPConnection | None
    ) -> http.client.HTTPConnection | None:
        """One request; gives back the connection when it can be used again."""
        if kept is not None:
            try:
                return self._ask_on(habit, kept)
            except _CLOSED:
                kept.close()
                with self._lock:
                    self.raced[habit.name] += 1
        return self._ask_on(habit, http.client.HTTPConnection(self.host, self.port, timeout=60))

    def _ask_on(
        self, habit: Habit, connection: http.client.HTTPConnection
    ) -> http.client.HTTPConnection | None:
        goes_on = False
        try:
            headers = _HEADERS if habit.keeps else {**_HEADERS, "Connection": "close"}
            connection.request("POST", HOOK, self.body, headers)
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise ValueError(f"status {response.status}: {content[:200]!r}")
            if not json.loads(content)["cards"]:
                raise ValueError("no card")
            goes_on = habit.keeps and not response.will_close
        finally:
            if not goes_on:
                connection.close()
        return connection if goes_on else None


def _was_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed a connection on which nothing is under way."""
    if connection.sock is None:
        return True
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)
