"""What clinicians made of cards: a log that only grows, each outcome once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    LargeBinary,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    select,
    text,
)

from cds_service.protocol.feedback import Feedback, OverrideReason
from cds_service.store.database import Database
from cds_service.store.decisions import owners
from cds_service.store.tables import decision, feedback, judgement
from cds_service.store.types import UtcDateTime

__all__ = ["FeedbackLog", "Kept", "NotTheirCard", "StoredFeedback"]


class NotTheirCard(Exception):
    """Feedback for cards that were shown to another client, or by another service.

    `positions` are their places in the batch, of which nothing was kept.
    """

    def __init__(self, positions: tuple[int, ...]) -> None:
        super().__init__("cards of another client or service")
        self.positions = positions


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a batch: new outcomes, repeats, and how many of the new have no card yet."""

    new: int
    repeated: int
    unknown: int


@dataclass(frozen=True, slots=True)
class StoredFeedback:
    """One outcome as it was kept; `is_unknown` while no decision of this client has the card."""

    feedback: Feedback
    client: str
    service: str
    received_at: datetime
    is_unknown: bool


_TEXTS = ("client", "service", "card", "outcome", "suggestions", "reasons", "words", "comment")
_ADD = text(
    f"INSERT INTO feedback (fingerprint, received_at, outcome_at, {', '.join(_TEXTS)})"  # noqa: S608
    f" VALUES (:fingerprint, :received_at, :outcome_at, :{', :'.join(_TEXTS)})"
    " ON CONFLICT (fingerprint) DO NOTHING"
).bindparams(
    bindparam("fingerprint", type_=LargeBinary),
    bindparam("received_at", type_=UtcDateTime),
    bindparam("outcome_at", type_=UtcDateTime),
    *(bindparam(name, type_=Text) for name in _TEXTS),
)
_THERE = select(feedback.c.fingerprint).where(
    feedback.c.fingerprint.in_(bindparam("fingerprints", expanding=True))
)
# Quarantine is no state of a row: it ends by itself when the decision of the card is written.
_SHOWN = exists().where(
    and_(
        judgement.c.card == feedback.c.card,
        decision.c.id == judgement.c.decision,
        decision.c.client == feedback.c.client,
        decision.c.service == feedback.c.service,
    )
)
_OF_CARD = (
    select(feedback, _SHOWN.label("is_shown"))
    .where(feedback.c.card == bindparam("card"))
    .order_by(feedback.c.outcome_at, feedback.c.id)
)
_UNKNOWN = select(func.count()).select_from(feedback).where(~_SHOWN)
_OLD = (
    select(feedback.c.id)
    .where(feedback.c.received_at < bindparam("before"))
    .order_by(feedback.c.received_at)
    .limit(bindparam("at_most"))
)
_PRUNE = delete(feedback).where(feedback.c.id.in_(_OLD))


class FeedbackLog:
    """Every outcome; nothing is changed, and deleted only when it is old."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, batch: Sequence[Feedback], *, client: str, service: str, now: datetime) -> Kept:
        """Keeps a batch, all of it or nothing; it is on disk when this returns.

        Raises NotTheirCard or StoreError. A card that nobody knows is no error: the process that
        showed it may not have written it down yet.
        """
        rows = {
            row["fingerprint"]: row
            for row in (_row(one, client, service, now) for one in reversed(batch))
        }
        with self._database.transaction() as connection:
            known = owners(connection, (one.card for one in batch))
            self._refuse_others(batch, known, (client, service))
            found = connection.execute(_THERE, {"fingerprints": [*rows]}).scalars()
            there = {bytes(one) for one in found}
            # In one order everywhere, so that two batches never wait for each other in a circle.
            new = [rows[one] for one in sorted(rows) if one not in there]
            if new:
                connection.execute(_ADD, new)
        unknown = sum(row["card"] not in known for row in new)
        return Kept(len(new), len(batch) - len(new), unknown)

    def of_card(self, card: str) -> tuple[StoredFeedback, ...]:
        """What was made of one card, by the time of the outcome."""
        with self._database.statements() as connection:
            rows = connection.execute(_OF_CARD, {"card": card}).all()
        return tuple(
            StoredFeedback(
                _feedback(row), row.client, row.service, row.received_at, not row.is_shown
            )
            for row in rows
        )

    def count_unknown(self) -> int:
        """How many outcomes are in quarantine: their card is not known, or not known any more."""
        with self._database.statements() as connection:
            return connection.execute(_UNKNOWN).scalar_one()

    def prune(self, before: datetime, at_most: int) -> int:
        """Deletes a batch of what was received before a time and says how many."""
        with self._database.statements() as connection:
            return connection.execute(_PRUNE, {"before": before, "at_most": at_most}).rowcount

    @staticmethod
    def _refuse_others(
        batch: Sequence[Feedback], known: dict[str, tuple[str, str]], mine: tuple[str, str]
    ) -> None:
        others = [n for n, one in enumerate(batch) if known.get(one.card, mine) != mine]
        if others:
            raise NotTheirCard(tuple(others))


def _row(one: Feedback, client: str, service: str, now: datetime) -> dict[str, Any]:
    words = [reason.words for reason in one.reasons]
    return {
        "fingerprint": one.fingerprint(client, service),
        "received_at": now,
        "client": client,
        "service": service,
        "card": one.card,
        "outcome": one.outcome,
        "outcome_at": one.at,
        "suggestions": _text(one.suggestions),
        "reasons": _text([{"system": r.system, "code": r.code} for r in one.reasons]),
        "words": _text(words) if any(words) else None,
        "comment": one.comment,
    }


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _feedback(row: Any) -> Feedback:
    reasons = json.loads(row.reasons)
    words = json.loads(row.words) if row.words else [None] * len(reasons)
    return Feedback(
        card=row.card,
        outcome=row.outcome,
        at=row.outcome_at,
        suggestions=tuple(json.loads(row.suggestions)),
        reasons=tuple(
            OverrideReason(one["code"], one["system"], said)
            for one, said in zip(reasons, words, strict=True)
        ),
        comment=row.comment,
    )
