"""SQLite's own connections to one file, for statements that a request waits for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from cds_service.store.errors import StoreError, Trouble


class Driver:
    """A few connections, made when first wanted; the one that was used last is used next.

    An engine keeps a pool too, with so much around it that this costs more than the statement. Safe
    for threads; `close` before a fork. Raises sqlite3.Error, and StoreError where all connections
    stay in use for `wait_s` seconds.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], *, at_most: int, wait_s: float
    ) -> None:
        self._connect = connect
        self._wait_s = wait_s
        self._idle: list[sqlite3.Connection] = []
        # One entry for each connection that may be taken: a semaphore, but one written in C.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(at_most):
            self._free.put(None)

    def change(self, statement: str, values: Mapping[str, Any]) -> int:
        """How many rows a statement changes that is a transaction of its own."""
        connection = self._take()
        try:
            cursor = connection.execute(statement, values)
            count = cursor.rowcount
            cursor.close()
        finally:
            self._give_back(connection)
        return count

    @contextmanager
    def connection(self) -> Generator[sqlite3.Connection]:
        """One of the connections, for as long as the block lasts."""
        connection = self._take()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Closes those that are not in use; the next use makes new ones."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> sqlite3.Connection:
        try:
            self._free.get(timeout=self._wait_s)
        except Empty:
            raise StoreError(Trouble.BUSY) from None
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._connect()
        except BaseException:
            self._free.put(None)
            raise

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:  # whoever used it did not come to the end
            connection.rollback()
        self._idle.append(connection)
        self._free.put(None)
