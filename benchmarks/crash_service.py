"""The service as it is killed: gunicorn's master, its workers, and their end."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

WORKERS = 2
_START = [sys.executable, "-c", "from cds_service.cli import main; main()", "serve"]
_LIMIT_S = 90.0


def free_port() -> int:
    """A loopback port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Service:
    """One service on one port and one database, started again as often as its master dies."""

    def __init__(self, url: str, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / "service.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
        self._environment = clean | {"CDS_DATABASE_URL": url, "CDS_LOG_LEVEL": "error"}
        self._groups: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, tracer: list[str] | None = None) -> None:
        """Starts a master; its workers answer when `wait` returns."""
        options = ["--port", str(self.port), "--workers", str(WORKERS), "--threads", "8"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*(tracer or ()), *_START, *options],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._groups.append(self._process.pid)

    def wait(self) -> None:
        """Waits until somebody listens and all workers are there.

        A master that gives up, since workers of the one before still hold the port, is started
        again: so would whatever supervises it.
        """
        until = time.monotonic() + _LIMIT_S
        while len(self.workers()) < WORKERS or not self._listens():
            if time.monotonic() > until:
                raise RuntimeError(f"the service does not start:\n{self.said()}")
            if self._master().poll() is not None:
                self.start()
            time.sleep(0.05)

    def workers(self) -> list[int]:
        """The workers that the master has now."""
        pid = self._master().pid
        try:
            return [int(one) for one in _children(pid).split()]
        except OSError:
            return []

    def kill_worker(self, chance: random.Random) -> int:
        """Kills one worker; how many processes that were alive got the signal."""
        workers = self.workers()
        return _kill(chance.choice(workers)) if workers else 0

    def kill_master(self, *, with_workers: bool) -> int:
        """Kills the master, alone or all at once, and takes its end; how many were killed."""
        workers = self.workers() if with_workers else []
        killed = _kill(self._master().pid) + sum(_kill(pid) for pid in workers)
        self._master().wait()
        return killed

    def has_died(self) -> bool:
        """Whether the master is gone without having been killed here."""
        return self._master().poll() is not None

    def stop(self) -> None:
        """Ends the service in good order, and whatever is left of those before."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._groups.clear()

    def _master(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _listens(self) -> bool:
        with socket.socket() as tried:
            tried.settimeout(1)
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def said(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text("utf-8", "replace")[-3000:]


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def _kill(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1
