"""A key is claimed once: by any number of threads and processes, and after any of them died."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cds_service.store import Database, ReplayStore
from cds_service.store.migrations import migrate
from cds_service.store.replay import PRUNE_AT_MOST, PRUNE_EVERY

CLAIMER = Path(__file__).with_name("claimer.py")
KEY = bytes(range(32))


def _key(number: int) -> bytes:
    return number.to_bytes(32, "big")


@contextmanager
def _claimers(
    url: str, *numbers: int, key: bytes = b""
) -> Iterator[Iterator[tuple[int, str, bool]]]:
    """What so many processes, threads in each, and claims in each thread answer.

    Each answer is the number of its process, the key and whether the claim held.
    """
    command = [sys.executable, str(CLAIMER), url, *map(str, numbers), *([key.hex()] if key else [])]
    parent = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write("\n")
        parent.stdin.flush()
        yield (_parsed(line) for line in parent.stdout)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate()


def _parsed(line: str) -> tuple[int, str, bool]:
    process, key, answer = line.split()
    return int(process), key, answer == "True"


def test_a_key_is_claimed_once(database: Database) -> None:
    """The first claim of a key holds, all others do not, whatever expiry they bring."""
    store = ReplayStore(database)
    assert [store.claim(KEY, expires_at, 100) for expires_at in (160, 160, 999, 101)] == [
        True,
        False,
        False,
        False,
    ]
    assert store.claim(_key(1), 160, 100)


@pytest.mark.parametrize(
    ("now", "again"), [(99, False), (160, False), (161, True), (100_000, True)]
)
def test_a_key_is_kept_through_its_last_second(database: Database, now: int, again: bool) -> None:
    """An expired key counts as gone, pruned or not, and is then claimed once again."""
    store = ReplayStore(database)
    assert store.claim(KEY, 160, 100)
    assert store.claim(KEY, now + 60, now) is again
    assert not store.claim(KEY, now + 60, now)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_other_keys_are_refused(database: Database, key: bytes) -> None:
    """A key is the whole hash: anything shorter or longer is a mistake of the caller."""
    with pytest.raises(ValueError, match="32 bytes"):
        ReplayStore(database).claim(key, 160, 100)


def test_a_thousand_at_once(database: Database, url: str) -> None:
    """Of 1,000 claims of one key, by 5 threads in each of 4 processes, exactly one holds."""
    with _claimers(url, 4, 5, 50, key=KEY) as answers:
        found = [(key, is_first) for _, key, is_first in answers]
    assert Counter(found) == {(KEY.hex(), True): 1, (KEY.hex(), False): 999}
    assert not ReplayStore(database).claim(KEY, int(time.time()) + 60, int(time.time()))


def test_killed_after_the_answer(database: Database, url: str) -> None:
    """The process whose claim held is killed at once (kill -9): nobody gets the key after it."""
    held = 0
    with _claimers(url, 4, 5, 50, key=KEY) as answers:
        for process, _, is_first in answers:
            if is_first:
                os.kill(process, signal.SIGKILL)
                held += 1
    assert held == 1
    with _claimers(url, 2, 2, 10, key=KEY) as answers:
        assert [is_first for _, _, is_first in answers] == [False] * 40
    assert not ReplayStore(database).claim(KEY, int(time.time()) + 60, int(time.time()))


def test_no_answered_claim_is_lost(database: Database, url: str) -> None:
    """Whatever was answered before a kill -9 in the middle of the work is kept, file undamaged."""
    told: list[tuple[int, str, bool]] = []
    for enough in (10, 300):
        with _claimers(url, 2, 2, 100_000) as answers:
            told += itertools.islice(answers, enough)
            for process in {process for process, _, _ in told}:
                with suppress(ProcessLookupError):  # it was killed in the round before
                    os.kill(process, signal.SIGKILL)
            # What they wrote before is still in the pipe. One that told nothing yet works on.
            told += itertools.islice(answers, 100)
    assert all(is_first for _, _, is_first in told)
    keys = [bytes.fromhex(key) for _, key, _ in told]
    assert len(set(keys)) == len(keys) >= 310
    store, now = ReplayStore(database), int(time.time())
    assert [key for key in keys if store.claim(key, now + 60, now)] == []
    if not database.is_shared:
        with sqlite3.connect(database.where) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()


def test_pruning_takes_expired_keys_in_batches(database: Database) -> None:
    """A batch is bounded; what has not expired stays."""
    store = ReplayStore(database)
    for number in range(PRUNE_AT_MOST + 20):
        store.claim(_key(number), 1000 + number, 100)
    assert store.prune(1000) == 0
    assert store.prune(1000 + PRUNE_AT_MOST + 10) == PRUNE_AT_MOST
    assert store.prune(1000 + PRUNE_AT_MOST + 10) == 10
    last = _key(PRUNE_AT_MOST + 19)
    assert not store.claim(last, 9999, 1000 + PRUNE_AT_MOST + 19)


def test_claiming_prunes_now_and_then(database: Database) -> None:
    """A store that is used does not grow: what expired goes while new keys come."""
    store = ReplayStore(database)
    for number in range(PRUNE_EVERY - 1):
        store.claim(_key(number), 200, 100)
    assert store.claim(KEY, 400, 300)
    assert store.prune(300) == 0


_FORK = """
import os, sys
from cds_service.store import Database, ReplayStore
database = Database.open(sys.argv[1])
store = ReplayStore(database)
def claim(*numbers):
    return [store.claim(number.to_bytes(32, "big"), 200, 100) for number in numbers]
assert claim(1) == [True]
child = os.fork()
if child == 0:
    names = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if entry.is_symlink()
             and os.path.exists(entry.path)]
    assert not [name for name in names if database.where in name], "an inherited file"
    assert claim(1, 2) == [False, True]
    database.close()
    os._exit(0)
assert claim(3) == [True]
assert os.waitpid(child, 0)[1] == 0
assert claim(1, 2, 3, 4) == [False, False, False, True]
database.close()
"""


def test_after_a_fork(database: Database, url: str) -> None:
    """Parent and child go on with a database that was in use before the fork."""
    done = subprocess.run([sys.executable, "-c", _FORK, url], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not ReplayStore(database).claim(_key(4), 200, 100)


_LOOK = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM replay').close()"


def test_opening_drops_no_locks(sqlite_url: str) -> None:
    """A second opening of a file in a process leaves the locks of the first in place.

    Without them, another process that closes the file takes itself for the last one and removes
    the log under the connections that are still in use.
    """
    first, second = Database.open(sqlite_url), Database.open(sqlite_url)
    migrate(first)
    assert ReplayStore(first).claim(KEY, 200, 100)
    assert not ReplayStore(second).claim(KEY, 200, 100)
    second.close()
    subprocess.run([sys.executable, "-c", _LOOK, first.where], check=True)
    assert Path(f"{first.where}-wal").exists()
    assert not ReplayStore(first).claim(KEY, 200, 100)
    first.close()
    assert [path.name for path in Path(first.where).parent.iterdir()] == ["store.sqlite3"]


@pytest.mark.parametrize("name", ["store.sqlite3", "a b%c.db", "plain"])
def test_replay_has_its_own_file(tmp_path: Path, name: str) -> None:
    """Used tokens are written beside the durable file, without a flush to disk each time."""
    durable = Database.open(f"sqlite:///{tmp_path}/{name}")
    own = durable.for_replay()
    assert Path(own.where).parent == tmp_path
    assert own.where != durable.where
    for database, level in ((durable, 3), (own, 1)):
        with database.statements() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert Path(database.where).stat().st_mode & 0o777 == 0o600
        database.close()


def test_replay_on_a_server(postgresql_url: str) -> None:
    """On PostgreSQL used tokens are in the same database, and do not wait for its disk."""
    durable = Database.open(postgresql_url)
    own = durable.for_replay()
    assert own.where == durable.where
    for database, level in ((durable, "on"), (own, "off")):
        with database.statements() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == level
        database.close()
