"""A disk that a test can fill up: a small file system, or a limit of this process."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol

SIZE = "40m"


class Disk(Protocol):
    """A place for the database `store.db` that can be filled up."""

    folder: Path

    def fill(self) -> None:
        """Leaves no space for another page."""

    def free(self) -> None:
        """Gives the space back."""


class SmallDisk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Writes until nothing fits any more."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        assert os.statvfs(self.folder).f_bavail == 0

    def free(self) -> None:
        """Removes what was written."""
        self._ballast.unlink()


class Limit:
    """Where nothing can be mounted: no file of this process may grow beyond what it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._reader: sqlite3.Connection | None = None

    def fill(self) -> None:
        """Files end where the largest ends now, which is the log; without one it gets no page."""
        largest = max((one.stat().st_size for one in self.folder.glob("*replay*")), default=0)
        log = self.folder / "store.db-wal"
        if largest and self._length(log) < largest:
            self._lengthen(largest)
        limit = max(4096, self._length(log))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, self._before[1]))

    def free(self) -> None:
        """As it was."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _length(self, log: Path) -> int:
        return log.stat().st_size if log.exists() else 0

    def _lengthen(self, size: int) -> None:
        """A long log that is in use to its end: somebody still reads its beginning."""
        path = self.folder / "store.db"
        self._reader = sqlite3.connect(path, isolation_level=None)
        self._reader.execute("BEGIN")
        self._reader.execute("SELECT count(*) FROM feedback").fetchall()
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("CREATE TABLE filler (content)")
            writer.execute("INSERT INTO filler VALUES (zeroblob(?))", (size,))
            writer.execute("DROP TABLE filler")


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A small file system where it can be mounted, else a limit of this process."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "cds-test", str(folder)]
    try:
        is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        is_mounted = False
    if not is_mounted:
        limit = Limit(folder)
        try:
            yield limit
        finally:
            limit.free()
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
