"""`make crash`: is what was acknowledged still there when everything is killed?

    python -m benchmarks.crash [--items 20000] [--kills 200] [--database all|sqlite|postgresql|URL]

Feedback is sent without a pause while gunicorn's workers and master get SIGKILL, one at a time or
all at once; a dead master is started again. A private PostgreSQL is taken down at the end as well
(immediate shutdown) and has to recover. Then the database is held against what was acknowledged.

Whether a commit waits for the disk, no kill can tell: the kernel still has what was written. So a
second, short run without kills sends one batch after the other and counts under strace how often
the log was flushed: at least once for each batch. On a server that was given by its URL there is
nothing to trace; its own count (pg_stat_wal) is taken.

A line of progress every few seconds, a table at the end; the exit status is 1 if a criterion fails.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.crash_senders import Batch, Ledger, Senders, judge, poster
from benchmarks.crash_service import Service
from benchmarks.crash_stores import Store, flushes, postgresql_store, sqlite_store

SENDERS = 4
PAUSE_S = 0.01
MASTER_EVERY = 10
"""One of so many kills is the master's: it is loaded anew, which takes seconds."""
PROGRESS_S = 90.0
"""How long nothing may be acknowledged after a kill before the run is given up."""
_SHOWN_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One criterion: what was wanted, what was found, and whether that is good enough."""

    name: str
    wanted: str
    found: str
    holds: bool


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=20_000, help="acknowledged, at least")
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs, at least")
    parser.add_argument("--flushes", type=int, default=300, help="batches of the run under strace")
    parser.add_argument("--database", default="all", help="all, sqlite, postgresql or a URL")
    parser.add_argument("--folder", help="where the databases are made [the temporary folder]")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    names = ["sqlite", "postgresql"] if given.database == "all" else [given.database]
    holds = True
    for name in names:
        with tempfile.TemporaryDirectory(prefix="cds-crash-", dir=given.folder) as folder:
            kind = name.partition(":")[0]
            print(f"\n{kind}: {given.kills} kills, {given.items} items", flush=True)
            try:
                with _store(name, Path(folder)) as store:
                    verdicts = _run(store, given)
            except RuntimeError as error:
                sys.exit(f"{kind}: {error}")
        _print_table(kind, verdicts)
        holds = holds and all(verdict.holds for verdict in verdicts)
    sys.exit(0 if holds else 1)


def _store(name: str, folder: Path) -> AbstractContextManager[Store]:
    if name == "sqlite":
        return sqlite_store(folder)
    return postgresql_store(folder, None if name == "postgresql" else name)


def _run(store: Store, given: argparse.Namespace) -> list[Verdict]:
    ledger = Ledger()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cds-crash-") as folder:
        service = Service(store.url, Path(folder))
        try:
            killed, starts = _kill(service, ledger, given)
        finally:
            service.stop()
        took_s = time.monotonic() - began
        recovered = store.crash()
        verdicts = _judged(store, ledger)
        try:
            verdicts.append(_flushed(service, store, given.flushes))
        finally:
            service.stop()
    masters = 2 if given.kills >= MASTER_EVERY else 1
    server = "; the server taken down and recovered" if recovered else ""
    return [
        Verdict("SIGKILLs", f">= {given.kills}", f"{killed}{server}", killed >= given.kills),
        Verdict("masters started", f">= {masters}", str(starts), starts >= masters),
        Verdict(
            "items acknowledged",
            f">= {given.items}",
            f"{ledger.items} in {len(ledger.acknowledged)} batches, {took_s:.0f} s",
            ledger.items >= given.items,
        ),
        *verdicts,
    ]


def _kill(service: Service, ledger: Ledger, given: argparse.Namespace) -> tuple[int, int]:
    """Kills under load; how many processes, and how often a master was started."""
    chance = random.Random(given.seed)  # noqa: S311 - no secret
    service.start()
    service.wait()
    senders = Senders(service.port, SENDERS, ledger, pause_s=PAUSE_S, seed=given.seed)
    senders.start()
    killed, starts, round_, shown = 0, 1, 0, time.monotonic()
    try:
        while killed < given.kills or ledger.items < given.items:
            if killed < given.kills:
                round_ += 1
                if round_ % MASTER_EVERY == 0 or service.has_died():
                    all_at_once = round_ % (2 * MASTER_EVERY) == 0
                    killed += service.kill_master(with_workers=all_at_once)
                    service.start()
                    starts += 1
                    service.wait()
                else:
                    killed += service.kill_worker(chance)
            _wait_for_progress(service, ledger)
            time.sleep(chance.uniform(0.0, 0.2))
            if time.monotonic() - shown > _SHOWN_EVERY_S:
                shown = time.monotonic()
                print(f"  killed {killed}, acknowledged {ledger.items} items", flush=True)
    finally:
        senders.stop()
    return killed, starts


def _wait_for_progress(service: Service, ledger: Ledger) -> None:
    """Waits until one more batch is acknowledged: each kill then meets a service at work."""
    before, until = len(ledger.acknowledged), time.monotonic() + PROGRESS_S
    while len(ledger.acknowledged) == before:
        if time.monotonic() > until:
            raise RuntimeError(f"nothing is acknowledged any more:\n{service.said()}")
        time.sleep(0.005)


def _judged(store: Store, ledger: Ledger) -> list[Verdict]:
    found = judge(ledger, store.cards())
    damages = store.damages()
    return [
        Verdict("acknowledged items lost", "0", str(found.lost_items), found.lost_items == 0),
        Verdict(
            "half batches",
            "0",
            f"{found.half_batches} ({ledger.resent} batches sent again)",
            found.half_batches == 0,
        ),
        Verdict("items kept twice", "0", str(found.doubled_items), found.doubled_items == 0),
        Verdict("items nobody sent", "0", str(found.unsent_items), found.unsent_items == 0),
        Verdict("integrity", "clean", "; ".join(damages) or "clean", not damages),
    ]


def _flushed(service: Service, store: Store, batches: int) -> Verdict:
    """One batch after the other, without kills: each has to be flushed before its answer."""
    name, wanted = "flushes of the log", f">= {batches} commits"
    counted = _server_count(store) if store.is_given else None
    if counted is None and not shutil.which("strace"):
        return Verdict(name, wanted, "not counted: install strace", False)
    service.start(store.service_tracer())
    service.wait()
    post = poster(service.port)
    before, began = counted() if counted else 0, time.time()
    answers = [post(Batch(f"flush{number}", 3).body()) for number in range(batches)]
    ended = time.time()
    commits = sum(answer is not None and answer["new"] == 3 for answer in answers)
    service.stop()
    if counted:
        count, how = counted() - before, "pg_stat_wal"
    else:
        count, how = flushes(store.trace, store.log_name, began, ended), "strace"
    return Verdict(name, wanted, f"{count} ({how}), {commits} commits", count >= commits == batches)


def _server_count(store: Store) -> Callable[[], int]:
    """How often the whole server has flushed its log; others who use it count too."""

    def count() -> int:
        time.sleep(1.5)  # the server gathers its statistics now and then
        with psycopg.connect(store.url) as connection:
            row = connection.execute("SELECT wal_sync FROM pg_stat_wal").fetchone()
        return int(row[0]) if row else 0

    return count


def _print_table(kind: str, verdicts: list[Verdict]) -> None:
    print(f"\n| {kind} | wanted | found | |\n| --- | --- | --- | --- |")
    for verdict in verdicts:
        word = "ok" if verdict.holds else "FAILS"
        print(f"| {verdict.name} | {verdict.wanted} | {verdict.found} | {word} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
