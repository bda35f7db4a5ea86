"""What was decided and shown: one row for a call, one for each order that it judged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from cds_service.protocol import compact_json
from cds_service.store.bulk import insert_all
from cds_service.store.database import Database
from cds_service.store.tables import decision, judgement
from cds_service.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was made of one order: codes and bands, no value, date, text or identifier.

    `patient_order` is a pseudonym. `card` and the `suggestions` on it are there when a card was
    shown.
    """

    patient_order: str
    study: str | None
    scenario: str
    rating_status: str
    timing: str
    rule: str
    rating: str | None = None
    modifiers: tuple[str, ...] = ()
    indicator: str | None = None
    silence: str | None = None
    reasons: tuple[str, ...] = ()
    card: str | None = None
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One answered call; `patient` is a pseudonym, `silence` why the call as a whole had no cards.

    `declined` counts the orders that were not judged by reason, `ignored` the resources that were
    not used; `unread` names the types of data that could not be read.
    """

    id: str
    at: datetime
    service: str
    hook: str
    ruleset: str
    knowledge: str
    client: str
    mode: str
    patient: str
    latency_ms: float
    silence: str | None = None
    declined: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    judgements: tuple[Judgement, ...] = ()


_OF_CARD = (
    select(decision)
    .join(judgement, judgement.c.decision == decision.c.id)
    .where(judgement.c.card == bindparam("card"))
)
_NEWEST = _OF_CARD.order_by(decision.c.at.desc(), decision.c.id).limit(1)
_TIMES = select(func.count()).select_from(judgement).where(judgement.c.card == bindparam("card"))
_JUDGEMENTS = (
    select(judgement)
    .where(judgement.c.decision == bindparam("decision"))
    .order_by(judgement.c.position)
)
_OWNERS = (
    select(judgement.c.card, decision.c.client, decision.c.service)
    .join(decision, judgement.c.decision == decision.c.id)
    .where(judgement.c.card.in_(bindparam("cards", expanding=True)))
    .distinct()
)
_OLD = (
    select(decision.c.id)
    .where(decision.c.at < bindparam("before"))
    .order_by(decision.c.at)
    .limit(bindparam("at_most"))
)
_PRUNE = delete(decision).where(decision.c.id.in_(_OLD))


class DecisionLog:
    """The decisions; rows are added, and deleted when they are old, never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, decisions: Iterable[Decision]) -> None:
        """Keeps all of them, or with StoreError none."""
        decisions = tuple(decisions)
        if not decisions:
            return
        rows = [_decision_row(one) for one in decisions]
        judgements = [
            _judgement_row(one.id, position, judged)
            for one in decisions
            for position, judged in enumerate(one.judgements)
        ]
        with self._database.transaction() as connection:
            insert_all(connection, decision, rows)
            insert_all(connection, judgement, judgements)

    def of_card(self, card: str) -> tuple[Decision, int] | None:
        """The newest decision that showed a card, and how often it was shown."""
        with self._database.statements() as connection:
            row = connection.execute(_NEWEST, {"card": card}).one_or_none()
            if row is None:
                return None
            times = connection.execute(_TIMES, {"card": card}).scalar_one()
            judged = connection.execute(_JUDGEMENTS, {"decision": row.id}).all()
        return _decision(row._asdict(), [one._asdict() for one in judged]), times

    def prune(self, before: datetime, at_most: int) -> int:
        """Deletes a batch of decisions from before a time and says how many."""
        with self._database.statements() as connection:
            return connection.execute(_PRUNE, {"before": before, "at_most": at_most}).rowcount


def owners(connection: Connection, cards: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Client and service of those cards that are known: whose they are never changes."""
    found = connection.execute(_OWNERS, {"cards": sorted(set(cards))})
    return {card: (client, service) for card, client, service in found}


def _decision_row(one: Decision) -> tuple[Any, ...]:
    """The values in the order of the table's columns."""
    return (
        one.id,
        one.at,
        one.service,
        one.hook,
        one.ruleset,
        one.knowledge,
        one.client,
        one.mode,
        one.patient,
        one.silence,
        one.latency_ms,
        _text(one.declined) if one.declined else "{}",
        _text(one.unread) if one.unread else "[]",
        _text(one.ignored) if one.ignored else "{}",
    )


def _judgement_row(decision_id: str, position: int, one: Judgement) -> tuple[Any, ...]:
    return (
        decision_id,
        position,
        one.patient_order,
        one.study,
        one.scenario,
        _text(one.modifiers) if one.modifiers else "[]",
        one.rating,
        one.rating_status,
        one.timing,
        one.indicator,
        one.silence,
        one.rule,
        _text(one.reasons) if one.reasons else "[]",
        one.card,
        _text(one.suggestions) if one.suggestions else "[]",
    )


_LISTS = ("modifiers", "reasons", "suggestions")


def _text(value: object) -> str:
    return compact_json.dumps(value, sort_keys=True).decode()


def _decision(row: Mapping[str, Any], judged: list[Mapping[str, Any]]) -> Decision:
    values = dict(row)
    values |= {name: json.loads(values[name]) for name in ("declined", "ignored")}
    values["unread"] = tuple(json.loads(values["unread"]))
    return Decision(**values, judgements=tuple(_judgement(one) for one in judged))


def _judgement(row: Mapping[str, Any]) -> Judgement:
    values = {name: value for name, value in row.items() if name not in ("decision", "position")}
    values |= {name: tuple(json.loads(values[name])) for name in _LISTS}
    return Judgement(**values)
