"""What was decided and what became of it, read a page at a time; nothing names a patient."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    distinct,
    exists,
    func,
    or_,
    select,
)

from cds_service.store.database import Database
from cds_service.store.tables import decision, feedback, judgement

PAGE = 1000
"""Calls of one page: a few megabytes, and statements that last for milliseconds."""
PATIENCE_S = 120.0
"""A count over everything may take its time on a busy server; nobody's request waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which calls are meant: from `since` on and before `until`; None does not restrict."""

    client: str | None = None
    service: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LastOutcome:
    """The last outcome of a card; reasons are pairs of system and code, without words."""

    is_accepted: bool
    reasons: tuple[tuple[str | None, str], ...] = ()
    has_comment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOrder:
    """One judged order in codes.

    `is_first` marks the one showing, of all showings of its card, with which the card counts: the
    earliest that is kept. Only there the `outcome` stands, whenever it came.
    """

    study: str | None
    scenario: str
    rating: str | None
    rating_status: str
    timing: str
    rule: str
    indicator: str | None = None
    silence: str | None = None
    is_shown: bool = False
    is_first: bool = False
    has_suggestion: bool = False
    outcome: LastOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredCall:
    """One answered call in codes; the members mean what they mean in `Decision`."""

    at: datetime
    service: str
    hook: str
    ruleset: str
    knowledge: str
    client: str
    mode: str
    latency_ms: float
    silence: str | None = None
    declined: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    orders: tuple[JudgedOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Different:
    """How many different patients and orders were judged, and orders with an indicator."""

    patients: int = 0
    orders: int = 0
    orders_with_card: int = 0


_SAYS = ("at", "service", "hook", "ruleset", "knowledge", "client", "mode", "latency_ms", "silence")
_CALLS = select(
    decision.c.id,
    *(decision.c[name] for name in _SAYS),
    decision.c.declined,
    decision.c.unread,
    decision.c.ignored,
)
_JUDGED = select(
    judgement.c.decision,
    *(
        judgement.c[name]
        for name in ("study", "scenario", "rating", "rating_status", "timing", "rule")
    ),
    judgement.c.indicator,
    judgement.c.silence,
    judgement.c.card,
    (judgement.c.suggestions != "[]").label("has_suggestion"),
).order_by(judgement.c.decision, judgement.c.position)
_SHOWINGS = select(judgement.c.card, decision.c.at, decision.c.id).join(
    decision, judgement.c.decision == decision.c.id
)
_OUTCOMES = select(
    feedback.c.card,
    feedback.c.client,
    feedback.c.service,
    feedback.c.outcome,
    feedback.c.reasons,
    feedback.c.comment.is_not(None).label("has_comment"),
).order_by(feedback.c.outcome_at, feedback.c.id)


class Review:
    """Reads what the filters name; each method raises StoreError."""

    def __init__(self, database: Database, filters: Filters) -> None:
        self._database = database
        self._filters = filters

    def count(self) -> int:
        """How many calls there are."""
        with self._reading() as connection:
            counted = select(func.count()).select_from(decision).where(*self._of_calls())
            return connection.execute(counted).scalar_one()

    def calls(self, page: int = PAGE) -> Iterator[AnsweredCall]:
        """The calls by their time.

        Between pages nothing is held open: writers go on, and what is pruned meanwhile is missed.
        """
        after: tuple[datetime, str] | None = None
        while True:
            with self._reading() as connection:
                rows = connection.execute(self._page(after, page)).all()
                found = _with_orders(connection, rows)
            yield from found
            if len(rows) < page:
                return
            after = (rows[-1].at, rows[-1].id)

    def different(self) -> Different:
        """Patients and orders, each counted once, by their pseudonyms."""
        with_card = case((judgement.c.indicator.is_not(None), judgement.c.patient_order))
        counted = (
            select(
                func.count(distinct(decision.c.patient)),
                func.count(distinct(judgement.c.patient_order)),
                func.count(distinct(with_card)),
            )
            .join_from(judgement, decision, judgement.c.decision == decision.c.id)
            .where(*self._of_calls())
        )
        with self._reading() as connection:
            return Different(*connection.execute(counted).one())

    def unknown_feedback(self) -> int:
        """Outcomes of cards that are not known, or not any more, by the time of their receipt."""
        is_known = exists().where(
            judgement.c.card == feedback.c.card,
            decision.c.id == judgement.c.decision,
            decision.c.client == feedback.c.client,
            decision.c.service == feedback.c.service,
        )
        counted = select(func.count()).select_from(feedback)
        meant = self._of(feedback.c.client, feedback.c.service, feedback.c.received_at)
        with self._reading() as connection:
            return connection.execute(counted.where(*meant, ~is_known)).scalar_one()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._database.statements() as connection:
            yield connection

    def _page(self, after: tuple[datetime, str] | None, page: int) -> Any:
        asked = _CALLS.where(*self._of_calls()).order_by(decision.c.at, decision.c.id).limit(page)
        if after is None:
            return asked
        at, name = after
        # The first condition says nothing new, but it is the one that the index can begin at.
        beyond = or_(decision.c.at > at, and_(decision.c.at == at, decision.c.id > name))
        return asked.where(decision.c.at >= at, beyond)

    def _of_calls(self) -> Iterator[ColumnElement[bool]]:
        return self._of(decision.c.client, decision.c.service, decision.c.at)

    def _of(self, client: Any, service: Any, at: Any) -> Iterator[ColumnElement[bool]]:
        meant = self._filters
        if meant.client is not None:
            yield client == meant.client
        if meant.service is not None:
            yield service == meant.service
        if meant.since is not None:
            yield at >= meant.since
        if meant.until is not None:
            yield at < meant.until


@contextmanager
def review(database: Database, filters: Filters) -> Iterator[Review]:
    """A review on a connection of its own that is given time for long statements."""
    with database.patient(PATIENCE_S) as slow:
        yield Review(slow, filters)


def _with_orders(connection: Connection, rows: Sequence[Any]) -> list[AnsweredCall]:
    """The calls of one page with their orders, showings and outcomes."""
    if not rows:
        return []
    judged = _in(connection, _JUDGED, judgement.c.decision, [row.id for row in rows])
    cards = sorted({one.card for one in judged if one.card is not None})
    first: dict[str, tuple[datetime, str]] = {}
    for card, at, name in _in(connection, _SHOWINGS, judgement.c.card, cards):
        first[card] = min(first.get(card, (at, name)), (at, name))
    here = {row.id: row for row in rows}
    mine = sorted(card for card, (_, name) in first.items() if name in here)
    outcomes: dict[str, LastOutcome] = {}
    for one in _in(connection, _OUTCOMES, feedback.c.card, mine):
        call = here[first[one.card][1]]
        if (one.client, one.service) == (call.client, call.service):
            outcomes[one.card] = _outcome(one)  # by their time: the last one stays
    orders: dict[str, list[JudgedOrder]] = {}
    for one in judged:
        # One call does not show a card twice; if it did, it would count with the first order.
        is_first = one.card is not None and first.get(one.card, ("", ""))[1] == one.decision
        if is_first:
            del first[one.card]
        orders.setdefault(one.decision, []).append(
            _order(one, is_first=is_first, outcome=outcomes.get(one.card) if is_first else None)
        )
    return [_call(row, orders.get(row.id, ())) for row in rows]


def _in(connection: Connection, asked: Any, column: Any, values: list[str]) -> Sequence[Any]:
    if not values:
        return ()
    wanted = asked.where(column.in_(bindparam("values", expanding=True)))
    return connection.execute(wanted, {"values": values}).all()


def _call(row: Any, orders: Iterable[JudgedOrder]) -> AnsweredCall:
    return AnsweredCall(
        **dict(zip(_SAYS, row[1 : 1 + len(_SAYS)], strict=True)),
        declined=_read(row.declined, {}),
        unread=tuple(_read(row.unread, [])),
        ignored=_read(row.ignored, {}),
        orders=tuple(orders),
    )


def _read(text: str, empty: Any) -> Any:
    # Most are empty, and parsing is what a long report spends its time with.
    return empty if text in ("{}", "[]") else json.loads(text)


def _order(row: Any, *, is_first: bool, outcome: LastOutcome | None) -> JudgedOrder:
    return JudgedOrder(
        study=row.study,
        scenario=row.scenario,
        rating=row.rating,
        rating_status=row.rating_status,
        timing=row.timing,
        rule=row.rule,
        indicator=row.indicator,
        silence=row.silence,
        is_shown=row.card is not None,
        is_first=is_first,
        has_suggestion=bool(row.has_suggestion),
        outcome=outcome,
    )


def _outcome(row: Any) -> LastOutcome:
    reasons = tuple((one["system"], one["code"]) for one in _read(row.reasons, []))
    return LastOutcome(row.outcome == "accepted", reasons, bool(row.has_comment))
