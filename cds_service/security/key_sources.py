"""Where the keys of an issuer come from, and how they are kept fresh without ever being lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from cds_service.protocol import strict_json
from cds_service.security.errors import KeysUnusable
from cds_service.security.fetch import FETCH_S, FRESH_S, FRESHEST_S, STALEST_S, Fetch
from cds_service.security.keys import Key, KeySet, read_keys
from cds_service.store import KeptKeys, StoreError

KEPT_S = 24 * 3600.0
"""How long the last good keys serve while none can be fetched."""
PAUSE_S = 9.0
"""At least so long between two fetches of one issuer's keys for names that are not known."""
MAX_WAITING = 4
"""How many calls with an unknown name wait for a fetch while there are keys."""

_log = logging.getLogger("cds_service.keys")


class Shared(Protocol):
    """What all workers and nodes know together of the keys of issuers."""

    def may_fetch(self, issuer: str, now: float, at_least_s: float) -> bool:
        """Whether nobody else has fetched them lately; then it is the caller's turn."""

    def keep(self, issuer: str, document: bytes, now: float, fresh_until: float) -> None:
        """Keeps a good document, and until when it need not be fetched again."""

    def kept(self, issuer: str, since: float) -> KeptKeys | None:
        """The last good document, if it was fetched after a time."""


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
    a key that is gone is no longer accepted. All workers together fetch at most once in some
    seconds, whatever they are asked for, and what one has found serves all.
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
        self._looking = threading.Lock()
        self._refreshing = threading.Lock()
        self._waiting = threading.Semaphore(MAX_WAITING)
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._fresh_until = 0.0
        self._next_try = 0.0
        self._trouble: str | None = "not fetched yet"

    def find(self, kid: str) -> Key | None:
        """The key of one name; looks anew, within seconds, when the name is not known.

        While there are keys, only a few wait for that: names that nobody knows must not hold up
        the calls of others.
        """
        now = self._clock()
        if self._keys is not None and _is_due(self._fresh_until, now, STALEST_S * 1.1):
            self._refresh_in_background()
        found = self._known(kid, now)
        if found is not None or not _is_due(self._next_try, now, PAUSE_S):
            return found
        if self._keys is None:
            return self._look_and_find(kid)
        if not self._waiting.acquire(blocking=False):
            return None
        try:
            return self._look_and_find(kid)
        finally:
            self._waiting.release()

    @property
    def trouble(self) -> str | None:
        """Why the keys at hand are not fresh, None when they are."""
        return self._trouble

    @property
    def has_tried(self) -> bool:
        """Whether fetching was tried at least once in this process."""
        return self._fresh_until > 0

    @property
    def age_s(self) -> float | None:
        """How long ago the keys at hand were fetched; None when there are none."""
        return None if self._keys is None else max(0.0, self._clock() - self._fetched_at)

    def keep_fresh(self) -> None:
        """Has them fetched in the background when it is time, also while nobody calls."""
        if _is_due(self._fresh_until, self._clock(), STALEST_S * 1.1):
            self._refresh_in_background()

    def refresh(self) -> None:
        """Fetches now; a failure leaves everything as it was, and is told."""
        with self._looking:
            self._fetch_now(self._clock())

    def _known(self, kid: str, now: float) -> Key | None:
        keys = self._keys
        if keys is None or now > self._fetched_at + KEPT_S:
            return None
        return keys.keys.get(kid)

    def _look_and_find(self, kid: str) -> Key | None:
        """One looks, the others wait for what it finds."""
        with self._looking:
            now = self._clock()
            found = self._known(kid, now)
            if found is None and _is_due(self._next_try, now, PAUSE_S):
                self._look_anew(now, kid)
                found = self._known(kid, now)
            return found

    def _look_anew(self, now: float, kid: str | None = None) -> None:
        """Looks once, and notes when to look again: only then, so that others wait meanwhile."""
        next_try = now + PAUSE_S
        try:
            next_try = self._looked(now, kid)
        finally:
            self._next_try = next_try

    def _looked(self, now: float, kid: str | None) -> float:
        """What others have found since, else a fetch, when it is this worker's turn.

        With a name, what others have found is enough where the name is among it; without one, as
        long as it is fresh. Returns when to look again.
        """
        try:
            kept = self._shared.kept(self._name, self._fetched_at)
            if kept is not None and self._take_kept(kept):
                is_enough = now < self._fresh_until if kid is None else self._known(kid, now)
                if is_enough or now - kept.fetched_at < PAUSE_S:
                    return kept.fetched_at + PAUSE_S
            is_our_turn = self._shared.may_fetch(self._name, now, PAUSE_S)
            if not is_our_turn and self._keys is None:
                self._wait_for_others()
                return now + PAUSE_S
        except StoreError as error:  # each worker for itself then, no more often
            _log.warning("keys of %s: %s; looking without the store", self._name, error)
            is_our_turn = True
        if is_our_turn:
            self._fetch_now(now)
            return now + PAUSE_S
        self._fresh_until = max(self._fresh_until, now + 1.0)
        return now + 1.0  # another one is fetching

    def _wait_for_others(self) -> None:
        """What another worker is fetching now, where there is nothing to be used meanwhile."""
        end = time.monotonic() + FETCH_S
        while time.monotonic() < end:
            time.sleep(0.05)
            kept = self._shared.kept(self._name, self._fetched_at)
            if kept is not None and self._take_kept(kept):
                return

    def _take_kept(self, kept: KeptKeys) -> bool:
        """Takes what is kept, unless it is none by the rules of today: a mode may have changed."""
        try:
            keys = read_keys(strict_json.loads(kept.document), published=self._published)
        except (KeysUnusable, strict_json.NotStrictJson):
            return False
        usual = kept.fetched_at + FRESH_S
        self._take(keys, kept.fetched_at, usual if kept.fresh_until is None else kept.fresh_until)
        return True

    def _fetch_now(self, now: float) -> None:
        try:
            fetched = self._fetch()
        except KeysUnusable as error:
            self._trouble = str(error)
            self._fresh_until = now + FRESHEST_S
            _log.warning("keys of %s: %s; the last good ones stay", self._name, error)
            return
        fresh_until = now + fetched.fresh_s * random.uniform(0.9, 1.1)  # noqa: S311
        self._take(fetched.keys, now, fresh_until)
        try:
            self._shared.keep(self._name, fetched.document, now, fresh_until)
        except StoreError as error:  # they serve this worker all the same
            _log.warning("keys of %s could not be kept: %s", self._name, error)

    def _take(self, keys: KeySet, at: float, fresh_until: float) -> None:
        self._keys, self._fetched_at, self._fresh_until = keys, at, fresh_until
        self._trouble = None

    def _refresh_in_background(self) -> None:
        """Never waits: who comes while a refresh is under way uses what is there."""
        if not self._refreshing.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._refresh_and_release, daemon=True, name="keys").start()
        except RuntimeError:  # no thread to be had: a later call tries again
            self._refreshing.release()

    def _refresh_and_release(self) -> None:
        now = self._clock()
        try:
            with self._looking:
                if _is_due(self._fresh_until, now, STALEST_S * 1.1):
                    self._look_anew(now)
        except Exception as error:
            self._fresh_until = now + FRESHEST_S
            _log.error("keys of %s: refreshing failed: %s", self._name, type(error).__name__)
        finally:
            self._refreshing.release()


def _is_due(at: float, now: float, at_most_s: float) -> bool:
    """Whether a time has come; one that is too far ahead is from before the clock was set back."""
    return now >= at or at > now + at_most_s
