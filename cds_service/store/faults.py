"""What an error of a database driver means: its code, never its text, chooses the words."""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

from cds_service.store.errors import Trouble

_PRIMARY = 0xFF  # the extended codes of SQLite keep the primary one in the low byte
_SQLITE = {
    sqlite3.SQLITE_BUSY: Trouble.LOCKED,
    sqlite3.SQLITE_LOCKED: Trouble.LOCKED,
    sqlite3.SQLITE_PROTOCOL: Trouble.LOCKED,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_IOERR: Trouble.INPUT_OUTPUT,
    sqlite3.SQLITE_CORRUPT: Trouble.CORRUPT,
    sqlite3.SQLITE_NOTADB: Trouble.CORRUPT,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_CANTOPEN: Trouble.CANNOT_OPEN,
    sqlite3.SQLITE_PERM: Trouble.CANNOT_OPEN,
    sqlite3.SQLITE_AUTH: Trouble.CANNOT_OPEN,
}
_POSTGRESQL = (  # the first that the SQLSTATE begins with
    ("08", Trouble.UNREACHABLE),
    ("28", Trouble.LOGIN),
    ("3D000", Trouble.LOGIN),
    ("42501", Trouble.LOGIN),
    ("42P01", Trouble.NO_TABLES),
    ("3F000", Trouble.NO_TABLES),
    ("25006", Trouble.READ_ONLY),  # a standby
    ("53100", Trouble.FULL),
    ("53300", Trouble.BUSY),
    ("55P03", Trouble.LOCKED),
    ("40", Trouble.LOCKED),  # deadlock, serialization
    ("57014", Trouble.NOT_ANSWERING),
    ("57P", Trouble.UNREACHABLE),  # shutting down, starting up
    ("58", Trouble.INPUT_OUTPUT),
    ("XX001", Trouble.CORRUPT),
    ("XX002", Trouble.CORRUPT),
)


class NotAnswering(Exception):
    """A server has not answered within the time that was given to it."""


def trouble_of(error: BaseException) -> Trouble:
    """What is wrong, judged by the codes of the driver's error."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(cause, NotAnswering):
        return Trouble.NOT_ANSWERING
    if isinstance(error, exc.TimeoutError):
        return Trouble.BUSY
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    if isinstance(error, exc.DBAPIError):
        return _of_postgresql(error)
    return Trouble.OTHER


def _of_sqlite(error: sqlite3.Error) -> Trouble:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Trouble.OTHER
    if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such table"):
        return Trouble.NO_TABLES  # SQLite has no code of its own for it
    return _SQLITE.get(code & _PRIMARY, Trouble.OTHER)


def _of_postgresql(error: exc.DBAPIError) -> Trouble:
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return next((word for start, word in _POSTGRESQL if state.startswith(start)), Trouble.OTHER)
    # libpq gives no code to what fails before a session exists or after it broke.
    return Trouble.UNREACHABLE if isinstance(error, exc.OperationalError) else Trouble.OTHER
