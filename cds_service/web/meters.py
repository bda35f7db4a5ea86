"""Everything that is counted and measured, by names and codes that are few.

What a hook call costs for it is one entry in a queue; the numbers are written a moment later, by
the observer's thread. `docs/metrics.md` describes each metric; a test compares.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter as Sums
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from cds_service.metrics_folder import folder_of, held
from cds_service.protocol.feedback import Feedback
from cds_service.records import Reasoning
from cds_service.store import Kept

BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0)
AT_MOST_WAITING = 50_000
AT_MOST_VALUES = 300
"""Values of one label; a service with more of them has the rest counted as `other`."""
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z")

disable_created_metrics()  # type: ignore[no-untyped-call]


class Call(NamedTuple):
    """One hook call as it is counted, in codes; `unread` is that of a call without an answer."""

    service: str
    hook: str
    client: str
    status: int
    seconds: float
    reasoning: Reasoning | None = None
    unread: Iterable[str] = ()


class _Few:
    """Keeps the values of one label few and plain, whatever a service calls things."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, value: str | None) -> str:
        if value is None:
            return "none"
        value = str(value)
        if value in self._known:
            return value
        if len(self._known) >= AT_MOST_VALUES or not _CODE.match(value):
            return "other"
        self._known.add(value)
        return value


class Meters:
    """The metrics of one process; all workers' together are told by any of them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._waiting: deque[Call] = deque(maxlen=AT_MOST_WAITING)
        self._draining = threading.Lock()
        self._timed: dict[tuple[str, str], Histogram] = {}
        self._few = {
            name: _Few() for name in ("study", "rating", "indicator", "silence", "data", "client")
        }
        self._define_calls()
        self._define_doings()
        self._define_states()

    def _define_calls(self) -> None:
        self.calls = self._counter("cds_calls", "Hook calls", "service", "hook", "client", "status")
        self.seconds = Histogram(
            "cds_call_seconds",
            "How long hook calls took, from the head of the request to the answer",
            ("service", "client"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.cards = self._counter(
            "cds_cards", "Cards that were shown", "service", "study", "rating", "indicator"
        )
        self.silences = self._counter(
            "cds_silences", "Orders and calls without a card, by reason", "service", "reason"
        )
        self.unread = self._counter(
            "cds_unread", "Hook calls that could not read some data", "service", "data"
        )

    def _define_doings(self) -> None:
        self.refusals = self._counter(
            "cds_refusals",
            "Requests that were answered with an error",
            "client",
            "status",
            "reason",
        )
        self.auth_fails = self._counter(
            "cds_auth_fail", "Callers whose token proved nothing", "client", "reason"
        )
        self.fhir_reads = self._counter(
            "cds_fhir_reads", "Requests to FHIR servers", "client", "outcome"
        )
        self.feedback = self._counter(
            "cds_feedback_items", "Outcomes of cards that came in", "service", "client", "outcome"
        )
        self.feedback_kept = self._counter(
            "cds_feedback_kept", "What became of them: new, repeated, unknown-card", "kept"
        )
        self.written = self._counter("cds_records_written", "Decisions written to the store")
        self.dropped = self._counter("cds_records_dropped", "Decisions that were lost")
        self.reloads = self._counter("cds_registry_reloads", "Edits of the registry", "result")
        self.beats = self._counter(
            "cds_heartbeat_examples", "Examples that services were tried with", "service", "result"
        )

    def _define_states(self) -> None:
        self.queue = self._gauge("cds_records_queue", "Decisions waiting to be written", "livesum")
        self.circuits = self._gauge(
            "cds_fhir_circuits_open",
            "FHIR servers that are left alone, over all workers",
            "livesum",
        )
        self.workers = self._gauge("cds_workers", "Workers whose observer runs", "livesum")
        self.degraded = self._gauge(
            "cds_degraded", "1 where a worker is not in order for a reason", "livemax", "reason"
        )
        self.switched_off = self._gauge(
            "cds_switch_off", "1 for what is switched off", "livemax",
            "kind", "client", "service", "rule",
        )  # fmt: skip
        self.registry_read = self._gauge(
            "cds_registry_read_timestamp_seconds",
            "When the registry in use was read, the oldest worker's", "livemin", "clients",
        )  # fmt: skip
        self.keys_age = self._gauge(
            "cds_keys_age_seconds", "Age of the keys of a client's issuer", "livemax", "client"
        )
        self.beat_failing = self._gauge(
            "cds_heartbeat_failing", "Examples with another answer than expected", "livemax",
            "service",
        )  # fmt: skip
        self.beat_at = self._gauge(
            "cds_heartbeat_timestamp_seconds", "The last heartbeat, the oldest worker's", "livemin",
            "service",
        )  # fmt: skip
        self.store_trouble = self._gauge(
            "cds_store_trouble", "1 where a part of the store does not do its work", "livemax",
            "part",
        )  # fmt: skip
        self.build = self._gauge(
            "cds_build_info", "What runs: version, rules and the hash of their knowledge",
            "livemax", "version", "service", "ruleset", "knowledge",
        )  # fmt: skip

    def count_call(self, call: Call) -> None:
        """Takes note of a call; it is counted a moment later."""
        self._waiting.append(call)

    def refuse(self, client: str | None, status: int, reason: str) -> None:
        """Counts a request that was answered with an error."""
        self.refusals.labels(client or "unknown", str(status), reason).inc()

    def refuse_caller(self, client: str | None, reason: str) -> None:
        """Counts a token that proved nothing."""
        self.auth_fails.labels(client or "unknown", reason).inc()

    def read_fhir(self, client: str, outcome: str) -> None:
        """Counts a request to a FHIR server."""
        self.fhir_reads.labels(client, outcome).inc()

    def take_feedback(
        self, service: str, client: str, batch: Iterable[Feedback], kept: Kept
    ) -> None:
        """Counts the outcomes of one batch, and what became of them."""
        for outcome, count in Sums(one.outcome for one in batch).items():
            self.feedback.labels(service, client, outcome).inc(count)
        for word, count in (
            ("new", kept.new - kept.unknown),
            ("repeated", kept.repeated),
            ("unknown-card", kept.unknown),
        ):
            if count > 0:
                self.feedback_kept.labels(word).inc(count)

    def drain(self) -> None:
        """Writes down the calls that wait to be counted."""
        with self._draining:
            sums: Sums[tuple[Counter, tuple[str, ...]]] = Sums()
            for _ in range(len(self._waiting)):
                self._add(self._waiting.popleft(), sums)
        for (counter, labels), count in sums.items():
            counter.labels(*labels).inc(count)

    def _add(self, call: Call, sums: Sums[tuple[Counter, tuple[str, ...]]]) -> None:
        few, service = self._few, call.service
        client = few["client"](call.client)
        sums[self.calls, (service, call.hook, client, str(call.status))] += 1
        timed = self._timed.get((service, client))
        if timed is None:
            timed = self._timed[service, client] = self.seconds.labels(service, client)
        timed.observe(call.seconds)
        found = call.reasoning
        for card in found.shown if found else ():
            if card.indicator:
                study, rating = few["study"](card.study), few["rating"](card.rating)
                labels = (service, study, rating, few["indicator"](card.indicator))
                sums[self.cards, labels] += 1
        for reason in _silences(found) if found else ():
            sums[self.silences, (service, few["silence"](reason))] += 1
        for data in found.unread if found else call.unread:
            sums[self.unread, (service, few["data"](data))] += 1

    def told(self) -> bytes:
        """All metrics in Prometheus' text format, those of all workers of this server together."""
        self.drain()
        folder = folder_of(os.environ)
        if folder is None:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, path=str(folder))  # type: ignore[no-untyped-call]
        with held(folder, alone=False):
            return generate_latest(together)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(name, words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str, mode: str, *labels: str) -> Gauge:
        return Gauge(name, words, labels, registry=self.registry, multiprocess_mode=mode)  # type: ignore[arg-type]


def _silences(reasoning: Reasoning) -> Iterator[str]:
    """Why orders, or the call as a whole, have no card."""
    yield from reasoning.declined
    for advice in reasoning.advices:
        if advice.silence:
            yield advice.silence
        elif advice.indicator and not reasoning.shown:
            yield f"mode-{reasoning.mode}"
    if reasoning.silence:
        yield reasoning.silence
