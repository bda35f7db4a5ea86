"""One server under test: what is recorded about it, what is judged, and what is printed."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fhir_faults import FAULTS
from benchmarks.open_loop import Answered, Client
from benchmarks.servers import Server
from benchmarks.traffic import BROKEN, EXACT, OPEN, SHED, UNREADABLE, WRONG, Judge, Outcome

DEADLINE_S, GRACE_S = 2.0, 0.1
_SHOWN = 12
_ORDER = (EXACT, OPEN, UNREADABLE, SHED, WRONG, BROKEN)
_OWN_MS = re.compile(r" ms=([0-9.]+)")


@dataclass(slots=True)
class Verdict:
    """One criterion: what was wanted, what was found, and whether that is good enough."""

    name: str
    wanted: str
    found: str
    holds: bool


@dataclass(slots=True)
class Run:
    """One server under test with everything that is recorded about it."""

    server: Server
    log: Path
    judge: Judge
    outcomes: list[Outcome] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    memory_mib: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def take(self, answered: Answered) -> None:
        """Judges and keeps one answer."""
        self.outcomes.append(self.judge(answered))

    def check(self, name: str, wanted: str, found: str, holds: bool) -> None:
        """Adds a criterion."""
        self.verdicts.append(Verdict(name, wanted, found, holds))


def check_common(run: Run, outcomes: list[Outcome], what: str) -> None:
    """What must hold of all answers, whatever the FHIR servers do."""
    count = Counter(one.verdict for one in outcomes)
    fives = Counter(one.status for one in outcomes if one.status >= 500 and one.verdict != SHED)
    run.check(
        f"{what}: no 5xx but an intended 503",
        "0",
        f"{sum(fives.values())} ({count[SHED]} intended 503)",
        not fives,
    )
    run.check(f"{what}: no other broken answer", "0", str(count[BROKEN]), not count[BROKEN])
    run.check(f"{what}: wrong decisions", "0", str(count[WRONG]), not count[WRONG])
    limit = DEADLINE_S + GRACE_S
    slowest = max(one.latency_s for one in outcomes)
    late = sum(one.latency_s > limit for one in outcomes)
    ours = max(one.late_s for one in outcomes)
    run.check(
        f"{what}: answered within the deadline + 100 ms",
        f"<= {limit * 1000:.0f} ms",
        f"max {slowest * 1000:.0f} ms, {late} later (load generator: max {ours * 1000:.0f} ms)",
        not late,
    )
    bad = [one for one in outcomes if one.verdict in (WRONG, BROKEN)]
    for one in bad[:_SHOWN]:
        where = f"{one.asked.group} {one.asked.fault} {one.asked.patient}"
        print(f"{one.verdict} at {one.due_s - run.began:.1f} s, {where}: {one.why}")


def check_server(run: Run, name: str) -> None:
    """What must hold of the server itself."""
    log = run.log.read_text("utf-8", "replace")
    faults, lost = log.count(" fault "), run.server.pids() != run.pids
    slowest = max(map(float, _OWN_MS.findall(log)), default=0.0)
    run.check(
        f"{name}: the server",
        "no internal error, no worker lost",
        f"{faults} errors, {'other workers than at the start' if lost else 'the same workers'}; "
        f"slowest call by its own clock {slowest:.0f} ms; "
        f"memory {run.memory_mib:.0f} MiB, at the end {run.server.memory_mib():.0f} MiB",
        not faults and not lost,
    )


async def tell_progress(run: Run, client: Client, faults: dict[str, str | None]) -> None:
    """Prints a line each ten seconds, until it is cancelled."""
    seen, cpu, began = 0, run.server.cpu_s(), time.monotonic()
    while True:
        await asyncio.sleep(10)
        new, seen = run.outcomes[seen:], len(run.outcomes)
        now, used = time.monotonic(), run.server.cpu_s()
        groups = dict.fromkeys(one.asked.group for one in new)
        parts = [
            f"{group}: {counted(mine)}, p50 {latency_at(mine, 0.5) * 1000:.0f} "
            f"p99 {latency_at(mine, 0.99) * 1000:.0f} max {latency_at(mine, 1) * 1000:.0f} ms"
            for group in groups
            if (mine := [one for one in new if one.asked.group == group])
        ]
        active = ",".join(sorted(fault for fault in faults.values() if fault)) or "none"
        print(
            f"{now - run.began:4.0f} s | {' | '.join(parts)} | in flight {client.in_flight}, "
            f"connections {client.opened}, CPU {100 * (used - cpu) / (now - began):.0f} %, "
            f"{run.server.memory_mib():.0f} MiB, threads {_threads(run.server)}, "
            f"load {load_average()} | {active}",
            flush=True,
        )
        cpu, began = used, now


def _threads(server: Server) -> str:
    return "+".join(
        str(len(list(Path(f"/proc/{pid}/task").iterdir()))) for pid in server.pids()[1:]
    )


def counted(outcomes: Iterable[Outcome]) -> str:
    """How many answers of each kind."""
    count = Counter(one.verdict for one in outcomes)
    return ", ".join(f"{count[name]} {name}" for name in _ORDER if count[name]) or "none"


def print_faults(during: list[Outcome]) -> None:
    """What became of the calls under each fault."""
    print("\n| fault | calls | " + " | ".join(_ORDER) + " | p50 ms | max ms |")
    print("|" + " --- |" * (len(_ORDER) + 4))
    for fault in FAULTS:
        mine = [one for one in during if one.asked.fault == fault]
        if mine:
            count = Counter(one.verdict for one in mine)
            print(
                f"| {fault} | {len(mine)} | {' | '.join(str(count[name]) for name in _ORDER)} "
                f"| {latency_at(mine, 0.5) * 1000:.0f} | {latency_at(mine, 1) * 1000:.0f} |"
            )
    why = Counter(one.why for one in during if one.asked.group == "healthy" and one.why)
    for text, number in why.most_common(_SHOWN):
        print(f"healthy host, {number} times: {text}")


def print_latencies(phases: dict[str, list[Outcome]]) -> None:
    """How long the calls of each phase took."""
    print("\n| phase | calls | p50 ms | p95 ms | p99 ms | max ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, found in phases.items():
        parts = " | ".join(f"{latency_at(found, part) * 1000:.0f}" for part in (0.5, 0.95, 0.99, 1))
        print(f"| {name} | {len(found)} | {parts} |")
    print()


def print_table(verdicts: list[Verdict]) -> None:
    """The criteria with their verdicts."""
    print("| criterion | wanted | found | verdict |")
    print("| --- | --- | --- | --- |")
    for one in verdicts:
        verdict = "holds" if one.holds else "**fails**"
        print(f"| {one.name} | {one.wanted} | {one.found} | {verdict} |")


def latency_at(outcomes: list[Outcome], part: float) -> float:
    """The latency below which this part of the answers lies, in seconds; 0 without any."""
    ordered = sorted(one.latency_s for one in outcomes)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def load_average() -> str:
    """The load of the machine over the last minute."""
    return f"{os.getloadavg()[0]:.2f}"
