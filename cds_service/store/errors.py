"""Why the store could not do it, in fixed words without address, statement or value."""

from __future__ import annotations

from enum import StrEnum


class Trouble(StrEnum):
    """What is wrong with the database, as an operator would say it."""

    BAD_URL = "database URL is not one of SQLite (a file) or PostgreSQL"
    NO_DRIVER = "the PostgreSQL driver is not installed"
    CANNOT_OPEN = "database file cannot be opened"
    READ_ONLY = "database is read-only"
    FULL = "no space left for the database"
    INPUT_OUTPUT = "database file cannot be read or written"
    CORRUPT = "database file is damaged"
    LOCKED = "database is locked by another process"
    BUSY = "all database connections are in use"
    UNREACHABLE = "database server is not reachable"
    NOT_ANSWERING = "database server does not answer in time"
    LOGIN = "database server refuses the login"
    NO_TABLES = "database has no tables yet: run the migrations"
    WRONG_REVISION = "database is at a revision that this program does not know"
    COPY_EXISTS = "there is a file of that name already: choose another one"
    COPY_FAILED = "the copy could not be made"
    COPY_DAMAGED = "the copy is not whole: keep the older ones, and look at the database"
    NOT_COPIED_HERE = (
        "PostgreSQL is copied by its own tools: use pg_dump, or pg_basebackup with archived WAL"
    )
    OTHER = "database refused a statement"


class StoreError(Exception):
    """The store cannot say or keep what was asked; nothing was changed.

    One exception: when the connection breaks while a change is being committed, it may have been
    kept after all. `detail` holds words of this program only, such as the names of revisions.
    """

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(f"{trouble.value}: {detail}" if detail else trouble.value)
        self.trouble = trouble
        self.reason = trouble.value
