"""`cds-service serve` under a supervisor of ours, who opens the socket and hears of readiness.

What systemd does with a socket unit and `Type=notify`, in a few lines: the socket stays open while
one server after the other listens on it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SECONDS_TO_START = 90
"""A machine that does much else is slow to start Python."""

# LISTEN_PID must be the number of the process that gets the socket, known only within it.
_SHIM = (
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])\n"
)
_SERVE = ("-c", "from cds_service.cli import main; main()", "serve")


class Supervisor:
    """One listening socket, and the server on it."""

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        python: str = sys.executable,
        **environment: str,
    ) -> None:
        self.folder = folder
        self._python = python
        self.log = folder / "server.log"
        self._listener = socket.create_server((host, 0), backlog=2048)
        self.port: int = self._listener.getsockname()[1]
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(folder / "notify"))
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(folder),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "CDS_AS_OF": "2026-11-23",
            "CDS_WORKERS": "2",
            **environment,
        }
        self._started: list[subprocess.Popen[bytes]] = []
        self.pid = 0

    def start(self) -> None:
        """Starts a server and waits until it says that it is ready."""
        process = self.launch()
        self.pid = process.pid
        self.hear("READY=1", process)
        self._wait_for_workers()

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts a server without waiting for it."""
        descriptor = self._listener.fileno()
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [self._python, "-c", _SHIM, str(descriptor), *_SERVE],
                env=self._environment,
                cwd=self.folder,
                pass_fds=[descriptor],
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process

    def hear(self, wanted: str, process: subprocess.Popen[bytes] | None = None) -> str:
        """The first notice with a line that begins so; fails when the server ends before."""
        until = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < until:
            if select.select([self._notices], [], [], 0.2)[0]:
                lines = self._notices.recv(4096).decode().splitlines()
                found = [line for line in lines if line.startswith(wanted)]
                if found:
                    return found[0]
            elif process is not None and process.poll() is not None:
                break
        raise TimeoutError(f"no {wanted}:\n{self.log.read_text('utf-8', 'replace')}")

    def send(self, number: signal.Signals) -> None:
        """A signal to the present master."""
        os.kill(self.pid, number)

    def workers(self) -> set[int]:
        """The processes of the present master that are still there."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return {int(pid) for pid in children.read_text().split()}

    def hand_over(self) -> None:
        """SIGUSR2, until another master has taken the place of the present one."""
        before = os.pidfd_open(self.pid)
        self.send(signal.SIGUSR2)
        self.pid = int(self.hear("MAINPID=").partition("=")[2])
        _wait_for_end(before)
        self._wait_for_workers()

    def _wait_for_workers(self) -> None:
        """Waits until all are there: a master is ready a moment before."""
        wanted, until = int(self._environment["CDS_WORKERS"]), time.monotonic() + SECONDS_TO_START
        while len(self.workers()) < wanted:
            if time.monotonic() > until:
                raise TimeoutError("too few workers")
            time.sleep(0.02)

    def stop(self) -> int | None:
        """SIGTERM, until the server has gone; its exit status, where it is our own child."""
        descriptor = os.pidfd_open(self.pid)
        self.send(signal.SIGTERM)
        _wait_for_end(descriptor)
        (ours,) = [one for one in self._started if one.pid == self.pid] or [None]
        self.pid = 0
        return ours.wait() if ours else None

    def close(self) -> None:
        """Ends what is left."""
        if self.pid:
            self.stop()
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._listener.close()
        self._notices.close()


def _wait_for_end(descriptor: int) -> None:
    try:
        if not select.select([descriptor], [], [], SECONDS_TO_START)[0]:
            raise TimeoutError("the server does not end")
    finally:
        os.close(descriptor)
