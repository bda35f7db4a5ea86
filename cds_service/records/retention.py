"""What is old goes: decisions with their cards, and feedback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.store import Database, DecisionLog, FeedbackLog

BATCH = 500
"""Rows of one statement: a writer that waits for it waits for milliseconds."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was deleted."""

    decisions: int
    feedback: int


def prune(database: Database, *, days: int, now: datetime, batch: int = BATCH) -> Pruned:
    """Deletes what is older than a number of days, a batch at a time; raises StoreError.

    Each batch is a transaction of its own: what was deleted before an error stays deleted, and a
    second try goes on from there. Feedback counts from its receipt.
    """
    if days < 1:
        raise ValueError("days: at least 1")
    before = now - timedelta(days=days)
    decisions, feedback = DecisionLog(database), FeedbackLog(database)
    return Pruned(_all(decisions.prune, before, batch), _all(feedback.prune, before, batch))


def _all(delete: Callable[[datetime, int], int], before: datetime, batch: int) -> int:
    gone = 0
    while count := delete(before, batch):
        gone += count
    return gone
