"""What is switched off now: everything, a client, a service, a rule of a service, or a key."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic

from cds_service.store import Scope, ScopeKind, State, StoreError, Switch, Trouble

LOOK_EVERY_S = 2.0
_log = logging.getLogger("cds_service.switches")


class Switches:
    """The kill switches as one process knows them, looked at anew every few seconds.

    Looking happens in the background, but for the first time: a new worker must not give cards
    that are switched off. While the store does not answer, what was known stays.
    """

    def __init__(
        self,
        read: Callable[[], tuple[Switch, ...]],
        read_revoked: Callable[[], frozenset[tuple[str, str]]] = frozenset,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`read_revoked` gives issuer and name of each key that is trusted no longer."""
        self._read = read
        self._read_revoked = read_revoked
        self._clock = clock
        self._off: frozenset[Scope] = frozenset()
        self._revoked: frozenset[tuple[str, str]] | None = None
        self._error: StoreError | None = None
        self._next_look = 0.0
        self._looking = threading.Lock()
        self._has_looked = False

    def look(self) -> None:
        """Reads the switches and the revoked keys now."""
        try:
            self._off = frozenset(one.scope for one in self._read() if one.state is State.OFF)
            self._revoked = self._read_revoked()
            self._error = None
        except StoreError as error:
            if self._error is None:
                _log.warning("the switches cannot be read: %s; the last state stays", error)
            self._error = error
        finally:
            self._has_looked = True

    @property
    def trouble(self) -> str | None:
        """Why the store does not answer; None while it does."""
        return None if self._error is None else str(self._error)

    def keep_fresh(self) -> None:
        """Has them read when it is time, also while nobody calls: the next call may be the one."""
        self._known()

    def is_revoked(self, issuer: str, kid: str) -> bool:
        """Whether a key of an issuer is trusted no longer.

        Raises StoreError while this process could not read that once: it does not guess.
        """
        self._known()
        revoked, error = self._revoked, self._error
        if revoked is None:
            raise StoreError(Trouble.OTHER if error is None else error.trouble)
        return (issuer, kid) in revoked

    @property
    def off(self) -> frozenset[Scope]:
        """What is switched off, as far as this process knows."""
        return self._known()

    def is_off(self, client: str, service: str) -> bool:
        """Whether a service gives this client no cards."""
        off = self._known()
        return bool(off) and not off.isdisjoint(
            (
                Scope(ScopeKind.ALL),
                Scope(ScopeKind.CLIENT, client=client),
                Scope(ScopeKind.SERVICE, service=service),
                Scope(ScopeKind.SERVICE, client=client, service=service),
            )
        )

    def rules_off(self, client: str, service: str) -> frozenset[str]:
        """The rules of a service that give this client no cards."""
        return frozenset(
            scope.rule
            for scope in self._known()
            if scope.kind is ScopeKind.RULE
            and scope.rule is not None
            and scope.service == service
            and scope.client in (None, client)
        )

    def _known(self) -> frozenset[Scope]:
        if not self._has_looked:
            with self._looking:  # who comes at the same time waits for it
                if not self._has_looked:
                    self._next_look = self._clock() + LOOK_EVERY_S
                    self.look()
        if self._clock() >= self._next_look and self._looking.acquire(blocking=False):
            self._next_look = self._clock() + LOOK_EVERY_S
            try:
                threading.Thread(
                    target=self._look_and_release, daemon=True, name="switches"
                ).start()
            except RuntimeError:  # no thread to be had: a later call tries again
                self._looking.release()
        return self._off

    def _look_and_release(self) -> None:
        try:
            self.look()
        finally:
            self._looking.release()
