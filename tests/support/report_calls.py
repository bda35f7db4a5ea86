"""Twelve calls of two clients over three weeks, small enough to count by hand.

Week of 2 November: client `a`, live. Week of 9 November: nothing. Week of 16 November: client `b`,
silent. The counts stand in tests/records/test_report_counting.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cds_service.store import AnsweredCall, JudgedOrder, LastOutcome

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
SYSTEM = "https://example.org/reasons"

QUS = JudgedOrder(
    study="qus",
    scenario="surveillance",
    rating="usually-not-appropriate",
    rating_status="rated",
    timing="on-time",
    rule="qus",
    indicator="warning",
    is_shown=True,
    is_first=True,
    has_suggestion=True,
)
DXA = replace(
    QUS,
    study="dxa",
    rating="usually-appropriate",
    rule="dxa",
    indicator="info",
    has_suggestion=False,
)
QUIET = replace(
    DXA, rating=None, rating_status="out-of-scope", rule="initial", indicator=None,
    silence="initial-testing", is_shown=False, is_first=False,
)  # fmt: skip
ACCEPTED = LastOutcome(True)
OVERRIDDEN = LastOutcome(False, ((SYSTEM, "no"), (SYSTEM, "later")), has_comment=True)
DISMISSED = LastOutcome(False)
WORDY = LastOutcome(False, ((None, "Mrs. Canary is ill"), ("a b", "x")))


def call(days: float, *orders: JudgedOrder, **changes: object) -> AnsweredCall:
    """A call so many days after the first Monday."""
    made = AnsweredCall(
        at=MONDAY + timedelta(days=days),
        service="s",
        hook="order-select",
        ruleset="1",
        knowledge="k",
        client="a",
        mode="live",
        latency_ms=10.0,
        orders=orders,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


LIVE = (
    call(0, replace(QUS, outcome=ACCEPTED), hook="order-sign"),
    call(1, replace(QUS, outcome=OVERRIDDEN), latency_ms=20.0),
    call(1.1, replace(QUS, is_first=False)),  # the same card again
    call(2, replace(QUS, outcome=WORDY), replace(DXA, outcome=DISMISSED)),
    call(3, QUS, QUIET, ignored={"entered-in-error": 2, "not valid FHIR R4: $.code": 1}),
    call(4, DXA, unread=("Condition",), latency_ms=1234.5),
    call(5, declined={"code-not-recognised": 2, "no-code": 1}),
    call(6.99, silence="switched-off"),
)
SILENT = tuple(
    replace(one, client="b", mode="silent", ruleset="2")
    for one in (
        call(14, replace(QUS, is_shown=False, is_first=False, has_suggestion=False)),
        call(15, replace(DXA, is_shown=False, is_first=False)),
        call(16, QUIET),
        call(17, silence="chart-not-readable", unread=("Condition", "Observation")),
    )
)
CALLS = (*LIVE, *SILENT)
