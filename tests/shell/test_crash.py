"""The short form of `make crash`, and whether its judge would notice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import psycopg
import pytest

from benchmarks.crash_senders import Batch, Ledger, judge
from benchmarks.crash_stores import flushes

ROOT = Path(__file__).parents[2]
USUAL = "postgresql://postgres@127.0.0.1:5432/test"
CRITERIA = {
    "SIGKILLs",
    "masters started",
    "items acknowledged",
    "acknowledged items lost",
    "half batches",
    "items kept twice",
    "items nobody sent",
    "integrity",
    "flushes of the log",
}


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_killed_under_load(database: str) -> None:
    """Workers and master are killed while feedback comes in: nothing acknowledged is lost."""
    if shutil.which("strace") is None:
        pytest.skip("no strace: install the package strace")
    if database == "postgresql" and not [*Path("/usr/lib/postgresql").glob("*/bin/postgres")]:
        database = os.environ.get("TEST_DATABASE_URL", USUAL)  # not ours to take down
        if not _answers(database):
            pytest.skip("no PostgreSQL: set TEST_DATABASE_URL or install the package postgresql")
    options = ["--items", "300", "--kills", "10", "--flushes", "40", "--database", database]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.crash", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| ([^|]+?) \| .* \| ok \|$", done.stdout, re.MULTILINE)
    assert set(rows) == CRITERIA


def _cards(name: str, size: int, count: int | None = None) -> list[str]:
    return [f"{name}.{size}.{position}" for position in range(size if count is None else count)]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (_cards("a", 3) + _cards("b", 2), (0, 0, 0, 0)),
        (_cards("a", 3) + _cards("b", 2) + _cards("c", 4), (0, 0, 0, 0)),  # kept, not said
        (_cards("a", 3), (2, 0, 0, 0)),
        (_cards("a", 3) + _cards("b", 2, 1), (1, 1, 0, 0)),
        (_cards("a", 3) + _cards("b", 2) + _cards("c", 4, 3), (0, 1, 0, 0)),
        (_cards("a", 3) * 2 + _cards("b", 2), (0, 0, 3, 0)),
        (_cards("a", 3) + _cards("b", 2) + _cards("x", 1), (0, 0, 0, 1)),
        ([], (5, 0, 0, 0)),
    ],
)
def test_the_judge(kept: list[str], expected: tuple[int, ...]) -> None:
    """Lost items, half batches, doubles and strangers: each is counted for what it is."""
    ledger = Ledger(sent={"a": 3, "b": 2, "c": 4})
    ledger.acknowledge(Batch("a", 3), {"new": 3, "repeated": 0})
    ledger.acknowledge(Batch("b", 2), {"new": 0, "repeated": 2})
    assert astuple(judge(ledger, kept)) == expected


def test_a_half_batch_does_not_hide_behind_its_repeat() -> None:
    """When a batch that is sent again is known in part, it was kept in part before."""
    ledger = Ledger(sent={"a": 3})
    ledger.acknowledge(Batch("a", 3), {"new": 1, "repeated": 2})
    assert judge(ledger, _cards("a", 3)).half_batches == 1


def test_flushes_are_counted_by_file_and_time(tmp_path: Path) -> None:
    """Only the log counts, only within the time, and a call that went on later only once."""
    written = tmp_path / "flushes"
    written.write_text(
        "7     100.5 fdatasync(9</d/x.db-wal>) = 0\n"
        "7 101.0 fdatasync(9</d/x.db-wal> <unfinished ...>\n"
        "8 101.1 fdatasync(3</d/x.db>) = 0\n"
        "7 101.2 <... fdatasync resumed>) = 0\n"
        "8 102.0 fsync(4</d/x.db-wal>) = 0\n"
        "8 103.0 fsync(4</d/x.db-wal>) = 0\n"
    )
    assert flushes(written, "-wal", 100.9, 102.5) == 2
