"""gunicorn with one of the two applications, and what its processes use."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WORKERS, THREADS = 2, 4
PATH = "/cds-services/bone-density-imaging"


@dataclass(slots=True)
class Server:
    """A running server: its address, its processes, and how long its first answer took."""

    process: subprocess.Popen[bytes]
    port: int
    startup_s: float
    authorize: Callable[[], str] | None = None

    def pids(self) -> list[int]:
        """The master and its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *(int(pid) for pid in children.read_text().split())]

    def cpu_s(self) -> float:
        """CPU seconds used so far by all processes of the server."""
        return sum(_ran_ns(pid) for pid in self.pids()) / 1e9

    def memory_mib(self) -> float:
        """Proportional set size of all processes, in MiB."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total / 1024

    def stop(self) -> None:
        """Ends the server and waits for it."""
        self.process.terminate()
        self.process.wait(20)


def _ran_ns(pid: int) -> int:
    """Nanoseconds that the threads of a process ran; those that have ended are not counted."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            total += int((thread / "schedstat").read_text().split()[0])
    return total


def start(
    name: str,
    body: bytes,
    environment: dict[str, str],
    *,
    threads: int = THREADS,
    log: Path | None = None,
    authorize: Callable[[], str] | None = None,
) -> Server:
    """Starts `ours` or `bare` and waits for the first answer to a hook call.

    What it writes goes to a file, or nowhere.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    if name == "ours":
        command = [str(Path(sys.executable).with_name("cds-service")), "serve", "--port", str(port)]
        command += ["--workers", str(WORKERS), "--threads", str(threads)]
    else:
        command = [sys.executable, "-m", "gunicorn", "benchmarks.bare:app", "-k", "gthread"]
        command += ["-w", str(WORKERS), "--threads", str(threads), "--preload"]
        command += ["-b", f"127.0.0.1:{port}", "--log-level", "error", "--no-control-socket"]
    began = time.perf_counter()
    with (log or Path(os.devnull)).open("wb") as written:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=written, stderr=written
        )
    _first_answer(process, port, body, authorize)
    return Server(process, port, time.perf_counter() - began, authorize)


def _first_answer(
    process: subprocess.Popen[bytes],
    port: int,
    body: bytes,
    authorize: Callable[[], str] | None,
) -> None:
    for _ in range(400):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            if ask(connection, body, authorize() if authorize else None)[0] == 200:
                return
        except OSError:
            time.sleep(0.025)
    process.terminate()
    raise RuntimeError("no answer within ten seconds")


def ask(
    connection: http.client.HTTPConnection, body: bytes, authorization: str | None = None
) -> tuple[int, bytes]:
    """One hook call on an open connection."""
    headers = {"Content-Type": "application/json"}
    if authorization:
        headers["Authorization"] = authorization
    connection.request("POST", PATH, body, headers)
    response = connection.getresponse()
    return response.status, response.read()
