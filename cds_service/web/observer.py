"""Looks after one process from a thread of its own, so that no request has to."""

from __future__ import annotations

import atexit
import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from time import monotonic, sleep, time

from cds_service.control import Switches
from cds_service.engine.heartbeat import Beat, beat
from cds_service.logs import fault
from cds_service.protocol.service import Example, Service
from cds_service.records import Recorder
from cds_service.security import FetchedKeys
from cds_service.store import Database, ReplayStore, StoreError, is_current
from cds_service.web.live import Live
from cds_service.web.meters import Meters

DRAIN_EVERY_S = 1.0
LOOK_EVERY_S = 5.0
BEAT_EVERY_S = 60.0
DROPPED_FOR_S = 900.0
"""How long decisions that were lost are told as a present trouble."""
STALE_KEYS_S = 2 * 3600.0
"""Twice the longest time that keys are fresh: fetching has failed for a long while."""
USED_TOKENS = "used-tokens"
"""The part of the store that holds used tokens, where callers must prove who they are."""
_PAUSE_S = 0.05
_log = logging.getLogger("cds_service.observer")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not in order: a code to count it by, and words for administrators."""

    reason: str
    words: str


class Observer:
    """What one process knows of its own state; the thread is started after the fork."""

    def __init__(
        self,
        meters: Meters,
        live: Live,
        services: Mapping[str, Service],
        recorder: Recorder,
        switches: Switches,
        databases: Mapping[str, Database],
        knowledge: Mapping[str, str],
    ) -> None:
        self._meters = meters
        self._live = live
        self._services = services
        self._recorder = recorder
        self._switches = switches
        self._databases = databases
        self._knowledge = knowledge
        self._beats: dict[str, tuple[Beat, ...]] = {}
        self._store: dict[str, str] = {}
        self._last = {"written": 0, "dropped": 0, "taken_up": 0, "refused": 0}
        self._dropped_at: float | None = None
        self._told: frozenset[str] = frozenset()
        self._switched: set[tuple[str, ...]] = set()

    def start(self) -> None:
        """Starts the thread; to be called in each worker, after the fork."""
        atexit.register(self._meters.drain)
        try:
            threading.Thread(target=self._run, name="observer", daemon=True).start()
        except RuntimeError:  # no thread to be had: hooks are answered without it
            _log.error("this worker is not looked after: no thread can be started")

    def _run(self) -> None:
        self._meters.workers.set(1)
        self._tell_build()
        # Workers of one server do not beat at the same time.
        next_look, next_beat = 0.0, monotonic() + random.uniform(0.5, 5.0)  # noqa: S311
        while True:
            sleep(DRAIN_EVERY_S)
            self._safely(self._meters.drain)
            self._safely(self._switches.keep_fresh)
            if monotonic() >= next_beat:
                next_beat = monotonic() + BEAT_EVERY_S * random.uniform(0.9, 1.1)  # noqa: S311
                self._safely(self.check_store)
                self._safely(self.beat)
                next_look = 0.0
            if monotonic() >= next_look:
                next_look = monotonic() + LOOK_EVERY_S
                self._safely(self.look)

    def _tell_build(self) -> None:
        version = metadata.version("bone-density-cds")
        for service in self._services.values():
            knowledge = self._knowledge[service.id]
            self._meters.build.labels(version, service.id, service.ruleset, knowledge).set(1)

    def _safely(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:
            _log.error("a look at the state failed", extra={"fields": fault(error)})

    def beat(self) -> None:
        """Tries every service with its examples."""
        for service in self._services.values():
            found = []
            for example in _examples(service):
                found.append(example if isinstance(example, Beat) else beat(service, example))
                sleep(_PAUSE_S)  # requests come first
            if not found:
                continue
            failing = [one for one in found if one.differs]
            self._meters.beats.labels(service.id, "ok").inc(len(found) - len(failing))
            self._meters.beats.labels(service.id, "failed").inc(len(failing))
            self._meters.beat_failing.labels(service.id).set(len(failing))
            self._meters.beat_at.labels(service.id).set(time())
            self._tell(service.id, failing)
            self._beats[service.id] = tuple(found)

    def _tell(self, service: str, failing: list[Beat]) -> None:
        before = {one for one in self._beats.get(service, ()) if one.differs}
        for one in failing:
            if one not in before:
                fields = {
                    "service": service,
                    "example": one.example,
                    "reason": ",".join(one.differs),
                }
                _log.error("an example is not answered as expected", extra={"fields": fields})

    def check_store(self) -> None:
        """Asks the databases whether they could do their work now.

        That of used tokens is to have room on a full disk: it takes it here, beside the requests.
        """
        for part, database in self._databases.items():
            trouble = _trouble_of(database, holds_tokens=part == USED_TOKENS)
            self._meters.store_trouble.labels(part).set(int(trouble is not None))
            if trouble is None:
                self._store.pop(part, None)
            else:
                self._store[part] = trouble

    def look(self) -> None:
        """Takes the numbers that others keep."""
        meters, recorder, live = self._meters, self._recorder, self._live
        deployment = live.deployment
        meters.written.inc(self._more("written", recorder.written))
        lost = self._more("dropped", recorder.dropped)
        meters.dropped.inc(lost)
        if lost:
            self._dropped_at = monotonic()
        meters.queue.set(recorder.waiting)
        meters.reloads.labels("ok").inc(self._more("taken_up", live.taken_up))
        meters.reloads.labels("refused").inc(self._more("refused", live.refused))
        meters.registry_read.labels("all").set(live.read_at)
        meters.circuits.set(deployment.fhir_servers.open_circuits)
        meters.store_trouble.labels("recorder").set(int(recorder.trouble is not None))
        meters.store_trouble.labels("switches").set(int(self._switches.trouble is not None))
        self._look_at_keys()
        self._look_at_switches()
        present = frozenset(one.reason for one in self.findings())
        for reason in present | self._told:
            meters.degraded.labels(reason).set(int(reason in present))
        self._told |= present

    def _look_at_keys(self) -> None:
        for name, keys in self._fetched_keys():
            keys.keep_fresh()
            age = keys.age_s
            if age is not None:
                self._meters.keys_age.labels(name).set(age)

    def _look_at_switches(self) -> None:
        off = {
            (one.kind.value, one.client or "", one.service or "", one.rule or "")
            for one in self._switches.off
        }
        for labels in off | self._switched:
            self._meters.switched_off.labels(*labels).set(int(labels in off))
        self._switched |= off

    def _fetched_keys(self) -> list[tuple[str, FetchedKeys]]:
        verifier = self._live.deployment.verifier
        if verifier is None:
            return []
        trusted = (one for group in verifier.by_issuer.values() for one in group)
        return [(one.name, one.keys) for one in trusted if isinstance(one.keys, FetchedKeys)]

    def findings(self) -> tuple[Finding, ...]:
        """What is not in order now; hooks are answered all the same."""
        found = [Finding(f"store-{part}", words) for part, words in list(self._store.items())]
        if self._recorder.trouble is not None:
            found.append(Finding("recorder", f"decisions wait: {self._recorder.trouble}"))
        if self._dropped_at is not None and monotonic() - self._dropped_at < DROPPED_FOR_S:
            words = f"{self._recorder.dropped} decisions were lost, some of them lately"
            found.append(Finding("decisions-lost", words))
        if self._switches.trouble is not None:
            found.append(Finding("switches", f"switches cannot be read: {self._switches.trouble}"))
        found += [Finding("registry-refused", problem) for problem in self._live.problems]
        for name, keys in self._fetched_keys():
            age = keys.age_s
            if age is None and keys.trouble is not None and keys.has_tried:
                found.append(Finding("keys", f"clients.{name}: there are none: {keys.trouble}"))
            elif age is not None and age > STALE_KEYS_S:
                words = f"clients.{name}: {age / 3600:.1f} hours old: {keys.trouble}"
                found.append(Finding("keys", words))
        found += [
            Finding("heartbeat", f"{service}: example {one.example}: {', '.join(one.differs)}")
            for service, beats in list(self._beats.items())
            for one in beats
            if one.differs
        ]
        return tuple(found)

    def _more(self, name: str, now: int) -> int:
        """How much a number has grown since the last look."""
        more = now - self._last[name]
        self._last[name] = now
        return more


def _examples(service: Service) -> tuple[Example | Beat, ...]:
    """The service's examples; when they cannot be had, that is what has failed."""
    try:
        return tuple(service.examples())
    except Exception as error:
        return (Beat("(all)", (type(error).__name__,)),)


def _trouble_of(database: Database, *, holds_tokens: bool) -> str | None:
    if not database.is_shared and not Path(database.where).exists():
        return "there is no database file; run cds-service db migrate"
    try:
        if not is_current(database):
            return "tables are not up to date; run cds-service db migrate"
        if holds_tokens:
            ReplayStore(database).keep_ready(int(time()))
        return None
    except StoreError as error:
        return error.reason
