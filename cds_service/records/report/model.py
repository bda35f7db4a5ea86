"""What a report says, as plain numbers; a call, an order, a showing and a card differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from cds_service.records.report.statistics import BANDS_MS, Latency, Rate
from cds_service.store import Different, Filters

Counts = tuple[tuple[str, int], ...]
"""Names with their numbers, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The numbers of all calls or of one group of them.

    `judged` orders are `shown` a card, `would_show` one (the client gets none: silent mode), or
    are `quiet`. A card counts once, however often it was shown. `offering` cards have a
    suggestion; only those can be accepted. `answered` ones have feedback; the last outcome counts.
    """

    calls: int = 0
    eligible_calls: int = 0
    judged: int = 0
    shown: int = 0
    would_show: int = 0
    quiet: int = 0
    cards: int = 0
    offering: int = 0
    answered: int = 0
    answered_offering: int = 0
    accepted: int = 0
    overridden: int = 0
    latency: Latency | None = None

    @property
    def feedback(self) -> Rate:
        """Cards with feedback, of all cards."""
        return Rate(self.answered, self.cards)

    @property
    def acceptance(self) -> Rate:
        """Accepted cards, of those with feedback that had something to accept."""
        return Rate(self.accepted, self.answered_offering)

    @property
    def override(self) -> Rate:
        """Overridden cards, of those with feedback."""
        return Rate(self.overridden, self.answered)

    @property
    def unanswered(self) -> int:
        """Cards without feedback: it was never sent, or not yet; nobody knows which."""
        return self.cards - self.answered


@dataclass(frozen=True, slots=True)
class Answered:
    """What a judged order got, as the explanation says it."""

    study: str
    rating: str
    rating_status: str
    indicator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a report says; empty when no call is meant."""

    filters: Filters
    made_at: datetime
    first: datetime | None = None
    last: datetime | None = None
    total: Tally = Tally()
    different: Different = field(default_factory=Different)
    by_mode: tuple[tuple[tuple[str, str], Tally], ...] = ()
    """By mode and hook."""
    by_answer: tuple[tuple[Answered, Tally], ...] = ()
    by_rule: tuple[tuple[str, Tally], ...] = ()
    by_client: tuple[tuple[str, Tally], ...] = ()
    by_week: tuple[tuple[date, Tally], ...] = ()
    """By the Monday with which a week begins (UTC), without a hole."""
    offering: Tally = Tally()
    """The cards with a suggestion."""
    dismissible: Tally = Tally()
    """The cards without one."""
    override_reasons: tuple[tuple[tuple[str, str], int], ...] = ()
    """By system and code."""
    overrides_without_reason: int = 0
    overrides_with_comment: int = 0
    silent_calls: Counts = ()
    quiet_orders: Counts = ()
    declined: Counts = ()
    charts_read: int = 0
    unread: Counts = ()
    """Calls in which a type of data could not be read, or not wholly."""
    ignored: Counts = ()
    editions: tuple[tuple[tuple[str, str], int], ...] = ()
    """Calls by ruleset and knowledge."""
    latency_bands: tuple[int, ...] = (0,) * (len(BANDS_MS) + 1)
    unknown_feedback: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.total.calls
