"""Whether a database is whole, durable and ours, and how much is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from cds_service.store.database import Database
from cds_service.store.errors import StoreError
from cds_service.store.faults import trouble_of
from cds_service.store.feedback import FeedbackLog
from cds_service.store.revision import HEAD, beyond, revision_on
from cds_service.store.tables import decision, feedback, judgement

AT_MOST = 20
"""Damages that are listed: behind them stands one cause."""

_COUNTED = {"decisions": decision, "judged orders": judgement, "feedback": feedback}
_RESET_MENDED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""SQLite releases from which, in their line or beyond, the WAL-reset race is mended.

Source: https://sqlite.org/wal.html#walresetbug
"""


@dataclass(frozen=True, slots=True)
class Health:
    """What was found: `problems` need somebody to act, `notes` somebody to know.

    `counts` are rows by what they are, in quarantine among them; empty at another revision.
    """

    revision: str | None
    counts: dict[str, int]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def examine(database: Database) -> Health:
    """Looks at everything there is; others may write meanwhile. Raises StoreError.

    SQLite reads each page, which takes its time with large files. The files of a PostgreSQL
    server are checked by its own tools (pg_amcheck); here it is asked for its settings.
    """
    problems: list[str] = []
    notes: list[str] = []
    with database.statements() as connection:
        if database.is_shared:
            problems += _careless(connection)
            notes.append("files of the server are not read: run pg_amcheck there")
        else:
            problems += _damage(connection)
            notes += _old_sqlite(sqlite3.sqlite_version_info)
        revision = revision_on(connection)
        counts = {}
        if revision == HEAD:
            for name, table in _COUNTED.items():
                counts[name] = connection.execute(
                    select(func.count()).select_from(table)
                ).scalar_one()
    if revision == HEAD:
        counts["in quarantine"] = FeedbackLog(database).count_unknown()
    else:
        problems.append(_revision_words(revision))
    return Health(revision, counts, tuple(problems), tuple(notes))


def _damage(connection: Connection) -> tuple[str, ...]:
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - for the type checker
    try:
        return damage_of(raw)
    except sqlite3.Error as error:  # not one of SQLAlchemy's
        raise StoreError(trouble_of(error)) from None


def damage_of(connection: sqlite3.Connection) -> tuple[str, ...]:
    """What SQLite finds wrong with a file, nothing when it is whole; no value is told."""
    found = [row[0] for row in connection.execute(f"PRAGMA integrity_check({AT_MOST})")]
    damages = [] if found == ["ok"] else [f"damaged: {line}" for line in found]
    orphans = {row[0] for row in connection.execute("PRAGMA foreign_key_check")}
    damages += [f"damaged: rows of {table} without what they belong to" for table in orphans]
    return tuple(damages)


def _careless(connection: Connection) -> Iterator[str]:
    """Settings of a PostgreSQL server with which what was acknowledged can be lost."""
    wanted = {
        "fsync": ("on", "a loss of power loses what was acknowledged"),
        "full_page_writes": ("on", "a loss of power can damage the database"),
        "server_encoding": ("UTF8", "comments in other scripts cannot be kept"),
        "transaction_read_only": ("off", "this is a standby: nothing can be kept"),
    }
    for name, (good, otherwise) in wanted.items():
        value = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar()
        if value != good:
            yield f"the server has {name} = {value}: {otherwise}"


def _old_sqlite(version: tuple[int, ...]) -> Iterator[str]:
    is_mended = any(
        version >= mended and (version[:2] == mended[:2] or mended == _RESET_MENDED[-1])
        for mended in _RESET_MENDED
    )
    if not is_mended:
        yield (
            f"SQLite {'.'.join(map(str, version))} has the WAL-reset race, very rare but"
            " damaging; 3.51.3 has not: back up daily, or use PostgreSQL"
        )


def _revision_words(revision: str | None) -> str:
    if revision is None:
        return "no tables yet: run cds-service db migrate"
    if revision > HEAD:
        return beyond(revision)
    return f"at revision {revision}, newest is {HEAD}: run cds-service db migrate"
