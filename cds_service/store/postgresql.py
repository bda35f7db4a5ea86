"""An engine for PostgreSQL that never waits longer than it is told; needs the driver.

psycopg and libpq bound a connection attempt by two seconds at least and a statement by nothing on
this side: a server that is stopped, or a network that swallows packets, would hold a request for
good. Here both have a limit of their own, and what exceeds it loses its connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from cds_service.store.durability import Durability
from cds_service.store.faults import NotAnswering

_Result = TypeVar("_Result")
_RETRY_S = 1.0
_GRACE_S = 0.1  # the server's own limit comes first and says what it was waiting for
_LIBPQ_LEAST_S = 2
_COMMITS = {
    # A server, database or account may be set to answer before the disk has it; whoever asks for
    # more than the local disk (standbys) keeps that.
    Durability.FULL: "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
    Durability.NORMAL: "SET synchronous_commit = off",
}


class _NoAnswer(psycopg.OperationalError, NotAnswering):
    """A NotAnswering that SQLAlchemy takes for an error of the driver."""


class _Checkout(threading.local):
    """Until when this thread may wait for a connection; beyond that, each statement has its own."""

    until: float | None = None


_checkout = _Checkout()


@contextmanager
def checkout(limit_s: float) -> Generator[None]:
    """Within it, connecting and testing connections take so long together at most."""
    _checkout.until = time.monotonic() + limit_s
    try:
        yield
    finally:
        _checkout.until = None


def _left(limit_s: float) -> float:
    if _checkout.until is None:
        return limit_s
    return min(limit_s, max(_checkout.until - time.monotonic(), 0.001))


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits for its server with a limit."""

    limit_s = 5.0

    def wait(
        self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None
    ) -> _Result:
        """Takes an exchange with the server to its end; closes the connection if there is none."""
        limit_s = _left(self.limit_s) if timeout is None else timeout
        started = time.monotonic()
        try:
            return super().wait(gen, interval, limit_s)
        except psycopg.OperationalError as error:
            # The driver's own error for it has no public name.
            if error.sqlstate is None and time.monotonic() - started >= limit_s:
                self.close()
                raise _NoAnswer from None
            raise


class _Connector:
    """Makes the connections of one engine, and leaves a silent server alone for a moment."""

    def __init__(self, limit_s: float, durability: Durability) -> None:
        self._limit_s, self._durability = limit_s, durability
        self._not_before = 0.0

    def __call__(
        self, dialect: Dialect, entry: ConnectionPoolEntry, args: Any, params: dict[str, Any]
    ) -> DBAPIConnection:
        """A new connection; raises within the limit."""
        if time.monotonic() < self._not_before:
            raise _NoAnswer
        params.setdefault("connect_timeout", max(_LIBPQ_LEAST_S, round(self._limit_s)))
        params.setdefault("application_name", "cds-service")
        params.setdefault("client_encoding", "UTF8")
        limit_s = _left(self._limit_s)
        try:
            connection = _within(limit_s, lambda: _Connection.connect(*args, **params))
        except NotAnswering:
            if limit_s > self._limit_s / 2:  # less says more about us than about the server
                self._not_before = time.monotonic() + _RETRY_S
            raise
        connection.limit_s = self._limit_s + _GRACE_S
        wait_ms = round(self._limit_s * 1000)
        connection.execute(
            f"SET statement_timeout = {wait_ms}; SET lock_timeout = {wait_ms};"
            f" SET idle_in_transaction_session_timeout = {max(wait_ms, 60_000)};"
            " SET client_min_messages = warning;"
            # The driver cannot read the first and last days of the calendar in another zone.
            " SET TIME ZONE 'UTC';" + _COMMITS[self._durability]
        )
        connection.commit()
        return connection  # type: ignore[return-value]  # a DBAPI connection in all but name


def _within(limit_s: float, connect: Callable[[], _Connection]) -> _Connection:
    """What connecting gives; a thread that is too late closes what it got."""
    lock = threading.Lock()
    done: list[_Connection | BaseException] = []
    is_late = False

    def work() -> None:
        result: _Connection | BaseException
        try:
            result = connect()
        except BaseException as error:
            result = error
        with lock:
            done.append(result)
            if is_late and isinstance(result, _Connection):
                result.close()

    thread = threading.Thread(target=work, name="connect", daemon=True)
    thread.start()
    thread.join(limit_s)
    with lock:
        is_late = not done
    if is_late:
        raise _NoAnswer
    if isinstance(done[0], BaseException):
        raise done[0]
    return done[0]


def postgresql_engine(
    url: URL, *, durability: Durability, busy_timeout_ms: int, connections: int
) -> Engine:
    """An engine with a small pool; no connection is made yet."""
    limit_s = busy_timeout_ms / 1000
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        max_overflow=0,
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_size=connections,
        pool_timeout=limit_s,
        use_native_hstore=False,  # one question less on the first connection
    )
    event.listen(engine, "do_connect", _Connector(limit_s, durability))
    return engine
