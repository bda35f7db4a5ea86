"""What was acknowledged is there, and whole, after processes were killed while they wrote."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from cds_service.store import Database

WRITER = Path(__file__).with_name("writer.py")
SIZE = 5
KILLS = 8
ACKNOWLEDGED = 1000


def test_killed_while_writing(database: Database) -> None:
    """A thousand acknowledged items under eight SIGKILLs: none is lost, and no batch is half."""
    url = f"sqlite:///{database.where}"
    said: set[str] = set()
    kills = 0
    while kills < KILLS or len(said) * SIZE < ACKNOWLEDGED:
        writers = [
            subprocess.Popen(
                [sys.executable, WRITER, url, f"w{kills}{which}", "100000", str(SIZE)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for which in "ab"
        ]
        for writer in writers:
            assert writer.stdout is not None
            said.add(f"{writer.args[3]}-{writer.stdout.readline().strip()}")  # type: ignore[index]
        time.sleep(0.15 + 0.02 * kills)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            kills += 1
        for which, writer in zip("ab", writers, strict=True):
            rest, _ = writer.communicate()
            assert writer.returncode == -signal.SIGKILL
            name = f"w{kills - len(writers)}{which}"
            # The last line may be cut: then it was not said.
            said |= {f"{name}-{line}" for line in rest.split("\n")[:-1]}
    with sqlite3.connect(database.where) as connection:
        kept = [row[0] for row in connection.execute("SELECT card FROM feedback")]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    batches: dict[str, int] = {}
    for card in kept:
        batch = card.rpartition("-")[0]
        batches[batch] = batches.get(batch, 0) + 1
    assert len(said) * SIZE >= ACKNOWLEDGED
    assert said - batches.keys() == set()
    assert set(batches.values()) == {SIZE}
    # A batch may be kept and not yet said; at most the one in hand of each that was killed.
    assert len(batches) - len(said) <= kills
