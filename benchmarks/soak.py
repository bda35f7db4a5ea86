"""`make soak`: what is promised when FHIR servers fail, measured and judged.

    python -m benchmarks.soak [--minutes 10] [--rate 30] [--scenario soak|bulkhead|slow-fhir|all]

Calls arrive at a fixed rate. FHIR servers run beside, one port for each host. A line each ten
seconds, at the end a table with the verdict on each criterion; the exit status is 1 if one fails.

`soak`       half of the calls go to healthy hosts, half to hosts that go through the faults F-01 to
             F-14; then all are healthy again, and a minute shows how soon all is as it was.
`bulkhead`   20 calls/s to one host, alone and beside 50 calls/s to another host that hangs.
`slow-fhir`  20 calls/s, nothing prefetched, a FHIR server that answers after 100 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bodies import bodies, instances
from benchmarks.expected import AS_OF
from benchmarks.fhir_faults import FAULTS
from benchmarks.fhir_hosts import FhirHosts, start_hosts
from benchmarks.open_loop import Client
from benchmarks.servers import WORKERS, start
from benchmarks.soak_run import (
    Run,
    Verdict,
    check_common,
    check_server,
    counted,
    latency_at,
    load_average,
    print_faults,
    print_latencies,
    print_table,
    tell_progress,
)
from benchmarks.traffic import EXACT, Judge, Outcome, Traffic

THREADS = 32
HOSTS = 7
"""Healthy hosts, and as many faulty ones: at any time half of the fault kinds are there."""
HEALTHY_DELAY_MS = 50.0
WARM_UP_S, QUIET_S, RECOVERY_S = 10.0, 30.0, 60.0
RECOVERED_S, WINDOW_S = 30.0, 10.0
TURN_S = 10.0


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults")
    parser.add_argument("--rate", type=float, default=30.0, help="calls per second of the soak")
    parser.add_argument("--scenario", choices=[*SCENARIOS, "all"], default="all")
    given = parser.parse_args()
    chosen = SCENARIOS if given.scenario == "all" else {given.scenario: SCENARIOS[given.scenario]}
    judge = Judge()
    verdicts: list[Verdict] = []
    print(f"{os.cpu_count()} CPUs, load average at the start {load_average()}", flush=True)
    for name, scenario in chosen.items():
        print(f"\n{name}: {WORKERS} workers x {THREADS} threads", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "server.log"
            sample = next(instances(bodies(20_000, 1)))
            try:
                server = start("ours", sample, {"CDS_AS_OF": AS_OF}, threads=THREADS, log=log)
            except RuntimeError as error:
                sys.exit(f"{error}\n{log.read_text('utf-8', 'replace')}")
            run = Run(server, log, judge)
            try:
                _wait_for_workers(run)
                asyncio.run(scenario(run, given.minutes, given.rate))
                check_server(run, name)
            finally:
                server.stop()
            verdicts += run.verdicts
    print(f"\nload average at the end {load_average()}\n")
    print_table(verdicts)
    sys.exit(0 if all(verdict.holds for verdict in verdicts) else 1)


def _wait_for_workers(run: Run) -> None:
    while len(run.pids) < 1 + WORKERS:
        time.sleep(0.1)
        run.pids = run.server.pids()
    run.memory_mib = run.server.memory_mib()


# Scenarios


async def soak(run: Run, minutes: float, rate: float) -> None:
    """Half of the calls to hosts with faults; then no faults any more."""
    healthy = start_hosts(HOSTS, HEALTHY_DELAY_MS)
    faulty = start_hosts(HOSTS, HEALTHY_DELAY_MS)
    faults: dict[str, str | None] = dict.fromkeys(faulty.bases)
    traffic = Traffic({"healthy": healthy.bases, "faulty": faulty.bases}, faults.get)
    calls, client = traffic.calls(), Client(run.server.port)
    progress = asyncio.create_task(tell_progress(run, client, faults))
    try:
        await client.run(calls, rate, WARM_UP_S, run.take)
        quiet = await _measured(run, client.run(calls, rate, QUIET_S, run.take))
        seconds = 60 * minutes
        rotation = asyncio.create_task(_rotate(faulty, faults, max(6.0, min(15.0, seconds / 14))))
        during = await _measured(run, client.run(calls, rate, seconds, run.take))
        rotation.cancel()
        await asyncio.wait({rotation})
        ended = time.monotonic()
        await faulty.heal()
        faults.update(dict.fromkeys(faults))
        after = await _measured(run, client.run(calls, rate, RECOVERY_S, run.take))
    finally:
        progress.cancel()
        client.close()
        healthy.stop()
        faulty.stop()
    print_faults(during)
    _check_soak(run, quiet, during, after, ended)


async def bulkhead(run: Run, minutes: float, rate: float) -> None:
    """One host alone and, in turn, beside others that hang and are asked for 50 times a second.

    Short turns share what else the machine is doing; each has a hung host that is not known yet.
    """
    turns = max(2, round(min(minutes, 1.0) * 60 / TURN_S))
    mine, theirs = start_hosts(1, HEALTHY_DELAY_MS), start_hosts(turns, HEALTHY_DELAY_MS)
    faults: dict[str, str | None] = dict.fromkeys((*mine.bases, *theirs.bases))
    client, other = Client(run.server.port), Client(run.server.port)
    progress = asyncio.create_task(tell_progress(run, client, faults))
    quiet: list[Outcome] = []
    beside: list[Outcome] = []
    calls = Traffic({"mine": mine.bases}, faults.get, ((),)).calls()
    try:
        await client.run(calls, 20, WARM_UP_S, run.take)
        for base, fault in zip(theirs.bases, itertools.cycle(("F-04", "F-01")), strict=False):
            quiet += await _measured(run, client.run(calls, 20, TURN_S, run.take))
            await theirs.set_fault(base, fault)
            faults[base] = fault
            hung = Traffic({"hung": [base]}, faults.get, ((),), seed=11)
            load = asyncio.create_task(other.run(hung.calls(), 50, TURN_S, run.take))
            beside += await _measured(run, client.run(calls, 20, TURN_S, run.take))
            await load
            await theirs.heal()
            faults[base] = None
    finally:
        progress.cancel()
        client.close()
        other.close()
        mine.stop()
        theirs.stop()
    beside = [one for one in beside if one.asked.group == "mine"]
    hung_calls = [one for one in run.outcomes if one.asked.group == "hung"]
    alone, then = latency_at(quiet, 0.99), latency_at(beside, 0.99)
    run.check(
        "a hung FHIR server leaves another client's p99",
        "<= 1.5 x quiet",
        f"{then * 1000:.0f} ms / {alone * 1000:.0f} ms = {then / alone:.2f} "
        f"(p50 {latency_at(beside, 0.5) * 1000:.0f} / {latency_at(quiet, 0.5) * 1000:.0f})",
        then <= 1.5 * alone,
    )
    run.check(
        "the other client's answers",
        "all exact",
        counted(beside),
        all(one.verdict == EXACT for one in beside),
    )
    check_common(run, hung_calls, "calls to the hung host")


async def slow_fhir(run: Run, minutes: float, rate: float) -> None:
    """Nothing prefetched, every read takes 100 ms."""
    hosts = start_hosts(4, 100.0)
    client = Client(run.server.port)
    faults: dict[str, str | None] = dict.fromkeys(hosts.bases)
    progress = asyncio.create_task(tell_progress(run, client, faults))
    calls = Traffic({"slow": hosts.bases}, faults.get, ((),)).calls()
    try:
        await client.run(calls, 20, WARM_UP_S, run.take)
        found = await _measured(run, client.run(calls, 20, min(60 * minutes, 60.0), run.take))
    finally:
        progress.cancel()
        client.close()
        hosts.stop()
    p95, p99 = latency_at(found, 0.95), latency_at(found, 0.99)
    figures = (
        f"p50 {latency_at(found, 0.5) * 1000:.0f}, p95 {p95 * 1000:.0f}, p99 {p99 * 1000:.0f} ms"
    )
    run.check("FHIR takes 100 ms, nothing prefetched", "p95 <= 400 ms", figures, p95 <= 0.4)
    run.check("the same", "p99 <= 500 ms", figures, p99 <= 0.5)
    run.check(
        "its answers", "all exact", counted(found), all(one.verdict == EXACT for one in found)
    )


SCENARIOS = {"soak": soak, "bulkhead": bulkhead, "slow-fhir": slow_fhir}


async def _measured(run: Run, running: object) -> list[Outcome]:
    """The outcomes of one phase."""
    before = len(run.outcomes)
    await running  # type: ignore[misc]
    return run.outcomes[before:]


async def _rotate(hosts: FhirHosts, faults: dict[str, str | None], period_s: float) -> None:
    """Gives each host one fault after the other; at any time all hosts have different ones."""
    kinds = list(FAULTS)
    for step in itertools.count():
        for position, base in enumerate(hosts.bases):
            fault = kinds[(2 * position + step) % len(kinds)]
            await hosts.set_fault(base, fault)
            faults[base] = fault
        await asyncio.sleep(period_s)


# Criteria


def _check_soak(
    run: Run,
    quiet: list[Outcome],
    during: list[Outcome],
    after: list[Outcome],
    ended: float,
) -> None:
    healthy = [one for one in during if one.asked.group == "healthy"]
    exact = sum(one.verdict == EXACT for one in healthy) / len(healthy)
    run.check(
        "healthy hosts: exactly the evaluator's decision",
        ">= 95 %",
        f"{100 * exact:.2f} % of {len(healthy)} ({counted(healthy)})",
        exact >= 0.95,
    )
    check_common(run, [*quiet, *during, *after], "all calls")
    print_latencies(
        {
            "quiet": quiet,
            "faults, healthy hosts": healthy,
            "faults, faulty hosts": [one for one in during if one.asked.group == "faulty"],
            "after the faults": after,
        }
    )
    normal = 1.25 * latency_at(quiet, 0.95) + 0.01
    back = next(
        (start_s - ended for start_s in _steps(ended) if _is_normal(after, start_s, normal)), None
    )
    run.check(
        "after the faults: latency back to normal",
        f"<= {RECOVERED_S:.0f} s",
        f"{'never' if back is None else f'{back:.0f} s'}: from then on {WINDOW_S:.0f} s with p95 "
        f"<= {normal * 1000:.0f} ms (quiet p95 {latency_at(quiet, 0.95) * 1000:.0f})",
        back is not None and back <= RECOVERED_S,
    )
    open_s = max((one.due_s - ended for one in after if one.verdict != EXACT), default=0.0)
    run.check(
        "after the faults: every host's decisions complete",
        f"<= {RECOVERED_S:.0f} s",
        f"{open_s:.1f} s",
        open_s <= RECOVERED_S,
    )


def _is_normal(after: list[Outcome], start_s: float, normal_s: float) -> bool:
    window = [one for one in after if start_s <= one.due_s < start_s + WINDOW_S]
    return bool(window) and latency_at(window, 0.95) <= normal_s


def _steps(began: float) -> list[float]:
    """The seconds after a moment at which a whole window can begin."""
    return [began + number for number in range(int(RECOVERY_S - WINDOW_S))]


if __name__ == "__main__":
    main()
