"""At which revision a database is, asked without Alembic: half a second at every start."""

from __future__ import annotations

from sqlalchemy import Connection, column, inspect, select, table

from cds_service.store.database import Database
from cds_service.store.errors import StoreError, Trouble

HEAD = "0002"
"""The revision that this program works with; a test compares it with the migrations."""

_version = table("alembic_version", column("version_num"))


def head_revision() -> str:
    """The revision that this program works with."""
    return HEAD


def current_revision(database: Database) -> str | None:
    """The revision of a database, None when nothing was ever migrated there."""
    with database.statements() as connection:
        return revision_on(connection)


def revision_on(connection: Connection) -> str | None:
    """The revision as an open connection sees it."""
    if not inspect(connection).has_table(_version.name):
        return None
    found: str | None = connection.execute(select(_version.c.version_num)).scalar_one_or_none()
    return found


def is_current(database: Database) -> bool:
    """Whether the tables are those that this program works with."""
    return current_revision(database) == HEAD


def refuse_newer(database: Database) -> None:
    """Raises StoreError when a newer program has changed the tables: what they mean is not known.

    Revisions are numbered upwards; whatever sorts behind ours is not ours to write into.
    """
    revision = current_revision(database)
    if revision is not None and revision > HEAD:
        raise StoreError(Trouble.WRONG_REVISION, beyond(revision))


def beyond(revision: str) -> str:
    """Words for a revision that this program does not know."""
    return f"the database is at {revision[:32]!r}, this program knows up to {HEAD!r}"
