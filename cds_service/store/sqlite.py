"""An engine for one SQLite file: write-ahead log, our own transactions, short waits."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from cds_service.store.durability import Durability

ALONE = "cds_alone"
"""Execution option of a connection whose statements are transactions of their own."""

_MODE = 0o600  # what was decided about patients is for this account only
_RETRY_S = 0.005
# EXTRA is FULL, and means it too where a file system cannot share the memory of the log.
_SYNCHRONOUS = {Durability.FULL: "EXTRA", Durability.NORMAL: "NORMAL"}


def sqlite_engine(
    url: URL, *, durability: Durability, busy_timeout_ms: int, connections: int
) -> Engine:
    """An engine on a file, which is made with the first connection if it is not there."""
    engine = create_engine(
        url,
        hide_parameters=True,
        max_overflow=0,
        pool_size=connections,
        pool_timeout=busy_timeout_ms / 1000,
        connect_args={"timeout": busy_timeout_ms / 1000, "cached_statements": 32},
    )
    path = Path(url.database or "")

    def create_privately(*_: Any) -> None:
        if not path.exists():
            with suppress(OSError):  # SQLite says with a code what is wrong
                _create(path)

    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver begins nothing on its own
        _use_log(connection, busy_timeout_ms / 1000)
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        connection.execute("PRAGMA foreign_keys = ON")
        if durability is Durability.FULL:
            connection.execute("PRAGMA schema_version")  # reads, and so takes up what is there
            _flush_log(path)

    def begin(connection: Connection) -> None:
        # IMMEDIATE: a transaction that reads first and writes later fails at once under load.
        if not connection.get_execution_options().get(ALONE):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "do_connect", create_privately)
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _create(path: Path) -> None:
    """Makes an empty file under its name at once, unless there is one.

    The database file itself must never be opened and closed here: closing any descriptor of a
    file drops all locks that this process holds on it, those of SQLite's connections too.
    """
    other = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(other, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
    try:
        os.link(other, path)
    finally:
        os.unlink(other)
    flush_folder(path.parent)


def make_folder(path: Path) -> None:
    """Makes a folder with those above it, so that they outlive a loss of power; raises OSError."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for one in reversed(missing):
        flush_folder(one.parent)


def flush_folder(path: Path) -> None:
    """Brings the names in a folder to the disk: flushing a file does not promise its name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_log(path: Path) -> None:
    """Brings what others wrote into the log to the disk, before anything is said of it.

    Where all processes were killed, one of them between writing a commit and flushing it, the next
    one finds that commit in the memory of the kernel: a repeat of it is acknowledged as known.
    No lock is held on the log, so that opening and closing it here loses none.
    """
    try:
        descriptor = os.open(f"{path}-wal", os.O_RDONLY)
    except FileNotFoundError:
        return
    except OSError as error:
        raise sqlite3.OperationalError("log cannot be opened") from error
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        raise sqlite3.OperationalError("log cannot be flushed") from error
    finally:
        os.close(descriptor)


def _use_log(connection: sqlite3.Connection, limit_s: float) -> None:
    """Turns the write-ahead log on: the file keeps it, so that only the first one has to."""
    _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"), limit_s)


def _patiently(act: Callable[[], object], limit_s: float) -> None:
    # SQLite's own waiting does not cover the change of the journal mode.
    until = time.monotonic() + limit_s
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(_RETRY_S)
