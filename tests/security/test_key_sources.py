"""Keys that are fetched: fresh, never lost, never fetched too often."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from tokens import jwk, jwks

from cds_service.security import FetchedKeys, KeysUnusable, read_keys
from cds_service.security.fetch import Fetched
from cds_service.security.key_sources import KEPT_S
from cds_service.store import KeptKeys, StoreError, Trouble


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """The present second."""
        return self.now


class Together:
    """What all workers share, in one process."""

    def __init__(self) -> None:
        self.documents: dict[str, KeptKeys] = {}
        self.turns: dict[str, float] = {}

    def may_fetch(self, issuer: str, now: float, at_least_s: float) -> bool:
        """One turn in some seconds."""
        if now < self.turns.get(issuer, 0.0):
            return False
        self.turns[issuer] = now + at_least_s
        return True

    def keep(
        self, issuer: str, document: bytes, now: float, fresh_until: float | None = None
    ) -> None:
        """Keeps a document."""
        self.documents[issuer] = KeptKeys(document, now, fresh_until)

    def kept(self, issuer: str, since: float) -> KeptKeys | None:
        """A document that is newer."""
        found = self.documents.get(issuer)
        return found if found and found.fetched_at > since else None


class Server:
    """A key server that counts, and can be down."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.fetches = 0
        self.trouble: str | None = None
        self.fresh_s = 600.0

    def __call__(self) -> Fetched:
        """One fetch."""
        self.fetches += 1
        if self.trouble:
            raise KeysUnusable(self.trouble)
        document: Any = jwks(*(jwk("rsa", name) for name in self.names))
        return Fetched(json.dumps(document).encode(), read_keys(document), self.fresh_s)


def worker(server: Server, together: Together, clock: Clock) -> FetchedKeys:
    """The keys as one worker holds them."""
    return FetchedKeys("https://ehr.example.org/keys", server, together, clock=clock)


def wait_for_refresh(keys: FetchedKeys) -> None:
    """Lets a background refresh end."""
    for thread in threading.enumerate():
        if thread.name == "keys":
            thread.join(2)


def test_first_use_fetches() -> None:
    """The first call of the first worker fetches; the second worker uses what it found."""
    server, together, clock = Server("a"), Together(), Clock()
    first, second = (worker(server, together, clock) for _ in range(2))
    assert first.trouble == "not fetched yet"
    assert first.find("a") is not None
    assert second.find("a") is not None
    assert (server.fetches, first.trouble) == (1, None)


def test_random_names() -> None:
    """Ten thousand unknown names in a minute cause at most seven fetches, over two workers."""
    server, together, clock = Server("a"), Together(), Clock()
    workers = [worker(server, together, clock) for _ in range(2)]
    for number in range(10_000):
        clock.now += 0.006
        assert workers[number % 2].find(f"unknown-{number}") is None
        if number % 100 == 0:
            assert workers[number % 2].find("a") is not None
    assert server.fetches <= 7


def test_a_key_that_is_published_late() -> None:
    """A key that appears three seconds after its first token is accepted within ten."""
    server, together, clock = Server("a"), Together(), Clock()
    workers = [worker(server, together, clock) for _ in range(2)]
    assert all(one.find("a") for one in workers)
    clock.now += 120
    began = clock.now
    assert workers[0].find("b") is None
    server.names.append("b")
    accepted: dict[int, float] = {}
    while clock.now < began + 10 and len(accepted) < 2:
        clock.now += 0.5
        for number, one in enumerate(workers):
            if one.find("b") is not None:
                accepted.setdefault(number, clock.now - began)
    assert len(accepted) == 2
    assert max(accepted.values()) <= 10


def test_an_hour_of_outage() -> None:
    """A server that is down for an hour refuses nobody, not even through a new worker."""
    server, together, clock = Server("a"), Together(), Clock()
    keys = worker(server, together, clock)
    assert keys.find("a") is not None
    server.trouble = "could not be fetched: no connection"
    for _ in range(60):
        clock.now += 60
        assert keys.find("a") is not None
        wait_for_refresh(keys)
    assert keys.trouble == "could not be fetched: no connection"
    assert worker(server, together, clock).find("a") is not None
    clock.now += KEPT_S
    assert keys.find("a") is None


def test_a_key_that_is_taken_back() -> None:
    """A fetch without a key ends it: revoked is not forgotten."""
    server, together, clock = Server("a", "b"), Together(), Clock()
    keys = worker(server, together, clock)
    assert keys.find("b") is not None
    server.names.remove("b")
    keys.refresh()
    assert keys.find("b") is None
    assert keys.find("a") is not None


def test_refreshed_in_the_background() -> None:
    """Keys past their freshness serve at once, and are fetched anew meanwhile."""
    server, together, clock = Server("a"), Together(), Clock()
    keys = worker(server, together, clock)
    keys.find("a")
    clock.now += 700
    assert keys.find("a") is not None
    wait_for_refresh(keys)
    assert server.fetches == 2


def test_one_fetch_for_many_threads() -> None:
    """Threads that miss a key at the same time fetch it once."""
    server, together, clock = Server("a"), Together(), Clock()
    keys = worker(server, together, clock)
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.append(keys.find("a") is not None)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert (found, server.fetches) == ([True] * 20, 1)


def test_what_is_kept_serves_a_new_worker() -> None:
    """A worker that is renewed, or reads the registry anew, asks the store and nobody else."""
    server, together, clock = Server("a"), Together(), Clock()
    worker(server, together, clock).find("a")
    clock.now += 60
    server.trouble = "could not be fetched: timed out"
    assert worker(server, together, clock).find("a") is not None
    assert server.fetches == 1


@pytest.mark.parametrize(
    ("fresh_s", "later_s", "fetches"),
    [  # jitter moves the end of freshness by a tenth at most
        (60.0, 53, 1),
        (60.0, 67, 2),
        (600.0, 530, 1),
        (600.0, 670, 2),
        (3600.0, 3230, 1),
        (3600.0, 3970, 2),
    ],
)
def test_freshness_goes_with_the_document(fresh_s: float, later_s: float, fetches: int) -> None:
    """Keys that another worker has fetched are fetched anew when the server said, not sooner."""
    server, together, clock = Server("a"), Together(), Clock()
    server.fresh_s = fresh_s
    assert worker(server, together, clock).find("a") is not None
    clock.now += 20
    second = worker(server, together, clock)
    assert second.find("a") is not None
    clock.now += later_s - 20
    assert second.find("a") is not None
    wait_for_refresh(second)
    assert server.fetches == fetches


@pytest.mark.parametrize(("later_s", "fetches"), [(599, 0), (601, 1)])
def test_freshness_that_is_not_known(later_s: float, fetches: int) -> None:
    """What an older program has kept is fresh for ten minutes."""
    server, together, clock = Server("a"), Together(), Clock()
    document = json.dumps(jwks(jwk("rsa", "a"))).encode()
    together.keep("https://ehr.example.org/keys", document, clock.now)
    keys = worker(server, together, clock)
    clock.now += 1
    assert keys.find("a") is not None
    clock.now += later_s - 1
    assert keys.find("a") is not None
    wait_for_refresh(keys)
    assert server.fetches == fetches


@pytest.mark.parametrize("document", [b"", b'{"keys":[]}', b'{"keys":[],"keys":[]}'])
def test_what_is_kept_is_no_longer_good(document: bytes) -> None:
    """What was kept by other rules (a development key, say) is passed over, not fallen over."""
    server, together, clock = Server("a"), Together(), Clock()
    together.keep("https://ehr.example.org/keys", document, clock.now - 60)
    assert worker(server, together, clock).find("a") is not None
    assert server.fetches == 1


class Silent(Together):
    """A store that does not answer."""

    def kept(self, issuer: str, since: float) -> KeptKeys | None:
        """Never."""
        raise StoreError(Trouble.BUSY)

    def keep(
        self, issuer: str, document: bytes, now: float, fresh_until: float | None = None
    ) -> None:
        """Never."""
        raise StoreError(Trouble.BUSY)


def test_a_store_that_does_not_answer() -> None:
    """Without the store a worker looks for itself, as rarely; names it does not know stay so."""
    server, clock = Server("a"), Clock()
    keys = worker(server, Silent(), clock)
    for _ in range(100):
        assert keys.find("a") is not None
        assert keys.find("b") is None
        clock.now += 0.6
    assert server.fetches <= 7


def test_a_clock_that_is_set_back() -> None:
    """An hour back is not an hour without looking."""
    server, together, clock = Server("a"), Together(), Clock()
    keys = worker(server, together, clock)
    assert keys.find("a") is not None
    clock.now -= 7200
    server.names.append("b")
    together.turns.clear()  # the store of turns has its own test
    assert keys.find("b") is not None


def test_a_refresh_that_fails_oddly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in the background, the keys stay, and a later refresh succeeds."""
    server, together, clock = Server("a"), Together(), Clock()
    keys = worker(server, together, clock)
    assert keys.find("a") is not None
    monkeypatch.setattr(keys, "_fetch", lambda: 1 / 0)
    for _ in range(3):
        clock.now += 700
        assert keys.find("a") is not None
        wait_for_refresh(keys)
    monkeypatch.setattr(keys, "_fetch", server)
    monkeypatch.setattr(threading.Thread, "start", _no_thread)
    clock.now += 700
    assert keys.find("a") is not None
    monkeypatch.undo()
    monkeypatch.setattr(keys, "_fetch", server)
    assert keys.find("a") is not None
    wait_for_refresh(keys)
    assert server.fetches == 2


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "is no JWKS: it has no list of keys"),
        ({"keys": {}}, "is no JWKS: it has no list of keys"),
        ({"keys": []}, "has no key that can be used"),
        (jwks(*(jwk("rsa", str(n)) for n in range(51))), "has more than 50 keys"),
        (jwks(jwk("rsa", "a"), jwk("ec384", "a")), "has two keys of one name (keys[1])"),
        (jwks(jwk("short")), "keys[0]: is shorter than 2048 bits"),
        (jwks(jwk("rsa", use="enc")), "keys[0]: is not for signatures"),
        (jwks(jwk("rsa", key_ops=["encrypt"])), "keys[0]: is not for signatures"),
        (jwks(jwk("rsa", key_ops="verify")), "keys[0]: is not for signatures"),
        (jwks(jwk("rsa", alg="RSA-OAEP")), "keys[0]: cannot be read"),
        (jwks(jwk("rsa", alg="ES384")), "keys[0]: has an algorithm that is not for"),
        (jwks(jwk("rsa", alg=["RS384"])), "keys[0]: has an algorithm that is not for"),
        (jwks({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}), "keys[0]: is neither RSA nor EC"),
        (jwks({"kty": "RSA", "kid": "a"}), "keys[0]: is not complete"),
        (jwks({"kty": "RSA", "kid": "a", "n": "!", "e": "AQAB"}), "keys[0]: "),
        (jwks({"kty": "EC", "kid": "a", "crv": "P-384", "x": "AA", "y": "AA"}), "cannot be read"),
        (jwks({"kty": "EC", "kid": "a", "crv": "P-999", "x": "AA", "y": "AA"}), "cannot be read"),
        (jwks({**jwk("rsa"), "kid": ""}), "keys[0]: has no kid"),
        (jwks({**jwk("rsa"), "kid": 5}), "keys[0]: has no kid"),
        (jwks({**jwk("rsa"), "kid": "k" * 257}), "keys[0]: has no kid"),
        ({"keys": ["a"]}, "keys[0]: is no object"),
        (jwks({"kty": ["RSA"], "kid": "a"}), "keys[0]: is neither RSA nor EC"),
        (jwks({"kty": {}, "kid": "a"}), "keys[0]: is neither RSA nor EC"),
        (jwks({"kty": None, "kid": "a"}), "keys[0]: is neither RSA nor EC"),
        (jwks({**jwk("rsa"), "n": "\u00fc"}), "keys[0]: cannot be read"),
        (jwks({**jwk("rsa"), "e": "Ag"}), "keys[0]: cannot be read"),
        (jwks({**jwk("ec384"), "crv": "P-256"}), "keys[0]: cannot be read"),
        (jwks(jwk("rsa", use=["sig"])), "keys[0]: is not for signatures"),
        ({"keys": None}, "is no JWKS"),
        (None, "is no JWKS"),
    ],
)
def test_documents_that_are_no_keys(document: Any, problem: str) -> None:
    """A document that is no set of keys says what is wrong with it."""
    with pytest.raises(KeysUnusable) as error:
        read_keys(document)
    assert problem in str(error.value)


def test_what_is_left_out() -> None:
    """A key that cannot be used does not spoil the others, and is named."""
    found = read_keys(jwks(jwk("rsa", "good"), jwk("short"), jwk("ec384", "also")))
    assert (list(found.keys), found.left_out) == (
        ["good", "also"],
        ("keys[1]: is shorter than 2048 bits",),
    )
