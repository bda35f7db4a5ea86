"""Used tokens have room on the disk beforehand, whoever else opens the file or dies meanwhile."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cds_service.store import Database, ReplayStore, StoreError
from cds_service.store.migrations import migrate
from cds_service.store.room import ROOM_BYTES, has_room

SMALL = 1 << 20
_TAKE = """
import sys, time
from cds_service.store import Database, ReplayStore
store = ReplayStore(Database.open(sys.argv[1]).for_replay())
print("ready", flush=True)
sys.stdin.readline()
store.keep_ready(int(time.time()))
print("taken", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def used(sqlite_url: str) -> Iterator[Database]:
    """A file of used tokens as it was made by releases that took no room."""
    database = Database.open(sqlite_url).for_replay()
    migrate(database)
    yield database
    database.close()


def _key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _on_disk(database: Database) -> list[int]:
    """Bytes that file and log really have, holes not counted."""
    return [os.stat(f"{database.where}{end}").st_blocks * 512 for end in ("", "-wal")]


def _assert_whole(database: Database) -> None:
    with closing(sqlite3.connect(database.where)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "replay" in names
    assert "room" not in names


@contextmanager
def _no_file_may_grow(database: Database) -> Iterator[None]:
    """As on a full disk, for this process: files end where the larger of the two ends."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = max(Path(f"{database.where}{end}").stat().st_size for end in ("", "-wal"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _claim_until_refused(store: ReplayStore) -> int:
    """How many keys were claimed, in order, before one was not kept."""
    for number in range(5000):
        try:
            assert store.claim(_key(number), 200, 100)
        except StoreError:
            return number
    raise AssertionError("all were kept")


def test_a_file_without_room_gets_it(used: Database) -> None:
    """File and log are as large as they will be, on disk and not as holes; claims go on as ever."""
    store = ReplayStore(used)
    assert store.claim(_key(1), 200, 100)
    store.keep_ready(100)
    assert has_room(Path(used.where), ROOM_BYTES)
    assert min(_on_disk(used)) >= ROOM_BYTES
    assert sum(_on_disk(used)) < 2.2 * ROOM_BYTES
    before = _on_disk(used)
    assert not store.claim(_key(1), 200, 100)
    for number in range(2, 1000):
        assert store.claim(_key(number), 200, 100)
    store.keep_ready(100)
    assert _on_disk(used) == before
    _assert_whole(used)


def test_the_log_gets_its_room_again(used: Database) -> None:
    """The last one who closes takes the log away, the next one makes it large; the file stays."""
    for _ in range(3):
        ReplayStore(used).keep_ready(100)
        size = Path(used.where).stat().st_size
        used.close()
        assert not Path(f"{used.where}-wal").exists()
    assert ROOM_BYTES <= size < 1.1 * ROOM_BYTES


def test_the_durable_file_takes_none(sqlite_url: str) -> None:
    """What is for used tokens is not taken for records."""
    durable = Database.open(sqlite_url)
    migrate(durable)
    ReplayStore(durable).keep_ready(100)
    assert sum(_on_disk(durable)) < SMALL
    durable.close()


def test_trying_leaves_one_row(database: Database) -> None:
    """Whether claims can be kept is tried with a row of its own, which goes as others do."""
    store = ReplayStore(database)
    for now in (100, 100, 101, 90, 160):
        store.keep_ready(now)
    assert store.claim(_key(1), 200, 160)
    assert store.prune(160) == 1
    assert store.prune(201) == 1


def test_many_at_once(used: Database, sqlite_url: str) -> None:
    """Workers that start together, while others claim: room is taken once, no claim fails."""
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", _TAKE, sqlite_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "ready\n"
    ended, claimed = threading.Event(), []

    def claim() -> None:
        store = ReplayStore(used)
        while not ended.is_set():
            claimed.append(store.claim(os.urandom(32), 200, 100))

    claimer = threading.Thread(target=claim)
    claimer.start()
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("\n")
        taker.stdin.flush()
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "taken\n"
    ended.set()
    claimer.join()
    for taker in takers:
        taker.communicate("\n")
        assert taker.returncode == 0
    assert claimed == [True] * len(claimed)
    assert has_room(Path(used.where), ROOM_BYTES)
    assert Path(used.where).stat().st_size < 1.1 * ROOM_BYTES
    _assert_whole(used)


@pytest.mark.parametrize("after_s", [0.001, 0.005, 0.01, 0.02, 0.04, 0.08])
def test_killed_while_taking(used: Database, sqlite_url: str, after_s: float) -> None:
    """Killed at any moment (kill -9): the file is whole, holds what it held, and gets its room."""
    assert ReplayStore(used).claim(_key(1), 200, 100)
    used.close()
    with subprocess.Popen(
        [sys.executable, "-c", _TAKE, sqlite_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as taker:
        assert taker.stdin is not None
        assert taker.stdout is not None
        assert taker.stdout.readline() == "ready\n"
        taker.stdin.write("\n")
        taker.stdin.flush()
        time.sleep(after_s)
        taker.send_signal(signal.SIGKILL)
    assert not ReplayStore(used).claim(_key(1), 200, 100)
    ReplayStore(used).keep_ready(100)
    assert Path(used.where).stat().st_size < 1.1 * ROOM_BYTES
    _assert_whole(used)


def test_a_log_that_is_full_is_begun_again(used: Database) -> None:
    """A reader has kept the log from being begun again till it was full: then a claim does it."""
    small = replace(used, room_bytes=SMALL, _engines={})
    store = ReplayStore(small)
    store.keep_ready(100)
    with _no_file_may_grow(small):
        with closing(sqlite3.connect(small.where, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM replay").fetchall()
            kept = _claim_until_refused(store)
            reader.execute("ROLLBACK")
        assert [store.claim(_key(number), 200, 100) for number in range(kept)] == [False] * kept
        assert store.claim(_key(kept), 200, 100)
        for number in range(1000):
            assert store.claim(_key(10_000 + number), 200, 100)
    small.close()
    _assert_whole(small)


def test_a_file_that_cannot_take_it(used: Database) -> None:
    """On a disk that is full already it is told, and what fits is still kept."""
    store = ReplayStore(used)
    with closing(sqlite3.connect(used.where)) as user:  # so that there is a log
        user.execute("SELECT count(*) FROM replay").fetchall()
        assert store.claim(_key(0), 200, 100)
        with _no_file_may_grow(used):
            with pytest.raises(StoreError):
                store.keep_ready(100)
            assert store.claim(_key(1), 200, 100)
        store.keep_ready(100)
    _assert_whole(used)
