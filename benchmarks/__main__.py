"""`make bench`: alternating rounds of a bare Flask application and ours, as a table of ratios."""

from __future__ import annotations

import argparse
import http.client
import json
import platform
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.bodies import bodies, instances
from benchmarks.callers import registered_caller
from benchmarks.load import Measured, run
from benchmarks.servers import THREADS, WORKERS, Server, ask, start

SIZES = (
    ("20 KB", 20_000, 200),
    ("200 KB", 200_000, 60),
    ("400 KB", 400_000, 30),
    ("2 MB", 2_000_000, 8),
)
"""Name, bytes, requests per round; the first one also with a token in each call.

Rounds are short and alternate, for what a machine gives changes from second to second: a ratio is
the median of the ratios of neighbouring rounds.
"""
AS_OF = {"CDS_AS_OF": "2026-11-23"}


def main() -> None:
    """Measures and prints; `--rounds` and `--scale` make it shorter or longer."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="short rounds of each measurement")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the requests")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="only so many sizes")
    options = parser.parse_args()
    sample = next(instances(bodies(20_000, 1)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        answer = folder / "answer.json"
        servers: dict[str, Server] = {}
        try:
            store = {"CDS_DATABASE_URL": f"sqlite:///{folder / 'ours.sqlite'}"}
            servers["ours"] = start("ours", sample, AS_OF | store)
            settings, authorize = registered_caller(folder)
            store = {"CDS_DATABASE_URL": f"sqlite:///{folder / 'jwt.sqlite'}"}
            servers["jwt"] = start("ours", sample, AS_OF | store | settings, authorize=authorize)
            answer.write_bytes(_card_answer(servers["ours"], sample))
            servers["bare"] = start("bare", sample, {"BENCH_ANSWER": str(answer)})
            _report(servers, SIZES[: options.sizes], options.rounds, options.scale)
        finally:
            for server in servers.values():
                server.stop()


def _card_answer(server: Server, body: bytes) -> bytes:
    status, text = ask(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30), body)
    cards = json.loads(text)["cards"]
    if status != 200 or [card["indicator"] for card in cards] != ["warning"]:
        raise RuntimeError("the sample request did not give its warning card")
    return text


def _report(
    servers: dict[str, Server],
    sizes: tuple[tuple[str, int, int], ...],
    rounds: int,
    scale: float,
) -> None:
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, "
        f"Python {platform.python_version()}, {WORKERS} workers x {THREADS} "
        f"threads, medians of {rounds} alternating rounds\n"
    )
    print(
        "| body | connections | CPU ms bare | CPU ms ours | CPU ratio | rps bare | rps ours "
        "| rps ratio | p50 ms ours | p99 ms ours |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    cpu: dict[str, float] = {}
    for name, size, requests in sizes:
        compared = ["bare", "ours", "jwt"] if name == sizes[0][0] else ["bare", "ours"]
        prepared = bodies(size, 32 if size < 1_000_000 else 8)
        for connections in (1, 8):
            count = max(8, int(requests * scale))
            found: dict[str, list[Measured]] = {label: [] for label in compared}
            for label in compared:
                run(servers[label], instances(prepared), max(8, count // 5), connections)
            for _ in range(rounds):
                for label in compared:
                    found[label].append(
                        run(servers[label], instances(prepared), count, connections)
                    )
            bare, ours = found["bare"], found["ours"]
            cpu[name] = _middle(ours, lambda item: item.cpu_ms)
            print(_row(name, connections, bare, ours), flush=True)
            if "jwt" in found:
                print(_row(f"{name}, RS384", connections, bare, found["jwt"]), flush=True)
    if {"200 KB", "400 KB"} <= cpu.keys():
        print(f"\nDoubling the chart (200 KB to 400 KB): {cpu['400 KB'] / cpu['200 KB']:.2f} x CPU")
    for label, server in servers.items():
        print(
            f"{label}: first answer {server.startup_s:.2f} s after the start, "
            f"{server.memory_mib():.0f} MiB (PSS of all processes)"
        )


def _middle(items: list[Measured], value: Callable[[Measured], float]) -> float:
    return median(value(item) for item in items)


def _row(name: str, connections: int, bare: list[Measured], ours: list[Measured]) -> str:
    cpu = [_middle(items, lambda item: item.cpu_ms) for items in (bare, ours)]
    rps = [_middle(items, lambda item: item.rps) for items in (bare, ours)]
    ratio = median(own.cpu_ms / theirs.cpu_ms for own, theirs in zip(ours, bare, strict=True))
    pace = median(own.rps / theirs.rps for own, theirs in zip(ours, bare, strict=True))
    p50 = _middle(ours, lambda item: item.p50_ms)
    p99 = _middle(ours, lambda item: item.p99_ms)
    return (
        f"| {name} | {connections} | {cpu[0]:.2f} | {cpu[1]:.2f} | {ratio:.2f} "
        f"| {rps[0]:.0f} | {rps[1]:.0f} | {pace:.2f} | {p50:.1f} | {p99:.1f} |"
    )


if __name__ == "__main__":
    main()
