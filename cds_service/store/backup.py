"""A copy of a SQLite database, made while others write into it."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cds_service.store.database import Database
from cds_service.store.errors import StoreError, Trouble
from cds_service.store.faults import trouble_of
from cds_service.store.health import damage_of
from cds_service.store.revision import current_revision
from cds_service.store.sqlite import flush_folder

_MODE = 0o600  # a copy holds what the database holds


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was made and found whole: at which revision, and its size in bytes."""

    revision: str
    size_bytes: int


def back_up(database: Database, target: Path) -> Copy:
    """Copies a SQLite database into a new file, one moment of it; raises StoreError.

    The copy has everything that was acknowledged before the call, and no half batch; nobody waits
    for it. It is one file, for this account only, is checked, and has its name only once it is on
    disk. A file that is there already is never touched. PostgreSQL is refused.
    """
    if database.is_shared:
        raise StoreError(Trouble.NOT_COPIED_HERE)
    if os.path.lexists(target):
        raise StoreError(Trouble.COPY_EXISTS)
    if not database.is_there:
        raise StoreError(Trouble.CANNOT_OPEN)
    revision = current_revision(database)
    if revision is None:
        raise StoreError(Trouble.NO_TABLES)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
        try:
            _copy(database, unfinished)
            _refuse_damaged(unfinished)
            size_bytes = _flush(unfinished)
            _name(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
        flush_folder(target.parent)
    except FileExistsError:
        raise StoreError(Trouble.COPY_EXISTS) from None
    except OSError as error:
        raise StoreError(Trouble.COPY_FAILED, os.strerror(error.errno or 0)) from None
    except sqlite3.Error as error:
        raise StoreError(Trouble.COPY_FAILED, trouble_of(error).value) from None
    return Copy(revision, size_bytes)


def _copy(database: Database, unfinished: Path) -> None:
    with (
        database.statements() as connection,
        closing(sqlite3.connect(unfinished, isolation_level=None)) as copy,
    ):
        copy.execute("PRAGMA synchronous = OFF")  # flushed once, as a whole
        source = connection.connection.dbapi_connection
        assert isinstance(source, sqlite3.Connection)  # noqa: S101 - for the type checker
        # All pages in one step: taken page by page, each write of others would begin it anew.
        source.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE")  # no log beside it: the copy is one file


def _refuse_damaged(unfinished: Path) -> None:
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as copy:
        if damage_of(copy):
            raise StoreError(Trouble.COPY_DAMAGED)


def _flush(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _name(unfinished: Path, target: Path) -> None:
    """Gives the finished copy its name; raises FileExistsError where somebody was faster."""
    try:
        os.link(unfinished, target)  # never replaces a file, which a renaming would
    except FileExistsError:
        raise
    except OSError:  # a share of another system that knows one name for a file only
        if os.path.lexists(target):
            raise FileExistsError from None
        unfinished.rename(target)
