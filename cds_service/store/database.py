"""One database, SQLite or PostgreSQL, for the threads of this process and of those forked later."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, TextClause, exc, make_url
from sqlalchemy.exc import ArgumentError

from cds_service.store.driver import Driver
from cds_service.store.durability import Durability
from cds_service.store.errors import StoreError, Trouble
from cds_service.store.faults import NotAnswering, trouble_of
from cds_service.store.room import ROOM_BYTES, has_room, restart_log, take_room
from cds_service.store.sqlite import ALONE, make_folder, sqlite_engine

BUSY_TIMEOUT_MS = 500
CONNECTIONS = 4
_NO_SPACE = (Trouble.FULL, Trouble.INPUT_OUTPUT)
"""What a full disk is called: SQLite has the second name for a quota, or a limit of the process."""

_depth = 0
"""How many forks lie between the first process and this one."""
_all_engines: WeakSet[Engine] = WeakSet()
_all_drivers: WeakSet[Driver] = WeakSet()


def _before_fork() -> None:
    # SQLite keeps book of its locks per process, and the book would be wrong in the child.
    for driver in tuple(_all_drivers):
        driver.close()
    for engine in tuple(_all_engines):
        engine.dispose()


def _after_fork() -> None:
    global _depth
    _depth += 1


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


@dataclass(frozen=True, slots=True)
class Database:
    """Where things are kept; opened once, cheap to hold, safe to carry through a fork.

    No connection exists before the first use. A fork closes those that are idle, and the child
    makes its own. While another thread is using a SQLite database, a process must not fork.
    """

    _url: URL
    durability: Durability = Durability.FULL
    busy_timeout_ms: int = BUSY_TIMEOUT_MS
    connections: int = CONNECTIONS
    room_bytes: int = 0
    _engines: dict[int, Engine] = field(default_factory=dict, repr=False, compare=False)
    _drivers: dict[int, Driver] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
        connections: int = CONNECTIONS,
        durability: Durability = Durability.FULL,
    ) -> Database:
        """The database at a URL: `sqlite:///path` or `postgresql://…` (`postgres://` too).

        Nothing is opened yet. A statement waits for locks, and for an answer of the server,
        `busy_timeout_ms` at most; a connection is waited for as long again at most.
        `connections` is the most that one process uses at a time.
        """
        try:
            parsed = make_url(url)
            kind = parsed.drivername
        except (ArgumentError, ValueError):
            raise StoreError(Trouble.BAD_URL) from None
        if kind in ("postgres", "postgresql", "postgresql+psycopg"):
            parsed = parsed.set(drivername="postgresql")
        elif kind not in ("sqlite", "sqlite+pysqlite") or not _is_file(parsed):
            raise StoreError(Trouble.BAD_URL)
        else:
            path = os.path.abspath(parsed.database or "")  # a later chdir changes nothing
            parsed = URL.create("sqlite", database=path)
        return cls(parsed, durability, busy_timeout_ms, connections)

    @property
    def is_shared(self) -> bool:
        """Whether several machines can use it."""
        return self._url.drivername == "postgresql"

    @property
    def where(self) -> str:
        """What an operator may see of the address: a path, or server and name; no password."""
        if not self.is_shared:
            return self._url.database or ""
        return f"{self._url.host or 'local'}/{self._url.database or ''}"

    @property
    def is_there(self) -> bool:
        """Whether there is a file; a server is asked only when something is wanted of it."""
        return self.is_shared or Path(self.where).exists()

    def make_folder(self) -> None:
        """Makes the folder of a SQLite file, where there is none; raises OSError."""
        if not self.is_shared:
            make_folder(Path(self.where).parent)

    def for_replay(self) -> Database:
        """The database for tokens that were used: the same server, but a SQLite file of its own.

        Each request writes there, which must wait neither for a flush to disk nor for other
        writers. A loss of power may forget the tokens of the last moments; they live for minutes.
        The file is to have room for them on a full disk too: see `take_room`.
        """
        url = self._url
        if not self.is_shared:
            path = Path(url.database or "")
            url = url.set(database=str(path.with_name(f"{path.stem}-replay{path.suffix}")))
        own = replace(self, _url=url, durability=Durability.NORMAL, _engines={}, _drivers={})
        return own if self.is_shared else replace(own, room_bytes=ROOM_BYTES)

    @contextmanager
    def patient(self, seconds: float) -> Generator[Database]:
        """The same database with more time for each statement, on connections of its own."""
        time_ms = round(seconds * 1000)
        slow = replace(self, busy_timeout_ms=time_ms, connections=1, _engines={}, _drivers={})
        try:
            yield slow
        finally:
            slow.close()

    @contextmanager
    def statements(self) -> Generator[Connection]:
        """A connection on which each statement is done, or not, for itself."""
        with self._connected() as connection:
            if self.is_shared:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            else:
                connection = connection.execution_options(**{ALONE: True})
            yield connection

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """A connection on which all is done when the block ends, or nothing when it raises.

        On SQLite it waits for other writers at its beginning.
        """
        with self._connected() as connection, connection.begin():
            yield connection

    def change(self, statement: TextClause, values: Mapping[str, Any]) -> int:
        """How many rows one statement changes that is done, or not, for itself.

        For what each request waits for: a file is asked through its driver, which is four times
        as fast. The values must be such that the driver takes them as they are.
        """
        if self.is_shared:
            with self.statements() as connection:
                return connection.execute(statement, values).rowcount
        try:
            return self._change_file(statement.text, values)
        except StoreError as error:
            if not self.room_bytes or error.trouble not in _NO_SPACE:
                raise
        with _in_words(), self._driver().connection() as connection:
            restart_log(connection)
        return self._change_file(statement.text, values)

    def take_room(self) -> None:
        """Has a SQLite file that must be written on a full disk take its room; StoreError if not.

        Costs next to nothing where it has it already.
        """
        path = Path(self.where)
        if self.room_bytes and not has_room(path, self.room_bytes):
            with _in_words(), self._driver().connection() as connection:
                take_room(connection, path, self.room_bytes)

    def close(self) -> None:
        """Closes the connections of this process; the next use makes new ones."""
        driver = self._drivers.pop(_depth, None)
        if driver is not None:
            driver.close()
        engine = self._engines.pop(_depth, None)
        if engine is not None:
            engine.dispose()

    def _change_file(self, statement: str, values: Mapping[str, Any]) -> int:
        try:
            return self._driver().change(statement, values)
        except (sqlite3.Error, exc.SQLAlchemyError) as error:
            raise StoreError(trouble_of(error)) from None

    def _driver(self) -> Driver:
        """The driver of this process, made as its engine is."""
        driver = self._drivers.get(_depth)
        if driver is None:
            new = Driver(
                self._new_connection,
                at_most=self.connections,
                wait_s=self.busy_timeout_ms / 1000,
            )
            driver = self._drivers.setdefault(_depth, new)
            _all_drivers.add(driver)
        return driver

    def _new_connection(self) -> sqlite3.Connection:
        """One that the engine has made ready, and knows no longer."""
        pooled = self._engine().raw_connection()
        pooled.detach()
        return cast(sqlite3.Connection, pooled.dbapi_connection)

    @contextmanager
    def _connected(self) -> Generator[Connection]:
        trouble: Trouble
        try:
            with self._connection() as connection:
                yield connection
            return
        except exc.StatementError as error:
            if not isinstance(error, exc.DBAPIError) and error.orig is not None:
                raise error.orig from None  # a value that does not fit its column: our mistake
            trouble = trouble_of(error)
        except (exc.SQLAlchemyError, NotAnswering) as error:
            trouble = trouble_of(error)
        raise StoreError(trouble) from None  # the driver's text may name addresses and values

    def _connection(self) -> Connection:
        engine = self._engine()
        if not self.is_shared:
            return engine.connect()
        from cds_service.store.postgresql import checkout

        with checkout(self.busy_timeout_ms / 1000):
            return engine.connect()

    def _engine(self) -> Engine:
        """The engine of this process; of two threads that come first, one makes it."""
        engine = self._engines.get(_depth)
        if engine is None:
            # setdefault is atomic, where a lock might have been held while the process forked.
            engine = self._engines.setdefault(_depth, self._new_engine())
            _all_engines.add(engine)
        return engine

    def _new_engine(self) -> Engine:
        if not self.is_shared:
            return sqlite_engine(
                self._url,
                durability=self.durability,
                busy_timeout_ms=self.busy_timeout_ms,
                connections=self.connections,
            )
        try:
            from cds_service.store.postgresql import postgresql_engine
        except ImportError:
            raise StoreError(Trouble.NO_DRIVER) from None
        return postgresql_engine(
            self._url,
            durability=self.durability,
            busy_timeout_ms=self.busy_timeout_ms,
            connections=self.connections,
        )


@contextmanager
def _in_words() -> Generator[None]:
    """What SQLite's driver raises, as a StoreError."""
    try:
        yield
    except (sqlite3.Error, exc.SQLAlchemyError) as error:
        raise StoreError(trouble_of(error)) from None


def _is_file(url: URL) -> bool:
    name = url.database or ""
    return bool(name) and name != ":memory:" and not name.startswith("file:") and not url.query
