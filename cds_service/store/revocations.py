"""Keys that are trusted no longer, whatever their issuer publishes: a log that only grows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, insert, select

from cds_service.store.database import Database
from cds_service.store.tables import revocation


class KeyState(StrEnum):
    """Whether a key proves anything."""

    REVOKED = "revoked"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Revocation:
    """How the trust in a key was last decided, by whom and why; its name is an opaque text."""

    issuer: str
    kid: str
    state: KeyState
    who: str
    why: str
    at: datetime


_LATEST = select(func.max(revocation.c.id)).group_by(revocation.c.issuer, revocation.c.kid)
_CURRENT = select(revocation).where(revocation.c.id.in_(_LATEST)).order_by(revocation.c.id)


class RevocationLog:
    """Every key that was revoked or restored; nothing is ever changed or deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, one: Revocation) -> None:
        """Adds a decision; it holds for all workers as soon as they look."""
        with self._database.statements() as connection:
            connection.execute(
                insert(revocation),
                {
                    "at": one.at,
                    "issuer": one.issuer,
                    "kid": one.kid,
                    "state": one.state.value,
                    "who": one.who,
                    "why": one.why,
                },
            )

    def current(self) -> tuple[Revocation, ...]:
        """How each key stands on which anything was ever decided, the last decision last."""
        with self._database.statements() as connection:
            rows = connection.execute(_CURRENT).all()
        return tuple(
            Revocation(row.issuer, row.kid, KeyState(row.state), row.who, row.why, row.at)
            for row in rows
        )

    def revoked(self) -> frozenset[tuple[str, str]]:
        """Issuer and name of each key that is revoked now."""
        return frozenset(
            (one.issuer, one.kid) for one in self.current() if one.state is KeyState.REVOKED
        )
