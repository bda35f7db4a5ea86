"""The stored reasoning of a card, in the words of the explanation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cds_service.store import (
    Database,
    Decision,
    DecisionLog,
    FeedbackLog,
    Judgement,
    StoredFeedback,
)


def stored_reasoning(database: Database, card: str) -> dict[str, Any] | None:
    """Why a card was shown and what became of it; None for a card that is not known.

    Comments and other words of clinicians are not part of it, only that there are some. Raises
    StoreError.
    """
    card = card.strip().lower().removeprefix("urn:uuid:")
    found = DecisionLog(database).of_card(card)
    if found is None:
        return None
    decision, times = found
    made = FeedbackLog(database).of_card(card)
    return {
        "card": card,
        "shown": times,
        **_call(decision),
        "orders": [_order(one) for one in decision.judgements],
        "declined": dict(decision.declined),
        "ignored": dict(decision.ignored),
        "unread": list(decision.unread),
        "feedback": [_outcome(one) for one in made if not one.is_unknown],
    }


def _call(decision: Decision) -> dict[str, Any]:
    return {
        "service": decision.service,
        "hook": decision.hook,
        "ruleset": decision.ruleset,
        "knowledge": decision.knowledge,
        "client": decision.client,
        "mode": decision.mode,
        "decidedAt": _moment(decision.at),
        "latencyMs": decision.latency_ms,
        "patient": decision.patient,
        "silence": decision.silence,
    }


def _order(one: Judgement) -> dict[str, Any]:
    return {
        "order": one.patient_order,
        "study": one.study,
        "scenario": one.scenario,
        "modifiers": list(one.modifiers),
        "rating": one.rating,
        "ratingStatus": one.rating_status,
        "timing": one.timing,
        "indicator": one.indicator,
        "silence": one.silence,
        "rule": one.rule,
        "reasons": list(one.reasons),
        "card": one.card,
        "suggestions": list(one.suggestions),
    }


def _outcome(one: StoredFeedback) -> dict[str, Any]:
    return {
        "outcome": one.feedback.outcome,
        "at": _moment(one.feedback.at),
        "receivedAt": _moment(one.received_at),
        "suggestions": list(one.feedback.suggestions),
        "reasons": [{"system": r.system, "code": r.code} for r in one.feedback.reasons],
        "hasComment": one.feedback.comment is not None,
    }


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
