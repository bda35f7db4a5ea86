"""Keys from a real key server: slow, down, lying or asked too much, and nobody is refused."""

from __future__ import annotations

import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from key_server import KeyServer, Reply, key_server, pour, say
from tokens import ISSUER, PATH, PUBLIC, Revoked, claims, jwk, jwks, raw, token

from cds_service.egress import Base, Egress, Policy
from cds_service.security import (
    FetchedKeys,
    Rejected,
    Trust,
    Trusted,
    Verifier,
    fetch_from,
)
from cds_service.security.fetch import MAX_BYTES
from cds_service.security.key_sources import KEPT_S, MAX_WAITING
from cds_service.store import Database, IssuerKeys, ReplayStore
from cds_service.store.migrations import migrate

REQUESTS, SECONDS = 10_000, 60
WORKERS = 4


class Clock:
    """A clock that is moved by hand, from the present on."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        """The present second."""
        return self.now


class Workers:
    """Some workers as one deployment has them: keys of their own, one store."""

    def __init__(self, server: KeyServer, database: Database) -> None:
        self.clock = Clock()
        self._server, self._database = server, database
        self.all = [self.one() for _ in range(WORKERS)]

    def one(self) -> tuple[Verifier, FetchedKeys]:
        """One more worker."""
        base = Base.parse(self._server.url)
        assert base is not None
        policy = Policy(bases=(base,), https_only=False, loopback_only=True)
        keys = FetchedKeys(
            self._server.url,
            fetch_from(self._server.url, Egress(max_bytes=MAX_BYTES), policy),
            IssuerKeys(self._database),
            clock=self.clock,
        )
        trust = Trust(ISSUER, (PUBLIC,), jwks_url=self._server.url)
        demo = Trusted("demo", trust, keys)
        return Verifier({ISSUER: (demo,)}, ReplayStore(self._database), Revoked()), keys

    def accept(self, number: int, text: str | None = None) -> bool:
        """Whether a worker accepts a token of the present."""
        return accepts(self.all[number][0], text or token(now=self.clock.now), self.clock.now)


def accepts(verifier: Verifier, text: str, now: float) -> bool:
    """Whether a token is accepted."""
    try:
        return verifier.client_of(f"Bearer {text}", (PATH,), now) == "demo"
    except Rejected:
        return False


def settled(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold in the background."""
    end = time.monotonic() + 5
    while time.monotonic() < end and not holds():
        time.sleep(0.01)
    return holds()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """A key server with one key."""
    with key_server(jwks(jwk("rsa"))) as running:
        yield running


@pytest.fixture
def workers(server: KeyServer, tmp_path: Path) -> Iterator[Workers]:
    """Four workers on one database."""
    database = Database.open(f"sqlite:///{tmp_path}/store.db", busy_timeout_ms=5000)
    migrate(database)
    yield Workers(server, database)
    database.close()


def test_ten_thousand_random_names(server: KeyServer, workers: Workers) -> None:
    """In a minute of made-up names the key server is asked seven times, and no valid call waits."""
    server.delay_s = 0.3
    # Refreshing in the background, which falls into this minute, counts too.
    server.reply = say(200, json.dumps(server.document).encode(), Cache_Control="max-age=60")
    assert all(workers.accept(number) for number in range(WORKERS))
    calls, accepted, took = iter(range(REQUESTS)), [], []
    valid = [token(now=workers.clock.now) for _ in range(200)]

    def forge(number: int) -> None:
        for _ in calls:
            workers.clock.now += SECONDS / REQUESTS
            header = {"alg": "RS384", "kid": str(uuid.uuid4())}
            text = raw(header, claims(workers.clock.now), bytes(256))
            assert not workers.accept(number, text)

    threads = [threading.Thread(target=forge, args=(number % WORKERS,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number, text in enumerate(valid):
        began = time.monotonic()
        accepted.append(workers.accept(number % WORKERS, text))
        took.append(time.monotonic() - began)
    for thread in threads:
        thread.join()
    assert all(accepted)
    assert 2 <= server.fetches <= 7
    assert sorted(took)[197] < server.delay_s


ROUNDS, VALID, MADE_UP = 4, 80, 125
FASTER = 20
"""So much faster than time the clock runs: the seven fetches of a minute fall into the flood."""
SPARE_S = 0.1
"""What a busy machine may add; a valid token that waited for a fetch would take 0.3 s."""


def test_valid_tokens_in_a_flood(server: KeyServer, workers: Workers) -> None:
    """Of valid tokens the slowest hundredth takes a fifth more at most, and what the machine adds.

    Made-up names come at the rate of ten thousand in a minute, from more threads than may wait,
    while the key server is slow; rounds with and without them take turns.
    """
    server.delay_s = 0.3
    assert all(workers.accept(number) for number in range(WORKERS))
    rate, took = REQUESTS / SECONDS, dict[bool, list[float]]({False: [], True: []})

    def forge(first: int) -> None:
        began = time.monotonic()
        for number in range(first, MADE_UP, 2 * MAX_WAITING):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            workers.clock.now += FASTER / rate
            header = {"alg": "RS384", "kid": str(uuid.uuid4())}
            assert not workers.accept(0, raw(header, claims(workers.clock.now), bytes(256)))

    for is_flood in (False, True) * ROUNDS:
        valid = [token(now=workers.clock.now) for _ in range(VALID)]
        makers = range(2 * MAX_WAITING if is_flood else 0)
        threads = [threading.Thread(target=forge, args=(first,)) for first in makers]
        for thread in threads:
            thread.start()
        for text in valid:
            began = time.perf_counter()
            assert workers.accept(0, text)
            took[is_flood].append(time.perf_counter() - began)
            time.sleep(0.005)
        for thread in threads:
            thread.join()
    quiet, flood = (sorted(times)[len(times) * 99 // 100] for times in took.values())
    assert 3 <= server.fetches <= 7
    assert flood <= 1.2 * quiet + SPARE_S


def test_published_late(server: KeyServer, workers: Workers) -> None:
    """A key that is published three seconds after its first use is accepted within ten."""
    assert all(workers.accept(number) for number in range(WORKERS))
    workers.clock.now += 120
    began, accepted = workers.clock.now, dict[int, float]()
    while workers.clock.now < began + 10 and len(accepted) < WORKERS:
        if workers.clock.now >= began + 3:
            server.document = jwks(jwk("rsa"), jwk("ec384"))
        for number in range(WORKERS):
            text = token("ec384", "ES384", now=workers.clock.now)
            if workers.accept(number, text):
                accepted.setdefault(number, workers.clock.now - began)
        workers.clock.now += 0.5
    assert len(accepted) == WORKERS
    assert server.fetches <= 3


def test_an_outage(server: KeyServer, workers: Workers) -> None:
    """While the server is down nobody is refused for a day, not by a new worker either."""
    assert all(workers.accept(number) for number in range(WORKERS))
    server.reply = say(503, b"")
    for _ in range(12):
        workers.clock.now += 300
        assert all(workers.accept(number) for number in range(WORKERS))
    assert settled(lambda: workers.all[0][1].trouble == "could not be fetched: answered 503")
    assert settled(lambda: not any(keys._refreshing.locked() for _, keys in workers.all))
    before = server.fetches
    new, _ = workers.one()
    assert accepts(new, token(now=workers.clock.now), workers.clock.now)
    assert server.fetches == before
    workers.clock.now += KEPT_S
    assert not workers.accept(0)
    server.reply = None
    workers.clock.now += 10
    assert workers.accept(0)


BAD: dict[str, tuple[Reply, str]] = {
    "nothing": (say(200, b""), "are not strict JSON"),
    "a page": (say(200, b"<!doctype html><html></html>"), "are not strict JSON"),
    "no list": (say(200, b'{"keys":{}}'), "is no JWKS"),
    "an empty list": (say(200, b'{"keys":[]}'), "has no key that can be used"),
    "two lists": (say(200, b'{"keys":[],"keys":[]}'), "are not strict JSON"),
    "two keys of one name": (
        say(200, json.dumps(jwks(jwk("rsa"), jwk("ec384", "rsa"))).encode()),
        "has two keys of one name",
    ),
    "200 MB, announced": (say(200, b"", Content_Length="200000000"), "too long"),
    "200 MB, not announced": (pour(200), "too long"),
    "200 MB, compressed": (
        say(200, gzip.compress(bytes(200_000_000), 1), Content_Encoding="gzip"),
        "too long",
    ),
    "cut short": (say(200, b'{"keys":', Content_Length="500"), "could not be fetched"),
    "a redirect": (say(302, b"", Location="/elsewhere"), "redirect"),
    "a lasting redirect": (say(308, b"", Location="/elsewhere"), "redirect"),
    "not found": (say(404, b'{"keys":[]}'), "answered 404"),
    "odd types": (
        say(200, b'{"keys":[{"kid":"rsa","kty":["RSA"]},{"kid":"rsa","kty":{}}]}'),
        "is neither RSA nor EC",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_answers(server: KeyServer, workers: Workers, name: str) -> None:
    """What is no set of keys changes nothing, is told to the operator, and is not followed."""
    assert workers.accept(0)
    server.reply, words = BAD[name]
    _, keys = workers.all[0]
    keys.refresh()
    assert words in str(keys.trouble)
    assert workers.accept(0)
    assert server.paths == ["/keys", "/keys"]
    new, _ = workers.one()
    assert accepts(new, token(), workers.clock.now)


def test_a_dripping_answer(server: KeyServer, workers: Workers) -> None:
    """An answer that does not end is given up after two seconds."""
    stop = threading.Event()

    def drip(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        while not stop.wait(0.1):
            request.wfile.write(b" ")

    assert workers.accept(0)
    server.reply = drip
    began = time.monotonic()
    workers.all[0][1].refresh()
    stop.set()
    assert time.monotonic() - began < 4
    assert workers.all[0][1].trouble == "could not be fetched: timed out"
    assert workers.accept(0)


def test_nobody_waits_for_a_refresh(server: KeyServer, workers: Workers) -> None:
    """While keys are fetched anew in the background, calls go on with those at hand."""
    assert workers.accept(0)
    server.delay_s = 1.0
    workers.clock.now += 1000
    began = time.monotonic()
    assert all(workers.accept(0) for _ in range(20))
    assert time.monotonic() - began < server.delay_s
    assert settled(lambda: server.fetches == 2)


def test_names_that_nobody_knows_hold_up_few(server: KeyServer, workers: Workers) -> None:
    """While the key server is slow, unknown names take no more than a few threads."""
    assert workers.accept(0)
    server.delay_s = 1.0
    workers.clock.now += 60
    verifier, _ = workers.all[0]
    took: list[float] = []

    def forge() -> None:
        began = time.monotonic()
        text = raw({"alg": "RS384", "kid": str(uuid.uuid4())}, claims(workers.clock.now))
        assert not accepts(verifier, text, workers.clock.now)
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=forge) for _ in range(28)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(seconds > 0.9 for seconds in took) <= MAX_WAITING
    assert server.fetches == 2


def test_workers_that_start_together(server: KeyServer, workers: Workers) -> None:
    """The first calls of all workers wait for the one that fetches; none is refused."""
    server.delay_s = 0.5
    accepted: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: accepted.append(workers.accept(n % WORKERS)))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert accepted == [True] * 12
    assert server.fetches == 1
