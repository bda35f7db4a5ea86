"""The kill switches as they were set: a log that only grows, and what holds now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, insert, select

from cds_service.store.database import Database
from cds_service.store.tables import switch


class ScopeKind(StrEnum):
    """How much a switch turns off."""

    ALL = "all"
    CLIENT = "client"
    SERVICE = "service"
    RULE = "rule"


class State(StrEnum):
    """Where a switch stands."""

    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a switch turns off: its own kind is named, the others narrow it down.

    Everything, a client, a service (of one client or of all), a rule of a service.
    """

    kind: ScopeKind
    client: str | None = None
    service: str | None = None
    rule: str | None = None

    def __post_init__(self) -> None:
        named = (self.client is not None, self.service is not None, self.rule is not None)
        if named not in _NAMED[self.kind]:
            raise ValueError(f"a switch of kind {self.kind} names something else")


_NAMED = {  # client, service, rule
    ScopeKind.ALL: ((False, False, False),),
    ScopeKind.CLIENT: ((True, False, False),),
    ScopeKind.SERVICE: ((False, True, False), (True, True, False)),
    ScopeKind.RULE: ((False, True, True), (True, True, True)),
}


@dataclass(frozen=True, slots=True)
class Switch:
    """How a switch was last set, by whom and why."""

    scope: Scope
    state: State
    who: str
    why: str
    at: datetime


_LATEST = select(func.max(switch.c.id)).group_by(
    switch.c.scope, switch.c.client, switch.c.service, switch.c.rule
)
_CURRENT = select(switch).where(switch.c.id.in_(_LATEST)).order_by(switch.c.id)


class SwitchLog:
    """Every turn of a switch; nothing is ever changed or deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, scope: Scope, state: State, *, who: str, why: str, now: datetime) -> None:
        """Adds a turn; it holds for all workers as soon as they look."""
        with self._database.statements() as connection:
            connection.execute(
                insert(switch),
                {
                    "at": now,
                    "scope": scope.kind.value,
                    "client": scope.client,
                    "service": scope.service,
                    "rule": scope.rule,
                    "state": state.value,
                    "who": who,
                    "why": why,
                },
            )

    def current(self) -> tuple[Switch, ...]:
        """How each switch that was ever set stands, the last one set being the last."""
        with self._database.statements() as connection:
            rows = connection.execute(_CURRENT).all()
        return tuple(
            Switch(
                Scope(ScopeKind(row.scope), row.client, row.service, row.rule),
                State(row.state),
                row.who,
                row.why,
                row.at,
            )
            for row in rows
        )
