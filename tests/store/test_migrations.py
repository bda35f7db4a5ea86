"""Migrations: forward only, all or nothing, once for any number of processes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import cds_service.store.migrations as migrations
from cds_service.store import (
    Database,
    IssuerKeys,
    KeptKeys,
    StoreError,
    Trouble,
    current_revision,
    head_revision,
    is_current,
)
from cds_service.store.migrations import migrate
from cds_service.store.tables import metadata

_MIGRATE = """
import os, sys, traceback
from cds_service.store import Database, current_revision
from cds_service.store.migrations import migrate
database = Database.open(sys.argv[1])
assert current_revision(database) is None
children = []
for _ in range(8):
    children.append(os.fork())
    if children[-1] == 0:
        try:
            os.write(1, f"{migrate(database)}\\n".encode())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
for child in children:
    os.waitpid(child, 0)
"""


def test_the_constant_is_the_newest_revision() -> None:
    """The revision that workers compare with, without Alembic, is the last of the one line."""
    config = Config()
    config.set_main_option("script_location", str(migrations.__path__[0]))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [head_revision()]
    assert scripts.get_bases() == ["0001"]


def test_importing_the_store_does_not_import_alembic() -> None:
    """Alembic takes half a second: the workers and the start do without."""
    code = "import sys, cds_service.store; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_from_empty_and_again(url: str) -> None:
    """An empty database gets all tables; doing it again changes nothing."""
    database = Database.open(url)
    assert current_revision(database) is None
    assert not is_current(database)
    assert migrate(database) == head_revision()
    assert is_current(database)
    assert migrate(database) == head_revision()
    database.close()


def test_migrations_make_the_tables_of_the_program(database: Database) -> None:
    """What the migrations made and what `tables.py` says are the same."""
    with database.transaction() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_same_statements(sqlite_url: str) -> None:
    """Checks and row layouts, which Alembic does not compare, are the same too."""
    made: list[list[str]] = []
    for suffix, make in (
        ("", migrate),
        ("-direct", lambda database: _create_all(database)),
    ):
        database = Database.open(sqlite_url + suffix)
        make(database)
        query = (
            "SELECT sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'"
            " AND name NOT LIKE 'sqlite%' ORDER BY name"
        )
        with database.statements() as connection:
            made.append([_parts(row) for row in connection.execute(text(query)).scalars()])
        database.close()
    assert made[0] == made[1]
    assert len(made[0]) >= len(metadata.tables)


def _create_all(database: Database) -> None:
    with database.transaction() as connection:
        metadata.create_all(connection)


def _parts(statement: str) -> str:
    """Columns and constraints; SQLite writes a column that came later behind another one."""
    parts = re.split(r"\n|, (?=[a-z_]+ [A-Z])", statement)
    return "\n".join(sorted(part.strip(" ,\t\n") for part in parts))


def test_from_each_revision(url: str) -> None:
    """What was kept by an older program is there after the migration; what is new is null."""
    database = Database.open(url)
    with database.transaction() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrations.__path__[0]))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    keep = "INSERT INTO issuer_keys (issuer, document, fetched_at) VALUES ('https://ehr', :it, 5)"
    with database.statements() as connection:
        connection.execute(text(keep), {"it": b"{}"})
    assert not is_current(database)
    assert migrate(database) == head_revision()
    assert IssuerKeys(database).kept("https://ehr", 0) == KeptKeys(b"{}", 5, None)
    with database.statements() as connection:  # workers of the older program go on meanwhile
        again = keep.replace("ehr'", "other'")
        connection.execute(text(again), {"it": b"[]"})
    assert IssuerKeys(database).kept("https://other", 0) == KeptKeys(b"[]", 5, None)
    database.close()


def test_eight_processes_at_once(url: str) -> None:
    """Eight processes that migrate an empty database together all find it done."""
    done = subprocess.run(
        [sys.executable, "-c", _MIGRATE, url], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (f"{head_revision()}\n" * 8, "")
    database = Database.open(url)
    assert is_current(database)
    database.close()


@pytest.mark.parametrize("revision", ["0999", "a revision of somebody else"])
def test_an_unknown_revision_is_refused(database: Database, revision: str) -> None:
    """A database of a newer program is left as it is; the error names both revisions."""
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    assert not is_current(database)
    with pytest.raises(StoreError) as caught:
        migrate(database)
    assert caught.value.trouble is Trouble.WRONG_REVISION
    assert repr(revision) in str(caught.value)
    assert repr(head_revision()) in str(caught.value)
    assert current_revision(database) == revision


def test_half_a_migration_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails at its end has changed nothing, and can be done again."""

    def fail(*_: object) -> None:
        raise RuntimeError("at the end")

    database = Database.open(url)
    upgrade = migrations.command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(migrations.command, "upgrade", lambda *arguments: fail(upgrade(*arguments)))
        with pytest.raises(RuntimeError, match="at the end"):
            migrate(database)
    with database.statements() as connection:
        assert inspect(connection).get_table_names() == []
    assert migrate(database) == head_revision()
    database.close()


def test_waiting_for_another_migration_ends(url: str) -> None:
    """Who cannot get its turn within its patience says so."""
    database, other = Database.open(url), Database.open(url)
    with other.transaction() as connection:
        if other.is_shared:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({migrations._LOCK})"))
        with pytest.raises(StoreError) as caught:
            migrate(database, patience_s=0.2)
    assert caught.value.trouble in (Trouble.LOCKED, Trouble.NOT_ANSWERING)
    database.close()
    other.close()
