"""`make memory`: does a server that answers 100,000 requests keep what it should let go?

    python -m benchmarks.memory [--requests 100000] [--connections 8]

Workers are not renewed meanwhile. Of all processes of the server the memory of their own (unique
set size: what would be free if they ended), the memory they hold (resident set size), open files
and threads are read fifty times. The first fifth is warm-up; then the middle of the next tenth is
compared with the middle of the last tenth. The exit status is 1 when something has grown.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from benchmarks.bodies import bodies, instances
from benchmarks.load import run
from benchmarks.servers import WORKERS, Server, start

THREADS = 8
SAMPLES = 50
WARM_UP, PART = SAMPLES // 5, SAMPLES // 10
MOST_GROWTH = 0.05
SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Held:
    """What the workers and the master hold at one moment."""

    uss_mib: float
    rss_mib: float
    files: int
    threads: int


def held(server: Server) -> Held:
    """Adds up all processes of a server."""
    uss_kib = rss_kib = files = threads = 0
    for pid in server.pids():
        folder = Path(f"/proc/{pid}")
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                uss_kib += int(line.split()[1])
            elif line.startswith("Rss:"):
                rss_kib += int(line.split()[1])
        files += len(list((folder / "fd").iterdir()))
        threads += len(list((folder / "task").iterdir()))
    return Held(uss_kib / 1024, rss_kib / 1024, files, threads)


def main() -> None:
    """Measures, prints and judges."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=8)
    given = parser.parse_args()
    prepared = bodies(20_000, 64)
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "CDS_AS_OF": "2026-11-23",
            "CDS_LOG_LEVEL": "warning",
            "XDG_STATE_HOME": folder,
            "GUNICORN_CMD_ARGS": "--max-requests 0",
        }
        log = Path(folder) / "server.log"
        server = start("ours", next(instances(prepared)), environment, threads=THREADS, log=log)
        try:
            samples, pids = _measure(server, prepared, given.requests, given.connections)
        finally:
            server.stop()
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python "
        f"{platform.python_version()}, {WORKERS} workers x {THREADS} threads, "
        f"{given.requests} requests of 20 KB on {given.connections} connections\n"
    )
    sys.exit(0 if _judge(samples) and pids else 1)


def _measure(
    server: Server, prepared: list[bytes], requests: int, connections: int
) -> tuple[list[Held], bool]:
    samples: list[Held] = []
    source, each, began = instances(prepared), max(1, requests // SAMPLES), monotonic()
    pids: list[int] = []
    for number in range(SAMPLES):
        run(server, source, each, connections)
        sleep(SETTLE_S)  # the connections of the round are closed, its decisions written
        samples.append(held(server))
        pids = pids or server.pids()
        now = samples[-1]
        if number % PART == PART - 1:
            print(
                f"{monotonic() - began:5.0f} s, {(number + 1) * each} requests: USS "
                f"{now.uss_mib:.1f} MiB, RSS {now.rss_mib:.1f} MiB, {now.files} files, "
                f"{now.threads} threads, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    same = pids == server.pids()
    print(f"\n{'the same' if same else 'OTHER'} processes at the end")
    return samples, same


def _judge(samples: list[Held]) -> bool:
    holds = True
    print("| | after warm-up | at the end | growth | wanted | verdict |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows: tuple[tuple[str, Callable[[Held], float], float], ...] = (
        ("USS, MiB", lambda one: one.uss_mib, MOST_GROWTH),
        ("RSS, MiB", lambda one: one.rss_mib, MOST_GROWTH),
        ("open files", lambda one: one.files, 0.0),
        ("threads", lambda one: one.threads, 0.0),
    )
    for name, value, most in rows:
        first = median(value(one) for one in samples[WARM_UP : WARM_UP + PART])
        last = median(value(one) for one in samples[-PART:])
        growth = last / first - 1
        fine = growth <= most
        holds = holds and fine
        wanted = f"<= {100 * most:.0f} %" if most else "flat"
        print(
            f"| {name} | {first:.1f} | {last:.1f} | {100 * growth:+.1f} % | {wanted} "
            f"| {'holds' if fine else '**fails**'} |"
        )
    return holds


if __name__ == "__main__":
    main()
