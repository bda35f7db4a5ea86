"""Acknowledged means on disk: flushes are counted, and careless defaults do not matter."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url

from cds_service.protocol.feedback import Feedback
from cds_service.store import Database, Durability, FeedbackLog
from cds_service.store.migrations import migrate
from cds_service.store.sqlite import make_folder

BATCHES = 40
_WRITE = """
import sys
from datetime import UTC, datetime
from cds_service.protocol.feedback import Feedback
from cds_service.store import Database, Durability, FeedbackLog
database = Database.open(sys.argv[1], busy_timeout_ms=5000, durability=Durability(sys.argv[2]))
now = datetime.now(UTC)
for number in range(int(sys.argv[3])):
    batch = [Feedback(card=f"{number}-{item}", outcome="accepted", at=now) for item in range(3)]
    FeedbackLog(database).add(batch, client="c", service="s", now=now)
"""
_FLUSH = re.compile(r"\bf(?:data)?sync\(\d+<([^>]*)>")


def _flushed(folder: Path, *command: str) -> list[str]:
    """The files that a program flushes, in the order in which it does."""
    if shutil.which("strace") is None:
        pytest.skip("no strace: install the package strace")
    written = folder / "flushes"
    options = ["-f", "-qq", "-y", "-e", "trace=fdatasync,fsync", "-e", "signal=none"]
    subprocess.run(["strace", *options, "-o", written, sys.executable, *command], check=True)
    return _FLUSH.findall(written.read_text("utf-8"))


def test_each_commit_is_flushed(sqlite_url: str, tmp_path: Path) -> None:
    """The log reaches the disk once for each batch at least; where durability is not asked for,
    it does not, so that the count tells the one from the other."""
    database = Database.open(sqlite_url)
    migrate(database)
    database.close()
    counts = {}
    for kind in Durability:
        files = _flushed(tmp_path, "-c", _WRITE, sqlite_url, kind.value, str(BATCHES))
        counts[kind] = sum(name.endswith("-wal") for name in files)
        with database.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM feedback")
        database.close()
    assert counts[Durability.FULL] >= BATCHES
    assert counts[Durability.NORMAL] < BATCHES / 4


def test_names_are_flushed(tmp_path: Path) -> None:
    """A new database is found again after a loss of power: its folders are flushed as well."""
    folder = tmp_path / "a" / "b"
    code = (
        "import sys; from cds_service.store import Database\n"
        "database = Database.open(sys.argv[1]); database.make_folder()\n"
        "with database.statements() as connection: pass"
    )
    files = _flushed(tmp_path, "-c", code, f"sqlite:///{folder}/store.db")
    assert {str(tmp_path), str(tmp_path / "a"), str(folder)} <= set(files)


def test_a_folder_may_be_there(tmp_path: Path) -> None:
    """Making it again changes nothing; a file in its place is an error."""
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="exist"):
        make_folder(tmp_path / "file")


@pytest.mark.parametrize(
    ("default", "durable", "replay"),
    [
        ("off", "on", "off"),
        ("on", "on", "off"),
        ("local", "local", "off"),
        ("remote_apply", "remote_apply", "off"),
    ],
)
def test_whatever_the_server_answers_by_default(
    postgresql_url: str, default: str, durable: str, replay: str
) -> None:
    """A server that answers before its disk has it is told to wait; asking for more is kept."""
    url = make_url(postgresql_url)
    options = f"{url.query['options']} -csynchronous_commit={default}"
    address = url.update_query_dict({"options": options}).render_as_string(hide_password=False)
    database = Database.open(address, busy_timeout_ms=5000)
    for one, wanted in ((database, durable), (database.for_replay(), replay)):
        for _ in range(2):  # it holds for the session, not for the first transaction
            with one.statements() as connection:
                found = connection.exec_driver_sql("SHOW synchronous_commit").scalar()
            assert found == wanted
        one.close()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_the_ends_of_the_calendar(postgresql_url: str, zone: str) -> None:
    """What an EHR with a wrong clock sends is kept and can be read, whatever the server does."""
    url = make_url(postgresql_url)
    options = f"{url.query['options']} -ctimezone={zone} -cclient_encoding=LATIN1"
    address = url.update_query_dict({"options": options}).render_as_string(hide_password=False)
    database = Database.open(address, busy_timeout_ms=5000)
    migrate(database)
    moments = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    log = FeedbackLog(database)
    batch = [Feedback(card="a", outcome="accepted", at=at, comment="骨密度 ż") for at in moments]
    log.add(batch, client="c", service="s", now=moments[1])
    kept = log.of_card("a")
    assert [one.feedback.at for one in kept] == moments
    assert {one.feedback.comment for one in kept} == {"骨密度 ż"}
    database.close()
