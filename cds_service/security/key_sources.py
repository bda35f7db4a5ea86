"""Where the keys of an issuer come from, and how they are kept fresh without ever being lost."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cds_service.egress import Base, Deadline, Egress, EgressError, Policy
from cds_service.protocol import strict_json
from cds_service.security.errors import KeysUnusable
from cds_service.security.keys import Key, KeySet, read_keys
from cds_service.store import StoreError

MAX_BYTES = 256 * 1024
FETCH_S = 2.0
FRESH_S = 600.0
FRESHEST_S, STALEST_S = 60.0, 3600.0
KEPT_S = 24 * 3600.0
"""How long the last good keys serve while none can be fetched."""
PAUSE_S = 9.0
"""At least so long between two fetches of one issuer's keys for names that are not known."""

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})(?:$|[,\s])", re.IGNORECASE)
_log = logging.getLogger("cds_service.keys")


class Shared(Protocol):
    """What all workers and nodes know together of the keys of issuers."""

    def may_fetch(self, issuer: str, now: float, at_least_s: float) -> bool:
        """Whether nobody else has fetched them lately; then it is the caller's turn."""

    def keep(self, issuer: str, document: bytes, now: float) -> None:
        """Keeps a good document."""

    def kept(self, issuer: str, since: float) -> tuple[bytes, float] | None:
        """The last good document and when it was fetched, if that was after a time."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A good document, its keys, and how long they may be taken for fresh."""

    document: bytes
    keys: KeySet
    fresh_s: float


Fetch = Callable[[], Fetched]
"""Fetches once; raises KeysUnusable with what is wrong."""


class StaticKeys:
    """Keys from a file that was read with the registry."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def find(self, kid: str) -> Key | None:
        """The key of one name."""
        return self._keys.keys.get(kid)

    @property
    def trouble(self) -> str | None:
        """Never any: they are here."""
        return None


class FetchedKeys:
    """Keys from an address, refreshed in the background.

    A fetch that fails keeps what was there, for a day; a fetch that succeeds replaces it, so that
    a key that is gone is no longer accepted. A name that is not known makes all workers together
    fetch at most once in some seconds, and what one has found serves all.
    """

    def __init__(
        self,
        name: str,
        fetch: Fetch,
        shared: Shared,
        *,
        published: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._shared = shared
        self._published = published
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._fresh_until = 0.0
        self._next_try = 0.0
        self._refreshing = False
        self._trouble: str | None = "not fetched yet"

    def find(self, kid: str) -> Key | None:
        """The key of one name; looks anew, within seconds, when the name is not known."""
        now = self._clock()
        if self._keys is not None and now >= self._fresh_until:
            self._refresh_in_background()
        found = self._known(kid, now)
        if found is not None or now < self._next_try:
            return found
        with self._lock:  # one looks, the others wait for what it finds
            now = self._clock()
            found = self._known(kid, now)
            if found is None and now >= self._next_try:
                self._look_anew(now)
                found = self._known(kid, now)
            return found

    @property
    def trouble(self) -> str | None:
        """Why the keys at hand are not fresh, None when they are."""
        return self._trouble

    def refresh(self) -> None:
        """Fetches now; a failure leaves everything as it was, and is told."""
        with self._lock:
            self._fetch_now(self._clock())

    def _known(self, kid: str, now: float) -> Key | None:
        keys = self._keys
        if keys is None or now > self._fetched_at + KEPT_S:
            return None
        return keys.keys.get(kid)

    def _look_anew(self, now: float) -> None:
        """What others have found since, else a fetch, when it is this worker's turn."""
        kept = self._shared.kept(self._name, self._fetched_at)
        if kept is not None:
            keys = read_keys(strict_json.loads(kept[0]), published=self._published)
            self._take(keys, kept[1], kept[1] + FRESH_S)
            if now - kept[1] < PAUSE_S:
                self._next_try = kept[1] + PAUSE_S
                return
        if self._shared.may_fetch(self._name, now, PAUSE_S):
            self._next_try = now + PAUSE_S
            self._fetch_now(now)
        else:
            self._next_try = now + 1.0

    def _fetch_now(self, now: float) -> None:
        try:
            fetched = self._fetch()
        except KeysUnusable as error:
            self._trouble = str(error)
            self._fresh_until = now + FRESHEST_S
            _log.warning("keys of %s: %s; the last good ones stay", self._name, error)
            return
        self._take(fetched.keys, now, now + fetched.fresh_s * random.uniform(0.9, 1.1))  # noqa: S311
        try:
            self._shared.keep(self._name, fetched.document, now)
        except StoreError as error:  # they serve this worker all the same
            _log.warning("keys of %s could not be kept: %s", self._name, error)

    def _take(self, keys: KeySet, at: float, fresh_until: float) -> None:
        self._keys, self._fetched_at, self._fresh_until = keys, at, fresh_until
        self._trouble = None

    def _refresh_in_background(self) -> None:
        with self._lock:
            if self._refreshing or self._clock() < self._fresh_until:
                return
            self._refreshing = True
        threading.Thread(target=self._refresh_and_say, daemon=True).start()

    def _refresh_and_say(self) -> None:
        try:
            self.refresh()
        finally:
            self._refreshing = False


def fetch_from(url: str, egress: Egress, policy: Policy, *, published: bool = False) -> Fetch:
    """Fetches a JWKS document through the egress guard; `published` as in `read_keys`."""
    base = Base.parse(url)
    if base is None:
        raise KeysUnusable("its address is not a plain one")

    def fetch() -> Fetched:
        try:
            reply = egress.get(
                url,
                base=base,
                policy=policy,
                deadline=Deadline.after(FETCH_S),
                accept="application/json",
            )
        except EgressError as error:
            raise KeysUnusable(f"could not be fetched: {error.reason}") from None
        if reply.status != 200:
            raise KeysUnusable(f"could not be fetched: answered {reply.status}")
        if len(reply.body) > MAX_BYTES:
            raise KeysUnusable("are too long")
        try:
            keys = read_keys(strict_json.loads(reply.body), published=published)
        except strict_json.NotStrictJson:
            raise KeysUnusable("are not strict JSON") from None
        return Fetched(reply.body, keys, _fresh_s(reply.cache_control))

    return fetch


def _fresh_s(cache_control: str) -> float:
    """How long a server lets its keys be kept, within bounds."""
    stated = _MAX_AGE.search(cache_control)
    return min(max(float(stated[1]), FRESHEST_S), STALEST_S) if stated else FRESH_S
