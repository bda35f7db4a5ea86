"""Room on the disk that a SQLite file takes beforehand, so that it can be written on a full one.

A commit goes into the log, whose pages are copied into the file now and then, after which the log
is written from its beginning. Neither needs new space while both are as large as ever needed. On a
file system that copies on write (btrfs, ZFS) nothing can be taken beforehand.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOM_BYTES = 8 * 1024 * 1024
"""What file and log take each: more than 50,000 live tokens, and twice what the log may grow."""

_AT_ONCE = bytes(1024 * 1024)


def has_room(path: Path, size: int) -> bool:
    """Whether a file and its log have their sizes: a look at the folder, no statement."""
    try:
        return min(path.stat().st_size, _log_of(path).stat().st_size) >= size
    except FileNotFoundError:
        return False


def take_room(connection: sqlite3.Connection, path: Path, size: int) -> None:
    """Has a file and its log take so much; raises sqlite3.Error, and keeps what it got till then.

    Others may do the same at the same time, claim meanwhile, or be killed. The log goes when its
    last user closes it, and so has to be made large again.
    """
    _grow_file(connection, size)
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
    with _alone(connection):  # nobody writes into the log, and nobody takes it away
        _grow_log(path, size)


def restart_log(connection: sqlite3.Connection) -> None:
    """Has the log written from its beginning again, once those who write have ended.

    SQLite looks after it when a commit has succeeded; where the log is full none does. While many
    write without a pause, the log may get full though its pages would fit into the file.
    """
    connection.execute("PRAGMA wal_checkpoint(RESTART)").close()


def _grow_file(connection: sqlite3.Connection, size: int) -> None:
    """Adds empty pages, in one transaction; secure deletion has them written, not just counted."""
    before = _number(connection, "secure_delete")
    connection.execute("PRAGMA secure_delete = 1").close()
    try:
        with _alone(connection):
            page_size = _number(connection, "page_size")
            missing = size - page_size * _number(connection, "page_count")
            if missing > 0:
                connection.execute("CREATE TABLE room (filler BLOB)")
                connection.execute("INSERT INTO room VALUES (zeroblob(?))", (missing,))
                connection.execute("DROP TABLE room")
    finally:
        connection.execute(f"PRAGMA secure_delete = {before}").close()


def _grow_log(path: Path, size: int) -> None:
    """Adds zeros, which SQLite takes for the end; no lock is on the log that closing would drop."""
    try:
        descriptor = os.open(_log_of(path), os.O_WRONLY)
        try:
            at = os.fstat(descriptor).st_size
            while at < size:
                at += os.pwrite(descriptor, _AT_ONCE[: size - at], at)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _in_words_of_sqlite(error) from error


def _in_words_of_sqlite(error: OSError) -> sqlite3.OperationalError:
    found = sqlite3.OperationalError("log cannot be made larger")
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    found.sqlite_errorcode = sqlite3.SQLITE_FULL if is_full else sqlite3.SQLITE_IOERR
    return found


@contextmanager
def _alone(connection: sqlite3.Connection) -> Generator[None]:
    """A transaction with the lock of those who write."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _number(connection: sqlite3.Connection, name: str) -> int:
    found: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return found


def _log_of(path: Path) -> Path:
    return Path(f"{path}-wal")
