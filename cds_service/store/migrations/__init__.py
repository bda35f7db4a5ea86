"""Bringing a database to the tables of this program: forward only, all or nothing.

Importing this package imports Alembic, which takes its time: the command line does, workers do
not. A new revision is a file in `versions/`, the changed `tables.py` and `revision.HEAD`.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from cds_service.store.database import Database
from cds_service.store.errors import StoreError, Trouble
from cds_service.store.revision import HEAD, beyond, current_revision, revision_on

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of its plugins otherwise

PATIENCE_S = 60.0
"""How long a migration waits for another one, or for those who use the tables."""

_LOCK = 0x626F6E65  # any number, as long as it is always the same


def migrate(database: Database, *, patience_s: float = PATIENCE_S) -> str:
    """Brings a database to the newest revision and says which that is.

    Any number of processes may call it at once: one migrates, the others wait and find it done.
    A database at a revision that this program does not know raises StoreError, unchanged.
    """
    if current_revision(database) == HEAD:
        return HEAD
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with database.patient(patience_s) as slow, slow.transaction() as connection:
        _wait_for_others(connection)
        _refuse_unknown(revision_on(connection), ScriptDirectory.from_config(config))
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
    return HEAD


def _wait_for_others(connection: Connection) -> None:
    # SQLite has let one writer in with the beginning of the transaction.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _refuse_unknown(revision: str | None, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise StoreError(Trouble.WRONG_REVISION, beyond(revision))
