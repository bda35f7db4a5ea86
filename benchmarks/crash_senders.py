"""Who sends feedback while the service is killed, and what was acknowledged of it."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

PATH = "/cds-services/bone-density-imaging/feedback"
LARGEST = 40
"""Items of a batch: its size is a part of each card's name, so that a half batch shows."""
CONNECTION = 10
"""Requests on one connection. A worker whose master died answers on those that it has, up to
gunicorn's graceful timeout, and holds the port as long: a next master has to wait for that."""
_AT = "2026-11-23T04:15:14.484Z"


@dataclass(frozen=True, slots=True)
class Batch:
    """Outcomes that are kept together or not at all."""

    name: str
    size: int

    def body(self) -> bytes:
        """As an EHR sends it."""
        items = [
            {
                "card": f"{self.name}.{self.size}.{position}",
                "outcome": "overridden",
                "outcomeTimestamp": _AT,
                "overrideReason": {"userComment": "x" * 60},
            }
            for position in range(self.size)
        ]
        return json.dumps({"feedback": items}).encode()


@dataclass(slots=True)
class Ledger:
    """What was sent and what was acknowledged, by the name of the batch."""

    sent: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    halves: list[str] = field(default_factory=list)
    """Batches of which, when they were sent again, a part was known and a part was not."""
    items: int = 0
    resent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, batch: Batch, answer: Mapping[str, int]) -> None:
        """Notes the answer 200 to a batch."""
        with self.lock:
            self.acknowledged[batch.name] = batch.size
            self.items += batch.size
            if sorted((answer["new"], answer["repeated"])) != [0, batch.size]:
                self.halves.append(batch.name)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the database says against the ledger; all counts are 0 when nothing is wrong."""

    lost_items: int
    half_batches: int
    doubled_items: int
    unsent_items: int


def judge(ledger: Ledger, kept: Iterable[str]) -> Findings:
    """Holds the cards in the database against what was acknowledged."""
    places: dict[str, list[str]] = {}
    for card in kept:
        name, _, place = card.partition(".")
        places.setdefault(name, []).append(place)
    lost = doubled = unsent = 0
    halves = set(ledger.halves)
    for name, found in places.items():
        size = ledger.sent.get(name)
        if size is None:
            unsent += len(found)
            continue
        whole = {f"{size}.{position}" for position in range(size)}
        doubled += len(found) - len(set(found))
        unsent += len(set(found) - whole)
        if whole - set(found):
            halves.add(name)
    for name, size in ledger.acknowledged.items():
        lost += size - len(set(places.get(name, ())))
    return Findings(lost, len(halves), doubled, unsent)


class Senders:
    """Threads that send batches until they are told to stop."""

    def __init__(self, port: int, count: int, ledger: Ledger, *, pause_s: float, seed: int) -> None:
        self._port, self._ledger, self._pause_s = port, ledger, pause_s
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._send_forever, args=(f"s{seed}n{number}", seed + number))
            for number in range(count)
        ]

    def start(self) -> None:
        """Begins to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends after the batches in hand."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send_forever(self, name: str, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - test data
        post = poster(self._port)
        number = 0
        while not self._stopped.is_set():
            number += 1
            batch = Batch(f"{name}b{number}", chance.randint(1, LARGEST))
            self._ledger.sent[batch.name] = batch.size
            # Half of what got no answer is sent again until it has one; the other half never, so
            # that a half batch cannot hide behind its repeat.
            is_patient = chance.random() < 0.5
            while not self._stopped.is_set():
                answer = post(batch.body())
                if answer is not None:
                    self._ledger.acknowledge(batch, answer)
                    break
                if not is_patient:
                    break
                self._ledger.resent += 1
                self._stopped.wait(0.02)
            self._stopped.wait(self._pause_s)


def poster(port: int) -> Callable[[bytes], dict[str, int] | None]:
    """Posts batches on one connection, made anew when it broke; None without an answer 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    numbers = itertools.count(1)

    def post(body: bytes) -> dict[str, int] | None:
        if next(numbers) % CONNECTION == 0:
            connection.close()
        try:
            connection.request("POST", PATH, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        if response.status == 503:
            time.sleep(0.02)
        return json.loads(answer) if response.status == 200 else None

    return post
