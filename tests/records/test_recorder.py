"""The recorder: later, in batches, never in the way, whatever happens to store and process."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from cds_service.records import Recorder
from cds_service.store import Database, Decision, DecisionLog, StoreError
from cds_service.store.errors import Trouble

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def decision(number: int) -> Decision:
    """A decision without orders."""
    return Decision(
        id=f"d-{number}",
        at=NOW,
        service="s",
        hook="order-select",
        ruleset="1",
        knowledge="k",
        client="c",
        mode="live",
        patient="p",
        latency_ms=1.0,
    )


class Log:
    """A log that fails as it is told, and knows what came."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.batches: list[list[str]] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def add(self, decisions: Iterable[Decision]) -> None:
        """Takes a batch, or fails."""
        self.may_go.wait()
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.batches.append([one.id for one in decisions])

    @property
    def ids(self) -> list[str]:
        """Everything that came, in its order."""
        return [one for batch in self.batches for one in batch]


@pytest.fixture
def make() -> Callable[..., Any]:
    """A recorder around a log."""

    def made(log: Any, **options: Any) -> Recorder:
        return Recorder(log, **{"gather_s": 0.02, "retry_s": 0.01, **options})

    return made


def keep(recorder: Recorder, *numbers: int) -> None:
    """Hands decisions over."""
    for number in numbers:
        recorder.keep(lambda number=number: decision(number))  # type: ignore[misc]


def test_in_batches_and_in_order(make: Callable[..., Recorder]) -> None:
    """Many calls share few transactions; none is lost, and their order stays."""
    log = Log()
    recorder = make(log)
    keep(recorder, *range(350))
    assert recorder.flush()
    assert log.ids == [f"d-{number}" for number in range(350)]
    assert len(log.batches) <= 8
    assert (recorder.written, recorder.dropped) == (350, 0)
    assert make(Log()).flush()  # nothing was ever kept there


@pytest.mark.parametrize(
    ("error", "written", "dropped"),
    [
        (StoreError(Trouble.FULL), [f"d-{n}" for n in range(6)], 0),
        (StoreError(Trouble.LOCKED), [f"d-{n}" for n in range(6)], 0),
        (StoreError(Trouble.NO_TABLES), ["d-3", "d-4", "d-5"], 3),
        (StoreError(Trouble.CANNOT_OPEN), ["d-3", "d-4", "d-5"], 3),
        (StoreError(Trouble.OTHER), [f"d-{n}" for n in range(6)], 0),
    ],
)
def test_store_that_fails(
    make: Callable[..., Recorder],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    written: list[str],
    dropped: int,
) -> None:
    """It is tried again as long as there is hope; what is lost is counted, and told once."""
    log = Log(error, *[error] * 7 * (dropped == 0))
    recorder = make(log)
    with caplog.at_level(logging.WARNING):
        keep(recorder, 0, 1, 2)
        assert recorder.flush()
        keep(recorder, 3, 4, 5)
        assert recorder.flush()
    assert log.ids == written
    assert (recorder.dropped, recorder.trouble) == (dropped, None)
    assert 1 <= len([one for one in caplog.records if one.levelno == logging.ERROR]) <= 2
    assert "canary" not in caplog.text


class Picky(Log):
    """A log that does not take some rows, whatever comes with them."""

    def __init__(self, error: Exception, *odd: int) -> None:
        super().__init__()
        self._error, self._odd = error, {f"d-{number}" for number in odd}

    def add(self, decisions: Iterable[Decision]) -> None:
        """Takes a batch of other rows."""
        batch = list(decisions)
        if any(one.id in self._odd for one in batch):
            raise self._error
        super().add(batch)


@pytest.mark.parametrize("error", [StoreError(Trouble.OTHER), ValueError("canary")])
@pytest.mark.parametrize("odd", [(0,), (2,), (4,), (0, 1, 3)])
def test_rows_that_are_not_taken(
    make: Callable[..., Recorder],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    odd: tuple[int, ...],
) -> None:
    """They are lost alone, counted, and told; the others are written in their order."""
    log = Picky(error, *odd)
    recorder = make(log, gather_s=0.2)
    keep(recorder, 0, 1, 2, 3, 4)
    assert recorder.flush()
    assert log.ids == [f"d-{n}" for n in range(5) if n not in odd]
    assert (recorder.written, recorder.dropped) == (5 - len(odd), len(odd))
    assert recorder.trouble is None
    assert caplog.text.count("decisions are lost") == 1
    assert "canary" not in caplog.text


def test_none_is_taken(make: Callable[..., Recorder]) -> None:
    """A fault that every row meets is not looked for in each of them."""
    log = Picky(ValueError("canary"), *range(300))
    recorder = make(log, gather_s=0.2)
    keep(recorder, *range(300))
    assert recorder.flush()
    assert (recorder.written, recorder.dropped) == (0, 300)


def test_a_full_queue(make: Callable[..., Recorder], caplog: pytest.LogCaptureFixture) -> None:
    """What does not fit is dropped at once and counted; memory stays bounded."""
    log = Log()
    log.may_go.clear()
    recorder = make(log, at_most=10)
    began = time.perf_counter()
    keep(recorder, *range(500))
    assert time.perf_counter() - began < 1
    log.may_go.set()
    assert recorder.flush()
    assert recorder.written + recorder.dropped == 500
    assert 10 <= recorder.written <= 120
    assert caplog.text.count("decisions are lost") == 1


def test_a_decision_that_cannot_be_made(make: Callable[..., Recorder]) -> None:
    """A mistake of ours costs a record, not an answer."""
    recorder = make(Log())

    def fail() -> Decision:
        raise KeyError("canary")

    recorder.keep(fail)
    keep(recorder, 1)
    assert recorder.flush()
    assert (recorder.dropped, recorder.written) == (1, 1)


def test_in_trouble_rows_wait(make: Callable[..., Recorder]) -> None:
    """While the store is down, what waits holds no more than rows, in their order."""
    made: list[int] = []

    def row(number: int) -> Decision:
        made.append(number)
        return decision(number)

    log = Log(*[StoreError(Trouble.FULL)] * 3)
    recorder = make(log, retry_s=0.2)
    for number in range(1200):
        recorder.keep(partial(row, number))
    assert settled(lambda: recorder.trouble is not None and len(made) == 1200)
    assert recorder.waiting == 1200
    assert log.ids == []
    assert recorder.flush(10)
    assert log.ids == [f"d-{number}" for number in range(1200)]
    assert made == list(range(1200))


def settled(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold within seconds."""
    end = time.monotonic() + 5
    while time.monotonic() < end and not holds():
        time.sleep(0.01)
    return holds()


def test_after_a_fork(make: Callable[..., Recorder], database: Database) -> None:
    """A child starts with nothing and a thread of its own; what the parent has is the parent's."""
    code = f"""
import os, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_recorder import decision, keep
from cds_service.records import Recorder
from cds_service.store import Database, DecisionLog
recorder = Recorder(DecisionLog(Database.open({f"sqlite:///{database.where}"!r})))
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        keep(recorder, *range(child * 50, child * 50 + 50))
        sys.exit(0)  # nobody flushes: the end of the process does
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
keep(recorder, *range(150, 200))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with sqlite3.connect(database.where) as connection:
        (count,) = connection.execute("SELECT count(*) FROM decision").fetchone()
    connection.close()
    assert count == 200


def test_takes_no_time(make: Callable[..., Recorder], database: Database) -> None:
    """Handing a decision over costs a small part of a millisecond, also while others are written.

    The half of the calls is judged: the machine of the test may be busy with something else.
    """
    recorder = make(DecisionLog(database))
    spent = []
    for number in range(300):
        row = decision(number)
        began = time.perf_counter()
        recorder.keep(lambda row=row: row)  # type: ignore[misc]
        spent.append(time.perf_counter() - began)
        time.sleep(0.001)
    assert recorder.flush(10)
    assert sorted(spent)[150] < 0.001
    assert recorder.written == 300
