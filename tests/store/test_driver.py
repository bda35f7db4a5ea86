"""SQLite's own connections: few, used again, given back whatever happens."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.store.driver import Driver
from cds_service.store.errors import StoreError, Trouble

INSERT = "INSERT INTO used (key) VALUES (:key)"


class Connections:
    """Makes connections to a file, and counts them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.made: list[sqlite3.Connection] = []
        self.fails = False

    def __call__(self) -> sqlite3.Connection:
        """One more."""
        if self.fails:
            raise sqlite3.OperationalError("unable to open database file")
        self.made.append(sqlite3.connect(self._path, isolation_level=None, check_same_thread=False))
        return self.made[-1]


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[Connections]:
    """Connections to a file with one table."""
    made = Connections(tmp_path / "used.db")
    made().execute("CREATE TABLE used (key TEXT PRIMARY KEY)")
    made.made.pop().close()
    yield made
    for connection in made.made:
        connection.close()


@pytest.fixture
def driver(connections: Connections) -> Driver:
    """Two connections at most."""
    return Driver(connections, at_most=2, wait_s=0.05)


def test_one_after_the_other(driver: Driver, connections: Connections) -> None:
    """Those who come one after the other use the same connection."""
    assert [driver.change(INSERT, {"key": key}) for key in "abc"] == [1, 1, 1]
    assert len(connections.made) == 1


def test_the_last_one_is_used_next(driver: Driver, connections: Connections) -> None:
    """What it has read is at hand."""
    with driver.connection() as one:
        with driver.connection() as other:
            assert other is not one
        with driver.connection() as again:
            assert again is other
    with driver.connection() as last:
        assert last is one
    assert len(connections.made) == 2


def test_all_in_use(driver: Driver) -> None:
    """Who finds none waits, and is told when that was in vain."""
    with driver.connection(), driver.connection():
        with pytest.raises(StoreError) as told:
            driver.change(INSERT, {"key": "a"})
        assert told.value.trouble is Trouble.BUSY
    assert driver.change(INSERT, {"key": "a"}) == 1


def test_who_waits_gets_one(connections: Connections) -> None:
    """One that is given back in time serves who waits."""
    driver = Driver(connections, at_most=1, wait_s=30)
    waiting = threading.Thread(target=driver.change, args=(INSERT, {"key": "a"}))
    with driver.connection() as held:
        waiting.start()
        assert held.execute("SELECT count(*) FROM used").fetchone() == (0,)
    waiting.join()
    assert not driver.change("DELETE FROM used WHERE key = :key", {"key": "b"})
    assert driver.change("DELETE FROM used WHERE key = :key", {"key": "a"}) == 1


@pytest.mark.parametrize("times", [1, 5])
def test_a_failure_gives_its_place_back(
    driver: Driver, connections: Connections, times: int
) -> None:
    """A statement that fails, a block that raises, a connection that cannot be made."""
    driver.change(INSERT, {"key": "a"})
    for _ in range(times):
        with pytest.raises(sqlite3.IntegrityError):
            driver.change(INSERT, {"key": "a"})
        with pytest.raises(ValueError, match="boom"):
            _begin_only(driver)
    driver.close()
    connections.fails = True
    for _ in range(times + 2):
        with pytest.raises(sqlite3.OperationalError):
            driver.change(INSERT, {"key": "b"})
    connections.fails = False
    assert driver.change("DELETE FROM used", {}) == 1  # what was begun and not ended is undone


def _begin_only(driver: Driver) -> None:
    with driver.connection() as held:
        held.execute("BEGIN")
        held.execute("DELETE FROM used")
        raise ValueError("boom")


def test_closed(driver: Driver, connections: Connections) -> None:
    """A closed one is not used again."""
    driver.change(INSERT, {"key": "a"})
    driver.close()
    with pytest.raises(sqlite3.ProgrammingError):
        connections.made[0].execute("SELECT 1")
    assert driver.change(INSERT, {"key": "b"}) == 1
    assert len(connections.made) == 2
