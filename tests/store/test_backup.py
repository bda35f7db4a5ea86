"""A copy made while others write holds what was acknowledged, is whole, and replaces nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from cds_service.protocol.feedback import Feedback
from cds_service.store import (
    Database,
    FeedbackLog,
    StoreError,
    Trouble,
    back_up,
    examine,
    head_revision,
)
from cds_service.store.health import _old_sqlite
from cds_service.store.migrations import migrate

WRITER = Path(__file__).parents[1] / "records" / "writer.py"
SIZE = 7
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def file(sqlite_url: str) -> Iterator[Database]:
    """A SQLite database with all tables."""
    database = Database.open(sqlite_url, busy_timeout_ms=5000)
    migrate(database)
    yield database
    database.close()


def _keep(database: Database, *cards: str) -> None:
    batch = [Feedback(card=card, outcome="accepted", at=NOW) for card in cards]
    FeedbackLog(database).add(batch, client="c", service="s", now=NOW)


def test_while_others_write(file: Database, tmp_path: Path) -> None:
    """The copy opens, is whole, has each item acknowledged before it, and no half batch."""
    with subprocess.Popen(
        [sys.executable, WRITER, f"sqlite:///{file.where}", "w", "1000000", str(SIZE)],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        for number in range(3):
            while int(line := writer.stdout.readline()) < (number + 1) * 15:
                pass
            acknowledged = int(line)
            target = tmp_path / f"copy-{number}.db"
            made = back_up(file, target)
            assert writer.poll() is None  # still writing
            batches: Counter[str] = Counter()
            with closing(sqlite3.connect(target)) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                for (card,) in copy.execute("SELECT card FROM feedback"):
                    batches[card.rpartition("-")[0]] += 1
            assert set(batches.values()) == {SIZE}
            assert {f"w-{one}" for one in range(acknowledged + 1)} <= set(batches)
            assert (made.revision, made.size_bytes) == (head_revision(), target.stat().st_size)
            assert target.stat().st_mode & 0o777 == 0o600
        writer.kill()
    names = {path.name for path in tmp_path.iterdir() if "copy" in path.name}
    assert names == {"copy-0.db", "copy-1.db", "copy-2.db"}


def test_restored(file: Database, tmp_path: Path) -> None:
    """A copy in the place of the database is the database of that moment, ready for more."""
    _keep(file, "a", "b")
    back_up(file, tmp_path / "copy.db")
    _keep(file, "c")
    restored = Database.open(f"sqlite:///{tmp_path}/copy.db")
    assert examine(restored).counts["feedback"] == 2
    _keep(restored, "c")
    found = examine(restored)
    assert (found.counts["feedback"], found.counts["in quarantine"]) == (3, 3)
    assert found.problems == ()
    restored.close()


def _link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


@pytest.mark.parametrize(
    "there", [lambda path: path.write_text("mine"), lambda path: path.mkdir(), _link_to_nothing]
)
def test_nothing_is_replaced(
    file: Database, tmp_path: Path, there: Callable[[Path], object]
) -> None:
    """Whatever has the name of the copy stays as it is."""
    target = tmp_path / "copy.db"
    there(target)
    before = target.lstat()
    with pytest.raises(StoreError) as caught:
        back_up(file, target)
    assert caught.value.trouble is Trouble.COPY_EXISTS
    assert target.lstat() == before
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy.db"]


def _damage(database: Database) -> None:
    _keep(database, *(f"card-{number}" for number in range(2000)))
    database.close()
    path = Path(database.where)
    content = bytearray(path.read_bytes())
    content[-8 * 4096 : -7 * 4096] = b"\xff" * 4096
    path.write_bytes(content)


def _empty(database: Database) -> None:
    database.close()
    Path(database.where).write_bytes(b"")


def _remove(database: Database) -> None:
    database.close()
    Path(database.where).unlink()


@pytest.mark.parametrize(
    ("harm", "folder", "troubles"),
    [
        (_damage, ".", {Trouble.COPY_DAMAGED, Trouble.COPY_FAILED}),
        (_empty, ".", {Trouble.NO_TABLES}),
        (_remove, ".", {Trouble.CANNOT_OPEN}),
        (lambda database: None, "missing", {Trouble.COPY_FAILED}),
    ],
    ids=["damaged", "empty", "deleted", "no such folder"],
)
def test_no_copy_at_all(
    file: Database,
    tmp_path: Path,
    harm: Callable[[Database], object],
    folder: str,
    troubles: set[Trouble],
) -> None:
    """What cannot be copied whole leaves no file that looks like a copy."""
    harm(file)
    with pytest.raises(StoreError) as caught:
        back_up(file, tmp_path / folder / "copy.db")
    assert caught.value.trouble in troubles
    assert [path.name for path in tmp_path.rglob("*copy*")] == []


def test_a_server_is_copied_by_its_own_tools(postgresql_url: str, tmp_path: Path) -> None:
    """PostgreSQL is refused in plain words, with the name of the tool."""
    with pytest.raises(StoreError, match="pg_dump"):
        back_up(Database.open(postgresql_url), tmp_path / "copy.db")


def test_whole(database: Database) -> None:
    """A database without fault: everything is counted, nothing is a problem."""
    _keep(database, "a", "b", "c")
    found = examine(database)
    assert found.problems == ()
    assert found.counts == {"decisions": 0, "judged orders": 0, "feedback": 3, "in quarantine": 3}
    assert found.revision == head_revision()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE alembic_version SET version_num = '0000'", "run cds-service db migrate"),
        ("UPDATE alembic_version SET version_num = '0999'", "this program knows up to"),
        ("DROP TABLE alembic_version", "run cds-service db migrate"),
    ],
)
def test_other_revisions_are_problems(database: Database, statement: str, words: str) -> None:
    """Tables that are not those of this program are named, and their rows are not counted."""
    with database.transaction() as connection:
        connection.execute(text(statement))
    found = examine(database)
    (problem,) = found.problems
    assert words in problem
    assert found.counts == {}


def test_damages_are_told(file: Database) -> None:
    """An index without its entries and a row without its owner are found; no value is told."""
    _keep(file, "canary-card")
    file.close()
    with closing(sqlite3.connect(file.where)) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        # A stranger's tool: the index stays as it is when the row goes.
        raw.execute("DELETE FROM sqlite_master WHERE name = 'ix_feedback_card'")
        raw.commit()
    with closing(sqlite3.connect(file.where)) as raw:
        raw.execute(
            "INSERT INTO judgement (decision, position, patient_order, scenario, modifiers,"
            " rating_status, timing, rule, reasons, suggestions)"
            " VALUES ('nobody', 0, 'p', 's', '', 'r', 't', 'r', '', '')"
        )
        raw.commit()
    found = examine(file)
    assert any("judgement without what they belong to" in one for one in found.problems)
    assert any(one.startswith("damaged: ") and "judgement" not in one for one in found.problems)
    assert "canary" not in " ".join(found.problems)


def test_a_standby_is_a_problem(postgresql_url: str) -> None:
    """A server that only reads can keep nothing: that is named."""
    writable = Database.open(postgresql_url, busy_timeout_ms=5000)
    migrate(writable)
    writable.close()
    url = make_url(postgresql_url)
    options = f"{url.query['options']} -cdefault_transaction_read_only=on"
    address = url.update_query_dict({"options": options}).render_as_string(hide_password=False)
    database = Database.open(address, busy_timeout_ms=5000)
    (problem,) = examine(database).problems
    assert "standby" in problem
    database.close()


@pytest.mark.parametrize(
    ("version", "is_noted"),
    [
        ((3, 34, 1), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_releases_of_sqlite_with_the_race(version: tuple[int, ...], is_noted: bool) -> None:
    """Releases before 3.51.3 are noted, but for the lines in which it was mended."""
    assert bool([*_old_sqlite(version)]) is is_noted
